"""Canonical JSON of a report, its SHA-256, and the way back."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mappings.errors import FixTheInput
from mappings.report_model import SCHEMA_VERSION, Ref, Report, Row, Section, Table

_ROWS = 500
"""Rows of one part: enough to make few parts, and few enough to need no memory."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@cache
def _adapter(kind: Any = Report) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def report_to_json(report: Report) -> str:
    """The report as canonical JSON: sorted keys, no blanks, ASCII only, one newline at the end.

    ASCII because names in the data may carry characters that turn the direction of text or that no encoding takes.
    """
    return "".join(report_parts(report))


def report_parts(report: Report) -> Iterator[str]:
    """The text of `report_to_json` in parts, none of them large, whatever the size of the report."""
    yield from _spliced(replace(report, sections=()), "sections", map(_section, report.sections))
    yield "\n"


def report_digest(report: Report) -> str:
    """SHA-256 (hex) of the bytes of `report_to_json`, which are the bytes of report.json."""
    digest = hashlib.sha256()
    for part in report_parts(report):
        digest.update(part.encode("ascii"))
    return digest.hexdigest()


def _section(section: Section) -> Iterator[str]:
    return _spliced(replace(section, tables=()), "tables", map(_table, section.tables))


def _table(table: Table) -> Iterator[str]:
    return _spliced(replace(table, rows=()), "rows", _rows(table.rows))


def _rows(rows: Sequence[Row]) -> Iterator[Iterator[str]]:
    left = iter(rows)
    while some := [_row(row) for row in itertools.islice(left, _ROWS)]:
        yield iter((_ENCODER.encode(some)[1:-1],))


def _row(row: Row) -> dict[str, Any]:
    # By hand: pydantic takes longer for a row than for all that is around the rows, and keeps every one of them.
    return {"cells": dict(row.cells), "links": {key: _ref(ref) for key, ref in row.links.items()}}


def _ref(ref: Ref) -> Mapping[str, Any]:
    return {"section": ref.section, "table": ref.table, "where": dict(ref.where), "column": ref.column}


def _spliced(value: Report | Section | Table, inner: str, items: Iterable[Iterator[str]]) -> Iterator[str]:
    """The JSON of `value`, whose list `inner` is empty, with these items in that list."""
    kind: Any = type(value)
    plain = _adapter(kind).dump_python(value, mode="json")
    before = "{"
    for key in sorted(plain):
        yield f'{before}"{key}":'
        before = ","
        if key == inner:
            yield "["
            for number, item in enumerate(items):
                if number:
                    yield ","
                yield from item
            yield "]"
        else:
            yield _ENCODER.encode(plain[key])
    yield "}"


def report_from_json(text: str, *, origin: str = "report.json") -> Report:
    """Read what `report_to_json` wrote.

    Args:
        text: the JSON.
        origin: the file's name, for messages.

    Raises:
        FixTheInput: not JSON, not a report, or of another major schema version.
    """
    again = "Give the report.json that govlift wrote, or make it anew with `govlift report`."
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise FixTheInput(f"{origin} is not JSON: {wrong}.", next_step=again) from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, str):
        raise FixTheInput(f"{origin} is not a govlift report: it has no schema_version.", next_step=again)
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise FixTheInput(
            f"{origin} has schema version {version}; this govlift reads version {SCHEMA_VERSION}.", next_step=again
        )
    try:
        report: Report = _adapter().validate_python(data)
        return report
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FixTheInput(f"{origin} is not a govlift report: {where}: {first['msg']}.", next_step=again) from None
