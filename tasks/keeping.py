"""Parts of finished manifests, by range of names and by column: for what goes over whole, and for what is looked up.

A manifest is sorted, so the row groups that a range touches are known from the statistics in its footer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mappings.objects import EvidenceRow
from mappings.shards import Span
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.manifests import readable

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = ("source_last_modified", "started", "finished")
_BATCH = 5000
_COLUMNS = tuple(one.name for one in fields(EvidenceRow))
_DEFAULTS = {one.name: one.default for one in fields(EvidenceRow) if one.default is not MISSING}
_UNSAID = ("started", "finished", "request_id")
"""Columns that a verification has no question about."""


_SLOTS: dict[str, Any] = {name: getattr(EvidenceRow, name).__set__ for name in _COLUMNS}
"""How each field is set; a whole column of it is set in one go, without a step of the interpreter for each row."""


def tables(path: Path, begin: str = "", end: str | None = None, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows with `begin <= name < end`, a few thousand at a time. Raises as `tasks.manifests.read_manifest`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(path), pq.ParquetFile(path) as file:
        groups = [n for n in range(file.num_row_groups) if _touches(file.metadata.row_group(n), begin, end)]
        had = set(file.schema_arrow.names)
        wanted = [name for name in columns if name in had] if columns is not None else None
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups, columns=wanted) if groups else ():
            table = _within(pa.Table.from_batches([batch]), begin, end)
            if table.num_rows:
                yield table


def _touches(group: Any, begin: str, end: str | None) -> bool:
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "name" and column.statistics is not None and column.statistics.has_min_max:
            # Texts are ordered by their UTF-8 bytes, which is the order of code points.
            return bool(column.statistics.max >= begin and (end is None or column.statistics.min < end))
    return True


def _within(table: pa.Table, begin: str, end: str | None) -> pa.Table:
    import pyarrow.compute as pc

    if begin:
        table = table.filter(pc.greater_equal(table.column("name"), begin))
    if end is not None:
        table = table.filter(pc.less(table.column("name"), end))
    return table


def rows(path: Path, begin: str = "", end: str | None = None, *, brief: bool = False) -> Iterator[list[EvidenceRow]]:
    """The same rows as values. Raises as `tasks.manifests.read_manifest`.

    Args:
        brief: leave out when and by which request they were copied.
    """
    columns = [name for name in _COLUMNS if not (brief and name in _UNSAID)]
    for table in tables(path, begin, end, columns):
        yield _values(table)


def _values(table: pa.Table) -> list[EvidenceRow]:
    had = set(table.column_names)
    made = list(map(object.__new__, repeat(EvidenceRow, table.num_rows)))
    for name, put in _SLOTS.items():
        values = _column(table, name) if name in had else repeat(_DEFAULTS[name])
        deque(map(put, made, values), maxlen=0)
    return made


_KINDS: dict[str, Any] = {"outcome": Outcome, "change": Change, "route": Route, "proof": ProofLevel}


def _column(table: pa.Table, name: str) -> list[Any]:
    import pyarrow as pa

    column = table.column(name)
    if name in _TIMES:
        times = column.cast(pa.int64()).to_pylist()
        return [None if time is None else _EPOCH + timedelta(microseconds=time) for time in times]
    values: list[Any] = column.to_pylist()
    kind = _KINDS.get(name)
    if kind is None:
        return values
    known = {value: None if value is None else kind(value) for value in set(values)}
    return [known[value] for value in values]


def part_rows(folder: Path, parts: list[Span[str]], begin: str, end: str | None) -> Iterator[EvidenceRow]:
    """What `tasks.manifests.read_parts` gives of the names `begin <= name < end`, without reading the others.

    Args:
        folder: the migration folder.
        parts: as `LedgerReader.previous_manifests` gives them.
    """
    for part in parts:
        low = max(begin, part.begin)
        high = min((one for one in (end, part.end) if one is not None), default=None)
        if high is None or low < high:
            for batch in rows(folder / part.covered_by, low, high):
                yield from batch


def names(path: Path) -> Iterator[str]:
    """The names of all rows, in order. Raises as `tasks.manifests.read_manifest`."""
    for table in tables(path, columns=["name"]):
        yield from table.column("name").to_pylist()


def rows_that_stand_out(path: Path, quiet: Collection[Change]) -> Iterator[EvidenceRow]:
    """Rows of objects that did not arrive, or whose change is none of `quiet`, in order.

    Two columns tell which row groups have any; only those are read. Raises as `tasks.manifests.read_manifest`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    arrived = pa.array([Outcome.COPIED.value, Outcome.SAME.value])
    silent = pa.array([change.value for change in quiet])

    def loud(table: pa.Table) -> pa.ChunkedArray:
        plain = pc.and_(
            pc.is_in(table.column("outcome"), value_set=arrived), pc.is_in(table.column("change"), value_set=silent)
        )
        return pc.invert(plain)

    with readable(path), pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            if pc.any(loud(file.read_row_group(number, columns=["outcome", "change"]))).as_py():
                table = file.read_row_group(number)
                yield from _values(table.filter(loud(table)))


def carried_tables(path: Path, begin: str, end: str | None) -> Iterator[pa.Table]:
    """The rows of a range as `mappings.prints.carried` makes them, column by column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for table in tables(path, begin, end):
        change, outcome = table.column("change"), table.column("outcome")
        reported = pc.is_in(change, pa.array([Change.DELETED.value, Change.EXTRA.value]))
        excluded = pc.equal(outcome, Outcome.EXCLUDED.value)
        left = pc.or_(reported, excluded)
        new = {
            "outcome": pc.if_else(left, outcome, Outcome.SAME.value),
            "change": pc.if_else(reported, change, Change.SAME.value),
            "route": pc.if_else(reported, table.column("route"), pa.scalar(None, pa.string())),
            "reason": pc.if_else(left, table.column("reason"), ""),
            "code": pc.if_else(left, table.column("code"), "") if "code" in table.column_names else None,
            "attempts": pc.if_else(left, table.column("attempts"), pa.scalar(1, pa.int32())),
        }
        for name, column in new.items():
            if column is not None:
                table = table.set_column(table.column_names.index(name), table.schema.field(name), column)
        yield table
