"""The express carries what succeeds at once, hands back the rest, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mappings.errors import AskForApproval, ResumeLater, SlowDown
from mappings.objects import EvidenceRow, ListedObject, Tally, Written
from mappings.pacing import Bounds
from mappings.states import Outcome, ProofLevel
from tasks.copiers.base import StartsReads, StartsWrites
from tasks.copiers.engine import copy_shard
from tasks.copiers.express import Express
from tasks.copiers.journal import NoJournal
from tasks.copiers.lanes import CHUNK
from tasks.copiers.pace import Pace
from tasks.copiers.plain import Job
from tasks.copiers.routes import RouteBook
from tasks.progress import Progress, ShardProgress
from tests.copiers.bench_of import RULES, SHARD, Pair
from tests.copiers.memory_cloud import MemorySource
from tests.copiers.starting import Begun, StartingPair, filled


async def settled(reached: Callable[[], bool] = lambda: False) -> None:
    """Let the loop turn until `reached`, or until what was cancelled has ended."""
    for _ in range(2000):
        if reached():
            return
        await asyncio.sleep(0)


def facts(rows: Mapping[tuple[str, str], EvidenceRow]) -> list[dict[str, Any]]:
    """Rows without what differs from run to run."""
    left_out = {"started", "finished", "request_id", "target_etag", "source_etag", "source_last_modified"}
    return [
        {one.name: getattr(row, one.name) for one in fields(row) if one.name not in left_out} for row in rows.values()
    ]


@pytest.mark.parametrize("proof", [ProofLevel.L1, ProofLevel.L2])
@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_what_it_carries_is_what_lanes_carry(mode: str, proof: ProofLevel) -> None:
    """Mutations that must fail it: a row without its checksum at L2; a pull that is recorded as a stream; one object
    left out; rows out of order.
    """
    swift, ordinary = StartingPair(mode=mode), Pair(mode=mode)
    rows = await filled(swift).run(proof=proof)
    assert facts(rows) == facts(await filled(ordinary).run(proof=proof))
    carried = sum(1 for number in range(300) if number % 13)
    assert swift.writer.begun == carried, "all but empty ones go by it"
    assert swift.reader.begun == (0 if mode == "pull" and proof is ProofLevel.L1 else carried)
    swift.assert_equal()


@pytest.mark.parametrize("seed", range(12))
async def test_what_does_not_succeed_goes_by_a_lane(seed: int) -> None:
    """Mutations that must fail it: losing a job that was handed back; copying one whose write was carried out before
    its answer was lost for a stranger's; giving the place at the pace back twice.
    """
    chance = random.Random(seed)
    pair = filled(StartingPair(mode=chance.choice(["auto", "stream"])))
    refused: Counter[str] = Counter()

    def refuse(operation: str, name: str) -> None:
        # Each name once, whether before or after the service has done it.
        if operation in ("put_blob", "put_blob_from_url", "read") and not refused[name] and chance.random() < 0.3:
            refused[name] += 1
            raise SlowDown("later", code="ServerBusy", status=503)

    pair.source.hook = pair.target.hook = refuse
    rows = await pair.run(proof=chance.choice([ProofLevel.L1, ProofLevel.L2]))
    assert sum(refused.values()) > 30
    assert {row.outcome for row in rows.values()} == {Outcome.COPIED}
    pair.assert_equal()


async def test_a_source_that_changes_is_copied_as_it_is_in_the_end() -> None:
    """Mutation that must fail it: a pin that is not sent."""
    pair = filled(StartingPair(mode="stream"), 40)
    changed: set[str] = set()

    def change(operation: str, name: str) -> None:
        if operation == "read" and name not in changed and name.endswith("7"):
            changed.add(name)
            pair.source.write("c", name, b"newer", label=False)

    pair.source.hook = change
    rows = await pair.run(proof=ProofLevel.L2)
    assert len(changed) == 4 and {rows[name, ""].size for name in changed} == {5}
    pair.assert_equal()


async def test_a_copy_that_is_not_what_was_read_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: a checksum that is not compared."""
    pair = filled(StartingPair(mode="pull"), 30)
    honest, spoilt = pair.writer.put_blob_from_url, set[str]()

    async def spoil(container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        written = await honest(container, item, url, if_match=if_match)
        if item.name.endswith("5") and item.name not in spoilt:
            spoilt.add(item.name)
            pair.target.room(container)[item.name].data = b"?" * item.size
            written = written.__class__(written.etag, crc64=b"?" * 8)
        return written

    monkeypatch.setattr(pair.writer, "put_blob_from_url", spoil)
    await pair.run(proof=ProofLevel.L2)
    assert len(spoilt) == 3
    pair.assert_equal()


async def copied(pair: Pair, mode: Any, record: Callable[[EvidenceRow], None] = lambda _: None, **more: Any) -> Tally:
    """One copy of all that the source holds."""
    progress = ShardProgress(Progress())
    return await copy_shard(SHARD, pair.reader, pair.writer, iter(()), record, RULES, RouteBook(mode), progress, **more)


async def test_what_ends_the_run_ends_it_at_once() -> None:
    """Mutations that must fail it: an error in a callback that nobody hears; requests that go on after the end."""

    class Full(NoJournal):
        noted = 0

        def note(self, rows: object) -> None:
            self.noted += 1
            if self.noted == 20:
                raise ResumeLater("the disk is full", next_step="")

    pair = filled(StartingPair(mode="pull"), 3000)
    before, found = asyncio.all_tasks(), []  # type: set[asyncio.Task[Any]], list[EvidenceRow]
    with pytest.raises(ResumeLater):
        await copied(pair, "pull", found.append, journal=Full())
    await settled()
    assert asyncio.all_tasks() == before
    assert pair.writer.begun < 20 + 3 * CHUNK


async def test_a_refusal_of_all_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = filled(StartingPair(mode="pull"), 300)

    def begin(*_: object, **__: object) -> Begun:
        raise AskForApproval("a write to the source", next_step="")

    monkeypatch.setattr(pair.writer, "start_put_blob_from_url", begin)
    with pytest.raises(AskForApproval):
        await pair.run()


async def test_cancelled_it_leaves_nothing_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: requests of the express that are not cancelled."""
    pair = filled(StartingPair(mode="pull"))
    flowing = asyncio.Event()

    async def stuck(*_: object, **__: object) -> Written:
        await flowing.wait()
        raise AssertionError("it was cancelled")

    monkeypatch.setattr(pair.writer, "put_blob_from_url", stuck)
    before = asyncio.all_tasks()
    task = asyncio.create_task(pair.run())
    await settled(lambda: pair.writer.begun > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled()
    assert asyncio.all_tasks() == before


async def test_a_gate_that_others_hold_is_waited_at() -> None:
    """Mutation that must fail it: nobody waits where the express has nothing under way that lets the next one in."""
    pair = filled(StartingPair(mode="pull"), 50)
    pace = Pace("dst", Bounds(most=3))
    for _ in range(3):
        await pace.enter()
    found: list[EvidenceRow] = []
    task = asyncio.create_task(copied(pair, "pull", found.append, pace=pace))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not pair.writer.begun
    for _ in range(3):
        pace.leave()
    await task
    assert len(found) == 50 and pace.busy == 0
    pair.assert_equal()


async def test_never_more_at_once_than_the_pace_lets_in() -> None:
    pair = filled(StartingPair(mode="stream"))
    pace, most = Pace("dst", Bounds(most=5)), 0

    def watch(_operation: str, _name: str) -> None:
        nonlocal most
        most = max(most, pace.busy)

    pair.source.hook = pair.target.hook = watch
    await copied(pair, "stream", pace=pace)
    assert most == 5 and pace.busy == 0


def test_the_fakes_are_what_the_engine_asks_for() -> None:
    pair = StartingPair()
    assert isinstance(pair.reader, StartsReads) and isinstance(pair.writer, StartsWrites)
    assert not isinstance(MemorySource(pair.source), StartsReads)


@pytest.mark.parametrize(
    ("size", "taken"), [(0, False), (1, True), (4 * 1024 * 1024, True), (4 * 1024 * 1024 + 1, False)]
)
def test_it_takes_what_one_read_carries(size: int, taken: bool) -> None:
    bench = SimpleNamespace(
        source=SimpleNamespace(account="a"), target=SimpleNamespace(account="b"), rules=RULES,
        pace=SimpleNamespace(capped=False),
    )  # fmt: skip
    express = Express(cast(Any, bench), cast(Any, None), cast(Any, None))
    assert express.takes(cast(Job, SimpleNamespace(item=SimpleNamespace(size=size), known=None))) is taken


async def test_what_cannot_be_begun_is_no_object_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: a job that is handed on counts for the pace, as the quickest object ever seen."""

    class Counting(Pace):
        left = 0

        def leave(self) -> None:
            self.left += 1
            super().leave()

    pair = filled(StartingPair(mode="pull"), 90)
    monkeypatch.setattr(pair.reader, "pull_url_at_hand", lambda container, item: None)
    pace = Counting("dst", Bounds(most=5))
    await copied(pair, "pull", pace=pace)
    assert pair.writer.begun == 0 and pace.left == 90 and pace.busy == 0
    pair.assert_equal()
