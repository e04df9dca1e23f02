"""How much is in flight: objects by additive increase and multiplicative decrease, bytes by a budget."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """A gate for objects in flight that halves when the service says so and grows back one by one.

    Args:
        most: objects in flight at full pace.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = most
        self._busy = 0
        self._good = 0
        self._room = asyncio.Condition()

    async def enter(self) -> None:
        """Wait for a place."""
        async with self._room:
            await self._room.wait_for(lambda: self._busy < self.limit)
            self._busy += 1

    async def leave(self) -> None:
        """Give the place back; a full round without a complaint lets one more in."""
        async with self._room:
            self._busy -= 1
            self._good += 1
            if self._good >= self.limit and self.limit < self._most:
                self.limit += 1
                self._good = 0
            self._room.notify_all()

    def slow(self) -> None:
        """The service throttled: halve."""
        self.limit = max(1, self.limit // 2)
        self._good = 0


class ByteBudget:
    """Bytes held in memory at once, given out first come, first served.

    One request larger than the budget passes when nothing else is held.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self.peak = 0

    async def take(self, amount: int) -> None:
        """Wait until `amount` bytes may be held."""
        if not self._queue and self._fits(amount):
            self._hold(amount)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((place, amount))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.give(amount)
            raise

    def give(self, amount: int) -> None:
        """Give back what was taken. Not async, so that it also runs when a task ends before it began."""
        self._held -= amount
        while self._queue and (self._queue[0][0].cancelled() or self._fits(self._queue[0][1])):
            place, wanted = self._queue.popleft()
            if not place.cancelled():
                self._hold(wanted)
                place.set_result(None)

    def _fits(self, amount: int) -> bool:
        return self._held == 0 or self._held + amount <= self._most

    def _hold(self, amount: int) -> None:
        self._held += amount
        self.peak = max(self.peak, self._held)

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        await self.take(amount)
        try:
            yield
        finally:
            self.give(amount)
