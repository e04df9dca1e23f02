"""Leases: one holder per shard, a fence against the late, resume at the point of the crash."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql

from mappings.errors import TryLater
from mappings.objects import Tally
from mappings.pacing import Caps, Hours, Timetable
from mappings.runs import Claim, RunKind, WorkerRecord
from mappings.states import RunState, ShardState
from tasks.ledger import IllegalMove, Ledger, LostLease, open_ledger
from tasks.ledger.leases import FREE, RUN_OUT
from tasks.ledger.owners import SILENCE, is_alive, own_name
from tests.ledger.build import NOW, WHOLE, later, shard


def open_run(ledger: Ledger, shards: int, kind: RunKind = RunKind.MIGRATE) -> str:
    run_id = ledger.writer.begin_run(kind, plan_id="abc", now=NOW)
    ledger.writer.open_shards(run_id, [shard(number) for number in range(shards)])
    return run_id


def claim_one(ledger: Ledger, run_id: str, *, owner: str = "here:1:a", at: float = 0, lease: float = 60) -> Claim:
    (claim,) = ledger.writer.claim(run_id, owner=owner, most=1, lease_seconds=lease, now=later(at))
    return claim


def finish(
    ledger: Ledger, claim: Claim, *, at: float = 1, tally: Tally = WHOLE, manifest: str = "m.parquet"
) -> ShardState:
    return ledger.writer.finish(claim, tally=tally, manifest=manifest, manifest_hash="00", now=later(at))


def test_claims_come_in_the_plans_order_and_never_twice(ledger: Ledger) -> None:
    run_id = open_run(ledger, 5)
    first = ledger.writer.claim(run_id, owner="here:1:a", most=3, lease_seconds=60, now=NOW)
    second = ledger.writer.claim(run_id, owner="here:1:b", most=9, lease_seconds=60, now=NOW)
    assert [claim.shard.number for claim in first] == [0, 1, 2]
    assert [claim.shard.number for claim in second] == [3, 4]
    assert ledger.writer.claim(run_id, owner="here:1:c", most=9, lease_seconds=60, now=NOW) == []


@pytest.mark.slow
def test_threads_never_get_the_same_shard(url: str) -> None:
    """Breaks when `BEGIN IMMEDIATE` becomes `BEGIN`: claims then fail as locked, or hand a shard out twice."""
    with open_ledger(url) as ledger:
        run_id = open_run(ledger, 60)
    start = threading.Barrier(8)

    def drain(worker: int) -> list[str]:
        got: list[str] = []
        with open_ledger(url) as own:
            start.wait()
            while claims := own.writer.claim(run_id, owner=f"h:1:{worker}", most=2, lease_seconds=60, now=NOW):
                for claim in claims:
                    got.append(claim.shard.id)
                    finish(own, claim, manifest="")
        return got

    with ThreadPoolExecutor(8) as pool:
        taken = Counter(shard_id for got in pool.map(drain, range(8)) for shard_id in got)
    assert len(taken) == 60
    assert set(taken.values()) == {1}


def test_an_expired_lease_is_taken_over_and_the_late_worker_is_refused(ledger: Ledger) -> None:
    """Breaks when `finish` does not compare the fence."""
    run_id = open_run(ledger, 1)
    late = claim_one(ledger, run_id, owner="here:1:a", lease=10)
    assert ledger.writer.claim(run_id, owner="here:1:b", most=1, lease_seconds=10, now=later(9)) == []
    # The same owner name: only the fence tells the two claims apart.
    new = claim_one(ledger, run_id, owner="here:1:a", at=11)
    assert (new.fence, new.attempt) == (late.fence + 1, late.attempt + 1)
    for refused in (
        lambda: finish(ledger, late),
        lambda: ledger.writer.fail(late, reason="x", tally=Tally(), now=later(12)),
        lambda: ledger.writer.release(late, now=later(12)),
        lambda: ledger.writer.renew(late, lease_seconds=10, now=later(12)),
    ):
        with pytest.raises(LostLease):
            refused()
    assert ledger.reader.last_manifest(new.shard.id) == ""
    assert [event.kind for event in ledger.reader.events()] == ["run.begun", "shard.taken-over"]
    assert finish(ledger, new, at=13) is ShardState.DONE
    assert ledger.reader.check_chain() == []


def test_a_renewed_lease_holds_longer(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    claim = claim_one(ledger, run_id, lease=10)
    renewed = ledger.writer.renew(claim, lease_seconds=10, now=later(8))
    assert renewed.expires == later(18)
    assert ledger.writer.claim(run_id, owner="here:1:b", most=1, lease_seconds=10, now=later(15)) == []
    finish(ledger, claim, at=16)


def test_a_released_shard_is_free_at_once(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    claim = claim_one(ledger, run_id)
    ledger.writer.release(claim, now=NOW)
    again = claim_one(ledger, run_id, owner="here:1:b")
    assert again.attempt == 2, "each attempt has a manifest name of its own"
    with pytest.raises(LostLease):
        finish(ledger, claim)


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        (WHOLE, ShardState.DONE),
        (Tally(), ShardState.DONE),
        (Tally(listed=2, copied=1, failed=1), ShardState.FAILED),
        (Tally(listed=3, copied=2), ShardState.FAILED),
        (Tally(listed=1, copied=2), ShardState.FAILED),
    ],
)
def test_a_shard_is_done_only_where_in_equals_out(ledger: Ledger, tally: Tally, state: ShardState) -> None:
    """Breaks when `finish` trusts its caller: in = out is checked where the state is written."""
    run_id = open_run(ledger, 1)
    assert finish(ledger, claim_one(ledger, run_id), tally=tally) is state
    (record,) = ledger.reader.shards(run_id)
    assert (record.state, record.tally, record.manifest) == (state, tally, "m.parquet")
    assert bool(record.reason) is (state is ShardState.FAILED)
    assert ledger.reader.tally(run_id) == tally


def test_failed_shards_wait_for_the_run_to_be_taken_up(ledger: Ledger) -> None:
    run_id = open_run(ledger, 2)
    ledger.writer.fail(claim_one(ledger, run_id), reason="no", tally=Tally(), now=NOW)
    finish(ledger, claim_one(ledger, run_id))
    assert ledger.writer.claim(run_id, owner="here:1:a", most=9, lease_seconds=9, now=later(999)) == []
    ledger.writer.end_run(run_id, RunState.PARTIAL, tally=WHOLE, exit_code=4, now=later(1))
    assert ledger.writer.resume_run("abc", RunKind.MIGRATE, now=later(2)) == run_id
    assert claim_one(ledger, run_id, at=3).shard.number == 0
    assert ledger.reader.shard_states(run_id)[ShardState.DONE] == 1


def test_a_run_of_a_killed_process_goes_on_at_once(url: str) -> None:
    """Breaks when resume waits for the lease (an hour here) or re-opens what was finished."""
    child = f"""
import os, sys
from tasks.ledger import open_ledger
from tasks.ledger.owners import own_name
from mappings.objects import Tally
from mappings.runs import RunKind
from tests.ledger.build import NOW, WHOLE, shard
ledger = open_ledger({url!r})
run = ledger.writer.begin_run(RunKind.MIGRATE, plan_id="abc", now=NOW)
ledger.writer.open_shards(run, [shard(n) for n in range(4)])
claims = ledger.writer.claim(run, owner=own_name("w"), most=3, lease_seconds=3600, now=NOW)
ledger.writer.finish(claims[0], tally=WHOLE, manifest="m", manifest_hash="0", now=NOW)
print(run, flush=True)
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", child], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    run_id = done.stdout.strip()
    with open_ledger(url) as ledger:
        assert ledger.reader.run(run_id).state is RunState.RUNNING
        assert ledger.writer.resume_run("abc", RunKind.MIGRATE, now=later(1)) == run_id
        claims = ledger.writer.claim(run_id, owner=own_name(), most=9, lease_seconds=9, now=later(1))
        assert [claim.shard.number for claim in claims] == [1, 2, 3]
        assert [claim.attempt for claim in claims] == [2, 2, 1]
        kinds = [event.kind for event in ledger.reader.events()]
        assert kinds == ["run.begun", "shard.done", "run.interrupted", "run.resumed"]
        assert ledger.reader.check_chain() == []


def test_a_run_at_work_is_not_taken_up(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    with pytest.raises(TryLater, match=run_id):
        ledger.writer.resume_run("abc", RunKind.MIGRATE, now=later(1))
    assert ledger.writer.close_stale_runs(later(1)) == []


def test_what_is_complete_or_of_another_plan_or_kind_begins_anew(ledger: Ledger) -> None:
    run_id = open_run(ledger, 0)
    assert ledger.writer.resume_run("other", RunKind.MIGRATE, now=NOW) is None
    assert ledger.writer.resume_run("abc", RunKind.RESYNC, now=NOW) is None
    ledger.writer.end_run(run_id, RunState.DONE, tally=Tally(), exit_code=0, now=NOW)
    assert ledger.writer.resume_run("abc", RunKind.MIGRATE, now=NOW) is None
    with pytest.raises(IllegalMove):
        ledger.writer.end_run(run_id, RunState.FAILED, tally=Tally(), exit_code=1, now=NOW)


@pytest.mark.parametrize(("state", "goes_on"), [(RunState.PARTIAL, False), (RunState.INTERRUPTED, True)])
def test_a_resync_goes_on_only_where_it_was_interrupted(ledger: Ledger, state: RunState, goes_on: bool) -> None:
    run_id = open_run(ledger, 1, RunKind.RESYNC)
    ledger.writer.end_run(run_id, state, tally=Tally(), exit_code=4, now=NOW)
    assert (ledger.writer.resume_run("abc", RunKind.RESYNC, now=NOW) == run_id) is goes_on


def test_leases_of_the_dead_are_freed_and_the_dead_cannot_finish(ledger: Ledger) -> None:
    run_id = open_run(ledger, 2)
    dead = claim_one(ledger, run_id, owner="here:1:dead", lease=3600)
    living = claim_one(ledger, run_id, owner="here:2:living", lease=3600)
    freed = ledger.writer.release_dead(run_id, lambda owner: "dead" not in owner, now=later(1))
    assert freed == [dead.shard.id]
    with pytest.raises(LostLease):
        finish(ledger, dead)
    finish(ledger, living)


def test_stale_runs_become_interrupted(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    assert ledger.writer.close_stale_runs(later(5), alive=lambda owner: False) == [run_id]
    record = ledger.reader.run(run_id)
    assert (record.state, record.finished, record.exit_code) == (RunState.INTERRUPTED, later(5), 8)


def test_a_silent_run_of_another_host_counts_as_stopped(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "other-host")
        run_id = open_run(ledger, 1)
    just = SILENCE.total_seconds()
    ledger.writer.run_seen(run_id, now=later(100))
    assert ledger.writer.close_stale_runs(later(just + 99)) == []
    assert ledger.writer.close_stale_runs(later(just + 101)) == [run_id]


def test_owners_tell_the_living_from_the_dead() -> None:
    assert is_alive(own_name("w"))
    host, process, _ = own_name().rsplit(":", 2)
    number, _, started = process.partition("@")
    assert not is_alive(f"{host}:{number}@{int(started) + 1}:w"), "another process got the same id"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_alive(f"{host}:{ended.pid}@1:w")
    assert is_alive(f"another-host:{ended.pid}@1:w"), "nobody here can know"


@pytest.mark.parametrize("statement", [FREE, RUN_OUT])
def test_postgresql_passes_over_what_others_are_claiming(statement: Select[Any]) -> None:
    """Breaks when the claim waits for, or takes, rows that another transaction holds."""
    assert str(statement.compile(dialect=postgresql.dialect())).endswith("FOR UPDATE SKIP LOCKED")


def test_opening_shards_again_keeps_their_states(ledger: Ledger) -> None:
    run_id = open_run(ledger, 2)
    finish(ledger, claim_one(ledger, run_id))
    ledger.writer.open_shards(run_id, [shard(number) for number in range(3)])
    assert [record.state.value for record in ledger.reader.shards(run_id)] == ["done", "pending", "pending"]


def test_a_shard_that_another_has_taken_is_neither_kept_nor_given_back(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    (late,) = ledger.writer.claim(run_id, owner="here:1:a", most=1, lease_seconds=10, now=NOW)
    (taken,) = ledger.writer.claim(run_id, owner="here:1:b", most=1, lease_seconds=60, now=later(11))
    with pytest.raises(LostLease):
        ledger.writer.renew(late, lease_seconds=60, now=later(12))
    with pytest.raises(LostLease):
        ledger.writer.release(late, now=later(13))
    assert [lease.owner for lease in ledger.reader.leases(run_id)] == ["here:1:b"]
    finish(ledger, taken, at=14)


def test_workers_leave_a_record_and_two_events(ledger: Ledger) -> None:
    run_id = open_run(ledger, 1)
    first = WorkerRecord(run_id, "here:7:0", "here", 7, NOW, NOW)
    ledger.writer.worker_seen(first)
    busy = replace(first, seen=later(2), objects=5, bytes=70, in_flight={"gov": 16}, shards=("shard/a/b/00000",))
    busy = replace(busy, allowed=Timetable(Caps(4.5), Hours.parse("20:00-06:00")).allowed_at(NOW))
    ledger.writer.worker_seen(busy)
    assert ledger.reader.workers(run_id) == [busy]
    ended = replace(busy, seen=later(4), ended=later(4), shards=())
    ledger.writer.worker_seen(ended)
    assert ledger.reader.workers(run_id) == [ended]
    assert [event.kind for event in ledger.reader.events()] == ["run.begun", "worker.joined", "worker.left"]
    assert [event.kind for event in ledger.reader.events("worker.left", after=2)] == ["worker.left"]


@pytest.mark.slow
def test_killed_processes_lose_no_shard_and_break_no_chain(url: str) -> None:
    """Four processes drain; two are killed between claim and finish. Breaks where a claim or an event is not whole."""
    with open_ledger(url) as ledger:
        run_id = open_run(ledger, 200)
    root = Path(__file__).resolve().parents[2]
    drain = f"""
import sys
from tasks.ledger import open_ledger
from tasks.ledger.owners import own_name
from tests.ledger.build import NOW, WHOLE
with open_ledger({url!r}) as ledger:
    while claims := ledger.writer.claim({run_id!r}, owner=own_name(), most=3, lease_seconds=3600, now=NOW):
        for claim in claims:
            ledger.writer.finish(claim, tally=WHOLE, manifest=claim.shard.id, manifest_hash="0", now=NOW)
            print(claim.shard.id, flush=True)
"""
    begin = partial(subprocess.Popen, [sys.executable, "-c", drain], cwd=root, stdout=subprocess.PIPE, text=True)
    children: list[subprocess.Popen[str]] = []
    for _ in range(2):
        doomed = begin()
        # At its first word it holds two more shards, and is about to finish one of them.
        assert doomed.stdout is not None and doomed.stdout.readline()
        children += [begin(), doomed]
        doomed.kill()
    for child in children:
        child.communicate(timeout=60)
    with open_ledger(url) as ledger:
        ledger.writer.release_dead(run_id, now=later(1))
        while claims := ledger.writer.claim(run_id, owner="here:1:z", most=9, lease_seconds=60, now=later(1)):
            for claim in claims:
                finish(ledger, claim, at=2)
        assert ledger.reader.shard_states(run_id)[ShardState.DONE] == 200
        done = Counter(event.detail["shard"] for event in ledger.reader.events("shard.done"))
        assert set(done.values()) == {1} and len(done) == 200
        assert ledger.reader.check_chain() == []
