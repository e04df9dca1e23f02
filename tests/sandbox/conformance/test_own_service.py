"""What only the sandbox's own service has: counters, hooks, versions, returned CRC64, rehydration, loading."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from awscrt.checksums import crc64nvme
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, StandardBlobTier
from azure.storage.blob.aio import BlobClient

from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from sandbox.storage.content import Content
from sandbox.storage.hooks import Rule
from sandbox.storage.pages import Pages
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import ACCOUNTS, Clock, Stage, key_of
from tests.sandbox.conformance.test_authorization import refused, soon
from tests.sandbox.conformance.test_blobs import code_of
from tests.sandbox.conformance.test_blocks import block_id
from tests.sandbox.conformance.test_from_url import answered, crc64, signed

SOURCE = ACCOUNTS["commercial"][0]


def test_crc64_of_the_check_string() -> None:
    """CRC-64/NVME of "123456789" is 0xAE8B14860A799888, sent little-endian."""
    value = base64.b64decode(Content([b"123", memoryview(b"456789")]).crc64_base64())
    assert int.from_bytes(value, "little") == 0xAE8B14860A799888


def test_put_blob_answers_crc64(own_stage: Stage, own_container: Any) -> None:
    """REST, Put Blob: x-ms-content-crc64 of the bytes; Put Block List: of the list.

    Breaks when Put Block List answers the CRC64 of the blob, which Azure does not know.
    """
    own_stage.needs(Feature.PUT_BLOB_CRC)
    blob = own_container.get_blob_client("b")
    assert answered(blob.upload_blob, b"put")["x-ms-content-crc64"] == crc64(b"put")
    blob.stage_block(block_id(1), b"block")
    assert answered(blob.commit_block_list, [BlobBlock(block_id(1))])["x-ms-content-crc64"] != crc64(b"block")


def test_md5_instead_of_crc64_before_2026_10_06(own_stage: Stage, own_container: Any) -> None:
    """REST, Put Block: x-ms-content-crc64 is returned where Content-MD5 was not sent."""
    blob = own_stage.client(api_version="2025-11-05").get_blob_client(own_container.container_name, "b")
    headers = answered(blob.stage_block, block_id(1), b"block", validate_content=True)
    assert "content-md5" in headers
    assert "x-ms-content-crc64" not in headers


def test_range_crc64(own_stage: Stage, own_container: Any) -> None:
    """REST, Get Blob: x-ms-range-get-content-crc64, for at most 4 MiB."""
    own_stage.needs(Feature.RANGE_CRC)
    data = bytes(5 << 20)
    blob = own_container.get_blob_client("b")
    blob.upload_blob(data)
    wanted = {"headers": {"x-ms-range-get-content-crc64": "true"}}
    assert answered(blob.download_blob, offset=10, length=100, **wanted)["x-ms-content-crc64"] == crc64(bytes(100))
    status, _ = refused(lambda: blob.download_blob(offset=0, length=5 << 20, **wanted))
    assert status == 400


def test_newer_version_is_refused(own_stage: Stage) -> None:
    """REST, Versioning: 400 InvalidHeaderValue, which is how a cloud that lags looks.

    Breaks when `_version` accepts what it does not know.
    """
    own_stage.needs(Feature.VERSION_REFUSAL)
    service = own_stage.services["government"]
    service.max_version = "2025-11-05"
    try:
        with pytest.raises(HttpResponseError) as error:
            list(own_stage.client("government").list_containers())
        assert code_of(error) == (400, "InvalidHeaderValue")
        assert b"x-ms-version" in error.value.response.body()
        assert isinstance(list(own_stage.client("government", api_version="2025-11-05").list_containers()), list)
    finally:
        service.max_version = ""


def test_rehydration_takes_its_time(own_stage: Stage, own_container: Any, clock: Clock) -> None:
    """REST, Set Blob Tier: 202, archive status while pending, 409 BlobBeingRehydrated for reads."""
    own_stage.needs(Feature.REHYDRATION)
    service = own_stage.services["commercial"]
    blob = own_container.get_blob_client("old")
    blob.upload_blob(b"1", standard_blob_tier=StandardBlobTier.ARCHIVE)
    service.rehydration_seconds = 60
    try:
        blob.set_standard_blob_tier("Cool")
        props = blob.get_blob_properties()
        assert (props.blob_tier, props.archive_status) == ("Archive", "rehydrate-pending-to-cool")
        assert next(iter(own_container.list_blobs())).archive_status == "rehydrate-pending-to-cool"
        assert refused(blob.download_blob) == (409, "BlobBeingRehydrated")
        clock.ahead += 61
        assert blob.download_blob().readall() == b"1"
        assert blob.get_blob_properties().blob_tier == "Cool"
    finally:
        service.rehydration_seconds = 0


class TestCounters:
    """A source account that is only read shows not one write."""

    def test_reads_pulls_and_delegation_are_no_writes(self, own_stage: Stage, own_container: Any) -> None:
        """Breaks when a pull is not counted at the source, or POST userdelegationkey counts as a write."""
        own_stage.needs(Feature.COUNTERS)
        own_container.upload_blob("x", b"data")
        target = own_stage.client("government").create_container(new_name())
        commercial, government = own_stage.services["commercial"], own_stage.services["government"]
        commercial.counters.reset()
        government.counters.reset()
        own_stage.client(credential="token").get_user_delegation_key(soon(-1), soon(60))
        list(own_container.list_blobs())
        own_container.get_blob_client("x").get_blob_properties()
        target.get_blob_client("x").upload_blob_from_url(signed(own_container, "x"))
        counts = commercial.counters.of(SOURCE)
        assert (counts["read"], counts["write"], counts["delegation"]) == (3, 0, 1)
        assert counts["by_operation"] == {
            "GetBlob": 1,
            "GetBlobProperties": 1,
            "GetUserDelegationKey": 1,
            "ListBlobs": 1,
        }
        whole = government.counters.snapshot()
        assert whole["by_operation"] == {"PutBlobFromURL": 1}
        assert whole["by_account"][ACCOUNTS["government"][0]]["write"] == 1

    def test_refused_writes_count(self, own_stage: Stage, own_container: Any) -> None:
        """Breaks when only served requests are counted."""
        counters = own_stage.services["commercial"].counters
        counters.reset()
        nobody = own_stage.client(credential=None)
        refused(lambda: nobody.get_blob_client(own_container.container_name, "x").upload_blob(b"1"))
        assert counters.of(SOURCE)["write"] == 1


class TestHooks:
    @pytest.mark.parametrize(
        "rule",
        [
            {"match": "GET"},
            {"match": "GET", "mutate": {"container": "c", "blob": "b"}},
            {"match": "GET", "mutate": {"container": "c", "blob": "b", "content": "x", "delete": True}},
            {"match": "GET", "when": 1, "mutate": {"container": "c", "blob": "b", "content": "x"}},
        ],
    )
    def test_bad_rules(self, rule: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"hook|mutate"):
            Rule(rule)

    def test_after_and_times(self, own_stage: Stage, own_container: Any) -> None:
        own_container.upload_blob("x", b"0")
        service, name = own_stage.services["commercial"], own_container.container_name
        mutate = {"container": name, "blob": "x", "content_base64": base64.b64encode(b"1").decode()}
        hook = own_stage.run(service.add_hook({"match": f"GET .*/{name}/x", "after": 1, "times": 1, "mutate": mutate}))
        try:
            seen = [own_container.download_blob("x").readall() for _ in range(3)]
        finally:
            service.clear_hooks()
        assert seen == [b"0", b"0", b"1"]
        assert hook.fired == 1

    def test_delete_and_append(self, own_stage: Stage, own_container: Any) -> None:
        log = own_container.get_blob_client("log")
        log.create_append_blob()
        log.append_block(b"one")
        service, name = own_stage.services["commercial"], own_container.container_name
        grow = {"container": name, "blob": "log", "append": "two"}
        own_stage.run(service.add_hook({"match": f"HEAD .*/{name}/log", "mutate": grow}))
        own_stage.run(
            service.add_hook(
                {"match": f"GET .*/{name}/log", "mutate": {"container": name, "blob": "log", "delete": True}}
            )
        )
        try:
            assert log.get_blob_properties().size == 3
            assert log.download_blob().readall() == b"onetwo"
            assert not log.exists()
        finally:
            service.clear_hooks()


@pytest.mark.parametrize(
    "headers",
    [{"x-ms-source-encryption-key": "k"}, {"x-ms-legal-hold": "true"}, {"x-ms-structured-body": "XSM/1.0"}],
    ids=lambda headers: next(iter(headers)),
)
def test_what_is_not_modelled_is_refused(own_container: Any, headers: dict[str, str]) -> None:
    """Ignoring it would let a test pass that proves nothing."""
    assert refused(lambda: own_container.upload_blob("x", b"1", headers=headers)) == (501, "FeatureNotModelled")


def test_unknown_account(own_stage: Stage) -> None:
    service = own_stage.services["commercial"]
    assert service.knows(f"{SOURCE}.blob.core.windows.net:443")
    for host in (
        "nobody.blob.core.windows.net",
        f"{SOURCE}.blob.core.usgovcloudapi.net",
        f"x.{SOURCE}.blob.core.windows.net",
    ):
        assert not service.knows(host)


def test_account_born_while_running(own_stage: Stage) -> None:
    """Breaks when accounts are fixed at the start."""
    own_stage.services["government"].create_account("bornlater", key=key_of("bornlater"))
    own_stage.client("government", "bornlater").create_container(new_name())
    own_stage.client("government", "bornlater", credential="token").create_container(new_name())


def test_loaded_estate(own_stage: Stage) -> None:
    """An account made of values reads as one that was written by requests."""
    sparse = bytes(1 << 20) + b"z" * 512 + bytes(512)
    spec = AccountSpec(
        name="loadeddata",
        key=key_of("loadeddata"),
        static_website={"index_document": "index.html"},
        containers=(
            ContainerSpec(
                "things",
                metadata={"Owner": "Ana"},
                public_access="blob",
                policies=({"id": "p", "permission": "r", "expiry": "2099-01-01T00:00:00Z"},),
                blobs=(
                    BlobSpec("blocks", lambda: bytes(2500), block_size=1000),
                    BlobSpec("disk", lambda: sparse, blob_type="PageBlob"),
                    BlobSpec("log", lambda: b"lines", blob_type="AppendBlob", block_size=2, sealed=True),
                    BlobSpec(
                        "plain",
                        lambda: b"now",
                        headers={"content_type": "text/plain"},
                        metadata={"a": "b"},
                        tags={"t": "1"},
                        tier="Cool",
                        earlier=(lambda: b"first", lambda: b"then"),
                    ),
                ),
            ),
        ),
    )
    own_stage.services["commercial"].load(spec)
    service = own_stage.client(account="loadeddata")
    assert service.get_service_properties()["static_website"].index_document == "index.html"
    assert [item.name for item in service.list_containers()] == ["$web", "things"]
    things = service.get_container_client("things")
    assert things.get_container_access_policy()["signed_identifiers"][0].id == "p"
    items = list(things.list_blobs(include=["snapshots", "tags", "metadata"]))
    assert [(item.name, item.size, item.snapshot is None) for item in items] == [
        ("blocks", 2500, True),
        ("disk", len(sparse), True),
        ("log", 5, True),
        ("plain", 5, False),
        ("plain", 4, False),
        ("plain", 3, True),
    ]
    assert items[0].content_settings.content_md5 is None
    assert items[5].content_settings.content_md5 is not None
    assert (items[5].tags, items[5].metadata, items[5].blob_tier) == ({"t": "1"}, {"a": "b"}, "Cool")
    assert len(things.get_blob_client("blocks").get_block_list()[0]) == 3
    assert things.get_blob_client("disk").get_page_ranges()[0] == [{"start": 1 << 20, "end": (1 << 20) + 1023}]
    assert things.download_blob("disk").readall() == sparse
    assert things.get_blob_client("log").get_blob_properties().append_blob_committed_block_count == 3
    assert refused(lambda: things.get_blob_client("log").append_block(b"x")) == (409, "BlobIsSealed")


def test_a_pull_shares_memory() -> None:
    """Breaks when `cut` copies bytes."""
    content = Content([bytes(1000), bytes(1000)])
    piece = content.cut(500, 1500)
    assert piece.size == 1000
    assert [memoryview(segment).obj for segment in piece.segments] == content.segments


@pytest.mark.parametrize("seed", range(5))
def test_pages_against_a_plain_array(seed: int) -> None:
    """Random writes and clears, compared with a bytearray after each step."""
    from random import Random

    draw, pages, plain = Random(seed), Pages(), bytearray(32 * 512)
    held = set()
    for _ in range(60):
        start = draw.randrange(32)
        end = draw.randrange(start, 32) + 1
        if draw.random() < 0.6:
            data = draw.randbytes((end - start) * 512)
            pages.write(start * 512, Content([data]))
            plain[start * 512 : end * 512] = data
            held |= set(range(start, end))
        else:
            pages.clear(start * 512, end * 512)
            plain[start * 512 : end * 512] = bytes((end - start) * 512)
            held -= set(range(start, end))
        assert pages.read(0, len(plain)).joined() == plain
        assert pages.read(700, 9000).joined() == plain[700:9000]
        told = {page for low, high in pages.ranges(0, len(plain)) for page in range(low // 512, (high + 1) // 512)}
        assert told == held


async def test_many_writers_at_once(own_stage: Stage, own_container: Any) -> None:
    """The aio client: of many creators with If-None-Match: * exactly one wins."""
    async with own_stage.aio_client(credential="token") as service:
        container = service.get_container_client(own_container.container_name)

        async def create(number: int) -> bool:
            blob: BlobClient = container.get_blob_client("one")
            try:
                await blob.upload_blob(str(number).encode(), overwrite=False)
            except HttpResponseError as error:
                assert error.status_code == 409
                return False
            return True

        won = await asyncio.gather(*(create(number) for number in range(20)))
        assert sum(won) == 1
        data = await (await container.download_blob("one")).readall()
        assert data == str(won.index(True)).encode()
        assert crc64nvme(data) >= 0
