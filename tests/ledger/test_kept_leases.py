"""A worker keeps the leases of what it works on, and stops where it has lost one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import flows.draining
from flows.draining import Worker
from flows.wiring import Bench, now
from mappings.objects import ListedObject, Tally, Written
from mappings.plan import CopyShard
from mappings.runs import Claim, RunKind
from mappings.states import ShardState
from tasks.copiers.routes import RouteBook
from tasks.ledger import Ledger, ledger_url, open_ledger, owners
from tasks.progress import Progress
from tasks.shardwork import LEASE_SECONDS, ShardWork, carry_out
from tests.copiers.bench_of import RULES
from tests.copiers.memory_cloud import Account, MemorySource, MemoryTarget
from tests.ledger.build import NOW, shard
from tests.unit.test_console import GOOD

SHARD = CopyShard("src", "dst", "c", "", None, 0, 0, 0)


class Holding(MemoryTarget):
    """A target whose writes wait for a word."""

    def __init__(self, account: Account, sources: dict[str, MemorySource]) -> None:
        super().__init__(account, sources)
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        self.reached.set()
        await self.go.wait()
        return await super().put_blob_from_url(container, item, url, if_match=if_match)


class Working:
    """A worker on the only shard of a run, by a clock that the test moves on."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.reader, self.writer = ledger.reader, ledger.writer
        source, target = Account("src"), Account("dst")
        source.containers_["c"], target.containers_["c"] = {}, {}
        source.write("c", "x", b"x")
        self.reading = MemorySource(source)
        self.writing = Holding(target, {"src": self.reading})
        self.run = self.writer.begin_run(RunKind.MIGRATE, now=NOW)
        self.writer.open_shards(self.run, [SHARD], now=NOW)
        self.now = NOW
        self.sleeps: list[tuple[float, asyncio.Future[None]]] = []
        (self.claim,) = self.claimed("me")
        self.work = ShardWork(
            folder=folder, reader=self.reader, writer=self.writer, rules=RULES, routes=RouteBook("pull"),
            progress=Progress(), clock=lambda: self.now, tool_version="1", sleep=self.sleep,
        )  # fmt: skip

    def claimed(self, owner: str) -> list[Claim]:
        """What `owner` gets of it now."""
        return self.writer.claim(self.run, owner=owner, most=1, lease_seconds=LEASE_SECONDS, now=self.now)

    async def sleep(self, seconds: float) -> None:
        waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleeps.append((seconds, waits))
        await waits

    async def pass_(self, seconds: float) -> None:
        """Let so much time go by; who has slept through it wakes up."""
        self.now += timedelta(seconds=seconds)
        for _, waits in self.sleeps:
            waits.set_result(None)
        self.sleeps.clear()
        for _ in range(20):
            await asyncio.sleep(0)

    def expires(self) -> datetime:
        (lease,) = self.reader.leases(self.run)
        return lease.expires


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Callable[[], Working]]:
    with open_ledger(ledger_url(tmp_path)) as ledger:
        yield lambda: Working(tmp_path, ledger)


async def within(turns: int, done: Callable[[], bool]) -> None:
    """Let the loop turn until `done`, at most so often."""
    for _ in range(turns):
        if done():
            return
        await asyncio.sleep(0)


async def test_the_lease_of_a_shard_is_renewed_while_it_is_worked_on(working: Callable[[], Working]) -> None:
    """Mutations that must fail it: no renewal; one that comes only when the lease has run out."""
    here = working()
    task = asyncio.create_task(carry_out(here.claim, here.work, here.reading, here.writing))
    await here.writing.reached.wait()
    for _ in range(5):
        (asked, _waits), *others = here.sleeps
        assert not others and asked <= LEASE_SECONDS / 2, "twice in the time that it has"
        await here.pass_(asked)
        assert here.expires() == here.now + timedelta(seconds=LEASE_SECONDS)
    assert here.now > NOW + timedelta(seconds=LEASE_SECONDS) and here.claimed("other") == []
    here.writing.go.set()
    assert (await task).copied == 1
    assert here.reader.shard_states(here.run)[ShardState.DONE] == 1


async def test_who_has_lost_the_lease_stops_at_once_and_leaves_the_shard_to_its_owner(
    working: Callable[[], Working],
) -> None:
    """Mutation that must fail it: a renewal that is refused, and a copy that goes on all the same."""
    here = working()
    task = asyncio.create_task(carry_out(here.claim, here.work, here.reading, here.writing))
    await here.writing.reached.wait()
    here.now += timedelta(seconds=LEASE_SECONDS + 1)
    (theirs,) = here.claimed("other")
    await here.pass_(1)
    await within(200, task.done)
    assert task.done(), "the write is still waited for"
    assert task.result() == Tally() and not task.cancelled()
    assert here.writing.cloud_account.containers_["c"] == {}, "nothing is written any more"
    (lease,) = here.reader.leases(here.run)
    assert lease.owner == "other" == theirs.owner


async def test_a_worker_that_is_cancelled_is_not_taken_for_one_that_lost_its_lease(
    working: Callable[[], Working],
) -> None:
    here = working()
    task = asyncio.create_task(carry_out(here.claim, here.work, here.reading, here.writing))
    await here.writing.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert here.reader.shard_states(here.run)[ShardState.PENDING] == 1, "its lease was given back"


def of_one_that_has_died() -> str:
    """The name of a worker of this machine whose process is gone."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = f"{socket.gethostname()}:{owners._process(process.pid)}:1"
    process.communicate(b"\n")
    return owner


async def test_a_worker_does_not_wait_for_the_lease_of_a_process_that_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: waiting until that lease has run out, two minutes later."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, "utf-8")
    owner = of_one_that_has_died()
    async with Bench(config, environ={}) as opened:
        writer = opened.ledger.writer
        run = writer.begin_run(RunKind.MIGRATE, now=now())
        writer.open_shards(run, [shard(0), shard(1)], now=now())
        (held,) = writer.claim(run, owner=owner, most=1, lease_seconds=LEASE_SECONDS, now=now())
        worker = Worker(opened, run, 0)
        copied: list[str] = []

        async def carry_out(claim: Claim, *_: object) -> Tally:
            copied.append(claim.shard.id)
            writer.finish(claim, tally=Tally(), manifest="", manifest_hash="", now=now())
            return Tally()

        monkeypatch.setattr(flows.draining, "carry_out", carry_out)
        monkeypatch.setattr(opened, "sides_of", lambda _: (None, None))
        await asyncio.wait_for(worker.work(), 30)
        assert sorted(copied) == sorted([shard(0).id, shard(1).id]) and copied[-1] == held.shard.id
        assert opened.ledger.reader.leases(run) == []


async def test_a_worker_with_azcopy_and_a_cap_first_looks_who_else_works(tmp_path: Path) -> None:
    """Mutation that must fail it: beginning at once, with the whole cap for a process that keeps it to its end."""
    config = tmp_path / "migration.toml"
    program = tmp_path / "azcopy"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    asked = f'[copy]\nmover = "azcopy"\nazcopy = "{program}"\nazcopy_sas_in_argv = true\nmax_mib_per_second = 8\n'
    config.write_text(GOOD + asked, "utf-8")
    async with Bench(config, environ={"T": "t"}) as opened:
        run = opened.ledger.writer.begin_run(RunKind.MIGRATE, now=now())
        worker = Worker(opened, run, 0, beat=0.0)
        working = asyncio.create_task(worker.work())
        await within(200, working.done)
        assert not working.done()
        life = asyncio.create_task(worker.live())
        assert await asyncio.wait_for(working, 30) == Tally()
        worker.over.set()
        await life
        assert [one.owner for one in opened.ledger.reader.workers(run)] == [worker._life.owner]
