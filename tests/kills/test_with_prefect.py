"""The whole command with its Prefect server: either dies in the middle, and the same command ends the run whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.e2e.customer import ambient
from tests.kills.test_workers import until
from tests.kills.town import Account, Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

PATIENCE = 45.0
"""How long a command may hold on to a server that is gone before it is killed, too."""


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("served"), f"{ROOT / 'tests' / 'kills' / 'estate.py'}:ESTATE")


@contextmanager
def served(town: Town) -> Iterator[int]:
    """A Prefect server for the town; yields its process."""
    environment = ambient() | PREFECT_ENVIRONMENT | {"PREFECT_HOME": str(town.customer.folder / "prefect")}
    with prefect_server(town.customer.folder, environment) as wait:
        wait()
        api = environment["PREFECT_API_URL"]
        town.customer.environment |= {"PREFECT_API_URL": api, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
        yield server_at(api)


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


@pytest.mark.parametrize("victim", ["server", "leader", "both"])
def test_the_command_or_its_server_dies(clouds: RunningSandbox, tmp_path: Path, victim: str) -> None:
    """Mutation that must fail it: a copy stage that asks Prefect for anything that it needs."""
    number = 800000 + ["server", "leader", "both"].index(victim)
    town = Town.founded(tmp_path / "town", clouds.state, number, Account(), tmp_path / "none")
    town.finish("assess")
    town.plan()
    clouds.calm()
    clouds.ask("POST", "/journal")
    clouds.break_with({"match": "government blob PUT", "delay": 0.3})
    with served(town) as server:
        running = migrate(town)
        until(lambda: town.asked("select 1 from shard where state != 'pending'"), town, 120)
        time.sleep(1)
        if victim in ("server", "both"):
            os.kill(server, signal.SIGKILL)
        if victim in ("leader", "both"):
            running.kill()
        clouds.ask("DELETE", "/faults")
        try:
            running.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        town.must_be_gone()
    with served(town):
        again = migrate(town)
        assert again.wait(timeout=150) == 0, town.log()
    town.must_be_whole()
