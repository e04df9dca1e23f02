"""The lanes: order, bounds and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mappings.errors import AskForApproval
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Outcome
from tasks.copiers.engine import copy_shard
from tasks.copiers.lanes import CHUNK
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress, ShardProgress
from tests.copiers.bench_of import SHARD, Pair

COUNT = 6000
PAGE = 500


class Slow(Pair):
    """Many small blobs; the listing says how far it was asked, and the target stops at a word."""

    def __init__(self) -> None:
        super().__init__(mode="stream", rules=CopyRules(concurrency=4))
        for number in range(COUNT):
            self.source.write("c", f"x{number:05}", b"x", label=False)
        self.asked = 0
        self.flowing = asyncio.Event()
        self.stuck = ""
        listing, put = self.reader.objects, self.writer.put_blob

        async def objects(container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
            async for item in listing(container, begin=begin, end=end):
                self.asked += 1
                yield item

        async def put_blob(container, item, data, **more):  # type: ignore[no-untyped-def]
            if not self.stuck or item.name == self.stuck:
                await self.flowing.wait()
            return await put(container, item, data, **more)

        self.reader.objects = objects  # type: ignore[method-assign]
        self.writer.put_blob = put_blob  # type: ignore[method-assign]

    async def start(self, found: list[EvidenceRow]) -> asyncio.Task[object]:
        task: asyncio.Task[object] = asyncio.create_task(
            copy_shard(
                SHARD,
                self.reader,
                self.writer,
                iter(()),
                found.append,
                self.rules,
                RouteBook("stream"),
                ShardProgress(Progress()),
            )
        )
        for _ in range(4000):
            await asyncio.sleep(0)
        return task


@pytest.mark.parametrize("stuck", ["", "x00000"])
async def test_a_target_that_stalls_stops_the_listing(stuck: str) -> None:
    """Breaks when the queue, or what waits for one slow object at its head, grows with the container."""
    pair, found = Slow(), []  # type: Slow, list[EvidenceRow]
    pair.stuck = stuck
    task = await pair.start(found)
    bound = CHUNK + 1024 if stuck else 3 * CHUNK
    assert found == [] and pair.asked <= bound + 3 * PAGE < COUNT
    pair.flowing.set()
    await task
    assert [row.name for row in found] == [f"x{number:05}" for number in range(COUNT)]
    assert {row.outcome for row in found} == {Outcome.COPIED}


async def test_what_ends_the_run_ends_it_at_once() -> None:
    """Breaks when a refused identity is noticed only after everything else was tried."""
    pair, found = Slow(), []  # type: Slow, list[EvidenceRow]
    pair.flowing.set()

    def refuse(operation: str, name: str) -> None:
        if name == "x00100" and operation == "put_blob":
            raise AskForApproval("another tenant", next_step="")

    pair.target.hook = refuse
    before = asyncio.all_tasks()
    with pytest.raises(AskForApproval):
        await (await pair.start(found))
    assert pair.target.calls["put_blob"] < 100 + 3 * CHUNK
    assert asyncio.all_tasks() == before
