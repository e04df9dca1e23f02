"""A worker process: `python -m flows.mover CONFIG RUN_ID --number N`. It never imports Prefect.

Without a run it makes itself ready, says so, and waits to be told one through standard input. Any number may work on
one run, on any machine that sees the same migration folder and ledger, and join or leave at any time. SIGTERM removes
one: it gives its leases back and exits with 8.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mappings.errors import ExitCode, GovliftError

if TYPE_CHECKING:
    from flows.wiring import Bench

T = TypeVar("T")

READY = "ready\n"
"""What a worker says that stands by."""
_NEEDED = ("flows.draining", "flows.wiring", "flows.word", "tasks.clients.blobs", "tasks.clients.wire", "tasks.ledger")
"""What every worker needs, sooner or later."""
_TO_COPY = ("pyarrow.parquet",)
"""What one needs that surely copies something: 45 MiB that a re-sync of what has not changed does without."""
_TO_PULL = ("azure.storage.blob.aio",)
"""What gives the target service leave to read the source. A copy that only streams mostly does without the SDK."""


def main() -> None:
    """Entry point of a worker process that a command has started."""
    asked = _parsed()
    # Nothing that is imported is garbage; looking for it would take a fifth of the imports' time.
    gc.disable()
    without_numpy()
    from flows.observe import start_logging

    start_logging(verbose=asked.verbose)
    code = int(carry_on(Path(asked.config), asked.run, number=asked.number, led=asked.led, copies=asked.copies))
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed and written. Taking the interpreter apart would cost a sixth of a second for nothing.
    os._exit(code)


def without_numpy() -> None:
    """Keep NumPy out of this process, unless it is in it already.

    Only Arrow would import it, and does without where there is none. That spares each worker 16 MiB, and a tenth of a
    second at its start and at its first manifest.
    """
    sys.modules.setdefault("numpy", cast(Any, None))


def join(config: Path, run_id: str = "") -> ExitCode:
    """Work on a run that somebody else leads, as one more worker.

    Args:
        run_id: "" takes the run that is copying now.

    Raises:
        FixTheInput: no such run is at work, or this machine sees another migration folder than its leader.
        ResumeLater: the run was stopped.
    """
    from flows.draining import run_at_work
    from flows.wiring import Bench

    with Bench(config).ledger as ledger:
        found = run_at_work(ledger.reader, run_id)
    return carry_on(config, found.id, number=os.getpid(), led=False)


def carry_on(config: Path, run_id: str, *, number: int, led: bool, copies: bool = False) -> ExitCode:
    """Work on a run to its end; how a process ends is its exit code, and a sentence for whoever started it.

    Args:
        led: the leader holds the other end of our standard input: when it dies, this worker leaves.
        copies: one without a run makes itself ready to copy, not only to look what has changed.
    """
    try:
        run_loop(_work(config, run_id, number, led, copies))
    except GovliftError as wrong:
        told = {"exit_code": int(wrong.exit_code), "sentence": wrong.sentence, "next_step": wrong.next_step}
        if not led:
            raise
        sys.stdout.write(json.dumps(told) + "\n")
        return wrong.exit_code
    except (asyncio.CancelledError, KeyboardInterrupt):
        return ExitCode.RESUMABLE
    return ExitCode.OK


def run_loop(body: Coroutine[Any, Any, T]) -> T:
    """Run `body` on the quickest event loop that this system has."""
    try:
        import uvloop
    except ImportError:  # There is none for Windows.
        return asyncio.run(body)
    return uvloop.run(body)


async def _work(config: Path, run_id: str, number: int, led: bool, copies: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for sent in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sent, _leave, task)
    word: asyncio.Future[str] = loop.create_future()
    if led:
        loop.add_reader(sys.stdin.fileno(), _hear, task, word, bytearray())
    if not run_id:
        _import(*_NEEDED)
    # The slow imports come after the handlers: who is told to leave while it starts leaves in order, too.
    from flows.draining import drain
    from flows.wiring import Bench

    async with Bench(config) as bench:
        if not run_id:
            _make_ready(bench, copies)
        _collect_rarely()
        if not run_id:
            sys.stdout.write(READY)
            sys.stdout.flush()
            run_id = _obeyed(bench, await word)
        await drain(bench, run_id, number=number)


def _make_ready(bench: Bench, copies: bool) -> None:
    """Do beforehand what takes time and commits to nothing. What is refused now is said when it is needed."""
    from tasks.clients.trust import trust_at_hand

    if copies:
        _import(*_TO_COPY, *(() if bench.settings.copy_.route == "stream" else _TO_PULL))
    with suppress(GovliftError):
        _ = bench.ledger
    trust_at_hand()


def _obeyed(bench: Bench, line: str) -> str:
    """Take the tokens that come with the word, and return the run."""
    from flows.word import Word

    word = Word.heard(line)
    for side, token in word.tokens.items():
        (bench.source_session if side == "source" else bench.target_session).hand(token)
    return word.run_id


def _import(*names: str) -> None:
    for name in names:
        importlib.import_module(name)


def _collect_rarely() -> None:
    """The collector of cycles looks less often, and never at what was imported.

    A page of a listing makes thousands of objects that live for a while, each a reason to look through all others:
    a quarter of a worker's time. Hardly anything on the hot path is a cycle, so little is left to be found.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def _leave(task: asyncio.Task[Any]) -> None:
    """Asked once, the worker leaves; asked again, it is still giving its leases back."""
    if not task.cancelling():
        task.cancel()


def _hear(task: asyncio.Task[Any], word: asyncio.Future[str], held: bytearray) -> None:
    """From the leader comes at most one line, the word; its pipe ends when it does, however it dies."""
    said = os.read(sys.stdin.fileno(), 4096)
    held += said
    if b"\n" in held and not word.done():
        word.set_result(held.partition(b"\n")[0].decode())
    if not said:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        _leave(task)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.mover", description=__doc__)
    parser.add_argument("config", help="migration.toml")
    parser.add_argument(
        "run", nargs="?", default="", help="id of the run, as `govlift status` shows it; led: told later"
    )
    parser.add_argument("--number", type=int, default=0, help="of this worker among those of its machine")
    parser.add_argument("--led", action="store_true", help="leave when standard input ends")
    parser.add_argument("--copies", action="store_true", help="without a run: it surely is one that copies")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    if not (asked.run or asked.led):
        parser.error("name the run")
    return asked


if __name__ == "__main__":
    main()
