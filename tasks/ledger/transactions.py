"""The two ways to touch the ledger: a consistent view, and a change that is committed whole with its events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from mappings.codec import canonical_json
from mappings.evidence import Event, Head, link
from tasks.ledger import schema
from tasks.ledger.failures import translated


@contextmanager
def viewing(engine: Engine, place: str) -> Iterator[Connection]:
    """One consistent view of the ledger."""
    with translated(place), engine.connect() as connection:
        yield connection


class Writing:
    """What every writer has: a transaction, and the chain to append to."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place

    def record(self, kind: str, detail: Mapping[str, Any], *, now: datetime) -> Event:
        """Append an event to the chain.

        Args:
            kind: what happened, as `noun.verb`.
            detail: anything with a JSON form; never a secret.
            now: when, with a zone.
        """
        with self._change() as connection:
            return append(connection, kind, detail, now=now)

    @contextmanager
    def _change(self, *, appends: bool = True) -> Iterator[Connection]:
        """A transaction, committed at the end, undone at an exception.

        On SQLite it holds the one write lock from the start. On PostgreSQL a change that appends to the chain holds the
        chain's end from the start, so that such changes come one after the other and can never wait for each other in a
        circle; one that does not may touch only rows that are its own or that it locks without waiting.
        """
        with translated(self._place), self._engine.begin() as connection:
            if appends and connection.dialect.name != "sqlite":
                connection.execute(_END)
            yield connection


_END = select(schema.ledger.c.events, schema.ledger.c.head).with_for_update()
_INSERT = insert(schema.chain)
_MOVE_END = update(schema.ledger).values(events=bindparam("new_events"), head=bindparam("new_head"))


def append(connection: Connection, kind: str, detail: Mapping[str, Any], *, now: datetime) -> Event:
    """Append an event within a change, so that what happened and its record are committed together."""
    row = connection.execute(_END).one()
    # Through JSON, so that what is hashed now is what a reader will parse and hash again.
    text = canonical_json(detail)
    event = link(Head(row.events, row.head), kind, json.loads(text), at=now)
    values = {"number": event.number, "at": now, "kind": kind, "detail": text, "previous": event.previous}
    connection.execute(_INSERT, values | {"hash": event.hash})
    connection.execute(_MOVE_END, {"new_events": event.number, "new_head": event.hash})
    return event
