"""The real commands with their Prefect server: either dies anywhere, and the same command ends the run whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from mappings.runs import RunKind
from tests.conftest import RunningSandbox
from tests.e2e.customer import ambient
from tests.e2e.servers import server_at
from tests.kills.account import Account
from tests.kills.conftest import Wanted
from tests.kills.moments import COPYING, LISTING, PROVISIONING, SLOWED, Moment, wait_for
from tests.kills.requests_seen import Death
from tests.kills.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

PATIENCE = 8.0
"""How long a command may hold on to a server that is gone before it is killed, too; one that copies ends its run."""


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


@pytest.fixture
def shaken(wanted: Wanted) -> int:
    """How many migrations are shaken: one by default."""
    return max(1, wanted.kills // 60)


def test_whatever_dies_the_same_command_ends_whole(
    clouds: RunningSandbox, found: Callable[..., Town], served: Served, wanted: Wanted, shaken: int
) -> None:
    """Which of the victims falls at which of the moments is drawn, and so is how long after it.

    Mutation that must fail it: a copy stage that asks Prefect for anything that it needs.
    """
    chance, account = random.Random(f"prefect {wanted.seed}"), Account()
    for number in range(shaken):
        clouds.break_with(*SLOWED)
        town = found(800_000 + number, account)
        with town.source.in_use(random.Random(chance.random())):
            die(town, served, "assess", LISTING, chance)
            town.finish("assess")
            town.plan()
            die(town, served, "migrate", PROVISIONING, chance)
            die(town, served, "migrate", COPYING, chance)
            served.lead(town)
            town.finish("migrate", shown=True, good=(0, 4))
            if wanted.kills:
                die(town, served, "resync", COPYING, chance)
                # One that goes on takes up what was not done yet; what changed in a done shard is for the next.
                served.lead(town)
                town.finish("resync", shown=True, good=(0, 4))
        clouds.ask("DELETE", "/faults")
        town.finish("resync")
        town.must_be_whole(RunKind.RESYNC)
        wanted.tell(account)


def die(town: Town, served: Served, word: str, moment: Moment, chance: random.Random) -> None:
    """Give a command, and kill its server, itself, or both."""
    served.lead(town)
    start = time.time()
    running = town.begin(word, shown=True)
    victim = chance.choice(("server", "server", "leader", "both"))
    if wait_for(moment, town, running, chance):
        fell(town, served, running, victim)
    town.ended(start, running.wait())


def fell(town: Town, served: Served, running: subprocess.Popen[bytes], victim: str) -> None:
    """SIGKILL for the server, the command or both; a command that holds on to a dead server is killed, too.

    What copies needs no server: where one dies meanwhile, the copy is finished all the same.
    """
    phase = town.phase()
    if victim != "leader":
        town.account.kills["server", phase] += 1
        served.kill()
    if victim != "server":
        town.strike(running, leader=True)
        return
    at, held = time.time(), town.held()
    copies = phase.endswith("copying")
    until = time.monotonic() + (120 if copies else PATIENCE)
    while running.poll() is None and time.monotonic() < until and not (copies and town.phase().endswith("ending")):
        time.sleep(0.1)
    if running.poll() is None:
        town.strike(running, leader=True)
    else:
        town.died(Death(at, frozenset(shard for _, shard in held)), wholly=True)
    if copies:
        left = "select shard_id, state from shard where run_id = (select max(id) from run) and state != 'done'"
        assert not town.asked(left), (town.asked(left), town.log())
