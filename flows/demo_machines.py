"""A machine of the demo: a Prefect worker and everything that it starts, which can be switched off at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Machine:
    """A process worker of the pool `govlift`, and its children."""

    name: str
    worker: subprocess.Popen[bytes]
    seen: set[int] = field(default_factory=set)
    """Every process that ever ran on it."""

    @classmethod
    def start(cls, name: str, folder: Path, environment: dict[str, str]) -> Machine:
        """Start one that takes one run at a time; what it says goes to a file."""
        with (folder / f"{name}.log").open("wb") as log:
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "prefect", "worker", "start", "--pool", "govlift"),
                    *("--type", "process", "--limit", "1", "--name", name),
                ],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(name, worker)

    def processes(self) -> set[int]:
        """The worker, its flow runs and their worker processes, as of now."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found, open_ = set(), [self.worker.pid] if self.worker.poll() is None else []
        while open_:
            pid = open_.pop()
            found.add(pid)
            open_ += children.get(pid, [])
        self.seen |= found
        return found

    def kill(self) -> set[int]:
        """Switch it off: SIGKILL to all of it, the worker first so that nobody can tidy up."""
        running = self.processes()
        for pid in sorted(running, key=lambda pid: pid != self.worker.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.worker.wait()
        return running
