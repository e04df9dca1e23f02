"""Two clouds with the small estate, and sessions on both sides by stock settings: only the environment leads there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.settings import Settings, parse_settings
from tasks.clients.arm import SourceArm, TargetArm
from tasks.clients.graph import GraphReader
from tasks.clients.session import Session, open_session
from tests.conftest import RunningSandbox, start_sandbox
from tests.controlplane import estate

ENVIRON = {"SOURCE_SECRET": "source-secret", "TARGET_SECRET": "target-secret"}


@dataclass(frozen=True)
class Clouds:
    """The running sandbox, as these tests look at it."""

    box: RunningSandbox

    def fault(self, match: str, **rule: Any) -> None:
        self.box.break_with({"match": match, **rule})

    def writes(self, cloud: str) -> int:
        """Requests that changed something in a cloud since the test began."""
        counted = self.box.counters()[cloud]
        return sum(int(counted[service]["write"]) for service in ("arm", "blob"))


@pytest.fixture(scope="session")
def _session_clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("clouds"), f"{Path(estate.__file__)}:ESTATE")


@pytest.fixture
def clouds(_session_clouds: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clouds]:
    for name, value in _session_clouds.environment().items():
        monkeypatch.setenv(name, value)
    _session_clouds.calm()
    yield Clouds(_session_clouds)
    _session_clouds.calm()


def settings_with(**changes: str) -> Settings:
    """Settings of the small estate's migration; a change names a key by `section__key`."""
    keys = {
        "source__cloud": "AzureCloud",
        "source__tenant_id": estate.SOURCE_TENANT,
        "target__cloud": "AzureUSGovernment",
        "target__tenant_id": estate.TARGET_TENANT,
        "target__subscription": estate.TARGET,
        "source__client_id": estate.COMMERCIAL.client_id,
        "target__client_id": estate.GOVERNMENT.client_id,
    } | changes
    return parse_settings(
        f"""
name = "county"
[source]
cloud = "{keys["source__cloud"]}"
tenant_id = "{keys["source__tenant_id"]}"
subscriptions = ["{estate.MAIN}"]
credential = {{ client_id = "{keys["source__client_id"]}", secret_env = "SOURCE_SECRET" }}
[target]
cloud = "{keys["target__cloud"]}"
tenant_id = "{keys["target__tenant_id"]}"
subscription = "{keys["target__subscription"]}"
region = "usgovvirginia"
credential = {{ client_id = "{keys["target__client_id"]}", secret_env = "TARGET_SECRET" }}
""",
        origin="migration.toml",
    )


@pytest.fixture
def settings() -> Settings:
    return settings_with()


@pytest.fixture
def source(clouds: Clouds, settings: Settings) -> Iterator[Session]:
    part = settings.source
    session = open_session(COMMERCIAL, part.tenant_id, part.credential, ENVIRON, reads_only=True)
    yield session
    session.close()


@pytest.fixture
def target(clouds: Clouds, settings: Settings) -> Iterator[Session]:
    part = settings.target
    session = open_session(GOVERNMENT, part.tenant_id, part.credential, ENVIRON)
    yield session
    session.close()


@pytest.fixture
def source_arm(source: Session) -> Iterator[SourceArm]:
    arm = SourceArm(source)
    yield arm
    arm.close()


@pytest.fixture
def graph(source: Session) -> Iterator[GraphReader]:
    reader = GraphReader(source)
    yield reader
    reader.close()


@pytest.fixture
def target_arm(target: Session) -> Iterator[TargetArm]:
    arm = TargetArm(target, estate.TARGET)
    yield arm
    arm.close()
