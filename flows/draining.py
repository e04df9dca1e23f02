"""One worker's part of a copy: claim shards, copy them, until none is left. No Prefect here.

It runs in a process of its own (`flows.mover`), or in that of the command where there is too little for two.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flows.wiring import Bench, now
from mappings.errors import FixTheInput, GovliftError, ResumeLater
from mappings.evidence import Event
from mappings.inhand import MOST_IN_HAND, InHand, takes_another
from mappings.objects import BlobType, Tally
from mappings.route_changes import EVENT as ROUTES
from mappings.runs import Claim, RunKind, RunRecord, WorkerRecord
from mappings.states import Route, RunState, ShardState
from tasks.copiers.pace import paces_of
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.evidence_folder import require_folder
from tasks.external import azcopy_of
from tasks.ledger.owners import is_alive, own_name
from tasks.progress import Progress, ShardProgress
from tasks.shardwork import LEASE_SECONDS, ShardWork, carry_out

if TYPE_CHECKING:
    from tasks.ledger.reader import LedgerReader

log = logging.getLogger("govlift")

BEAT_SECONDS = 2.0
"""Between two signs of life."""
SILENT = timedelta(seconds=30)
"""A worker that has been silent for longer takes no part of the caps."""
_LOOK_SECONDS, _LOOK_GROWS = (0.02, 2.0), 1.05
"""Between two looks for a shard while others hold all that are left, and by how much that grows: the end of the run is
seen late by a twentieth of the wait. A look takes about 2 ms."""
_MET_BEATS = 2
"""Signs of life after which those that began at the same time have given one, too."""
_TOLD = 1000
"""Route events of one shard that are recorded; the manifest has the route of every object."""


def shard_work(bench: Bench, progress: Progress) -> ShardWork:
    """What all shards of a run share in this process, as the settings say."""
    return ShardWork(
        folder=bench.folder,
        reader=bench.ledger.reader,
        writer=bench.ledger.writer,
        rules=CopyRules.from_settings(bench.settings.copy_),
        routes=RouteBook(bench.settings.copy_.route),
        progress=progress,
        clock=now,
        tool_version=version("govlift"),
        paces=paces_of(bench.settings.copy_),
        azcopy=azcopy_of(bench.settings, bench.environ),
        requests=lambda: bench.requests,
    )


async def drain(bench: Bench, run_id: str, *, number: int = 0) -> Tally:
    """Copy shards of a run until none is left that anybody holds or could claim; the ledger has the outcome of each.

    Args:
        number: of this worker among those of its machine; part of its name in the ledger.

    Returns:
        what this worker copied.

    Raises:
        ResumeLater: the run was stopped.
        GovliftError: nothing further can be done in this run; what was finished stays finished.
        asyncio.CancelledError: every lease was given back first.
    """
    require_folder(bench.folder, bench.ledger.reader)
    worker = Worker(bench, run_id, number)
    life = asyncio.create_task(worker.live())
    try:
        return await worker.work()
    except asyncio.CancelledError:
        if worker.stopped and worker.withdraw():
            raise ResumeLater(
                f"Run {run_id} was stopped.", next_step="Give the command that began it again; it goes on."
            ) from None
        raise
    finally:
        worker.over.set()
        await life
        worker.leave()


class Worker:
    """One worker of one run. It has one large shard in hand, or several small ones (`mappings.inhand`).

    Args:
        number: of this worker among those of its machine.
        beat: seconds between two signs of life.
    """

    def __init__(self, bench: Bench, run_id: str, number: int, *, beat: float = BEAT_SECONDS) -> None:
        self._bench, self._run_id = bench, run_id
        self._progress = Progress()
        self._work = shard_work(bench, self._progress)
        self._reader, self._writer = bench.ledger.reader, bench.ledger.writer
        self._hand: dict[asyncio.Task[Tally], tuple[Claim, ShardProgress]] = {}
        self._moved = asyncio.Event()
        """Set when objects were settled, or a shard has ended: there may be room for another."""
        self._dry = False
        """Whether no shard was free when last asked."""
        self._workers = 1
        self._routes_told = self._routes_heard = 0
        self._holder = asyncio.current_task()
        self._life = WorkerRecord(run_id, own_name(str(number)), socket.gethostname(), os.getpid(), now(), now())
        self._beat_seconds = beat
        self._met = asyncio.Event()
        """Set when the workers that began together with this one have been seen."""
        self.over = asyncio.Event()
        """Set when the work has ended, so that the signs of life do."""
        self.stopped = False
        """Whether the run itself is no longer running."""

    async def work(self) -> Tally:
        """Claim and copy, over and over; wait while others hold what is left, for they may die."""
        total = Tally()
        pause, longest = _LOOK_SECONDS
        self._hear_routes(self._reader.events(ROUTES))
        copy = self._bench.settings.copy_
        if self._work.azcopy is not None and (copy.max_mib_per_second or copy.outside_mib_per_second):
            # A process of AzCopy keeps the part of the cap that it was started with.
            await self._met.wait()
        while not self._run_is_over():
            copied = await self._copy()
            if copied is not None:
                pause = _LOOK_SECONDS[0]
                total += copied
            elif self._nothing_is_left():
                break
            else:
                await asyncio.sleep(pause)
                pause = min(_LOOK_GROWS * pause, longest)
        return total

    async def live(self) -> None:
        """Give a sign of life every two seconds, and look whether the run still runs."""
        try:
            await self._live()
        finally:
            self._met.set()

    async def _live(self) -> None:
        beats = 0
        while not self.over.is_set():
            try:
                # Another process may hold the ledger for a moment; the copy goes on meanwhile.
                heard = await asyncio.to_thread(self._beat, self._record())
                self._hear_routes(heard)
            except GovliftError as wrong:
                log.warning("worker: no sign of life could be given: %s", wrong.sentence)
            self._work.paces.share(self._workers)
            if self.stopped and self._holder is not None:
                self._holder.cancel()
                return
            beats += 1
            if beats == _MET_BEATS:
                self._met.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), self._beat_seconds)

    def withdraw(self) -> bool:
        """Take the cancellation back that this worker asked for itself."""
        return self._holder is not None and self._holder.uncancel() == 0

    def leave(self) -> None:
        """Say goodbye."""
        try:
            self._writer.worker_seen(replace(self._record(), ended=now(), shards=(), in_flight={}, failing_in={}))
        except GovliftError as wrong:
            log.warning("worker: nobody could be told of the end: %s", wrong.sentence)
        self._work.paces.close()

    async def _copy(self) -> Tally | None:
        """Copy what can be had, until nothing is in hand and nothing is free; None where nothing was."""
        total, self._dry = Tally(), False
        try:
            self._take()
            if not self._hand:
                return None
            while self._hand:
                await self._moved.wait()
                self._moved.clear()
                for task in [one for one in self._hand if one.done()]:
                    del self._hand[task]
                    total += task.result()
                self._tell_routes()
                self._take()
            return total
        finally:
            for task in self._hand:
                task.cancel()
            await asyncio.gather(*self._hand, return_exceptions=True)
            self._hand.clear()
            self._tell_routes()

    def _take(self) -> None:
        """Begin shards, as long as what is in hand is too little."""
        most = MOST_IN_HAND if self._work.azcopy is None else 1
        while takes_another(
            (InHand(claim.shard.objects, claim.shard.bytes, counted.objects) for claim, counted in self._hand.values()),
            self._in_flight(),
            most=most,
        ):
            claims = [] if self._dry else self._claim()
            if not claims:
                self._dry = True
                return
            self._begin(claims[0])

    def _in_flight(self) -> int:
        """Objects that may be in flight now at the accounts that it has in hand."""
        allowed = self._work.paces.in_flight()
        return max((allowed[claim.shard.target_account] for claim, _ in self._hand.values()), default=0)

    def _begin(self, claim: Claim) -> None:
        try:
            source, target = self._bench.sides_of(claim.shard)
        except GovliftError:
            self._writer.release(claim, now=now())
            raise
        # Its pace tells from now on how many more are begun.
        self._work.paces.of(claim.shard.target_account)
        counted = ShardProgress(self._progress, self._moved.set)
        task = asyncio.create_task(carry_out(claim, self._work, source, target, counted))
        task.add_done_callback(lambda _: self._moved.set())
        self._hand[task] = claim, counted

    def _claim(self) -> list[Claim]:
        """The next shard, if one is free: what is claimed begins at once, so that others find what is not begun."""
        owner = self._life.owner
        return self._writer.claim(self._run_id, owner=owner, most=1, lease_seconds=LEASE_SECONDS, now=now())

    def _nothing_is_left(self) -> bool:
        """Whether no shard is free or held; frees those of dead processes of this machine on the way."""
        held = self._reader.leases(self._run_id)
        if any(not is_alive(lease.owner) for lease in held):
            self._writer.release_dead(self._run_id, now=now())
            return False
        return not held and not self._reader.shard_states(self._run_id)[ShardState.PENDING]

    def _run_is_over(self) -> bool:
        return self._reader.run(self._run_id).state is not RunState.RUNNING

    def _beat(self, record: WorkerRecord) -> list[Event]:
        """What a sign of life asks of the ledger, on another thread; returns what others have learnt about routes."""
        self.stopped = self._run_is_over()
        self._writer.worker_seen(record)
        others = [one for one in self._reader.workers(self._run_id) if not one.ended and now() - one.seen < SILENT]
        self._workers = max(1, len(others))
        return list(self._reader.events(ROUTES, after=self._routes_heard))

    def _record(self) -> WorkerRecord:
        at = self._progress.snapshot()
        return replace(
            self._life,
            seen=now(),
            objects=at.objects,
            bytes=at.bytes,
            failed=at.failed,
            throttled=self._work.paces.throttled(),
            requests=self._bench.requests,
            in_flight=self._work.paces.in_flight(),
            shards=tuple(claim.shard.id for claim, _ in self._hand.values()),
            allowed=self._work.paces.allowed(),
            failing_in={c.shard.id: dict(counted.failing) for c, counted in self._hand.values() if counted.failing},
            throttles=self._work.paces.throttles(),
        )

    def _tell_routes(self) -> None:
        """Record what was learnt about routes, for the other workers and for the report."""
        events = self._work.routes.events
        if len(events) > self._routes_told:
            tell_routes(self._bench, self._run_id, self._life.owner, self._work.routes, after=self._routes_told)
            self._routes_told = len(events)

    def _hear_routes(self, heard: Iterable[Event]) -> None:
        """Take over what others have learnt about pairs of accounts."""
        routes = self._work.routes
        for event in heard:
            self._routes_heard = event.number
            if event.detail["run"] != self._run_id or event.detail["worker"] == self._life.owner:
                continue
            for told in event.detail["events"]:
                pair, route = (told["source"], told["target"]), Route(told["route"])
                kind = BlobType(told["type"])
                if not told["name"] and (not routes.knows(*pair, kind) or routes.standing(*pair, kind) is not route):
                    routes.heard(*pair, route, kind)


def run_at_work(reader: LedgerReader, run_id: str = "") -> RunRecord:
    """The run called `run_id`, or the one that is copying now.

    Raises:
        FixTheInput: there is none, or it does not run.
    """
    runs = reader.runs()
    copying = [r for r in runs if r.state is RunState.RUNNING and r.kind in (RunKind.MIGRATE, RunKind.RESYNC)]
    found = [run for run in copying if run_id in ("", run.id)]
    if not found:
        raise FixTheInput(
            f'Run "{run_id}" is not at work.' if run_id else "No run of this migration is copying now.",
            next_step="Begin one with `govlift migrate --apply` or `govlift resync --apply`; then workers can join.",
        )
    return found[-1]


def tell_routes(bench: Bench, run_id: str, owner: str, routes: RouteBook, *, after: int = 0) -> None:
    """Record the route events behind the first `after`."""
    told: list[dict[str, Any]] = [
        {"at": e.at.isoformat(), "source": e.source_account, "target": e.target_account, "type": e.blob_type.value}
        | {"route": e.route, "name": e.name, "reason": e.reason}
        for e in routes.events[after:]
    ]
    # What is about a whole pair is what the others need: it comes first where not everything is kept.
    kept = sorted(told, key=lambda one: bool(one["name"]))[:_TOLD]
    detail = {"run": run_id, "worker": owner, "events": kept, "left_out": len(told) - len(kept)}
    bench.ledger.writer.record(ROUTES, detail, now=now())
