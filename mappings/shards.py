"""Cuts a container's listing into shards, and finds which older manifests cover a shard's range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mappings.errors import ObjectError
from mappings.model import ContainerSurvey

R = TypeVar("R")

SHARD_BYTES = 64 * 1024**3
"""A shard of few big blobs ends here; at 100 MB/s that is some eleven minutes of work."""


class Cutter:
    """Fed with a container's listing, in order; answers with its survey. Memory grows with shards, not with objects.

    Cuts lie between different names only, so the snapshots of a name are in one shard with it.

    Args:
        account: source account.
        container: its container.
        shard_objects: entries per shard, about: a name with more snapshots than that is not split.
        shard_bytes: bytes per shard, about.
    """

    def __init__(self, account: str, container: str, *, shard_objects: int, shard_bytes: int = SHARD_BYTES) -> None:
        if shard_objects < 1 or shard_bytes < 1:
            raise ValueError(f"a shard holds at least one object and one byte, not {shard_objects} and {shard_bytes}")
        self._account, self._container = account, container
        self._most_objects, self._most_bytes = shard_objects, shard_bytes
        self._name: str | None = None
        self._cuts: list[str] = []
        self._objects, self._bytes = [0], [0]
        self._snapshots = 0
        self._types: Counter[str] = Counter()
        self._tiers: Counter[str] = Counter()

    def add(self, name: str, size: int, blob_type: str = "", tier: str = "", is_snapshot: bool = False) -> None:
        """Count one listed entry.

        Raises:
            ObjectError: `name` sorts before the one added last, so key ranges cannot describe this listing.
        """
        if self._name is not None and name < self._name:
            raise ObjectError(
                f'The listing of {self._account}/{self._container} gave "{name}" after "{self._name}".',
                code="BrokenListing",
            )
        full = self._objects[-1] >= self._most_objects or self._bytes[-1] >= self._most_bytes
        if full and name != self._name:
            self._cuts.append(name)
            self._objects.append(0)
            self._bytes.append(0)
        self._name = name
        self._objects[-1] += 1
        self._bytes[-1] += size
        self._snapshots += is_snapshot
        if blob_type:
            self._types[str(blob_type)] += 1
        if tier:
            self._tiers[tier] += 1

    def survey(self, *, public_access: str = "") -> ContainerSurvey:
        """What was counted. `public_access` is the container's own setting: "", "blob" or "container"."""
        return ContainerSurvey(
            account=self._account,
            container=self._container,
            objects=sum(self._objects),
            bytes=sum(self._bytes),
            snapshots=self._snapshots,
            by_type=dict(sorted(self._types.items())),
            by_tier=dict(sorted(self._tiers.items())),
            cuts=tuple(self._cuts),
            shard_objects=tuple(self._objects),
            shard_bytes=tuple(self._bytes),
            public_access=public_access,
        )


@dataclass(frozen=True, slots=True)
class Span(Generic[R]):
    """A half-open range of names, `begin <= name < end` (`end` None has no end), and what covers it."""

    begin: str
    end: str | None
    covered_by: R

    def holds(self, name: str) -> bool:
        return self.begin <= name and (self.end is None or name < self.end)


def newest_cover(begin: str, end: str | None, spans: Iterable[Span[R]]) -> list[Span[R]]:
    """The parts of `begin..end` that `spans` cover, ascending, without overlap; the first span over a name wins.

    A new plan may cut a container elsewhere than the last one; the last manifests of a shard's range are then those of
    several older shards, each for a part of it.

    Args:
        begin: first name of the range.
        end: first name behind it, None for no end.
        spans: newest first.
    """
    open_parts: list[tuple[str, str | None]] = [(begin, end)]
    found: list[Span[R]] = []
    for span in spans:
        left: list[tuple[str, str | None]] = []
        for part_begin, part_end in open_parts:
            low, high = max(part_begin, span.begin), _sooner(part_end, span.end)
            if not _before(low, high):
                left.append((part_begin, part_end))
                continue
            found.append(Span(low, high, span.covered_by))
            if part_begin < low:
                left.append((part_begin, low))
            if high is not None and _before(high, part_end):
                left.append((high, part_end))
        open_parts = left
        if not open_parts:
            break
    return sorted(found, key=lambda part: part.begin)


def _sooner(one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _before(name: str, end: str | None) -> bool:
    return end is None or name < end
