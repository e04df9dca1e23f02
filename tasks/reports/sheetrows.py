"""Rows of a worksheet written straight to its part of the file, without a cell object each.

XlsxWriter keeps an object per cell and a table of all strings until it closes; its own `constant_memory` does not, but
refuses table objects. Cells here are inline strings and numbers, as `constant_memory` writes them (ECMA-376-1, 18.3.1.4
"c" and 18.3.1.53 "is"). There is no code path that writes a formula.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from mappings.report_model import Column, Kind, Row, Value

Shape = Callable[[str], tuple[str, Any]]
"""Status -> text and format."""

_DAY_ZERO = date(1899, 12, 30)
_KNOWN = 5_000
"""Texts of one column that are kept as written; a column of ids has hundreds of thousands, each once."""
_ESCAPED = re.compile("_x[0-9A-Fa-f]{4}_")
_NUMBERS = frozenset({Kind.COUNT, Kind.BYTES, Kind.SHARE, Kind.STARS, Kind.SECONDS})


class _Unkept(dict[tuple[int, int], str]):
    """Keeps nothing. XlsxWriter notes every cell of a table, to refuse a second table over it; a sheet here has one."""

    def __setitem__(self, key: tuple[int, int], value: str) -> None:
        pass


class FilledSheet(Worksheet):  # type: ignore[misc]
    """A worksheet whose rows below a heading come from a report."""

    dim_rowmax: int

    def __init__(self) -> None:
        super().__init__()
        self.table_cells = _Unkept()
        self._columns: Sequence[Column] = ()
        self._data: Sequence[Row] = ()
        self._first = 0
        self._formats: dict[Kind, Any] = {}
        self._status: Shape | None = None
        self._fits: Callable[[str], str] = str

    def fill(
        self,
        columns: Sequence[Column],
        rows: Sequence[Row],
        *,
        first: int,
        formats: dict[Kind, Any],
        status: Shape,
        fits: Callable[[str], str],
    ) -> None:
        """Take the rows; they are written when the workbook is closed.

        Args:
            first: number of the first row, from 0; everything above is written by the usual methods.
            formats: format of each kind of column.
            status: label and format of a status.
            fits: a text as a cell can hold it.
        """
        self._columns, self._data, self._first = columns, rows, first
        self._formats, self._status, self._fits = formats, status, fits
        if rows:
            self._check_dimensions(first + len(rows) - 1, len(columns) - 1)

    def _write_rows(self) -> None:
        # Only the rows of the heading are kept as cells; the loop over rows must not touch the others.
        last = self.dim_rowmax
        if self._data:
            self.dim_rowmax = self._first - 1
        super()._write_rows()
        self.dim_rowmax = last
        if self._data:
            makers = [self._maker(at, column) for at, column in enumerate(self._columns)]
            keys = [column.key for column in self._columns]
            pairs = list(zip(keys, makers, strict=True))
            write = self.fh.write
            for number, row in enumerate(self._data, start=self._first + 1):
                cells = row.cells
                told = "".join([make(number, v) for key, make in pairs if (v := cells[key]) not in (None, "")])
                write(f'<row r="{number}">{told}</row>')

    def _maker(self, at: int, column: Column) -> Callable[[int, Value], str]:
        """The function that writes cells of one column."""
        name, kind = xl_col_to_name(at), column.kind
        style = self._formats[kind]._get_xf_index()
        if kind in _NUMBERS:
            return lambda number, value: f'<c r="{name}{number}" s="{style}"><v>{value}</v></c>'
        if kind in (Kind.TIME, Kind.DATE):
            return lambda number, value: f'<c r="{name}{number}" s="{style}"><v>{_serial(str(value))}</v></c>'
        known: dict[Value, str] = {}

        def text(number: int, value: Value) -> str:
            # The same reason, type or group stands in thousands of rows.
            rest = known.get(value)
            if rest is None:
                if len(known) >= _KNOWN:
                    known.clear()
                rest = known[value] = self._rest(str(value), kind, style)
            return f'<c r="{name}{number}{rest}'

        return text

    def _rest(self, value: str, kind: Kind, style: int) -> str:
        if kind is Kind.STATUS and self._status is not None:
            value, form = self._status(value)
            style = form._get_xf_index()
        return f'" s="{style}" t="inlineStr"><is><t xml:space="preserve">{_escaped(self._fits(value))}</t></is></c>'


def _escaped(text: str) -> str:
    # Excel reads "_x0041_" as the character with that code, unless its underscore is escaped (ECMA-376-1, 22.4.2.4).
    if "_x" in text:
        text = _ESCAPED.sub(lambda match: f"_x005F{match[0]}", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "_x000D_")


def _serial(text: str) -> float | int:
    """Excel's number of a day or a moment in UTC."""
    if len(text) == 10:
        return (date.fromisoformat(text) - _DAY_ZERO).days
    moment = datetime.fromisoformat(text)
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return (moment.date() - _DAY_ZERO).days + seconds / 86_400
