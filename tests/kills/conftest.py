"""One pair of clouds for all kill tests; each town has a folder and target accounts of its own there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.kills.account import Account
from tests.kills.source import Source
from tests.kills.town import Town
from tests.ledger.conftest import _server, postgres_url

__all__ = ["_server", "postgres_url"]


@dataclass(frozen=True)
class Wanted:
    """How many processes are to be killed, and from which seed everything is drawn."""

    kills: int
    """0 where nobody said."""
    seed: int
    capture: pytest.CaptureFixture[str]

    def tell(self, what: object) -> None:
        """To whoever watches."""
        with self.capture.disabled():
            sys.stderr.write(f"{what}\n")


@pytest.fixture
def wanted(capsys: pytest.CaptureFixture[str]) -> Iterator[Wanted]:
    """As the environment says; without its seed a failure cannot be repeated, so that is told first."""
    seed = int(os.environ.get("GOVLIFT_KILL_SEED") or time.time())
    asked = Wanted(int(os.environ.get("GOVLIFT_KILLS") or 0), seed, capsys)
    asked.tell(f"GOVLIFT_KILL_SEED={seed}")
    # Of a test that fails pytest shows what it wrote.
    print(f"Repeat with GOVLIFT_KILL_SEED={seed}")  # noqa: T201
    yield asked


@pytest.fixture(scope="session")
def _session_clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("kills"), f"{ROOT / 'tests' / 'kills' / 'estate.py'}:ESTATE")


@pytest.fixture(scope="session")
def source(_session_clouds: RunningSandbox) -> Source:
    """What has been written at the source since the clouds are there."""
    return Source(_session_clouds.state)


@pytest.fixture
def clouds(_session_clouds: RunningSandbox) -> Iterator[RunningSandbox]:
    _session_clouds.calm()
    yield _session_clouds
    _session_clouds.calm()


@pytest.fixture
def found(
    clouds: RunningSandbox, source: Source, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Town]]:
    """Founds a town of a number: assessed, by the first of them for all, and with a plan of its own."""
    assessed = tmp_path_factory.getbasetemp() / "assessed.db"
    founded: list[Town] = []

    def make(number: int, account: Account | None = None) -> Town:
        town = Town.founded(tmp_path / f"town{number}", number, source, account or Account(), assessed)
        founded.append(town)
        if not assessed.exists():
            town.finish("assess")
            assessed.write_bytes((town.customer.folder / "ledger.db").read_bytes())
        town.plan()
        clouds.ask("POST", "/journal")
        return town

    yield make
    for town in founded:
        town.end()
