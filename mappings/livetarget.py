"""An offer, indexed: what the target answers about one type, SKU, zone or region, quickly and for many resources."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mappings.offer import Offer, OfferedType, PolicyKind, Sku, SkuPlace
from mappings.regions import open_to
from mappings.skuplaces import STORAGE, VM_SIZES

_SIZE = re.compile(r"(?:basic|standard)_([a-z]+)(\d+)(?:-\d+)?([a-z]*)(?:_(?!v\d+$)([a-z0-9]+))?(?:_v(\d+))?")
MOST_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size by its name: Learn, "Azure virtual machine sizes naming conventions"."""

    series: str
    number: int
    features: str
    version: int


@lru_cache(maxsize=4096)
def size_named(name: str) -> Size | None:
    """The parts of "Standard_D4ds_v5"; None where the name is not of that form."""
    found = _SIZE.fullmatch(name.lower())
    if found is None:
        return None
    series, number, features, _, version = found.groups()
    # Older names carry the premium-disk letter in the series: DS3_v2 is a D with "s".
    if len(series) > 1 and series.endswith("s") and series[:-1] in ("d", "g", "l", "f", "b"):
        series, features = series[:-1], f"s{features}"
    return Size(series, int(number), features, int(version or 1))


class LiveTarget:
    """What one target subscription offers, by name.

    Args:
        offer: as it was asked.
    """

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.types: Mapping[str, OfferedType] = {one.name.lower(): one for one in offer.types}
        self.policies = tuple(p for p in offer.policies if p.kind is not PolicyKind.DENIES_NOTHING)
        self._zones = {one.region: one.zones for one in offer.zones}
        self._known = frozenset(offer.sku_lists)
        self._skus: dict[tuple[str, str], list[Sku]] = {}
        self._by_list: dict[str, list[Sku]] = {}
        self._kinds: dict[str, set[str]] = {}
        for sku in offer.skus:
            self._skus.setdefault((sku.of, sku.name.lower()), []).append(sku)
            self._by_list.setdefault(sku.of, []).append(sku)
            if sku.kind:
                self._kinds.setdefault(sku.of, set()).add(sku.kind.lower())
        self._nearest: dict[tuple[str, str, str, str], tuple[str, ...]] = {}

    def listed(self, name: str) -> OfferedType | None:
        """The entry of a type. A child type is offered where its parent is: providers list children incompletely."""
        name = name.lower()
        while True:
            if name in self.types:
                return self.types[name]
            if name.count("/") < 2:
                return None
            name = name.rpartition("/")[0]

    def knows(self, of: str) -> bool:
        """Whether the SKU list of `of` was had completely, so that a missing name means "not offered"."""
        return of in self._known

    def places(self, of: str, name: str, kind: str = "") -> Mapping[str, SkuPlace]:
        """Region -> the SKU there. A kind that the list does not know counts as any kind."""
        found = self._skus.get((of, name.lower()), [])
        if kind and kind.lower() in self._kinds.get(of, ()):
            found = [sku for sku in found if sku.kind.lower() == kind.lower()]
        return {place.region: place for sku in found[:1] for place in sku.places}

    def zones_of(self, region: str) -> tuple[str, ...] | None:
        """Zones of a region; None where the target did not say."""
        return self._zones.get(region)

    def alternatives(self, of: str, name: str, region: str, kind: str = "") -> tuple[str, ...]:
        """Names of the same list that can be had in `region`, nearest first, at most three; none of another series.

        VM sizes: of the same series, then by size, features and newest version. Else: by tier and name.
        """
        key = (of, name.lower(), region, kind.lower())
        if key not in self._nearest:
            there = [
                sku
                for sku in self._by_list.get(of, ())
                if sku.name.lower() != name.lower()
                and (not kind or not sku.kind or sku.kind.lower() == kind.lower())
                and self._allowed(of, sku.name.lower())
                and any(place.region == region and not place.refused for place in sku.places)
            ]
            self._nearest[key] = self._ranked(name, there, self._skus.get((of, name.lower()), []))
        return self._nearest[key]

    def _allowed(self, of: str, name: str) -> bool:
        """Whether the policies of the target let a SKU through, so that nobody is told to take a denied one."""
        kind = {VM_SIZES: PolicyKind.ALLOWED_VM_SIZES, STORAGE: PolicyKind.ALLOWED_STORAGE_SKUS}.get(of)
        return all(name in policy.values for policy in self.policies if policy.kind is kind)

    @staticmethod
    def _ranked(name: str, there: Sequence[Sku], same: Sequence[Sku]) -> tuple[str, ...]:
        size = size_named(name)
        ranked: list[tuple[tuple[int, ...], str]] = []
        for sku in there:
            other = size_named(sku.name)
            if size and other:
                if other.series == size.series:
                    cores = abs(sku.cores - same[0].cores) if same and same[0].cores and sku.cores else 0
                    ranked.append(((cores, *_distance(size, other)), sku.name))
                continue
            tier, _, kept = name.lower().partition("_")
            its_tier, _, its_kept = sku.name.lower().partition("_")
            if its_tier == tier:
                # Copies in a second region first where the source has them: GZRS goes on as GRS rather than as LRS.
                ranked.append(
                    ((("g" in kept) is not ("g" in its_kept), its_kept.startswith("ra"), len(its_kept)), sku.name)
                )
        return tuple(dict.fromkeys(name for _, name in sorted(ranked)))[:MOST_ALTERNATIVES]


def _distance(size: Size, other: Size) -> tuple[int, int, int, int]:
    """How far another size of the series is: number, features, version; of equally far ones the newer is nearer."""
    return (
        abs(other.number - size.number),
        other.features != size.features,
        abs(other.version - size.version),
        -other.version,
    )


def open_regions(places: Mapping[str, SkuPlace]) -> tuple[str, ...]:
    """Regions open to every government customer in which a SKU is not refused, in the usual order."""
    return open_to(region for region, place in places.items() if not place.refused)
