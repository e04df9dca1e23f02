"""What a person sees of a run: log lines, a live line on a terminal, and the record that every run leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from flows.wiring import Bench, now
from mappings.errors import ExitCode, GovliftError, ObjectError, ResumeLater, ends_command
from mappings.estimate import Span
from mappings.live import Aside
from mappings.objects import Tally
from mappings.runs import RunKind
from mappings.states import RunState
from tasks.loglines import FORMAT_VARIABLE, about, formatter, log_format, told
from tasks.progress import Progress, Snapshot

log = logging.getLogger("govlift")

# Measured with Prefect 3.8.8: the defaults of the recorder drop events and stall SQLite, the start-up time-out of the
# embedded server is too short for a busy machine, and analytics looks for the network. Each event that a server which
# went away does not take would be an error line of two thousand characters.
PREFECT_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "govlift",
    "PREFECT_CLI_PROMPT": "false",
}


def prepare_prefect(*, quiet: bool) -> None:
    """Set Prefect's environment before its first import; what the user has set already stays.

    Args:
        quiet: a command on a terminal tells its own story; Prefect's engine then logs only what is critical.
    """
    for name, value in PREFECT_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if quiet:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def start_logging(*, verbose: bool, format_: str = "") -> None:
    """Log lines of the product to standard error.

    Args:
        format_: "text" or "json"; "" takes what GOVLIFT_LOG_FORMAT says, which worker processes inherit.

    Raises:
        FixTheInput: there is no such format.
    """
    chosen = log_format(format_)
    os.environ[FORMAT_VARIABLE] = chosen
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(chosen))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    if chosen == "json":
        # Whatever else writes to standard error would break the lines apart.
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").handlers[:] = [handler]
    # Azure's request logs repeat every header; ours say what matters.
    logging.getLogger("azure").setLevel(logging.ERROR)


@dataclass
class Outcome:
    """How a flow ended, for the command line and for a caller in Python."""

    run_id: str
    exit_code: ExitCode
    summary: dict[str, Any] = field(default_factory=dict)


class Unfinished(GovliftError):
    """A copy that went to its end and is not complete. Raised, so that Prefect calls the flow run failed and alerts."""

    def __init__(self, outcome: Outcome, sentence: str) -> None:
        super().__init__(sentence, next_step="Read the exceptions in the report, then run the same command again.")
        self.outcome = outcome
        self.exit_code = outcome.exit_code

    def __reduce__(self) -> tuple[object, ...]:
        return (Unfinished, (self.outcome, self.sentence))


REACHED: ContextVar[list[Outcome] | None] = ContextVar("reached", default=None)
"""What the flow that a command runs has come to, for when Prefect cannot be told any more."""


def reached(outcome: Outcome) -> Outcome:
    """Say how a flow ends before Prefect hears of it; returns `outcome`."""
    held = REACHED.get()
    if held is not None:
        held.append(outcome)
    return outcome


def is_unreachable(wrong: BaseException) -> bool:
    """Whether a Prefect server did not answer, after all of Prefect's own tries."""
    words = str(wrong)
    from_client = type(wrong).__module__.startswith(("httpx", "httpcore"))
    return from_client or "Prefect API server" in words or "Failed to reach API" in words


async def shown_in_prefect(publishing: Awaitable[None]) -> None:
    """Have Prefect show a summary; where its server is gone, the report has all of it."""
    try:
        await publishing
    except Exception as wrong:
        if not is_unreachable(wrong):
            raise
        log.warning("the Prefect server does not answer, and shows no summary of this run", extra=told("prefect.gone"))


@dataclass
class RunBook:
    """The record of one run while it goes on; whoever ends it fills in the ending."""

    run_id: str
    state: RunState = RunState.DONE
    exit_code: ExitCode = ExitCode.OK
    tally: Tally = field(default_factory=Tally)
    detail: str = ""


SIGTERM_CANCELS: ContextVar[bool] = ContextVar("sigterm_cancels", default=False)
"""Whether a command runs the flow in its own process, so that SIGTERM is its own to handle."""


def listen_for_sigterm() -> None:
    """Make SIGTERM cancel the current task, as Ctrl-C does, where a command runs the flow itself.

    Prefect's handler, which it installs when a flow starts, raises in whatever frame is running; in a callback of the
    event loop that exception is lost. In a deployment Prefect's stays, for it knows of its own cancellations.
    """
    task = asyncio.current_task()
    if SIGTERM_CANCELS.get() and task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def is_interruption(wrong: BaseException) -> bool:
    """Whether somebody stopped the process: Ctrl-C, SIGTERM, or the signal that Prefect makes of it."""
    if isinstance(wrong, KeyboardInterrupt | asyncio.CancelledError):
        return True
    # Prefect replaces the handler of SIGTERM while a flow runs; naming its class would import it.
    return any(kind.__name__ == "ExternalSignal" for kind in type(wrong).__mro__)


def first_of(wrong: BaseException) -> GovliftError | None:
    """The first of our own errors in an exception group; workers fail together, the first says why."""
    if isinstance(wrong, BaseExceptionGroup):
        return next((found for one in wrong.exceptions if (found := first_of(one))), None)
    return wrong if isinstance(wrong, GovliftError) else None


@asynccontextmanager
async def recorded(
    bench: Bench, kind: RunKind, *, plan_id: str = "", run_id: str | None = None
) -> AsyncIterator[RunBook]:
    """Begin a run in the ledger (or go on with `run_id`) and end it whatever happens.

    Raises:
        ResumeLater: the run was interrupted; the same command goes on.
    """
    listen_for_sigterm()
    writer = bench.ledger.writer
    book = RunBook(run_id or writer.begin_run(kind, plan_id=plan_id, now=now()))
    resumed = "run.resumed" if run_id else "run.begun"
    log.info("run %s", book.run_id, extra=told(resumed, run=book.run_id, kind=kind.value, plan=plan_id))
    try:
        with about(run=book.run_id):
            yield book
    except ObjectError as one:
        # About one object or container, but outside of any shard there is nothing left to go on with.
        wrong = ends_command(one)
        book.state, book.exit_code, book.detail = RunState.FAILED, wrong.exit_code, wrong.sentence
        raise wrong from None
    except GovliftError as wrong:
        resumable = isinstance(wrong, ResumeLater)
        book.state = RunState.INTERRUPTED if resumable else RunState.FAILED
        book.exit_code, book.detail = wrong.exit_code, wrong.sentence
        raise
    except BaseException as wrong:
        if is_interruption(wrong):
            book.state, book.exit_code = RunState.INTERRUPTED, ExitCode.RESUMABLE
            book.detail = "Interrupted; the same command goes on."
        else:
            book.state, book.exit_code = RunState.FAILED, ExitCode.UNEXPECTED
            book.detail = f"{type(wrong).__name__}: {wrong}"
        raise
    finally:
        writer.end_run(
            book.run_id, book.state, tally=book.tally, exit_code=book.exit_code, detail=book.detail, now=now()
        )
        _log_end(book, kind)


def _log_end(book: RunBook, kind: RunKind) -> None:
    tally = book.tally
    counts = {name: getattr(tally, name) for name in ("listed", "copied", "same", "excluded", "failed", "bytes")}
    fields = told(
        "run.ended",
        run=book.run_id,
        kind=kind.value,
        state=book.state.value,
        exit_code=int(book.exit_code),
        counts=counts,
    )
    level = logging.INFO if book.exit_code is ExitCode.OK else logging.WARNING
    log.log(level, "run %s ended %s: %s", book.run_id, book.state.value, book.detail, extra=fields)


def amount(size: float) -> str:
    """Bytes for a reader, binary units."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Seconds for a reader."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def line(what: str, at: Snapshot, aside: Aside | None = None) -> str:
    """One sample as one line: counts, rates, how long it takes, accounts, why objects fail.

    Args:
        aside: what the ledger tells besides.
    """
    aside = aside or Aside()
    of = f"/{at.total_objects:,}" if at.total_objects else ""
    parts = [
        f"{what}: {at.objects:,}{of} objects",
        f"{amount(at.bytes)}",
        f"{at.objects_per_second:,.0f}/s",
        f"{amount(at.bytes_per_second)}/s",
    ]
    allowed = aside.allowed
    if allowed is not None and allowed.note:
        parts.append(allowed.note)
    if (left := _left(at, aside)) is not None:
        parts.append(f"{duration(left.p50)} to {duration(left.p90)} left (P50 to P90)")
    if aside.in_flight:
        parts.append(f"in flight {_counted(aside.in_flight)}")
    if at.failed or aside.top[0]:
        cause, number = aside.top
        parts.append(f"{at.failed:,} failed{f' (most: {cause}: {number:,})' if cause else ''}")
    if at.throttled:
        by = f" ({_counted(aside.throttles)})" if aside.throttles else ""
        parts.append(f"{at.throttled:,} throttled{by}")
    return ", ".join(parts)


def _counted(numbers: Mapping[str, int]) -> str:
    return " ".join(f"{name} {number:,}" for name, number in numbers.items())


def _left(at: Snapshot, aside: Aside) -> Span | None:
    """How long it takes, where something is left and it goes on."""
    paused = aside.allowed is not None and aside.allowed.paused
    return at.left if at.left is not None and at.left.p90 > 0 and not paused else None


Look = Callable[[], Aside]


@asynccontextmanager
async def shown(what: str, progress: Progress, look: Look = Aside) -> AsyncIterator[None]:
    """Show `progress` while the block runs: a live line on a terminal, a plain line every 10 s elsewhere.

    Args:
        look: asks the ledger for what stands beside the counters, on another thread; `GovliftError` is passed over.
    """
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    viewer = asyncio.create_task(_live(what, progress, look) if live else _plain(what, progress, look))
    try:
        yield
    finally:
        viewer.cancel()
        await asyncio.gather(viewer, return_exceptions=True)
        _log(what, progress.snapshot(), await _asked(look, Aside()))


async def _asked(look: Look, before: Aside) -> Aside:
    """What a look says; where the ledger does not answer, what the last one said."""
    try:
        return await asyncio.to_thread(look)
    except GovliftError:
        return before


def _log(what: str, at: Snapshot, aside: Aside) -> None:
    counts = {"objects": at.objects, "bytes": at.bytes, "failed": at.failed, "throttled": at.throttled}
    counts |= {"total_objects": at.total_objects, "total_bytes": at.total_bytes}
    left = _left(at, aside)
    fields = told(
        "progress",
        stage=what,
        seconds=round(at.elapsed, 1),
        counts=counts,
        eta={"p50_seconds": round(left.p50), "p90_seconds": round(left.p90)} if left else None,
        in_flight=dict(aside.in_flight),
        throttled_by=dict(aside.throttles),
        top_cause=aside.top[0] or None,
    )
    log.info(line(what, at, aside), extra=fields)


async def _plain(what: str, progress: Progress, look: Look) -> None:
    aside = Aside()
    while True:
        await asyncio.sleep(10)
        aside = await _asked(look, aside)
        _log(what, progress.snapshot(), aside)


async def _live(what: str, progress: Progress, look: Look) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    aside = Aside()
    # The screen is redrawn by this task alone: a refresh thread would fight the log lines for the cursor.
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as screen:
        for turn in count():
            # The ledger is asked as often as workers give signs of life.
            aside = await _asked(look, aside) if turn % 8 == 0 else aside
            screen.update(Text(line(what, progress.snapshot(), aside)), refresh=True)
            await asyncio.sleep(0.25)
