"""Reading the pinned generation at the source: whole parts for a write, or nothing but their CRC64 for the proof."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from mappings.errors import Corrupted
from mappings.objects import ListedObject
from tasks.clients import crc64
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

    return b"".join([data async for data in in_order(spans(length, READ, start=offset), read, None)])


async def _range(bench: Bench, item: ListedObject, offset: int, length: int) -> bytes:
    parts = [part async for part in bench.source.read(bench.container, item, offset=offset, length=length)]
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) != length:
        raise Corrupted(f'Reading "{item.name}" gave {len(data)} bytes of {length} from offset {offset} on.')
    return data


async def span_crc(bench: Bench, item: ListedObject, offset: int, length: int) -> int:
    """CRC64 of a part of the pinned generation, read in several ranges at once; nothing of it is kept.

    Raises:
        Corrupted: as `read_span`.
        ReplanObject: the source has changed.
    """

    async def read(span: Span) -> tuple[int, int]:
        return crc64.crc64(await _range(bench, item, span.offset, span.length)), span.length

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
