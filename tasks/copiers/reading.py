"""Reading the pinned generation at the source: whole parts for a write, or nothing but their CRC64 for the proof."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from io import BytesIO
from typing import TypeVar

from mappings.errors import Corrupted
from mappings.objects import ListedObject
from tasks.clients import crc64
from tasks.copiers.base import StartsReads
from tasks.copiers.bench import Bench, Span, in_order, spans
from tasks.copiers.rules import READ

T = TypeVar("T")


async def read_span(bench: Bench, item: ListedObject, offset: int, length: int) -> bytes:
    """Bytes of the pinned generation; a long part in several ranges at once.

    Raises:
        Corrupted: fewer or more bytes came than the listing promises.
    """
    if length <= READ:
        return await _range(bench, item, offset, length)

    async def read(span: Span) -> bytes:
        return await _range(bench, item, span.offset, span.length)

    return await joined(in_order(spans(length, READ, start=offset), read, None))


async def read_with_crc(bench: Bench, item: ListedObject, offset: int, length: int) -> tuple[bytes, int]:
    """As `read_span`, with the CRC64 of the bytes, which a client that compares it has computed already."""
    source = bench.source
    if 0 < length <= READ and not item.customer_key and isinstance(source, StartsReads) and source.starts:
        await bench.spend(length)
        begun = await _begun(source, bench.container, item, offset, length)
        if begun is not None:
            return begun
    data = await read_span(bench, item, offset, length)
    return data, crc64.crc64(data)


async def _begun(
    source: StartsReads, container: str, item: ListedObject, offset: int, length: int
) -> tuple[bytes, int] | None:
    """One range by a request that is sent once; None where it has to be asked for in the ordinary way."""
    ended: asyncio.Future[tuple[bytes, int] | None] = asyncio.get_running_loop().create_future()

    def told(data: bytes | None, crc: int, wait: float) -> None:
        if not ended.done():
            ended.set_result(None if data is None else (data, crc))
        waits.append(wait)

    waits: list[float] = []
    call = source.start_read(container, item, told, offset=offset, length=length)
    try:
        found = await ended
    except asyncio.CancelledError:
        await call.cancel()
        raise
    if found is None and waits[0]:
        await asyncio.sleep(waits[0])
    return found


async def _range(bench: Bench, item: ListedObject, offset: int, length: int) -> bytes:
    if length:
        await bench.spend(length)
    data = await joined(bench.source.read(bench.container, item, offset=offset, length=length))
    if len(data) != length:
        raise Corrupted(f'Reading "{item.name}" gave {len(data)} bytes of {length} from offset {offset} on.')
    return data


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    """All parts as one; while they come, no byte is held twice."""
    first, second = await anext(parts, b""), await anext(parts, None)
    if second is None:
        return first
    whole = BytesIO()
    whole.write(first)
    whole.write(second)
    del first, second
    async for part in parts:
        whole.write(part)
    # The buffer itself, not a copy of it.
    return whole.getvalue()


async def span_crc(bench: Bench, item: ListedObject, offset: int, length: int) -> int:
    """CRC64 of a part of the pinned generation, read in several ranges at once; nothing of it is kept.

    Raises:
        Corrupted: as `read_span`.
        ReplanObject: the source has changed.
    """

    async def read(span: Span) -> tuple[int, int]:
        return (await read_with_crc(bench, item, span.offset, span.length))[1], span.length

    composed = crc64.Composer()
    async for crc, size in in_order(spans(length, READ, start=offset), read, bench.budget):
        composed.add(crc, size)
    return composed.value(length)


async def alongside(write: Awaitable[T], read: Awaitable[int] | None) -> tuple[T, int | None]:
    """Do both at once; where one fails, the other one is cancelled and awaited, and the failure of the write counts."""
    if read is None:
        return await write, None
    reading = asyncio.ensure_future(read)
    try:
        written = await write
        return written, await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
