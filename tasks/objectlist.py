"""Lists of objects in files: read once, sorted on disk in the migration folder, then asked; for millions of names.

A list lies in `lists/` under the hash of what was read, so a plan that was made with it finds the same list again,
whatever became of the file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mappings.errors import DoNotTrust, FixTheInput
from mappings.filters import NameList

_AT_ONCE = 50_000
_FORM = "Write account/container/name, or the URL of the blob, one a line."
_PARTS = ("account", "container", "name")

Place = tuple[str, str, str]


def take_list(folder: Path, file: Path, column: str = "") -> NameList:
    """Read a list of objects and keep it, sorted, in the migration folder.

    Args:
        folder: the migration folder.
        file: one object a line; `.csv` with a heading, or `.jsonl`/`.ndjson`, where columns or keys `account`,
            `container` and `name` say the object together, or one column says it whole.
        column: that one column; "" takes the three, else the only column or `path`, `url` or `name`.

    Raises:
        FixTheInput: the file cannot be read, is empty, or a line of it names no object.
    """
    try:
        with file.open("rb") as raw:
            told = hashlib.file_digest(raw, "sha256")
    except OSError as wrong:
        raise FixTheInput(
            f"The list {file} cannot be read: {wrong.strerror}.", next_step="Name another file."
        ) from None
    told.update(f"\0{file.suffix.lower()}\0{column}".encode())
    digest = told.hexdigest()
    path = _path(folder, digest)
    if not path.exists():
        _write(path, file, column)
    (entries,) = _opened(path).execute("SELECT count(*) FROM listed").fetchone()
    if not entries:
        raise FixTheInput(f"The list {file} names no object.", next_step=_FORM)
    return NameList(digest, int(entries), file.name)


def _path(folder: Path, digest: str) -> Path:
    return folder / "lists" / f"{digest}.db"


def _write(path: Path, file: Path, column: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    store = sqlite3.connect(partial)
    try:
        # A list that was cut off is never renamed, so nothing here has to survive a crash.
        store.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        # Text compares by its UTF-8 bytes, which is by code point: the order in which the service lists.
        store.execute(
            "CREATE TABLE listed (account TEXT, container TEXT, name TEXT, PRIMARY KEY (account, container, name)) "
            "WITHOUT ROWID"
        )
        entries = iter(_entries(file, column))
        while batch := list(islice(entries, _AT_ONCE)):
            store.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?, ?)", sorted(batch))
        store.commit()
    except BaseException:
        store.close()
        partial.unlink(missing_ok=True)
        raise
    store.close()
    partial.replace(path)


def _entries(file: Path, column: str) -> Iterator[Place]:
    """The objects of a file, line by line."""
    kind = file.suffix.lower()
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            if kind == ".csv":
                yield from _rows(lines, file, column)
            elif kind in (".jsonl", ".ndjson", ".json"):
                yield from _objects(lines, file, column)
            else:
                for number, line in enumerate(lines, start=1):
                    if text := line.rstrip("\r\n"):
                        yield _place(text, file, number)
    except UnicodeDecodeError:
        raise FixTheInput(f"The list {file} is not UTF-8 text.", next_step="Save it as UTF-8 and run again.") from None


def _rows(lines: io.TextIOWrapper, file: Path, column: str) -> Iterator[Place]:
    rows = csv.DictReader(lines)
    named = _columns(list(rows.fieldnames or ()), file, column)
    for row in rows:
        yield _of_row({key: str(row.get(key) or "") for key in named}, file, rows.line_num)


def _objects(lines: io.TextIOWrapper, file: Path, column: str) -> Iterator[Place]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, str):
            yield _place(value, file, number)
        elif isinstance(value, dict):
            named = _columns(list(value), file, column)
            yield _of_row({key: str(value.get(key) or "") for key in named}, file, number)
        else:
            raise FixTheInput(
                f"{file}, line {number}, is no JSON object.", next_step="Write one JSON object or text a line."
            )


def _columns(known: list[str], file: Path, column: str) -> tuple[str, ...]:
    """Which columns say the object."""
    if column:
        if column not in known:
            raise FixTheInput(
                f'The list {file} has no column "{column}"; it has {", ".join(known) or "none"}.',
                next_step="Name one of these with --list-column.",
            )
        return (column,)
    if set(_PARTS) <= set(known):
        return _PARTS
    one = known if len(known) == 1 else [name for name in ("path", "url", "name") if name in known]
    if not one:
        raise FixTheInput(
            f"None of the columns of {file} ({', '.join(known) or 'none'}) is known to name the object.",
            next_step="Name the column with --list-column.",
        )
    return (one[0],)


def _of_row(row: dict[str, str], file: Path, number: int) -> Place:
    if len(row) == 1:
        return _place(next(iter(row.values())), file, number)
    account, container, name = (row[part] for part in _PARTS)
    if not (account and container and name):
        raise FixTheInput(f"{file}, line {number}, has an empty account, container or name.", next_step=_FORM)
    return account.lower(), container, name


def _place(text: str, file: Path, number: int) -> Place:
    if text.startswith(("https://", "http://")):
        url = urlsplit(text)
        text = f"{(url.hostname or '').partition('.')[0]}{unquote(url.path)}"
    parts = text.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise FixTheInput(f'{file}, line {number}: "{text[:200]}" names no object.', next_step=_FORM)
    return parts[0].lower(), parts[1], parts[2]


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeptList:
    """One list of a migration, open for questions. For one thread at a time."""

    store: sqlite3.Connection
    file: str

    @classmethod
    def open(cls, folder: Path, listed: NameList) -> KeptList:
        """The list that a plan names.

        Raises:
            DoNotTrust: it is gone from the migration folder.
        """
        return cls(_opened(_path(folder, listed.sha256)), listed.file)

    def has(self, account: str, container: str, name: str) -> bool:
        """Whether the list names this object."""
        asked = "SELECT 1 FROM listed WHERE account = ? AND container = ? AND name = ?"
        return self.store.execute(asked, (account, container, name)).fetchone() is not None

    def extent(self, account: str, container: str, begin: str = "", end: str | None = None) -> tuple[str, str] | None:
        """First and last name of the list in a range of a container; `container` "" is any. None where it has none."""
        where, values = _within(account, container, begin, end)
        first, last = self.store.execute(f"SELECT min(name), max(name) FROM listed WHERE {where}", values).fetchone()
        return None if first is None else (first, last)

    def names(self, account: str, container: str, begin: str = "", end: str | None = None) -> Iterator[str]:
        """Names of the list in a range of a container, ascending."""
        where, values = _within(account, container, begin, end)
        for (name,) in self.store.execute(f"SELECT name FROM listed WHERE {where} ORDER BY name", values):
            yield name

    def containers(self) -> list[tuple[str, str, int]]:
        """(account, container, objects) of everything on the list."""
        grouped = "SELECT account, container, count(*) FROM listed GROUP BY account, container"
        return [(account, container, count) for account, container, count in self.store.execute(grouped)]


def _within(account: str, container: str, begin: str, end: str | None) -> tuple[str, list[str]]:
    if not container:
        return "account = ?", [account]
    where, values = "account = ? AND container = ? AND name >= ?", [account, container, begin]
    return (where, values) if end is None else (f"{where} AND name < ?", [*values, end])


@lru_cache(maxsize=8)
def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise DoNotTrust(
            f"The list {path} that the plan was made with is gone.",
            next_step="Restore the folder lists of the migration folder, or make a new plan with --from-list.",
        )
    return sqlite3.connect(f"file:{path.resolve()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
