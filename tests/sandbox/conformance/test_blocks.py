"""Blocks, append blobs, page blobs and snapshots."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings

from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import Stage
from tests.sandbox.conformance.test_blobs import code_of


def block_id(number: int) -> str:
    return base64.b64encode(f"block-{number:04d}".encode()).decode()


def test_block_list(stage: Stage, container: Any) -> None:
    """REST, Put Block List: order is that of the list; no MD5 is stored; staged blocks that it leaves out are gone.

    Breaks when the commit concatenates in staging order.
    """
    stage.needs(Feature.BLOCKS)
    blob = container.get_blob_client("blocks")
    for number in (1, 2, 3):
        blob.stage_block(block_id(number), str(number).encode() * 3)
    committed, staged = blob.get_block_list("all")
    assert (committed, sorted(block.size for block in staged)) == ([], [3, 3, 3])
    assert not blob.exists()
    blob.commit_block_list([BlobBlock(block_id(3)), BlobBlock(block_id(1))], content_settings=ContentSettings("text/x"))
    assert blob.download_blob().readall() == b"333111"
    committed, staged = blob.get_block_list("all")
    assert [block.size for block in committed] == [3, 3]
    assert staged == []
    props = blob.get_blob_properties()
    assert props.content_settings.content_md5 is None
    assert props.content_settings.content_type == "text/x"


def test_staging_moves_nothing(stage: Stage, container: Any) -> None:
    """REST, Put Block: it does not change the Last-Modified time (nor ETag) of an existing blob."""
    stage.needs(Feature.BLOCKS)
    blob = container.get_blob_client("stage")
    etag = blob.upload_blob(b"old")["etag"]
    blob.stage_block(block_id(1), b"new")
    assert blob.get_blob_properties().etag == etag
    assert blob.download_blob().readall() == b"old"


def test_put_drops_staged_blocks(stage: Stage, container: Any) -> None:
    """REST, Put Block: where Put Blob is called on the blob, its uncommitted blocks are garbage collected."""
    stage.needs(Feature.PUT_DROPS_BLOCKS)
    blob = container.get_blob_client("stage")
    blob.stage_block(block_id(1), b"new")
    blob.upload_blob(b"newer", overwrite=True)
    assert blob.get_block_list("uncommitted")[1] == []


def test_bad_blocks(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BLOCKS)
    blob = container.get_blob_client("bad")
    blob.stage_block(block_id(1), b"1")
    with pytest.raises(HttpResponseError) as error:
        blob.commit_block_list([BlobBlock(block_id(9))])
    assert code_of(error) == (400, "InvalidBlockList")
    with pytest.raises(HttpResponseError) as error:
        blob.stage_block(base64.b64encode(b"short").decode(), b"2")
    assert code_of(error) == (400, "InvalidBlobOrBlock")
    with pytest.raises(ResourceNotFoundError):
        blob.download_blob()


def test_commit_of_committed_blocks(stage: Stage, container: Any) -> None:
    stage.needs(Feature.BLOCKS)
    blob = container.get_blob_client("again")
    blob.stage_block(block_id(1), b"a")
    blob.stage_block(block_id(2), b"b")
    blob.commit_block_list([BlobBlock(block_id(1)), BlobBlock(block_id(2))])
    blob.stage_block(block_id(3), b"c")
    blob.commit_block_list([BlobBlock(block_id(2)), BlobBlock(block_id(3))])
    assert blob.download_blob().readall() == b"bc"


def test_append(stage: Stage, container: Any) -> None:
    """REST, Append Block: offset and count come back; a wrong position is 412; a sealed blob takes no more."""
    stage.needs(Feature.APPEND)
    blob = container.get_blob_client("log")
    first = blob.create_append_blob(metadata={"k": "v"})["etag"]
    answer = blob.append_block(b"one")
    assert (int(answer["blob_append_offset"]), answer["blob_committed_block_count"]) == (0, 1)
    assert answer["etag"] != first
    blob.append_block(b"two", appendpos_condition=3)
    with pytest.raises(HttpResponseError) as error:
        blob.append_block(b"x", appendpos_condition=3)
    assert code_of(error) == (412, "AppendPositionConditionNotMet")
    with pytest.raises(HttpResponseError) as error:
        blob.append_block(b"xyz", maxsize_condition=7)
    assert code_of(error) == (412, "MaxBlobSizeConditionNotMet")
    blob.seal_append_blob()
    assert blob.download_blob().readall() == b"onetwo"
    with pytest.raises(ResourceExistsError) as error:
        blob.append_block(b"x")
    assert code_of(error) == (409, "BlobIsSealed")
    block = container.get_blob_client("block")
    block.upload_blob(b"1")
    with pytest.raises(ResourceExistsError) as error:
        block.append_block(b"x")
    assert code_of(error) == (409, "InvalidBlobType")


def joined(ranges: list[dict[str, int]]) -> list[dict[str, int]]:
    """Neighbours in one: the page on Get Page Ranges does not say whether they come as one range."""
    found: list[dict[str, int]] = []
    for item in ranges:
        if found and found[-1]["end"] + 1 == item["start"]:
            found[-1] = {"start": found[-1]["start"], "end": item["end"]}
        else:
            found.append(dict(item))
    return found


def test_pages(stage: Stage, container: Any) -> None:
    """REST, Put Page and Get Page Ranges: sparse, aligned, cleared ranges read as zeros.

    Breaks when `Pages.ranges` lists what was cleared.
    """
    stage.needs(Feature.PAGES)
    blob = container.get_blob_client("disk")
    blob.create_page_blob(64 * 512, sequence_number=7)
    blob.upload_page(b"a" * 1024, offset=512, length=1024)
    blob.upload_page(b"b" * 512, offset=1536, length=512)
    blob.upload_page(b"c" * 512, offset=20 * 512, length=512)
    ranges, cleared = blob.get_page_ranges()
    assert joined(ranges) == [{"start": 512, "end": 2047}, {"start": 10240, "end": 10751}]
    assert cleared == []
    blob.clear_page(offset=1024, length=512)
    ranges, _ = blob.get_page_ranges()
    assert joined(ranges) == [{"start": 512, "end": 1023}, {"start": 1536, "end": 2047}, {"start": 10240, "end": 10751}]
    data = blob.download_blob().readall()
    assert len(data) == 64 * 512
    assert data[512:1024] == b"a" * 512
    assert data[1024:1536] == bytes(512)
    assert data[1536:2048] == b"b" * 512
    assert blob.download_blob(offset=1000, length=600).readall() == data[1000:1600]
    assert blob.get_blob_properties().page_blob_sequence_number == 7
    with pytest.raises(HttpResponseError):
        blob.upload_page(b"d" * 512, offset=64 * 512, length=512)


def test_page_conditions_and_resize(stage: Stage, container: Any) -> None:
    stage.needs(Feature.PAGES)
    blob = container.get_blob_client("seq")
    blob.create_page_blob(4096, sequence_number=3)
    with pytest.raises(HttpResponseError) as error:
        blob.upload_page(b"a" * 512, offset=0, length=512, if_sequence_number_lt=3)
    assert code_of(error) == (412, "SequenceNumberConditionNotMet")
    blob.upload_page(b"a" * 512, offset=3584, length=512, if_sequence_number_eq=3)
    blob.set_sequence_number("update", "9")
    blob.resize_blob(2048)
    blob.resize_blob(4096)
    props = blob.get_blob_properties()
    assert (props.size, props.page_blob_sequence_number) == (4096, 9)
    assert blob.download_blob().readall() == bytes(4096)


def test_page_difference(stage: Stage, container: Any) -> None:
    """REST, Get Page Ranges with prevsnapshot: what was written and what was cleared since."""
    stage.needs(Feature.PAGE_DIFFERENCE)
    blob = container.get_blob_client("diff")
    blob.create_page_blob(8 * 512)
    blob.upload_page(b"a" * 2048, offset=0, length=2048)
    snapshot = blob.create_snapshot()["snapshot"]
    blob.upload_page(b"b" * 512, offset=512, length=512)
    blob.clear_page(offset=1024, length=512)
    blob.upload_page(b"c" * 512, offset=3072, length=512)
    written, cleared = blob.get_page_ranges(previous_snapshot_diff=snapshot)
    assert written == [{"start": 512, "end": 1023}, {"start": 3072, "end": 3583}]
    assert cleared == [{"start": 1024, "end": 1535}]


def test_snapshots(stage: Stage, container: Any) -> None:
    """REST, Snapshot Blob and Delete Blob: snapshots keep their bytes, list before the base, and guard it.

    Breaks when a snapshot shares its content with the base.
    """
    stage.needs(Feature.SNAPSHOTS)
    blob = container.get_blob_client("s")
    etag = blob.upload_blob(b"1", metadata={"v": "1"})["etag"]
    first = blob.create_snapshot()["snapshot"]
    assert blob.get_blob_properties().etag == etag
    blob.upload_blob(b"22", overwrite=True)
    second = blob.create_snapshot(metadata={"v": "own"})["snapshot"]
    blob.upload_blob(b"333", overwrite=True)
    assert first < second
    old = container.get_blob_client("s", snapshot=first)
    assert old.download_blob().readall() == b"1"
    assert old.get_blob_properties().metadata == {"v": "1"}
    assert old.get_blob_properties().etag == etag
    assert container.get_blob_client("s", snapshot=second).get_blob_properties().metadata == {"v": "own"}
    listed = {(item.snapshot, item.size) for item in container.list_blobs(include=["snapshots"])}
    assert listed == {(first, 1), (second, 2), (None, 3)}
    assert [item.snapshot for item in container.list_blobs()] == [None]
    with pytest.raises(ResourceExistsError) as error:
        blob.delete_blob()
    assert code_of(error) == (409, "SnapshotsPresent")
    old.delete_blob()
    blob.delete_blob(delete_snapshots="only")
    assert [item.snapshot for item in container.list_blobs(include=["snapshots"])] == [None]
    blob.create_snapshot()
    blob.delete_blob(delete_snapshots="include")
    assert list(container.list_blobs(include=["snapshots"])) == []


def test_append_snapshot_does_not_grow(stage: Stage, container: Any) -> None:
    stage.needs(Feature.SNAPSHOTS)
    blob = container.get_blob_client("grow")
    blob.create_append_blob()
    blob.append_block(b"one")
    snapshot = blob.create_snapshot()["snapshot"]
    blob.append_block(b"two")
    assert container.get_blob_client("grow", snapshot=snapshot).download_blob().readall() == b"one"
    assert blob.download_blob().readall() == b"onetwo"


def test_copy_in_one_account(stage: Stage, container: Any) -> None:
    """REST, Copy Blob: type, headers, metadata and MD5 come along; within one account the key is enough."""
    stage.needs(Feature.COPY_BLOB)
    source = container.get_blob_client("from")
    source.upload_blob(b"data", metadata={"a": "1"}, content_settings=ContentSettings(content_type="text/plain"))
    target = container.get_blob_client("to")
    answer = target.start_copy_from_url(source.url)
    assert answer["copy_status"] == "success"
    props = target.get_blob_properties()
    assert props.copy.status == "success"
    assert (props.metadata, props.content_settings.content_type) == ({"a": "1"}, "text/plain")
    assert props.content_settings.content_md5 is not None
    assert target.download_blob().readall() == b"data"
    with pytest.raises(ResourceExistsError) as error:
        target.abort_copy(answer["copy_id"])
    assert code_of(error) == (409, "NoPendingCopyOperation")
