"""A shard that hangs: given up, taken again, in the end failed by name; what waits for a reason is left alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.draining import shard_work
from flows.wiring import Bench
from mappings.objects import ListedObject, Tally
from mappings.pacing import Bounds, Caps, Timetable
from mappings.plan import CopyShard
from mappings.runs import RunKind, ShardRecord
from mappings.standstill import LIMIT_SECONDS, LOOK_SECONDS, MOST_TIMES
from mappings.states import RunState, ShardState
from tasks.copiers.allowance import Allowance
from tasks.copiers.base import Written
from tasks.copiers.journal import NoJournal
from tasks.copiers.pace import Pace, PaceBook
from tasks.copiers.routes import RouteBook
from tasks.external import _end
from tasks.failing import failures_in, load_causes
from tasks.ledger import Ledger, ledger_url, open_ledger
from tasks.progress import Progress
from tasks.shardwork import ShardWork, carry_out
from tasks.standstill import EVENT, Flight, StoodStill, Watch, watched
from tests.copiers.bench_of import RULES
from tests.copiers.memory_cloud import Account
from tests.copiers.raw_pages import RawSource, RawTarget
from tests.unit.test_console import GOOD

SHARD = CopyShard("src", "dst", "c", "", None, 0, 0, 0)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
_TURNS = 4


@dataclass
class Clock:
    """Stands still until the test moves it on."""

    now: float = 0.0
    asleep: list[asyncio.Future[None]] = field(default_factory=list)

    async def sleep(self, _seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asleep.append(waiting)
        await waiting

    async def pass_(self, seconds: float) -> None:
        """Let so many seconds go by, a look at a time; whoever looks has a few turns of the loop for it."""
        for _ in range(round(seconds / LOOK_SECONDS)):
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self.now += LOOK_SECONDS
            for one in self.asleep:
                if not one.done():
                    one.set_result(None)
            self.asleep.clear()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    @property
    def watch(self) -> Watch:
        return Watch(clock=lambda: self.now, sleep=self.sleep)


class Hanging(RawTarget):
    """A target that never answers for some names."""

    stuck: frozenset[str] = frozenset()

    def __init__(self, account: Account, sources: dict[str, RawSource]) -> None:
        super().__init__(account, dict(sources))
        self.reached = asyncio.Event()
        self.cancelled = 0

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        if item.name in self.stuck:
            self.reached.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return await super().put_blob_from_url(container, item, url, if_match=if_match)


class Run:
    """One run over one shard of twenty objects."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder, self.ledger, self.clock = folder, ledger, Clock()
        source, target = Account("src"), Account("dst")
        source.containers_["c"], target.containers_["c"] = {}, {}
        for number in range(20):
            source.write("c", f"n{number:02}", b"x" * 10)
        self.reading = RawSource(source)
        self.writing = Hanging(target, {"src": self.reading})
        self.id = ledger.writer.begin_run(RunKind.MIGRATE, now=NOW)
        ledger.writer.open_shards(self.id, [SHARD], now=NOW)

    async def attempt(self) -> ShardRecord:
        """Claim the shard and work on it to its end; while it hangs, time goes by."""
        reader, writer = self.ledger.reader, self.ledger.writer
        (claim,) = writer.claim(self.id, owner="me", most=1, lease_seconds=60, now=NOW)
        work = ShardWork(
            folder=self.folder, reader=reader, writer=writer, rules=RULES, routes=RouteBook("pull"),
            progress=Progress(), clock=lambda: NOW, tool_version="1", watch=self.clock.watch,
        )  # fmt: skip
        working = asyncio.create_task(carry_out(claim, work, self.reading, self.writing))
        if self.writing.stuck:
            await self.writing.reached.wait()
            await self.clock.pass_(LIMIT_SECONDS - LOOK_SECONDS)
            assert not working.done(), "given up too soon"
            # The clock moved on while the rest of the shard was copied, too.
            await self.clock.pass_(3 * LOOK_SECONDS)
        await asyncio.wait_for(working, 10)
        (record,) = reader.shards(self.id)
        return record


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(ledger_url(tmp_path)) as opened:
        yield opened


async def test_a_shard_that_hangs_is_given_up_and_done_at_the_next_attempt(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Breaks when a hang holds the run for ever, when requests under way are not ended, or nobody learns what hung.

    Mutation that must fail it: failing the shard the first time, or leaving its lease with the worker.
    """
    run = Run(tmp_path, ledger)
    run.writing.stuck = frozenset({"n03", "n07"})
    with caplog.at_level(logging.WARNING, "govlift"):
        record = await run.attempt()
    assert (record.state, record.manifest, run.writing.cancelled) == (ShardState.PENDING, "", 2)
    (event,) = ledger.reader.events(EVENT)
    assert event.detail["shard"] == SHARD.id and event.detail["claimed_again"] is True
    assert "2 objects in flight (n03, n07)" in event.detail["why"]
    assert SHARD.id in caplog.text and "n03, n07" in caplog.text and "1 of 3" in caplog.text

    run.writing.stuck = frozenset()
    record = await run.attempt()
    assert record.state is ShardState.DONE and record.tally.listed == 20 and record.tally.failed == 0


async def test_a_shard_that_hangs_each_time_fails_by_name_and_a_new_start_tries_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Mutation that must fail it: counting without end, or counting what stood still before the run was taken up."""
    run = Run(tmp_path, ledger)
    run.writing.stuck = frozenset({"n03"})
    for _ in range(MOST_TIMES):
        run.writing.reached.clear()
        record = await run.attempt()
    assert record.state is ShardState.FAILED and "1 object in flight (n03)" in record.reason
    (failure,) = failures_in(tmp_path, [record])
    cause = load_causes().of(failure.code)
    assert cause.id == "stood-still" and "--retry-failed" in cause.remedy
    assert ledger.reader.check_chain() == []

    ledger.writer.end_run(run.id, RunState.PARTIAL, tally=Tally(), exit_code=4, now=NOW)
    assert ledger.writer.resume_run("", RunKind.MIGRATE, now=NOW) == run.id
    run.writing.reached.clear()
    assert (await run.attempt()).state is ShardState.PENDING


async def hang(clock: Clock, pace: Pace, counts: list[int]) -> None:
    """What never ends by itself."""
    async with watched(clock.watch, pace, lambda: tuple(counts), Flight(NoJournal()).told):
        await asyncio.Event().wait()


async def test_what_rests_for_a_reason_is_left_alone_and_what_goes_on_hanging_afterwards_is_not() -> None:
    """Outside of the hours, as the service asked, and for a cap.

    Mutation that must fail it: looking at counters alone.
    """
    clock, allowance = Clock(), Allowance()
    pace = Pace("account", Bounds(most=4), allowance)
    hanging = asyncio.create_task(hang(clock, pace, [0]))
    pace.pause(True)
    await clock.pass_(12 * 3600)
    assert not hanging.done()
    pace.pause(False)
    await clock.pass_(LIMIT_SECONDS / 2)
    allowance.allow(0.001, 0.0)
    waiting = [asyncio.create_task(pace.spend(1)) for _ in range(2)]
    await clock.pass_(LIMIT_SECONDS)
    assert not hanging.done()
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    allowance.allow(0.0, 0.0)
    await clock.pass_(LIMIT_SECONDS / 2)
    assert not hanging.done()
    await clock.pass_(LIMIT_SECONDS)
    with pytest.raises(StoodStill, match="15 minutes, with nothing in flight"):
        await hanging


async def test_a_retry_after_is_no_standstill() -> None:
    book = PaceBook(timetable=Timetable(inside=Caps()))
    pace = book.of("account")
    assert not pace.held
    pace.slow(60.0)
    assert pace.held
    pace._wake()
    assert not pace.held
    book.close()


def test_requests_of_the_process_are_movement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when one large object, whose blocks travel for longer than the limit, is taken for a hang."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    work = shard_work(Bench(config), Progress())
    before = work.counts()
    monkeypatch.setattr(Bench, "requests", 7)
    assert work.counts() != before


async def test_whoever_else_ends_the_work_ends_it() -> None:
    """Breaks when a worker that is asked to leave takes that for a standstill and goes on."""
    clock = Clock()
    hanging = asyncio.create_task(hang(clock, Pace(), [0]))
    await clock.pass_(LIMIT_SECONDS - LOOK_SECONDS)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    both = asyncio.create_task(hang(clock, Pace(), [0]))
    clock.asleep.clear()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    await clock.pass_(LIMIT_SECONDS - LOOK_SECONDS)
    clock.now += LOOK_SECONDS
    clock.asleep.pop().set_result(None)
    await asyncio.sleep(0)
    both.cancel()  # In the very turn in which it is given up.
    with pytest.raises(asyncio.CancelledError):
        await both


async def test_a_process_that_does_not_hear_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when an AzCopy that hangs holds up the end of the work on its shard."""
    monkeypatch.setattr("tasks.external._GRACE", 0.1)
    deaf = "trap '' TERM; echo ready; while read line; do :; done"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("sh", "-c", deaf, stdin=pipe, stdout=pipe)
    assert process.stdout is not None and await process.stdout.readline() == b"ready\n"
    await asyncio.wait_for(_end(process), 10)
    assert process.returncode == -9
