"""A clock for commands that a test moves.

Until a file, its gate, is there it is just before eight in the evening, UTC; from then on it is eight.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.copiers.pace import PaceBook

EIGHT = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)
# What is left until eight is how soon the pace looks at the clock again.
BEFORE = EIGHT - timedelta(seconds=0.2)


def keep_time(gate: Path) -> None:
    """Let the pace of this process go by this clock."""
    defaults = PaceBook.__init__.__kwdefaults__
    assert defaults is not None
    defaults["now"] = lambda: EIGHT if gate.exists() else BEFORE
