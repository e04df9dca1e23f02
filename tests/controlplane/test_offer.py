"""The target's own lists by the real clients: old API versions, pages, refused parts, a file for offline use."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mappings.offer import Offer, PolicyKind, offer_from_json
from tasks.clients.arm import TargetArm
from tasks.offers import ask_target
from tests.controlplane import estate
from tests.controlplane.conftest import Clouds

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def ask(arm: TargetArm) -> Offer:
    return ask_target(arm, asked_at=NOW)


def test_everything_is_asked_at_versions_that_government_has_and_nothing_is_written(
    clouds: Clouds, target_arm: TargetArm
) -> None:
    """`Microsoft.Compute/skus` is in no provider list; its versions are learnt from the refusal of the newest."""
    offer = ask(target_arm)
    assert offer.unasked == ()
    assert target_arm.api_versions_used["microsoft.compute/skus"] == "2019-04-01"
    assert target_arm.api_versions_used["microsoft.storage/skus"] == "2025-06-01"
    assert {"virtualmachines", "disks", "snapshots", "storageaccounts"} <= set(offer.sku_lists)
    zones = {one.region: one.zones for one in offer.zones}
    assert zones == {"usgovvirginia": ("1", "2", "3"), "usgovarizona": ()}
    sizes = {sku.name: {place.region: place for place in sku.places} for sku in offer.skus}
    # On the last of several pages, and the restriction of one region only.
    assert "usgovtexas" in sizes["Standard_E8s_v4"]
    assert sizes["Standard_E8s_v4"]["usgovvirginia"].refused == "NotAvailableForSubscription"
    assert sizes["Standard_E8s_v4"]["usgovarizona"].refused == ""
    assert clouds.writes("government") == 0


def test_policies_of_the_management_group_and_of_initiatives_are_seen(target_arm: TargetArm) -> None:
    found = {(policy.name.partition(": ")[2], policy.kind) for policy in ask(target_arm).policies}
    assert found == {
        ("allowed locations", PolicyKind.ALLOWED_LOCATIONS),
        ("services that are not approved", PolicyKind.DENIED_TYPES),
        ("security baseline", PolicyKind.NOT_UNDERSTOOD),
        ("security baseline", PolicyKind.DENIES_NOTHING),
    }


@pytest.mark.parametrize(
    ("path", "code", "missing"),
    [
        ("policyAssignments", "AuthorizationFailed", "policies that may deny resources"),
        (r"Microsoft.Compute/skus.*skiptoken", "AuthorizationFailed", "VM sizes and disk SKUs, with their zones"),
        ("Microsoft.Storage/skus", "AuthorizationFailed", "storage account SKUs"),
        ("locations", "AuthorizationFailed", "availability zones of the regions"),
    ],
)
def test_a_part_that_is_refused_is_said_and_the_rest_counts(
    clouds: Clouds, target_arm: TargetArm, path: str, code: str, missing: str
) -> None:
    """Also on a later page: half a SKU list would make the other half "not offered"."""
    whole = ask(target_arm)
    clouds.fault(f"government arm GET .*{path}", status=403, code=code, message="does not have authorization")
    offer = ask(target_arm)
    assert [(one.what, one.code) for one in offer.unasked] == [(missing, code)]
    assert offer.unasked[0].remedy
    assert offer.types == whole.types
    assert ("virtualmachines" in offer.sku_lists) == ("Compute" not in path)
    assert ("storageaccounts" in offer.sku_lists) == ("Storage" not in path)
    assert bool(offer.policies) == ("policy" not in path)


def test_a_definition_that_cannot_be_read_is_not_understood_rather_than_harmless(
    clouds: Clouds, target_arm: TargetArm
) -> None:
    clouds.fault("government arm GET .*policyDefinitions/fe83a0eb", status=403, code="AuthorizationFailed")
    kinds = [policy.kind for policy in ask(target_arm).policies if policy.name.endswith("baseline")]
    assert kinds == [PolicyKind.NOT_UNDERSTOOD, PolicyKind.NOT_UNDERSTOOD]


def test_a_throttled_list_is_waited_for(clouds: Clouds, target_arm: TargetArm) -> None:
    clouds.fault(
        "government arm GET .*Microsoft.Compute/skus", status=429, code="TooManyRequests",
        headers={"Retry-After": "1"}, times=1,
    )  # fmt: skip
    assert ask(target_arm).unasked == ()


def test_a_list_that_stays_throttled_is_said(
    clouds: Clouds, target_arm: TargetArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds.fault(
        "government arm GET .*Microsoft.Storage/skus", status=429, code="TooManyRequests",
        headers={"Retry-After": "3600"},
    )  # fmt: skip
    [missing] = ask(target_arm).unasked
    assert (missing.what, missing.code) == ("storage account SKUs", "TooManyRequests")


def test_the_command_writes_a_file_that_can_be_read_back(
    clouds: Clouds, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    config = tmp_path / "migration.toml"
    config.write_text(
        f"""
name = "county"
[source]
cloud = "AzureCloud"
tenant_id = "{estate.SOURCE_TENANT}"
subscriptions = ["{estate.MAIN}"]
credential = {{ client_id = "{estate.COMMERCIAL.client_id}", secret_env = "SOURCE_SECRET" }}
[target]
cloud = "AzureUSGovernment"
tenant_id = "{estate.TARGET_TENANT}"
subscription = "{estate.TARGET}"
credential = {{ client_id = "{estate.GOVERNMENT.client_id}", secret_env = "TARGET_SECRET" }}
"""
    )
    # The source is not asked: its secret is not even there.
    monkeypatch.setenv("TARGET_SECRET", "target-secret")
    out = tmp_path / "offer.json"
    done = CliRunner().invoke(app, ["offer", "--config", str(config), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["format"] == "govlift-offer"
    offer = offer_from_json(out.read_text("utf-8"), origin=str(out))
    assert offer.subscription_id == estate.TARGET
    assert offer.policies
