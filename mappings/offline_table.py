"""Tables to entries: CSV and workbooks of the portal, of Resource Graph and of `Export-Csv`.

A table is an inventory where one of its first rows names columns that tell a resource: its id, or its name and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mappings.offline_entry import ALIASES, DECODER, TypeNames, add_entry, plain
from mappings.offline_reading import Grid, Reading

HEADING_ROWS = 25
"""Rows in which the headings are looked for: titles and filters stand above them in some exports."""
NEEDED = "an inventory needs a column for the resource id, or one for the name and one for the type"
_IN_PARTS = ("properties", "sku", "plan", "identity", "tags")
"""Fields of which a column may hold a part, e.g. `properties.hardwareProfile.vmSize` or `sku_name`."""
_ASK = "Export with the columns name, type, resource group, location, subscription id and resource id."


def read_grid(grid: Grid, reading: Reading, names: TypeNames | None) -> None:
    """Read one table into `reading`."""
    sheet = f'sheet "{grid.name}", ' if grid.name else ""
    for place, why in grid.problems:
        reading.gap(f"{sheet}{place}".rstrip(", "), "This part of the table.", why, "BrokenFile", _ASK)
    at, columns = _headings(grid.rows)
    if not columns:
        _no_headings(grid, sheet, reading)
        return
    reading.is_a("workbook" if grid.name else "CSV table")
    _name_unused(columns, sheet, reading)
    ready = [_Column(name, _part(name), plain(name) not in ("name", "id", "type")) for name in columns]
    for number, cells in grid.rows[at + 1 :]:
        _read_row(cells, ready, f"{sheet}row {number}", reading, names)


def rows_that_fit(rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    """How many columns of the headings are known; 0 where the rows are no inventory. For choosing a delimiter."""
    _, columns = _headings(rows)
    return sum(plain(column) in ALIASES for column in columns)


def _headings(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[int, list[str]]:
    """Index of the row of headings and the headings; without any, no headings."""
    for at, (_, cells) in enumerate(rows[:HEADING_ROWS]):
        known = {ALIASES[plain(cell)] for cell in cells if plain(cell) in ALIASES}
        if "id" in known or {"name", "type"} <= known:
            return at, [str(cell).strip() for cell in cells]
    return -1, []


def _no_headings(grid: Grid, sheet: str, reading: Reading) -> None:
    filled = [cells for _, cells in grid.rows if any(cells)]
    if not filled and grid.name:
        reading.notes.append(f'sheet "{grid.name}" is empty')
        return
    if grid.problems and not filled:
        return
    first = ", ".join(str(cell)[:40] for cell in (filled[0] if filled else ()) if str(cell).strip())[:200]
    why = f"{NEEDED}; its first row is: {first or 'empty'}"
    if reading.chance_find and not grid.name:
        reading.notes.append(f"not an inventory: {why}")
        return
    named = {plain(cell) for cell in (filled[0] if filled else ())}
    if "name" in named and named & {"resourcegroup", "subscription"}:
        # One sheet for each type, as inventory workbooks have it: its rows are resources whose type nobody wrote down.
        what = f"{len(filled) - 1:,} rows of this {'sheet' if grid.name else 'table'}, which look like resources."
    else:
        what = "This sheet." if grid.name else "This file."
    reading.gap(sheet.rstrip(", "), what, why, "NoTypeColumn" if "name" in named else "NotRecognised", _ASK)


def _name_unused(columns: Sequence[str], sheet: str, reading: Reading) -> None:
    unused = [name for name in columns if name and plain(name) not in ALIASES and not _part(name)]
    if unused:
        shown = ", ".join(unused[:12]) + (f" and {len(unused) - 12} more" if len(unused) > 12 else "")
        reading.notes.append(f"{sheet}columns that no rule reads: {shown}"[:500])


def _part(column: str) -> tuple[str, list[str]] | None:
    """Field and path of a column that holds a part of it; None where it does not."""
    for field in _IN_PARTS:
        lower = column.lower()
        if lower.startswith((f"{field}.", f"{field}_")) and len(column) > len(field) + 1:
            return field, [step for step in column[len(field) + 1 :].split(column[len(field)]) if step]
    return None


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    part: tuple[str, list[str]] | None
    """Field and path, where the column holds a part of a field."""
    may_hold_json: bool


def _read_row(
    cells: Sequence[str], columns: Sequence[_Column], place: str, reading: Reading, names: TypeNames | None
) -> None:
    if not any(cells):
        return
    if any(cells[len(columns) :]):
        why = f"it has {len(cells)} cells, and there are {len(columns)} columns"
        reading.lost(place, "This row.", why, "BrokenEntry", _ASK)
        return
    if len(cells) == len(columns) and all(map(_is_heading, cells, columns)):
        # Tables that were put behind each other repeat their headings.
        return
    # A table has said all that it knows: without this key its other columns would be taken for properties.
    entry: dict[str, Any] = {"properties": None}
    for column, cell in zip(columns, cells, strict=False):
        if cell == "" or not column.heading:
            continue
        value = _list_in_text(cell) if column.may_hold_json else cell
        if column.part is not None:
            _put(entry, *column.part, value)
        else:
            entry[column.heading] = entry.get(column.heading) or value
    if len(cells) < len(columns) and any(column.heading for column in columns[len(cells) :]):
        reading.alike(place, "The last cells of this row.", f"it has fewer than {len(columns)} cells", "ShortRow", _ASK)
    add_entry(entry, place, reading, names)


def _is_heading(cell: str, column: _Column) -> bool:
    return cell.strip() == column.heading


def _put(entry: dict[str, Any], field: str, path: Sequence[str], value: Any) -> None:
    """Set one value at `path` of an object that the columns make together."""
    table = entry.get(field)
    if table is None:
        table = entry[field] = {}
    for step in path[:-1]:
        table = table.setdefault(step, {}) if isinstance(table, dict) else None
    if isinstance(table, dict) and path:
        table.setdefault(path[-1], value)


def _list_in_text(cell: str) -> Any:
    """A list or object that a cell holds as JSON; the cell itself where it holds none."""
    if cell[:1] in ("[", "{") and cell[-1:] in ("]", "}"):
        try:
            return DECODER.decode(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
