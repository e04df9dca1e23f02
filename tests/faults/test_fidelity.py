"""What travels besides bytes, over the real clients and through the sandbox's ARM."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobServiceClient, ContentSettings

from mappings.account_settings import AccountDetails, settle_account
from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.errors import GovliftError
from mappings.objects import EvidenceRow
from mappings.plan import CopyShard, CreateResourceGroup, CreateStorageAccount, FinishAccount, ProtectContainer
from mappings.settings import Copy
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.account_settings import finish_account, read_account, set_account
from tasks.clients.arm import SourceArm, TargetArm
from tasks.clients.blobs import TargetBlobClient
from tasks.clients.blobs_account import BlobAccount
from tasks.clients.customer_keys import customer_key
from tasks.copiers.check import verify_shard
from tasks.copiers.routes import RouteBook
from tasks.copiers.survey import survey_container
from tasks.progress import Progress
from tasks.targets import provision_step
from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.faults.conftest import Mover, opened, sign_in
from tests.faults.history_estate import ACCOUNT_ID, CUSTOMER_KEY, LIFECYCLE, OTHER_KEY, TARGET_KEY
from tests.sandbox.tiny_estate import TARGET, key_of

pytestmark = pytest.mark.sandbox
ROUTES = pytest.mark.parametrize("route", [Route.PULL, Route.STREAM])


@pytest.fixture(scope="session")
def _session_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    estate = f"{ROOT / 'tests' / 'faults' / 'history_estate.py'}:ESTATE"
    yield from start_sandbox(tmp_path_factory.mktemp("history"), estate)


@pytest.fixture
def kept(_session_history: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    for name, value in _session_history.environment().items():
        monkeypatch.setenv(name, value)
    _session_history.calm()
    return _session_history


def service_of(box: RunningSandbox, account: str, suffix: str = "core.usgovcloudapi.net") -> BlobServiceClient:
    return BlobServiceClient(f"https://{account}.blob.{suffix}", key_of(account), **box.client_options)


def told(
    box: RunningSandbox, account: str, container: str, suffix: str
) -> dict[str, list[tuple[bytes, dict[str, str]]]]:
    """Content and metadata of each generation of each name, oldest first, as the SDK reads them."""
    found: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
    with service_of(box, account, suffix) as service:
        room = service.get_container_client(container)
        for one in room.list_blobs(include=["versions", "metadata"]):
            data = room.get_blob_client(one.name, version_id=one.version_id).download_blob().readall()
            found.setdefault(one.name, []).append((data, dict(one.metadata or {})))
    return found


async def mover_of(
    box: RunningSandbox, target: str, *, source: str = "keptsource", versions: bool = True, client: str = "wire"
) -> AsyncIterator[Mover]:
    async for mover in opened(box, source, target, client=client):
        mover.source.versions = versions
        mover.target.versions = versions and target == "kepttarget"
        yield mover


def clear(box: RunningSandbox, account: str, container: str) -> None:
    with service_of(box, account) as service:
        room = service.get_container_client(container)
        if room.exists():
            for one in list(room.list_blobs(include=["snapshots"])):
                if not one.snapshot:
                    room.delete_blob(one.name, delete_snapshots="include")
            for one in list(room.list_blobs(include=["versions"])):
                room.delete_blob(one.name, version_id=one.version_id)


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
        await here.aclose()


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
        await there.aclose()


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
        await there.aclose()


# --- customer-provided keys ---


async def test_blobs_under_a_customer_key_are_streamed_with_it_and_never_shown(
    kept: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Breaks when the key is not sent, the metadata under it is lost, or a log or row carries it."""
    caplog.set_level(logging.DEBUG)
    clear(kept, "plaintarget", "secret")
    async for mover in mover_of(kept, "plaintarget", versions=False):
        mover.routes = RouteBook("pull")
        mover.source.give_keys([CUSTOMER_KEY])
        rows = await mover.run("secret", overwrite_unknown=True)
        known = rows[("known", "")]
        assert (known.outcome, known.route, known.proof) == (Outcome.COPIED, Route.STREAM, ProofLevel.L2)
        assert rows[("unknown", "")].outcome is Outcome.EXCLUDED and "customer_keys" in rows[("unknown", "")].reason
        found = await mover.target.head("secret", "known")
        assert found is not None and dict(found.metadata) == {"who": "clerk"} and not found.customer_key
        data = b"".join([part async for part in mover.target.read("secret", found)])
        assert data == b"k" * 5000
        before = kept.counters()["government"]["blob"]["by_account"]["plaintarget"]["write"]
        again = await mover.run("secret")
        assert again[("known", "")].change is Change.SAME
        assert kept.counters()["government"]["blob"]["by_account"]["plaintarget"]["write"] - before <= 1
        shown = caplog.text + repr(rows) + repr(vars(mover.source))
        assert CUSTOMER_KEY not in shown


async def test_another_key_opens_nothing(kept: RunningSandbox) -> None:
    clear(kept, "plaintarget", "secret")
    async for mover in mover_of(kept, "plaintarget", versions=False):
        mover.source.give_keys([OTHER_KEY])
        rows = await mover.run("secret", overwrite_unknown=True)
        assert rows[("known", "")].outcome is Outcome.EXCLUDED
        assert rows[("unknown", "")].outcome is Outcome.COPIED


@dataclass(frozen=True)
class Generation:
    """One generation of a blob, as the SDK reads it with the key that it is under."""

    kind: str
    data: bytes
    metadata: Mapping[str, str]
    key: str
    """SHA-256 (Base64) of that key."""


def generations(
    box: RunningSandbox, account: str, suffix: str = "core.usgovcloudapi.net", *, of: Sequence[str] = ()
) -> dict[str, list[Generation]]:
    """All generations of each name in the container "keyed", oldest first, snapshots before versions.

    Args:
        of: keys in Base64; what is under another one is left out.
    """
    keys = [None, *map(customer_key, of)]
    found: dict[str, list[Generation]] = {}
    with service_of(box, account, suffix) as service:
        room = service.get_container_client("keyed")
        for one in room.list_blobs(include=["snapshots", "versions"]):
            # A snapshot is listed with a version id too, and a request takes one of both only.
            which = {"snapshot": one.snapshot} if one.snapshot else {"version_id": one.version_id}
            blob = room.get_blob_client(one.name, **which)
            for key in keys:
                with suppress(ResourceExistsError):
                    said = blob.get_blob_properties(cpk=key)
                    data = blob.download_blob(cpk=key).readall()
                    kind = f"{said.blob_type} {'snapshot' if one.snapshot else ''}"
                    sha = said.encryption_key_sha256 or ""
                    found.setdefault(one.name, []).append(Generation(kind, data, said.metadata, sha))
    # Which comes first, the snapshot or the version that it makes, is not told by their times.
    return {name: sorted(several, key=lambda one: "snapshot" not in one.kind) for name, several in found.items()}


def under(key: str, expected: dict[str, list[Generation]]) -> dict[str, list[Generation]]:
    """The same generations under another key."""
    sha = customer_key(key).key_hash if key else ""
    return {name: [replace(one, key=sha) for one in several] for name, several in expected.items()}


async def test_every_kind_and_generation_under_a_customer_key_is_read_with_it(
    kept: RunningSandbox, client: str
) -> None:
    """Snapshot, previous versions, page blob, append blob, several blocks; each with its metadata.

    Mutation that must fail it: reading without the key what is no whole block blob, or what is no current version.
    """
    clear(kept, "kepttarget", "keyed")
    expected = generations(kept, "keptsource", "core.windows.net", of=[CUSTOMER_KEY])
    assert len(expected["history"]) == 5 and "other" not in expected
    async for mover in mover_of(kept, "kepttarget", client=client):
        mover.source.give_keys([CUSTOMER_KEY])
        rows = await mover.run("keyed", overwrite_unknown=True)
        assert {name for (name, _), row in rows.items() if row.outcome is not Outcome.COPIED} == {"other"}
        assert {row.route for (name, _), row in rows.items() if not name.startswith(("open/", "other"))} == {
            Route.STREAM
        }
        assert generations(kept, "kepttarget") == under("", expected)
        assert {row.change for row in (await mover.run("keyed")).values()} == {Change.SAME}


async def test_what_changes_beside_the_content_of_a_keyed_blob_travels_alone(kept: RunningSandbox) -> None:
    """Breaks when an unmoved ETag under a key passes for "nothing has changed"."""
    clear(kept, "plaintarget", "secret")
    async for mover in mover_of(kept, "plaintarget", versions=False):
        mover.source.give_keys([CUSTOMER_KEY])
        await mover.run("secret", overwrite_unknown=True)
        with service_of(kept, "keptsource", "core.windows.net") as service:
            blob = service.get_blob_client("secret", "known")
            blob.set_blob_tags({"shelf": "7"})
            row = (await mover.run("secret"))[("known", "")]
            blob.set_blob_tags({})
        assert (row.outcome, row.change) == (Outcome.COPIED, Change.TAGS)


@asynccontextmanager
async def keyed(box: RunningSandbox, key: str, *, mode: str = "auto") -> AsyncIterator[Mover]:
    """A mover whose copies are under `key`."""
    async for mover in mover_of(box, "kepttarget"):
        there = sign_in(box, "government")
        mover.source.give_keys([CUSTOMER_KEY])
        mover.routes = RouteBook(mode)
        writer = TargetBlobClient(there, "kepttarget", concurrency=8, key=key)
        writer.versions = True
        await mover.target.aclose()
        mover.target = writer
        try:
            yield mover
        finally:
            await there.aclose()


@ROUTES
async def test_copies_under_a_customer_key(kept: RunningSandbox, route: Route) -> None:
    """Every kind and generation, streamed and pulled, verified by reading back; and a second run writes nothing.

    Mutation that must fail it: a write, a read back or a look at the metadata without the key.
    """
    clear(kept, "kepttarget", "keyed")
    expected = generations(kept, "keptsource", "core.windows.net", of=[CUSTOMER_KEY])
    async with keyed(kept, TARGET_KEY, mode="pull" if route is Route.PULL else "stream") as mover:
        rows = await mover.run("keyed", overwrite_unknown=True, proof=ProofLevel.L3)
        assert {name for (name, _), row in rows.items() if row.outcome is not Outcome.COPIED} == {"other"}
        assert {row.route for (name, _), row in rows.items() if name.startswith("open/")} <= {route, None}
        assert "seal" in rows[("open/log", "")].reason
        assert generations(kept, "kepttarget", of=[TARGET_KEY]) == under(TARGET_KEY, expected)
        shard = CopyShard("keptsource", "kepttarget", "keyed", "", None, 0, 0, 0)
        found = await verify_shard(
            shard, mover.source, mover.target, iter([mover.manifest["keyed"]]), level=ProofLevel.L3, share=1.0,
            seed="s", progress=Progress(),
        )  # fmt: skip
        assert found.mismatches == [] and found.tally.proof[ProofLevel.L3] > 8
        before = kept.counters()["government"]["blob"]["by_account"]["kepttarget"]["write"]
        await mover.run("keyed")
        assert kept.counters()["government"]["blob"]["by_account"]["kepttarget"]["write"] - before <= 1
        assert TARGET_KEY not in repr(rows) + repr(vars(mover.target))


async def test_another_key_or_none_writes_the_copies_anew(kept: RunningSandbox) -> None:
    """Breaks when copies stay under a key that the settings no longer name, or get none that they name since.

    The last of them comes without evidence: what is equal in content is taken over, and not where its key is another.
    """
    clear(kept, "kepttarget", "keyed")
    manifest: dict[str, list[EvidenceRow]] = {}
    for key in ("", TARGET_KEY, OTHER_KEY, ""):
        async with keyed(kept, key) as mover:
            mover.manifest = manifest
            await mover.run("keyed", overwrite_unknown=not manifest)
            current = await base_keys(mover)
        assert set(current) == {customer_key(key).key_hash if key else ""}, key
    async with keyed(kept, TARGET_KEY) as mover:
        await mover.run("keyed")
        assert set(await base_keys(mover)) == {customer_key(TARGET_KEY).key_hash}


async def base_keys(mover: Mover) -> list[str]:
    """What the target lists of the keys of current blobs."""
    return [one.key_sha256 async for one in mover.target.objects("keyed") if one.is_base and not one.previous]


async def test_under_a_customer_key_what_changes_is_written_whole(kept: RunningSandbox) -> None:
    """Headers, tier and seal of such a blob cannot be set alone; and what is equal, without evidence, is taken over.

    Mutation that must fail it: applying parts under a key; taking over a blob of another key.
    """
    clear(kept, "kepttarget", "keyed")
    with service_of(kept, "keptsource", "core.windows.net") as service:
        blob = service.get_blob_client("keyed", "open/plain")
        async with keyed(kept, TARGET_KEY) as mover:
            await mover.run("keyed", overwrite_unknown=True)
            blob.set_http_headers(ContentSettings("text/csv"))
            blob.set_standard_blob_tier("Hot")
            row = (await mover.run("keyed"))[("open/plain", "")]
            assert row.outcome is Outcome.COPIED
            mover.manifest = {}
            again = await mover.run("keyed")
            assert (
                again[("open/plain", "")].outcome is Outcome.SAME and again[("in blocks", "")].outcome is Outcome.SAME
            )
            found = await mover.target.head("keyed", "open/plain")
            assert found is not None and (found.headers.content_type, found.tier) == ("text/csv", "Hot")
            assert set(await base_keys(mover)) == {customer_key(TARGET_KEY).key_hash}


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
