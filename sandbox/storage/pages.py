"""Pages of a page blob: extents that were written; everything else reads as zeros.

REST: "Put Page" (aligned to 512 bytes; Clear frees), "Get Page Ranges" (valid ranges; `prevsnapshot` gives ranges
written and cleared since). The difference is computed from the bytes, so pages written anew with the same bytes do
not show in it, where Azure may list them.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from sandbox.storage.content import Content, Segment, zeros

PAGE = 512

Extent = tuple[int, Content]
"""Offset and bytes."""


class Pages:
    """Non-overlapping extents in order of offset."""

    __slots__ = ("_extents", "_starts")

    def __init__(self) -> None:
        self._extents: list[Extent] = []
        self._starts: list[int] = []

    def copy(self) -> Pages:
        twin = Pages()
        twin._extents, twin._starts = list(self._extents), list(self._starts)
        return twin

    def write(self, offset: int, content: Content) -> None:
        self._replace(offset, offset + content.size, [(offset, content)])

    def clear(self, start: int, end: int) -> None:
        self._replace(start, end, [])

    def _replace(self, start: int, end: int, fresh: list[Extent]) -> None:
        first, last = self._touched(start, end)
        keep: list[Extent] = []
        for offset, content in self._extents[first:last]:
            if offset < start:
                keep.append((offset, content.cut(0, start - offset)))
            if offset + content.size > end:
                keep.append((end, content.cut(end - offset, content.size)))
        middle = sorted([*keep, *fresh], key=lambda extent: extent[0])
        self._extents[first:last] = middle
        self._starts[first:last] = [offset for offset, _ in middle]

    def _touched(self, start: int, end: int) -> tuple[int, int]:
        """Slice of the extents that share a byte with `start <= i < end`."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        while first < len(self._extents) and self._extents[first][0] + self._extents[first][1].size <= start:
            first += 1
        last = first
        while last < len(self._extents) and self._extents[last][0] < end:
            last += 1
        return first, last

    def read(self, start: int, end: int) -> Content:
        """The bytes `start <= i < end`, zeros where nothing was written."""
        segments: list[Segment] = []
        at = start
        first, last = self._touched(start, end)
        for offset, content in self._extents[first:last]:
            low, high = max(offset, start), min(offset + content.size, end)
            segments.extend(zeros(low - at))
            segments.extend(content.cut(low - offset, high - offset).segments)
            at = high
        segments.extend(zeros(end - at))
        return Content(segments)

    def ranges(self, start: int, end: int) -> list[tuple[int, int]]:
        """Written ranges within `start <= i < end`, as (first, last) byte, neighbours joined."""
        found: list[tuple[int, int]] = []
        first, last = self._touched(start, end)
        for offset, content in self._extents[first:last]:
            low, high = max(offset, start), min(offset + content.size, end)
            if found and found[-1][1] + 1 == low:
                found[-1] = (found[-1][0], high - 1)
            else:
                found.append((low, high - 1))
        return found

    def changes(self, before: Pages, start: int, end: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Ranges written and ranges cleared since `before`, within `start <= i < end`."""
        edges = {start, end}
        for pages in (self, before):
            for low, high in pages.ranges(start, end):
                edges.update((low, high + 1))
        written: list[tuple[int, int]] = []
        cleared: list[tuple[int, int]] = []
        marks = sorted(edges)
        for low, high in pairwise(marks):
            here, there = bool(self.ranges(low, high)), bool(before.ranges(low, high))
            if here and there:
                for page in _differing(self.read(low, high), before.read(low, high)):
                    _join(written, low + page, low + page + PAGE - 1)
            elif here:
                _join(written, low, high - 1)
            elif there:
                _join(cleared, low, high - 1)
        return written, cleared


def _differing(one: Content, other: Content) -> list[int]:
    """Offsets of the pages that differ."""
    left, right = memoryview(one.joined()), memoryview(other.joined())
    if left == right:
        return []
    return [at for at in range(0, len(left), PAGE) if left[at : at + PAGE] != right[at : at + PAGE]]


def _join(ranges: list[tuple[int, int]], low: int, high: int) -> None:
    if ranges and ranges[-1][1] + 1 == low:
        ranges[-1] = (ranges[-1][0], high)
    else:
        ranges.append((low, high))
