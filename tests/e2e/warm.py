"""The real command in processes that begin warm: forks of one that has imported what commands import.

The imports, Prefect's above all, cost more than what a command then does with a small estate. A fork has run nothing
yet, and takes its environment as a fresh import of Prefect does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

FORKS = multiprocessing.get_context("forkserver")
IMPORTED = (
    "flows.cli", "flows.assess", "flows.migrate", "flows.resync", "flows.planning", "flows.proving", "flows.standing",
    "flows.watching", "flows.failing", "flows.draining", "prefect.flow_engine", "prefect.task_engine",
    "prefect.utilities.visualization", "fastapi", "anyio._backends._asyncio", "tasks.ledger.store",
    "tasks.ledger.reader", "tasks.ledger.writer", "sqlalchemy.dialects.sqlite", "tasks.clients.blobs",
    "tasks.clients.wire", "tasks.clients.arm", "tasks.clients.graph", "tasks.clients.metrics",
    "tasks.clients.offerlists", "azure.identity", "azure.identity.aio", "msal_extensions",
    "azure.mgmt.resource.resources", "azure.mgmt.resource.subscriptions", "azure.mgmt.storage",
    "azure.mgmt.storage.models", "tasks.reports.files", "tasks.reports.jsonfile", "tasks.reports.summary",
    "tasks.reports.tables", "tasks.reports.webpage", "tasks.reports.xlsx", "jinja2", "pandas", "pyarrow.parquet",
    "typst",
)  # fmt: skip
"""What commands import while they run, seen in `sys.modules` at their ends. A name too few costs time only."""


def prepare(environment: Mapping[str, str]) -> None:
    """Start the process that is forked, in this environment. It ends with this one, however that ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        FORKS.set_forkserver_preload([*IMPORTED])
        forkserver.ensure_running()


class Warm:
    """A command that was begun warm, with what tests need of `subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        first: Callable[[], None] | None = None,
    ) -> None:
        """Begin `govlift WORDS` in a folder.

        Args:
            first: function of a module, which the new process calls before the command.
        """
        self.args = [*words]
        self._said = [NamedTemporaryFile("r", encoding="utf-8") for _ in ("out", "err")]  # noqa: SIM115
        places = [file.name for file in self._said]
        told = (self.args, {**environment}, str(folder), places, first)
        # As a daemon it is ended where this process ends before it does.
        self._process = FORKS.Process(target=_run, args=told, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; returns what it said to standard output and to standard error."""
        self.wait(timeout)
        for file in self._said:
            file.seek(0)
        out, err = (file.read() for file in self._said)
        return out, err

    def send_signal(self, sent: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, sent)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    words: list[str], environment: dict[str, str], folder: str, places: list[str], first: Callable[[], None] | None
) -> None:
    for number, place in enumerate(places, 1):
        file = os.open(place, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    # As at a terminal, even where the tests were begun in the background, which is deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["govlift", *words]
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    from flows.cli import main

    if first is not None:
        first()
    main()
