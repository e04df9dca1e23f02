"""Who holds a lease or runs a run: `host:process:worker`, and whether that process still lives.

The process part is its id and, where the system tells it, its start time: a restarted container often gives a new
process the id of the dead one.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

SILENCE = timedelta(minutes=15)
"""A run of another host that has not written for so long counts as gone."""


def own_name(worker: str = "") -> str:
    """The owner name of `worker` in this process."""
    return f"{socket.gethostname()}:{_process(os.getpid())}:{worker}"


def is_alive(owner: str) -> bool:
    """Whether the process of `owner` may still live: False only where that is certain.

    Processes of other hosts, and on systems without signals, count as alive; there the lease decides.
    """
    host, process, _ = owner.rsplit(":", 2)
    if os.name != "posix" or host != socket.gethostname():
        return True
    number, _, _ = process.partition("@")
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _process(int(number)) == process


def is_foreign(owner: str) -> bool:
    """Whether `owner` is a process that this machine cannot look at."""
    return os.name != "posix" or owner.rsplit(":", 2)[0] != socket.gethostname()


def _process(number: int) -> str:
    return f"{number}@{_start(number)}"


def _start(number: int) -> str:
    """Start of a process in clock ticks since boot (proc(5), `stat` field 22), "0" where the system does not say."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return "0"
    # The command's name (field 2) is in parentheses and may hold blanks and parentheses of its own.
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not asked for the exit code yet.
    return "ended" if fields[0] in ("Z", "X") else fields[19]
