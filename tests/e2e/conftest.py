"""Fixtures of the end-to-end tests: one Prefect server for all, and clouds of its own for each test that writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from tests.conftest import RunningSandbox, start_sandbox
from tests.e2e.customer import Customer, Ran, ambient
from tests.e2e.warm import prepare


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """API address of a Prefect server that lives as long as the tests."""
    home = tmp_path_factory.mktemp("prefect")
    environment = ambient() | PREFECT_ENVIRONMENT | {"PREFECT_HOME": str(home)}
    with prefect_server(home, environment) as wait:
        # Who does not find the server starts none: as the commands have it.
        prepare(environment | {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"})
        wait()
        yield environment["PREFECT_API_URL"]


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """Two clouds for all tests that change nothing in them."""
    yield from start_sandbox(tmp_path_factory.mktemp("untouched"), "tiny")


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, untouched: RunningSandbox, prefect_api: str) -> Path:
    """The folder of a customer who has assessed and planned, for others with the same estate to begin with."""
    customer = Customer(tmp_path_factory.mktemp("planned"), untouched.state, prefect_api)
    customer.assessed_and_planned()
    return customer.folder


@dataclass(frozen=True)
class Migrated:
    """A customer whose data were copied, and what the command said."""

    customer: Customer
    ran: Ran


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, prefect_api: str, planned: Path) -> Iterator[Migrated]:
    """For tests that change nothing in its clouds; one that changes its folder takes a twin."""
    folder = tmp_path_factory.mktemp("migrated")
    for box in start_sandbox(folder / "sandbox", "tiny"):
        customer = Customer(folder / "migration", box.state, prefect_api, planned=planned)
        customer.assessed_and_planned()
        yield Migrated(customer, customer.run("migrate", "--apply", "--json", "--verbose"))


@pytest.fixture
def customer(tmp_path: Path, prefect_api: str, planned: Path) -> Iterator[Customer]:
    """A small customer with two clouds of their own."""
    for box in start_sandbox(tmp_path / "sandbox", "tiny"):
        made = Customer(tmp_path / "migration", box.state, prefect_api, planned=planned)
        yield made
        made.end()


@pytest.fixture
def guest(tmp_path: Path, untouched: RunningSandbox, prefect_api: str, planned: Path) -> Iterator[Customer]:
    """A small customer who shares two clouds, for what must write nothing there."""
    untouched.calm()
    yield Customer(tmp_path / "migration", untouched.state, prefect_api, planned=planned)
    untouched.calm()


@pytest.fixture
def lone_customer(tmp_path: Path, untouched: RunningSandbox) -> Customer:
    """The same without a Prefect server, for what must be refused or answered before one is needed."""
    return Customer(tmp_path / "migration", untouched.state)
