"""The engine: list, decide, copy under the pin, prove, record; for one shard, in flat memory.

One row per listed object, in key order, whatever order objects finish in; objects run ahead of the oldest unfinished
one by a bounded window only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from mappings.objects import EvidenceRow, Tally
from mappings.pacing import Bounds
from mappings.plan import CopyShard
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.bench import Bench
from tasks.copiers.express import Express
from tasks.copiers.families import settle_family
from tasks.copiers.journal import Journal, NoJournal
from tasks.copiers.lanes import Lanes, Line
from tasks.copiers.listed import marched
from tasks.copiers.march import Family, row_pages
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.plain import Job, Plain
from tasks.copiers.resume import evidence, restored, with_evidence
from tasks.copiers.routes import RouteBook
from tasks.copiers.rows import Counts
from tasks.copiers.rules import CopyRules
from tasks.progress import ShardProgress

__all__ = ["CopyRules", "copy_shard"]

_TELL_OBJECTS, _TELL_BYTES = 32, 8 << 20
"""The progress is told of so many at once, whichever comes first."""


async def copy_shard(
    shard: CopyShard,
    source: SourceBlobs,
    target: TargetBlobs,
    previous: Iterator[EvidenceRow],
    record: Callable[[EvidenceRow], None],
    rules: CopyRules,
    routes: RouteBook,
    progress: ShardProgress,
    *,
    journal: Journal | None = None,
    pace: Pace | None = None,
    budget: ByteBudget | None = None,
) -> Tally:
    """Bring one key range of one container to the target.

    Args:
        previous: rows of the last finished manifest of this range, in key order; none at the first run.
        record: called once per row, in key order. In = out: each listed object gives one row, and besides these each
            deletion and each extra at the target gives one.
        journal: what an attempt that was killed had begun and finished; without it everything at the target without
            evidence is compared by content, and what differs is refused as a stranger's.
        pace: the gate of the target account, shared by all shards that go there.
        budget: bytes held in memory, shared by all shards of the process.

    Returns:
        the tally of all rows; `whole` holds.

    Raises:
        ObjectError: a listing failed or broke off. Nothing may be taken as done.
        GovliftError: a listing is out of order, or an identity was refused.
        asyncio.CancelledError: passed on, after every request under way was cancelled and awaited.
    """
    journal = journal or NoJournal()
    bench = Bench(
        source=source,
        target=target,
        container=shard.container,
        rules=replace(rules, keys=source.keys, target_key=target.key) if source.keys or target.key else rules,
        routes=routes,
        progress=progress,
        features=await target.features(),
        budget=budget or ByteBudget(rules.memory),
        pace=pace or Pace(target.account, Bounds(most=rules.concurrency)),
        journal=journal,
        clock=partial(datetime.now, UTC),
    )
    return await _Run(shard, bench, record).run(previous)


class _Run:
    def __init__(self, shard: CopyShard, bench: Bench, record: Callable[[EvidenceRow], None]) -> None:
        self._shard, self._bench, self._record = shard, bench, record
        self._journal = bench.journal
        self._plain = Plain(bench)
        self._express = Express.of(bench)
        self._counts = Counts()
        self._line = Line(self._out)
        self._told = (0, 0, 0)
        self._codes: Counter[str] = Counter()
        """Failures by code that the progress has been told of."""

    async def run(self, previous: Iterator[EvidenceRow]) -> Tally:
        bench = self._bench
        lanes = Lanes(self._work, self._let_loose, self._line, bench.pace, self._express)
        look, add, begun = self._plain.look, self._line.add, self._journal.begun
        try:
            async with marched(
                self._shard, bench.source, bench.target, row_pages(previous), turn=bench.spend
            ) as walked:
                async for families in walked:
                    for family in families:
                        found = self._look_again(family) if begun(family.name) else look(family)
                        if isinstance(found, Job):
                            await lanes.put(found)
                        else:
                            add(found)
            await lanes.drain()
        finally:
            await lanes.stop()
        self._tell()
        return self._counts.tally()

    def _look_again(self, family: Family) -> list[EvidenceRow] | Job:
        """At a name that an attempt which was killed had begun."""
        known = evidence(family, self._journal.finished(family.name))
        if not known:
            return Job(family, begun=True)
        found = self._plain.look(with_evidence(family, known))
        if isinstance(found, Job):
            found.begun, found.known = True, known
            return found
        return restored(found, known)

    async def _work(self, job: Job) -> list[EvidenceRow]:
        if job.item is not None:
            found = [await self._plain.carry(job, job.item, self._bench.clock())]
        else:
            found = await settle_family(job.family, self._bench, begun=job.begun)
        if job.known is not None:
            found = restored(found, job.known)
        self._journal.note(found)
        return found

    def _let_loose(self, jobs: Sequence[Job]) -> None:
        """Nothing of these has been written yet; from now on it may be."""
        self._journal.begin([job.family.name for job in jobs if job.item is not None])

    def _out(self, rows: Sequence[EvidenceRow]) -> None:
        counts = self._counts
        for row in rows:
            self._record(row)
            counts.add(row)
        objects, size, _ = self._told
        if counts.listed - objects >= _TELL_OBJECTS or counts.bytes - size >= _TELL_BYTES:
            self._tell()

    def _tell(self) -> None:
        """Add to the progress what has been counted since the last time."""
        counts, (objects, size, failed) = self._counts, self._told
        self._told = (counts.listed, counts.bytes, counts.failed)
        self._bench.progress.add(
            objects=counts.listed - objects, bytes=counts.bytes - size, failed=counts.failed - failed
        )
        if counts.failed > failed:
            self._bench.progress.failing.update(counts.codes - self._codes)
            self._codes = counts.codes.copy()
