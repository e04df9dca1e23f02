"""Opens the ledger: engines, transactions, schema. One engine writes; another, which cannot write, is for readers."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from mappings.errors import FixTheInput
from mappings.evidence import GENESIS
from tasks.ledger import schema
from tasks.ledger.failures import translated
from tasks.ledger.reader import LedgerReader
from tasks.ledger.writer import LedgerWriter

_BUSY_SECONDS = 30.0
"""How long a SQLite connection waits for another's transaction."""

_ONLY_FEWER_TABLES = (1, 2)
"""Schema versions that differ from today's by tables and indexes that they lack."""

_MAKING = 0x676F766C
"""Number of the PostgreSQL lock under which tables are made: two machines may open a new ledger at once."""


class Ledger:
    """An open ledger: `reader` for whoever looks, `writer` for whoever commits."""

    def __init__(self, reading: Engine, writing: Engine, place: str) -> None:
        self._engines = (reading, writing)
        self.place = place
        """File, or URL without the password."""
        self.reader = LedgerReader(reading, place)
        self.writer = LedgerWriter(writing, place)

    def close(self) -> None:
        """Close every connection. Idempotent."""
        for engine in self._engines:
            engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_store(url: str, *, create: bool) -> Ledger:
    """As `tasks.ledger.open_ledger`."""
    parsed = _parse(url)
    place = parsed.database or "" if _is_sqlite(parsed) else parsed.render_as_string(hide_password=True)
    if _is_sqlite(parsed):
        _prepare_file(parsed, place, create=create)
    try:
        writing = _engine(parsed, writes=True)
    except ImportError as missing:
        raise FixTheInput(
            f"The driver for {parsed.drivername} is not installed ({missing.name}).",
            next_step="Install it beside govlift, or leave ledger.url empty.",
        ) from None
    try:
        with translated(place):
            _ensure_schema(writing, place, create=create)
    except BaseException:
        writing.dispose()
        raise
    return Ledger(_engine(parsed, writes=False), writing, place)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _parse(url: str) -> URL:
    form = "Write it as sqlite:////folder/ledger.db or postgresql+psycopg://host/database."
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        # The URL itself is not shown: it may hold a password.
        raise FixTheInput("ledger.url in the settings is not a database URL.", next_step=form) from None
    if _is_sqlite(parsed) and parsed.database in (None, "", ":memory:"):
        raise FixTheInput("ledger.url names no file, so nothing would be kept.", next_step=form)
    return parsed


def _prepare_file(url: URL, place: str, *, create: bool) -> None:
    """Make the file readable for its owner only: it holds the customer's estate."""
    path = Path(place)
    if path.exists():
        return
    if not create:
        raise FixTheInput(
            f"There is no ledger at {place}.", next_step="Run `govlift inventory` first, or name the migration folder."
        )
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as wrong:
        raise FixTheInput(
            f"The ledger {place} cannot be made: {wrong.strerror}.",
            next_step="Check that the migration folder exists and that this user may write in it.",
        ) from None


def _engine(url: URL, *, writes: bool) -> Engine:
    if not _is_sqlite(url):
        mode = {} if writes else {"postgresql_readonly": True}
        return create_engine(url, pool_pre_ping=True).execution_options(**mode)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, pool_size=4, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own transaction handling begins too late; `begin` below says when.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous = FULL")
        if not writes:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads before it writes must hold the write lock from its first statement on: two workers
        # would otherwise both see a shard as free, and one would fail at the end instead of waiting at the start.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _ensure_schema(engine: Engine, place: str, *, create: bool) -> None:
    if engine.dialect.name == "sqlite":
        _use_wal(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MAKING)))
        if not inspect(connection).has_table(schema.ledger.name):
            if not create:
                raise FixTheInput(f"There is no ledger in {place}.", next_step="Run `govlift inventory` first.")
            schema.tables.create_all(connection)
            row = {"one": 1, "schema_version": schema.SCHEMA_VERSION, "events": 0, "head": GENESIS}
            connection.execute(insert(schema.ledger).values(row))
        version = connection.execute(select(schema.ledger.c.schema_version)).scalar_one()
        if version in _ONLY_FEWER_TABLES:
            schema.tables.create_all(connection)
            schema.event_by_kind.create(connection, checkfirst=True)
            connection.execute(update(schema.ledger).values(schema_version=schema.SCHEMA_VERSION))
            version = schema.SCHEMA_VERSION
    if version != schema.SCHEMA_VERSION:
        raise FixTheInput(
            f"The ledger {place} has schema version {version}; this govlift works with {schema.SCHEMA_VERSION}.",
            next_step="Use the version of govlift that began this migration.",
        )


def _use_wal(engine: Engine) -> None:
    """Switch the file to write-ahead logging once; readers then never wait for the writer.

    The switch needs the file alone, and SQLite does not wait for that: who opens it at the same moment tries again.
    """
    raw = engine.raw_connection()
    try:
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                if _pragma(raw, "PRAGMA journal_mode") != "wal":
                    _pragma(raw, "PRAGMA journal_mode = WAL")
                return
            except sqlite3.DatabaseError as wrong:
                if "locked" not in str(wrong) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
    finally:
        raw.close()


def _pragma(raw: Any, statement: str) -> Any:
    cursor = raw.cursor()
    try:
        cursor.execute(statement)
        return cursor.fetchone()[0]
    finally:
        cursor.close()
