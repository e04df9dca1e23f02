"""The open lines of one host: reused last in, first out, bounded, swept of what is silent or idle too long."""

from __future__ import annotations

import asyncio
from collections import deque

from mappings.errors import AskForApproval
from tasks.clients.wire.answers import AnswerReader, Reply
from tasks.clients.wire.dial import Dialer
from tasks.clients.wire.line import Line, Lost

IDLE_SECONDS = 50.0
"""An idle line is closed after this; load balancers of Azure drop one after four minutes, proxies often after one."""
_SWEEP = 1.0
_DIALS = 32
"""Handshakes under way at once; more would hold up the answers on the lines that are open."""


class Pool:
    """Lines to one host.

    Args:
        most: open lines; who comes then waits for one.
        reads_only: refuse whatever is neither GET nor HEAD. The last of the locks before the source, and the nearest to
            the socket.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        dialer: Dialer,
        *,
        most: int,
        reads_only: bool,
    ) -> None:
        self.opened = 0
        """Lines opened in all."""
        self._loop, self._dialer, self._most = loop, dialer, most
        self._lines: set[Line] = set()
        self._idle: list[Line] = []
        self._pending = 0
        self._waiting: deque[asyncio.Future[Line | None]] = deque()
        self._dials = asyncio.Semaphore(_DIALS)
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._reads_only = reads_only

    async def ask(
        self, head: bytes, body: bytes | memoryview, safe: bool, bodiless: bool, most: int, patience: float
    ) -> Reply:
        """One request, and its answer.

        A kept line may be closed by the service while we write to it. So what was lost on a used line without a byte
        of answer is asked once more on a new one, where it cannot have been carried out, or where that does no harm.

        Args:
            safe: the request changes nothing.
            bodiless: the answer has no body, whatever its headers say (HEAD).
            most: bytes that the answer's body may have.
            patience: seconds without a byte after which it is given up.

        Raises:
            Lost: no whole answer.
            FixTheInput: as `Dialer.open`.
            AskForApproval: a write on a pool that only reads.
        """
        self.allow(head, body)
        again = False
        while True:
            line = await self.take(new=again)
            reused = line.used > 0
            reader = AnswerReader(bodiless=bodiless, most=most)
            try:
                await line.ask(head, body, reader, patience)
            except Lost as lost:
                line.drop()
                if again or not reused or lost.heard or not (safe or lost.unsent):
                    raise
                again = True
                continue
            except BaseException:
                # Cancelled, for one: what is half asked or half read is never used again.
                line.drop()
                raise
            if line.alive:
                self.give(line)
            assert reader.reply is not None
            return reader.reply

    def allow(self, head: bytes, body: bytes | memoryview) -> None:
        """Raises AskForApproval where a write was to go to what is only read."""
        if self._reads_only and (body or not head.startswith((b"GET ", b"HEAD "))):
            raise AskForApproval(
                "A request that is neither GET nor HEAD was to be sent to the source, which is only ever read.",
                next_step="This is a defect of govlift: report it with this sentence.",
            )

    # --- lines ---

    def idle(self) -> Line | None:
        """A line that is open and free, if there is one now."""
        while self._idle:
            line = self._idle.pop()
            if line.alive:
                return line
        return None

    async def take(self, *, new: bool = False) -> Line:
        """A line of one's own, to be given back where it is still alive; waits while too many are open."""
        while True:
            if not new and (line := self.idle()) is not None:
                return line
            if len(self._lines) + self._pending < self._most:
                return await self._open()
            if new and self._idle:
                self._idle.pop(0).drop("a new one is wanted")
                continue
            place: asyncio.Future[Line | None] = self._loop.create_future()
            self._waiting.append(place)
            try:
                given = await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._pass_on(place.result())
                raise
            if given is not None and given.alive:
                if not new or not given.used:
                    return given
                given.drop("a new one is wanted")

    async def _open(self) -> Line:
        self._pending += 1
        try:
            async with self._dials:
                line = await self._dialer.open(self._gone)
        except BaseException:
            self._pending -= 1
            self._pass_on(None)
            raise
        self._pending -= 1
        self.opened += 1
        self._lines.add(line)
        if self._closed:
            line.drop("closed")
            raise Lost("the client was closed", unsent=True)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)
        return line

    def give(self, line: Line) -> None:
        """Give back a line that is alive and free."""
        if self._closed:
            line.drop("closed")
        elif self._waiting:
            self._pass_on(line)
        else:
            self._idle.append(line)

    def _pass_on(self, line: Line | None) -> None:
        """Hand a line, or the room for one, to who waits first."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(line)
                return
        if line is not None and line.alive:
            self._idle.append(line)

    def _gone(self, line: Line) -> None:
        self._lines.discard(line)
        if not line.busy and line in self._idle:
            self._idle.remove(line)
        self._pass_on(None)

    def _sweep(self) -> None:
        """Give up what is silent, close what is idle."""
        now = self._loop.time()
        for line in list(self._lines):
            if line.overdue(now):
                line.drop(f"no byte for {line.patience:.0f} s")
        while self._idle and now - self._idle[0].seen > IDLE_SECONDS:
            self._idle.pop(0).drop("idle")
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep) if self._lines else None

    def close(self) -> None:
        """Close all lines; what is under way fails as lost."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for line in list(self._lines):
            line.drop("closed")
        self._idle.clear()
        while self._waiting:
            self._pass_on(None)
