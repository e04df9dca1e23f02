"""The express: an ordinary object whose requests succeed at once is carried by callbacks, each answer sending the next.

Beside `Plain.carry`, which does the same with coroutines and knows what to do when something does not succeed, it costs
less than half. It takes nothing upon itself: an answer that is no plain success hands the job back, and a lane carries
it from the start, or from what is at the target already.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mappings.errors import ObjectError
from mappings.objects import ListedObject, Written
from mappings.states import ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers import rows
from tasks.copiers.base import StartsReads, StartsWrites
from tasks.copiers.bench import Bench
from tasks.copiers.plain import Job, proved_level
from tasks.copiers.rules import READ

Landed = Callable[[Job], None]
"""Called when the rows of a job are there; or are not, and it has to go the ordinary way."""


class Express:
    """Carries plain jobs between two accounts whose clients can begin a request without a coroutine."""

    def __init__(self, bench: Bench, source: StartsReads, target: StartsWrites) -> None:
        self._bench, self._source, self._target = bench, source, target
        self._pair = bench.source.account, bench.target.account
        self._sums = bench.rules.proof >= ProofLevel.L2

    @classmethod
    def of(cls, bench: Bench) -> Express | None:
        """None where the clients, or the level of proof, do not allow it."""
        source, target = bench.source, bench.target
        if not (isinstance(source, StartsReads) and isinstance(target, StartsWrites)):
            return None
        if not (source.starts and target.starts) or bench.rules.proof >= ProofLevel.L3:
            return None
        return cls(bench, source, target)

    def takes(self, job: Job) -> bool:
        """Whether a job is one for it: a plain copy that one read carries."""
        item = job.item
        return item is not None and 0 < item.size <= READ and job.known is None

    def begin(self, job: Job, landed: Landed) -> bool:
        """Send the first request. False where that cannot be done at once; then nothing was sent, nor is it called.

        What is capped waits, and so it goes by a lane. A cap may come while jobs stand in line for the express, with
        an hour of the day, so it is not enough to ask when they are taken.
        """
        bench, item = self._bench, job.item
        assert item is not None
        if bench.pace.capped:
            return False
        started = bench.clock()
        if bench.routes.route(*self._pair) is Route.PULL:
            return self._pull(job, item, started, landed)
        if not self._hold(job, item.size):
            return False
        self._stream(job, item, started, landed)
        return True

    async def drop(self, job: Job) -> None:
        """Cancel what is under way for a job; nobody is told."""
        try:
            if job.under_way is not None:
                await job.under_way.cancel()
        finally:
            self._let_go(job)

    def _hold(self, job: Job, size: int) -> bool:
        """Take the bytes of its body from the budget, where there is room now."""
        if not self._bench.budget.try_take(size):
            return False
        job.held = size
        return True

    def _let_go(self, job: Job) -> None:
        held, job.held = job.held, 0
        if held:
            self._bench.budget.give(held)

    # --- by pull ---

    def _pull(self, job: Job, item: ListedObject, started: datetime, landed: Landed) -> bool:
        bench = self._bench
        url = self._source.pull_url_at_hand(bench.container, item)
        if url is None:
            return False

        def pulled(written: Written | None, wait: float) -> None:
            job.written, job.wait = written, wait
            if written is None or (self._sums and written.crc64 is None):
                landed(job)
                return
            bench.routes.pulled(*self._pair)
            if not self._sums:
                self._record(job, item, Route.PULL, written, None, started, landed)
            elif bench.pace.capped or not self._hold(job, item.size):
                # A lane waits until it may be read, and goes on from here.
                job.started = started
                landed(job)
            else:
                self._sum(job, item, written, started, landed)

        job.under_way = self._target.start_put_blob_from_url(
            bench.container, item, url, if_match=job.if_match, then=pulled
        )
        return True

    def _sum(self, job: Job, item: ListedObject, written: Written, started: datetime, landed: Landed) -> None:
        """Read the pinned generation once more, for its CRC64."""

        def read(data: bytes | None, crc: int, wait: float) -> None:
            self._let_go(job)
            if data is None:
                job.started, job.wait = started, wait
                landed(job)
            else:
                self._record(job, item, Route.PULL, written, crc, started, landed)

        job.under_way = self._source.start_read(self._bench.container, item, read)

    # --- by stream ---

    def _stream(self, job: Job, item: ListedObject, started: datetime, landed: Landed) -> None:
        bench = self._bench

        def read(data: bytes | None, crc: int, wait: float) -> None:
            if data is None:
                self._let_go(job)
                job.wait = wait
                landed(job)
                return

            def wrote(written: Written | None, wait: float) -> None:
                self._let_go(job)
                if written is None or (self._sums and written.crc64 is None):
                    job.written, job.wait = written, wait
                    landed(job)
                else:
                    self._record(job, item, Route.STREAM, written, crc, started, landed)

            job.under_way = self._target.start_put_blob(
                bench.container, item, data, if_match=job.if_match, crc=crc, then=wrote
            )

        job.under_way = self._source.start_read(bench.container, item, read)

    # --- the end ---

    def _record(
        self,
        job: Job,
        item: ListedObject,
        route: Route,
        written: Written,
        crc: int | None,
        started: datetime,
        landed: Landed,
    ) -> None:
        bench = self._bench
        try:
            level = proved_level(item, crc, written.crc64, "")
            known = "" if crc is None else crc64.to_text(crc)
            finished = bench.clock()
            job.rows = [
                rows.plain(item, job.change, route, written, level, known, "", started=started, finished=finished)
            ]
            bench.journal.note(job.rows)
        except ObjectError as wrong:
            job.written, job.wrong = written, wrong
        except BaseException as wrong:
            job.fatal = wrong
        landed(job)
