"""How the bytes of one blob travel, by type and route. Every read and every pull is under the pin (`item.etag`).

Sources (REST): "Put Blob From URL", "Put Block From URL", "Append Block From URL", "Put Page From URL", "Put Block",
"Put Block List", "Append Block", "Put Page", "Append Blob Seal".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from mappings.errors import Corrupted
from mappings.objects import BlobType, ListedObject
from mappings.states import ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers.bench import Bench, Span, in_order, spans
from tasks.copiers.growing import append_blob, page_blob
from tasks.copiers.journal import Part
from tasks.copiers.reading import alongside, read_with_crc, span_crc
from tasks.copiers.sums import Landed, Sums, crc_of

__all__ = ["Landed", "move"]


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
            return await append_blob(bench, item, route, if_match)
        case BlobType.PAGE, _:
            return await page_blob(bench, item, route, if_match)
    raise AssertionError(item.blob_type)


def _reads_beside(bench: Bench) -> bool:
    """Whether the mover reads what is pulled, for the proof; at L3 both sides are read afterwards."""
    return bench.rules.proof is ProofLevel.L2


# --- pulled -----------------------------------------------------------------------------------------------------------


async def _pull_block_blob(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    if item.size > bench.rules.whole_pull:
        return await _pull_in_blocks(bench, item, if_match)
    await bench.spend(item.size)
    url = await bench.source.pull_url(bench.container, item)
    crc = span_crc(bench, item, 0, item.size) if _reads_beside(bench) else None
    pull = bench.target.put_blob_from_url(bench.container, item, url, if_match=if_match)
    try:
        written, source = await alongside(pull, crc)
    except Corrupted as wrong:
        if wrong.code != "Md5Mismatch":
            raise
        # A Content-MD5 label that does not fit the bytes is legal at the source; Put Block List takes it as a label.
        return await _pull_in_blocks(bench, item, if_match)
    return Landed(written.etag, written.request_id, Route.PULL, source, crc_of(written), version_id=written.version_id)


async def _pull_in_blocks(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    step = bench.rules.pulled_block(item.size)
    sums, names = Sums(item.size), BlockNames(item, step, bench.rules.target_key)
    known = {part.block: part for part in bench.journal.parts(item) if part.block}
    there: Mapping[str, int] = {}
    if known:
        await bench.spend()
        there = await bench.target.staged_blocks(bench.container, item.name)

    async def pull(span: Span) -> tuple[Span, Part]:
        block = names.of(span.index, 0)
        if block in known and there.get(block) == span.length:
            return span, known[block]
        await bench.spend(span.length)
        # Asked for anew for each block: the SAS may run out in the middle of a large blob.
        url = await bench.source.pull_url(bench.container, item)
        crc = span_crc(bench, item, span.offset, span.length) if _reads_beside(bench) else None
        pulled = bench.target.put_block_from_url(
            bench.container, item.name, block, url, offset=span.offset, length=span.length, source_etag=item.etag
        )
        written, source = await alongside(pulled, crc)
        part = Part(span.offset, span.length, source, crc_of(written), "", block)
        bench.journal.note_part(item, part)
        return span, part

    parts = spans(item.size, step)
    async for span, part in in_order(parts, pull, None):
        sums.add(span, part.source_crc, part.target_crc)
    ids = [names.of(span.index, 0) for span in parts]
    await bench.spend()
    done = await bench.target.commit(bench.container, item, ids, if_match=if_match)
    return sums.landed(done, Route.PULL)


# --- streamed ---------------------------------------------------------------------------------------------------------


async def _stream_block_blob(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    if item.size > bench.rules.block:
        return await _stream_in_blocks(bench, item, if_match)
    await bench.spend()
    async with bench.budget.hold(item.size):
        data, crc = await read_with_crc(bench, item, 0, item.size)
        sums = Sums(item.size, hashes=bench.rules.proof is ProofLevel.L3)
        await sums.hash(0, data)
        try:
            written = await bench.target.put_blob(bench.container, item, data, if_match=if_match, crc=crc)
        except Corrupted as wrong:
            if wrong.code != "Md5Mismatch":
                raise
        else:
            sums.add(Span(0, 0, item.size), crc, crc_of(written))
            return sums.landed(written, Route.STREAM)
    return await _stream_in_blocks(bench, item, if_match)


async def _stream_in_blocks(bench: Bench, item: ListedObject, if_match: str | None) -> Landed:
    step = bench.rules.stream_block(item.size)
    sums = Sums(item.size, hashes=bench.rules.proof is ProofLevel.L3)
    names = BlockNames(item, step, bench.rules.target_key)
    await bench.spend()
    staged = names.staged(await bench.target.staged_blocks(bench.container, item.name))

    async def send(span: Span) -> tuple[Span, int, int | None]:
        held = staged.get((span.index, span.length))
        if held is not None:
            await sums.skip()
            return span, held, held
        await bench.spend()
        data, crc = await read_with_crc(bench, item, span.offset, span.length)
        await sums.hash(span.index, data)
        block = names.of(span.index, crc)
        written = await bench.target.put_block(bench.container, item.name, block, data, crc=crc)
        if written.crc64 is not None and crc64.from_bytes(written.crc64) != crc:
            raise Corrupted(f'Block {span.index} of "{item.name}" arrived with another CRC64 than it was sent with.')
        return span, crc, crc_of(written)

    ids: list[str] = []
    async for span, source, target in in_order(spans(item.size, step), send, bench.budget):
        sums.add(span, source, target)
        ids.append(names.of(span.index, source))
    await bench.spend()
    done = await bench.target.commit(bench.container, item, ids, if_match=if_match)
    return sums.landed(done, Route.STREAM)


# --- staged blocks ----------------------------------------------------------------------------------------------------


class BlockNames:
    """Ids of the staged blocks of one object: of one generation, cut in one way, with one content; all of one length.

    A streamed block is sent with its CRC64 in the request, which the service checks before it keeps the block. So a
    staged block of this name holds these bytes, and a resumed copy sends it no more. Of a pulled block only the answer
    tells the CRC64, so its id has none, and the journal has it.

    Args:
        item: the pinned generation.
        step: bytes of one block: another cut puts other bytes under the same number.
        key: SHA-256 of the customer-provided key of the copy: blocks that came with another cannot be committed.
    """

    def __init__(self, item: ListedObject, step: int, key: str = "") -> None:
        pin = f"{item.etag}\n{item.snapshot}\n{item.version_id}\n{item.size}\n{step}{key}"
        self._start = f"gl2-{hashlib.sha256(pin.encode()).hexdigest()[:12]}-"

    def of(self, index: int, crc: int) -> str:
        return f"{self._start}{index:05d}-{crc:016x}"

    def staged(self, blocks: Mapping[str, int]) -> dict[tuple[int, int], int]:
        """Streamed blocks of this very generation that an interrupted copy has left: (index, length) -> CRC64."""
        length, place = len(self.of(0, 0)), len(self._start)
        found = {
            (int(name[place : place + 5]), size): int(name[place + 6 :], 16)
            for name, size in blocks.items()
            if name.startswith(self._start) and len(name) == length
        }
        return {place: crc for place, crc in found.items() if crc}
