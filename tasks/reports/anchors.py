"""Where a number's link lands: the first row behind it, the table when that row is not shown, else the section."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.report_model import Ref, Report, Table, Value

_Key = tuple[str, tuple[str, ...]]


class Anchors:
    """Ids of the page, fixed for one report.

    Args:
        limit: rows of a table that the page shows.
    """

    def __init__(self, report: Report, limit: int) -> None:
        self._limit = limit
        self._tables = {section.id: section.tables for section in report.sections}
        self._first: dict[_Key, dict[tuple[Value, ...], int]] = {}
        self._wanted = {anchor for ref in _all_refs(report) if (anchor := self.of(ref))}

    def of(self, ref: Ref) -> str:
        """The id that a link to `ref` names; it is on the page."""
        tables = [table for table in self._tables[ref.section] if ref.table in ("", table.id)]
        if ref.where:
            for table in tables:
                number = self._first_row(table, ref)
                if number is not None:
                    return _row_id(table, number) if number < self._limit else table.id
        return tables[0].id if tables and (ref.table or len(tables) == 1) else ref.section

    def row_id(self, table: Table, number: int) -> str:
        """The id of a row that some link names, "" for all others."""
        identity = _row_id(table, number)
        return identity if identity in self._wanted else ""

    def _first_row(self, table: Table, ref: Ref) -> int | None:
        # One pass per table and set of columns, however many links ask.
        keys = tuple(sorted(ref.where))
        if (table.id, keys) not in self._first:
            found: dict[tuple[Value, ...], int] = {}
            for number, row in enumerate(table.rows):
                found.setdefault(tuple(row.cells.get(key) for key in keys), number)
            self._first[table.id, keys] = found
        return self._first[table.id, keys].get(tuple(ref.where[key] for key in keys))


def _row_id(table: Table, number: int) -> str:
    return f"{table.id}--{number + 1}"


def _all_refs(report: Report) -> Iterator[Ref]:
    yield from (tile.ref for tile in report.tiles)
    yield from (flag.ref for flag in (*report.flags, *report.risks))
    yield from (each.ref for each in (*report.brief.blockers, *report.brief.unseen))
    yield from (tile.ref for tile in report.brief.in_out)
    for section in report.sections:
        for table in section.tables:
            for row in table.rows:
                yield from row.links.values()
