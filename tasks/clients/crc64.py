"""CRC-64/NVME as Azure Storage uses it: bytes on the wire are little-endian, in headers base64 (`x-ms-content-crc64`).

Blocks compose: the CRC of a whole blob follows from the CRCs and lengths of its blocks, without the bytes.
"""

from __future__ import annotations

import binascii
from typing import cast

from awscrt import checksums

RANGE = 4 * 1024 * 1024
"""Most bytes of one Get Blob: the largest range whose checksum the service computes (REST, "Get Blob")."""
_ZEROS = bytes(1 << 20)


def crc64(data: bytes, before: int = 0) -> int:
    """CRC of `data`, going on from `before`."""
    return cast(int, checksums.crc64nvme(data, before))


def combine(first: int, second: int, second_length: int) -> int:
    """CRC of two runs of bytes, one behind the other."""
    return int(checksums.combine_crc64nvme(first, second, second_length))


def zeros(length: int) -> int:
    """CRC of `length` zero bytes, in steps that grow with the logarithm of `length`."""
    if length <= len(_ZEROS):
        return crc64(_ZEROS[:length])
    half, odd = divmod(length, 2)
    part = zeros(half)
    double = combine(part, part, half)
    return combine(double, zeros(1), 1) if odd else double


def to_bytes(value: int) -> bytes:
    """The eight bytes that the service sends."""
    return value.to_bytes(8, "little")


def to_text(value: int) -> str:
    """Base64, as it stands in a header and in the evidence."""
    return binascii.b2a_base64(value.to_bytes(8, "little"), newline=False).decode("ascii")


def as_text(raw: bytes) -> str:
    """Base64 of the eight bytes that the service sent."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def from_bytes(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


class Composer:
    """The CRC of a whole object, fed with its parts in order of offset; gaps between parts are zero bytes."""

    def __init__(self) -> None:
        self._value = 0
        self._length = 0

    def add(self, part: int, length: int, *, offset: int | None = None) -> None:
        """Append one part. `offset` beyond what was fed so far fills the gap with zeros."""
        if offset is not None and offset > self._length:
            gap = offset - self._length
            self._value = combine(self._value, zeros(gap), gap)
            self._length = offset
        self._value = combine(self._value, part, length)
        self._length += length

    def value(self, length: int) -> int:
        """The CRC, filled up with zeros to `length`."""
        if length > self._length:
            self.add(zeros(length - self._length), length - self._length)
        return self._value
