"""The conformance suite's stage, played by the blob service of the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.blobd import CompilerMissing, Service
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import ACCOUNTS, Stage


class FastStage(Stage):
    """The same names, clients and credentials, with the benchmarks' service behind the proxy."""

    def __init__(self, service: Service) -> None:
        self.kind = "own"
        self.service = service
        self.bundle = service.bundle
        self.proxy_url = service.proxy
        for cloud, names in ACCOUNTS.items():
            for name in names:
                service.ask("account", side=cloud, name=name)

    def needs(self, feature: Feature) -> None:
        """What the service has not is not imported into this folder's tests."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    try:
        running = Service(tmp_path_factory.mktemp("blobd"), sequence_mib=64)
    except CompilerMissing as missing:
        pytest.skip(str(missing))
    with running:
        yield running


@pytest.fixture(scope="session", params=["fetch", "ref"])
def stage(request: pytest.FixtureRequest, service: Service) -> Stage:
    """Both ways in which the service reads a copy source."""
    service.ask("settings", pull=request.param)
    return FastStage(service)


@pytest.fixture
def own_stage(stage: Stage) -> Stage:
    return stage


@pytest.fixture
def container(stage: Stage) -> Any:
    return stage.client().create_container(new_name())


@pytest.fixture
def own_container(container: Any) -> Any:
    return container


@pytest.fixture
def target(stage: Stage) -> Any:
    return stage.client("government").create_container(new_name())


@pytest.fixture(autouse=True)
def _served(service: Service) -> Iterator[None]:
    yield
    assert service.alive, "the service died of this test"
