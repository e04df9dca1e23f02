"""Runs a command and says what it cost: wall, CPU of it and of its children, peak memory of the largest of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class Failed(Exception):
    """A measured command that did not end well; its words are the message."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command, or several side by side, took."""

    wall: float
    """Seconds from the start of the first, or from the word to begin, to the end of the last."""
    cpu: float
    """Seconds, user and system, of all of them and of what they waited for."""
    peak_mib: float
    """Most memory at once: of a process by the kernel's count, summed over processes side by side."""
    start: float = 0.0
    """Seconds before the word to begin, until all said that they were ready."""
    processes: int = 1
    """Commands side by side."""


def run(
    commands: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    log: Path,
    *,
    ok: frozenset[int] = frozenset({0}),
    limit: float = 900,
    word: str = "",
    ready: Callable[[], None] = lambda: None,
) -> Cost:
    """Run commands side by side to their ends.

    Args:
        word: where given, every command says a line when it is ready, and begins when it is told this line; CPU and
            memory are of all that it did, time is from the word on.
        ready: called when the time begins to count.

    Raises:
        Failed: one of them ended with another code than `ok`, or ran longer than `limit` seconds.

    However this ends, none of them is left running.
    """
    with log.open("wb") as out:
        told = subprocess.PIPE if word else None
        if not word:
            ready()
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                command, env=dict(environment), stdin=told, stdout=told or out, stderr=out, start_new_session=True
            )
            for command in commands
        ]
        late = threading.Timer(limit, _kill, [running])
        late.start()
        try:
            start = 0.0
            if word:
                for one in running:
                    assert one.stdout is not None
                    one.stdout.readline()
                ready()
                start, began = time.perf_counter() - began, time.perf_counter()
                for one in running:
                    assert one.stdin is not None
                    with suppress(BrokenPipeError):
                        one.stdin.write(f"{word}\n".encode())
                        one.stdin.flush()
            cpu, peak, wrong = 0.0, 0.0, []
            for one in running:
                # wait4 and not RUSAGE_CHILDREN: it is of this child alone, whatever ran before it.
                _, status, used = os.wait4(one.pid, 0)
                one.returncode = os.waitstatus_to_exitcode(status)
                cpu += used.ru_utime + used.ru_stime
                peak += used.ru_maxrss / 1024
                if one.returncode not in ok:
                    wrong.append(one.returncode)
            wall = time.perf_counter() - began
        finally:
            late.cancel()
            _kill(running)
        for one in running:
            for pipe in (one.stdin, one.stdout):
                if pipe is not None:
                    # One that died before it was told leaves the word in our hands; how it died is said below.
                    with suppress(BrokenPipeError):
                        pipe.close()
    if wrong:
        raise Failed(f"{' '.join(commands[0])} ended with {wrong}: {log.read_text(errors='replace')[-2000:]}")
    return Cost(wall, cpu, peak, start, len(commands))


def _kill(running: list[subprocess.Popen[bytes]]) -> None:
    for one in running:
        if one.returncode is None:
            os.killpg(one.pid, signal.SIGKILL)


def leave_when_told() -> None:
    """SIGTERM ends this process as Ctrl-C does, so that no measured command outlives it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
