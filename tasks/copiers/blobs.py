"""How the bytes of one blob travel, by type and route. Every read and every pull is under the pin (`item.etag`).

Sources (REST): "Put Blob From URL", "Put Block From URL", "Append Block From URL", "Put Page From URL", "Put Block",
"Put Block List", "Append Block", "Put Page", "Append Blob Seal".
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mappings.errors import Corrupted
from mappings.objects import BlobType, ListedObject, Written
from mappings.states import Route
from tasks.clients import crc64
from tasks.copiers.bench import Bench, Span, in_order, spans
from tasks.copiers.rules import PAGE_WRITE

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
    """Of all bytes in order; "" where they did not all pass, in order."""
    version_id: str = ""
    """Version id that the target gave."""


async def move(bench: Bench, item: ListedObject, route: Route, if_match: str | None) -> Landed:
    """Copy the content of `item`, with what travels beside it, to the base blob of its name.

    Raises:
        ObjectError: as the clients raise it.
    """
    match item.blob_type, route:
        case BlobType.BLOCK, Route.PULL:
            return await _pull_block_blob(bench, item, if_match)
        case BlobType.BLOCK, Route.STREAM:
            return await _stream_block_blob(bench, item, if_match)
        case BlobType.APPEND, _:
            return await _append_blob(bench, item, route, if_match)
        case BlobType.PAGE, _:
            return await _page_blob(bench, item, route, if_match)
    raise AssertionError(item.blob_type)


async def read_span(bench: Bench, item: ListedObject, offset: int, length: int) -> bytes:
    """Bytes of the pinned generation.

    Raises:
        Corrupted: fewer or more bytes came than the listing promises.
    """
    parts = [part async for part in bench.source.read(bench.container, item, offset=offset, length=length)]
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) != length:
        raise Corrupted(f'Reading "{item.name}" gave {len(data)} bytes of {length} from offset {offset} on.')
    return data


def _crc_of(written: Written) -> int | None:
    return None if written.crc64 is None else crc64.from_bytes(written.crc64)


class Account:
    """The content proof of one transfer as it grows: CRC of both sides, and SHA-256 while bytes come in order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._source, self._target = crc64.Composer(), crc64.Composer()
        self._target_known = self._source_known = self._hashed = True
        self._sha = hashlib.sha256()
        self._next = 0
        self._turn = asyncio.Condition()

    async def hash(self, index: int, data: bytes) -> None:
        """Add the bytes of part `index`; waits until all parts before it have been added."""
        async with self._turn:
            await self._turn.wait_for(lambda: self._next == index)
            if len(data) >= _THREADED:
                await asyncio.to_thread(self._sha.update, data)
            else:
                self._sha.update(data)
            self._next += 1
            self._turn.notify_all()

    async def skip(self, index: int) -> None:
        """Part `index` did not pass: there will be no SHA-256."""
        self._hashed = False
        await self.hash(index, b"")

    def no_hash(self) -> None:
        self._hashed = False

    def add(self, span: Span, source: int | None, target: int | None) -> None:
        """Add the CRCs of one part, in order of offset; None is unknown."""
        if source is None:
            self._source_known = self._hashed = False
        else:
            self._source.add(source, span.length, offset=span.offset)
        if target is None:
            self._target_known = False
        else:
            self._target.add(target, span.length, offset=span.offset)

    def landed(self, written: Written, route: Route) -> Landed:
        return Landed(
            written.etag,
            written.request_id,
            route,
            self._source.value(self._size) if self._source_known else None,
            self._target.value(self._size) if self._target_known else None,
            self._sha.hexdigest() if self._hashed else "",
            written.version_id,
        )


# --- block blobs ------------------------------------------------------------------------------------------------------


async def _pull_block_blob(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    if item.size <= bench.rules.whole_pull:
        try:
            url = await bench.source.pull_url(bench.container, item)
            written = await bench.target.put_blob_from_url(bench.container, item, url, if_match=if_match)
        except Corrupted as wrong:
            if wrong.code != "Md5Mismatch":
                raise
            return await _pull_in_blocks(bench, item, if_match)
        return Landed(
            written.etag, written.request_id, Route.PULL, target_crc=_crc_of(written), version_id=written.version_id
        )
    return await _pull_in_blocks(bench, item, if_match)


async def _pull_in_blocks(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    account = Account(item.size)
    parts = spans(item.size, bench.rules.pulled_block(item.size))

    async def pull(span: Span) -> tuple[Span, Written]:
        # Asked for anew for each block: the SAS may run out in the middle of a large blob.
        url = await bench.source.pull_url(bench.container, item)
        block = block_id(item, span.index, 0)
        written = await bench.target.put_block_from_url(
            bench.container, item.name, block, url, offset=span.offset, length=span.length, source_etag=item.etag
        )
        return span, written

    async for span, written in in_order(parts, pull, None):
        account.add(span, None, _crc_of(written))
    ids = [block_id(item, span.index, 0) for span in parts]
    done = await bench.target.commit(bench.container, item, ids, if_match=if_match)
    return account.landed(done, Route.PULL)


async def _stream_block_blob(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    if item.size > bench.rules.block:
        return await _stream_in_blocks(bench, item, if_match)
    async with bench.budget.hold(item.size):
        data = await read_span(bench, item, 0, item.size)
        account = Account(item.size)
        await account.hash(0, data)
        try:
            written = await bench.target.put_blob(bench.container, item, data, if_match=if_match)
        except Corrupted as wrong:
            if wrong.code != "Md5Mismatch":
                raise
        else:
            account.add(Span(0, 0, item.size), crc64.crc64(data), _crc_of(written))
            return account.landed(written, Route.STREAM)
    # A Content-MD5 label that does not fit the bytes is legal at the source; Put Block List takes it as a label.
    return await _stream_in_blocks(bench, item, if_match)


async def _stream_in_blocks(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    account = Account(item.size)
    parts = spans(item.size, bench.rules.stream_block(item.size))
    staged = _staged(item, await bench.target.staged_blocks(bench.container, item.name))

    async def send(span: Span) -> tuple[Span, int, int | None]:
        held = staged.get((span.index, span.length))
        if held is not None:
            await account.skip(span.index)
            return span, held, held
        data = await read_span(bench, item, span.offset, span.length)
        crc = crc64.crc64(data)
        await account.hash(span.index, data)
        block = block_id(item, span.index, crc)
        written = await bench.target.put_block(bench.container, item.name, block, data)
        if written.crc64 is not None and crc64.from_bytes(written.crc64) != crc:
            raise Corrupted(f'Block {span.index} of "{item.name}" arrived with another CRC64 than it was sent with.')
        return span, crc, _crc_of(written)

    ids: list[str] = []
    async for span, source, target in in_order(parts, send, bench.budget):
        account.add(span, source, target)
        ids.append(block_id(item, span.index, source))
    done = await bench.target.commit(bench.container, item, ids, if_match=if_match)
    return account.landed(done, Route.STREAM)


def block_id(item: ListedObject, index: int, crc: int) -> str:
    """Name of a staged block: of one generation, at one place, with one content; all of one length.

    A streamed block is sent with its CRC64 in the request, which the service checks before it keeps the block. So a
    staged block of this name holds these bytes, and a resumed copy sends it no more.
    """
    generation = hashlib.sha256(f"{item.etag}\n{item.snapshot}\n{item.size}".encode()).hexdigest()[:12]
    return f"gl1-{generation}-{index:05d}-{crc:016x}"


def _staged(item: ListedObject, blocks: Mapping[str, int]) -> dict[tuple[int, int], int]:
    """Blocks of this very generation that an interrupted copy has left: (index, length) -> CRC64."""
    start = block_id(item, 0, 0)[:17]
    found: dict[tuple[int, int], int] = {}
    for name, size in blocks.items():
        if name.startswith(start) and len(name) == len(block_id(item, 0, 0)):
            found[(int(name[17:22]), size)] = int(name[23:], 16)
    # Pulled blocks carry no CRC64 in their names; they are pulled again.
    return {place: crc for place, crc in found.items() if crc}


# --- append blobs -----------------------------------------------------------------------------------------------------


async def _append_blob(bench: Bench, item: ListedObject, route: Route, if_match: str | None) -> Landed:
    account = Account(item.size)
    done = await bench.target.create_sized(bench.container, item, if_match=if_match)
    for span in spans(item.size, bench.rules.append_block(item.size)):
        async with bench.budget.hold(span.length if route is Route.STREAM else 0):
            done, crc = await _append(bench, item, span, route, account)
        account.add(span, crc, _crc_of(done))
    if item.sealed:
        done = await bench.target.seal(bench.container, item.name)
    return account.landed(done, route)


async def _append(
    bench: Bench, item: ListedObject, span: Span, route: Route, account: Account
) -> tuple[Written, int | None]:
    if route is Route.PULL:
        url = await bench.source.pull_url(bench.container, item)
        done = await bench.target.append_from_url(
            bench.container, item.name, url, offset=span.offset, length=span.length, source_etag=item.etag
        )
        return done, None
    data = await read_span(bench, item, span.offset, span.length)
    await account.hash(span.index, data)
    return await bench.target.append(bench.container, item.name, data, position=span.offset), crc64.crc64(data)


# --- page blobs -------------------------------------------------------------------------------------------------------


async def _page_blob(bench: Bench, item: ListedObject, route: Route, if_match: str | None) -> Landed:
    """Only ranges that hold pages travel; what lies between them is zero on both sides."""
    parts = _page_spans(await bench.source.page_ranges(bench.container, item))
    account = Account(item.size)
    account.no_hash()
    done = await bench.target.create_sized(bench.container, item, if_match=if_match)

    async def send(span: Span) -> tuple[Span, Written, int | None]:
        if route is Route.PULL:
            url = await bench.source.pull_url(bench.container, item)
            written = await bench.target.put_pages_from_url(
                bench.container, item.name, url, offset=span.offset, length=span.length, source_etag=item.etag
            )
            return span, written, None
        data = await read_span(bench, item, span.offset, span.length)
        written = await bench.target.put_pages(bench.container, item.name, data, offset=span.offset)
        return span, written, crc64.crc64(data)

    # One at a time: the ETag of the last write is the one that the blob keeps.
    async for span, written, crc in in_order(parts, send, bench.budget if route is Route.STREAM else None, width=1):
        account.add(span, crc, _crc_of(written))
        done = written
    landed = account.landed(done, route)
    return replace(landed, source_crc=landed.source_crc if route is Route.STREAM else None)


def _page_spans(ranges: Sequence[tuple[int, int]]) -> list[Span]:
    cut = [span for offset, length in sorted(ranges) for span in spans(length, PAGE_WRITE, start=offset)]
    return [replace(span, index=index) for index, span in enumerate(cut)]
