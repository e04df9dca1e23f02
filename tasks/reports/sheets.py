"""The report's tables as sets of data: tables with the same sheet and the same columns are one set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mappings.report_model import Column, Report, Row, Table


@dataclass(frozen=True, slots=True)
class DataSet:
    """Rows that a reader of files takes as one."""

    name: str
    """Unique in the report; lower-case letters, digits and dashes."""
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    section: str
    """Id of the section of the first table."""


def data_sets(report: Report) -> list[DataSet]:
    """All sets in reading order; tables without rows make none."""
    groups: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[tuple[str, Table]]] = {}
    for section in report.sections:
        for table in section.tables:
            keys = tuple((column.key, column.title, column.kind.value) for column in table.columns)
            groups.setdefault((table.sheet or table.caption, keys), []).append((section.id, table))
    taken: set[str] = set()
    return [_data_set(wanted, members, taken) for (wanted, _), members in groups.items()]


def _data_set(wanted: str, members: list[tuple[str, Table]], taken: set[str]) -> DataSet:
    section, first = members[0]
    # Thousands of captions would be no note any more.
    captions = [table.caption for _, table in members[:6]] + (["…"] if len(members) > 6 else [])
    note = first.note if len(members) == 1 else "; ".join(captions) + "."
    return DataSet(
        name=_name(first, taken),
        title=wanted,
        note=note,
        columns=first.columns,
        rows=tuple(row for _, table in members for row in table.rows),
        section=section,
    )


def _name(table: Table, taken: set[str]) -> str:
    """The name of its sheet, for sets that grow and shrink by tables; else the id of its only table."""
    base = re.sub(r"[^a-z0-9]+", "-", table.sheet.lower()).strip("-")[:60] or table.id
    name = base if base not in taken else table.id
    number = 1
    while name in taken:
        number += 1
        name = f"{table.id}-{number}"
    taken.add(name)
    return name
