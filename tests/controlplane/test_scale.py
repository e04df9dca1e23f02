"""The inventory of many subscriptions: nothing asked twice, nothing lost at a kill, and what differs is told by id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mappings.clouds import COMMERCIAL
from mappings.errors import FixTheInput, GrantAccess, TryLater
from mappings.model import Inventory
from mappings.settings import Credential
from sandbox.estates import large, load_estate
from tasks import estate
from tasks.clients.arm import SourceArm
from tasks.clients.graph import GraphReader
from tasks.clients.session import Session, open_session
from tasks.estate import take_inventory
from tasks.spool import KEPT, NAME, Spool
from tests.conftest import ROOT, RunningSandbox, start_sandbox

RESOURCES, SUBSCRIPTIONS = 1500, 60
NOW = datetime(2026, 1, 2, tzinfo=UTC)
GRAPH = "commercial arm POST /providers/Microsoft.ResourceGraph"
SPEC = load_estate(f"large-{RESOURCES}-{SUBSCRIPTIONS}").commercial
[CLOSED], [BLIND] = SPEC.denied_subscriptions, SPEC.unseen_by_graph


@pytest.fixture(scope="module")
def _many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("many"), f"large-{RESOURCES}-{SUBSCRIPTIONS}")


@pytest.fixture
def many(_many: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    for name, value in _many.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(estate, "BATCH", 20)
    _many.calm()
    yield _many
    _many.calm()


def session_of(box: RunningSandbox) -> Session:
    cloud = box.state["commercial"]
    credential = Credential(client_id=cloud["client_id"], secret_env="SECRET")
    secret = {"SECRET": cloud["client_secret"]}
    return open_session(COMMERCIAL, cloud["tenant_id"], credential, secret, reads_only=True)


@pytest.fixture
def source(many: RunningSandbox) -> Iterator[Session]:
    session = session_of(many)
    yield session
    session.close()


def take(source: Session, spool: Spool | None = None, *, page: int = 1000, **scope: Any) -> Inventory:
    arm, graph = SourceArm(source), GraphReader(source, page=page)
    try:
        return take_inventory(arm, graph, **(scope or {"management_group": large.ROOT}), now=NOW, spool=spool)
    finally:
        arm.close()
        graph.close()


def asked(box: RunningSandbox, operation: str) -> int:
    return int(box.counters()["commercial"]["arm"]["by_operation"].get(operation, 0))


def test_everything_below_a_management_group_is_there_and_what_differs_is_told(
    many: RunningSandbox, source: Session, tmp_path: Path
) -> None:
    """Nested groups, a disabled subscription, one that is closed, one that Resource Graph does not show."""
    with_spool = Spool(tmp_path / NAME, "all", now=NOW)
    found = take(source, with_spool)
    assert len(found.resources) == len({one.id.lower() for one in found.resources}) == RESOURCES
    assert [one.id for one in found.subscriptions] == [one.id for one in SPEC.subscriptions if one.id != CLOSED]
    assert {one.state for one in found.subscriptions} == {"Enabled", "Disabled"}
    assert [gap.scope for gap in found.gaps] == sorted(f"/subscriptions/{one}" for one in (CLOSED, BLIND))
    differing = [seen for seen in found.seen if seen.graph != seen.arm]
    [seen] = differing
    assert (seen.subscription_id, seen.graph, seen.arm) == (BLIND, 0, len(seen.only_arm))
    assert set(seen.only_arm) == {one.id for one in found.resources if one.subscription_id == BLIND}
    assert all(one.properties for one in found.resources), "those that Graph does not show are read one by one"
    assert found.taken_at == NOW and found.scope == f"management group {large.ROOT}"
    leaf = take(source, management_group="branch-3-A")
    assert {one.id for one in leaf.subscriptions} <= set(SPEC.management_groups[14].subscriptions)
    assert leaf.resources == tuple(
        one for one in found.resources if one.subscription_id in {s.id for s in leaf.subscriptions}
    )
    with_spool.discard()
    assert not list(tmp_path.iterdir())


def test_what_does_not_exist_or_is_closed_ends_the_command(many: RunningSandbox, source: Session) -> None:
    with pytest.raises((FixTheInput, GrantAccess), match="cannot be found"):
        take(source, management_group="no-such-group")
    with pytest.raises(GrantAccess):
        take(source, subscriptions=[CLOSED])


KILLED = """
    import os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from tasks import estate
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader
    from tasks.spool import Spool
    from tests.controlplane.test_scale import NOW, session_of
    from tests.conftest import RunningSandbox
    import json
    estate.BATCH = 20
    session = session_of(RunningSandbox(Path("."), json.loads(sys.argv[2])))
    spool = Spool(Path(sys.argv[1]), "all", now=NOW)
    estate.take_inventory(
        SourceArm(session), GraphReader(session, page=200), management_group="state-of-columbia", now=NOW, spool=spool
    )
"""


@pytest.mark.slow
def test_a_kill_loses_nothing_and_nothing_finished_is_asked_again(
    many: RunningSandbox, source: Session, tmp_path: Path
) -> None:
    """Killed at the second page of the second batch. Breaks when the checkpoint is not kept with its page."""
    whole = take(source, page=200)
    many.calm()
    # Per batch: 500 rows in three pages, then role and policy assignments. Two questions go to the group before.
    many.break_with({"match": GRAPH, "delay": 60, "every": 2 + 5 + 2, "times": 1})
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / NAME), json.dumps(many.state)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    until = time.monotonic() + 60
    while not any(rule["struck"] for rule in many.ask("GET", "/faults")) and time.monotonic() < until:
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    time.sleep(1.0)  # ARM's side of the batch goes on meanwhile; none of it is finished.
    child.send_signal(signal.SIGKILL)
    child.wait()
    many.calm()
    spool = Spool(tmp_path / NAME, "all", now=NOW + timedelta(hours=1))
    assert sum(one.done for one in spool.listed) == 20
    token, rows, done = spool.graph_place(1)
    assert token and rows == 200 and not done
    found = take(source, spool, page=200)
    assert found == whole
    assert found.taken_at == NOW, "no part of it is older than it says"
    assert asked(many, "GET subscriptions/resourcegroups") == len(set(_ids(20, 60)) - {CLOSED})
    assert asked(many, "POST providers/Microsoft.ResourceGraph/resources") <= 2 + (2 + 2) + (3 + 2)
    spool.close()


def _ids(first: int, last: int) -> list[str]:
    return [one.id for one in SPEC.subscriptions][first:last]


def test_a_gap_of_a_run_before_does_not_outlive_its_reason(
    many: RunningSandbox, source: Session, tmp_path: Path
) -> None:
    many.break_with({"match": f"{GRAPH}.*", "status": 403, "code": "AuthorizationFailed", "times": 2})
    many.break_with(
        {"match": r"arm GET /subscriptions/[0-9a-f-]+/resources\?", "status": 503, "headers": {"Retry-After": "999"}}
    )
    spool = Spool(tmp_path / NAME, "all", now=NOW)
    with pytest.raises(TryLater):
        take(source, spool)
    assert {gap.scope for gap in spool.gaps()} >= {f"/providers/Microsoft.Management/managementGroups/{large.ROOT}"}
    many.calm()
    assert [gap.scope for gap in take(source, spool).gaps] == sorted(f"/subscriptions/{one}" for one in (CLOSED, BLIND))
    spool.close()


@pytest.mark.slow
def test_a_token_that_is_not_taken_any_more_costs_one_batch(
    many: RunningSandbox, source: Session, tmp_path: Path
) -> None:
    many.break_with(
        {"match": GRAPH, "status": 503, "code": "Down", "headers": {"Retry-After": "999"}, "every": 9, "times": 1}
    )
    spool = Spool(tmp_path / NAME, "all", now=NOW)
    with pytest.raises(TryLater):
        take(source, spool, page=200)
    assert spool.graph_place(1)[:2] != ("", 0)
    many.calm()
    many.break_with({"match": GRAPH, "status": 400, "code": "InvalidSkipToken", "every": 3, "times": 1})
    found = take(source, spool, page=200)
    assert len(found.resources) == RESOURCES
    assert sum(seen.graph or 0 for seen in found.seen) == RESOURCES - len(
        next(s for s in found.seen if s.only_arm).only_arm
    )
    assert len(found.gaps) == 2
    spool.close()


@pytest.mark.slow
def test_a_service_that_falls_silent_ends_the_run_and_the_next_one_goes_on(
    many: RunningSandbox, source: Session, tmp_path: Path
) -> None:
    """Breaks when a thousand subscriptions become gaps because ARM had a bad minute."""
    flat = r"commercial arm GET /subscriptions/[0-9a-f-]+/resources\?"
    many.break_with({"match": flat, "status": 503, "code": "Down", "headers": {"Retry-After": "999"}, "every": 25})
    spool = Spool(tmp_path / NAME, "all", now=NOW)
    with pytest.raises(TryLater):
        take(source, spool)
    assert 20 <= sum(one.done for one in spool.listed) < SUBSCRIPTIONS
    many.calm()
    assert len(take(source, spool).resources) == RESOURCES
    spool.close()


def test_an_answer_that_is_too_large_is_asked_for_in_halves(many: RunningSandbox, source: Session) -> None:
    too_large = {"match": GRAPH, "status": 400, "code": "ResponsePayloadTooLarge", "times": 3}
    many.break_with(too_large)
    graph = GraphReader(source, page=800)
    pages = list(graph.pages(subscriptions=_ids(0, 20)))
    assert [len(page.rows) for page in pages][:2] == [100, 100]
    assert pages[-1].seen == pages[-1].total


@pytest.mark.parametrize(
    ("scope", "later", "goes_on"),
    [
        ("all", timedelta(hours=23), True),
        ("all", KEPT + timedelta(seconds=1), False),
        ("all", timedelta(hours=-1), False),
        ("other", timedelta(), False),
    ],
)
def test_a_part_is_gone_on_with_while_it_is_young_and_of_the_same_scope(
    tmp_path: Path, scope: str, later: timedelta, goes_on: bool
) -> None:
    first = Spool(tmp_path / NAME, "all", now=NOW)
    first.begin(["a", "b"])
    with pytest.raises(TryLater, match="Another process"):
        Spool(tmp_path / NAME, "all", now=NOW)
    first.close()
    second = Spool(tmp_path / NAME, scope, now=NOW + later)
    assert bool(second.listed) is goes_on
    assert second.begun == (NOW if goes_on else NOW + later)
    second.close()
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_a_damaged_part_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database" * 1000)
    spool = Spool(tmp_path / NAME, "all", now=NOW)
    assert spool.listed == []
    spool.close()
