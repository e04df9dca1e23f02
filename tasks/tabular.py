"""Exported files from disk, one after the other: text in any encoding, CSV, workbooks and archives of these.

What a file is shows in its content, not in its name. Nothing here knows what a resource is; `mappings.offline` does.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mappings.errors import FixTheInput
from mappings.offline import is_parameters_name
from mappings.offline_names import PortalNames, parse_portal_names
from mappings.offline_reading import Export, Grid
from mappings.offline_table import rows_that_fit
from tasks.catalogue import load_type_facts

READABLE = frozenset(
    (".json", ".jsonc", ".jsonl", ".ndjson", ".har", ".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".zip", ".bicep",
     ".bicepparam", ".tfstate", ".xls", ".xlsb", ".ods", ".gz")
)  # fmt: skip
"""Suffixes of files that are opened when a folder is named; a file that is named itself is opened always."""
MOST_BYTES = 2 * 1024**3
"""A larger member of an archive is refused: it may be made to fill the memory."""
_ARCHIVES_WITHIN = 2
_DELIMITERS = ",;\t|"
_SNIFFED = 200_000
"""Characters in which the delimiter is looked for."""
_RESTARTS = 50
"""Times that a CSV file is taken up again behind a quote that is never closed."""

_AGAIN_JSON = "Export it again as JSON, e.g. with `az graph query -o json` or `az resource list -o json`."
_REFUSED = {
    ".bicep": ("it is Bicep source", "BicepSource", "Compile it with `az bicep build --file` and name the JSON."),
    ".bicepparam": ("it is a Bicep parameters file", "BicepSource", "Compile it with `az bicep build-params`."),
    ".xls": ("it is a workbook of the old format", "OldWorkbook", "Save it as .xlsx or CSV."),
    ".xlsb": ("it is a binary workbook", "OldWorkbook", "Save it as .xlsx or CSV."),
    ".ods": ("it is an OpenDocument sheet", "OldWorkbook", "Save it as .xlsx or CSV."),
    ".gz": ("it is compressed with gzip", "Compressed", "Unpack it and name what was in it."),
    ".yaml": ("it is YAML", "NotRecognised", _AGAIN_JSON),
    ".yml": ("it is YAML", "NotRecognised", _AGAIN_JSON),
}


@cache
def load_portal_names() -> PortalNames:
    """ARM types by the name that the portal shows."""
    table = files("mappings") / "catalogue" / "tables" / "portal_names.toml"
    return parse_portal_names(table.read_text("utf-8"), load_type_facts())


def read_exports(paths: Sequence[Path]) -> Iterator[Export]:
    """Every file under `paths`, read when it is asked for, so that one is in memory at a time.

    Parameters files come first, since a template is read with the values that lie beside it. Folders are walked, hidden
    ones left out; files with other suffixes are counted in the notes of an `Export` without content.

    Raises:
        FixTheInput: a path does not exist, or cannot be read.
    """
    named: dict[Path, tuple[Path, bool]] = {}
    passed: dict[Path, Counter[str]] = {}
    for path in paths:
        if path.is_dir():
            for file in _walked(path):
                if file.suffix.lower() in READABLE:
                    named.setdefault(file.resolve(), (file, True))
                else:
                    passed.setdefault(path, Counter())[file.suffix.lower() or "no suffix"] += 1
        elif path.exists():
            named[path.resolve()] = (path, False)
        else:
            raise FixTheInput(f"There is no {path}.", next_step="Name a file or folder that exists.")
    if not named:
        raise FixTheInput(
            f"There is no file to read in {', '.join(map(str, paths))}.",
            next_step=f"Name exported inventories; folders are searched for {', '.join(sorted(READABLE))}.",
        )
    for file, found in sorted(named.values(), key=lambda one: (not is_parameters_name(one[0].name),)):
        yield from _of_file(file, chance_find=found)
    for folder, suffixes in passed.items():
        shown = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(suffixes.items()))
        note = f"{suffixes.total():,} files of other kinds were not opened: {shown}"
        yield Export(f"{folder}/", notes=(note[:500],), chance_find=True)


def _walked(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "~$")):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walked(path)
        elif path.is_file():
            yield path


def _of_file(file: Path, *, chance_find: bool) -> Iterator[Export]:
    try:
        with file.open("rb") as stream:
            yield from read_stream(str(file), stream, chance_find=chance_find)
    except OSError as wrong:
        why = wrong.strerror or type(wrong).__name__
        yield Export(str(file), refusal=(f"it cannot be opened: {why}", "Unreadable", "Give read permission."))


def read_stream(name: str, stream: BinaryIO, *, chance_find: bool = False, within: int = 0) -> Iterator[Export]:
    """The exports in one open file: itself, or the members of an archive.

    Args:
        name: for messages.
        chance_find: whether somebody named this very file, or only a folder or archive that holds it.
        within: how many archives it lies in.
    """
    head = stream.read(8)
    stream.seek(0)
    suffix = PurePosixPath(name).suffix.lower()
    if head.startswith(b"PK\x03\x04"):
        yield from _of_archive(name, stream, chance_find, within)
    elif head.startswith(b"\xd0\xcf\x11\xe0"):
        why = "it is a workbook of the old format, or one with a password"
        refusal = (why, "OldWorkbook", "Save it as .xlsx without a password, or as CSV.")
        yield Export(name, refusal=refusal, chance_find=chance_find)
    elif head.startswith(b"\x1f\x8b") or suffix in _REFUSED:
        yield Export(name, refusal=_REFUSED.get(suffix, _REFUSED[".gz"]), chance_find=chance_find)
    else:
        yield of_bytes(name, stream.read(), chance_find=chance_find)


def of_bytes(name: str, content: bytes, *, chance_find: bool = False) -> Export:
    """A text file: JSON, or a table."""
    text, notes = _decoded(content)
    start = text.lstrip("\ufeff \t\r\n")[:1]
    suffix = PurePosixPath(name).suffix.lower()
    json_like = start in ("{", "[") or start == "" or suffix in (".json", ".jsonc", ".jsonl", ".ndjson", ".har")
    if json_like or (suffix not in (".csv", ".tsv") and _has_json_line(text)):
        return Export(name, text=text, notes=notes, chance_find=chance_find)
    return Export(name, grids=(grid_of_csv(text),), notes=notes, chance_find=chance_find)


def _has_json_line(text: str) -> bool:
    """Whether JSON begins on a line of its own, after the warnings of the command that printed it."""
    return any(line.startswith(("{", "[{", "[\n")) or line == "[" for line in text[:100_000].splitlines())


def _decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text of a file in UTF-8, in UTF-16 as PowerShell redirects it, or in Windows-1252 as Excel saves CSV."""
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return content.decode("utf-32", errors="replace"), ("read as UTF-32",)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), ("read as UTF-16",)
    if content[1:2] == b"\x00" and content[3:4] == b"\x00":
        return content.decode("utf-16-le", errors="replace"), ("read as UTF-16 without a byte order mark",)
    try:
        return content.decode("utf-8-sig"), ()
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        return content.decode("cp1252", errors="replace"), (f"read as Windows-1252: line {line} is not UTF-8",)


def grid_of_csv(text: str) -> Grid:
    """The rows of a CSV text; its delimiter is the one under which most headings are known."""
    # A cell with the properties of a resource is longer than what the module expects of a cell.
    csv.field_size_limit(2**31 - 1)
    text, first = _without_preamble(text.removeprefix("\ufeff"))
    named = text.partition("\n")[0].strip()
    if named.lower().startswith("sep=") and len(named) == 5:
        text, first, delimiter = text.partition("\n")[2], first + 1, named[4]
    else:
        head = text[:_SNIFFED]
        fits = {mark: rows_that_fit(_rows(head, mark, first)[0]) for mark in _DELIMITERS}
        delimiter = max(_DELIMITERS, key=lambda mark: fits[mark])
    rows, problems = _rows(text, delimiter, first)
    return Grid("", rows, problems)


def _without_preamble(text: str) -> tuple[str, int]:
    """The text from the headings on, and the number of its first line: `Export-Csv` writes a line about its type."""
    first = 1
    while text.startswith(("#TYPE", "\r\n", "\n")):
        text = text.partition("\n")[2]
        first += 1
    return text, first


def _rows(text: str, delimiter: str, first: int) -> tuple[list[tuple[int, list[str]]], tuple[tuple[str, str], ...]]:
    """Line number and cells of every row, and where a quote was opened and never closed."""
    rows: list[tuple[int, list[str]]] = []
    problems: list[tuple[str, str]] = []
    offset, lines = first, io.StringIO(text, newline="").readlines()
    for _ in range(_RESTARTS):
        reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
        done = 0
        try:
            for cells in reader:
                rows.append((offset + done, [_cell(cell) for cell in cells]))
                done = reader.line_num
            return rows, tuple(problems)
        except csv.Error as wrong:
            unclosed = "unexpected end" in str(wrong)
            if not unclosed:
                rows.append((offset + done, _lenient(lines[done : reader.line_num], delimiter)))
                done = max(reader.line_num, done + 1)
            else:
                problems.append((f"line {offset + done}", "a quote is opened and never closed"))
                done += 1
            offset, lines = offset + done, lines[done:]
    problems.append((f"line {offset} and all after it", "too many quotes are out of order"))
    return rows, tuple(problems)


def _lenient(lines: list[str], delimiter: str) -> list[str]:
    """The cells of a row whose quotes are not by the book."""
    for cells in csv.reader(lines, delimiter=delimiter):
        return [_cell(cell) for cell in cells]
    return []


def _cell(text: str) -> str:
    """A cell without what protects it from being taken for a formula."""
    text = text.strip()
    if text.startswith("'") and text[1:2] in ("=", "+", "-", "@"):
        return text[1:]
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        return text[2:-1]
    return text


def _of_archive(name: str, stream: BinaryIO, chance_find: bool, within: int) -> Iterator[Export]:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.namelist()
            if "xl/workbook.xml" in members or "[Content_Types].xml" in members:
                yield _of_workbook(name, archive, stream, chance_find)
            elif within > _ARCHIVES_WITHIN:
                yield Export(name, refusal=("archives lie too deep in each other", "Archive", "Unpack it."))
            else:
                yield from _members(name, archive, within)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as wrong:
        refusal = (f"the archive is broken: {wrong}"[:300], "BrokenFile", "Make the archive or workbook anew.")
        yield Export(name, refusal=refusal, chance_find=chance_find)


def _members(name: str, archive: zipfile.ZipFile, within: int) -> Iterator[Export]:
    passed = 0
    for info in sorted(archive.infolist(), key=lambda one: (not is_parameters_name(one.filename), one.filename)):
        path = PurePosixPath(info.filename)
        if info.is_dir() or path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        inner = f"{name}/{info.filename}"
        if path.suffix.lower() not in READABLE:
            passed += 1
            continue
        if info.file_size > MOST_BYTES:
            why = f"it unpacks to {info.file_size:,} bytes"
            yield Export(inner, refusal=(why, "TooLarge", "Unpack it yourself and name the file."))
            continue
        try:
            content = io.BytesIO(archive.read(info))
        except (RuntimeError, zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as wrong:
            why = f"it cannot be unpacked: {wrong}"[:300]
            yield Export(inner, refusal=(why, "BrokenFile", "Unpack the archive, and name the files."))
            continue
        yield from read_stream(inner, content, chance_find=True, within=within + 1)
    if passed:
        yield Export(name, notes=(f"{passed:,} files of other kinds in the archive were not opened",), chance_find=True)


def _of_workbook(name: str, archive: zipfile.ZipFile, stream: BinaryIO, chance_find: bool) -> Export:
    size = sum(info.file_size for info in archive.infolist())
    if size > MOST_BYTES:
        refusal = (f"the workbook unpacks to {size:,} bytes", "TooLarge", "Save its sheets as CSV.")
        return Export(name, refusal=refusal, chance_find=chance_find)
    import openpyxl

    stream.seek(0)
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        try:
            grids = tuple(_sheet(sheet) for sheet in book.worksheets)
        finally:
            book.close()
    except Exception as wrong:
        # openpyxl lets pass whatever a broken part of the file makes the XML and zip modules raise.
        why = f"the workbook cannot be read: {type(wrong).__name__}: {wrong}"[:300]
        refusal = (why, "BrokenFile", "Open it in Excel and save it as .xlsx or CSV.")
        return Export(name, refusal=refusal, chance_find=chance_find)
    return Export(name, grids=grids, chance_find=chance_find)


def _sheet(sheet: Any) -> Grid:
    # Some writers state a wrong size of the sheet; only without it every row is read.
    sheet.reset_dimensions()
    rows = [(number, [_printed(cell) for cell in cells]) for number, cells in enumerate(_cells_of(sheet), start=1)]
    width = max((len(cells) for _, cells in rows), default=0)
    for _, cells in rows:
        # A sheet ends each row at its last filled cell; in a CSV file a short row is a damaged one.
        cells.extend([""] * (width - len(cells)))
    return Grid(sheet.title, rows)


def _cells_of(sheet: Any) -> Iterator[Sequence[object]]:
    rows: Iterator[Sequence[object]] = sheet.iter_rows(values_only=True)
    return rows


def _printed(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _cell(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
