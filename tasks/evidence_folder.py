"""Whether this machine sees the folder that holds the evidence: workers on several machines must share it.

A number that nobody can guess lies in the folder and in the ledger. A worker whose folder has another one, or none,
would write manifests that nobody finds again, and would know nothing of what an attempt before it had begun.
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.errors import FixTheInput

if TYPE_CHECKING:
    from tasks.ledger.reader import LedgerReader
    from tasks.ledger.writer import LedgerWriter

MARK = "evidence/folder-id"
_EVENT = "evidence.folder"


def mark_folder(folder: Path, reader: LedgerReader, writer: LedgerWriter, *, now: datetime) -> None:
    """Make the mark of a migration folder where it has none, and record it. For the process that leads a run."""
    path = folder / MARK
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
        fresh.rename(path)
    if (found := _mark(folder)) != _recorded(reader):
        writer.record(_EVENT, {"mark": found}, now=now)


def require_folder(folder: Path, reader: LedgerReader) -> None:
    """Refuse to work where the evidence would go somewhere else than that of the run's other workers.

    Raises:
        FixTheInput: it would.
    """
    if _mark(folder) != _recorded(reader):
        raise FixTheInput(
            f"{folder} is not the migration folder that the run writes its evidence to.",
            next_step="Mount the same migration folder on every machine (docs/scale-out.md), and name its "
            "migration.toml with --config.",
        )


def _mark(folder: Path) -> str:
    try:
        return (folder / MARK).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _recorded(reader: LedgerReader) -> str:
    last = ""
    for event in reader.events(_EVENT):
        last = str(event.detail["mark"])
    return last
