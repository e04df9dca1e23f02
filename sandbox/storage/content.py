"""Bytes of a blob: a run of immutable segments, so that a pull, a snapshot or a block list shares memory.

Checksums: `x-ms-content-crc64` is CRC-64/NVME, eight bytes little-endian, Base64 (REST: Put Block, response headers).
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_right
from collections.abc import Iterable

from awscrt.checksums import crc64nvme  # type: ignore[import-not-found, unused-ignore]

Segment = bytes | memoryview
_ZEROS = bytes(1 << 20)


class Content:
    """A sequence of bytes. Grows only at its end (`append`); `copy` and `cut` share the segments."""

    __slots__ = ("_ends", "_md5", "key_sha256", "segments", "size")

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments: list[Segment] = []
        self._ends: list[int] = []
        self.size = 0
        self._md5: bytes | None = None
        self.key_sha256 = ""
        """Of a staged block: Base64 SHA-256 of the customer-provided key that it came with."""
        for segment in segments:
            self.append(segment)

    def append(self, segment: Segment) -> None:
        if segment:
            self.size += len(segment)
            self.segments.append(segment)
            self._ends.append(self.size)
            self._md5 = None

    def extend(self, other: Content) -> None:
        for segment in other.segments:
            self.append(segment)

    def copy(self) -> Content:
        twin = Content()
        twin.segments, twin._ends = list(self.segments), list(self._ends)
        twin.size, twin._md5 = self.size, self._md5
        return twin

    def cut(self, start: int, end: int) -> Content:
        """The bytes `start <= i < end`, without copying them."""
        end = min(end, self.size)
        if start <= 0 and end == self.size:
            return self
        piece = Content()
        index = bisect_right(self._ends, start)
        at = self._ends[index - 1] if index else 0
        while at < end and index < len(self.segments):
            segment = self.segments[index]
            low, high = max(start - at, 0), min(end - at, len(segment))
            piece.append(segment if low == 0 and high == len(segment) else memoryview(segment)[low:high])
            at += len(segment)
            index += 1
        return piece

    def joined(self) -> bytes:
        """All bytes in one piece; no copy where they are one whole segment."""
        if len(self.segments) == 1:
            return bytes(self.segments[0])
        return b"".join(self.segments)

    def md5(self) -> bytes:
        if self._md5 is None:
            digest = hashlib.md5(usedforsecurity=False)
            for segment in self.segments:
                digest.update(segment)
            self._md5 = digest.digest()
        return self._md5

    def md5_base64(self) -> str:
        return base64.b64encode(self.md5()).decode()

    def crc64_base64(self) -> str:
        value = 0
        for segment in self.segments:
            value = crc64nvme(segment, value)
        return base64.b64encode(value.to_bytes(8, "little")).decode()


def zeros(length: int) -> list[Segment]:
    """`length` zero bytes that take no memory of their own."""
    whole, rest = divmod(length, len(_ZEROS))
    segments: list[Segment] = [_ZEROS] * whole
    if rest:
        segments.append(memoryview(_ZEROS)[:rest])
    return segments
