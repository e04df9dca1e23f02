"""Section "CSP program": every gate and notice, numbers with their rows, and text of people that may hold anything."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from flows.demo_program import sample_sheet
from mappings.model import Assessment, Inventory
from mappings.program import parse_program
from mappings.program_check import ProgramStanding, check_program
from mappings.readiness import Report, ReportHead, build_report, report_from_json, report_to_json
from tasks.program import load_program_rules

TODAY = date(2026, 11, 22)
RULES = load_program_rules()


def standing(text: str | None) -> ProgramStanding:
    sheet = None if text is None else parse_program(text, origin="program.toml", rules=RULES)
    return check_program(sheet, RULES, today=TODAY)


def report(program: ProgramStanding | None) -> Report:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    seen = Assessment(Inventory("AzureCloud", "", "x", now, (), ()), (), TODAY)
    return build_report(
        settings=ReportHead("x"),
        assessment=seen,
        plan=None,
        runs=[],
        notes=[],
        made_at=now,
        version="0",
        program=program,
    )


@pytest.mark.parametrize("text", [None, sample_sheet(TODAY)], ids=["no-sheet", "sample"])
def test_every_gate_and_notice_is_in_the_report_and_the_tile_counts_its_rows(text: str | None) -> None:
    judged = standing(text)
    made = report(judged)
    tables = {table.id: table for table in made.section("program").tables}
    assert [row.cells["id"] for row in tables["program-gates"].rows] == [gate.id for gate in RULES.gates]
    assert [row.cells["notice"] for row in tables["program-notices"].rows] == [one.title for one in RULES.notices]
    tile = next(tile for tile in made.tiles if tile.key == "program")
    assert tile.value == made.number_behind(tile.ref) == sum(gate.state == "green" for gate in judged.gates)
    states = {row.cells["state"] for row in tables["program-gates"].rows}
    assert states == ({"open"} if text is None else {"green", "open", "overridden", "not-applicable"})
    assert ("program-overrides" in tables) is (text is not None)
    assert report_from_json(report_to_json(made)) == made


def test_all_sides_of_a_contradiction_stand_with_their_dates() -> None:
    rows = next(t for t in report(standing(None)).section("program").tables if t.id == "program-conflicts").rows
    seat = [str(row.cells["source"]) for row in rows if "Seat-based" in str(row.cells["about"])]
    assert [year for year in ("2021", "2023", "2018") if any(year in source for source in seat)] == [
        "2021",
        "2023",
        "2018",
    ]


def test_an_override_names_who_and_why_and_whether_it_is_in_force() -> None:
    text = sample_sheet(TODAY)
    (row,) = next(t for t in report(standing(text)).section("program").tables if t.id == "program-overrides").rows
    assert row.cells["by"] == "Sam Sample" and row.cells["in_force"] == "yes"
    late = text.replace("date = 2026-10-23\n", "date = 2027-10-23\n")
    (row,) = next(t for t in report(standing(late)).section("program").tables if t.id == "program-overrides").rows
    assert row.cells["in_force"] == "no: the gate is open"


def test_without_a_judgement_the_section_says_who_makes_one() -> None:
    section = report(None).section("program")
    assert "govlift program check" in section.lead and not section.tables
