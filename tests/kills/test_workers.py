"""Workers join and leave a run, are replaced when they die, and refuse where their evidence would be lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from flows.wiring import Bench, now
from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.runs import RunKind, WorkerRecord
from mappings.states import RunState
from tasks.evidence_folder import mark_folder
from tasks.shardwork import LEASE_SECONDS
from tests.conftest import RunningSandbox
from tests.e2e.customer import repository
from tests.kills.plain import PATIENCE
from tests.kills.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

NUMBERS = count(900_000)
SLOW = {"match": "government blob PUT", "delay": 0.3}


@pytest.fixture
def town(clouds: RunningSandbox, found: Callable[..., Town]) -> Town:
    """A migration that is assessed and planned, with slow writes."""
    made = found(next(NUMBERS))
    clouds.break_with(SLOW)
    return made


def until(reached: Callable[[], object], town: Town, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, town.log()
        time.sleep(0.05)


def workers(town: Town) -> list[WorkerRecord]:
    with Bench(town.customer.config, environ=town.customer.environment).ledger as ledger:
        return ledger.reader.workers(ledger.reader.runs(RunKind.MIGRATE)[-1].id)


def helper(town: Town, config: Path) -> subprocess.Popen[str]:
    """`govlift worker`, as somebody on another machine would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "worker", "--config", str(config)],
        env=town.customer.environment,
        cwd=repository(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_stands_by_and_leaves_when_its_leader_is_gone(town: Town) -> None:
    """Mutation that must fail it: one that waits for a word that cannot come any more."""
    waiting = subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.mover", str(town.customer.config), "--number", "7", "--led"],
        env=town.customer.environment,
        cwd=repository(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert waiting.stdin is not None and waiting.stdout is not None
    assert waiting.stdout.readline() == b"ready\n"
    waiting.stdin.close()
    assert waiting.wait(timeout=60) == 8 and waiting.stdout.read() == b""
    waiting.stdout.close()


def signed_in(clouds: RunningSandbox) -> int:
    """Tokens that the authorities of both clouds have given."""
    counted = clouds.ask("GET", "/counters")
    return sum(counted[cloud]["entra"]["by_operation"].get("token", 0) for cloud in ("commercial", "government"))


def test_workers_that_stand_by_are_those_that_copy(clouds: RunningSandbox, town: Town) -> None:
    """Mutations that must fail it: starting others when the copy begins; leaving those that nobody took; a worker that
    signs in though its leader has.
    """
    before = signed_in(clouds)
    running = town.begin("migrate")
    until(lambda: len(town.movers()) == 2 and not town.asked("select 1 from worker"), town)
    standing = set(town.movers())
    until(lambda: len(town.asked("select 1 from worker")) == 2, town)
    assert {one.pid for one in workers(town)} == standing
    clouds.ask("DELETE", "/faults")
    assert running.wait(timeout=120) == 0, town.log()
    town.must_be_gone()
    assert signed_in(clouds) - before == 4, "for management and for storage, on each side"
    town.must_be_whole()


def test_a_worker_joins_by_hand_and_leaves_when_asked(clouds: RunningSandbox, town: Town) -> None:
    """Mutations that must fail it: not giving back what it has in hand; leaving with another code; a sign of life
    without the requests that were sent.
    """
    running = town.begin("migrate")
    until(lambda: town.asked("select 1 from worker"), town)
    joining = helper(town, town.customer.config)
    until(lambda: any(one.pid == joining.pid and one.shards for one in workers(town)), town)
    joining.send_signal(signal.SIGTERM)
    out, err = joining.communicate(timeout=30)
    assert joining.returncode == 8, out + err
    left = next(one for one in workers(town) if one.pid == joining.pid)
    assert left.ended is not None and not left.shards
    assert not town.asked(f"select 1 from shard where owner = '{left.owner}' and state = 'leased'")
    clouds.ask("DELETE", "/faults")
    assert running.wait(timeout=120) == 0, town.log()
    assert sum(one.requests for one in workers(town)) > sum(one.objects for one in workers(town)) > 0
    town.must_be_whole()


def test_what_a_worker_has_in_hand_is_free_when_it_leaves(clouds: RunningSandbox, town: Town) -> None:
    """Mutation that must fail it: giving back one of several shards in hand."""
    with Bench(town.customer.config, environ=town.customer.environment).ledger as ledger:
        plan = ledger.reader.latest_plan()
        assert plan is not None
        run = ledger.writer.begin_run(RunKind.MIGRATE, plan_id=plan.id, now=now())
        shards = [step for step in plan.steps if isinstance(step, CopyShard)]
        ledger.writer.open_shards(run, shards, now=now())
        mark_folder(town.customer.folder, ledger.reader, ledger.writer, now=now())
        # Small shards are worked on together; nothing can be copied, for nothing was provisioned, so it is held up
        # by a source that does not answer.
        clouds.ask("DELETE", "/faults")
        clouds.break_with({"match": "(commercial|government) (blob|entra)", "delay": 60})
        joining = helper(town, town.customer.config)
        until(lambda: len(ledger.reader.leases(run)) > 2, town)
        joining.terminate()
        out, err = joining.communicate(timeout=30)
        assert joining.returncode == 8, out + err
        assert ledger.reader.leases(run) == []
        ledger.writer.end_run(run, RunState.INTERRUPTED, tally=Tally(), exit_code=8, now=now())


def test_the_death_of_a_worker_costs_a_batch_at_most(clouds: RunningSandbox, town: Town) -> None:
    """Mutations that must fail it: a journal that writes no rows, or whose rows are not believed."""
    running = town.begin("migrate")

    def far_on() -> bool:
        written = {one.key[2] for one in town.seen() if one.whole and one.key[1] == "many"}
        return len([name for name in written if name < "many/0100"]) >= 70

    until(far_on, town)
    holder = [pid for pid, shard in town.held() if shard.endswith("many/00000")]
    town.strike(running, holder)
    clouds.ask("DELETE", "/faults")
    assert running.wait(timeout=120) == 0, town.log()
    assert town.account.kills == {("worker", "migrate: copying"): 1}
    town.must_be_whole()


def test_no_worker_outlives_its_leader(clouds: RunningSandbox, town: Town) -> None:
    """Mutation that must fail it: a worker that does not hear the end of its leader's pipe."""
    clouds.ask("DELETE", "/faults")
    clouds.break_with({"match": "government blob PUT .*(many|papers)", "delay": 15})
    running = town.begin("migrate")
    until(lambda: len(town.movers()) == 2 and town.asked("select 1 from shard where state = 'leased'"), town)
    time.sleep(1)
    running.kill()
    running.wait()
    until(lambda: not town.processes(), town, 10)
    assert not town.asked("select 1 from shard where state = 'leased'"), "what it held is free at once"
    assert town.asked("select 1 from shard where state = 'pending'"), "they left before the work was done"


def test_a_worker_that_sees_another_folder_is_refused(town: Town, tmp_path: Path) -> None:
    """The same ledger, a copy of the folder without its mark: what it wrote there would be lost.

    Mutation that must fail it: leaving `require_folder` out of the drain.
    """
    running = town.begin("migrate")
    until(lambda: town.asked("select 1 from worker"), town)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(town.customer.config, elsewhere)
    ledger = f'\n[ledger]\nurl = "sqlite:///{town.customer.folder / "ledger.db"}"\n'
    with (elsewhere / "migration.toml").open("a", encoding="utf-8") as settings:
        settings.write(ledger)
    joining = helper(town, elsewhere / "migration.toml")
    _, err = joining.communicate(timeout=60)
    assert joining.returncode == 2 and str(elsewhere) in err, err
    assert all(one.pid != joining.pid for one in workers(town))
    assert not list(elsewhere.rglob("*.parquet*"))
    running.terminate()
    assert running.wait(timeout=40) == 8, town.log()
    town.must_be_gone()


def test_a_worker_that_hangs_is_killed_and_replaced(clouds: RunningSandbox, town: Town) -> None:
    """One that is stopped answers nothing, not even SIGTERM, and its process stays; others go on.

    Mutation that must fail it: letting the hung one be.
    """
    town.customer.environment[PATIENCE] = "10"
    running = town.begin("migrate")
    until(lambda: town.asked("select 1 from shard where state = 'leased'"), town)
    until(lambda: any(one.shards for one in workers(town)), town)
    hung = next(one for one in workers(town) if one.shards)
    os.kill(hung.pid, signal.SIGSTOP)
    clouds.ask("DELETE", "/faults")
    assert running.wait(timeout=LEASE_SECONDS - 20) == 0, town.log()
    assert f"(process {hung.pid}) has given no sign of life for" in town.log()
    assert f"(process {hung.pid}) ended by signal 9" in town.log()
    left = next(one for one in workers(town) if one.owner == hung.owner)
    assert left.ended is not None and not left.shards
    town.must_be_whole()


def test_workers_that_die_again_and_again_end_the_run_resumable(clouds: RunningSandbox, town: Town) -> None:
    """Mutation that must fail it: replacing the dead without end."""
    running = town.begin("migrate")
    until(lambda: town.asked("select 1 from run where kind = 'migrate'"), town)
    killed = set()
    end = time.monotonic() + 120
    while running.poll() is None:
        assert time.monotonic() < end, town.log()
        for pid in town.movers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.05)
    assert running.returncode == 8 and "without finishing a shard" in town.log()
    assert len(killed) <= 12
    clouds.ask("DELETE", "/faults")
    town.finish("migrate")
    town.must_be_whole()
