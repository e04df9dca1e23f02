"""Memory for large bodies, used again when nobody refers to it any more: fresh memory has to be cleared each time.

Handed back by hand, it could be given away while a thread still sends from it on a line that was given up. The
interpreter counts everybody who refers to it, views on it included, and so does this.
"""

from __future__ import annotations

import sys
from threading import Lock

from tasks.clients.crc64 import RANGE

_MOST = 16
"""Buffers that are kept: the blocks that a worker has in hand by default."""


class Spare:
    """Buffers for whole ranges of Get Blob."""

    def __init__(self) -> None:
        self._kept: list[bytearray] = []
        self._lock = Lock()

    def take(self, size: int) -> bytearray:
        """Memory of so many bytes that nobody else refers to; what stands in it is anything."""
        if size != RANGE:
            return bytearray(size)
        kept = self._kept
        with self._lock:
            for number in range(len(kept)):
                if sys.getrefcount(kept[number]) == _ALONE:
                    return kept[number]
            made = bytearray(size)
            if len(kept) < _MOST:
                kept.append(made)
            return made


def _alone() -> int:
    kept = [bytearray(1)]
    return sys.getrefcount(kept[0])


_ALONE = _alone()
"""References to a buffer that only the list has, counted in the way that `take` counts them."""

spare = Spare()
"""Those of this process."""
