"""Lanes: a few coroutines that take prepared jobs from a bounded queue, and a line that keeps the results in order.

A task for each object would cost more than the object; a lane lives as long as its shard. There are as many lanes as
the pace lets objects in, made when there is work for them. What the express takes needs no lane: each object that
ends begins the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from mappings.objects import EvidenceRow
from tasks.copiers.express import Express
from tasks.copiers.pace import Pace
from tasks.copiers.plain import Job

CHUNK = 64
"""Jobs that are let loose together: one write to the journal for all of them."""
_WINDOW = 8
"""Families that may wait for an older one, in multiples of the pace's limit."""
_LEAST_WINDOW = 1024


class Line:
    """Rows in key order, whatever order their families finish in."""

    def __init__(self, out: Callable[[Sequence[EvidenceRow]], None]) -> None:
        self._out = out
        self._held: deque[Job | list[EvidenceRow]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, rows: list[EvidenceRow]) -> None:
        """Rows that are finished already."""
        if self._held:
            self._held.append(rows)
        else:
            self._out(rows)

    def open(self, job: Job) -> None:
        """Keep the next place for the rows of `job`."""
        self._held.append(job)

    def advance(self) -> None:
        """Give out what is finished at the head."""
        held = self._held
        while held:
            head = held[0]
            rows = head.rows if isinstance(head, Job) else head
            if rows is None:
                return
            held.popleft()
            self._out(rows)


class Lanes:
    """Carries jobs out, as many at once as the pace allows.

    Args:
        work: what is done for one job; gives its rows. Raises only what ends the shard.
        let_loose: called with the jobs of one chunk before the first of them begins.
        line: where the places of the jobs are kept; it is advanced as they finish.
        express: carries what it takes; None where the clients cannot.
    """

    def __init__(
        self,
        work: Callable[[Job], Awaitable[list[EvidenceRow]]],
        let_loose: Callable[[Sequence[Job]], None],
        line: Line,
        pace: Pace,
        express: Express | None = None,
    ) -> None:
        self._work, self._let_loose, self._line, self._pace = work, let_loose, line, pace
        self._express = express
        self._loop = asyncio.get_running_loop()
        self._chunk: list[Job] = []
        self._ready: deque[Job] = deque()
        self._swift: deque[Job] = deque()
        """For the express."""
        self._flying: set[Job] = set()
        """Carried by it now."""
        self._door: asyncio.Task[None] | None = None
        self._lanes: list[asyncio.Task[None]] = []
        self._idle: deque[asyncio.Future[None]] = deque()
        self._planner: asyncio.Future[None] | None = None
        self._soon = False
        self._busy = 0
        self._wrong: BaseException | None = None

    async def put(self, job: Job) -> None:
        """Give in one job; waits while too many are ahead.

        Raises:
            BaseException: what ended a lane.
        """
        self._line.open(job)
        self._chunk.append(job)
        if len(self._chunk) >= CHUNK:
            self._release()
            # The lanes have their turn, even while the listing is in memory and never waits.
            await asyncio.sleep(0)
            await self._room()
        elif not self._soon:
            # Where the listing makes us wait before the chunk is full, it goes as it is.
            self._soon = True
            self._loop.call_soon(self._release)
            await self._room()
        if self._wrong is not None:
            raise self._wrong

    async def drain(self) -> None:
        """Wait until every job is done. Raises as `put`."""
        self._release()
        while self._wrong is None and (self._ready or self._swift or self._busy):
            await self._wait()
        if self._wrong is not None:
            raise self._wrong

    async def stop(self) -> None:
        """Cancel what is under way, and await it."""
        self._swift.clear()
        if self._wrong is None:
            # What lands while the others are cancelled begins nothing more.
            self._wrong = asyncio.CancelledError()
        tasks = [*self._lanes, *([self._door] if self._door is not None else ())]
        for task in tasks:
            task.cancel()
        while self._flying and self._express is not None:
            await self._express.drop(self._flying.pop())
            self._pace.withdraw()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _full(self) -> bool:
        limit = self._pace.limit
        return len(self._ready) + len(self._swift) > limit + CHUNK or len(self._line) > max(
            _LEAST_WINDOW, _WINDOW * limit
        )

    async def _room(self) -> None:
        """Wait while too many are ahead."""
        while self._wrong is None and self._full():
            await self._wait()

    async def _wait(self) -> None:
        self._planner = self._loop.create_future()
        await self._planner

    def _wake(self) -> None:
        if self._planner is not None and not self._planner.done():
            self._planner.set_result(None)

    def _release(self) -> None:
        self._soon = False
        chunk, self._chunk = self._chunk, []
        if not chunk or self._wrong is not None:
            return
        try:
            self._let_loose(chunk)
        except BaseException as wrong:
            self._end(wrong)
            return
        express = self._express
        for job in chunk:
            (self._swift if express is not None and express.takes(job) else self._ready).append(job)
        if self._swift:
            self._fly()
        self._man(len(self._ready))

    def _man(self, wanted: int) -> None:
        """Have so many lanes at work, as far as the pace allows."""
        while self._idle and wanted:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                wanted -= 1
        while wanted and len(self._lanes) < self._pace.limit:
            self._lanes.append(self._loop.create_task(self._lane()))
            wanted -= 1

    # --- the express ---

    def _fly(self) -> None:
        """Begin as many as the pace lets in."""
        swift, pace = self._swift, self._pace
        while swift and self._wrong is None:
            if not pace.try_enter():
                if not self._flying and self._door is None:
                    # Nobody of ours will leave and let the next one in.
                    self._door = self._loop.create_task(self._wait_at_door())
                return
            self._take_off(swift.popleft())

    def _take_off(self, job: Job) -> None:
        """Begin one that was let in."""
        assert self._express is not None
        self._busy += 1
        self._flying.add(job)
        if not self._express.begin(job, self._landed):
            self._landed(job)

    def _landed(self, job: Job) -> None:
        """One has ended; without rows it has to go by a lane."""
        self._flying.discard(job)
        self._busy -= 1
        if job.rows is not None:
            self._pace.leave()
        else:
            self._pace.withdraw()
        try:
            if job.fatal is not None:
                raise job.fatal
            if job.rows is not None:
                self._line.advance()
                if self._swift:
                    self._fly()
            elif self._wrong is None:
                self._ready.append(job)
                self._man(1)
                # Not now: this may be the answer to a job that is just being begun.
                self._loop.call_soon(self._fly)
        except BaseException as wrong:
            self._end(wrong)
        if self._planner is not None and not self._full():
            self._wake()

    async def _wait_at_door(self) -> None:
        try:
            await self._pace.enter()
            self._door = None
            if self._swift and self._wrong is None:
                self._take_off(self._swift.popleft())
                self._fly()
            else:
                self._pace.withdraw()
        except BaseException as wrong:
            self._end(wrong)

    async def _lane(self) -> None:
        ready, pace, line, work = self._ready, self._pace, self._line, self._work
        try:
            while self._wrong is None:
                if not ready:
                    self._release()
                    if not ready:
                        idle = self._loop.create_future()
                        self._idle.append(idle)
                        await idle
                        continue
                job = ready.popleft()
                self._busy += 1
                if not pace.try_enter():
                    await pace.enter()
                try:
                    job.rows = await work(job)
                finally:
                    pace.leave()
                self._busy -= 1
                line.advance()
                if self._planner is not None and not self._full():
                    self._wake()
        except BaseException as wrong:
            self._end(wrong)

    def _end(self, wrong: BaseException) -> None:
        if self._wrong is None:
            self._wrong = wrong
        self._wake()
