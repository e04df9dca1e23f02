"""Blobs under customer-provided keys, over the real clients: at the source, and at the target."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContentSettings

from mappings.objects import EvidenceRow
from mappings.plan import CopyShard
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.clients.blobs import TargetBlobClient
from tasks.clients.customer_keys import customer_key
from tasks.copiers.check import verify_shard
from tasks.copiers.routes import RouteBook
from tasks.progress import Progress
from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover, sign_in
from tests.faults.history_estate import CUSTOMER_KEY, OTHER_KEY, TARGET_KEY
from tests.faults.kept import clear, mover_of, service_of

pytestmark = pytest.mark.sandbox
ROUTES = pytest.mark.parametrize("route", [Route.PULL, Route.STREAM])


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
            there.close()


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
