"""Append and page blobs: written piece by piece under their final name, and gone on with where a death cut them off.

Every piece is journalled with the ETag that the blob has after it. Where the target still lists the ETag of the last
one, what it holds is provably ours and of this generation, so it is neither sent nor pulled again; else the blob is
begun anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from mappings.objects import BlobType, ListedObject, Written
from mappings.states import ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers.allowance import of_one_blob
from tasks.copiers.bench import Bench, Span, spans
from tasks.copiers.journal import Journal, Part
from tasks.copiers.reading import alongside, read_span, span_crc
from tasks.copiers.sums import Landed, Sums, crc_of


def goes_on(journal: Journal, item: ListedObject, etag: str) -> bool:
    """Whether the target's blob of that ETag is what an earlier attempt had brought over of `item`."""
    parts = journal.parts(item)
    return bool(parts) and parts[-1].etag == etag != ""


async def append_blob(bench: Bench, item: ListedObject, route: Route, if_match: str | None) -> Landed:
    """Copy an append blob, one append behind the other; each demands the length that the one before left."""
    plan = spans(item.size, bench.rules.append_block(item.size))
    return await _Growing(bench, item, route).run(plan, if_match)


async def page_blob(bench: Bench, item: ListedObject, route: Route, if_match: str | None) -> Landed:
    """Copy a page blob: only ranges that hold pages travel; what lies between them is zero on both sides."""
    await bench.spend()
    ranges = await bench.source.page_ranges(bench.container, item)
    return await _Growing(bench, item, route).run(_page_spans(ranges, bench.rules.page_write), if_match)


def _page_spans(ranges: Sequence[tuple[int, int]], most: int) -> list[Span]:
    cut = [span for offset, length in sorted(ranges) for span in spans(length, most, start=offset)]
    return [replace(span, index=index) for index, span in enumerate(cut)]


class _Growing:
    def __init__(self, bench: Bench, item: ListedObject, route: Route) -> None:
        self._own = of_one_blob(page=item.blob_type is BlobType.PAGE)
        self._bench, self._item, self._route = bench, item, route
        streams = route is Route.STREAM
        self._appends = item.blob_type.value == "AppendBlob"
        # Whole bytes in order pass only where an append blob is streamed.
        self._sums = Sums(item.size, hashes=bench.rules.proof is ProofLevel.L3 and streams and self._appends)
        self._reads = not streams and bench.rules.proof is ProofLevel.L2

    async def run(self, plan: Sequence[Span], if_match: str | None) -> Landed:
        """Write what is missing of `plan`."""
        bench, item = self._bench, self._item
        held = self._held(plan, if_match)
        if held:
            await self._sums.skip()
            last = Written(if_match or "")
        else:
            await bench.spend()
            last = await bench.target.create_sized(bench.container, item, if_match=if_match)
            bench.journal.note_part(item, Part(0, 0, None, None, last.etag))
        missing = [span for span in plan if (span.offset, span.length) not in held]
        async with aclosing(self._write(missing)) as written:
            for span in plan:
                place = (span.offset, span.length)
                if place in held:
                    part = held[place]
                else:
                    part, last = await anext(written)
                    bench.journal.note_part(item, part)
                self._sums.add(span, part.source_crc, part.target_crc)
        if self._appends and item.sealed:
            await bench.spend()
            last = await bench.target.seal(bench.container, item.name)
        return self._sums.landed(last, self._route)

    def _held(self, plan: Sequence[Span], if_match: str | None) -> dict[tuple[int, int], Part]:
        """Pieces that are at the target already, by place; none where they do not fit the plan."""
        bench = self._bench
        if not if_match or not goes_on(bench.journal, self._item, if_match):
            return {}
        parts = {(part.offset, part.length): part for part in bench.journal.parts(self._item)}
        places = [(span.offset, span.length) for span in plan]
        # The pieces of an append blob lie one behind the other from its start on.
        fits = parts.keys() <= set(places) and (not self._appends or parts.keys() == set(places[: len(parts)]))
        return parts if fits else {}

    async def _write(self, plan: Sequence[Span]) -> AsyncGenerator[tuple[Part, Written], None]:
        """Write the pieces in order, one at a time: the ETag of the last one is the one that the blob keeps."""
        if self._route is Route.PULL:
            for span in plan:
                await self._bench.spend(span.length)
                written, crc = await alongside(self._pull(span), self._crc(span) if self._reads else None)
                yield Part(span.offset, span.length, crc, crc_of(written), written.etag), written
            return
        async with aclosing(self._read_ahead(plan)) as pieces:
            async for span, data in pieces:
                await self._sums.hash(span.index, data)
                crc = crc64.crc64(data)
                written = await self._send(span, data, crc)
                del data  # Its place in the budget goes to the piece behind the next one.
                yield Part(span.offset, span.length, crc, crc_of(written), written.etag), written

    async def _read_ahead(self, plan: Sequence[Span]) -> AsyncGenerator[tuple[Span, bytes], None]:
        """The pieces in order, the next one on its way while one is written, where there is room for both.

        A piece holds its bytes of the budget until the next one is asked for. It never waits for bytes of the budget
        while it holds some: all that do so at once would wait for each other.
        """
        budget, left = self._bench.budget, deque(plan)
        held: deque[tuple[Span, asyncio.Task[bytes]]] = deque()

        def begin() -> None:
            span = left.popleft()
            held.append((span, asyncio.create_task(self._read(span))))

        try:
            while left or held:
                if not held:
                    await budget.take(left[0].length)
                    begin()
                if left and len(held) == 1 and budget.try_take(left[0].length):
                    begin()
                span, reading = held[0]
                yield span, await reading
                held.popleft()
                del reading
                budget.give(span.length)
        finally:
            for _, reading in held:
                reading.cancel()
            try:
                await asyncio.gather(*(reading for _, reading in held), return_exceptions=True)
            finally:
                # Also where the cancellation comes only now, while an end is awaited.
                for span, _ in held:
                    budget.give(span.length)

    async def _crc(self, span: Span) -> int:
        return await span_crc(self._bench, self._item, span.offset, span.length)

    async def _read(self, span: Span) -> bytes:
        return await read_span(self._bench, self._item, span.offset, span.length)

    async def _send(self, span: Span, data: bytes, crc: int) -> Written:
        await self._bench.spend()
        await self._own.spend("", 1, span.length)
        target, container, name = self._bench.target, self._bench.container, self._item.name
        if self._appends:
            return await target.append(container, name, data, position=span.offset, crc=crc)
        return await target.put_pages(container, name, data, offset=span.offset, crc=crc)

    async def _pull(self, span: Span) -> Written:
        await self._own.spend("", 1, span.length)
        bench, item = self._bench, self._item
        # Asked for anew for each piece: the SAS may run out in the middle of a large blob.
        url = await bench.source.pull_url(bench.container, item)
        pull = bench.target.append_from_url if self._appends else bench.target.put_pages_from_url
        return await pull(
            bench.container, item.name, url, offset=span.offset, length=span.length, source_etag=item.etag
        )
