"""Writes whose bytes come from a URL, in one cloud and across clouds."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from awscrt.checksums import crc64nvme
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, ContentSettings, StandardBlobTier, generate_blob_sas, generate_container_sas

from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import ACCOUNTS, Stage, Token, key_of
from tests.sandbox.conformance.test_authorization import soon
from tests.sandbox.conformance.test_blobs import code_of
from tests.sandbox.conformance.test_blocks import block_id

SOURCE = ACCOUNTS["commercial"][0]
DATA = bytes(range(256)) * 40


def signed(container: Any, name: str, permission: str = "r", **more: Any) -> str:
    sas = generate_blob_sas(
        SOURCE,
        container.container_name,
        name,
        account_key=key_of(SOURCE),
        permission=permission,
        expiry=soon(),
        start=soon(-15),
        **more,
    )
    return f"{container.get_blob_client(name).url}?{sas}"


def crc64(data: bytes) -> str:
    return base64.b64encode(crc64nvme(data).to_bytes(8, "little")).decode()


def answered(call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, str]:
    """The response headers of a call."""
    seen: list[Any] = []
    call(*arguments, raw_response_hook=lambda response: seen.append(response.http_response.headers), **options)
    return {name.lower(): value for name, value in seen[-1].items()}


@pytest.fixture
def target(own_stage: Stage) -> Any:
    """A container in the other cloud."""
    return own_stage.client("government").create_container(new_name())


@pytest.fixture
def rules(own_stage: Stage) -> Iterator[None]:
    yield
    own_stage.services["commercial"].set_rule(SOURCE, allow_pull=True)
    own_stage.services["commercial"].clear_hooks()


def test_block_from_url_in_one_instance(stage: Stage, container: Any) -> None:
    """The one From URL that Azurite has, so the one that has an outside witness."""
    stage.needs(Feature.BLOCK_FROM_URL)
    container.upload_blob("from", DATA)
    blob = container.get_blob_client("to")
    url = signed(container, "from")
    blob.stage_block_from_url(block_id(1), url, source_offset=0, source_length=4096)
    blob.stage_block_from_url(block_id(2), url, source_offset=4096, source_length=len(DATA) - 4096)
    blob.commit_block_list([BlobBlock(block_id(1)), BlobBlock(block_id(2))])
    assert blob.download_blob().readall() == DATA


def test_writes_answer_crc64(stage: Stage, container: Any) -> None:
    """REST, Put Block, Append Block, Put Page, Put Block From URL: x-ms-content-crc64 of the bytes of the request.

    Breaks when the CRC64 is big-endian, or of the whole blob.
    """
    stage.needs(Feature.RETURNED_CRC)
    blob, log, disk = (container.get_blob_client(name) for name in ("b", "l", "d"))
    assert answered(blob.stage_block, block_id(1), b"block")["x-ms-content-crc64"] == crc64(b"block")
    log.create_append_blob()
    log.append_block(b"one")
    assert answered(log.append_block, b"two")["x-ms-content-crc64"] == crc64(b"two")
    disk.create_page_blob(1024)
    page = b"p" * 512
    assert answered(disk.upload_page, page, offset=512, length=512)["x-ms-content-crc64"] == crc64(page)
    container.upload_blob("from", DATA)
    url = signed(container, "from")
    headers = answered(blob.stage_block_from_url, block_id(2), url, source_offset=5, source_length=50)
    assert headers["x-ms-content-crc64"] == crc64(DATA[5:55])


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("x-ms-source-if-match", '"0x1"', (412, "SourceConditionNotMet")),
        ("x-ms-source-if-none-match", "ETAG", (412, "SourceConditionNotMet")),
        ("x-ms-source-if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT", (412, "SourceConditionNotMet")),
        ("x-ms-source-if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT", (412, "SourceConditionNotMet")),
        ("x-ms-source-content-crc64", base64.b64encode(bytes(8)).decode(), (400, "Crc64Mismatch")),
        ("x-ms-source-content-md5", base64.b64encode(bytes(16)).decode(), (400, "Md5Mismatch")),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("x-ms") else "",
)
def test_source_headers_have_a_witness(
    stage: Stage, container: Any, name: str, value: str, answer: tuple[int, str]
) -> None:
    """REST, Put Block From URL: conditions on the source and checksums of what arrived. Azurite says the same."""
    stage.needs(Feature.SOURCE_CONDITIONS)
    stage.needs(Feature.SOURCE_CHECKSUMS)
    etag = container.upload_blob("from", DATA).get_blob_properties().etag
    blob, url = container.get_blob_client("to"), signed(container, "from")
    with pytest.raises(HttpResponseError) as error:
        blob.stage_block_from_url(block_id(1), url, headers={name: etag if value == "ETAG" else value})
    assert code_of(error) == answer
    blob.stage_block_from_url(block_id(1), url, headers={"x-ms-source-if-match": etag})


class TestAcrossClouds:
    """REST, Put Blob From URL: the source is any URL that answers."""

    def test_put_blob_from_url(self, own_stage: Stage, own_container: Any, target: Any) -> None:
        """Properties and metadata come along by default; the tags do not; MD5 and CRC64 are of the bytes.

        Breaks when the copy takes the label of the source for its MD5.
        """
        own_stage.needs(Feature.CROSS_CLOUD)
        source = own_container.get_blob_client("a b+%.txt")
        source.upload_blob(
            DATA,
            metadata={"Key": "v"},
            tags={"t": "1"},
            content_settings=ContentSettings(content_type="text/plain", cache_control="max-age=5"),
        )
        blob = target.get_blob_client("x")
        headers = answered(blob.upload_blob_from_url, signed(own_container, "a b+%.txt"))
        assert headers["x-ms-content-crc64"] == crc64(DATA)
        assert headers["content-md5"] == base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
        props = blob.get_blob_properties()
        assert props.content_settings.content_type == "text/plain"
        assert props.content_settings.cache_control == "max-age=5"
        assert (props.metadata, props.tag_count) == ({"Key": "v"}, None)
        assert blob.download_blob().readall() == DATA

    def test_own_properties(self, own_container: Any, target: Any) -> None:
        """REST, x-ms-copy-source-blob-properties: false leaves the properties of the source behind."""
        source = own_container.get_blob_client("x")
        source.upload_blob(DATA, content_settings=ContentSettings(content_type="text/plain"))
        blob = target.get_blob_client("x")
        blob.upload_blob_from_url(
            signed(own_container, "x"), include_source_blob_properties=False, tags={"own": "1"}, metadata={"a": "b"}
        )
        props = blob.get_blob_properties()
        assert props.content_settings.content_type == "application/octet-stream"
        assert (props.metadata, blob.get_blob_tags()) == ({"a": "b"}, {"own": "1"})

    def test_copied_tags_need_the_permission(self, own_container: Any, target: Any) -> None:
        """REST, x-ms-copy-source-tag-option: COPY reads the tags of the source under its SAS."""
        own_container.upload_blob("x", DATA, tags={"t": "1"})
        blob, copy = target.get_blob_client("x"), {"x-ms-copy-source-tag-option": "COPY"}
        with pytest.raises(HttpResponseError) as error:
            blob.upload_blob_from_url(signed(own_container, "x"), headers=copy)
        assert error.value.status_code == 403
        blob.upload_blob_from_url(signed(own_container, "x", "rt"), headers=copy)
        assert blob.get_blob_tags() == {"t": "1"}

    def test_snapshot_of_the_source(self, own_container: Any, target: Any) -> None:
        source = own_container.get_blob_client("x")
        source.upload_blob(b"old")
        snapshot = source.create_snapshot()["snapshot"]
        source.upload_blob(b"new", overwrite=True)
        sas = generate_container_sas(
            SOURCE, own_container.container_name, account_key=key_of(SOURCE), permission="r", expiry=soon()
        )
        target.get_blob_client("x").upload_blob_from_url(f"{source.url}?snapshot={snapshot}&{sas}")
        assert target.download_blob("x").readall() == b"old"

    def test_token_of_the_source_cloud(self, own_container: Any, target: Any) -> None:
        """REST, x-ms-copy-source-authorization: a token that the source account takes; the target's own is none."""
        own_container.upload_blob("x", DATA)
        blob, url = target.get_blob_client("x"), own_container.get_blob_client("x").url
        blob.upload_blob_from_url(url, source_authorization=f"Bearer {Token('commercial').text}")
        assert blob.download_blob().readall() == DATA
        with pytest.raises(HttpResponseError) as error:
            blob.upload_blob_from_url(url, source_authorization=f"Bearer {Token('government').text}", overwrite=True)
        assert code_of(error) == (401, "CannotVerifyCopySource")

    def test_blocks(self, own_stage: Stage, own_container: Any, target: Any) -> None:
        """REST, Put Block From URL: x-ms-content-crc64 is of the range that arrived."""
        own_container.upload_blob("x", DATA)
        blob, url = target.get_blob_client("x"), signed(own_container, "x")
        headers = answered(blob.stage_block_from_url, block_id(1), url, source_offset=100, source_length=1000)
        assert headers["x-ms-content-crc64"] == crc64(DATA[100:1100])
        blob.stage_block_from_url(block_id(2), url, source_offset=1100, source_length=len(DATA) - 1100)
        blob.commit_block_list([BlobBlock(block_id(1)), BlobBlock(block_id(2))])
        assert blob.download_blob().readall() == DATA[100:]

    def test_append(self, own_container: Any, target: Any) -> None:
        """REST, Append Block From URL."""
        own_container.upload_blob("x", DATA)
        blob = target.get_blob_client("x")
        blob.create_append_blob()
        headers = answered(
            blob.append_block_from_url,
            signed(own_container, "x"),
            source_offset=0,
            source_length=500,
            appendpos_condition=0,
        )
        assert headers["x-ms-content-crc64"] == crc64(DATA[:500])
        assert headers["x-ms-blob-append-offset"] == "0"
        assert blob.download_blob().readall() == DATA[:500]

    def test_pages(self, own_container: Any, target: Any) -> None:
        """REST, Put Page From URL."""
        own_container.upload_blob("x", DATA)
        blob = target.get_blob_client("x")
        blob.create_page_blob(4096)
        headers = answered(
            blob.upload_pages_from_url, signed(own_container, "x"), offset=512, length=1024, source_offset=256
        )
        assert headers["x-ms-content-crc64"] == crc64(DATA[256:1280])
        assert blob.get_page_ranges()[0] == [{"start": 512, "end": 1535}]

    def test_copy_blob_across_clouds(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA)
        blob = target.get_blob_client("x")
        with pytest.raises(HttpResponseError) as error:
            blob.start_copy_from_url(own_container.get_blob_client("x").url)
        assert code_of(error)[1] == "CannotVerifyCopySource"
        blob.start_copy_from_url(signed(own_container, "x"))
        assert blob.download_blob().readall() == DATA
        sync = target.get_blob_client("sync")
        sync.start_copy_from_url(signed(own_container, "x"), requires_sync=True)
        assert sync.download_blob().readall() == DATA


class TestRefusedSources:
    """REST: CannotVerifyCopySource with the status of the source."""

    def refusal(self, target: Any, url: str) -> tuple[int, str]:
        codes = set()
        blob = target.get_blob_client(new_name("b"))
        for attempt in (
            lambda: blob.upload_blob_from_url(url),
            lambda: blob.stage_block_from_url(block_id(1), url),
        ):
            with pytest.raises(HttpResponseError) as error:
                attempt()
            codes.add(code_of(error))
        assert not blob.exists()
        (code,) = codes
        return code

    def test_no_authorization(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA)
        status, code = self.refusal(target, own_container.get_blob_client("x").url)
        assert (status in (401, 404, 409), code) == (True, "CannotVerifyCopySource")

    def test_expired(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA)
        sas = generate_blob_sas(
            SOURCE, own_container.container_name, "x", account_key=key_of(SOURCE), permission="r", expiry=soon(-5)
        )
        url = f"{own_container.get_blob_client('x').url}?{sas}"
        assert self.refusal(target, url) == (403, "CannotVerifyCopySource")

    def test_wrong_permission(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA)
        assert self.refusal(target, signed(own_container, "x", "w")) == (403, "CannotVerifyCopySource")

    def test_bound_to_a_client_address(self, own_container: Any, target: Any) -> None:
        """The target service reads from an address of its own, so a SAS with `sip` does not let it in."""
        own_container.upload_blob("x", DATA)
        assert self.refusal(target, signed(own_container, "x", ip="127.0.0.1")) == (403, "CannotVerifyCopySource")

    def test_missing(self, own_container: Any, target: Any) -> None:
        assert self.refusal(target, signed(own_container, "none")) == (404, "CannotVerifyCopySource")

    def test_unknown_account(self, target: Any) -> None:
        url = "https://nobodyhasthis.blob.core.windows.net/c/x?sig=1"
        assert self.refusal(target, url) == (404, "CannotVerifyCopySource")

    def test_archived(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA, standard_blob_tier=StandardBlobTier.ARCHIVE)
        assert self.refusal(target, signed(own_container, "x")) == (409, "CannotVerifyCopySource")

    def test_network_rules(self, own_stage: Stage, own_container: Any, target: Any, rules: None) -> None:
        """A source behind network rules: clients get in, the service that pulls does not.

        Breaks when `open_source` does not ask `public_network`.
        """
        own_container.upload_blob("x", DATA)
        own_stage.services["commercial"].set_rule(SOURCE, allow_pull=False)
        assert self.refusal(target, signed(own_container, "x")) == (403, "CannotVerifyCopySource")
        assert own_container.download_blob("x").readall() == DATA


class TestSourceConditions:
    """REST, Put Block From URL: x-ms-source-if-*; 412 SourceConditionNotMet."""

    @pytest.fixture
    def etag(self, own_container: Any) -> str:
        return str(own_container.upload_blob("x", DATA).get_blob_properties().etag)

    @pytest.mark.parametrize(
        "condition",
        [
            {"source_if_match": '"0x1"'},
            {"source_if_none_match": "ETAG"},
            {"source_if_modified_since": datetime.now(UTC) + timedelta(hours=1)},
            {"source_if_unmodified_since": datetime.now(UTC) - timedelta(hours=1)},
        ],
        ids=lambda condition: next(iter(condition)),
    )
    def test_unmet(self, own_container: Any, target: Any, etag: str, condition: dict[str, Any]) -> None:
        """Breaks when `check_source` ignores one of them."""
        names = {
            "source_if_match": "x-ms-source-if-match",
            "source_if_none_match": "x-ms-source-if-none-match",
            "source_if_modified_since": "x-ms-source-if-modified-since",
            "source_if_unmodified_since": "x-ms-source-if-unmodified-since",
        }
        ((name, value),) = condition.items()
        text = etag if value == "ETAG" else value
        if isinstance(text, datetime):
            text = text.strftime("%a, %d %b %Y %H:%M:%S GMT")
        url, headers = signed(own_container, "x"), {names[name]: text}
        blob, log, disk = (target.get_blob_client(kind) for kind in ("b", "l", "d"))
        log.create_append_blob()
        disk.create_page_blob(512)
        for attempt in (
            lambda: blob.upload_blob_from_url(url, headers=headers),
            lambda: blob.stage_block_from_url(block_id(1), url, headers=headers),
            lambda: log.append_block_from_url(url, headers=headers),
            lambda: disk.upload_pages_from_url(url, offset=0, length=512, source_offset=0, headers=headers),
            lambda: blob.start_copy_from_url(url, headers=headers),
        ):
            with pytest.raises(HttpResponseError) as error:
                attempt()
            assert code_of(error) == (412, "SourceConditionNotMet")
        assert not blob.exists()

    def test_met(self, own_container: Any, target: Any, etag: str) -> None:
        blob = target.get_blob_client("b")
        for pin in (etag, etag.strip('"')):
            blob.upload_blob_from_url(signed(own_container, "x"), headers={"x-ms-source-if-match": pin}, overwrite=True)
        assert blob.download_blob().readall() == DATA

    def test_pin_between_two_blocks(
        self, own_stage: Stage, own_container: Any, target: Any, etag: str, rules: None
    ) -> None:
        """A writer who comes after the first block: the second answers 412, so no torn copy can be committed.

        Breaks when the hook runs before the block was read, or the ETag of the source does not move.
        """
        own_stage.needs(Feature.COUNTERS)
        mutate = {"container": own_container.container_name, "blob": "x", "content": "another generation"}
        rule = own_stage.run(
            own_stage.services["commercial"].add_hook({"match": rf"GET /{SOURCE}/.*/x", "mutate": mutate})
        )
        blob, url = target.get_blob_client("b"), signed(own_container, "x")
        pinned = {"headers": {"x-ms-source-if-match": etag}}
        first = answered(blob.stage_block_from_url, block_id(1), url, source_offset=0, source_length=512, **pinned)
        assert first["x-ms-content-crc64"] == crc64(DATA[:512])
        assert rule.fired == 1
        with pytest.raises(HttpResponseError) as error:
            blob.stage_block_from_url(block_id(2), url, source_offset=512, source_length=10, **pinned)
        assert code_of(error) == (412, "SourceConditionNotMet")


class TestSourceChecksums:
    """REST: x-ms-source-content-md5 and -crc64 are compared with what arrived; nothing is written where they differ."""

    @pytest.mark.parametrize(
        ("name", "wrong", "code"),
        [
            ("x-ms-source-content-md5", base64.b64encode(bytes(16)).decode(), "Md5Mismatch"),
            ("x-ms-source-content-crc64", base64.b64encode(bytes(8)).decode(), "Crc64Mismatch"),
        ],
    )
    def test_wrong(self, own_container: Any, target: Any, name: str, wrong: str, code: str) -> None:
        own_container.upload_blob("x", DATA)
        blob, url = target.get_blob_client("b"), signed(own_container, "x")
        for attempt in (
            lambda: blob.upload_blob_from_url(url, headers={name: wrong}),
            lambda: blob.stage_block_from_url(block_id(1), url, headers={name: wrong}),
        ):
            with pytest.raises(HttpResponseError) as error:
                attempt()
            assert code_of(error) == (400, code)
        assert not blob.exists()

    def test_right(self, own_container: Any, target: Any) -> None:
        own_container.upload_blob("x", DATA)
        blob, url = target.get_blob_client("b"), signed(own_container, "x")
        blob.stage_block_from_url(
            block_id(1),
            url,
            source_offset=0,
            source_length=512,
            headers={"x-ms-source-content-crc64": crc64(DATA[:512])},
        )
        blob.upload_blob_from_url(url, headers={"x-ms-source-content-crc64": crc64(DATA)})
        assert blob.download_blob().readall() == DATA
