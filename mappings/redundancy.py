"""Storage redundancies as data: what each keeps, and which takes its place where a region does not offer it.

The order of a row is by what would be lost, least first: no fewer nines of durability, then what clients notice at once
(reading from the second region), then what only a failure shows (zones), then what costs more without being asked for.
Performance never changes: a premium account has no place on standard disks, and the other way round.

Source: Learn, "Azure Storage redundancy" (durability over a year, zones, second region, read access; read 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

CHECKED = date(2026, 11, 22)


@dataclass(frozen=True, slots=True)
class Redundancy:
    """What one redundancy promises."""

    nines: int
    """Durability of an object over a year: 11 is 99.999999999 %."""
    zones: bool = False
    """Whether it goes on where one availability zone of the region fails."""
    second_region: bool = False
    """Whether a copy lies in the paired region, of the same cloud."""
    reads_there: bool = False
    """Whether that copy can be read at any time (the `-secondary` endpoint)."""


_KINDS: Mapping[str, Redundancy] = {
    "LRS": Redundancy(11),
    "ZRS": Redundancy(12, zones=True),
    "GRS": Redundancy(16, second_region=True),
    "RAGRS": Redundancy(16, second_region=True, reads_there=True),
    "GZRS": Redundancy(16, zones=True, second_region=True),
    "RAGZRS": Redundancy(16, zones=True, second_region=True, reads_there=True),
}
_INSTEAD: Mapping[str, tuple[str, ...]] = {
    "LRS": ("ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"),
    "ZRS": ("GZRS", "RAGZRS", "GRS", "RAGRS", "LRS"),
    "GRS": ("RAGRS", "GZRS", "RAGZRS", "ZRS", "LRS"),
    "RAGRS": ("RAGZRS", "GRS", "GZRS", "ZRS", "LRS"),
    "GZRS": ("RAGZRS", "GRS", "RAGRS", "ZRS", "LRS"),
    "RAGZRS": ("RAGRS", "GZRS", "GRS", "ZRS", "LRS"),
}
"""Redundancy -> what takes its place, nearest first."""
_OF_TIER: Mapping[str, tuple[str, ...]] = {
    "Standard": tuple(_KINDS),
    "StandardV2": ("LRS", "ZRS", "GRS", "GZRS"),
    "Premium": ("LRS", "ZRS"),
    "PremiumV2": ("LRS", "ZRS"),
}
SKUS: Mapping[str, str] = {
    f"{tier}_{kind}".lower(): f"{tier}_{kind}" for tier, kinds in _OF_TIER.items() for kind in kinds
}
"""SKU of a storage account in lower case -> as ARM spells it (Storage REST reference, `SkuName`)."""


def spelt(name: str) -> str:
    """`name` as ARM spells it ("standard-grs" of a classic account: "Standard_GRS"); "" where there is no such SKU."""
    return SKUS.get(name.strip().replace("-", "_").lower(), "")


def instead_of(name: str) -> tuple[str, ...]:
    """SKUs of the same performance that can take the place of `name`, nearest first; none of a name that is unknown."""
    tier, _, kind = spelt(name).partition("_")
    return tuple(f"{tier}_{other}" for other in _INSTEAD.get(kind, ()) if other in _OF_TIER[tier])


def change(old: str, new: str) -> tuple[str, str]:
    """What is kept and what is lost where SKU `new` takes the place of `old`, in words; "" where nothing is.

    Raises:
        KeyError: one of them is unknown.
    """
    was, now = (_KINDS[SKUS[name.lower()].partition("_")[2]] for name in (old, new))
    kept: list[str] = []
    lost: list[str] = []
    at_least = f"at least {was.nines} nines of durability"
    (kept if now.nines >= was.nines else lost).append(
        at_least if now.nines >= was.nines else f"{was.nines} nines of durability ({now.nines} remain)"
    )
    for had, has, words in (
        (was.zones, now.zones, "service while a zone fails"),
        (was.second_region, now.second_region, "a copy in the paired region"),
        (was.reads_there, now.reads_there, "reading from the paired region (the -secondary endpoint)"),
    ):
        if had:
            (kept if has else lost).append(words)
    return ", ".join(kept), ", ".join(lost)


def added(old: str, new: str) -> str:
    """What comes with SKU `new` that `old` did not have, and that somebody may not want; "" where nothing does."""
    was, now = (_KINDS[SKUS[name.lower()].partition("_")[2]] for name in (old, new))
    return "a copy of the data in the paired region" if now.second_region and not was.second_region else ""
