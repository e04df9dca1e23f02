"""How much is in flight: objects by a controller per target account, bytes by a budget, and caps over all workers.

`mappings.pacing` decides; here is what asks it, counts, and lets others wait. Nothing here is per object but two
integer comparisons: an object that finds a place pays for no lock, no task and no clock.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mappings.errors import FixTheInput
from mappings.pacing import (
    ACCOUNT_REQUESTS,
    AUTO,
    FEWEST,
    SHORTEST_ROUND,
    Allowed,
    Bounds,
    Caps,
    Round,
    Timetable,
    after_complaint,
    after_round,
    first_state,
    too_many,
)
from mappings.settings import Copy
from tasks.copiers.allowance import Allowance

log = logging.getLogger("govlift")

LONGEST_REST = 300.0
"""Seconds of a Retry-After that are honoured at once; a service that wants more says so again."""
_SETTLING = 2.0
"""Seconds after which what was in flight at a cut has surely been told of it."""
_MOST_LAPS = 4
"""Times that all in flight is replaced in one round, at most, where that is few objects."""
_LOOK_AGAIN = 30.0
"""Seconds between two looks at the clock on the wall, which may be set or pass over a suspended machine."""


class Pace:
    """The gate of one target account in this process.

    Args:
        account: the account, for messages.
        bounds: what the limit may be.
        allowance: the caps of the run, shared with the other accounts.
        clock: seconds.
        work: seconds that the event loop has worked, not waited.
    """

    def __init__(
        self,
        account: str = "",
        bounds: Bounds | None = None,
        allowance: Allowance | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.thread_time,
    ) -> None:
        self.account = account
        self._bounds = bounds or Bounds()
        self._allowance = allowance
        self._clock, self._work = clock, work
        self._state = first_state(self._bounds)
        self.limit = self._state.limit
        """Objects that may be in flight."""
        self._room = self.limit
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._finished = self._throttled = 0
        self._full = False
        self._warming = True
        self._laps, self._lap_end = 0, 1
        self._began, self._worked = clock(), work()
        self._cut_at = float("-inf")
        self._rests_until = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self._paused = False
        self.throttled = 0
        """Answers that asked to slow down, since the start."""

    @property
    def busy(self) -> int:
        """Objects in flight."""
        return self._busy

    @property
    def capped(self) -> bool:
        """Whether `spend` has to be asked before a request; False costs nothing."""
        return self._allowance is not None and self._allowance.limited

    @property
    def resting(self) -> bool:
        """Whether nothing new begins: the service named a time, or it is outside of the hours."""
        return self._room == 0

    @property
    def held(self) -> bool:
        """Whether it may be that nothing moves, and all is well: at rest, or waiting for a share of the caps."""
        return self.resting or (self._allowance is not None and self._allowance.waiting)

    def try_enter(self) -> bool:
        """Take a place if one is free."""
        if self._busy < self._room:
            self._busy += 1
            return True
        self._full = True
        return False

    async def enter(self) -> None:
        """Wait for a place; first come, first served."""
        if not self._waiting and self.try_enter():
            return
        self._full = True
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._busy -= 1
                self._admit()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self._busy -= 1
        self._finished += 1
        if self._finished >= self._lap_end:
            self._end_lap()
        if self._waiting:
            self._admit()

    def withdraw(self) -> None:
        """Give the place back of an object that did not use it: nothing is learnt from that."""
        self._busy -= 1
        if self._waiting:
            self._admit()

    def slow(self, retry_after: float | None = None) -> None:
        """The service throttled a request, of whichever object.

        Args:
            retry_after: seconds that it asked for: nothing new begins at this account until then.
        """
        now = self._clock()
        self._throttled += 1
        self.throttled += 1
        if retry_after:
            self._rest(now + min(retry_after, LONGEST_REST))
        if too_many(self._throttled, self._finished, self.limit):
            self._complain(now)

    async def spend(self, requests: int, size: int = 0) -> None:
        """Wait until the hours and the caps of the run allow so many requests and bytes more."""
        if self._allowance is not None:
            await self._allowance.spend(self.account, requests, size)

    async def turn(self) -> None:
        """Wait until the hours and the caps of the run allow one request more that reads no content."""
        if self.capped:
            await self.spend(1)

    def pause(self, paused: bool) -> None:
        """Begin nothing new, or go on; what is in flight is held back by the allowance."""
        self._paused = paused
        self._apply()

    def bound(self, objects_per_second: float) -> None:
        """Set this process's share of what the account takes."""
        bounds = self._bounds
        self._bounds = Bounds(bounds.most, bounds.least, objects_per_second)

    def _complain(self, now: float) -> None:
        # What was sent before the last cut says nothing about the limit after it.
        settled = self._busy <= self.limit or now - self._cut_at > _SETTLING
        if settled and now - self._cut_at > self._state.rate_hint:
            self._state = after_complaint(self._state, self._bounds)
            self._cut_at = now
        self._new_round(now)

    def _end_lap(self) -> None:
        now = self._clock()
        if self._warming and not self._throttled:
            # Those that the last growth let in had connections to open first: that says nothing about the limit.
            self._warming = False
            self._new_round(now)
            return
        seconds = now - self._began
        self._laps += 1
        if seconds < SHORTEST_ROUND or (self._finished < FEWEST and self._laps < _MOST_LAPS):
            self._lap_end = self._finished + self._busy + 1
            return
        busy = (self._work() - self._worked) / seconds
        seen = Round(seconds, self._finished, seconds / self._laps, self._throttled, self._full, busy)
        before = self._state.limit
        self._state = after_round(self._state, seen, self._bounds)
        self._warming = self._state.doubling and self._state.limit > before
        self._new_round(now)

    def _new_round(self, now: float) -> None:
        self._finished = self._throttled = 0
        self._full = bool(self._waiting)
        # The one that enters next ends when all that are in flight have ended, in number.
        self._laps, self._lap_end = 0, self._busy + 1
        self._began, self._worked = now, self._work()
        self._apply()

    def _rest(self, until: float) -> None:
        if until <= self._rests_until:
            return
        self._rests_until = until
        if self._waking is not None:
            self._waking.cancel()
        self._waking = asyncio.get_running_loop().call_later(until - self._clock(), self._wake)
        self._apply()

    def _wake(self) -> None:
        self._waking = None
        self._rests_until = 0.0
        self._new_round(self._clock())

    def _apply(self) -> None:
        self.limit = self._state.limit
        self._room = 0 if self._paused or self._rests_until else self.limit
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._busy < self._room:
            place = self._waiting.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)


class PaceBook:
    """The paces of all target accounts of one process, and the caps that they share with the other processes.

    Args:
        most: objects in flight at one account, at most.
        timetable: caps and hours of the run.
        zone: time zone of the hours.
    """

    def __init__(
        self,
        most: int = AUTO,
        timetable: Timetable | None = None,
        zone: tzinfo = UTC,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._zone, self._now, self._clock = most, zone, now, clock
        self._timetable = timetable or Timetable()
        self._allowance = Allowance(clock=clock)
        self._paces: dict[str, Pace] = {}
        self._workers = 1
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self.note = ""
        """Why the run pauses or goes slower, for a reader; "" where it does not."""

    def of(self, account: str) -> Pace:
        """The pace of one target account, always the same; to be called in the event loop that copies."""
        pace = self._paces.get(account)
        if pace is None:
            if not self._paces:
                self._look()
            bounds = Bounds(most=self._most, objects_per_second=ACCOUNT_REQUESTS / self._workers)
            pace = self._paces[account] = Pace(account, bounds, self._allowance, clock=self._clock)
            pace.pause(self._paused)
        return pace

    def share(self, workers: int) -> None:
        """Tell how many processes work on the run now: this one takes its part of the caps."""
        if workers != self._workers and workers > 0:
            self._workers = workers
            for pace in self._paces.values():
                pace.bound(ACCOUNT_REQUESTS / workers)
            self._look()

    def shared(self) -> Caps:
        """This process's part of the caps that are in force now; none while it pauses."""
        caps = self._timetable.caps_at(self._now().astimezone(self._zone)) or Caps()
        return Caps(caps.requests_per_second / self._workers, caps.bytes_per_second / self._workers)

    def allowed(self) -> Allowed:
        """What the hours and caps of the run allow at this moment."""
        return self._timetable.allowed_at(self._now().astimezone(self._zone))

    def in_flight(self) -> dict[str, int]:
        """Target account -> objects in flight that its pace allows now; 0 while it rests."""
        return {name: 0 if pace.resting else pace.limit for name, pace in self._paces.items()}

    def throttled(self) -> int:
        """Answers of all accounts that asked to slow down."""
        return sum(pace.throttled for pace in self._paces.values())

    def throttles(self) -> dict[str, int]:
        """Target account -> answers that asked to slow down, where there were any."""
        return {name: pace.throttled for name, pace in self._paces.items() if pace.throttled}

    def close(self) -> None:
        """Stop looking at the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Take the caps of this hour, and look again when it changes."""
        local = self._now().astimezone(self._zone)
        self._tell(self._timetable.told_at(local))
        self._paused = self._timetable.caps_at(local) is None
        share = self.shared()
        self._allowance.allow(share.requests_per_second, share.bytes_per_second, closed=self._paused)
        for pace in self._paces.values():
            pace.pause(self._paused)
        self.close()
        if self._timetable.hours is not None:
            left = (self._timetable.hours.changes_after(local) - local.astimezone(UTC)).total_seconds()
            # A little late rather than a little early, when it would still be the old hour.
            self._timer = asyncio.get_running_loop().call_later(min(left, _LOOK_AGAIN) + 0.05, self._look)

    def _tell(self, note: str) -> None:
        if note != self.note:
            log.info("pace: %s", note or "inside of copy.hours; going on")
        self.note = note


def paces_of(copy: Copy) -> PaceBook:
    """The paces that `[copy]` asks for.

    Raises:
        FixTheInput: there is no such time zone.
    """
    return PaceBook(copy.most_in_flight, copy.timetable, zone_named(copy.hours_zone))


def zone_named(name: str) -> tzinfo:
    """The time zone with this IANA name.

    Raises:
        FixTheInput: there is none here.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FixTheInput(
            f'copy.hours_zone: there is no time zone "{name}" on this machine.',
            next_step='Use an IANA name such as "America/New_York", or "UTC".',
        ) from None


class ByteBudget:
    """Bytes held in memory at once, given out first come, first served.

    One request larger than the budget passes when nothing else is held.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self.peak = 0

    def try_take(self, amount: int) -> bool:
        """Hold `amount` bytes if there is room now."""
        if self._queue or not self._fits(amount):
            return False
        self._hold(amount)
        return True

    async def take(self, amount: int) -> None:
        """Wait until `amount` bytes may be held."""
        if self.try_take(amount):
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
