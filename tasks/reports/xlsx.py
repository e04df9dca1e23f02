"""The report as a workbook: a summary, a sheet per set of tables, and a sheet per service family of the estate.

Data never becomes a formula or a link: every text is written with `write_string` or as an inline string, and the
workbook's own conversions are off. Limits are Excel's ("Excel specifications and limits": 32,767 characters in a cell,
1,048,576 rows, sheet names of 31 characters).
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import xlsxwriter

from mappings.report_model import Column, Kind, Report, Row
from tasks.reports.sheetrows import FilledSheet
from tasks.reports.sheets import data_sets
from tasks.reports.words import cover_facts, said, visible, word

CELL_LIMIT = 32_767
ROW_LIMIT = 1_048_000
"""Data rows of one sheet; leaves room for the lines above the table."""

_WIDTHS = {
    Kind.TEXT: 44,
    Kind.NAME: 30,
    Kind.COUNT: 12,
    Kind.BYTES: 16,
    Kind.SHARE: 10,
    Kind.STARS: 10,
    Kind.SECONDS: 12,
    Kind.TIME: 18,
    Kind.DATE: 12,
    Kind.STATUS: 20,
    Kind.SOURCE: 44,
}
_HEADER_ROW = 3
_TONES = {"good": "#1D6B43", "warn": "#845400", "info": "#54459A", "bad": "#A3262A", "quiet": "#56616C"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one worksheet shows."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def render_xlsx(report: Report, digest: str) -> bytes:
    """The workbook.

    Args:
        digest: SHA-256 (hex) of the report's JSON.
    """
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        write_xlsx(report, digest, buffer, Path(place))
    return buffer.getvalue()


def write_xlsx(report: Report, digest: str, file: BinaryIO, folder: Path) -> None:
    """Write the workbook to `file`. Its sheets lie in `folder` until it is done: they hold ten times its size.

    Args:
        digest: SHA-256 (hex) of the report's JSON.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report.xlsx.") as parts:
        _write(report, digest, file, parts)


def _write(report: Report, digest: str, file: BinaryIO, parts: str) -> None:
    book = xlsxwriter.Workbook(
        file,
        {"tmpdir": parts, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    formats = _Formats(book)
    sheets = _sheets(report)
    # The moment of the report, not of the writing: the same report makes the same workbook.
    book.set_properties(
        {
            "title": visible(f"{report.cover.title}: {report.cover.customer}")[:255],
            "comments": f"SHA-256 of report.json: {digest}",
            "created": report.cover.made_at.replace(tzinfo=None),
        }
    )
    _summary(book, report, digest, sheets, formats)
    for number, sheet in enumerate(sheets, start=1):
        _table_sheet(book, report, sheet, number, formats)
    book.close()


class _Formats:
    """Cell formats, made once per workbook."""

    def __init__(self, book: Any) -> None:
        top = {"valign": "top"}
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.heading = book.add_format({"bold": True, "font_size": 12})
        self.marking = book.add_format({"bold": True})
        self.soft = book.add_format({"font_color": "#55606B"})
        self.wrapped = book.add_format(top | {"text_wrap": True})
        self.alert = book.add_format(top | {"text_wrap": True, "bold": True, "font_color": _TONES["bad"]})
        self.link = book.add_format({"font_color": "#17508F", "underline": 1})
        plain = book.add_format(top)
        number = book.add_format(top | {"num_format": "#,##0"})
        self.by_kind = {
            Kind.TEXT: self.wrapped,
            Kind.NAME: plain,
            Kind.COUNT: number,
            Kind.BYTES: number,
            Kind.SHARE: book.add_format(top | {"num_format": "0.0%"}),
            Kind.STARS: number,
            Kind.SECONDS: number,
            Kind.TIME: book.add_format(top | {"num_format": "yyyy-mm-dd hh:mm:ss"}),
            Kind.DATE: book.add_format(top | {"num_format": "yyyy-mm-dd"}),
            Kind.STATUS: plain,
            Kind.SOURCE: plain,
        }
        self._tones = {tone: book.add_format(top | {"font_color": color}) for tone, color in _TONES.items()}

    def status(self, value: str) -> tuple[str, Any]:
        """Label and format of a status."""
        known = word(value)
        return known.label, self._tones.get(known.tone, self.by_kind[Kind.STATUS])


def fits(text: str) -> str:
    """`text` as a cell can hold it; what is cut is said."""
    text = visible(text)
    # Excel counts UTF-16 units.
    units = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
    if units <= CELL_LIMIT:
        return text
    note = f" … [cut; {len(text):,} characters, the whole text is in report.json]"
    room = (CELL_LIMIT - len(note)) * 2
    return text.encode("utf-16-le")[:room].decode("utf-16-le", "ignore") + note


def sheet_name(wanted: str, taken: set[str]) -> str:
    """A valid sheet name that is not taken yet; adds it to `taken`, which holds names in lower case."""
    base = re.sub(r"[\[\]:*?/\\]", " ", visible(wanted)).strip().strip("'").strip() or "Sheet"
    if base.lower() == "history":
        # Excel keeps this name for itself.
        base = "History of runs"
    name, number = base[:31].rstrip("' "), 1
    while name.lower() in taken:
        number += 1
        end = f" {number}"
        name = base[: 31 - len(end)].rstrip("' ") + end
    taken.add(name.lower())
    return name


def _sheets(report: Report) -> list[Sheet]:
    """Sets of tables in report order, then the resources of each service family."""
    taken = {"summary"}
    sets = data_sets(report)
    sheets = [_sheet(one.title, one.note, one.columns, one.rows, taken) for one in sets]
    register = next((one for one in sets if one.section == REGISTER), None)
    if register is not None:
        families: dict[str, list[Row]] = {}
        for row in register.rows:
            families.setdefault(str(row.cells.get("family") or "Other services"), []).append(row)
        for family in sorted(families):
            rows = tuple(families[family])
            columns = tuple(c for c in register.columns if c.key != "family" and _used(c, rows))
            note = "Every resource of this service family, also in the sheet of all resources."
            sheets.append(_sheet(family, note, columns, rows, taken))
    return sheets


REGISTER = "resources"
"""Id of the section with every resource."""


def _used(column: Column, rows: Sequence[Row]) -> bool:
    return any(row.cells[column.key] not in (None, "") for row in rows)


def _sheet(title: str, note: str, columns: tuple[Column, ...], rows: tuple[Row, ...], taken: set[str]) -> Sheet:
    if len(rows) > ROW_LIMIT:
        note += f" The first {ROW_LIMIT:,} of {len(rows):,} rows; report.json and the Parquet file have all."
    return Sheet(sheet_name(title, taken), title, note, columns, rows[:ROW_LIMIT])


def _prepare(page: Any, report: Report) -> None:
    """Print set-up; the marking stands in header and footer of every page."""
    page.set_landscape()
    page.set_paper(1)
    page.fit_to_pages(1, 0)
    page.hide_gridlines(2)
    # "&" begins a code in headers; a header holds 255 characters.
    marking = visible(report.cover.marking)[:100].replace("&", "&&")
    page.set_header(f"&C{marking}")
    page.set_footer(f"&L{visible(report.cover.name)[:40].replace('&', '&&')}&C{marking}&R&P / &N")


def _summary(book: Any, report: Report, digest: str, sheets: Sequence[Sheet], formats: _Formats) -> None:
    page = book.add_worksheet("Summary")
    _prepare(page, report)
    page.set_column(0, 0, 34)
    page.set_column(1, 1, 24)
    page.set_column(2, 2, 70)
    line = 0
    for text, form in (
        (report.cover.marking, formats.marking),
        (report.cover.customer, formats.title),
        (report.cover.title, formats.soft),
    ):
        if text:
            page.write_string(line, 0, fits(text), form)
            line += 1
    for label, text in (*cover_facts(report.cover), ("SHA-256 of report.json", digest)):
        page.write_string(line, 0, label, formats.soft)
        page.write_string(line, 1, fits(text))
        line += 1
    line = _say(page, report, line + 1, formats)
    line = _numbers(page, report, line + 1, formats)
    _contents(page, sheets, line + 1, formats)
    if report.cover.marking:
        page.write_string(line + len(sheets) + 3, 0, fits(report.cover.marking), formats.marking)


def _say(page: Any, report: Report, line: int, formats: _Formats) -> int:
    page.write_string(line, 0, "In three sentences", formats.heading)
    for sentence in report.sentences:
        line += 1
        page.write_string(line, 0, fits(sentence))
    for flag in report.flags:
        line += 1
        page.write_string(line, 0, fits(f"Does not add up. {flag.sentence}"), formats.alert)
    return line + 1


def _numbers(page: Any, report: Report, line: int, formats: _Formats) -> int:
    page.write_string(line, 0, "Numbers", formats.heading)
    for tile in report.tiles:
        line += 1
        page.write_string(line, 0, tile.label)
        page.write_string(line, 1, said(tile.value, tile.kind))
        page.write_string(line, 2, fits(tile.note), formats.soft)
    return line + 1


def _contents(page: Any, sheets: Sequence[Sheet], line: int, formats: _Formats) -> None:
    page.write_string(line, 0, "Sheets", formats.heading)
    for number, sheet in enumerate(sheets, start=1):
        target = sheet.name.replace("'", "''")
        page.write_url(line + number, 0, f"internal:'{target}'!A1", formats.link, string=sheet.name)
        page.write_number(line + number, 1, len(sheet.rows), formats.by_kind[Kind.COUNT])
        page.write_string(line + number, 2, fits(sheet.note), formats.soft)


def _table_sheet(book: Any, report: Report, sheet: Sheet, number: int, formats: _Formats) -> None:
    page = book.add_worksheet(sheet.name, worksheet_class=FilledSheet)
    _prepare(page, report)
    page.write_string(0, 0, fits(sheet.title), formats.heading)
    if sheet.note:
        page.write_string(1, 0, fits(sheet.note), formats.soft)
    for at, column in enumerate(sheet.columns):
        page.set_column(at, at, max(_WIDTHS[column.kind], len(column.title) + 4), formats.by_kind[column.kind])
    page.add_table(
        _HEADER_ROW,
        0,
        _HEADER_ROW + max(1, len(sheet.rows)),
        len(sheet.columns) - 1,
        {
            "name": f"table_{number}",
            "style": "Table Style Light 1",
            "columns": [{"header": column.title} for column in sheet.columns],
        },
    )
    page.fill(
        sheet.columns,
        sheet.rows,
        first=_HEADER_ROW + 1,
        formats=formats.by_kind,
        status=formats.status,
        fits=fits,
    )
    page.freeze_panes(_HEADER_ROW + 1, 1)
    page.repeat_rows(_HEADER_ROW)
