"""The same tests against the sandbox's own service and against Azurite."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.conformance.stage import Clock, Stage, playing


@pytest.fixture(scope="session", params=["own", pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.slow])])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with playing(request.param, tmp_path_factory.mktemp(request.param)) as stage:
        yield stage


@pytest.fixture(scope="session")
def own_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox's service alone, for what Azurite cannot be asked."""
    with playing("own", tmp_path_factory.mktemp("own-only")) as stage:
        yield stage


@pytest.fixture(scope="session")
def azurite_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with playing("azurite", tmp_path_factory.mktemp("azurite-only")) as stage:
        yield stage


def new_name(prefix: str = "c") -> str:
    return f"{prefix}{uuid.uuid4().hex[:12]}"


@pytest.fixture
def container(stage: Stage) -> Any:
    """A fresh container of the commercial account, by account key."""
    return stage.client().create_container(new_name())


@pytest.fixture
def own_container(own_stage: Stage) -> Any:
    return own_stage.client().create_container(new_name())


@pytest.fixture
def clock(own_stage: Stage) -> Iterator[Clock]:
    """The own service's clock, right again after the test. Keys sign dates, so it must stay within 15 minutes."""
    yield own_stage.clock
    own_stage.clock.ahead = 0.0
