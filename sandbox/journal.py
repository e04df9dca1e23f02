"""What was asked, request by request, where a test must know more than a count: begun on demand, and bounded."""

from __future__ import annotations

import time
from collections import deque

MOST = 500_000


class Journal:
    """Requests to the blob services, and writes to ARM, with the times at which each arrived and was answered."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, float, str, int]] | None = None

    def begin(self) -> None:
        """Keep requests from now on; what was kept before is forgotten."""
        self._entries = deque(maxlen=MOST)

    def note(self, arrived: float, line: str, status: int) -> None:
        """Keep one request, as `interception.line_of` gives it, with its arrival and its answer."""
        if self._entries is not None:
            self._entries.append((arrived, time.time(), line, status))

    def report(self) -> list[tuple[float, float, str, int]]:
        """Every request kept: arrived and answered, in seconds since the epoch, request, status."""
        return list(self._entries or ())
