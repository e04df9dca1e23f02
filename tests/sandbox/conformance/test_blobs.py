"""Put, get, change and delete of block blobs, with the unmodified SDK."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContentSettings, StandardBlobTier

from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import Stage


def code_of(error: pytest.ExceptionInfo[Any]) -> tuple[int, str]:
    return error.value.status_code, str(getattr(error.value.error_code, "value", error.value.error_code))


def test_put_stores_md5_and_headers(stage: Stage, container: Any) -> None:
    """REST, Put Blob: the service computes and keeps the MD5; Get Blob Properties shows what was set."""
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client("folder/a b+c%d.txt")
    settings = ContentSettings(
        content_type="text/plain",
        content_encoding="identity",
        content_language="en-US",
        content_disposition="attachment",
        cache_control="no-cache",
    )
    blob.upload_blob(b"hello", content_settings=settings, metadata={"Owner": "Ana", "case_Kept": "1"})
    props = blob.get_blob_properties()
    assert props.size == 5
    assert props.blob_type == "BlockBlob"
    assert bytes(props.content_settings.content_md5) == hashlib.md5(b"hello", usedforsecurity=False).digest()
    assert props.content_settings.content_type == "text/plain"
    assert props.content_settings.content_encoding == "identity"
    assert props.content_settings.content_language == "en-US"
    assert props.content_settings.content_disposition == "attachment"
    assert props.content_settings.cache_control == "no-cache"
    assert props.metadata == {"Owner": "Ana", "case_Kept": "1"}
    assert blob.download_blob().readall() == b"hello"


@pytest.mark.parametrize(
    "name", ["a//b", "tab\tname", "plus+percent%25", "ünï/çødé 😀", "q?x=1#frag&y", "dot.", "semi;colon=1", "new\nline"]
)
def test_names_round_trip(stage: Stage, container: Any, name: str) -> None:
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client(name)
    blob.upload_blob(b"x")
    assert [item.name for item in container.list_blobs()] == [name]
    assert blob.download_blob().readall() == b"x"


def test_ranges(stage: Stage, container: Any) -> None:
    """REST, Get Blob: 206 and Content-Range; a range that ends past the end is cut."""
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client("r")
    data = bytes(range(256)) * 64
    blob.upload_blob(data)
    assert blob.download_blob(offset=100, length=50).readall() == data[100:150]
    assert blob.download_blob(offset=16000, length=1000).readall() == data[16000:]
    assert blob.download_blob(offset=0, length=10, validate_content=True).readall() == data[:10]


def test_range_past_the_end(stage: Stage, container: Any) -> None:
    """REST, Get Blob: 416 InvalidRange where the range begins at or after the end."""
    stage.needs(Feature.RANGE_PAST_END)
    blob = container.get_blob_client("r")
    blob.upload_blob(bytes(1000))
    with pytest.raises(HttpResponseError) as error:
        blob.download_blob(offset=1000, length=1).readall()
    assert code_of(error) == (416, "InvalidRange")


def test_empty_blob(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client("empty")
    blob.upload_blob(b"")
    assert blob.get_blob_properties().size == 0
    assert blob.download_blob().readall() == b""


def test_missing(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BASIC)
    with pytest.raises(ResourceNotFoundError) as error:
        container.get_blob_client("none").download_blob()
    assert code_of(error) == (404, "BlobNotFound")
    with pytest.raises(ResourceNotFoundError) as error:
        stage.client().get_blob_client("nosuchcontainer", "x").upload_blob(b"x")
    assert code_of(error) == (404, "ContainerNotFound")


def test_create_only(stage: Stage, container: Any) -> None:
    """REST, Put Blob with If-None-Match: *: 409 BlobAlreadyExists.

    Breaks when `check_write` lets `creates` fall through to 412.
    """
    stage.needs(Feature.CONDITIONS)
    blob = container.get_blob_client("once")
    blob.upload_blob(b"1", overwrite=False)
    with pytest.raises(ResourceExistsError) as error:
        blob.upload_blob(b"2", overwrite=False)
    assert code_of(error) == (409, "BlobAlreadyExists")
    assert blob.download_blob().readall() == b"1"


def test_if_match(stage: Stage, container: Any) -> None:
    """REST, conditional headers: writes and reads answer 412 where the ETag is another; listings have it unquoted."""
    stage.needs(Feature.CONDITIONS)
    blob = container.get_blob_client("pinned")
    first = blob.upload_blob(b"1")["etag"]
    listed = next(iter(container.list_blobs())).etag
    assert listed == first.strip('"')
    assert blob.download_blob(etag=listed, match_condition=MatchConditions.IfNotModified).readall() == b"1"
    second = blob.upload_blob(b"2", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)["etag"]
    assert second != first
    for attempt in (
        lambda: blob.download_blob(etag=first, match_condition=MatchConditions.IfNotModified),
        lambda: blob.upload_blob(b"3", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified),
        lambda: blob.delete_blob(etag=first, match_condition=MatchConditions.IfNotModified),
        lambda: blob.set_blob_metadata({"a": "b"}, etag=first, match_condition=MatchConditions.IfNotModified),
    ):
        with pytest.raises(ResourceModifiedError) as error:
            attempt()
        assert code_of(error) == (412, "ConditionNotMet")
    with pytest.raises(HttpResponseError) as error:
        blob.download_blob(etag=second, match_condition=MatchConditions.IfModified)
    assert error.value.status_code == 304


def test_dates(stage: Stage, container: Any) -> None:
    stage.needs(Feature.CONDITIONS)
    blob = container.get_blob_client("dated")
    blob.upload_blob(b"1")
    later, before = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
    assert blob.download_blob(if_modified_since=before).readall() == b"1"
    assert blob.download_blob(if_unmodified_since=later).readall() == b"1"
    with pytest.raises(HttpResponseError) as error:
        blob.download_blob(if_modified_since=later)
    assert error.value.status_code == 304
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(if_unmodified_since=before)
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"2", overwrite=True, if_unmodified_since=before)


def test_last_modified_has_a_grain_of_a_second(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client("grain")
    blob.upload_blob(b"1")
    assert blob.get_blob_properties().last_modified.microsecond == 0


def test_metadata_and_headers_move_the_etag(stage: Stage, container: Any) -> None:
    """REST, Set Blob Metadata and Set Blob Properties: both are writes; headers not sent are cleared."""
    stage.needs(Feature.METADATA)
    blob = container.get_blob_client("m")
    blob.upload_blob(b"1", content_settings=ContentSettings(content_type="text/plain", cache_control="no-store"))
    first = blob.get_blob_properties().etag
    blob.set_blob_metadata({"Two": "2"})
    second = blob.get_blob_properties()
    assert second.etag != first
    assert second.metadata == {"Two": "2"}
    blob.set_http_headers(ContentSettings(content_type="text/html"))
    third = blob.get_blob_properties()
    assert third.etag != second.etag
    assert third.content_settings.content_type == "text/html"
    assert third.content_settings.cache_control is None
    assert third.metadata == {"Two": "2"}


def test_tags_and_tier_move_nothing(stage: Stage, container: Any) -> None:
    """REST, Set Blob Tags and Set Blob Tier: neither ETag nor Last-Modified changes.

    Breaks when `set_tags` or `set_tier` calls `touch`.
    """
    stage.needs(Feature.TAGS_KEEP_ETAG)
    blob = container.get_blob_client("t")
    blob.upload_blob(b"1", tags={"born": "so"})
    before = blob.get_blob_properties()
    assert before.blob_tier == "Hot"
    assert before.blob_tier_inferred
    blob.set_blob_tags({"a": "1", "b": "two words"})
    blob.set_standard_blob_tier("Cool")
    after = blob.get_blob_properties()
    assert (after.etag, after.last_modified) == (before.etag, before.last_modified)
    assert blob.get_blob_tags() == {"a": "1", "b": "two words"}
    assert after.tag_count == 2
    assert after.blob_tier == "Cool"
    assert not after.blob_tier_inferred


def test_conditions_on_tags(stage: Stage, container: Any) -> None:
    stage.needs(Feature.TAGS)
    blob = container.get_blob_client("w")
    blob.upload_blob(b"1", tags={"state": "open", "n": "05"})
    assert blob.download_blob(if_tags_match_condition="\"state\"='open' AND \"n\">='04'").readall() == b"1"
    with pytest.raises(ResourceModifiedError) as error:
        blob.delete_blob(if_tags_match_condition="\"state\"='shut'")
    assert code_of(error) == (412, "ConditionNotMet")


def test_archive(stage: Stage, container: Any) -> None:
    """REST, Set Blob Tier: an archived blob cannot be read; its properties can."""
    stage.needs(Feature.TIERS)
    blob = container.get_blob_client("old")
    blob.upload_blob(b"1", standard_blob_tier=StandardBlobTier("Archive"))
    with pytest.raises(ResourceExistsError) as error:
        blob.download_blob()
    assert code_of(error) == (409, "BlobArchived")
    assert blob.get_blob_properties().blob_tier == "Archive"
    blob.delete_blob()


def test_wrong_md5_is_refused(stage: Stage, container: Any) -> None:
    """REST, Put Blob: 400 Md5Mismatch, and nothing is written.

    Breaks when `check_body` only echoes the header.
    """
    stage.needs(Feature.CHECKSUMS)
    blob = container.get_blob_client("md5")
    wrong = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    with pytest.raises(HttpResponseError) as error:
        blob.upload_blob(b"this", headers={"Content-MD5": wrong})
    assert code_of(error) == (400, "Md5Mismatch")
    assert not blob.exists()
    blob.upload_blob(b"this", validate_content=True)


def test_wrong_crc64_is_refused(stage: Stage, container: Any) -> None:
    stage.needs(Feature.CHECKSUMS)
    blob = container.get_blob_client("crc")
    wrong = base64.b64encode(bytes(8)).decode()
    with pytest.raises(HttpResponseError) as error:
        blob.upload_blob(b"this", headers={"x-ms-content-crc64": wrong})
    assert code_of(error) == (400, "Crc64Mismatch")
    assert not blob.exists()


def test_overwrite_replaces_all(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BASIC)
    blob = container.get_blob_client("over")
    blob.upload_blob(b"1", metadata={"a": "1"}, tags={"t": "1"}, standard_blob_tier=StandardBlobTier("Cool"))
    blob.upload_blob(b"22", overwrite=True)
    props = blob.get_blob_properties()
    assert (props.size, props.metadata, props.tag_count) == (2, {}, None)
    assert props.blob_tier_inferred
