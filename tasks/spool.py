"""Where an inventory is kept while it is taken: each page on disk as it comes, so that a killed run goes on, and memory
does not grow with the estate.

One SQLite file in the migration folder, with what is finished: batches of Resource Graph (with the skip token of the
page that came last) and subscriptions. It holds half an inventory at best and is never evidence; the ledger gets the
whole.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from mappings.codec import compact_json, decode, utc_text
from mappings.errors import ResumeLater, TryLater
from mappings.model import Gap, Resource, Seen

T = TypeVar("T")

NAME = "inventory.partial.db"
"""The file, in the migration folder, while an inventory is under way."""
KEPT = timedelta(hours=24)
"""How long a part of an inventory may be gone on with. Skip tokens are refused long before, which costs one batch; but
an inventory whose halves are days apart describes an estate that never was."""
_FORMAT = 1

_TABLES = """
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER, scope TEXT, begun TEXT);
CREATE TABLE subscription (place INTEGER PRIMARY KEY, id TEXT UNIQUE, done INTEGER, seen TEXT);
CREATE TABLE batch (number INTEGER PRIMARY KEY, token TEXT, rows INTEGER, done INTEGER);
CREATE TABLE resource (place INTEGER, key TEXT, graph INTEGER, body TEXT, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE TABLE item (kind TEXT, place INTEGER, key TEXT, body TEXT, PRIMARY KEY (kind, place, key)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """One subscription of the scope."""

    place: int
    """Its number in the scope, from 0."""
    id: str
    done: bool
    """Whether everything of it is in the spool."""


class StoredRows(Sequence[T], Generic[T]):
    """Values that lie on disk and are decoded while they are gone through; any number of times, in the same order.

    Good while the spool is open. `stored` gives the JSON as it lies there, for who only passes it on.
    """

    def __init__(self, connection: sqlite3.Connection, kind: type[T], query: str, values: tuple[str, ...] = ()) -> None:
        self._connection = connection
        self._kind = kind
        self._query, self._values = query, values
        (self._length,) = connection.execute(f"SELECT count(*) FROM ({query})", values).fetchone()

    def __len__(self) -> int:
        return int(self._length)

    def stored(self) -> Iterator[str]:
        """Every value's JSON (`mappings.codec.compact_json`), in order."""
        for (body,) in self._connection.execute(self._query, self._values):
            yield body

    def __iter__(self) -> Iterator[T]:
        return (decode(self._kind, body) for body in self.stored())

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(len(self))))
        number = at + len(self) if at < 0 else at
        if not 0 <= number < len(self):
            raise IndexError(at)
        row = self._connection.execute(f"{self._query} LIMIT 1 OFFSET ?", (*self._values, number)).fetchone()
        return decode(self._kind, row[0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Spool:
    """An inventory under way. One process and one thread at a time writes it.

    Args:
        path: the file; None keeps everything in memory, for small scopes that need no resume.
        scope: what is asked for, as text; a file of another scope is thrown away.
        now: a file that was begun more than `KEPT` before is thrown away.

    Raises:
        TryLater: another process is taking this inventory.
        ResumeLater: the disk is full or cannot be written.
    """

    def __init__(self, path: Path | None, scope: str, *, now: datetime) -> None:
        self.path = path
        with _spoken(path):
            self._connection = _open(path)
            if not self._goes_on(scope, now):
                self._connection.close()
                if path is not None:
                    _remove(path)
                self._connection = _open(path)
                self._connection.executescript(_TABLES)
                self._write("INSERT INTO head VALUES (1, ?, ?, ?)", (_FORMAT, scope, utc_text(now)))
            (begun,) = self._connection.execute("SELECT begun FROM head").fetchone()
        self.begun = datetime.fromisoformat(begun)
        """When the inventory was begun: no part of it is older."""

    @property
    def listed(self) -> list[Listed]:
        """The subscriptions of the scope, in order; empty before `begin`."""
        rows = self._connection.execute("SELECT place, id, done FROM subscription ORDER BY place")
        return [Listed(place, identifier, bool(done)) for place, identifier, done in rows]

    def begin(self, ids: Iterable[str]) -> None:
        """Record which subscriptions the scope has. What is added to the scope later is not part of this inventory."""
        with self._change():
            rows = [(place, one) for place, one in enumerate(ids)]
            self._connection.executemany("INSERT INTO subscription VALUES (?, ?, 0, NULL)", rows)

    # --- Resource Graph, by batch

    def graph_place(self, batch: int) -> tuple[str, int, bool]:
        """How far a batch is: skip token and row count of the pages that are kept, and whether it is finished."""
        query = "SELECT token, rows, done FROM batch WHERE number = ?"
        row = self._connection.execute(query, (batch,)).fetchone()
        return (row[0], row[1], bool(row[2])) if row else ("", 0, False)

    def keep_page(self, batch: int, rows: Iterable[tuple[int, Resource]], *, token: str, seen: int, done: bool) -> None:
        """Keep one page of a batch (place of the subscription, resource), and how to go on behind it."""
        made = [(place, one.id.lower(), compact_json(one)) for place, one in rows]
        with self._change():
            self._connection.executemany("INSERT OR REPLACE INTO resource VALUES (?, ?, 1, ?)", made)
            self._connection.execute("INSERT OR REPLACE INTO batch VALUES (?, ?, ?, ?)", (batch, token, seen, done))

    def forget_pages(self, batch: int, places: Sequence[int]) -> None:
        """Begin a batch anew: drop what was kept of its unfinished subscriptions."""
        with self._change():
            self._connection.executemany("DELETE FROM resource WHERE place = ?", [(place,) for place in places])
            self._connection.execute("DELETE FROM batch WHERE number = ?", (batch,))

    # --- one subscription

    def bodies(self, place: int) -> Iterator[tuple[str, str]]:
        """Id in lower case and JSON of every resource of a subscription that Resource Graph listed, in order of id.

        What is replaced meanwhile does not disturb.
        """
        query = "SELECT key, body FROM resource WHERE place = ? AND key > ? AND graph = 1 ORDER BY key LIMIT 1000"
        after = ""
        while rows := self._connection.execute(query, (place, after)).fetchall():
            yield from rows
            after = rows[-1][0]

    def replace(self, place: int, changed: Iterable[tuple[str, str]], *, graph: bool) -> None:
        """Keep resources (id in lower case, JSON) that differ from what the pages brought, or are new: not `graph`."""
        with self._change():
            rows = ((place, key, graph, body) for key, body in changed)
            self._connection.executemany("INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?)", rows)

    def finish(self, place: int, seen: Seen, items: Iterable[tuple[str, str, object]] = ()) -> None:
        """The resources of a subscription are all kept; this is the rest, and then it is done.

        Args:
            items: kind (`gap`, `group`, `subscription`, `governance`), key, value.
        """
        with self._change():
            self._keep(place, items)
            told = (compact_json(seen), place)
            self._connection.execute("UPDATE subscription SET done = 1, seen = ? WHERE place = ?", told)

    def keep(self, place: int, items: Iterable[tuple[str, str, object]]) -> None:
        """Keep values beside the resources; one that is kept under the same kind, place and key is replaced."""
        with self._change():
            self._keep(place, items)

    def drop(self, place: int, kind: str, prefix: str) -> None:
        """Drop values of a kind whose key begins so: an earlier run kept them, and what is known now is otherwise."""
        with self._change():
            told = (kind, place, prefix, f"{prefix}\U0010ffff")
            self._connection.execute("DELETE FROM item WHERE kind = ? AND place = ? AND key >= ? AND key < ?", told)

    def _keep(self, place: int, items: Iterable[tuple[str, str, object]]) -> None:
        rows = ((kind, place, key, compact_json(value)) for kind, key, value in items)
        self._connection.executemany("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", rows)

    # --- the whole

    def resources(self) -> StoredRows[Resource]:
        """Every resource, by subscription in the order of the scope, then by id."""
        return StoredRows(self._connection, Resource, "SELECT body FROM resource ORDER BY place, key")

    def items(self, kind: str, of: type[T]) -> StoredRows[T]:
        """Everything of one kind, in the same order."""
        return StoredRows(self._connection, of, "SELECT body FROM item WHERE kind = ? ORDER BY place, key", (kind,))

    def seen(self) -> tuple[Seen, ...]:
        """What the listers saw, by subscription."""
        rows = self._connection.execute("SELECT seen FROM subscription WHERE seen IS NOT NULL ORDER BY place")
        return tuple(decode(Seen, body) for (body,) in rows)

    def gaps(self) -> tuple[Gap, ...]:
        """Every gap, by subscription, each time in the order in which they were found."""
        return tuple(self.items("gap", Gap))

    def close(self) -> None:
        """Close the file and keep it, to be gone on with. Idempotent."""
        self._connection.close()

    def discard(self) -> None:
        """Close the file and remove it: the inventory is whole and lies in the ledger."""
        self.close()
        if self.path is not None:
            _remove(self.path)

    def _goes_on(self, scope: str, now: datetime) -> bool:
        """Whether the file holds a part of the inventory that is asked for. One that is damaged does not."""
        try:
            row = self._connection.execute("SELECT format, scope, begun FROM head").fetchone()
        except sqlite3.OperationalError as wrong:
            if "locked" in str(wrong):
                raise
            return False
        except sqlite3.DatabaseError:
            return False
        if row is None or row[:2] != (_FORMAT, scope):
            return False
        return timedelta(0) <= now - datetime.fromisoformat(row[2]) <= KEPT

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._change():
            self._connection.execute(statement, values)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with _spoken(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def scope_text(cloud: str, tenant_id: str, subscriptions: Iterable[str], management_group: str) -> str:
    """What is asked for, as a spool compares it."""
    asked = [cloud, tenant_id, sorted({one.lower() for one in subscriptions}), management_group.lower()]
    return json.dumps(asked, separators=(",", ":"))


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None and not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # The connection is made in the thread of the task and read in that of the flow, one after the other.
    connection = sqlite3.connect(path or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
    # Rows have one to two KiB; in pages of the usual 4 KiB each would get one to itself.
    for pragma in (
        "page_size = 32768",
        "locking_mode = EXCLUSIVE",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "cache_size = -16000",
    ):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            break  # Not a database: `_goes_on` says so, and the file is made anew.
    return connection


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


@contextmanager
def _spoken(path: Path | None) -> Iterator[None]:
    """Database errors as sentences."""
    try:
        yield
    except sqlite3.OperationalError as wrong:
        if "locked" in str(wrong):
            raise TryLater(
                f"Another process is taking the inventory of this migration ({path} is in use).",
                next_step="Let it finish, or stop it; then give the same command again.",
            ) from None
        raise ResumeLater(
            f"The partial inventory {path} cannot be written: {wrong}.",
            next_step="Free some space, check the folder's rights, and give the same command again; it goes on.",
        ) from None
    except OSError as wrong:
        raise ResumeLater(
            f"The partial inventory {path} cannot be written: {wrong.strerror}.",
            next_step="Check the migration folder's rights and give the same command again.",
        ) from None
