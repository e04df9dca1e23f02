"""kill -9 at any moment loses nothing: hundreds of times with GOVLIFT_KILLS=300, for less than a minute otherwise.

Mutations that must fail it: not freeing the leases of the dead; leaving the leader's pipe to workers out; clearing the
intents before the manifest is recorded; taking an unfinished manifest for evidence.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningSandbox
from tests.kills.estate import STREAMED
from tests.kills.town import Account, Town, strike

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

SECONDS = 40.0
"""How long the default goes on."""
MOST_KILLS, MOST_OF_MANY = 4, 10
"""Of one migration; the second where hundreds are wanted."""


@pytest.fixture
def unreachable(clouds: RunningSandbox) -> Iterator[None]:
    """From one of the accounts nothing can be pulled: its objects stream."""
    network = {"cloud": "commercial", "account": STREAMED}
    clouds.ask("POST", "/network", network | {"allow_pull": False})
    yield
    clouds.ask("POST", "/network", network | {"allow_pull": True})


def test_a_migration_that_is_killed_again_and_again_ends_whole(
    clouds: RunningSandbox, unreachable: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("GOVLIFT_SEED") or time.time())
    wanted = int(os.environ.get("GOVLIFT_KILLS") or 0)
    tell(capsys, f"seed {seed}; repeat with GOVLIFT_SEED={seed}")
    chance, account = random.Random(seed), Account()
    assessed = tmp_path / "assessed.db"
    until = time.monotonic() + SECONDS
    while account.migrations == 0 or (sum(account.kills.values()) < wanted if wanted else time.monotonic() < until):
        town = Town.founded(tmp_path / f"town{account.migrations}", clouds.state, account.migrations, account, assessed)
        clouds.ask("POST", "/journal")
        try:
            live_through(town, chance, assessed, MOST_OF_MANY if wanted else MOST_KILLS)
            town.must_be_whole()
        finally:
            town.end()
        tell(capsys, str(account))


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """To whoever watches: without its seed a failure cannot be repeated."""
    with capsys.disabled():
        sys.stderr.write(f"{text}\n")


def live_through(town: Town, chance: random.Random, assessed: Path, most: int) -> None:
    """Assess, plan and migrate, with kills in between; ends with a run that nobody killed."""
    if not assessed.exists() or chance.random() < 0.15:
        be_killed_while_listing(town, chance)
        town.finish("assess")
        assessed.write_bytes((town.customer.folder / "ledger.db").read_bytes())
    town.plan()
    kills = chance.randint(1, most)
    while kills:
        running = town.begin("migrate")
        ended = False
        while kills and not ended:
            kills -= 1
            ended = strike(town, running, chance)
        if not ended:
            running.wait(timeout=300)
        if running.returncode == 0:
            break
        assert ended, town.log()
    else:
        town.finish("migrate")
    town.measure()


def be_killed_while_listing(town: Town, chance: random.Random) -> None:
    """The inventory and the survey of the containers, killed once or twice; neither may be taken for whole."""
    for _ in range(chance.randint(1, 2)):
        running = town.begin("assess")
        time.sleep(chance.uniform(0.3, 3.5))
        if running.poll() is None:
            running.kill()
            town.account.kills["leader while listing"] += 1
        running.wait()
        town.must_be_gone()
