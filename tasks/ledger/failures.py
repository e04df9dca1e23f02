"""Database errors, translated once to errors that say what to do. The raw text and the URL stay out of messages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, OperationalError

from mappings.errors import DoNotTrust, FixTheInput, GovliftError, ResumeLater, TryLater


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what the database raises into a `GovliftError`.

    Args:
        place: file of the ledger, or its URL without the password, for messages.

    Raises:
        ResumeLater: the disk is full, or another process holds the ledger locked.
        FixTheInput: the file cannot be opened or written, or is not a ledger.
        DoNotTrust: the file is damaged.
        TryLater: a database server does not answer.
    """
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as wrong:
        # The driver's own error comes where SQLAlchemy was not asked: while the file is opened.
        text = str(wrong.orig if isinstance(wrong, DatabaseError) else wrong).lower()
        known = _meaning(place, text, isinstance(wrong, OperationalError))
        if known is None:
            raise
        raise known from wrong


def _meaning(place: str, text: str, operational: bool) -> GovliftError | None:
    if "disk is full" in text or "disk i/o error" in text:
        return ResumeLater(
            f"The disk of the ledger {place} is full or cannot be written.",
            next_step="Free some space and give the same command again; it goes on where it stopped.",
        )
    if "is locked" in text:
        return ResumeLater(
            f"Another process holds the ledger {place} locked.",
            next_step="Let it finish (or stop it), then give the same command again.",
        )
    if "readonly" in text or "read-only" in text:
        return FixTheInput(
            f"The ledger {place} cannot be written.", next_step="Make the migration folder writable for this user."
        )
    if "unable to open" in text:
        return FixTheInput(
            f"The ledger {place} cannot be opened.",
            next_step="Check that the migration folder exists and that this user may read and write in it.",
        )
    if "not a database" in text:
        return FixTheInput(
            f"{place} is not a ledger of govlift.", next_step="Move that file away, or name another migration folder."
        )
    if "malformed" in text:
        return DoNotTrust(
            f"The ledger {place} is damaged.", next_step="Restore ledger.db from a backup of the migration folder."
        )
    if operational and "connect" in text:
        return TryLater(
            f"The database of the ledger {place} does not answer.",
            next_step="Check ledger.url in migration.toml and the database server, then run again.",
        )
    return None
