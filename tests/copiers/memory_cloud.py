"""The two protocols of `tasks.copiers.base`, in memory: our own contract, so the engine is tested against its words.

It keeps what matters to correctness: ETags that move on content, metadata and headers but not on tags and tier; source
and target conditions; staged blocks; CRC64 of every write; snapshots; order of listings. `Account.hook` is called
before each request, and may raise, change the source, or cancel.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from mappings.errors import CompareTarget, Corrupted, ObjectError, ObjectGone, ObjectRefused, ReplanObject, SwitchRoute
from mappings.fidelity import Features
from mappings.objects import BlobType, ContainerSettings, HttpHeaders, ListedObject, Written
from tasks.clients.crc64 import crc64, to_bytes


def md5(data: bytes) -> bytes:
    """What the service labels blobs with; no security in it."""
    return hashlib.md5(data, usedforsecurity=False).digest()


_ETAGS = itertools.count(1)
_BORN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Blob:
    item: ListedObject
    data: bytes


@dataclass
class Account:
    """One account of one side; both protocols' state."""

    account: str
    hook: Callable[[str, str], None] | None = None
    """Called with (operation, blob name) before each request."""
    containers_: dict[str, dict[str, Blob]] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], list[Blob]] = field(default_factory=dict)
    versions: dict[tuple[str, str], list[Blob]] = field(default_factory=dict)
    """Previous versions, oldest first."""
    versioning: bool = False
    staged: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    feature_set: Features = field(default_factory=Features)
    page: int = 3
    """Entries per listing page."""
    ticks: int = 0
    gives_crc: bool = True

    def called(self, operation: str, name: str = "") -> None:
        self.calls[operation] += 1
        if self.hook is not None:
            self.hook(operation, name)

    def tick(self) -> datetime:
        self.ticks += 1
        return _BORN + timedelta(seconds=self.ticks)

    def etag(self) -> str:
        return f'"0x{next(_ETAGS):012X}"'

    def keep(self, container: str, name: str) -> str:
        """Before a write that makes a version: what is there becomes a previous one; the id for the new one."""
        if not self.versioning:
            return ""
        there = self.containers_[container].get(name)
        if there is not None:
            kept = Blob(replace(there.item, previous=True), there.data)
            self.versions.setdefault((container, name), []).append(kept)
        return self.tick().isoformat()

    def room(self, container: str) -> dict[str, Blob]:
        if container not in self.containers_:
            raise ObjectGone(f"no container {container}", code="ContainerNotFound", status=404)
        return self.containers_[container]

    # --- what an owner of the account does, for tests ---

    def write(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        blob_type: BlobType = BlobType.BLOCK,
        metadata: Mapping[str, str] | None = None,
        headers: HttpHeaders | None = None,
        tags: Mapping[str, str] | None = None,
        tier: str = "",
        sealed: bool = False,
        label: bool = True,
    ) -> Blob:
        """Write a blob as its owner would; `label` gives it the Content-MD5 of its bytes."""
        headers = headers or HttpHeaders(content_type="application/octet-stream")
        if label and blob_type is BlobType.BLOCK:
            headers = replace(headers, content_md5=md5(data))
        version = self.keep(container, name) if container in self.containers_ else ""
        now = self.tick()
        item = ListedObject(
            name=name, snapshot="", blob_type=blob_type, size=len(data), etag=self.etag(), last_modified=now,
            headers=headers, metadata=dict(metadata or {}), tags=dict(tags or {}), tier=tier or "Hot",
            tier_inferred=not tier, created=now, sealed=sealed, version_id=version,
        )  # fmt: skip
        blob = self.containers_.setdefault(container, {})[name] = Blob(item, data)
        self.staged.pop((container, name), None)
        return blob

    def change(self, container: str, name: str, *, moves: bool = True, **parts: object) -> None:
        """Change properties; `moves` False as Set Blob Tags and Set Blob Tier do."""
        blob = self.containers_[container][name]
        if "metadata" in parts and (version := self.keep(container, name)):
            parts["version_id"] = version
        if moves:
            parts |= {"etag": self.etag(), "last_modified": self.tick()}
        blob.item = replace(blob.item, **parts)  # type: ignore[arg-type]

    def take_snapshot(self, container: str, name: str) -> str:
        blob = self.containers_[container][name]
        time = self.tick().isoformat()
        item = replace(blob.item, snapshot=time, tags={}, version_id="")
        blob.item = replace(blob.item, version_id=self.keep(container, name))
        self.snapshots.setdefault((container, name), []).append(Blob(item, blob.data))
        return time

    def delete(self, container: str, name: str) -> None:
        self.keep(container, name)
        self.containers_[container].pop(name, None)
        self.snapshots.pop((container, name), None)

    def state(self, container: str) -> dict[tuple[str, int], tuple[object, ...]]:
        """What a reader of the container sees, snapshots by their order."""
        seen: dict[tuple[str, int], tuple[object, ...]] = {}
        for name, blob in self.containers_.get(container, {}).items():
            versions = [*self.snapshots.get((container, name), []), *self.versions.get((container, name), []), blob]
            for number, one in enumerate(versions):
                is_base = number == len(versions) - 1
                tier = one.item.tier if is_base and not one.item.tier_inferred else ""
                tags = dict(one.item.tags) if is_base else {}
                seen[(name, number)] = (
                    one.data, one.item.blob_type, dict(one.item.metadata), one.item.headers, tags, tier,
                    one.item.sealed,
                )  # fmt: skip
        return seen

    def find(self, container: str, item: ListedObject) -> Blob:
        room = self.room(container)
        if item.snapshot:
            held = self.snapshots.get((container, item.name), [])
            found = next((one for one in held if one.item.snapshot == item.snapshot), None)
        elif item.previous:
            kept = self.versions.get((container, item.name), [])
            found = next((one for one in kept if one.item.version_id == item.version_id), None)
        else:
            found = room.get(item.name)
        if found is None:
            raise ObjectGone(f"{item.name} is gone", code="BlobNotFound", status=404)
        return found

    async def listing(
        self, container: str, begin: str, end: str | None, versions: bool = False
    ) -> AsyncIterator[ListedObject]:
        every = {*self.room(container), *(name for at, name in self.versions if versions and at == container)}
        names = sorted(name for name in every if name >= begin and (end is None or name < end))
        entries: list[ListedObject] = []
        for name in names:
            earlier = [one.item for one in self.snapshots.get((container, name), [])]
            earlier += [one.item for one in self.versions.get((container, name), []) if versions]
            entries += sorted(earlier, key=lambda one: one.key)
            if (base := self.containers_[container].get(name)) is not None:
                entries.append(base.item)
        for number, item in enumerate(entries):
            if number % self.page == 0:
                self.called("list", container)
            yield item
        if not entries:
            self.called("list", container)


class MemorySource:
    """`SourceBlobs` over an account."""

    def __init__(self, account: Account) -> None:
        self.cloud_account = account
        self.account = account.account
        self.versions = account.versioning
        self.keys: frozenset[str] = frozenset()

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        self.cloud_account.called("unlocked", item.name)
        return item

    requests = 0

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        return None

    async def containers(self) -> AsyncIterator[str]:
        for name in sorted(self.cloud_account.containers_):
            yield name

    async def container_settings(self, container: str) -> ContainerSettings:
        return ContainerSettings(container)

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.cloud_account.listing(container, begin, end, self.versions)

    def pinned(self, container: str, item: ListedObject) -> Blob:
        blob = self.cloud_account.find(container, item)
        if blob.item.etag != item.etag:
            raise ReplanObject(f"{item.name} changed", code="ConditionNotMet", status=412)
        return blob

    async def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        end = item.size if length is None else offset + length
        for start in range(offset, end, 4):
            self.cloud_account.called("read", item.name)
            await asyncio.sleep(0)
            yield self.pinned(container, item).data[start : min(start + 4, end)]

    async def page_ranges(self, container: str, item: ListedObject) -> Sequence[tuple[int, int]]:
        self.cloud_account.called("page_ranges", item.name)
        data = self.pinned(container, item).data
        pages = [n for n in range(0, len(data), 512) if any(data[n : n + 512])]
        return [(n, 512) for n in pages]

    async def pull_url(self, container: str, item: ListedObject) -> str:
        version = f"v{item.version_id}" if item.previous else ""
        return f"memory://{self.account}/{container}/{item.snapshot or version}/{item.name}"


class MemoryTarget:
    """`TargetBlobs` over an account; `sources` are the accounts that its service can read."""

    def __init__(self, account: Account, sources: Mapping[str, MemorySource]) -> None:
        self.cloud_account = account
        self.account = account.account
        self.versions = account.versioning
        self.sources = dict(sources)
        self.refuse_pull: Callable[[str], bool] = lambda name: False

    requests = 0
    key = ""

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        self.cloud_account.called("unlocked", item.name)
        return item

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        return None

    async def features(self) -> Features:
        return self.cloud_account.feature_set

    async def containers(self) -> Sequence[str]:
        return sorted(self.cloud_account.containers_)

    async def create_container(self, settings: ContainerSettings) -> None:
        self.cloud_account.containers_.setdefault(settings.name, {})

    async def container_settings(self, container: str) -> ContainerSettings:
        return ContainerSettings(container)

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.cloud_account.listing(container, begin, end, self.versions)

    async def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        end = item.size if length is None else offset + length
        for start in range(offset, end, 4):
            self.cloud_account.called("read", item.name)
            blob = self.cloud_account.find(container, item)
            if blob.item.etag != item.etag:
                raise CompareTarget("changed", code="ConditionNotMet", status=412)
            yield blob.data[start : min(start + 4, end)]

    # --- writes ---

    def _guard(self, container: str, name: str, if_match: str | None) -> None:
        there = self.cloud_account.room(container).get(name)
        if if_match is None and there is not None:
            raise CompareTarget("exists", code="BlobAlreadyExists", status=409)
        if if_match is not None and (there is None or there.item.etag != if_match):
            raise CompareTarget("other generation", code="ConditionNotMet", status=412)

    def _store(self, container: str, item: ListedObject, data: bytes, *, label: bool = False) -> Written:
        account = self.cloud_account
        headers = item.headers
        if label and not headers.content_md5:
            headers = replace(headers, content_md5=md5(data))
        now = account.tick()
        version = account.keep(container, item.name)
        there = replace(
            item, snapshot="", previous=False, version_id=version,
            etag=account.etag(), last_modified=now, headers=headers, size=len(data), created=now,
            sealed=False, tier="Hot" if item.tier_inferred else item.tier or "Hot",
            tier_inferred=item.tier_inferred or not item.tier,
        )  # fmt: skip
        account.room(container)[item.name] = Blob(there, data)
        account.staged.pop((container, item.name), None)
        return replace(self._written(there.etag, data), version_id=version)

    def _written(self, etag: str, data: bytes) -> Written:
        crc = to_bytes(crc64(data)) if self.cloud_account.gives_crc else None
        return Written(etag, crc64=crc, request_id=base64.b32encode(etag.encode()).decode())

    def _pull(self, url: str, source_etag: str, offset: int = 0, length: int | None = None) -> bytes:
        account, container, snapshot, name = url.removeprefix("memory://").split("/", 3)
        if self.refuse_pull(name):
            raise SwitchRoute("cannot read the source", code="CannotVerifyCopySource", status=403)
        source = self.sources[account]
        source.cloud_account.called("pulled", name)
        blob = source.pinned(container, _pin(name, snapshot, source_etag))
        return blob.data[offset:] if length is None else blob.data[offset : offset + length]

    async def put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int | None = None
    ) -> Written:
        _demand(data, crc)
        self.cloud_account.called("put_blob", item.name)
        await asyncio.sleep(0)
        self._guard(container, item.name, if_match)
        if item.headers.content_md5 and item.headers.content_md5 != md5(data):
            raise Corrupted("label does not fit", code="Md5Mismatch", status=400)
        return self._store(container, item, bytes(data), label=True)

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        self.cloud_account.called("put_blob_from_url", item.name)
        await asyncio.sleep(0)
        data = self._pull(url, item.etag)
        self._guard(container, item.name, if_match)
        return self._store(container, item, data, label=True)

    async def put_block(
        self, container: str, name: str, block_id: str, data: bytes, *, crc: int | None = None
    ) -> Written:
        _demand(data, crc)
        self.cloud_account.called("put_block", name)
        await asyncio.sleep(0)
        self.cloud_account.room(container)
        held = self.cloud_account.staged.setdefault((container, name), {})
        if held and len(next(iter(held))) != len(block_id):
            raise ObjectRefused("block ids of unequal length", code="InvalidBlobOrBlock", status=400)
        held[block_id] = bytes(data)
        return self._written("", data)

    async def put_block_from_url(
        self, container: str, name: str, block_id: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        self.cloud_account.called("put_block_from_url", name)
        await asyncio.sleep(0)
        data = self._pull(url, source_etag, offset, length)
        self.cloud_account.staged.setdefault((container, name), {})[block_id] = data
        return self._written("", data)

    async def staged_blocks(self, container: str, name: str) -> Mapping[str, int]:
        self.cloud_account.called("staged_blocks", name)
        return {block: len(data) for block, data in self.cloud_account.staged.get((container, name), {}).items()}

    async def commit(
        self, container: str, item: ListedObject, block_ids: Sequence[str], *, if_match: str | None
    ) -> Written:
        self.cloud_account.called("commit", item.name)
        await asyncio.sleep(0)
        self._guard(container, item.name, if_match)
        held = self.cloud_account.staged.get((container, item.name), {})
        if any(block not in held for block in block_ids):
            raise ObjectRefused("unknown block", code="InvalidBlockList", status=400)
        return self._store(container, item, b"".join(held[block] for block in block_ids))

    async def create_sized(self, container: str, item: ListedObject, *, if_match: str | None) -> Written:
        self.cloud_account.called("create_sized", item.name)
        await asyncio.sleep(0)
        self._guard(container, item.name, if_match)
        return self._store(container, item, bytes(item.size) if item.blob_type is BlobType.PAGE else b"")

    async def append(self, container: str, name: str, data: bytes, *, position: int, crc: int | None = None) -> Written:
        _demand(data, crc)
        self.cloud_account.called("append", name)
        await asyncio.sleep(0)
        return self._append(container, name, data, position)

    def _append(self, container: str, name: str, data: bytes, position: int) -> Written:
        blob = self.cloud_account.room(container)[name]
        if len(blob.data) != position:
            raise CompareTarget("position", code="AppendPositionConditionNotMet", status=412)
        return self._rewrite(blob, blob.data + data, data)

    def _rewrite(self, blob: Blob, data: bytes, sent: bytes) -> Written:
        blob.data = data
        blob.item = replace(
            blob.item, size=len(data), etag=self.cloud_account.etag(), last_modified=self.cloud_account.tick()
        )
        return self._written(blob.item.etag, sent)

    async def append_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        self.cloud_account.called("append_from_url", name)
        return self._append(container, name, self._pull(url, source_etag, offset, length), offset)

    async def put_pages(
        self, container: str, name: str, data: bytes, *, offset: int, crc: int | None = None
    ) -> Written:
        _demand(data, crc)
        self.cloud_account.called("put_pages", name)
        await asyncio.sleep(0)
        blob = self.cloud_account.room(container)[name]
        return self._rewrite(blob, blob.data[:offset] + data + blob.data[offset + len(data) :], data)

    async def put_pages_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        data = self._pull(url, source_etag, offset, length)
        return await self.put_pages(container, name, data, offset=offset)

    def _base(self, container: str, name: str, if_match: str | None = None) -> Blob:
        blob = self.cloud_account.room(container).get(name)
        if blob is None:
            raise ObjectGone(f"{name} is gone", code="BlobNotFound", status=404)
        if if_match is not None and blob.item.etag != if_match:
            raise CompareTarget("other generation", code="ConditionNotMet", status=412)
        return blob

    async def seal(self, container: str, name: str) -> Written:
        self.cloud_account.called("seal", name)
        blob = self._base(container, name)
        blob.item = replace(blob.item, sealed=True, etag=self.cloud_account.etag())
        return Written(blob.item.etag)

    async def snapshot(self, container: str, name: str, *, if_match: str) -> tuple[str, Written]:
        self.cloud_account.called("snapshot", name)
        blob = self._base(container, name, if_match)
        time = self.cloud_account.take_snapshot(container, name)
        return time, Written(blob.item.etag, version_id=blob.item.version_id)

    async def head(self, container: str, name: str) -> ListedObject | None:
        self.cloud_account.called("head", name)
        blob = self.cloud_account.room(container).get(name)
        return None if blob is None else replace(blob.item, tags={})

    async def set_headers(self, container: str, name: str, headers: HttpHeaders, *, if_match: str) -> Written:
        self.cloud_account.called("set_headers", name)
        self._base(container, name, if_match)
        self.cloud_account.change(container, name, headers=headers)
        return Written(self._base(container, name).item.etag)

    async def set_metadata(self, container: str, name: str, metadata: Mapping[str, str], *, if_match: str) -> Written:
        self.cloud_account.called("set_metadata", name)
        self._base(container, name, if_match)
        self.cloud_account.change(container, name, metadata=dict(metadata))
        return Written(self._base(container, name).item.etag)

    async def set_tags(self, container: str, name: str, tags: Mapping[str, str]) -> None:
        self.cloud_account.called("set_tags", name)
        self._base(container, name)
        self.cloud_account.change(container, name, moves=False, tags=dict(tags))

    async def set_tier(self, container: str, name: str, tier: str, blob_type: BlobType) -> None:
        self.cloud_account.called("set_tier", name)
        self._base(container, name)
        self.cloud_account.change(container, name, moves=False, tier=tier, tier_inferred=False)


def _demand(data: bytes, crc: int | None) -> None:
    """What the service does with the checksum of a request."""
    if crc is not None and crc != crc64(data):
        raise Corrupted("arrived otherwise", code="Crc64Mismatch", status=400)


def _pin(name: str, snapshot: str, etag: str) -> ListedObject:
    if snapshot.startswith("v"):
        return ListedObject(name, "", BlobType.BLOCK, 0, etag, _BORN, version_id=snapshot[1:], previous=True)
    return ListedObject(name, snapshot, BlobType.BLOCK, 0, etag, _BORN)


__all__ = ["Account", "MemorySource", "MemoryTarget", "ObjectError"]
