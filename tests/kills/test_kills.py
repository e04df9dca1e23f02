"""kill -9 at any moment loses nothing, copies nothing twice and tears nothing, while the source is written to.

A few processes are killed by default. GOVLIFT_KILLS=300 kills that many here, and shakes some migrations more with a
Prefect server (test_with_prefect.py). GOVLIFT_KILL_SEED draws victims, moments and overwrites as another run did.

Mutations that must fail it: reading the source without the pin; not believing the journal's rows, or writing none;
forgetting what was begun where a comparison fails (in dozens of kills).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mappings.runs import RunKind
from tests.conftest import RunningSandbox
from tests.kills.account import Account
from tests.kills.conftest import Wanted
from tests.kills.estate import STREAMED
from tests.kills.moments import LISTING, SLOWED, STARTING, carry, wait_for
from tests.kills.source import Source
from tests.kills.town import Town

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

FEW = 8
"""Processes killed by default."""
MOST, MOST_OF_MANY = 4, 10
"""Times that something is killed in one migration or re-sync; the second where hundreds are wanted."""


@pytest.fixture
def unreachable(clouds: RunningSandbox) -> Iterator[None]:
    """From one of the accounts nothing can be pulled: its objects stream."""
    network = {"cloud": "commercial", "account": STREAMED}
    clouds.ask("POST", "/network", network | {"allow_pull": False})
    yield
    clouds.ask("POST", "/network", network | {"allow_pull": True})


def test_what_is_killed_again_and_again_ends_whole(
    clouds: RunningSandbox, source: Source, unreachable: None, tmp_path: Path, wanted: Wanted
) -> None:
    chance, account = random.Random(wanted.seed), Account()
    assessed = tmp_path / "assessed.db"
    clouds.break_with(*SLOWED)
    while account.killed < (wanted.kills or FEW):
        town = Town.founded(tmp_path / f"town{account.migrations}", account.migrations, source, account, assessed)
        clouds.ask("POST", "/journal")
        try:
            live_through(town, chance, assessed, MOST_OF_MANY if wanted.kills else MOST)
        finally:
            town.end()
        wanted.tell(account)


def live_through(town: Town, chance: random.Random, assessed: Path, most: int) -> None:
    """Assess, plan, migrate and re-sync a source in use, with kills in between; then once more, in peace."""
    if not assessed.exists() or chance.random() < 0.25:
        be_killed_while_listing(town, chance)
        town.finish("assess")
        assessed.write_bytes((town.customer.folder / "ledger.db").read_bytes())
    town.plan()
    with town.source.in_use(random.Random(chance.random())):
        carry(town, "migrate", chance, chance.randint(2, most), busy=True)
        carry(town, "resync", chance, chance.randint(2, most), busy=True)
    town.finish("resync")
    town.must_be_whole(RunKind.RESYNC)


def be_killed_while_listing(town: Town, chance: random.Random) -> None:
    """The inventory and the survey of the containers, killed once or twice; neither may be taken for whole."""
    for _ in range(chance.randint(1, 2)):
        running = town.begin("assess")
        if wait_for(chance.choice((STARTING, LISTING, LISTING)), town, running, chance):
            town.strike(running, leader=True)
        running.wait()
