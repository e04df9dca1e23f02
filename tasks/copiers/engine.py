"""The engine: list, decide, copy under the pin, prove, record; for one shard, in flat memory.

One row per listed object, in key order, whatever order objects finish in; objects run ahead of the oldest unfinished
one by a bounded window only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

from mappings.objects import EvidenceRow, Tally
from mappings.pacing import Bounds
from mappings.plan import CopyShard
from mappings.states import Outcome
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.bench import Bench
from tasks.copiers.families import quick, settle_family
from tasks.copiers.intents import Intents, NoIntents
from tasks.copiers.march import Family, ascending, march
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.routes import RouteBook
from tasks.copiers.rows import tally_of
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress

__all__ = ["CopyRules", "copy_shard"]

_WINDOW = 8
"""Families that may wait for an older one, in multiples of the concurrency."""


async def copy_shard(
    shard: CopyShard,
    source: SourceBlobs,
    target: TargetBlobs,
    previous: Iterator[EvidenceRow],
    record: Callable[[EvidenceRow], None],
    rules: CopyRules,
    routes: RouteBook,
    progress: Progress,
    *,
    intents: Intents | None = None,
    pace: Pace | None = None,
) -> Tally:
    """Bring one key range of one container to the target.

    Args:
        previous: rows of the last finished manifest of this range, in key order; none at the first run.
        record: called once per row, in key order. In = out: each listed object gives one row, and besides these each
            deletion and each extra at the target gives one.
        intents: what an attempt that was killed had begun; without it, other content at the target without evidence is
            refused as a stranger's.
        pace: the gate of the target account, shared by all shards that go there.

    Returns:
        the tally of all rows; `whole` holds.

    Raises:
        ObjectError: a listing failed or broke off. Nothing may be taken as done.
        GovliftError: a listing is out of order, or an identity was refused.
        asyncio.CancelledError: passed on, after every request under way was cancelled and awaited.
    """
    intents = intents or NoIntents()
    bench = Bench(
        source=source,
        target=target,
        container=shard.container,
        rules=rules,
        routes=routes,
        progress=progress,
        features=await target.features(),
        budget=ByteBudget(rules.memory),
        pace=pace or Pace(target.account, Bounds(most=rules.concurrency)),
        begin=intents.begin,
        clock=lambda: datetime.now(UTC),
    )
    return await _Run(shard, bench, intents, record).run(previous)


class _Run:
    def __init__(self, shard: CopyShard, bench: Bench, intents: Intents, record: Callable[[EvidenceRow], None]) -> None:
        self._shard, self._bench, self._intents, self._record = shard, bench, intents, record
        self._ahead: deque[asyncio.Task[list[EvidenceRow]] | list[EvidenceRow]] = deque()
        self._tally = Tally()

    async def run(self, previous: Iterator[EvidenceRow]) -> Tally:
        try:
            async for family in self._families(previous):
                if (rows := quick(family, self._bench)) is not None:
                    self._ahead.append(rows)
                else:
                    await self._bench.pace.enter()
                    self._ahead.append(asyncio.create_task(self._settle(family)))
                await self._flush(_WINDOW * self._bench.rules.concurrency)
            await self._flush(0)
        finally:
            await self._stop()
        return self._tally

    def _families(self, previous: Iterator[EvidenceRow]) -> AsyncIterator[Family]:
        shard, bench = self._shard, self._bench
        left = bench.source.objects(shard.container, begin=shard.begin, end=shard.end)
        right = bench.target.objects(shard.container, begin=shard.begin, end=shard.end)
        return march(
            ascending(left, f"{bench.source.account}/{shard.container}"),
            ascending(right, f"{bench.target.account}/{shard.container}"),
            previous,
        )

    async def _settle(self, family: Family) -> list[EvidenceRow]:
        try:
            return await settle_family(family, self._bench, begun=self._intents.begun(family.name))
        finally:
            self._bench.pace.leave()

    async def _flush(self, most: int) -> None:
        """Record what is finished at the head; wait for it while more than `most` families are ahead."""
        while self._ahead:
            head = self._ahead[0]
            if isinstance(head, asyncio.Task) and not head.done() and len(self._ahead) <= most:
                return
            rows = await head if isinstance(head, asyncio.Task) else head
            self._ahead.popleft()
            for row in rows:
                self._record(row)
                self._count(row)

    def _count(self, row: EvidenceRow) -> None:
        added = tally_of(row)
        self._tally += added
        self._bench.progress.add(objects=added.listed, bytes=added.bytes, failed=row.outcome is Outcome.FAILED)

    async def _stop(self) -> None:
        tasks = [one for one in self._ahead if isinstance(one, asyncio.Task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
