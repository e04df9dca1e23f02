"""What changed its route in a run, and why: from the event log to the terminal, `status` and the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flows.closing import counts
from flows.copycommands import _tell_copy
from flows.draining import tell_routes
from flows.observe import Outcome
from flows.routes import fell_back, route_changes
from flows.standing import standing, standing_lines
from flows.wiring import Bench
from mappings.errors import ExitCode
from mappings.objects import BlobType, Tally
from mappings.route_changes import RouteChange, changes_in, fall_backs
from mappings.runs import RunKind
from mappings.states import Route, RunState
from tasks.copiers.routes import RouteBook
from tests.reports import sample
from tests.unit.test_console import GOOD
from tests.unit.test_live import SCHEMA

T0 = datetime(2026, 3, 1, tzinfo=UTC)
FIREWALL = "The target service may not read from the source."


def learnt(minute: int, route: Route, name: str = "", reason: str = "why", run: str = "r") -> RouteChange:
    return RouteChange(T0 + timedelta(minutes=minute), run, "src", "dst", BlobType.BLOCK.value, route, name, reason)


def test_only_what_changes_a_route_is_a_change_and_once() -> None:
    """Mutation that must fail it: a probe that passes told as a change, or one told by each worker that finds it."""
    passed, again = (
        learnt(0, Route.PULL, reason="the probe passed"),
        learnt(9, Route.PULL, reason="a pull worked again"),
    )
    one, two = learnt(2, Route.STREAM, "a"), learnt(3, Route.STREAM, "b")
    here, there = learnt(4, Route.STREAM, reason="3 in a row"), learnt(5, Route.STREAM, reason="3 in a row")
    assert changes_in([again, there, here, two, one, passed]) == [one, two, here, again]
    other = learnt(5, Route.STREAM, run="s")
    assert changes_in([here, other]) == [here, other], "each run begins anew"
    groups = fall_backs([one, two, here, again])
    assert [(one.route, one.whole, one.changes, one.examples) for one in groups] == [
        (Route.STREAM, False, 2, ("a", "b")), (Route.STREAM, True, 1, ()), (Route.PULL, True, 1, ()),
    ]  # fmt: skip


@pytest.fixture
def streamed(tmp_path: Path) -> tuple[Path, str]:
    """A migration of which a run was refused pulls: three objects, then the pair."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    bench = Bench(config)
    run = bench.ledger.writer.begin_run(RunKind.MIGRATE, now=T0)
    ticks = count()
    book = RouteBook("auto", clock=lambda: T0 + timedelta(seconds=next(ticks)))
    book.probed("src", "dst", ok=True)
    for name in ("a", "b", "c"):
        book.refused("src", "dst", name, FIREWALL)
    tell_routes(bench, run, "worker", book)
    bench.ledger.writer.end_run(run, RunState.DONE, tally=Tally(), exit_code=0, now=T0)
    return config, run


def test_a_fall_back_stands_in_status_and_at_the_end_of_the_run(
    streamed: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutation that must fail it: fall-backs that only the ledger knows of."""
    config, run = streamed
    bench = Bench(config)
    told = fell_back(bench.ledger.reader, run)
    objects = f"route changed to stream: src -> dst (BlockBlob): 3 objects, e.g. a: {FIREWALL}"
    pair = "route changed to stream: src -> dst (BlockBlob): the whole pair: 3 objects in a row could not be pulled"
    status = standing(config)
    jsonschema.validate(status, SCHEMA)
    assert status["fell_back"] == told
    lines = standing_lines(status)
    assert objects in lines and any(line.startswith(pair) for line in lines)
    assert not any("probe" in line for line in lines)
    summary: dict[str, Any] = {"detail": "done", "fell_back": told, "failures": []} | counts(Tally(azcopy=2), 1.0)
    _tell_copy(Outcome(run, ExitCode.OK, summary), False)
    out = capsys.readouterr().out
    assert objects in out and pair in out and "by route: pull 0  stream 0  azcopy 2" in out


def test_a_fall_back_stands_in_the_report_with_its_reason(streamed: tuple[Path, str]) -> None:
    """Mutation that must fail it: a report that does not say which objects changed their route."""
    config, run = streamed
    changes = route_changes(Bench(config).ledger.reader, {run})
    results = sample.stage("migrated", route_changes=changes).section("results")
    tables = {table.id: [dict(row.cells) for row in table.rows] for table in results.tables}
    assert [(row["what"], row["changes"], row["route"]) for row in tables["route-changes-by-reason"]] == [
        ("single objects", 3, "stream"), ("all of the pair", 1, "stream"),
    ]  # fmt: skip
    assert [row["object"] for row in tables["route-changes"]] == ["a", "b", "c", "all of the pair"]
    assert {row["reason"] for row in tables["route-changes"][:3]} == {FIREWALL}
    report = sample.stage("migrated", route_changes=changes)
    for row in next(t for t in results.tables if t.id == "route-changes-by-reason").rows:
        assert report.number_behind(row.links["changes"]) == row.cells["changes"]
    plain = sample.stage("migrated").section("results")
    assert not [table for table in plain.tables if table.id.startswith("route-changes")]
    assert not route_changes(Bench(config).ledger.reader, {"another run"})


def test_what_azcopy_carried_is_a_route_of_its_own_in_the_report() -> None:
    """Mutation that must fail it: a table of routes that knows pull and stream only."""
    table = next(t for t in sample.stage("migrated").section("results").tables if t.id == "results-by-route")
    assert [row.cells["route"] for row in table.rows] == ["pull", "stream", "azcopy"]
    runs = next(t for t in sample.stage("migrated").section("runs").tables if t.id == "run-rows")
    assert "azcopy" in {column.key for column in runs.columns}
    assert (Tally(azcopy=2) + Tally(azcopy=3)).azcopy == 5
