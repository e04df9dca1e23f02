"""The target side of the copy: all writes, each with its conditions, its pin and its checksum."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions

from mappings.errors import CompareTarget, ObjectGone, ObjectRefused
from mappings.fidelity import Features, features_of
from mappings.objects import BlobType, ContainerSettings, HttpHeaders, ListedObject, Written
from tasks.clients import crc64
from tasks.clients.blob_values import listed, settings_of
from tasks.clients.blobs_account import BlobAccount
from tasks.clients.customer_keys import customer_key
from tasks.clients.errors import object_errors

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tasks.clients.session import Session


class TargetBlobClient:
    """`TargetBlobs` over azure-storage-blob, signed in with the target's Entra identity.

    Args:
        session: of the target, whose tenant was proved before.
        concurrency: objects in flight.
        key: customer-provided key, in Base64, under which all blobs are written and read; "" for the account's own.
    """

    def __init__(self, session: Session, account: str, *, concurrency: int, key: str = "") -> None:
        self.account = account
        self._cpk = customer_key(key) if key else None
        self.wire = BlobAccount(
            session, session.cloud, account, key="", concurrency=concurrency, reads_only=session.reads_only
        )
        if self._cpk is not None:
            self.wire.customer_keys = {self._cpk.key_hash: self._cpk}
        self._features: Features | None = None
        self._one_checksum = False

    @property
    def key(self) -> str:
        return self._cpk.key_hash if self._cpk is not None else ""

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        return await self.wire.unlocked(container, item)

    @property
    def versions(self) -> bool:
        return self.wire.versions

    @versions.setter
    def versions(self, kept: bool) -> None:
        self.wire.versions = kept

    async def aclose(self) -> None:
        await self.wire.aclose()

    @property
    def requests(self) -> int:
        return self.wire.requests

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        self.wire.throttled = throttled

    def _errors(self, doing: str, container: str, name: str, **sent: Any) -> AbstractContextManager[None]:
        return object_errors(f"{doing} {self.wire.called(container, name)}", **sent)

    async def features(self) -> Features:
        if self._features is None:
            try:
                with object_errors(f"ask what {self.account} can do"):
                    said = await self.wire.service.get_account_information()
            except ObjectRefused:
                # The role may not allow Get Account Information; a listing or a write then tells what is missing.
                self._features = Features()
            else:
                kind, sku = str(said.get("account_kind") or ""), str(said.get("sku_name") or "")
                hierarchical = bool(said.get("is_hns_enabled"))
                self._features = features_of(kind, sku, hierarchical=hierarchical) if kind else Features()
            if self._cpk is not None:
                # Append Blob Seal takes no key, and a write without the key of a blob is refused.
                self._features = replace(self._features, seals=False)
        if self._features.tags and not self.wire.tags_listed:
            self._features = replace(self._features, tags=False)
        return self._features

    # --- containers ---

    async def containers(self) -> Sequence[str]:
        return [name async for name in self.wire.containers()]

    async def container_settings(self, container: str) -> ContainerSettings:
        return await self.wire.container_settings(container)

    async def create_container(self, settings: ContainerSettings) -> None:
        client, metadata = self.wire.container(settings.name), dict(settings.metadata)
        public: Any = settings.public_access or None
        try:
            with object_errors(f"create {self.wire.called(settings.name)}", target_condition=True):
                await client.create_container(metadata=metadata, public_access=public)
            made = True
        except CompareTarget as wrong:
            if wrong.code != "ContainerAlreadyExists":
                # E.g. PublicAccessNotPermitted, ContainerBeingDeleted: there is nothing to compare.
                raise ObjectRefused(wrong.sentence, code=wrong.code, status=wrong.status) from None
            made = False
        there = ContainerSettings(settings.name, metadata, settings.public_access)
        if not made:
            there = await self.wire.container_settings(settings.name)
        with object_errors(f"set up {self.wire.called(settings.name)}"):
            if dict(there.metadata) != metadata:
                await client.set_container_metadata(metadata)
            policies_differ = not settings.unread and set(there.policies) != set(settings.policies)
            if policies_differ or there.public_access != settings.public_access:
                from azure.storage.blob import AccessPolicy

                identifiers = {
                    one.id: AccessPolicy(one.permission or None, one.expiry or None, one.start or None)
                    for one in settings.policies
                }
                await client.set_container_access_policy(identifiers, public_access=public)

    # --- reads ---

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.wire.objects(container, begin, end)

    async def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self.wire.read(container, item, offset, length, of_source=False)) as parts:
                async for part in parts:
                    yield part
        except ObjectGone as gone:
            raise CompareTarget(gone.sentence, code=gone.code, status=gone.status) from None

    async def head(self, container: str, name: str) -> ListedObject | None:
        try:
            with self._errors("look at", container, name):
                found = await self.wire.blob(container, name).get_blob_properties(cpk=self._cpk)
        except ObjectGone:
            return None
        return listed(found)

    # --- block blobs ---

    async def put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int | None = None
    ) -> Written:
        # Put Blob checks a Content-MD5 label against the bytes, and takes one checksum only. Whether a label counts as
        # one beside a CRC64 is answered by the service: Azurite says so, and is believed.
        label_checks = bool(item.headers.content_md5) and self._one_checksum
        try:
            with self._errors("write", container, item.name, target_condition=True):
                return _written(
                    await self.wire.blob(container, item.name).upload_blob(
                        data,
                        length=len(data),
                        overwrite=if_match is not None,
                        cpk=self._cpk,
                        **_beside(item, {} if label_checks else _checksum(data, crc)),
                        **_condition(if_match),
                    )
                )
        except ObjectRefused as wrong:
            if wrong.code != "BothCrc64AndMd5HeaderPresent" or label_checks:
                raise
            self._one_checksum = True
            return await self.put_blob(container, item, data, if_match=if_match, crc=crc)

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        more = {"x-ms-blob-content-md5": _base64(item.headers.content_md5)} if item.headers.content_md5 else {}
        with self._errors("pull", container, item.name, copy_source=True, source_condition=True, target_condition=True):
            return _written(
                await self.wire.blob(container, item.name).upload_blob_from_url(
                    url,
                    overwrite=if_match is not None,
                    include_source_blob_properties=False,
                    source_etag=item.etag,
                    source_match_condition=MatchConditions.IfNotModified,
                    cpk=self._cpk,
                    **_beside(item, more),
                    **_condition(if_match),
                )
            )

    async def put_block(
        self, container: str, name: str, block_id: str, data: bytes, *, crc: int | None = None
    ) -> Written:
        with self._errors("write a block of", container, name):
            return _written(
                await self.wire.blob(container, name).stage_block(
                    block_id, data, length=len(data), headers=_checksum(data, crc), cpk=self._cpk
                )
            )

    async def put_block_from_url(
        self, container: str, name: str, block_id: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        # The SDK has no parameter for the source condition of this call; the REST header is the same as elsewhere.
        pin = {"x-ms-source-if-match": source_etag}
        with self._errors("pull a block of", container, name, copy_source=True, source_condition=True):
            return _written(
                await self.wire.blob(container, name).stage_block_from_url(
                    block_id, url, source_offset=offset, source_length=length, headers=pin, cpk=self._cpk
                )
            )

    async def staged_blocks(self, container: str, name: str) -> Mapping[str, int]:
        try:
            with self._errors("list the staged blocks of", container, name):
                _, staged = await self.wire.blob(container, name).get_block_list("uncommitted")
        except ObjectGone as gone:
            if gone.code == "ContainerNotFound":
                raise
            return dict[str, int]()
        return {str(block.id): int(block.size or 0) for block in staged}

    async def commit(
        self, container: str, item: ListedObject, block_ids: Sequence[str], *, if_match: str | None
    ) -> Written:
        from azure.storage.blob import BlobBlock

        with self._errors("commit", container, item.name, target_condition=True):
            said = await self.wire.blob(container, item.name).commit_block_list(
                [BlobBlock(block_id=block) for block in block_ids],
                cpk=self._cpk,
                **_beside(item, {}),
                **_condition(if_match),
            )
        # The CRC64 of this answer is that of the block list, not of the blob.
        return _written(said | {"content_crc64": None})

    # --- append and page blobs ---

    async def create_sized(self, container: str, item: ListedObject, *, if_match: str | None) -> Written:
        client = self.wire.blob(container, item.name)
        with self._errors("create", container, item.name, target_condition=True):
            if item.blob_type is BlobType.APPEND:
                return _written(
                    await client.create_append_blob(cpk=self._cpk, **_beside(item, {}), **_condition(if_match))
                )
            return _written(
                await client.create_page_blob(
                    item.size,
                    sequence_number=item.sequence_number,
                    cpk=self._cpk,
                    **_beside(item, {}),
                    **_condition(if_match),
                )
            )

    async def append(self, container: str, name: str, data: bytes, *, position: int, crc: int | None = None) -> Written:
        with self._errors("append to", container, name, target_condition=True):
            return _written(
                await self.wire.blob(container, name).append_block(
                    data, length=len(data), appendpos_condition=position, headers=_checksum(data, crc), cpk=self._cpk
                )
            )

    async def append_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        with self._errors(
            "pull a part of", container, name, copy_source=True, source_condition=True, target_condition=True
        ):
            return _written(
                await self.wire.blob(container, name).append_block_from_url(
                    url,
                    source_offset=offset,
                    source_length=length,
                    appendpos_condition=offset,
                    cpk=self._cpk,
                    source_etag=source_etag,
                    source_match_condition=MatchConditions.IfNotModified,
                )
            )

    async def put_pages(
        self, container: str, name: str, data: bytes, *, offset: int, crc: int | None = None
    ) -> Written:
        with self._errors("write pages of", container, name):
            return _written(
                await self.wire.blob(container, name).upload_page(
                    data, offset, len(data), headers=_checksum(data, crc), cpk=self._cpk
                )
            )

    async def put_pages_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        with self._errors("pull pages of", container, name, copy_source=True, source_condition=True):
            return _written(
                await self.wire.blob(container, name).upload_pages_from_url(
                    url,
                    offset,
                    length,
                    offset,
                    cpk=self._cpk,
                    source_etag=source_etag,
                    source_match_condition=MatchConditions.IfNotModified,
                )
            )

    async def seal(self, container: str, name: str) -> Written:
        with self._errors("seal", container, name):
            return _written(await self.wire.blob(container, name).seal_append_blob())

    # --- beside the content ---

    async def snapshot(self, container: str, name: str, *, if_match: str) -> tuple[str, Written]:
        with self._errors("take a snapshot of", container, name, target_condition=True):
            said = await self.wire.blob(container, name).create_snapshot(cpk=self._cpk, **_condition(if_match))
        return str(said["snapshot"]), _written(said)

    async def set_headers(self, container: str, name: str, headers: HttpHeaders, *, if_match: str) -> Written:
        with self._errors("set the headers of", container, name, target_condition=True):
            return _written(
                await self.wire.blob(container, name).set_http_headers(settings_of(headers), **_condition(if_match))
            )

    async def set_metadata(self, container: str, name: str, metadata: Mapping[str, str], *, if_match: str) -> Written:
        with self._errors("set the metadata of", container, name, target_condition=True):
            return _written(
                await self.wire.blob(container, name).set_blob_metadata(
                    dict(metadata), cpk=self._cpk, **_condition(if_match)
                )
            )

    async def set_tags(self, container: str, name: str, tags: Mapping[str, str]) -> None:
        with self._errors("set the tags of", container, name):
            await self.wire.blob(container, name).set_blob_tags(dict(tags))

    async def set_tier(self, container: str, name: str, tier: str, blob_type: BlobType) -> None:
        client: Any = self.wire.blob(container, name)
        with self._errors("set the tier of", container, name):
            if blob_type is BlobType.PAGE:
                await client.set_premium_page_blob_tier(tier)
            else:
                await client.set_standard_blob_tier(tier)


def _condition(if_match: str | None) -> dict[str, Any]:
    if if_match is None:
        return {"match_condition": MatchConditions.IfMissing}
    return {"etag": if_match, "match_condition": MatchConditions.IfNotModified}


def _beside(item: ListedObject, headers: Mapping[str, str]) -> dict[str, Any]:
    """What travels with the content: stored headers, metadata, tags, tier.

    The tier goes as a plain header, because the SDK takes only those that it knows by name.
    """
    more = dict(headers) | ({"x-ms-access-tier": item.tier} if item.tier and not item.tier_inferred else {})
    return {
        "content_settings": settings_of(item.headers),
        "metadata": dict(item.metadata),
        "tags": dict(item.tags) or None,
        "headers": more,
    }


def _checksum(data: bytes, crc: int | None = None) -> dict[str, str]:
    """The service refuses the request when its bytes do not arrive as this CRC64 says."""
    return {"x-ms-content-crc64": crc64.to_text(crc64.crc64(data) if crc is None else crc)}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _written(said: Mapping[str, Any]) -> Written:
    crc = said.get("content_crc64")
    return Written(
        etag=str(said.get("etag") or ""),
        last_modified=said.get("last_modified"),
        crc64=bytes(crc) if crc else None,
        request_id=str(said.get("request_id") or ""),
        version_id=str(said.get("version_id") or ""),
    )
