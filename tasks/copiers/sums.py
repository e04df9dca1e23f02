"""What one transfer proves of its content while it grows, and what it leaves at the target."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from mappings.objects import Written
from mappings.states import Route
from tasks.clients import crc64
from tasks.copiers.bench import Span

_THREADED = 1 << 20
"""From this many bytes on, hashing leaves the event loop."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What one finished transfer left at the target."""

    etag: str
    request_id: str
    route: Route
    source_crc: int | None = None
    """Of the bytes as they were read through the mover; None where they did not pass it."""
    target_crc: int | None = None
    """Composed of what the target service computed; None where it sent none."""
    sha256: str = ""
    """Of all bytes in order; "" where it was not asked for, or where they did not all pass."""
    version_id: str = ""
    """Version id that the target gave."""


class Sums:
    """CRC64 of both sides, composed of the parts; and SHA-256 where it is asked for and all bytes pass, in order.

    Args:
        size: of the whole object, bytes.
        hashes: whether SHA-256 is asked for. It costs more processor time than all else that streaming does.
    """

    def __init__(self, size: int, *, hashes: bool = False) -> None:
        self._size = size
        self._source, self._target = crc64.Composer(), crc64.Composer()
        self._target_known = self._source_known = True
        self._sha = hashlib.sha256() if hashes else None
        self._next = 0
        self._turn = asyncio.Condition()

    async def hash(self, index: int, data: bytes) -> None:
        """Add the bytes of part `index`; waits until all parts before it have been added."""
        if self._sha is None:
            return
        async with self._turn:
            await self._turn.wait_for(lambda: self._next == index or self._sha is None)
            if self._sha is not None and len(data) >= _THREADED:
                await asyncio.to_thread(self._sha.update, data)
            elif self._sha is not None:
                self._sha.update(data)
            self._next += 1
            self._turn.notify_all()

    async def skip(self) -> None:
        """Some part does not pass: there will be no SHA-256."""
        if self._sha is not None:
            async with self._turn:
                self._sha = None
                self._turn.notify_all()

    def add(self, span: Span, source: int | None, target: int | None) -> None:
        """Add the CRCs of one part, in order of offset; None is unknown."""
        if source is None:
            self._source_known = False
        else:
            self._source.add(source, span.length, offset=span.offset)
        if target is None:
            self._target_known = False
        else:
            self._target.add(target, span.length, offset=span.offset)

    def landed(self, written: Written, route: Route) -> Landed:
        """The transfer as it ended with `written`."""
        return Landed(
            written.etag,
            written.request_id,
            route,
            self._source.value(self._size) if self._source_known else None,
            self._target.value(self._size) if self._target_known else None,
            self._sha.hexdigest() if self._sha is not None and self._source_known else "",
            written.version_id,
        )


def crc_of(written: Written) -> int | None:
    """What the service computed over the bytes of one request."""
    return None if written.crc64 is None else crc64.from_bytes(written.crc64)
