"""A worker with several shards in hand: which it begins, and that each of them is given back when it ends early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flows.draining
from flows.draining import Worker
from flows.wiring import Bench, now
from mappings.errors import FixTheInput, GovliftError, ResumeLater
from mappings.inhand import MOST_IN_HAND
from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.runs import Claim, RunKind
from mappings.states import ShardState
from tasks.copiers.routes import RouteBook
from tasks.ledger import ledger_url, open_ledger
from tasks.progress import Progress, ShardProgress
from tasks.shardwork import ShardWork, carry_out
from tests.copiers.bench_of import RULES
from tests.copiers.memory_cloud import Account, MemorySource, MemoryTarget
from tests.unit.test_console import GOOD


class Hands:
    """A worker over a ledger with these shards, whose work is done by the word of the test."""

    def __init__(self, opened: Bench, objects: list[int]) -> None:
        self.reader, self.writer = opened.ledger.reader, opened.ledger.writer
        self.run = self.writer.begin_run(RunKind.MIGRATE, now=now())
        shards = [CopyShard("src", "dst", f"c{n:03}", "", None, size, size, 0) for n, size in enumerate(objects)]
        self.writer.open_shards(self.run, shards, now=now())
        self.open: dict[str, tuple[ShardProgress, asyncio.Future[None]]] = {}
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.budgets: set[int] = set()
        self.worker = Worker(opened, self.run, 0)
        self.working = asyncio.create_task(self.worker.work())

    async def carry_out(self, claim: Claim, work: ShardWork, _: Any, __: Any, counted: ShardProgress) -> Tally:
        name, ended = claim.shard.container, asyncio.get_running_loop().create_future()
        self.begun.append(name)
        self.budgets.add(id(work.budget))
        self.open[name] = counted, ended
        try:
            await ended
        except asyncio.CancelledError:
            self.cancelled.append(name)
            self.writer.release(claim, now=now())
            raise
        finally:
            del self.open[name]
        self.writer.finish(claim, tally=Tally(), manifest="", manifest_hash="", now=now())
        return Tally(listed=1, same=1)

    async def turn(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self, name: str) -> None:
        self.open[name][1].set_result(None)
        await self.turn()

    def states(self) -> dict[str, int]:
        return {state.value: number for state, number in self.reader.shard_states(self.run).items() if number}


@asynccontextmanager
async def hands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, objects: list[int], more: str = ""
) -> AsyncIterator[Hands]:
    config = folder / "migration.toml"
    config.write_text(GOOD + more, encoding="utf-8")
    async with Bench(config, environ={"S": "s", "T": "t"}) as opened:
        made = Hands(opened, objects)
        monkeypatch.setattr(flows.draining, "carry_out", made.carry_out)
        monkeypatch.setattr(opened, "sides_of", lambda _: (None, None))
        await made.turn()
        try:
            yield made
        finally:
            made.working.cancel()
            await asyncio.gather(made.working, return_exceptions=True)
            made.worker.leave()


async def test_small_shards_are_worked_on_together_and_the_next_follows_when_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutations that must fail it: one shard at a time; waiting until all in hand have ended; a budget for each."""
    async with hands(tmp_path, monkeypatch, [20] * 40) as here:
        first = len(here.begun)
        assert 3 <= first < MOST_IN_HAND, "as much as may be in flight, a few times over"
        await here.end(here.begun[0])
        assert len(here.begun) == first + 1
        for name in list(here.open):
            here.open[name][0].add(objects=15)
        await here.turn()
        assert len(here.begun) > first + 1, "little is left of those in hand"
        while here.open:
            await here.end(next(iter(here.open)))
        assert (await asyncio.wait_for(here.working, 30)).listed == 40
        assert here.states() == {"done": 40} and len(set(here.begun)) == 40 and len(here.budgets) == 1


async def test_tiny_shards_are_not_all_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: no bound on the open manifests, journals and listings."""
    async with hands(tmp_path, monkeypatch, [1] * 200) as here:
        assert len(here.begun) == len(here.open) == MOST_IN_HAND
        held = here.worker._record().shards
        assert len(held) == here.states()["leased"] == MOST_IN_HAND, "nobody holds what is not begun"


async def test_a_large_shard_is_in_hand_alone_until_it_nearly_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: taking what another worker could begin at once."""
    async with hands(tmp_path, monkeypatch, [10_000, 10_000]) as here:
        assert here.begun == ["c000"] and here.states() == {"leased": 1, "pending": 1}
        here.open["c000"][0].add(objects=9_000)
        await here.turn()
        assert here.begun == ["c000"]
        here.open["c000"][0].add(objects=990)
        await here.turn()
        assert here.begun == ["c000", "c001"]


async def test_azcopy_has_one_shard_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: several of its processes, each with the whole cap."""
    program = tmp_path / "azcopy"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    more = f'[copy]\nmover = "azcopy"\nazcopy = "{program}"\nazcopy_sas_in_argv = true\n'
    async with hands(tmp_path, monkeypatch, [20] * 5, more) as here:
        assert len(here.begun) == 1


async def test_what_ends_the_run_ends_all_in_hand_and_gives_every_lease_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: leaving the others running behind an error, or their leases to run out."""
    async with hands(tmp_path, monkeypatch, [20] * 6) as here:
        others = here.begun[1:]
        here.open[here.begun[0]][1].set_exception(ResumeLater("the disk is full", next_step="Make room."))
        with pytest.raises(ResumeLater):
            await asyncio.wait_for(here.working, 30)
        assert sorted(here.cancelled) == sorted(others) and not here.open
        here.worker.leave()
        assert here.states() == {"leased": 1, "pending": 5}, "what failed is settled by whoever worked on it"


async def test_a_shard_that_cannot_be_begun_is_given_back_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: forgetting the claim, or what was begun before it."""
    async with hands(tmp_path, monkeypatch, [20] * 6) as here:

        def refuse(_: CopyShard) -> Any:
            raise FixTheInput("there is no secret", next_step="Set it.")

        monkeypatch.setattr(here.worker._bench, "sides_of", refuse)
        here.open[here.begun[0]][1].set_result(None)
        with pytest.raises(GovliftError):
            await asyncio.wait_for(here.working, 30)
        here.worker.leave()
        assert here.states() == {"done": 1, "pending": 5} and not here.open


async def test_a_worker_that_is_told_to_leave_gives_back_all_that_it_has_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hands(tmp_path, monkeypatch, [20] * 6) as here:
        here.working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await here.working
        here.worker.leave()
        assert here.states() == {ShardState.PENDING.value: 6}


async def test_while_the_account_rests_no_further_shard_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutations that must fail it: piling up shards of an account that has asked to wait, or by what another allows."""
    async with hands(tmp_path, monkeypatch, [20] * 6) as here:
        here.worker._work.paces.of("another")
        here.worker._work.paces.of("dst").slow(retry_after=60)
        before = len(here.begun)
        await here.end(here.begun[0])
        assert len(here.begun) == before


async def test_shards_in_hand_share_one_budget_of_memory(tmp_path: Path) -> None:
    """Mutation that must fail it: a budget for each, sixteen times what a worker may hold."""
    source, target = Account("src"), Account("dst")
    shards = [CopyShard("src", "dst", f"c{number}", "", None, 6, 48, 0) for number in range(4)]
    for shard in shards:
        source.containers_[shard.container], target.containers_[shard.container] = {}, {}
        for number in range(6):
            source.write(shard.container, f"n{number}", b"x" * 8)
    reading = MemorySource(source)
    writing = MemoryTarget(target, {"src": reading})
    with open_ledger(ledger_url(tmp_path)) as ledger:
        run = ledger.writer.begin_run(RunKind.MIGRATE, now=now())
        ledger.writer.open_shards(run, shards, now=now())
        claims = ledger.writer.claim(run, owner="me", most=4, lease_seconds=60, now=now())
        work = ShardWork(
            folder=tmp_path, reader=ledger.reader, writer=ledger.writer, rules=replace(RULES, memory=24),
            routes=RouteBook("stream"), progress=Progress(), clock=now, tool_version="1",
        )  # fmt: skip
        done = await asyncio.gather(*(carry_out(claim, work, reading, writing) for claim in claims))
    assert sum(one.copied for one in done) == 24
    assert 8 < work.budget.peak <= 24, "several at once, and all within it"
