"""A working day at the source: what changes between the first copy and the re-sync, with the real storage SDK.

Facts used (REST): Set Blob Tags and Set Blob Tier leave ETag and Last-Modified alone; Set Blob Metadata and Set Blob
Properties move them; Set Blob Properties clears every header that is not sent again, Content-MD5 too; index tags and
tiers are for general-purpose v2 accounts.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle
from typing import Any

from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    BlobType,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
)

_LARGEST = 1 << 20
"""Bigger blobs are left alone, so that a re-sync is about the changes."""


@dataclass(frozen=True)
class Amounts:
    """How many blobs meet with which change."""

    new: int
    content: int
    properties: int
    metadata: int
    tags: int
    tier: int
    deleted: int


FULL = Amounts(new=25, content=20, properties=10, metadata=15, tags=15, tier=10, deleted=8)
SMALL = Amounts(new=3, content=5, properties=2, metadata=2, tags=2, tier=2, deleted=2)
"""For an estate of less than `_MANY` blobs."""
_MANY = 1000


@dataclass(frozen=True)
class _Found:
    """One base blob of the source."""

    container: ContainerClient
    listed: BlobProperties
    tiered: bool
    """In an account that has tiers and index tags."""

    @cached_property
    def client(self) -> BlobClient:
        """Made when it is needed: thousands are looked at, a hundred are changed."""
        return self.container.get_blob_client(str(self.listed.name))

    @property
    def path(self) -> str:
        return f"{self.container.account_name}/{self.container.container_name}/{self.listed.name}"


@dataclass
class _Source:
    """What can be changed, in an order that depends on the seed only."""

    amounts: Amounts
    dice: random.Random
    plain: list[_Found]
    appends: list[_Found]
    pages: list[_Found]
    homes: list[tuple[BlobServiceClient, str]]
    """Containers for new blobs."""
    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, count: int, *, tiered: bool = False, empty: bool = True) -> Iterator[_Found]:
        """`count` block blobs that nothing has been done to yet."""
        for _ in range(count):
            fit = (one for one in self.plain if (one.tiered or not tiered) and (empty or one.listed.size))
            one = next(fit, None)
            if one is None:
                raise ValueError("The source has too few blobs for so many changes.")
            self.plain.remove(one)
            yield one

    def did(self, kind: str, one: BlobClient) -> None:
        self.names[kind].append(f"{one.account_name}/{one.container_name}/{one.blob_name}")


def change_source(state: Mapping[str, Any], *, seed: int = 7, amounts: Amounts | None = None) -> dict[str, Any]:
    """Change the commercial side of a running sandbox, as its owner goes on working.

    Args:
        state: the launcher's state; the account keys and the proxy are taken from it.
        seed: decides which blobs; the same seed on the same estate makes the same changes.
        amounts: how many; by default as many as the size of the estate bears.

    Returns:
        `counts`: what a re-sync must find: `new` (blobs and snapshots), `content`, `properties`, `metadata`, `tags`,
        `tier`, `deleted`; `names`: the same kinds, and `snapshot`, as `account/container/blob`; and which of
        `content` are `same_size`, `multi_block`, `append` and `page`.

    Raises:
        ValueError: the source has too few blobs.
        azure.core.exceptions.AzureError: a change was not accepted.
    """
    source = _survey(state, seed, amounts)
    # Tiers and tags first: not every account has them.
    _retier(source)
    _retag(source)
    _rewrite(source)
    _relabel(source)
    _delete(source)
    _create(source)
    kinds = ("new", "content", "properties", "metadata", "tags", "tier", "deleted")
    counts = {kind: len(source.names[kind]) for kind in kinds}
    counts["new"] += len(source.names["snapshot"])
    return {"counts": counts, "names": dict(source.names)}


def _survey(state: Mapping[str, Any], seed: int, amounts: Amounts | None) -> _Source:
    dice = random.Random(seed)
    homes: list[tuple[BlobServiceClient, str]] = []
    found: dict[str, list[_Found]] = {"BlockBlob": [], "AppendBlob": [], "PageBlob": []}
    blobs = 0
    for service in _services(state):
        tiered = service.get_account_information().get("account_kind") in ("StorageV2", "BlobStorage")
        for container in sorted(service.list_containers(), key=lambda one: str(one.name)):
            client = service.get_container_client(str(container.name))
            listed = list(
                client.list_blobs(include=["snapshots", "metadata", "tags"] if tiered else ["snapshots", "metadata"])
            )
            with_history = {str(one.name) for one in listed if one.snapshot}
            if not str(container.name).startswith("$"):
                homes.append((service, str(container.name)))
            for one in listed:
                blobs += not one.snapshot
                free = not one.snapshot and one.name not in with_history and str(one.blob_tier) != "Archive"
                if free and one.size <= _LARGEST * (8 if one.blob_type == BlobType.PAGEBLOB else 1):
                    found[BlobType(one.blob_type).value].append(_Found(client, one, tiered))
    for one_kind in found.values():
        one_kind.sort(key=lambda one: one.path)
        dice.shuffle(one_kind)
    fitting = amounts or (FULL if blobs >= _MANY else SMALL)
    appends = [one for one in found["AppendBlob"] if not one.listed.is_append_blob_sealed]
    return _Source(fitting, dice, found["BlockBlob"], appends, found["PageBlob"], homes)


def _services(state: Mapping[str, Any]) -> Iterator[BlobServiceClient]:
    for account in sorted(state["commercial"]["storage"], key=lambda one: str(one["name"])):
        yield BlobServiceClient(
            account["blob_endpoint"],
            credential={"account_name": account["name"], "account_key": account["key"]},
            proxies={"https": state["proxy"]},
            connection_verify=state["ca_bundle"],
        )


def _retier(source: _Source) -> None:
    for one in source.take(source.amounts.tier, tiered=True):
        now = str(one.listed.blob_tier)
        one.client.set_standard_blob_tier(StandardBlobTier.HOT if now != "Hot" else StandardBlobTier.COOL)
        source.did("tier", one.client)


def _retag(source: _Source) -> None:
    for one in source.take(source.amounts.tags, tiered=True):
        one.client.set_blob_tags({**(one.listed.tags or {}), "reviewed": "2025-07-01 by clerk"})
        source.did("tags", one.client)


def _rewrite(source: _Source) -> None:
    """New content: the same size as before, in blocks, more of a log, other sectors of a disk, a snapshot first."""
    left = source.amounts.content
    same, blocks, *plain = source.take(left - bool(source.appends) - bool(source.pages), empty=False)
    _put(source, same, source.dice.randbytes(same.listed.size), "same_size")
    _put_blocks(source, blocks)
    for log in source.appends[:1]:
        log.client.append_block(b"one more line\n" * source.dice.randrange(3, 90))
        _changed(source, log, "append")
    for disk in source.pages[:1]:
        disk.client.upload_page(source.dice.randbytes(4096), offset=0, length=4096)
        _changed(source, disk, "page")
    for number, one in enumerate(plain):
        if number == 0:
            one.client.create_snapshot()
            source.did("snapshot", one.client)
        _put(source, one, source.dice.randbytes(one.listed.size + 1 + source.dice.randrange(5000)))


def _changed(source: _Source, one: _Found, how: str = "") -> None:
    source.did("content", one.client)
    if how:
        source.did(how, one.client)


def _put(source: _Source, one: _Found, content: bytes, how: str = "") -> None:
    one.client.upload_blob(content, overwrite=True, **_kept(one))
    _changed(source, one, how)


def _put_blocks(source: _Source, one: _Found) -> None:
    ids = [f"block-{number:03d}" for number in range(4)]
    for block in ids:
        one.client.stage_block(block, source.dice.randbytes(300_000))
    one.client.commit_block_list([BlobBlock(block_id=block) for block in ids], **_kept(one))
    _changed(source, one, "multi_block")


def _kept(one: _Found) -> dict[str, Any]:
    """What a writer that cares sends again with new content."""
    kept: dict[str, Any] = {"metadata": one.listed.metadata or {}, "content_settings": _headers(one, md5=False)}
    if one.tiered and one.listed.tags:
        kept["tags"] = one.listed.tags
    if one.tiered and not one.listed.blob_tier_inferred:
        kept["standard_blob_tier"] = StandardBlobTier(str(one.listed.blob_tier))
    return kept


def _headers(one: _Found, *, md5: bool, **changed: str) -> ContentSettings:
    now = one.listed.content_settings
    values: dict[str, Any] = {
        "content_type": now.content_type,
        "content_encoding": now.content_encoding,
        "content_language": now.content_language,
        "content_disposition": now.content_disposition,
        "cache_control": now.cache_control,
        "content_md5": now.content_md5 if md5 else None,
    }
    return ContentSettings(**{**values, **changed})


def _relabel(source: _Source) -> None:
    for one in source.take(source.amounts.metadata):
        one.client.set_blob_metadata({**(one.listed.metadata or {}), "reviewed_by": "clerk"})
        source.did("metadata", one.client)
    for one in source.take(source.amounts.properties):
        one.client.set_http_headers(_headers(one, md5=True, cache_control="private, max-age=77"))
        source.did("properties", one.client)


def _delete(source: _Source) -> None:
    for one in source.take(source.amounts.deleted):
        one.client.delete_blob()
        source.did("deleted", one.client)


_NEW_NAMES: Sequence[str] = (
    "new/{:03d}.json",
    "!new first {:03d}.txt",
    "~new last {:03d}.bin",
    "nouveaut\u00e9/\u2603 {:03d} 100%.txt",
    "new/{:03d}/deep/er/and/deeper",
)


def _create(source: _Source) -> None:
    homes = source.homes.copy()
    source.dice.shuffle(homes)
    names = cycle(_NEW_NAMES)
    for number, (service, container) in zip(range(source.amounts.new), cycle(homes), strict=False):
        client = service.get_blob_client(container, next(names).format(number))
        content = b"" if number == 1 else source.dice.randbytes(source.dice.randrange(1, 20_000))
        kind = "AppendBlob" if number == 2 else "BlockBlob"
        client.upload_blob(content, blob_type=kind, metadata={"made": "after the first copy"})
        source.did("new", client)
