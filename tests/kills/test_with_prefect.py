"""The whole command with its Prefect server: either dies in the middle, and the same command ends the run whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from tests.conftest import RunningSandbox
from tests.e2e.customer import ambient
from tests.kills.test_workers import until
from tests.kills.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

PATIENCE = 45.0
"""How long a command may hold on to a server that is gone before it is killed, too."""


@dataclass
class Served:
    """A Prefect server that is started anew, with what it kept, whenever it is wanted and was killed."""

    home: Path
    running: ExitStack
    api: str = ""
    process: int = 0

    def lead(self, town: Town) -> None:
        """Lead the commands of a town to it."""
        if not self.process:
            environment = ambient() | PREFECT_ENVIRONMENT | {"PREFECT_HOME": str(self.home)}
            self.running.enter_context(prefect_server(self.home, environment))()
            self.api = environment["PREFECT_API_URL"]
            self.process = server_at(self.api)
        town.customer.environment |= {"PREFECT_API_URL": self.api, "PREFECT_LOGGING_LEVEL": "CRITICAL"}

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        self.process = 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ExitStack() as running:
        yield Served(tmp_path_factory.mktemp("prefect"), running)


def server_at(api: str) -> int:
    """The process that serves the address."""
    port = api.rpartition(":")[2].partition("/")[0].encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0") if (entry / "cmdline").exists() else []
            if b"server" in words and port in words:
                return int(entry.name)
    raise AssertionError(f"nobody serves {api}")


def migrate(town: Town) -> subprocess.Popen[bytes]:
    with (town.customer.folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "migrate", "--apply", "--config", str(town.customer.config)],
            env=town.customer.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


VICTIMS = ["leader", "server", "both"]


@pytest.mark.parametrize("victim", VICTIMS)
def test_the_command_or_its_server_dies(
    clouds: RunningSandbox, found: Callable[[int], Town], served: Served, victim: str
) -> None:
    """Mutation that must fail it: a copy stage that asks Prefect for anything that it needs."""
    town = found(800_000 + VICTIMS.index(victim))
    served.lead(town)
    clouds.break_with({"match": "government blob PUT", "delay": 0.3})
    running = migrate(town)
    until(lambda: town.asked("select 1 from shard where state != 'pending'"), town, 120)
    time.sleep(1)
    if victim in ("server", "both"):
        served.kill()
    if victim in ("leader", "both"):
        running.kill()
    clouds.ask("DELETE", "/faults")
    try:
        running.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
    town.must_be_gone()
    served.lead(town)
    again = migrate(town)
    assert again.wait(timeout=150) == 0, town.log()
    town.must_be_whole()
