"""The workbook: tables that Excel takes, nothing alive from the data, every row of the report."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from mappings.report_model import Report, Table
from tasks.reports.words import visible
from tasks.reports.xlsx import CELL_LIMIT, fits, render_xlsx, sheet_name
from tests.reports import hostile, sample

pytestmark = pytest.mark.slow


def opened(report: Report) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(render_xlsx(report, "ab" * 32)))


def tables(report: Report) -> list[Table]:
    return [table for section in report.sections for table in section.tables]


@pytest.mark.parametrize("evil", hostile.CORPUS, ids=range(len(hostile.CORPUS)))
def test_hostile_text_is_a_string(evil: str) -> None:
    """Mutation: `write` in place of `write_string`, or XlsxWriter's conversions left on."""
    report = hostile.report(evil)
    book = opened(report)
    found = 0
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", (sheet.title, cell.coordinate)
                if isinstance(cell.value, str):
                    assert cell.data_type == "s"
                    found += visible(evil.replace("\ud800", "\ufffd")).strip() in cell.value
                if cell.hyperlink is not None:
                    assert (sheet.title, cell.hyperlink.target) == ("Summary", None)
    assert found > 20


def test_no_formula_and_no_outer_link_in_the_files() -> None:
    """The same seen from below: the parts of the file that Excel reads."""
    for evil in hostile.CORPUS:
        with zipfile.ZipFile(io.BytesIO(render_xlsx(hostile.report(evil), "ab" * 32))) as parts:
            for name in parts.namelist():
                text = parts.read(name).decode("utf-8")
                if name.startswith("xl/worksheets/sheet"):
                    assert "<f>" not in text
                    assert "<f " not in text
                if name.endswith(".rels"):
                    assert 'TargetMode="External"' not in text


def test_every_row_of_the_report_is_there() -> None:
    """Mutation: the page's limit applied to the workbook."""
    report = sample.stage("resynced", resources=1200)
    book = opened(report)
    rows = sum(
        sheet.tables[name].ref.split(":")[1].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" and sheet.max_row - 4
        for sheet in book.worksheets
        for name in sheet.tables
    )
    # The resources stand twice: all together, and by service family.
    assert rows == sum(len(table.rows) for table in tables(report)) + 1200
    resources = book["All resources"]
    assert resources.max_row - 4 == 1200


def test_numbers_and_times_are_typed() -> None:
    book = opened(sample.stage("resynced"))
    runs = book["Runs, newest first"]
    heads = {cell.value: n for n, cell in enumerate(runs[4])}
    first = runs[5]
    assert isinstance(first[heads["Started"]].value, datetime)
    assert first[heads["Listed"]].value == 3124
    assert first[heads["State"]].value == "Partial"


def test_sheets_are_tables_with_frozen_heads_and_marking() -> None:
    report = sample.stage("resynced")
    book = opened(report)
    assert book.sheetnames[0] == "Summary"
    assert len(set(map(str.lower, book.sheetnames))) == len(book.sheetnames)
    for sheet in book.worksheets:
        assert sheet.oddHeader.center.text == report.cover.marking
        assert sheet.oddFooter.center.text == report.cover.marking
        if sheet.title != "Summary":
            assert len(sheet.tables) == 1
            assert sheet.freeze_panes == "B5"
    names = [name for sheet in book.worksheets for name in sheet.tables]
    assert len(set(names)) == len(names)
    text = [str(cell.value) for row in book["Summary"].iter_rows() for cell in row if cell.value]
    assert "ab" * 32 in text
    assert text[0] == text[-1] == report.cover.marking


def test_contents_lead_to_the_sheets() -> None:
    book = opened(sample.stage("resynced"))
    targets = [cell.hyperlink.location for row in book["Summary"].iter_rows() for cell in row if cell.hyperlink]
    assert targets == [f"'{name}'!A1" for name in book.sheetnames[1:]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("plain", "plain"),
        ("a/b\\c:d*e?f[g]", "a b c d e f g"),
        ("'quoted'", "quoted"),
        ("x" * 40, "x" * 31),
        ("", "Sheet"),
        ("History", "History of runs"),
        ("summary", "summary 2"),
    ],
)
def test_sheet_names_are_valid(wanted: str, expected: str) -> None:
    assert sheet_name(wanted, {"summary"}) == expected


def test_sheet_names_stay_unique() -> None:
    taken: set[str] = set()
    names = [sheet_name("N" * 40, taken) for _ in range(120)]
    assert len({name.lower() for name in names}) == 120
    assert max(map(len, names)) <= 31


def test_long_text_is_cut_and_says_so() -> None:
    """Excel counts UTF-16 units, so a text of emoji is half as long as it looks."""
    assert fits("x" * CELL_LIMIT) == "x" * CELL_LIMIT
    for text in ("x" * 40_000, "\U0001f600" * 20_000):
        cut = fits(text)
        assert len(cut.encode("utf-16-le")) // 2 <= CELL_LIMIT
        assert cut.endswith(f"[cut; {len(text):,} characters, the whole text is in report.json]")


def test_a_long_name_does_not_stop_the_workbook() -> None:
    report = hostile.report("y" * 40_000)
    book = opened(report)
    assert any("[cut; 40,000 characters" in str(cell.value) for cell in book["All resources"][5])


def test_the_same_report_makes_the_same_workbook() -> None:
    report = sample.stage("assessed")
    assert render_xlsx(report, "0" * 64) == render_xlsx(report, "0" * 64)
