"""One pair of clouds for all kill tests; each town has a folder and target accounts of its own there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.kills.town import Account, Town


@pytest.fixture(scope="session")
def _session_clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("kills"), f"{ROOT / 'tests' / 'kills' / 'estate.py'}:ESTATE")


@pytest.fixture
def clouds(_session_clouds: RunningSandbox) -> Iterator[RunningSandbox]:
    _session_clouds.calm()
    yield _session_clouds
    _session_clouds.calm()


@pytest.fixture
def found(
    clouds: RunningSandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Town]]:
    """Founds a town of a number: assessed, by the first of them for all, and with a plan of its own."""
    assessed = tmp_path_factory.getbasetemp() / "assessed.db"
    founded: list[Town] = []

    def make(number: int) -> Town:
        town = Town.founded(tmp_path / "town", clouds.state, number, Account(), assessed)
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
