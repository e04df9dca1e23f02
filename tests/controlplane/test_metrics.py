"""Sizes by Azure Monitor: the real SDK's pipeline against the sandbox's metrics, and what a refusal becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mappings.clouds import COMMERCIAL
from mappings.errors import FixTheInput
from mappings.model import Inventory
from mappings.movetables import Metric
from mappings.volumes import Basis, figures_of, metrics_for
from tasks.clients.accounts import resource_of
from tasks.clients.metrics import MetricsReader
from tasks.clients.session import open_session
from tasks.metering import read_volumes
from tasks.movetables import load_move_tables
from tests.conftest import RunningSandbox, start_sandbox
from tests.controlplane import metered
from tests.controlplane.conftest import ENVIRON, settings_with

pytestmark = pytest.mark.sandbox
NOW = datetime.now(UTC)
GROUP = f"/subscriptions/{metered.MAIN}/resourceGroups/rg-data/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/meterdata"


@pytest.fixture(scope="module")
def _box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("metered"), f"{Path(metered.__file__)}:ESTATE")


@pytest.fixture
def box(_box: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    for name, value in _box.environment().items():
        monkeypatch.setenv(name, value)
    _box.calm()
    yield _box
    _box.calm()


@pytest.fixture
def reader(box: RunningSandbox) -> Iterator[MetricsReader]:
    part = settings_with().source
    session = open_session(COMMERCIAL, part.tenant_id, part.credential, ENVIRON, reads_only=True)
    made = MetricsReader(session)
    yield made
    made.close()
    session.close()


def inventory() -> Inventory:
    return Inventory("AzureCloud", "t", "test", NOW, tuple(resource_of(body) for body in metered.RESOURCES))


def metric(type_name: str, part: str = "") -> Metric:
    metrics = load_move_tables().volumes.metric
    return next(m for m in metrics if m.type == type_name.lower() and m.part == part)


def test_blobs_of_every_tier_are_added_up(reader: MetricsReader) -> None:
    """Without a split by tier the service answers an average over the tiers, which is no sum."""
    found = reader.volume(ACCOUNT, metric("Microsoft.Storage/storageAccounts", "blob"), NOW)
    assert (found.bytes, found.objects) == (len(metered.HOT) + len(metered.COOL) + 10, 3)
    assert found.at is not None and timedelta() <= NOW - found.at < timedelta(hours=3), "not the newest value"


def test_every_figure_of_an_estate_has_its_basis(reader: MetricsReader) -> None:
    tables, seen = load_move_tables(), inventory()
    wanted = metrics_for(seen, tables)
    assert [m.part for m in wanted[ACCOUNT]] == ["blob", "queue"], "services that the account does not have were asked"
    volumes, gaps = read_volumes(reader, wanted, NOW)
    assert not gaps
    figures = figures_of(replace(seen, volumes=volumes), tables)
    told = {(seen.resources[f.position].name, f.part): (f.bytes, f.basis) for f in figures}
    assert told["meterdata", "blob"] == (1244, Basis.MEASURED)
    assert told["meterdata", "queue"] == (0, Basis.MEASURED)
    assert told["sql1/db1", ""] == (400_000, Basis.MEASURED)
    assert told["sql1", ""] == (None, Basis.ELSEWHERE)
    assert told["cosmos1", ""] == (None, Basis.UNKNOWN), "no value is not a size of zero"


def test_a_refused_metric_is_one_gap_and_the_rest_counts(reader: MetricsReader, box: RunningSandbox) -> None:
    box.break_with({"match": "arm GET .*queueServices.*metrics", "status": 403, "code": "AuthorizationFailed"})
    box.break_with({"match": "arm GET .*sql1/databases.*metrics", "status": 403, "code": "AuthorizationFailed"})
    volumes, gaps = read_volumes(reader, metrics_for(inventory(), load_move_tables()), NOW)
    assert {(v.resource_id.rpartition("/")[2], v.part) for v in volumes} == {("meterdata", "blob"), ("cosmos1", "")}
    (gap,) = gaps
    assert gap.code == "AuthorizationFailed" and gap.remedy
    assert "meterdata" in gap.what and "db1" in gap.what
    assert gap.scope == f"/subscriptions/{metered.MAIN}"


def test_a_metric_that_the_type_lacks_is_the_services_own_words(reader: MetricsReader) -> None:
    wrong = metric("Microsoft.Sql/servers/databases").model_copy(update={"bytes": "no_such_metric"})
    with pytest.raises(FixTheInput) as told:
        reader.volume(ACCOUNT, wrong, NOW)
    assert "Failed to find metric configuration" in told.value.sentence


def test_the_source_is_only_read(reader: MetricsReader, box: RunningSandbox) -> None:
    before = box.counters()["commercial"]["arm"]["write"]
    read_volumes(reader, metrics_for(inventory(), load_move_tables()), NOW)
    assert box.counters()["commercial"]["arm"]["write"] == before
