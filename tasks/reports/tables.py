"""The folder `report/`: every table as CSV and as Parquet, and an index that names each file with its SHA-256.

CSV is for people: UTF-8 with a byte order mark, so that Excel reads it as what it is, and a text that a spreadsheet
would take for a formula begins with an apostrophe (OWASP, "CSV Injection"). Parquet is for programs: typed and exact.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from mappings.report_model import Column, Kind, Report, Value
from tasks.reports.files import whole_file, write_whole
from tasks.reports.sheets import DataSet, data_sets
from tasks.reports.words import visible

FOLDER = "report"
INDEX = "index.json"

_WHOLE = frozenset({Kind.COUNT, Kind.BYTES, Kind.STARS, Kind.SECONDS})
_NUMBERS = _WHOLE | {Kind.SHARE}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GROUP = 50_000
"""Rows of a row group of Parquet, which are in memory together."""
_OURS = re.compile(r"[a-z0-9-]+\.(csv|parquet)")


def write_tables(report: Report, digest: str, folder: Path, forms: Collection[str]) -> Path:
    """Write the tables that have rows into `folder`/report, each file whole or not at all; the index comes last.

    Files of an earlier report that the new index does not name are removed; files that no index named are left alone.

    Args:
        digest: SHA-256 (hex) of report.json.
        forms: of "csv" and "parquet".

    Returns:
        The folder of the tables.

    Raises:
        OSError: the folder cannot be written.
    """
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    before = _named_in(place / INDEX)
    entries = [_entry(place, one, forms, report, digest) for one in data_sets(report) if one.rows]
    index = {
        "report_sha256": digest,
        "schema_version": report.schema_version,
        "marking": report.cover.marking,
        "made_at": report.cover.made_at.isoformat(),
        "tables": entries,
    }
    write_whole(place / INDEX, (json.dumps(index, indent=1, ensure_ascii=True) + "\n").encode("ascii"))
    for name in before - {file["name"] for entry in entries for file in entry["files"]}:
        (place / name).unlink(missing_ok=True)
    return place


def _named_in(index: Path) -> set[str]:
    """Files of the index that stands there; only names that this module gives, so that no other file is touched."""
    if not index.is_file():
        return set()
    try:
        tables = json.loads(index.read_text(encoding="utf-8"))["tables"]
        names = {str(file["name"]) for entry in tables for file in entry["files"]}
    except (ValueError, KeyError, TypeError):
        # Not ours, or cut short: what it named stays, and the new index does not name it.
        names = set()
    return {name for name in names if _OURS.fullmatch(name)}


def _entry(place: Path, one: DataSet, forms: Collection[str], report: Report, digest: str) -> dict[str, Any]:
    makers: dict[str, Callable[[BinaryIO], None]] = {
        "csv": lambda file: write_csv(one, file),
        "parquet": lambda file: write_parquet(one, report.cover.marking, digest, file),
    }
    files = []
    for form, make in makers.items():
        if form in forms:
            name = f"{one.name}.{form}"
            with whole_file(place / name) as file:
                make(file)
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                files.append({"name": name, "bytes": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()})
    columns = [{"key": column.key, "title": column.title, "kind": column.kind.value} for column in one.columns]
    return {
        "name": one.name,
        "title": one.title,
        "section": one.section,
        "rows": len(one.rows),
        "columns": columns,
        "files": files,
    }


def render_csv(one: DataSet) -> bytes:
    """As `write_csv`, in memory."""
    file = io.BytesIO()
    write_csv(one, file)
    return file.getvalue()


def write_csv(one: DataSet, file: BinaryIO) -> None:
    """One set as CSV (RFC 4180), headed by the keys of its columns."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow([column.key for column in one.columns])
    number = [column.kind in _NUMBERS for column in one.columns]
    keys = [column.key for column in one.columns]
    for row in one.rows:
        cells = row.cells
        writer.writerow([cells[key] if plain else guarded(cells[key]) for key, plain in zip(keys, number, strict=True)])
    # The file is the caller's and stays open.
    text.detach()


def guarded(value: Value) -> Value:
    """A text that no spreadsheet takes for a formula, and that hides no character."""
    if not isinstance(value, str):
        return value
    # Spreadsheets drop blanks before they look for a formula.
    text = f"'{value}" if value.lstrip(" \u00a0").startswith(_FORMULA) else value
    return visible(text)


def render_parquet(one: DataSet, marking: str, digest: str) -> bytes:
    """As `write_parquet`, in memory."""
    file = io.BytesIO()
    write_parquet(one, marking, digest, file)
    return file.getvalue()


def write_parquet(one: DataSet, marking: str, digest: str, file: BinaryIO) -> None:
    """One set as Parquet: counts as int64, shares as float64, times in UTC, days as dates, all else as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(column.key, _type(pa, column.kind), metadata={"title": column.title, "kind": column.kind.value})
        for column in one.columns
    ]
    told = {"govlift.table": one.name, "govlift.title": one.title, "govlift.report_sha256": digest}
    schema = pa.schema(fields, metadata=told | ({"govlift.marking": marking} if marking else {}))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for begin in range(0, max(len(one.rows), 1), _GROUP):
            rows = one.rows[begin : begin + _GROUP]
            arrays = [
                pa.array(_typed(column, (row.cells[column.key] for row in rows)), type=_type(pa, column.kind))
                for column in one.columns
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _type(pa: Any, kind: Kind) -> Any:
    if kind in _WHOLE:
        return pa.int64()
    match kind:
        case Kind.SHARE:
            return pa.float64()
        case Kind.TIME:
            return pa.timestamp("us", tz="UTC")
        case Kind.DATE:
            return pa.date32()
        case _:
            return pa.string()


def _typed(column: Column, values: Iterable[Value]) -> list[Any]:
    match column.kind:
        case Kind.TIME:
            return [_moment(value) if value else None for value in values]
        case Kind.DATE:
            return [date.fromisoformat(str(value)) if value else None for value in values]
        case Kind.SHARE:
            return [float(value) if value is not None else None for value in values]
        case _:
            return list(values)


def _moment(value: Value) -> datetime:
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
