"""A request with a callback: what succeeds at once costs no coroutine, no task and no future.

It is sent once. Whatever is no plain success (a refusal, a lost line) is told as such, and who asked goes the ordinary
way, `Caller.ask`, which owns the retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.clients.wire.answers import AnswerReader, Reply
from tasks.clients.wire.line import Line

if TYPE_CHECKING:
    from tasks.clients.wire.caller import Caller

Then = Callable[[Reply | None, float], None]
"""Called once, with the answer of a success. None says that it was none, with the seconds to wait before it is asked
for in the ordinary way."""


class Call:
    """One such request, under way; a line's waiter."""

    __slots__ = ("_caller", "_line", "_over", "_reader", "_task", "_then")

    def __init__(self, caller: Caller, then: Then, most: int) -> None:
        self._caller = caller
        self._then: Then | None = then
        """None once it was called: what it holds may hold this call."""
        self._reader: AnswerReader | None = AnswerReader(bodiless=False, most=most)
        """None once it is over: who asked may hold this call for long, and the reader holds the body."""
        self._line: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def send(self, line: Line, head: bytes, body: bytes | memoryview, patience: float) -> None:
        self._line, self._task = line, None
        assert self._reader is not None
        line.begin(head, body, self._reader, patience, self)

    def wait_for(self, task: asyncio.Task[None]) -> None:
        """`task` gets a line and sends."""
        self._task = task

    def done(self) -> bool:
        return self._over

    def set_result(self, _: None, /) -> None:
        self._over = True
        line, self._line = self._line, None
        if line is not None and line.alive:
            self._caller.give(line)
        reader, then = self._reader, self._then
        assert reader is not None and reader.reply is not None and then is not None
        reply, self._reader, self._then = reader.reply, None, None
        if reply.status < 300:
            then(reply, 0.0)
        else:
            then(None, self._caller.heed(reply))

    def set_exception(self, _: Exception, /) -> None:
        """There was no answer, or no line. The ordinary way meets the same where it lasts, and says it."""
        then, self._then, self._line, self._task = self._then, None, None, None
        self._over, self._reader = True, None
        assert then is not None
        then(None, 0.0)

    async def cancel(self) -> None:
        """Tell nobody any more, and close the line."""
        self._over = True
        line, self._line = self._line, None
        if line is not None:
            line.drop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
