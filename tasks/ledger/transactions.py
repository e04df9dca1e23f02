"""The two ways to touch the ledger: a consistent view, and a change that is committed whole with its events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

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
    def _change(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from the start; committed at the end, undone at an exception."""
        with translated(self._place), self._engine.begin() as connection:
            yield connection


def append(connection: Connection, kind: str, detail: Mapping[str, Any], *, now: datetime) -> Event:
    """Append an event within a change, so that what happened and its record are committed together."""
    table = schema.ledger
    row = connection.execute(select(table.c.events, table.c.head).with_for_update()).one()
    # Through JSON, so that what is hashed now is what a reader will parse and hash again.
    text = canonical_json(detail)
    event = link(Head(row.events, row.head), kind, json.loads(text), at=now)
    connection.execute(
        insert(schema.chain).values(
            number=event.number, at=now, kind=kind, detail=text, previous=event.previous, hash=event.hash
        )
    )
    connection.execute(update(table).values(events=event.number, head=event.hash))
    return event
