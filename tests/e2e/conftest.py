"""Fixtures of the end-to-end tests: one Prefect server for all, two fresh clouds for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from sandbox.launcher import down, up
from tests.e2e.customer import Customer, ambient


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """API address of a Prefect server that lives as long as the tests."""
    home = tmp_path_factory.mktemp("prefect")
    environment = ambient() | PREFECT_ENVIRONMENT | {"PREFECT_HOME": str(home)}
    with prefect_server(home, environment) as wait:
        wait()
        yield environment["PREFECT_API_URL"]


@pytest.fixture
def customer(tmp_path: Path, prefect_api: str) -> Iterator[Customer]:
    """A small customer with two clouds of their own."""
    sandbox = tmp_path / "sandbox"
    state = up(sandbox, estate="tiny")
    try:
        yield Customer(tmp_path / "migration", state, prefect_api)
    finally:
        down(sandbox)


@pytest.fixture
def lone_customer(tmp_path: Path) -> Iterator[Customer]:
    """The same without a Prefect server, for what must be refused or answered before one is needed."""
    sandbox = tmp_path / "sandbox"
    state = up(sandbox, estate="tiny")
    try:
        yield Customer(tmp_path / "migration", state)
    finally:
        down(sandbox)
