"""Guarantee 7 and provisioning: nothing is written before the target is proved, and twice is once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.errors import AskForApproval, FixTheInput, GovliftError, TryLater
from mappings.plan import CreateResourceGroup, CreateStorageAccount
from mappings.settings import Settings
from tasks.clients.arm import AccountInfo, TargetArm
from tasks.clients.session import Session, open_session
from tasks.doctor import CheckState, run_checks
from tasks.targets import check_names, prove_account, prove_target, provision_step
from tests.controlplane import estate
from tests.controlplane.conftest import ENVIRON, Clouds, settings_with

GROUP = CreateResourceGroup("rg-data", "usgovvirginia", {"migration": "county"})


def account(name: str, **changes: object) -> CreateStorageAccount:
    step = CreateStorageAccount(
        name=name,
        resource_group="rg-data",
        region="usgovvirginia",
        kind="storagev2",
        sku="Standard_LRS",
        source_id="",
        source_account="countydata",
        access_tier="Cool",
    )
    return replace(step, **changes)  # type: ignore[arg-type]


def test_the_right_target_is_proved_without_a_write(
    clouds: Clouds, target: Session, target_arm: TargetArm, settings: Settings
) -> None:
    prove_target(target, target_arm, settings)
    assert clouds.writes("government") == 0


def test_a_swapped_subscription_is_refused_before_the_first_write(
    clouds: Clouds, target: Session, settings: Settings
) -> None:
    """Mutation: without the comparison the disabled subscription of the same tenant would be taken."""
    with pytest.raises(AskForApproval, match="subscription is bbbb"):
        prove_target(target, TargetArm(target, estate.DISABLED), settings)
    assert clouds.writes("government") == 0


def test_a_disabled_subscription_is_refused(clouds: Clouds, target: Session) -> None:
    settings = settings_with(target__subscription=estate.DISABLED)
    with pytest.raises(AskForApproval, match="is Disabled"):
        prove_target(target, TargetArm(target, estate.DISABLED), settings)
    assert clouds.writes("government") == 0


def test_a_swapped_tenant_is_refused_before_the_first_write(
    clouds: Clouds, target: Session, target_arm: TargetArm
) -> None:
    """The ledger of one customer with the session of another."""
    other = settings_with(target__tenant_id="99999999-9999-9999-9999-999999999999")
    with pytest.raises(AskForApproval, match="tenant is 2222"):
        prove_target(target, target_arm, other)
    assert clouds.writes("government") == 0


def test_the_clouds_the_wrong_way_round_are_refused_before_anything_is_sent(
    clouds: Clouds, source: Session, settings: Settings
) -> None:
    """Mutation: without the cloud check commercial ARM would be asked, and would be written to next."""
    clouds.box.calm()
    with pytest.raises(AskForApproval, match="cloud is AzureCloud"):
        prove_target(source, TargetArm(source, estate.TARGET), settings)
    assert clouds.box.counters()["commercial"]["arm"]["read"] == 0
    assert clouds.writes("commercial") == clouds.writes("government") == 0


def test_a_next_link_to_the_other_cloud_is_not_followed(clouds: Clouds, target: Session) -> None:
    """Guarantee 5. Mutation: without HostGuard a Government token goes to commercial ARM."""
    [guard] = target.policies()
    for url in (
        f"{COMMERCIAL.arm}/subscriptions",
        "https://countydata.blob.core.windows.net/x",
        "http://evil.example/",
    ):
        with pytest.raises(AskForApproval, match="not a host of AzureUSGovernment"):
            guard.check("GET", url)
    with pytest.raises(AskForApproval, match="without TLS"):
        guard.check("GET", "http://x.blob.core.usgovcloudapi.net/c")
    guard.check("PUT", f"{GOVERNMENT.arm}/subscriptions/x")


@pytest.mark.parametrize(
    ("subscription", "host"),
    [
        (estate.TARGET, "a1.blob.core.windows.net"),
        (estate.TARGET, "b2.blob.core.usgovcloudapi.net"),
        (estate.DISABLED, "a1.blob.core.usgovcloudapi.net"),
        ("", ""),
    ],
)
def test_an_account_elsewhere_is_refused(target_arm: TargetArm, subscription: str, host: str) -> None:
    found = AccountInfo(f"/subscriptions/{subscription}/x", "a1", f"https://{host}", "usgovvirginia", "StorageV2", "")
    with pytest.raises(AskForApproval):
        prove_account(target_arm, found)


def test_an_expected_account_that_is_not_ours_is_refused(
    clouds: Clouds, target: Session, target_arm: TargetArm, settings: Settings
) -> None:
    with pytest.raises(AskForApproval, match="takenname is not in the target subscription"):
        prove_target(target, target_arm, settings, accounts=["takenname"])
    assert clouds.writes("government") == 0


def test_an_account_with_an_endpoint_of_the_other_cloud_stops_everything(
    clouds: Clouds, target: Session, target_arm: TargetArm, settings: Settings
) -> None:
    """Mutation: drop `prove_account` from prove_target or from provision_step."""
    with pytest.raises(AskForApproval, match="not of AzureUSGovernment"):
        prove_target(target, target_arm, settings, accounts=["strayed"])
    with pytest.raises(AskForApproval, match="not of AzureUSGovernment"):
        provision_step(account("strayed", resource_group="rg-strayed"), target_arm)
    assert clouds.writes("government") == 0


def test_groups_and_accounts_are_made_once(clouds: Clouds, target_arm: TargetArm, settings: Settings) -> None:
    assert "rg-data" in provision_step(GROUP, target_arm)
    assert "made in usgovvirginia (StorageV2, Standard_LRS; API 2025-06-01)" in provision_step(
        account("once"), target_arm
    )
    written = clouds.writes("government")
    assert "rg-data" in provision_step(GROUP, target_arm)
    assert "found in usgovvirginia" in provision_step(account("once"), target_arm)
    assert clouds.writes("government") == written
    prove_target(target_arm.session, target_arm, settings, accounts=["once"])


def test_the_settings_of_the_plan_arrive(target_arm: TargetArm) -> None:
    target_arm.ensure_group(GROUP)
    made = target_arm.ensure_account(account("settingsarrive"))
    assert made.created and made.differences == ()
    assert made.blob_endpoint == "https://settingsarrive.blob.core.usgovcloudapi.net"
    again = target_arm.ensure_account(account("settingsarrive", minimum_tls="TLS1_3", sku="Standard_GRS"))
    assert not again.created
    assert len(again.differences) == 2


def test_the_newest_version_that_both_know_is_used(target_arm: TargetArm, source_arm: object) -> None:
    """Government does not know 2026-09-01, which azure-mgmt-storage 25.3 would use by itself."""
    target_arm.accounts()
    assert target_arm.api_versions_used["Microsoft.Storage/storageAccounts"] == "2025-06-01"


@pytest.mark.slow
def test_an_account_in_another_region_needs_a_decision(clouds: Clouds, target_arm: TargetArm) -> None:
    target_arm.ensure_group(GROUP)
    target_arm.ensure_account(account("elsewhere"))
    before = clouds.writes("government")
    with pytest.raises(AskForApproval, match="location is usgovvirginia, the plan says usgovarizona"):
        target_arm.ensure_account(account("elsewhere", region="usgovarizona"))
    assert clouds.writes("government") == before


def test_a_group_in_another_region_needs_a_decision(target_arm: TargetArm) -> None:
    target_arm.ensure_group(GROUP)
    with pytest.raises(AskForApproval, match="rg-data is in usgovvirginia"):
        target_arm.ensure_group(CreateResourceGroup("rg-data", "usgovarizona"))


def test_a_taken_name_is_refused_before_the_write(
    clouds: Clouds, target_arm: TargetArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.clients.arm._MOST_UNSEEN", 0)
    target_arm.ensure_group(GROUP)
    before = clouds.writes("government")
    with pytest.raises(AskForApproval, match="takenname cannot be used"):
        target_arm.ensure_account(account("takenname"))
    assert clouds.writes("government") == before
    checks = check_names(target_arm, ["takenname", "freename1", "Not-A-Name"])
    assert [check.free for check in checks.values()] == [False, True, False]
    assert checks["takenname"].reason == "AlreadyExists"


def test_a_region_that_the_cloud_lacks_is_the_input_s_fault(target_arm: TargetArm) -> None:
    with pytest.raises(FixTheInput, match="usdodeast"):
        target_arm.ensure_group(CreateResourceGroup("rg-dod", "usdodeast"))


def test_a_redundancy_that_the_region_lacks_is_refused_with_the_way_to_a_new_plan(target_arm: TargetArm) -> None:
    """Mutation: without `_require_sku` the sandbox makes what no Government region without zones has."""
    target_arm.ensure_group(GROUP)
    assert target_arm.ensure_account(account("zonedhere", sku="Standard_ZRS")).sku == "Standard_ZRS"
    with pytest.raises(AskForApproval) as caught:
        target_arm.ensure_account(account("zonedthere", sku="Standard_ZRS", region="usgovarizona"))
    assert caught.value.code == "RedundancyConfigurationNotAvailableInRegion"
    assert "Sku: Standard_ZRS, Kind: StorageV2 - not available in selected Region - usgovarizona" in str(caught.value)
    assert "target.account_skus" in caught.value.next_step
    assert target_arm.account("rg-data", "zonedthere") is None


def test_a_region_that_a_policy_denies_names_the_policy_and_its_place(target_arm: TargetArm) -> None:
    """The assignment stands at the management group. Mutation: ask only what is assigned at the subscription."""
    target_arm.ensure_group(GROUP)
    with pytest.raises(AskForApproval) as caught:
        target_arm.ensure_account(account("policydenied", region="usdodeast"))
    assert (caught.value.code, caught.value.status) == ("RequestDisallowedByPolicy", 403)
    assert (
        'denied by policy "Hollis County: allowed locations" (/providers/Microsoft.Management/managementGroups/'
        "county-gov/providers/Microsoft.Authorization/policyAssignments/hollis-allowed-locations)."
    ) in caught.value.sentence
    assert "policyDefinition" not in caught.value.sentence
    assert "exempt" in caught.value.next_step
    assert target_arm.account("rg-data", "policydenied") is None


@pytest.mark.slow
def test_an_answer_lost_after_the_write_is_not_a_failure(clouds: Clouds, target_arm: TargetArm) -> None:
    target_arm.ensure_group(GROUP)
    clouds.fault("government arm PUT .*/storageAccounts/lostanswer", reset="after", times=1)
    assert target_arm.ensure_account(account("lostanswer")).name == "lostanswer"


@pytest.mark.slow
def test_an_arm_that_stays_away_is_for_later(clouds: Clouds, target: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.management._MOST_SECONDS", 2)
    arm = TargetArm(target, estate.TARGET)
    clouds.fault("government arm GET", status=503)
    with pytest.raises(TryLater):
        arm.subscription()


def test_doctor_passes_on_a_good_migration_and_writes_nothing(clouds: Clouds, settings: Settings) -> None:
    checks = {check.name: check for check in run_checks(settings, ENVIRON)}
    assert not [check for check in checks.values() if check.failed]
    assert "CSP" in checks[f"source: subscription {estate.MAIN}"].result
    assert checks["target: storage provider"].result.endswith("2025-06-01")
    assert clouds.writes("commercial") == clouds.writes("government") == 0


def test_doctor_goes_on_after_a_failed_sign_in(clouds: Clouds, settings: Settings) -> None:
    checks = run_checks(settings, {"SOURCE_SECRET": "wrong-4711"})
    failed = {check.name for check in checks if check.failed}
    assert failed == {"source: sign-in and tenant", "target: sign-in and tenant"}
    assert {check.state for check in checks if check.name not in failed} == {CheckState.NOT_CHECKED}
    assert all(check.next_step for check in checks if check.failed)
    assert "4711" not in str([check.as_json() for check in checks])


def test_a_session_of_the_wrong_side_reads_nothing(clouds: Clouds, settings: Settings) -> None:
    """Source credentials in the target section: Entra of the other cloud refuses them."""
    part = settings.source
    with pytest.raises(GovliftError):
        open_session(GOVERNMENT, part.tenant_id, part.credential, ENVIRON).prove()
    assert clouds.box.counters()["government"]["arm"]["read"] == 0


def test_doctor_looks_below_a_management_group(clouds: Clouds, settings: Settings) -> None:
    source = settings.source.model_copy(update={"subscriptions": (), "management_group": "tenant"})
    checks = {check.name: check for check in run_checks(settings.model_copy(update={"source": source}), ENVIRON)}
    assert checks["source: management group"].result == "2 subscriptions below tenant"
    assert checks["source: Resource Graph"].state is CheckState.PASSED
    unknown = settings.model_copy(update={"source": source.model_copy(update={"management_group": "no-such"})})
    checks = {check.name: check for check in run_checks(unknown, ENVIRON)}
    assert checks["source: management group"].failed and "no-such" in checks["source: management group"].result
    assert checks["source: Resource Graph"].state is CheckState.NOT_CHECKED
