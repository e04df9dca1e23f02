"""Cuts a container's listing into shards, and finds which older manifests cover a shard's range."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mappings.errors import ObjectError
from mappings.model import ContainerSurvey
from mappings.objects import ListedObject

R = TypeVar("R")

SHARD_BYTES = 64 * 1024**3
"""A shard of few big blobs ends here; at 100 MB/s that is some eleven minutes of work."""


PAGE = 5000
"""Most entries of one List Blobs page (REST, "List Blobs")."""
_SPARE = 100
"""Entries that a shard of whole pages stays below them, so that it may grow a little without one more request."""


PARTS = 8
"""Shards of a container that would have fewer of full size, as far as each has a page: for several workers."""
_TAIL = 4
"""A last shard smaller than this part of a full one goes with the one before it."""
_FINE = 8
"""The last half of a full shard is cut in shards of this part of one: whoever is ready first takes them, so that all
workers end at about the same time."""


def shard_size(most: int, objects: int) -> int:
    """Entries of a shard, about, of a container that has so many `objects`.

    Large shards end just before a page of the listing does: the listing of a shard ends with the first name behind it,
    and with exactly whole pages that name would be on another.

    Args:
        most: entries that a shard is to have, where there are enough of them.
    """
    if most < PAGE:
        return most
    wanted = min(most, max(PAGE, -(-objects // PARTS)))
    return max(1, round(wanted / PAGE)) * PAGE - _SPARE


def fine_end(size: int, objects: int) -> tuple[int, int]:
    """Where the finer shards of a container begin, and how many entries they have.

    Args:
        size: entries of a full shard.
        objects: entries of the container.

    Returns:
        entries before the finer shards, and entries of one of them; all and a full one where there are none.
    """
    if objects <= size or size < _FINE * _SMALLEST:
        return objects, size
    return objects - size // 2, size // _FINE


_SMALLEST = 500
"""Entries of a finer shard, at least: each takes two listings, a manifest and the ledger."""
_PIECES = 250
"""Pieces of a shard in which a listing is added up before the shards are cut."""


@dataclass(slots=True)
class Segment:
    """Some neighbouring entries, added up."""

    name: str
    objects: int = 0
    bytes: int = 0


class Segments:
    """The listing of one range, added up in pieces of which shards are made later; memory grows with pieces.

    Args:
        shard_objects: entries of a shard, about; a piece is a small part of it.
    """

    def __init__(self, shard_objects: int, shard_bytes: int = SHARD_BYTES) -> None:
        self._most_objects, self._most_bytes = max(1, shard_objects // _PIECES), max(1, shard_bytes // _PIECES)
        self.pieces: list[Segment] = []
        self.types: Counter[str] = Counter()
        self.tiers: Counter[str] = Counter()
        self.snapshots = 0
        self._name: str | None = None

    def add(self, entries: Sequence[ListedObject]) -> None:
        """Count entries, in order."""
        piece = self.pieces[-1] if self.pieces else None
        for item in entries:
            full = piece is None or piece.objects >= self._most_objects or piece.bytes >= self._most_bytes
            if piece is None or (full and item.name != self._name):
                piece = Segment(item.name)
                self.pieces.append(piece)
            piece.objects += 1
            piece.bytes += item.size
            self._name = item.name
        self.types.update(item.blob_type.value for item in entries)
        self.tiers.update(item.tier for item in entries if item.tier)
        self.snapshots += sum(1 for item in entries if item.snapshot)


class Cutter:
    """Fed with a container's listing, in order; answers with its survey. Memory grows with shards, not with objects.

    Cuts lie between different names only, so the snapshots of a name are in one shard with it.

    Args:
        account: source account.
        container: its container.
        shard_objects: entries per shard, about: a name with more snapshots than that is not split.
        shard_bytes: bytes per shard, about.
        fine: after how many entries smaller shards begin, and entries of one of those; None where none do.
    """

    def __init__(
        self,
        account: str,
        container: str,
        *,
        shard_objects: int,
        shard_bytes: int = SHARD_BYTES,
        fine: tuple[int, int] | None = None,
    ) -> None:
        if shard_objects < 1 or shard_bytes < 1:
            raise ValueError(f"a shard holds at least one object and one byte, not {shard_objects} and {shard_bytes}")
        self._account, self._container = account, container
        self._most_objects, self._most_bytes = shard_objects, shard_bytes
        self._fine = fine
        self._seen = 0
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
            self._cut(name)
        self._name = name
        self._objects[-1] += 1
        self._bytes[-1] += size
        self._snapshots += is_snapshot
        if blob_type:
            self._types[str(blob_type)] += 1
        if tier:
            self._tiers[tier] += 1

    def take(self, segments: Segments) -> None:
        """Count the pieces of a range that lies behind everything added before; cuts lie between pieces only."""
        for piece in segments.pieces:
            if self._name is not None and not self._name < piece.name:
                raise ObjectError(
                    f'The listing of {self._account}/{self._container} gave "{piece.name}" after "{self._name}".',
                    code="BrokenListing",
                )
            if self._fine is not None and self._seen >= self._fine[0]:
                self._most_objects, self._fine = self._fine[1], None
            objects, size = self._objects[-1], self._bytes[-1]
            if objects and (objects + piece.objects > self._most_objects or size >= self._most_bytes):
                self._cut(piece.name)
            self._name = piece.name
            self._seen += piece.objects
            self._objects[-1] += piece.objects
            self._bytes[-1] += piece.bytes
        self._snapshots += segments.snapshots
        self._types.update(segments.types)
        self._tiers.update(segments.tiers)

    def _cut(self, name: str) -> None:
        self._cuts.append(name)
        self._objects.append(0)
        self._bytes.append(0)

    def _join_tail(self) -> None:
        objects, size = sum(self._objects[-2:]), sum(self._bytes[-2:])
        small = self._objects[-1] * _TAIL < self._most_objects and size < self._most_bytes
        if self._cuts and small:
            self._cuts.pop()
            self._objects[-2:], self._bytes[-2:] = [objects], [size]

    def survey(self, *, public_access: str = "") -> ContainerSurvey:
        """What was counted. `public_access` is the container's own setting: "", "blob" or "container"."""
        self._join_tail()
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


_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (2.2, Char) cannot carry."""


def asked_for(begin: str, end: str | None) -> tuple[str, str]:
    """Prefix and first name to ask a listing for, so that it holds every name in the range and few others.

    A listing is XML and repeats what it was asked for. So both are cut before the first character that XML cannot
    carry, such as the one that makes the next name after a given one; what comes too much is cut by the reader.
    """
    length = 0
    while end is not None and length < min(len(begin), len(end)) and begin[length] == end[length]:
        length += 1
    found = _UNSPEAKABLE.search(begin)
    start = begin[: found.start()] if found else begin
    return start[:length], start
