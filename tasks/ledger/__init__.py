"""The ledger: the one truth about runs, plans, shards and evidence of a migration.

Importing this package is cheap; SQLAlchemy is loaded when a ledger is opened.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.ledger.refusals import IllegalMove, LostLease

if TYPE_CHECKING:
    from tasks.ledger.reader import LedgerReader as LedgerReader
    from tasks.ledger.store import Ledger as Ledger
    from tasks.ledger.writer import LedgerWriter as LedgerWriter

__all__ = ["IllegalMove", "Ledger", "LedgerReader", "LedgerWriter", "LostLease", "ledger_url", "open_ledger"]

_LAZY = {"Ledger": "store", "LedgerReader": "reader", "LedgerWriter": "writer"}


def open_ledger(url: str, *, create: bool = True) -> Ledger:
    """Open a ledger, and make it where there is none.

    Args:
        url: SQLAlchemy URL, as `ledger_url` gives.
        create: False refuses where there is no ledger yet, for commands that only read.

    Raises:
        FixTheInput: the URL is wrong, the file cannot be opened, is no ledger, or was made by another version.
        ResumeLater: the disk is full, or another process holds the file locked.
        TryLater: the database server does not answer.
    """
    from tasks.ledger.store import open_store

    return open_store(url, create=create)


def ledger_url(folder: Path, url: str = "") -> str:
    """URL of the ledger of the migration in `folder`; `url` is `settings.ledger.url`, "" for `ledger.db` there."""
    return url or f"sqlite:///{(folder / 'ledger.db').resolve()}"


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"tasks.ledger.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
