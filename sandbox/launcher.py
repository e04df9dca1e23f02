"""Start, stop and look at a sandbox that runs as a process of its own. Importing this costs nothing."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.files import WRONG_CALL, LifeLock, StorageKind, environment_of

START_SECONDS = {StorageKind.OWN: 60.0, StorageKind.AZURITE: 240.0}
"""How long a start may take, on a busy machine."""
STOP_SECONDS = 15.0

__all__ = ["SandboxError", "down", "environment_of", "status", "up"]


class SandboxError(Exception):
    """The sandbox did not start or stop; the message says why."""


def up(directory: Path, *, estate: str = "hollis-county", storage: str = "own") -> dict[str, Any]:
    """Start a sandbox in `directory` and return its state when it is ready. One that already runs there is returned.

    Args:
        directory: made where it is missing; holds state, certificates and logs.
        estate: name of a sample estate, path of an estate file, or `file.py:ATTRIBUTE`.
        storage: `own` or `azurite`.

    Raises:
        SandboxError: it did not become ready; the message ends with what its log says.
        ValueError: no such storage or estate.
    """
    kind = StorageKind(storage)
    directory = directory.resolve()
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    with _changing(directory):
        running = _state(directory)
        if running is None:
            _start(directory, estate, kind)
            running = _state(directory)
        if running is None:
            raise SandboxError(f"The sandbox ended at once.\n{_last_words(directory)}")
        return running


def down(directory: Path) -> bool:
    """Stop the sandbox in `directory`; returns whether one ran. When this returns, its process is gone.

    Raises:
        SandboxError: it did not end, even when killed.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        return False
    with _changing(directory):
        running = _state(directory)
        if running is None:
            return False
        pid = int(running["pid"])
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if _ended(directory, pid):
                (directory / "state.json").unlink(missing_ok=True)
                return True
        raise SandboxError(f"Process {pid} does not end.")


def status(directory: Path) -> dict[str, Any]:
    """`{"running": True, **state}`, or `{"running": False}`."""
    running = _state(directory.resolve())
    return {"running": False} if running is None else {"running": True, **running}


@contextlib.contextmanager
def _changing(directory: Path) -> Iterator[None]:
    """One `up` or `down` at a time."""
    with LifeLock(directory / ".changing") as lock:
        lock.take(wait=True)
        yield


def _alive(directory: Path) -> bool:
    if not (directory / ".alive").exists():
        return False
    with LifeLock(directory / ".alive") as lock:
        return not lock.take(wait=False)


def _state(directory: Path) -> dict[str, Any] | None:
    """The state of the sandbox that runs in `directory`, or None. What a dead one left behind counts for nothing."""
    if not _alive(directory):
        return None
    try:
        state: dict[str, Any] = json.loads((directory / "state.json").read_text())
    except FileNotFoundError:  # It is on its way up or down.
        return None
    return state


def _start(directory: Path, estate: str, kind: StorageKind) -> None:
    read_end, write_end = os.pipe()
    command = [sys.executable, "-P", "-m", "sandbox", "serve", "--dir", str(directory)]
    command += ["--estate", estate, "--storage", kind.value, "--ready-fd", "3"]
    roots = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    log = str(directory / "logs" / "sandbox.log")
    files: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, write_end, 3),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONUNBUFFERED": "1"}
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=files, setsid=True)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        heard, _, _ = select.select([pipe], [], [], START_SECONDS[kind])
        if heard and pipe.read(1):
            return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, ended = os.waitpid(pid, 0)
    if heard and os.waitstatus_to_exitcode(ended) == WRONG_CALL:
        raise ValueError(_last_words(directory).splitlines()[-1])
    reason = "ended at once" if heard else f"was not ready after {START_SECONDS[kind]:.0f} s"
    raise SandboxError(f"The sandbox {reason}.\n{_last_words(directory)}")


def _ended(directory: Path, pid: int) -> bool:
    """Wait for the end of a process, and take it off the table where it is this one's child."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not _alive(directory):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            return True
        time.sleep(0.02)
    return False


def _last_words(directory: Path) -> str:
    log = directory / "logs" / "sandbox.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "It left no log."
