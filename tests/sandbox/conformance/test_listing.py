"""List Blobs and List Containers."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobPrefix

from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import Stage
from tests.sandbox.conformance.test_blocks import block_id

NAMES = ["a", "a/1", "a/2/x", "a/2/y", "a0", "b", "b/1", "c", "ä", "😀"]


def fill(container: Any, names: list[str]) -> None:
    for name in names:
        container.upload_blob(name, name.encode())


@pytest.mark.parametrize("page", [1, 2, 3, 5000])
def test_pages_of_names(stage: Stage, container: Any, page: int) -> None:
    """REST, List Blobs: names ascend, over any page size.

    Breaks when the marker skips the first name of the next page.
    """
    stage.needs(Feature.LISTING)
    fill(container, NAMES)
    assert [item.name for item in container.list_blobs(results_per_page=page)] == sorted(NAMES)


def test_resume_from_marker(stage: Stage, container: Any) -> None:
    stage.needs(Feature.LISTING)
    fill(container, NAMES)
    pages = container.list_blobs(results_per_page=4).by_page()
    first = [item.name for item in next(pages)]
    again = container.list_blobs(results_per_page=4).by_page(continuation_token=pages.continuation_token)
    assert first + [item.name for page in again for item in page] == sorted(NAMES)


def test_prefix_and_start(stage: Stage, container: Any) -> None:
    """REST, List Blobs: `prefix` filters, `startFrom` begins at a name, that name included."""
    stage.needs(Feature.LISTING)
    fill(container, NAMES)
    assert [item.name for item in container.list_blobs(name_starts_with="a/")] == ["a/1", "a/2/x", "a/2/y"]
    assert [item.name for item in container.list_blobs(start_from="b")] == ["b", "b/1", "c", "ä", "😀"]
    assert [item.name for item in container.list_blobs(start_from="a/2", results_per_page=2)] == [
        "a/2/x",
        "a/2/y",
        "a0",
        "b",
        "b/1",
        "c",
        "ä",
        "😀",
    ]


@pytest.mark.parametrize("page", [1, 3, 5000])
def test_delimiter(stage: Stage, container: Any, page: int) -> None:
    """REST, List Blobs: one BlobPrefix stands for all names below it, and counts towards `maxresults`."""
    stage.needs(Feature.LISTING)
    fill(container, NAMES)
    pages = container.walk_blobs(delimiter="/", results_per_page=page).by_page()
    sizes_and_items = [[(item.name, isinstance(item, BlobPrefix)) for item in items] for items in pages]
    assert all(len(items) <= page for items in sizes_and_items)
    # The SDK gives the prefixes of a page before its blobs.
    assert sorted(item for items in sizes_and_items for item in items) == [
        ("a", False),
        ("a/", True),
        ("a0", False),
        ("b", False),
        ("b/", True),
        ("c", False),
        ("ä", False),
        ("😀", False),
    ]
    assert sorted(item.name for item in container.walk_blobs(name_starts_with="a/")) == ["a/1", "a/2/"]


@pytest.mark.parametrize("page", [1, 2, 5000])
def test_include(stage: Stage, container: Any, page: int) -> None:
    """REST, List Blobs: snapshots come oldest first, and before the base blob; no page boundary loses one."""
    stage.needs(Feature.SNAPSHOT_LISTING)
    blob = container.get_blob_client("x")
    blob.upload_blob(b"1", metadata={"Key": "V a l"}, tags={"t": "1"})
    blob.create_snapshot()
    blob.create_snapshot()
    container.get_blob_client("y").stage_block(block_id(1), b"1")
    container.upload_blob("z", b"zz")
    wanted = ["snapshots", "metadata", "tags", "uncommittedblobs", "copy"]
    items = list(container.list_blobs(include=wanted, results_per_page=page))
    assert [(item.name, item.snapshot is None) for item in items] == [
        ("x", False),
        ("x", False),
        ("x", True),
        ("y", True),
        ("z", True),
    ]
    assert items[2].metadata == {"Key": "V a l"}
    assert items[2].tags == {"t": "1"}
    assert [item.name for item in container.list_blobs()] == ["x", "z"]
    assert next(iter(container.list_blobs())).metadata is None or not next(iter(container.list_blobs())).metadata


def test_listed_properties(stage: Stage, container: Any) -> None:
    stage.needs(Feature.LISTING)
    container.upload_blob("x", b"12345")
    item = next(iter(container.list_blobs()))
    props = container.get_blob_client("x").get_blob_properties()
    assert item.size == 5
    assert item.last_modified == props.last_modified
    assert item.creation_time == props.creation_time
    assert bytes(item.content_settings.content_md5) == bytes(props.content_settings.content_md5)
    assert (item.blob_type, item.blob_tier, item.blob_tier_inferred) == ("BlockBlob", "Hot", True)
    assert f'"{item.etag}"' == props.etag


def test_odd_names(own_stage: Stage, own_container: Any) -> None:
    """REST, List Blobs: since 2021-02-12 a name that XML cannot carry is percent-encoded, with Encoded="true".

    Breaks when `markup.named` writes the raw character.
    """
    own_stage.needs(Feature.ODD_NAMES)
    names = ["control\x01name", "last\ufffe", "percent%41\uffff/x"]
    fill(own_container, names)
    assert [item.name for item in own_container.list_blobs()] == sorted(names)
    assert sorted(item.name for item in own_container.walk_blobs()) == [
        "control\x01name",
        "last\ufffe",
        "percent%41\uffff/",
    ]


def test_containers(stage: Stage) -> None:
    stage.needs(Feature.LISTING)
    service = stage.client()
    prefix = new_name("list")
    names = sorted(f"{prefix}-{number}" for number in range(5))
    for name in names:
        service.create_container(name, metadata={"Who": name})
    listed = list(service.list_containers(name_starts_with=prefix, include_metadata=True, results_per_page=2))
    assert [item.name for item in listed] == names
    assert listed[0].metadata == {"Who": names[0]}
    assert listed[0].etag.startswith('"')


def test_wrong_maxresults(stage: Stage, container: Any) -> None:
    stage.needs(Feature.LISTING)
    with pytest.raises(HttpResponseError) as error:
        list(container.list_blobs(results_per_page=-1))
    assert error.value.status_code == 400
