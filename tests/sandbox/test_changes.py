"""The day's work at the source does what it says it does: each blob is changed in its own way and in no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobProperties, BlobServiceClient

from sandbox.estates.changes import SMALL, Amounts, change_source
from sandbox.launcher import down, up

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Listing = dict[str, BlobProperties]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[dict[str, Any]]:
    found = up(tmp_path / "sandbox", estate="tiny")
    try:
        yield found
    finally:
        down(tmp_path / "sandbox")


def services(state: dict[str, Any]) -> Iterator[BlobServiceClient]:
    for one in state["commercial"]["storage"]:
        yield BlobServiceClient(
            one["blob_endpoint"],
            credential={"account_name": one["name"], "account_key": one["key"]},
            proxies={"https": state["proxy"]},
            connection_verify=state["ca_bundle"],
        )


def listing(state: dict[str, Any]) -> Listing:
    """Base blobs by `account/container/name`, and snapshots by that and `@time`."""
    found: Listing = {}
    for service in services(state):
        tags = ["tags"] if service.get_account_information()["account_kind"] == "StorageV2" else []
        for container in service.list_containers():
            client = service.get_container_client(str(container.name))
            for one in client.list_blobs(include=["metadata", "snapshots", *tags]):
                path = f"{service.account_name}/{container.name}/{one.name}"
                found[f"{path}@{one.snapshot}" if one.snapshot else path] = one
    return found


def moved(before: BlobProperties, after: BlobProperties) -> set[str]:
    """What of a blob is not as it was."""
    headers = ("content_type", "content_encoding", "content_language", "content_disposition", "cache_control")
    parts = {
        "etag": (before.etag, after.etag),
        "size": (before.size, after.size),
        "md5": (before.content_settings.content_md5, after.content_settings.content_md5),
        "headers": tuple([getattr(one.content_settings, name) for name in headers] for one in (before, after)),
        "metadata": (before.metadata or {}, after.metadata or {}),
        "tags": (before.tags or {}, after.tags or {}),
        "tier": (before.blob_tier, after.blob_tier),
    }
    return {part for part, (old, new) in parts.items() if old != new}


def test_every_change_is_what_it_says(state: dict[str, Any]) -> None:
    """Mutation that must fail it: sending no Content-MD5 with Set Blob Properties, which clears it."""
    before = listing(state)
    made = change_source(state)
    after = listing(state)
    names = made["names"]
    assert made["counts"] == {
        "new": SMALL.new + 1,
        "content": SMALL.content,
        "properties": SMALL.properties,
        "metadata": SMALL.metadata,
        "tags": SMALL.tags,
        "tier": SMALL.tier,
        "deleted": SMALL.deleted,
    }
    used = [name for kind in made["counts"] for name in names[kind]]
    assert len(used) == len(set(used))
    assert set(before) - set(after) == set(names["deleted"])
    snapshots = {name for name in set(after) - set(before) if "@" in name.rsplit("/", 1)[1]}
    assert set(after) - set(before) - snapshots == set(names["new"])
    assert {name.rsplit("@", 1)[0] for name in snapshots} == set(names["snapshot"]) <= set(names["content"])

    change = {name: moved(before[name], after[name]) for name in set(before) & set(after)}
    assert {name for name, parts in change.items() if parts} == {
        name for kind in ("content", "properties", "metadata", "tags", "tier") for name in names[kind]
    }
    assert all(change[name] == {"etag", "headers"} for name in names["properties"])
    assert all(change[name] == {"etag", "metadata"} for name in names["metadata"])
    assert all(change[name] == {"tags"} for name in names["tags"])
    assert all(change[name] == {"tier"} for name in names["tier"])
    assert all("etag" in change[name] and not change[name] & {"tags", "metadata"} for name in names["content"])
    assert all("size" not in change[name] for kind in ("same_size", "page") for name in names[kind])
    assert all("size" in change[name] for kind in ("multi_block", "append") for name in names[kind])


def test_the_same_seed_changes_the_same_blobs(state: dict[str, Any], tmp_path: Path) -> None:
    other = up(tmp_path / "other", estate="tiny")
    try:
        assert change_source(state, seed=3) == change_source(other, seed=3)
    finally:
        down(tmp_path / "other")


def test_too_many_changes_are_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too few blobs"):
        change_source(state, amounts=Amounts(1, 4, 1, 1, 1, 1, 500))


def test_everything_in_the_tiny_customer_can_be_read(state: dict[str, Any]) -> None:
    """Each name, odd or not, leads to its bytes with the real SDK."""
    for service in services(state):
        for container in service.list_containers():
            client = service.get_container_client(str(container.name))
            for one in client.list_blobs():
                try:
                    size = len(client.download_blob(str(one.name), decompress=False).readall())
                except ResourceNotFoundError as wrong:
                    raise AssertionError(f"{one.name!r} is listed and not there") from wrong
                assert size == one.size, one.name
