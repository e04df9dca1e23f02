"""Caps on requests and bytes a second over all accounts of one process, fair between them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from mappings.pacing import BLOB_REQUESTS, PAGE_BLOB_BYTES

_BURST = 0.1
"""Seconds of allowance that may be saved up; a cap is kept over any second, not only on average."""


class _Bucket:
    """Tokens of one kind. What is spent beyond them is a debt that has to be worked off first."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.tokens = 0.0

    @property
    def open(self) -> bool:
        return not self.rate or self.tokens > 0

    @property
    def wait(self) -> float:
        return 0.0 if self.open else -self.tokens / self.rate + 0.001

    def fill(self, seconds: float) -> None:
        self.tokens = min(self.rate * _BURST, self.tokens + self.rate * seconds)

    def spend(self, amount: int) -> None:
        if self.rate:
            self.tokens -= amount


class Allowance:
    """Two token buckets, given out in turn to the accounts that wait, so that none takes all."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._requests, self._bytes = _Bucket(), _Bucket()
        self._filled = clock()
        self._queues: dict[str, deque[tuple[asyncio.Future[None], int, int]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.limited = False
        """Whether there is any cap, or nothing is given out at all."""

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for the cap."""
        return bool(self._queues)

    def allow(self, requests_per_second: float, bytes_per_second: float, *, closed: bool = False) -> None:
        """Set the caps; 0 is none. What is owed stays owed, in seconds.

        Args:
            closed: nothing is given out until the next call.
        """
        self._fill()
        for bucket, rate in ((self._requests, requests_per_second), (self._bytes, bytes_per_second)):
            if rate != bucket.rate:
                bucket.tokens = min(bucket.tokens * rate / bucket.rate, rate * _BURST) if bucket.rate else 0.0
                bucket.rate = rate
        self._closed = closed
        self.limited = closed or bool(requests_per_second or bytes_per_second)
        self._pump()

    async def spend(self, account: str, requests: int, size: int) -> None:
        """Wait for the turn of `account`, then take."""
        self._fill()
        if not self._queues and self._open:
            self._take(requests, size)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(account, deque()).append((place, requests, size))
        self._pump()
        await place

    @property
    def _open(self) -> bool:
        return not self._closed and self._requests.open and self._bytes.open

    def _fill(self) -> None:
        now = self._clock()
        self._requests.fill(now - self._filled)
        self._bytes.fill(now - self._filled)
        self._filled = now

    def _take(self, requests: int, size: int) -> None:
        self._requests.spend(requests)
        self._bytes.spend(size)

    def _pump(self) -> None:
        """Serve one of each account in turn while there is anything to give; come back when there is again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fill()
        while self._queues and self._open:
            account, queue = next(iter(self._queues.items()))
            place, requests, size = queue.popleft()
            del self._queues[account]
            if queue:
                self._queues[account] = queue  # To the end: the next turn is another's.
            if not place.done():
                self._take(requests, size)
                place.set_result(None)
        if self._queues and not self._closed:
            wait = max(self._requests.wait, self._bytes.wait)
            self._timer = asyncio.get_running_loop().call_later(wait, self._pump)


def of_one_blob(*, page: bool, clock: Callable[[], float] = time.monotonic) -> Allowance:
    """What the service takes to one blob; a page blob has a limit on bytes too, far below the account's."""
    own = Allowance(clock=clock)
    own.allow(BLOB_REQUESTS, PAGE_BLOB_BYTES if page else 0.0)
    return own
