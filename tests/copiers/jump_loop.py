"""An event loop whose time stands still while anything can go on, and jumps to the next timer when nothing can."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class JumpLoop(asyncio.SelectorEventLoop):
    """Hours pass in no time, and always in the same way. Nothing from outside is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]
            timers = (one.when() for one in self._scheduled if not one.cancelled())  # type: ignore[attr-defined]
            self._now = max(self._now, min(timers, default=self._now))
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end by the time of such a loop."""
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        return runner.run(work)
