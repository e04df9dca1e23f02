"""The worker processes of this machine: started, watched, replaced, and never left behind. No Prefect here.

A worker's standard input is a pipe whose other end only its leader holds, so that no death of the leader leaves a
worker behind; its standard output says in one line why it failed. Secrets reach it by environment, never by argument.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from flows.draining import drain
from flows.mover import READY
from flows.observe import first_of
from flows.wiring import Bench, now
from flows.word import Word, word_for
from mappings import standstill
from mappings.errors import ExitCode, GovliftError, ResumeLater
from mappings.runs import RunKind, WorkerRecord
from mappings.settings import Copy
from mappings.standstill import SILENT_SECONDS, Stillness
from mappings.states import ShardState
from tasks.progress import Progress

log = logging.getLogger("govlift")

FEW_OBJECTS, FEW_BYTES = 2_000, 256 * 1024**2
"""So little is copied by the command's own process: a worker takes a second to start."""
MOST_BY_DEFAULT = 8
GRACE_SECONDS = 20.0
"""How long workers may take to give their leases back."""
PATIENCE = 3
"""Deaths per worker without any shard finished between them, after which the run gives up."""
LOOK_SECONDS = 0.5
"""Between two looks at what the workers have done."""
ALONE_SECONDS = 10.0
"""For which one worker looks alone at what has changed: at millions of objects, in the memory of one. Then the others
join it."""


def crew_size(copy: Copy, *, shards: int, objects: int, size: int) -> int:
    """How many worker processes this machine starts; 0 where the command's own process does the work.

    Args:
        shards: to be copied; more processes than shards would have nothing to do.
        objects: expected, of all shards.
        size: bytes expected; 0 where nobody knows.
    """
    if copy.workers:
        return copy.workers
    if objects <= FEW_OBJECTS and size <= FEW_BYTES:
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # A few large objects need no second process: threads carry their bytes, and those leave each other alone.
    return min(MOST_BY_DEFAULT, processors, shards, max(1, objects // FEW_OBJECTS))


def at_first(copy: Copy, kind: RunKind, size: int) -> int:
    """How many of a crew of `size` begin at once; the others join a re-sync that has not ended soon."""
    return min(size, 1) if kind is RunKind.RESYNC and not copy.workers else size


async def work_together(
    bench: Bench,
    run_id: str,
    size: int,
    progress: Progress | None = None,
    *,
    first: int | None = None,
    patience: float = SILENT_SECONDS,
) -> None:
    """Copy the open shards of a run with `size` processes, or in this one, until none is left.

    Args:
        first: how many of them begin at once; None leaves that to the kind of the run.
        progress: is moved by what all workers of the run do, also those on other machines.
        patience: seconds without a sign of life after which one of these processes is killed and replaced.

    Raises:
        ResumeLater: the workers die again and again, or the run was stopped.
        GovliftError: as a worker said it.
        asyncio.CancelledError: every worker has left first.
    """
    watch = Watch(bench, run_id, progress)
    looking = asyncio.create_task(watch.look())
    try:
        if size:
            if first is None:
                first = at_first(bench.settings.copy_, bench.ledger.reader.run(run_id).kind, size)
            await Crew(bench, run_id, size, first, patience=patience).work()
        else:
            await drain(bench, run_id)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        watch.sum_up()


@dataclass(slots=True)
class Mover:
    """One worker process."""

    number: int
    process: asyncio.subprocess.Process

    @classmethod
    async def started(cls, bench: Bench, number: int, *, copies: bool = False) -> Mover:
        """Start one, which then stands by; `copies` says that it surely will copy something."""
        words = [str(bench.config), "--number", str(number), "--led"]
        words += ["--copies"] if copies else []
        if log.isEnabledFor(logging.DEBUG):
            words.append("--verbose")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "flows.mover", *words),
            env=_environment(bench),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(number, process)

    def begin(self, word: Word) -> None:
        """Tell one that stands by what to work on; one that has died shows that at its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word.line}\n".encode())

    async def ended(self) -> tuple[int, str]:
        """Wait for its end; returns its exit code and what it said."""
        assert self.process.stdout is not None
        said = (await self.process.stdout.read()).decode()
        return await self.process.wait(), said.removeprefix(READY)


class StandBy:
    """Workers that start while a run is being prepared, so that nobody waits for them when the copy begins."""

    def __init__(self, bench: Bench, size: int, kind: RunKind) -> None:
        self._bench, self._size, self._kind = bench, size, kind
        self._movers: list[Mover] = []
        self.numbers = 0
        """Workers numbered so far."""

    async def __aenter__(self) -> StandBy:
        self._bench.standby = self
        try:
            for number in range(1, at_first(self._bench.settings.copy_, self._kind, self._size) + 1):
                copies = self._kind is RunKind.MIGRATE
                self._movers.append(await Mover.started(self._bench, number, copies=copies))
                self.numbers = number
        except BaseException:
            await self.dismiss()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bench.standby = None
        await self.dismiss()

    def take(self) -> Mover | None:
        """One that nobody has taken; it may still be starting, or have died."""
        return self._movers.pop(0) if self._movers else None

    async def dismiss(self) -> None:
        """End those that nobody took."""
        left, self._movers = self._movers, []
        await _end(left)


class Crew:
    """The worker processes of one run on this machine.

    Args:
        size: how many there are to be.
        first: how many begin at once; the others join where the run has not ended soon.
        patience: seconds without a sign of life after which one is killed and replaced.
    """

    def __init__(self, bench: Bench, run_id: str, size: int, first: int, *, patience: float = SILENT_SECONDS) -> None:
        self._bench, self._run_id, self._size, self._first = bench, run_id, size, first
        self._patience = patience
        self._movers: dict[int, Mover] = {}
        self._deaths = self._finished = 0
        self._done = asyncio.Event()
        """Set when a worker has found nothing left."""
        self._standby: StandBy | None = bench.standby
        self._numbers = self._standby.numbers if self._standby is not None else 0

    async def work(self) -> None:
        """Until no shard is left."""
        listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._first):
                    group.create_task(self._keep_one())
                if self._first < self._size:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._done.wait(), ALONE_SECONDS)
                    if not self._done.is_set():
                        for _ in range(self._first, self._size):
                            group.create_task(self._keep_one())
        except BaseExceptionGroup as several:
            raise first_of(several) or several from None
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._send_home()

    async def _listen(self) -> None:
        """Kill whoever hangs; `_keep_one` sees it dead, frees what it held and starts another."""
        silences: dict[int, Stillness] = {}
        while True:
            await asyncio.sleep(min(standstill.LOOK_SECONDS, self._patience / 10))
            try:
                records = await asyncio.to_thread(self._bench.ledger.reader.workers, self._run_id)
            except GovliftError as wrong:
                # Who cannot be read cannot be heard; the work itself fails where the ledger stays away.
                log.debug("worker processes could not be listened to: %s", wrong.sentence)
                continue
            movers = {mover.process.pid: mover for mover in self._movers.values()}
            seen = {pid: max((one.seen for one in records if _is_of(one, pid)), default=None) for pid in movers}
            silences = standstill.after_signs(silences, seen, asyncio.get_running_loop().time())
            for pid in [pid for pid, silence in silences.items() if standstill.is_over(silence, self._patience)]:
                seconds = silences.pop(pid).seconds
                log.warning(
                    "worker %s (process %s) has given no sign of life for %.0f s: it is killed",
                    *(movers[pid].number, pid, seconds),
                )
                with suppress(ProcessLookupError):
                    movers[pid].process.kill()

    async def _keep_one(self) -> None:
        """One worker and, where it dies while there is work, the next in its place."""
        while True:
            mover = await self._start()
            code, said = await mover.ended()
            del self._movers[mover.number]
            if code == ExitCode.OK:
                self._done.set()
                return
            if said:
                raise _as_told(said)
            self._bury(mover, code)
            if not self._is_open() or (code == ExitCode.RESUMABLE and self._movers):
                # Nothing is left, or somebody has asked this one to leave and others go on.
                self._done.set()
                return
            self._count_death(code)

    async def _start(self) -> Mover:
        mover = self._standby.take() if self._standby is not None else None
        if mover is None:
            self._numbers += 1
            mover = await Mover.started(self._bench, self._numbers)
        self._movers[mover.number] = mover
        mover.begin(await word_for(self._bench, self._run_id))
        return mover

    def _bury(self, mover: Mover, code: int) -> None:
        """What a dead worker held is free at once: this process knows that it is dead."""
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        log.warning("worker %s (process %s) ended %s", mover.number, mover.process.pid, how)
        begins = f"{socket.gethostname()}:{mover.process.pid}@"
        writer = self._bench.ledger.writer
        writer.release_dead(self._run_id, lambda owner: not owner.startswith(begins), now=now())
        for record in self._bench.ledger.reader.workers(self._run_id):
            if _is_of(record, mover.process.pid):
                writer.worker_seen(replace(record, ended=now(), shards=(), in_flight={}))

    def _is_open(self) -> bool:
        states = self._bench.ledger.reader.shard_states(self._run_id)
        return bool(states[ShardState.PENDING] or states[ShardState.LEASED])

    def _count_death(self, code: int) -> None:
        states = self._bench.ledger.reader.shard_states(self._run_id)
        finished = states[ShardState.DONE] + states[ShardState.FAILED]
        self._deaths = 1 if finished > self._finished else self._deaths + 1
        self._finished = max(finished, self._finished)
        if self._deaths > PATIENCE * self._size:
            raise ResumeLater(
                f"Worker processes ended {self._deaths} times without finishing a shard, the last one with {code}.",
                next_step="Read the lines above (memory? disk?), then give the same command again; it goes on.",
            )

    async def _send_home(self) -> None:
        """End all workers that are left: politely, and after a while not."""
        left = list(self._movers.values())
        await _end(left)
        for mover in left:
            if mover.process.returncode != ExitCode.RESUMABLE:
                with suppress(GovliftError):
                    self._bury(mover, mover.process.returncode or 0)


def _is_of(record: WorkerRecord, pid: int) -> bool:
    """Whether it is of a process of this machine, and of no earlier one with the same id, which has ended."""
    return record.ended is None and record.owner.startswith(f"{socket.gethostname()}:{pid}@")


async def _end(movers: Iterable[Mover]) -> None:
    """End processes: politely, and after a while not."""
    for sent, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
        going = [mover for mover in movers if mover.process.returncode is None]
        for mover in going:
            with suppress(ProcessLookupError):
                mover.process.send_signal(sent)
        if going:
            # Our own cancellation does not shorten what ends others.
            ends = [asyncio.create_task(mover.process.wait()) for mover in going]
            await asyncio.shield(asyncio.wait(ends, timeout=seconds))


def _as_told(said: str) -> GovliftError:
    """The error that a worker ended with, as it would have been raised here."""
    told = json.loads(said.splitlines()[-1])
    code = ExitCode(told["exit_code"])
    kind = next((one for one in GovliftError.__subclasses__() if one.exit_code is code), GovliftError)
    return kind(told["sentence"], next_step=told["next_step"])


def _environment(bench: Bench) -> dict[str, str]:
    """That of this process, in which govlift's own packages are found from every folder."""
    environment = dict(bench.environ)
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    return environment


class Watch:
    """Moves a `Progress` by what all workers of a run have done since, as their signs of life tell."""

    def __init__(self, bench: Bench, run_id: str, progress: Progress | None) -> None:
        self._reader, self._run_id, self._progress = bench.ledger.reader, run_id, progress
        self._told = self._done()

    async def look(self) -> None:
        """Until it is cancelled."""
        while self._progress is not None:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(GovliftError):
                self._move(await asyncio.to_thread(self._done))

    def sum_up(self) -> None:
        """The last look, when all have ended."""
        with suppress(GovliftError):
            self._move(self._done())

    def _done(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for one in self._reader.workers(self._run_id):
            total.update(objects=one.objects, bytes=one.bytes, failed=one.failed, throttled=one.throttled)
        return total

    def _move(self, done: Counter[str]) -> None:
        if self._progress is not None:
            self._progress.add(**(done - self._told))
            self._told |= done
