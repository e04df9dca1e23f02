"""Volumes, copy time, losses, locks and the sections that show them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import FixTheInput
from mappings.estimate import ASSUMED_SPREAD, MIB, copy_span, cutover_of, rates_of, together
from mappings.governance import rules_over
from mappings.model import Assessment, ContainerSurvey, Gap, Inventory, Resource, TargetChoice, Verdict, Volume
from mappings.moves import decide_moves
from mappings.movetables import FILES, parse_move_tables
from mappings.objects import Tally
from mappings.readiness import Report, ReportHead, build_report
from mappings.risks import risks_of_moves
from mappings.runbook import runbook_of
from mappings.runs import RunKind, RunRecord
from mappings.settings import Pace
from mappings.states import RunState, VerdictKind
from mappings.volumes import Basis, added, figures_of, metrics_for
from tasks.movetables import load_move_tables

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SUB = "/subscriptions/00000000-0000-0000-0000-000000000001"
TABLES = load_move_tables()
STORE, DB, SITE = "Microsoft.Storage/storageAccounts", "Microsoft.Sql/servers/databases", "Microsoft.Web/sites"
LOCK = "Microsoft.Authorization/locks"
GIB = 1 << 30


def res(group: str, kind: str, name: str, **properties: Any) -> Resource:
    here = f"{SUB}/resourceGroups/{group}/providers/{kind}/{name}"
    return Resource(here, name, kind, properties=properties, subscription_id=SUB[15:], resource_group=group)


def inv(*resources: Resource, **more: Any) -> Inventory:
    return Inventory("AzureCloud", "t", "test", NOW, resources, **more)


def judged(inventory: Inventory, kind: VerdictKind = VerdictKind.READY) -> Assessment:
    verdicts = tuple(
        Verdict(r.id, r.type, "", kind, "r", "why", "source", date(2026, 1, 1), "do", TargetChoice())
        for r in inventory.resources
    )
    return Assessment(inventory, verdicts, date(2026, 1, 1))


# --- volumes ---


def test_listed_is_better_than_measured_is_better_than_provisioned_and_nothing_counts_twice() -> None:
    listed, measured, disk = (
        res("g", STORE, "one"),
        res("g", STORE, "two"),
        res("g", "Microsoft.Compute/disks", "d", diskSizeGB=4),
    )
    database = res("g", DB, "s/db", maxSizeBytes="1000")
    seen = inv(
        listed, measured, disk, database, res("g", DB, "s/other", maxSizeBytes=500),
        res("g", "Microsoft.Compute/virtualMachines", "vm"), res("g", "Microsoft.DocumentDB/databaseAccounts", "c"),
        containers=(ContainerSurvey("one", "c1", 3, 30), ContainerSurvey("one", "c2", 1, 4)),
        volumes=(
            Volume(listed.id.upper(), "blob", 999, 9, "BlobCapacity", NOW),
            Volume(listed.id, "file", 7, 1, "FileCapacity", NOW),
            Volume(measured.id, "blob", 50, 5, "BlobCapacity", NOW),
            Volume(database.id, "", 400, None, "storage", NOW),
        ),
    )  # fmt: skip
    told = [(seen.resources[f.position].name, f.part, f.bytes, f.objects, f.basis) for f in figures_of(seen, TABLES)]
    assert told == [
        ("one", "blob", 34, 4, Basis.LISTED),
        ("one", "file", 7, 1, Basis.MEASURED),
        ("two", "blob", 50, 5, Basis.MEASURED),
        ("d", "", 4 * GIB, None, Basis.PROVISIONED),
        ("s/db", "", 400, None, Basis.MEASURED),
        ("s/other", "", 500, None, Basis.PROVISIONED),
        ("vm", "", None, None, Basis.ELSEWHERE),
        ("c", "", None, None, Basis.UNKNOWN),
    ]
    total = added(figures_of(seen, TABLES))
    assert (total.bytes, total.objects, total.provisioned, total.unknown) == (991 + 4 * GIB, 10, 4 * GIB + 500, 1)


def test_a_survey_with_a_gap_is_no_full_listing_so_the_metric_is_asked() -> None:
    account = res("g", STORE, "part")
    survey = (ContainerSurvey("part", "c1", 3, 30),)
    whole = inv(account, containers=survey)
    torn = replace(whole, gaps=(Gap("https://part.blob.core.windows.net/secret", "blobs", "403"),))
    assert "blob" not in {m.part for m in metrics_for(whole, TABLES)[account.id]}
    assert "blob" in {m.part for m in metrics_for(torn, TABLES)[account.id]}
    assert figures_of(torn, TABLES)[0].basis is Basis.UNKNOWN


# --- copy time ---

sizes = st.integers(0, 10**15)
numbers = st.integers(0, 10**9)
RATES = rates_of(Pace(), [])


@given(sizes, numbers, sizes, numbers)
def test_more_data_never_takes_less_time_and_sharing_a_line_never_more(a: int, m: int, b: int, n: int) -> None:
    one, other, both = copy_span(a, m, RATES), copy_span(b, n, RATES), together([(a, m), (b, n)], RATES)
    assert both.p50 >= max(one.p50, other.p50)
    assert both.p50 <= (one + other).p50 * 1.000001
    assert one.p90 >= one.p50
    assert cutover_of(a + b, m + n, RATES).downtime.p90 >= cutover_of(a, m, RATES).downtime.p90


def test_seconds_are_seconds() -> None:
    pace = rates_of(Pace(mib_per_second=10, objects_per_second=5), [])
    assert copy_span(100 * MIB, 1, pace).p50 == pytest.approx(10 * 1.05)
    assert copy_span(1, 100, pace).p50 == pytest.approx(20 * 1.05)
    assert copy_span(100 * MIB, 1, pace).p90 == pytest.approx(10 * 1.05 * ASSUMED_SPREAD)


def run(minutes: float, size: int, copied: int, kind: RunKind = RunKind.MIGRATE) -> RunRecord:
    ended = NOW + timedelta(minutes=minutes)
    return RunRecord("r", kind, "p", RunState.DONE, NOW, ended, Tally(copied=copied, listed=copied, bytes=size))


def test_own_runs_calibrate_the_limit_that_they_ran_into() -> None:
    bound_by_bytes = [run(10, 600 * 100 * MIB, 10), run(10, 600 * 50 * MIB, 10), run(10, 600 * 200 * MIB, 10)]
    rates = rates_of(Pace(), bound_by_bytes)
    assert rates.bytes_per_second == pytest.approx(100 * MIB)
    assert rates.objects_per_second == Pace().objects_per_second, "a run of ten large objects told of small ones"
    assert "3 runs" in rates.bandwidth_from and rates.spread > ASSUMED_SPREAD
    many = rates_of(Pace(), [run(10, 10_000, 60_000)])
    assert many.objects_per_second == pytest.approx(100) and "1 run" in many.objects_from
    assert many.spread == ASSUMED_SPREAD


@pytest.mark.parametrize("small", [run(0.5, 10 * GIB, 1), run(10, MIB, 20), run(10, 10 * GIB, 1, RunKind.ASSESS)])
def test_a_run_that_is_too_small_or_no_copy_tells_nothing(small: RunRecord) -> None:
    assert rates_of(Pace(), [small]) == RATES


def test_a_delta_that_never_catches_up_is_a_risk() -> None:
    big = inv(res("g", DB, "s/db", maxSizeBytes=10**15))
    moves = decide_moves(judged(big), TABLES, pace=Pace(churn_per_day=0.5))
    risks = {risk.id for risk in risks_of_moves(judged(big), moves, today=NOW.date(), open_gates=0)}
    assert "delta-falls-behind" in risks
    calm = decide_moves(judged(big), TABLES, pace=Pace(churn_per_day=0.0))
    assert "delta-falls-behind" not in {
        risk.id for risk in risks_of_moves(judged(big), calm, today=NOW.date(), open_gates=0)
    }


# --- losses, locks, runbook ---


def test_only_losses_of_services_that_are_there_and_each_with_its_resources() -> None:
    moves = decide_moves(judged(inv(res("g", "Microsoft.RecoveryServices/vaults", "rsv"))), TABLES)
    told = {loss.entry.id: loss.members for loss in moves.losses}
    assert told == {"backup-recovery-points": (0,), "site-recovery-state": (0,), "activity-and-metrics": ()}
    assert moves.losses[0].entry.way == "lost"


def test_a_lock_counts_what_stands_under_it_and_not_under_a_namesake() -> None:
    lock = "/providers/Microsoft.Authorization/locks/keep"
    seen = inv(
        res("prod", STORE, "a"), res("prod", STORE, "b"), res("prod2", STORE, "c"),
        governance=(
            Resource(f"{SUB}/resourceGroups/PROD{lock}", "keep", LOCK, properties={"level": "ReadOnly"}),
            Resource(f"{SUB}{lock}", "keep", LOCK, properties={"level": "CanNotDelete"}),
            Resource(res("prod", STORE, "a").id + lock, "keep", LOCK),
        ),
    )  # fmt: skip
    assert [(one.level, one.resources) for one in rules_over(seen).locks] == [
        ("CanNotDelete", 3),
        ("ReadOnly", 2),
        ("", 1),
    ]


def test_every_wave_has_a_way_back_and_data_is_proved_before_the_switch() -> None:
    seen = inv(res("g", STORE, "st"), containers=(ContainerSurvey("st", "c", 1, 1),))
    steps = runbook_of(decide_moves(judged(seen), TABLES), 1)
    phases = [step.phase for step in steps]
    assert phases == sorted(phases, key=["Before", "Cutover", "After", "Rollback"].index)
    assert "Rollback" in phases
    text = [step.what for step in steps]
    proof = next(n for n, what in enumerate(text) if "govlift verify" in what)
    assert proof < next(n for n, what in enumerate(text) if what.startswith("Switch"))


# --- sections ---


def report(assessment: Assessment, *, tables: bool = True) -> Report:
    return build_report(
        settings=ReportHead("x"), assessment=assessment, plan=None, runs=[], notes=[], made_at=NOW, version="1",
        moves=TABLES if tables else None,
    )  # fmt: skip


OWN = ("packages", "copy-time", "runbook", "losses", "governance", "risks")


def test_every_number_of_the_sections_has_its_rows() -> None:
    seen = inv(
        res("a", STORE, "st"), res("a", SITE, "s1", x=res("b", SITE, "s2").id), res("b", SITE, "s2"),
        res("b", DB, "s/db", maxSizeBytes=9), res("c", "Microsoft.RecoveryServices/vaults", "v"),
        containers=(ContainerSurvey("st", "c", 2, 20),),
    )  # fmt: skip
    made = report(judged(seen, VerdictKind.BLOCKED))
    looked = 0
    for section in (made.section(one) for one in OWN):
        for table in section.tables:
            for row in table.rows:
                assert row.cells.keys() == {column.key for column in table.columns}, table.id
                for key, ref in row.links.items():
                    if isinstance(value := row.cells[key], int):
                        assert made.number_behind(ref) == value, (table.id, key)
                        looked += 1
    assert looked > 20
    members = next(t for t in made.section("packages").tables if t.id == "package-members")
    assert len(members.rows) == len(seen.resources)


@pytest.mark.parametrize("tables", [True, False])
def test_an_empty_estate_and_missing_tables_are_said_in_words(tables: bool) -> None:
    made = report(judged(inv()), tables=tables)
    assert all(made.section(one).lead for one in OWN)


# --- tables ---


@pytest.mark.parametrize(
    ("file", "was", "becomes", "says"),
    [
        ("losses.toml", 'way = "lost"', 'way = "gone"', "way"),
        ("losses.toml", 'id = "site-recovery-state"', 'id = "backup-recovery-points"', "twice"),
        ("volumes.toml", "factor = 1\n", "factor = 0\n", "factor"),
        ("volumes.toml", 'aggregation = "Total"', 'agregation = "Total"', "agregation"),
        ("coupling.toml", 'to = ["*"]', "to = []", "to"),
        ("coupling.toml", "checked = 2026-11-22", "checked = yesterday", "TOML"),
    ],
)
def test_a_wrong_table_is_refused_with_file_and_key(file: str, was: str, becomes: str, says: str) -> None:
    from importlib.resources import files

    folder = files("mappings") / "catalogue" / "moves"
    texts = {name: (folder / name).read_text("utf-8") for name in FILES}
    assert was in texts[file]
    with pytest.raises(FixTheInput) as told:
        parse_move_tables({**texts, file: texts[file].replace(was, becomes)})
    assert file in told.value.sentence and says in told.value.sentence
