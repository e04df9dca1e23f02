"""The real command by a clock that a test moves: `python -m tests.e2e.by_clock GATE WORDS`.

Until the file GATE is there it is just before eight in the evening, UTC; from then on it is eight.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.cli import main
from tasks.copiers.pace import PaceBook

EIGHT = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)
# What is left until eight is how soon the pace looks at the clock again.
BEFORE = EIGHT - timedelta(seconds=0.2)


if __name__ == "__main__":
    gate = Path(sys.argv.pop(1))
    defaults = PaceBook.__init__.__kwdefaults__
    assert defaults is not None
    defaults["now"] = lambda: EIGHT if gate.exists() else BEFORE
    main()
