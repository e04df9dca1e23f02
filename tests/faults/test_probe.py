"""`govlift doctor --probe` on the sandbox: what it says of a pair that can be pulled, of one that cannot, and of a
service that does not mind the pin; and that no blob comes to be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.storage.blob import BlobServiceClient

from mappings.settings import Settings, parse_settings
from tasks.copiers.probe import PullFacts
from tasks.doctor import Check, CheckState
from tasks.doctor_probe import Place, probe_checks, told
from tests.conftest import RunningSandbox
from tests.sandbox.tiny_estate import ESTATE, SOURCE, TARGET, key_of

ENVIRON = {"SOURCE_SECRET": ESTATE.commercial.client_secret, "TARGET_SECRET": ESTATE.government.client_secret}
FROM = Place("copysource", "kinds")


@pytest.fixture
def settings() -> Settings:
    here, there = ESTATE.commercial, ESTATE.government
    return parse_settings(
        f'''
        name = "probed"
        [source]
        cloud = "AzureCloud"
        tenant_id = "{here.tenant_id}"
        subscriptions = ["{SOURCE}"]
        credential = {{client_id = "{here.client_id}", secret_env = "SOURCE_SECRET"}}
        [target]
        cloud = "AzureUSGovernment"
        tenant_id = "{there.tenant_id}"
        subscription = "{TARGET}"
        credential = {{client_id = "{there.client_id}", secret_env = "TARGET_SECRET"}}
        ''',
        origin="test",
    )


@pytest.fixture
def landing(copies: RunningSandbox) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(
        "https://copytarget.blob.core.usgovcloudapi.net", key_of("copytarget"), **copies.client_options
    ) as service:
        if not service.get_container_client("landing").exists():
            service.create_container("landing")
        copies.ask("POST", "/counters/reset")
        yield service


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


INTO = Place("copytarget", "landing")


@pytest.mark.sandbox
def test_a_pair_that_works_is_told_with_route_and_proof(
    copies: RunningSandbox, landing: BlobServiceClient, settings: Settings
) -> None:
    """Breaks when the probe commits a blob, or calls a pair good without having tried the pin."""
    checks = by_name(probe_checks(settings, ENVIRON, source=FROM, into=INTO))
    assert [check for check in checks.values() if check.state is not CheckState.PASSED] == []
    assert "the route is pull" in checks["probe: pull"].result
    assert "412" in checks["probe: pin on pulls"].result and "412" in checks["probe: pin on reads"].result
    assert "L2" in checks["probe: CRC64"].result and "MiB/s" in checks["probe: throughput"].result
    assert list(landing.get_container_client("landing").list_blobs()) == []
    asked = copies.counters()["government"]["blob"]["by_operation"]["PutBlockFromURL"]
    assert asked == 2, "one pull, and one that has to be refused"
    assert copies.counters()["commercial"]["blob"]["write"] == 0


@pytest.mark.sandbox
def test_a_closed_source_is_told_as_a_stream(
    copies: RunningSandbox, landing: BlobServiceClient, settings: Settings
) -> None:
    """Breaks when a refused pull fails the doctor although the copy would stream, or passes where it must not."""
    copies.ask("POST", "/network", {"account": "copysource", "allow_pull": False})
    try:
        checks = by_name(probe_checks(settings, ENVIRON, source=FROM, into=INTO))
        only_pull = settings.model_copy(update={"copy_": settings.copy_.model_copy(update={"route": "pull"})})
        strict = by_name(probe_checks(only_pull, ENVIRON, source=FROM, into=INTO))
    finally:
        copies.ask("POST", "/network", {"account": "copysource", "allow_pull": True})
    assert checks["probe: pull"].state is CheckState.PASSED and "streamed" in checks["probe: pull"].result
    assert checks["probe: pin on pulls"].state is CheckState.NOT_CHECKED
    assert checks["probe: pin on reads"].state is CheckState.PASSED
    assert strict["probe: pull"].failed


@pytest.mark.sandbox
def test_a_target_that_is_not_ours_is_refused_before_a_block_is_staged(
    copies: RunningSandbox, landing: BlobServiceClient, settings: Settings
) -> None:
    """Breaks when --into lets a write go to an account outside of the target subscription."""
    checks = probe_checks(settings, ENVIRON, source=FROM, into=Place("somebodyelse", "c"))
    assert [check.name for check in checks if check.failed] == ["probe: pull"]
    assert "somebodyelse" in checks[0].result
    assert copies.counters()["government"]["blob"]["write"] == 0


def test_a_service_that_does_not_mind_the_pin_fails_the_probe() -> None:
    """Breaks when an ignored condition goes unnoticed: torn copies would follow."""
    facts = PullFacts(True, "", answers_crc=False, pin_of_pull=False, pin_of_read=True, bytes=1 << 23, seconds=0.5)
    checks = by_name(told(facts, "a -> b", "v", route="auto"))
    assert checks["probe: pin on pulls"].failed and "stream" in checks["probe: pin on pulls"].next_step
    assert "read back" in checks["probe: CRC64"].result
    assert "16.0 MiB/s" in checks["probe: throughput"].result
