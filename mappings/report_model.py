"""The report as a value: cover, tiles, sentences, flags, sections of tables. Renderers add looks, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

SCHEMA_VERSION = "1.1"
"""Major.minor of the JSON form. A new key raises the minor number, a changed or removed one the major number."""

Value = str | int | float | None


class Kind(StrEnum):
    """What the cells of a column hold; renderers align and format by it."""

    TEXT = "text"
    NAME = "name"
    """An identifier: shown as it is, may break anywhere."""
    COUNT = "count"
    """Whole number of things."""
    BYTES = "bytes"
    SHARE = "share"
    """0.0 to 1.0."""
    STARS = "stars"
    """1 to 5."""
    SECONDS = "seconds"
    TIME = "time"
    """ISO 8601 in UTC, seconds, "Z" at the end."""
    DATE = "date"
    STATUS = "status"
    """A word of a closed set: a verdict, outcome, change, run state or a `Check`."""
    SOURCE = "source"
    """Where a fact stands; often an https address."""


class Check(StrEnum):
    """Result of one comparison of two numbers that must be equal."""

    EQUAL = "equal"
    MISMATCH = "mismatch"
    PENDING = "pending"
    """Work is not finished, so the numbers may still differ."""
    NOT_COMPARED = "not-compared"
    """One of the two numbers does not exist."""
    EXPLAINED = "explained"
    """The numbers differ, and the ids behind the difference are all listed."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The rows behind a number: rows of a table (of all tables of the section, where `table` is "") that fit `where`.

    The number is the count of these rows, or the sum of their `column` where that is given.
    """

    section: str
    table: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    column: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str
    title: str
    kind: Kind = Kind.TEXT
    detail: bool = False
    """True where the column is for the workbook and the JSON only; the page would be too wide with it."""


class Cells(Mapping[str, Value]):
    """The cells of a row as values alone: all rows of a table share their keys, which a dict for each would repeat.

    Args:
        places: column key -> place in `values`; shared, never changed.
    """

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: tuple[Value, ...]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, key: str) -> Value:
        return self._values[self._places[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Cells({dict(self)!r})"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    cells: Mapping[str, Value]
    """Column key -> value; every column of the table is present."""
    links: Mapping[str, Ref] = field(default_factory=dict)
    """Column key -> the rows behind the number in that cell, or, for a text, the rows that explain it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind, each with a value for every column."""

    id: str
    """Unique in the report; lower-case letters, digits and dashes."""
    caption: str
    columns: tuple[Column, ...]
    """The first shown column heads its row."""
    rows: tuple[Row, ...]
    sheet: str = ""
    """Tables of one report with the same `sheet` and the same columns share a worksheet; "" takes the caption."""
    bars: tuple[str, ...] = ()
    """Keys of COUNT columns that a renderer may draw as one bar per row: several are stacked, one is set against its
    sum over the rows. The columns stay, so the table is the bar's text form."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter: a lead, then tables."""

    id: str
    title: str
    lead: str
    """One or two sentences; where there is no data yet, what produces it."""
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
    """Plain list items under the lead."""
    part: str = ""
    """Heading of the part of the report that the section belongs to; sections of one part follow each other."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the first page, with the rows behind it."""

    key: str
    label: str
    value: Value
    kind: Kind
    note: str
    """What the number is made of, in a few words; also says why there is none yet."""
    ref: Ref


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that must be settled before anybody signs, or that a signature accepts."""

    sentence: str
    ref: Ref


@dataclass(frozen=True, slots=True)
class Priority:
    """One of the few things that a reader of the first page must know, with who acts and how."""

    status: str
    """A verdict."""
    what: str
    remedy: str
    owner: str
    """Who is named by the resources' own tags, else the role that has to act."""
    resources: int
    """Rows behind it; 0 where `ref` is one row that counts nothing."""
    ref: Ref


@dataclass(frozen=True, slots=True)
class Brief:
    """The first page besides tiles and sentences: what blocks, whether in equals out, what was not seen."""

    blockers: tuple[Priority, ...] = ()
    """The weightiest, worst verdict and most resources first."""
    more: int = 0
    """Further reasons of that kind, in the section "Blockers and conditions"."""
    in_out: tuple[Tile, ...] = ()
    """Seen by each lister, in the inventory, with a verdict, unknown, ids behind a difference."""
    in_out_result: Check = Check.NOT_COMPARED
    unseen: tuple[Priority, ...] = ()
    """The first gaps."""
    more_unseen: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """One of the two clouds, as far as it is known."""

    cloud: str
    tenant_id: str
    subscriptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cover:
    """Who, what, when, by which version and catalogue."""

    title: str
    marking: str
    """The customer's own marking for top and bottom of every page; "" for none."""
    customer: str
    name: str
    """Name of the migration."""
    source: Place
    target: Place
    scope: str
    """What the inventory was asked for."""
    made_at: datetime
    inventory_taken_at: datetime
    data_age_hours: int
    """Age of the inventory when the report was made, whole hours."""
    catalogue_date: date | None
    version: str
    """Of govlift."""
    plan_id: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of a report; `mappings.report_json` gives its canonical JSON, whose SHA-256 is the report's identity."""

    schema_version: str
    cover: Cover
    tiles: tuple[Tile, ...]
    sentences: tuple[str, ...]
    """Three, for a reader who reads nothing else."""
    flags: tuple[Flag, ...]
    """Empty where every number adds up."""
    sections: tuple[Section, ...]
    signatures: tuple[str, ...]
    """Roles that sign, in order."""
    brief: Brief = field(default_factory=Brief)
    risks: tuple[Flag, ...] = ()
    """What somebody accepts by signing while it stands."""

    def section(self, section_id: str) -> Section:
        """The section with this id.

        Raises:
            KeyError: there is none.
        """
        for section in self.sections:
            if section.id == section_id:
                return section
        raise KeyError(section_id)

    def rows_behind(self, ref: Ref) -> Iterator[Row]:
        """The rows that a number refers to, in table order."""
        for table in self.section(ref.section).tables:
            if ref.table in ("", table.id):
                for row in table.rows:
                    if all(row.cells.get(key) == value for key, value in ref.where.items()):
                        yield row

    def number_behind(self, ref: Ref) -> int:
        """The number that the rows behind `ref` make: their count, or the sum of its column."""
        if not ref.column:
            return sum(1 for _ in self.rows_behind(ref))
        values = (row.cells[ref.column] for row in self.rows_behind(ref))
        return sum(value for value in values if isinstance(value, int))
