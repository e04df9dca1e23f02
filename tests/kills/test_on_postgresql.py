"""A migration whose ledger is on PostgreSQL, as several machines need it: one worker dies, and one joins by hand."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from flows.wiring import Bench
from mappings.runs import RunKind, WorkerRecord
from mappings.states import ShardState
from tests.conftest import RunningSandbox
from tests.kills.account import Account
from tests.kills.source import Source
from tests.kills.test_workers import helper, until
from tests.kills.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

NUMBER = 850_000
SLOW = {"match": "government blob PUT", "delay": 0.5}


def test_workers_of_a_run_on_postgresql_die_and_join(
    clouds: RunningSandbox, source: Source, postgres_url: str, tmp_path: Path
) -> None:
    """Skipped where there is no PostgreSQL server.

    Mutation that must fail it: a URL of the settings that is not heeded.
    """
    town = Town.founded(tmp_path / "town", NUMBER, source, Account(), tmp_path / "nobody has assessed it")
    town.customer.write_settings(town.customer.config.read_text("utf-8") + f'\n[ledger]\nurl = "{postgres_url}"\n')
    town.customer.environment["PGPASSWORD"] = os.environ["PGPASSWORD"]
    try:
        town.finish("assess")
        town.plan()
        clouds.ask("POST", "/journal")
        clouds.break_with(SLOW)
        migrate_with_a_death_and_a_helper(clouds, town)
        town.must_be_whole()
    finally:
        town.end()


def migrate_with_a_death_and_a_helper(clouds: RunningSandbox, town: Town) -> None:
    """Kill one of the leader's two workers at work, and let one join; both leave shards behind in the ledger."""
    running = town.begin("migrate")
    with Bench(town.customer.config, environ=town.customer.environment).ledger as ledger:
        reader = ledger.reader

        def at_work() -> list[WorkerRecord]:
            runs = reader.runs(RunKind.MIGRATE)
            return [one for one in reader.workers(runs[-1].id) if one.shards and not one.ended] if runs else []

        until(lambda: len(at_work()) == 2, town)
        victim = at_work()[0]
        os.kill(victim.pid, signal.SIGKILL)
        joining = helper(town, town.customer.config)
        until(lambda: any(one.pid == joining.pid for one in at_work()), town)
        clouds.ask("DELETE", "/faults")
        out, err = joining.communicate(timeout=120)
        assert joining.returncode == 0, out + err
        assert running.wait(timeout=120) == 0, town.log()
        run = reader.runs(RunKind.MIGRATE)[-1].id
        freed = [shard for event in reader.events("shards.freed") for shard in event.detail["shards"]]
        assert freed, "what the dead worker held was taken from it"
        done = Counter(event.detail["owner"] for event in reader.events("shard.done"))
        joined = next(one.owner for one in reader.workers(run) if one.pid == joining.pid)
        assert done[joined] > 0 and len(done) >= 2, done
        states = reader.shard_states(run)
        assert states[ShardState.DONE] == sum(states.values()) == sum(done.values()) > 3
    assert not (town.customer.folder / "ledger.db").exists()
