"""What fails is told while its shard is open: by code, in the signs of life; and what AzCopy carried is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import flows.draining
from flows.draining import Worker
from flows.wiring import Bench
from mappings.errors import ObjectRefused
from mappings.failures import code_of
from mappings.objects import EvidenceRow, Tally
from mappings.plan import CopyShard
from mappings.runs import Claim, RunKind, WorkerRecord
from mappings.states import Outcome, Route
from tasks.copiers.engine import copy_shard
from tasks.copiers.journal import NoJournal
from tasks.external import Handed, Marking
from tasks.progress import Progress, ShardProgress
from tasks.shardwork import ShardWork
from tests.copiers.bench_of import SHARD, Pair
from tests.unit.test_console import GOOD

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_failures_are_told_by_code_while_the_shard_goes_on() -> None:
    """Mutation that must fail it: telling of them at the end only, or of each once more with every batch."""
    pair = Pair()
    for number in range(150):
        pair.source.write("c", f"n{number:03}", b"x")
    codes = {"n010": "Gone", "n011": "Gone", "n060": "Locked", "n149": "Gone"}

    def refuse(operation: str, name: str) -> None:
        if operation not in ("list", "head") and name in codes:
            raise ObjectRefused("no", code=codes[name], status=409)

    pair.target.hook = refuse
    whole, rows = Progress(), list[EvidenceRow]()
    progress = ShardProgress(whole)
    told: list[dict[str, int]] = []

    def record(row: EvidenceRow) -> None:
        rows.append(row)
        told.append(dict(progress.failing))

    await copy_shard(SHARD, pair.reader, pair.writer, iter(()), record, pair.rules, pair.routes, progress)
    failed = Counter(code_of(row) for row in rows if row.outcome is Outcome.FAILED)
    assert progress.failing == failed == {"Gone": 3, "Locked": 1}
    assert whole.snapshot().failed == 4
    assert {"Gone": 2} in told and {"Gone": 2, "Locked": 1} in told, "before the shard has ended"


async def test_a_worker_tells_what_fails_in_the_shards_in_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: a sign of life without it, or with what failed in a shard that has ended."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    bench: Any = Bench(config)
    run = bench.ledger.writer.begin_run(RunKind.MIGRATE, now=NOW)
    bench.source_blobs = bench.target_blobs = lambda *_: None
    worker = Worker(bench, run, 1)
    seen: list[WorkerRecord] = []

    async def carry_out(claim: Claim, work: ShardWork, source: object, target: object, counted: ShardProgress) -> Tally:
        seen.append(worker._record())
        counted.failing["Gone"] += claim.shard.number + 2
        work.paces.of("dst").slow()
        await asyncio.sleep(0)
        seen.append(worker._record())
        return Tally()

    monkeypatch.setattr(flows.draining, "carry_out", carry_out)
    shards = [CopyShard("src", "dst", "c", "", None, 1, 1, number) for number in range(3)]
    one, two, three = (shard.id for shard in shards)
    for together in (shards[:2], shards[2:]):
        for shard in together:
            worker._begin(Claim(run, shard, "me", 1, 1, NOW + timedelta(hours=1)))
        assert await worker._copy() == Tally()
    first, both = {one: {"Gone": 2}}, {one: {"Gone": 2}, two: {"Gone": 3}}
    assert [one.failing_in for one in seen] == [{}, first, both, both, {}, {three: {"Gone": 4}}]
    assert [one.shards for one in seen[:5]] == [(one, two)] * 4 + [(three,)]
    assert [dict(one.throttles) for one in seen[::2]] == [{}, {"dst": 2}, {"dst": 2}]
    bench.ledger.writer.worker_seen(seen[3])
    (read,) = bench.ledger.reader.workers(run)
    assert (read.failing_in, read.throttles, read.shards) == (both, {"dst": 2}, (one, two))
    worker.leave()
    (left,) = bench.ledger.reader.workers(run)
    assert left.failing_in == {} and left.ended is not None


async def test_what_azcopy_has_carried_is_a_route_of_its_own() -> None:
    """Mutation that must fail it: objects that AzCopy brought over in no count of routes, or in that of another."""
    pair = Pair()
    for name in ("a", "b", "c", "d"):
        pair.source.write("c", name, name.encode() * 6)
    for name, data in (("a", b"aaaaaa"), ("b", b"bbbbbb"), ("c", b"spoilt")):
        pair.target.write("c", name, data)
    found: list[EvidenceRow] = []
    handed = frozenset({"a", "b", "c"})
    mark = Marking(handed, found.append)
    tally = mark.counted(
        await copy_shard(
            SHARD, pair.reader, pair.writer, iter(()), mark, pair.rules, pair.routes, ShardProgress(Progress()),
            journal=Handed(NoJournal(), handed),
        )
    )  # fmt: skip
    by_route = Counter(row.route for row in found)
    assert by_route == {Route.AZCOPY: 2, Route.PULL: 2}, "what AzCopy spoilt is copied anew"
    assert (tally.azcopy, tally.pull, tally.stream) == (2, 2, 0)
    assert tally.whole and (tally.copied, tally.bytes) == (4, 24)
