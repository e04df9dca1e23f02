"""What travels besides bytes, over the real clients and through the sandbox's ARM."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError

from mappings.account_settings import AccountDetails, settle_account
from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.errors import GovliftError
from mappings.plan import CopyShard, CreateResourceGroup, CreateStorageAccount, FinishAccount, ProtectContainer
from mappings.settings import Copy
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.account_settings import finish_account, read_account, set_account
from tasks.clients.arm import SourceArm, TargetArm
from tasks.clients.blobs_account import BlobAccount
from tasks.copiers.check import verify_shard
from tasks.copiers.routes import RouteBook
from tasks.copiers.survey import survey_container
from tasks.progress import Progress
from tasks.targets import provision_step
from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover, sign_in
from tests.faults.history_estate import ACCOUNT_ID, LIFECYCLE
from tests.faults.kept import clear, mover_of, service_of, told
from tests.sandbox.tiny_estate import TARGET

pytestmark = pytest.mark.sandbox
ROUTES = pytest.mark.parametrize("route", [Route.PULL, Route.STREAM])


# --- versions ---


@ROUTES
async def test_the_history_of_every_blob_arrives_in_order(kept: RunningSandbox, route: Route) -> None:
    """Breaks when a version is lost, out of order, or another type's writes tell no version."""
    clear(kept, "kepttarget", "files")
    async for mover in mover_of(kept, "kepttarget"):
        mover.routes = RouteBook("pull" if route is Route.PULL else "stream")
        rows = await mover.run("files", overwrite_unknown=True)
        wrong = [(r.name, r.reason) for r in rows.values() if r.outcome is Outcome.FAILED]
        assert wrong == []
        here = told(kept, "keptsource", "files", "core.windows.net")
        there = told(kept, "kepttarget", "files", "core.usgovcloudapi.net")
        deleted = here.pop("c/deleted.txt")
        assert there == here and len(here["a/report.txt"]) == 3
        left = [row for row in mover.manifest["files"] if row.name == "c/deleted.txt"]
        assert len(left) == len(deleted) and {row.outcome for row in left} == {Outcome.EXCLUDED}
        versions = [row for row in mover.manifest["files"] if row.version and row.outcome is not Outcome.EXCLUDED]
        assert all(row.target_version and (row.proof or 0) >= ProofLevel.L2 for row in versions)
        before = kept.counters()["government"]["blob"]["by_account"]["kepttarget"]["write"]
        await mover.run("files")
        after = kept.counters()["government"]["blob"]["by_account"]["kepttarget"]["write"]
        assert after - before <= 1, "a second run writes nothing but its own Create Container"
        assert kept.counters()["commercial"]["blob"]["write"] == 0


async def test_verification_knows_versions(kept: RunningSandbox) -> None:
    """Breaks when a version is looked up by name, so that the current one stands for it."""
    shard = CopyShard("keptsource", "kepttarget", "files", "", None, 0, 0, 0)
    clear(kept, "kepttarget", "files")
    async for mover in mover_of(kept, "kepttarget"):
        await mover.run("files", overwrite_unknown=True)

        async def verify(mover: Mover = mover):  # type: ignore[no-untyped-def]
            return await verify_shard(
                shard, mover.source, mover.target, iter([mover.manifest["files"]]), level=ProofLevel.L3, share=1.0,
                seed="s", progress=Progress(),
            )  # fmt: skip

        assert (await verify()).mismatches == []
        row = next(row for row in mover.manifest["files"] if row.name == "a/report.txt" and row.version)
        with service_of(kept, "kepttarget") as service:
            service.get_blob_client("files", "a/report.txt", version_id=row.target_version).delete_blob()
        assert [note.row.version for note in (await verify()).mismatches] == [row.version]


async def test_a_target_without_versions_gets_the_current_ones_and_says_so(kept: RunningSandbox) -> None:
    async for mover in mover_of(kept, "plaintarget"):
        await mover.run("files", overwrite_unknown=True)
        left = [row for row in mover.manifest["files"] if row.version]
        assert len(left) == 8 and {row.outcome for row in left} == {Outcome.EXCLUDED}
        assert {row.outcome for row in mover.manifest["files"] if row.is_base} <= {Outcome.COPIED, Outcome.SAME}


async def test_the_survey_counts_what_is_not_kept(kept: RunningSandbox) -> None:
    async for mover in mover_of(kept, "kepttarget"):
        files = await survey_container(mover.source, "keptsource", "files", 5000)
        assert (files.traits["versions"], files.traits["deleted"], files.snapshots) == (8, 1, 1)
        secret = await survey_container(mover.source, "keptsource", "secret", 5000)
        assert secret.traits == {"customer_keys": 2, "customer_key_bytes": 5005}


# --- settings and policies ---


async def details_of(box: RunningSandbox) -> AccountDetails:
    here = sign_in(box, "commercial")
    arm = SourceArm(here)
    side = BlobAccount(here, COMMERCIAL, "keptsource", key="", concurrency=1, reads_only=True)
    try:
        return await read_account(arm, ACCOUNT_ID, "keptsource", side)
    finally:
        await side.aclose()
        arm.close()
        here.close()


async def test_account_settings_travel_and_policies_come_last(kept: RunningSandbox) -> None:
    """Breaks when a setting is dropped, a second run sets it again, or a policy is locked unasked."""
    found = await details_of(kept)
    assert found.unread == () and found.versioning and found.scopes == ("finance", "hr")
    assert found.website == {"index": "index.html", "error": "404.html"}
    [vault] = found.protections
    assert (vault.days, vault.locked, vault.allow_appends, vault.holds) == (30, True, True, ("case2026",))
    there = sign_in(kept, "government")
    arm = TargetArm(there, TARGET)
    group = CreateResourceGroup("rg-kept", "usgovvirginia")
    account = CreateStorageAccount(
        "keptnew", "rg-kept", "usgovvirginia", "StorageV2", "Standard_LRS", ACCOUNT_ID, "keptsource"
    )
    settling = settle_account(found, account, ["files", "vault"], Copy())
    [before], after = settling.before, settling.after
    assert before.versioning and before.replay_versions
    assert [type(step) for step in after] == [FinishAccount, ProtectContainer]
    assert any("set unlocked" in note for note in settling.notes)
    assert any("encryption scope of keptsource/vault (finance, no other allowed)" in note for note in settling.notes)
    side = BlobAccount(there, GOVERNMENT, "keptnew", key="", concurrency=1, reads_only=False)
    try:
        provision_step(group, arm)
        provision_step(account, arm)
        writer = arm.account_settings()
        done = await set_account(before, writer, side)
        assert "isVersioningEnabled" in done and "encryption scopes" in done and "static website" in done
        assert "all as wanted" in await set_account(before, writer, side)
        await side.container("vault").create_container()
        await side.container("vault").upload_blob("evidence.pdf", b"sealed")
        writes = kept.counters()["government"]["arm"]["write"]
        assert "14" not in finish_account(after[0], writer)
        assert "set" in finish_account(after[1], writer) and kept.counters()["government"]["arm"]["write"] > writes
        for step in after:
            assert "as wanted" in (said := finish_account(step, writer)) or "as it was" in said
        body = writer._storage.blob_services.get_service_properties("rg-kept", "keptnew").as_dict()["properties"]
        assert body["isVersioningEnabled"] and body["changeFeed"]["retentionInDays"] == 30
        assert body["deleteRetentionPolicy"]["days"] == 14 and body["containerDeleteRetentionPolicy"]["days"] == 7
        assert body["defaultServiceVersion"] == "2021-12-02" and body["cors"]["corsRules"]
        policy = writer._storage.management_policies.get("rg-kept", "keptnew", "default").as_dict()
        assert policy["properties"]["policy"] == LIFECYCLE
        held = writer._storage.blob_containers.get("rg-kept", "keptnew", "vault").as_dict()["properties"]
        assert held["immutabilityPolicy"]["properties"]["state"] == "Unlocked"
        assert held["immutabilityPolicy"]["properties"]["allowProtectedAppendWrites"] is True
        assert [one["tag"] for one in held["legalHold"]["tags"]] == ["case2026"]
        with pytest.raises(HttpResponseError, match="immutable"):
            await side.blob("vault", "evidence.pdf").delete_blob()
    finally:
        await side.aclose()
        arm.close()
        there.close()


@ROUTES
async def test_a_container_that_was_made_with_a_default_scope_keeps_its_blobs_under_it(
    kept: RunningSandbox, route: Route
) -> None:
    """Breaks when a write names a scope of its own, or the container is made anew."""
    clear(kept, "plaintarget", "payroll")
    async for mover in mover_of(kept, "plaintarget", source="plainsource", versions=False):
        mover.routes = RouteBook("pull" if route is Route.PULL else "stream")
        rows = await mover.run("payroll")
        assert {row.outcome for row in rows.values()} == {Outcome.COPIED} and len(rows) == 2
        with service_of(kept, "plaintarget") as service:
            room = service.get_container_client("payroll")
            assert {one.encryption_scope for one in room.list_blobs()} == {"hr"}
            assert room.get_container_properties().encryption_scope.default_encryption_scope == "hr"


async def test_a_lock_is_set_only_when_the_settings_say_so(kept: RunningSandbox) -> None:
    found = await details_of(kept)
    account = CreateStorageAccount("x", "g", "usgovvirginia", "StorageV2", "Standard_LRS", ACCOUNT_ID, "keptsource")
    modes = {
        mode: [step for step in settle_account(found, account, ["vault"], Copy(immutability=mode)).after
               if isinstance(step, ProtectContainer)]
        for mode in ("unlocked", "locked", "report")
    }  # fmt: skip
    assert [step.lock for step in modes["unlocked"]] == [False]
    assert [step.lock for step in modes["locked"]] == [True] and modes["report"] == []
    there = sign_in(kept, "government")
    arm = TargetArm(there, TARGET)
    provision_step(CreateResourceGroup("rg-lock", "usgovvirginia"), arm)
    provision_step(
        CreateStorageAccount("lockednew", "rg-lock", "usgovvirginia", "StorageV2", "Standard_LRS", "", "s"), arm
    )
    side = BlobAccount(there, GOVERNMENT, "lockednew", key="", concurrency=1, reads_only=False)
    step = ProtectContainer("lockednew", "rg-lock", "keptsource", "vault", days=30, lock=True)
    try:
        with pytest.raises(GovliftError, match="does not exist"):
            finish_account(step, arm.account_settings())
        await side.container("vault").create_container()
        assert "locked" in finish_account(step, arm.account_settings())
        assert "as it was" in finish_account(step, arm.account_settings())
    finally:
        await side.aclose()
        arm.close()
        there.close()


# --- archive ---


async def test_what_is_rehydrated_is_copied_and_archived_again(kept: RunningSandbox) -> None:
    """Breaks when the source's tier is touched, or the copy stays in a tier that costs ten times as much."""
    with service_of(kept, "plainsource", "core.windows.net") as service:
        blob = service.get_blob_client("cold", "tape")
        async for mover in mover_of(kept, "plaintarget", source="plainsource", versions=False):
            rows = await mover.run("cold", rearchive=True, overwrite_unknown=True)
            assert rows[("tape", "")].outcome is Outcome.EXCLUDED and rows[("tape", "")].tier == "Archive"
            blob.set_standard_blob_tier("Hot")
            rows = await mover.run("cold", rearchive=True, overwrite_unknown=True)
            row = rows[("tape", "")]
            assert (row.outcome, row.tier) == (Outcome.COPIED, "Archive") and "Archived again" in row.reason
            found = await mover.target.head("cold", "tape")
            assert found is not None and found.tier == "Archive"
            assert (await mover.run("cold", rearchive=True))[("tape", "")].change is Change.SAME
            blob.set_standard_blob_tier("Archive")
            assert (await mover.run("cold"))[("tape", "")].change is Change.SAME, "archived again at the source too"


async def test_archiving_after_the_copy_is_a_change_of_tier(kept: RunningSandbox) -> None:
    """Breaks when a blob that is at the target counts as left out, because its source went to the archive since."""
    with service_of(kept, "plainsource", "core.windows.net") as service:
        async for mover in mover_of(kept, "plaintarget", source="plainsource", versions=False):
            await mover.run("warm", overwrite_unknown=True)
            service.get_blob_client("warm", "later").set_standard_blob_tier("Archive")
            row = (await mover.run("warm"))[("later", "")]
            assert (row.outcome, row.change, row.tier) == (Outcome.COPIED, Change.TIER, "Archive")
            found = await mover.target.head("warm", "later")
            assert found is not None and found.tier == "Archive"
            assert (await mover.run("warm"))[("later", "")].change is Change.SAME
