"""What the objects of one container have that decides how much of them a copy keeps: counted while they are listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from mappings.objects import ListedObject

LEASED, VERSIONS, DELETED, ARCHIVED, ARCHIVED_BYTES = "leased", "versions", "deleted", "archived", "archived_bytes"
COMING, KEYED, KEYED_BYTES, SCOPED, HELD = "rehydrating", "customer_keys", "customer_key_bytes", "scoped", "held"
DIRECTORIES, ARCHIVED_LARGEST = "directories", "archived_largest"
COMING_BYTES, LONG, LONG_BYTES = "rehydrating_bytes", "long_names", "long_name_bytes"
SIZES = frozenset({ARCHIVED_BYTES, KEYED_BYTES, COMING_BYTES, LONG_BYTES})
"""Traits that are bytes; all others but `ARCHIVED_LARGEST` count entries."""


_SHORT = 100
"""Characters of a name that is never too long: each makes twelve of a URL at most."""


class Traits:
    """Counts over one container's listing. Memory does not grow.

    Args:
        too_long: whether the URL of a blob of this name is longer than a copy source may be.
    """

    def __init__(self, too_long: Callable[[str], bool] = lambda name: False) -> None:
        self._too_long = too_long
        self._counts: Counter[str] = Counter()
        self._name: str | None = None
        self._based = True

    def add(self, item: ListedObject) -> None:
        """Count one listed entry; entries of one name come together."""
        if item.name != self._name:
            self._turn()
            self._name, self._based = item.name, False
        self._based = self._based or not item.previous
        counts = self._counts
        if item.previous:
            counts[VERSIONS] += 1
        if item.lease_status and item.lease_status.lower() == "locked":
            counts[LEASED] += 1
        if item.archive_status:
            counts[COMING] += 1
            counts[COMING_BYTES] += item.size
        elif item.tier == "Archive":
            counts[ARCHIVED] += 1
            counts[ARCHIVED_BYTES] += item.size
            counts[ARCHIVED_LARGEST] = max(counts[ARCHIVED_LARGEST], item.size)
        if item.customer_key:
            counts[KEYED] += 1
            counts[KEYED_BYTES] += item.size
        if item.encryption_scope:
            counts[SCOPED] += 1
        if item.immutable_until is not None or item.legal_hold:
            counts[HELD] += 1
        if item.directory:
            counts[DIRECTORIES] += 1
        if len(item.name) > _SHORT and self._too_long(item.name):
            counts[LONG] += 1
            counts[LONG_BYTES] += item.size

    def _turn(self) -> None:
        if self._name is not None and not self._based:
            self._counts[DELETED] += 1

    def counts(self) -> dict[str, int]:
        """What was counted so far, by trait, without zeros."""
        self._turn()
        self._name, self._based = None, True
        return {trait: number for trait, number in sorted(self._counts.items()) if number}


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum over containers; of the largest archived blob the maximum."""
    total: Counter[str] = Counter()
    for one in counts:
        for trait, number in one.items():
            total[trait] = max(total[trait], number) if trait == ARCHIVED_LARGEST else total[trait] + number
    return dict(total)
