"""Contents of sample blobs: made from a seed when asked for, the same each time, nothing big kept or committed."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Sequence
from functools import partial

from sandbox.estates.model import BlobSpec

KIB = 1024
MIB = 1024 * KIB
_TILE = 1_048_573
"""A prime, so that no two blocks of a big blob are alike and a swapped block shows."""


def noise(key: str, size: int) -> bytes:
    """`size` bytes that depend on `key`; about 3 ms per MiB up to 1 MiB, a repeated tile above."""
    if size <= _TILE:
        return random.Random(key).randbytes(size)
    tile = random.Random(key).randbytes(_TILE)
    return (tile * (size // _TILE + 1))[:size]


def prose(key: str, size: int) -> bytes:
    """`size` bytes of readable ASCII that depend on `key`: county records, more or less."""
    dice = random.Random(key)
    words = ("parcel", "deed", "permit", "hearing", "board", "county", "Hollis", "granted", "filed", "clerk", "lot")
    lines: list[str] = []
    length = 0
    while length < size:
        line = f"{dice.randrange(10**8):08d} {' '.join(dice.choices(words, k=9))}\n"
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()[:size]


def zipped(key: str, size: int) -> bytes:
    """A gzip stream of `size` bytes of prose, for blobs with `Content-Encoding: gzip` that no reader may unpack."""
    return gzip.compress(prose(key, size), mtime=0)


def literal(text: str) -> Callable[[], bytes]:
    """The UTF-8 of `text`."""
    return partial(str.encode, text)


def sparse(key: str, size: int, written: Sequence[tuple[int, int]]) -> bytes:
    """A disk image of `size` bytes, zero but for the `written` (offset, length) ranges, all multiples of 512."""
    image = bytearray(size)
    for offset, length in written:
        image[offset : offset + length] = noise(f"{key}@{offset}", length)
    return bytes(image)


def disk(name: str, key: str, mebibytes: int) -> BlobSpec:
    """A VHD-like page blob: a header, scattered data, a footer in the last 512 bytes, holes between."""
    size = mebibytes * MIB + 512
    written = ((0, 4096), (64 * KIB, 512), (MIB - 512, 1024), (size // 1024 * 512, 48 * KIB), (size - 512, 512))
    return BlobSpec(name, partial(sparse, key, size, written), "PageBlob", metadata={"source": "vm-disk"})
