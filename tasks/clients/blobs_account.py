"""One storage account on the blob data plane, for reading: connection, listings, ranged reads, container settings.

The two clients of the engine build on it. SDK values become ours here, SDK errors through `object_errors`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions

from mappings.clouds import Cloud
from mappings.errors import Corrupted, ObjectError, ObjectRefused, SlowDown
from mappings.objects import ContainerSettings, ListedObject
from mappings.shards import asked_for
from tasks.clients.blob_values import listed, policy_of
from tasks.clients.crc64 import RANGE, crc64, from_bytes
from tasks.clients.errors import object_errors
from tasks.clients.listing import parse_page
from tasks.clients.retries import SpokenVersion, pause
from tasks.clients.session import HostGuard

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineRequest
    from azure.storage.blob import CustomerProvidedEncryptionKey
    from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

    from tasks.clients.session import Session

_PAGE = 5000
_DOTTED = re.compile(r"/\.{1,2}/").search
_READS = 3
"""Times one range is read when its bytes do not fit its checksum."""


class BlobAccount:
    """Connection to one account.

    Args:
        session: signs in; None where `key` does.
        key: account key, "" with a session.
        concurrency: objects in flight; connections are four times that.
    """

    def __init__(
        self, session: Session | None, cloud: Cloud, account: str, *, key: str, concurrency: int, reads_only: bool
    ) -> None:
        self.account, self.cloud = account, cloud
        self.spoken = SpokenVersion()
        self.throttled: Callable[[float | None], None] = lambda _: None
        """Called for each answer that asks to slow down."""
        self.requests = 0
        """Requests sent, retries included."""
        self._session, self._key, self._concurrency = session, key, concurrency
        self._guard = HostGuard(cloud, reads_only=reads_only)
        self._opened: BlobServiceClient | None = None
        self.versions = False
        """Whether listings ask for previous versions."""
        self.customer_keys: Mapping[str, CustomerProvidedEncryptionKey] = {}
        """By their SHA-256 (Base64); never shown."""
        self._tags_listed = True
        self._range_crc = True

    @property
    def service(self) -> BlobServiceClient:
        """The SDK client; belongs to the event loop that uses it first."""
        if self._opened is None:
            # Imported here: a worker that streams objects mostly needs none of it, and it takes a tenth of a second.
            from azure.storage.blob.aio import BlobServiceClient

            from tasks.clients.patience import Patience
            from tasks.clients.transport import Transport

            credential: Any = {"account_name": self.account, "account_key": self._key}
            if self._session is not None and not self._key:
                credential = self._session.aio_credential
            self._opened = BlobServiceClient(
                self.cloud.blob_endpoint(self.account),
                credential=credential,
                transport=Transport(max(32, 4 * self._concurrency)),
                retry_policy=Patience(self.spoken, lambda seconds: self.throttled(seconds)),
                raw_request_hook=self._sending,
                max_single_get_size=RANGE,
                max_chunk_get_size=RANGE,
                max_single_put_size=5000 * 1024 * 1024,
            )
        return self._opened

    def _sending(self, request: PipelineRequest[Any]) -> None:
        """Runs for every attempt, before the credential."""
        self._guard.on_request(request)
        self.requests += 1

    async def aclose(self) -> None:
        """Close all connections. The session stays open."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def container(self, name: str) -> ContainerClient:
        return self.service.get_container_client(name)

    def blob(self, container: str, name: str, snapshot: str = "", version: str = "") -> BlobClient:
        if _DOTTED(f"/{name}/"):
            # yarl, which the SDK's transport builds URLs with, takes such parts out: another blob would be meant.
            raise ObjectRefused(
                f'azure-storage-blob cannot name "{name}", because of a part "." or ".." in it. Set client = "wire" in '
                "[copy].",
                code="NameNotSendable",
            )
        return self.service.get_blob_client(container, name, snapshot=snapshot or None, version_id=version or None)

    def generation(self, container: str, item: ListedObject) -> BlobClient:
        """The blob, snapshot or previous version that `item` is."""
        return self.blob(container, item.name, item.snapshot, item.version_id if item.previous else "")

    def called(self, container: str, name: str = "") -> str:
        """How an object is named in a sentence."""
        return f"{self.account}/{container}/{name}" if name else f"{self.account}/{container}"

    # --- listings ---

    async def containers(self) -> AsyncIterator[str]:
        token: str | None = None
        while True:
            with object_errors(f"list the containers of {self.account}"):
                pages: Any = self.service.list_containers(results_per_page=_PAGE).by_page(token)
                names = [one.name async for one in await anext(pages)]
                token = pages.continuation_token or None
            for name in names:
                yield str(name)
            if token is None:
                return

    async def objects(self, container: str, begin: str, end: str | None) -> AsyncIterator[ListedObject]:
        """List Blobs with metadata, tags and snapshots.

        `startFrom` is not known to every API version, and a service may pass over it, so names before `begin` are cut
        here too; a common prefix of `begin` and `end` keeps a narrow range to few pages in any case.
        """
        prefix, start = asked_for(begin, end)
        token: str | None = None
        while True:
            items, token = await self._page(container, start, prefix, token)
            for item in items:
                name = item.name
                if end is not None and name >= end:
                    return
                if name >= begin:
                    yield item
            if token is None:
                return

    async def _page(
        self, container: str, begin: str, prefix: str, token: str | None
    ) -> tuple[list[ListedObject], str | None]:
        keys: list[str] = []

        def hear(response: Any) -> None:
            body: bytes = response.http_response.body()
            if b"<CustomerProvidedKeySha256>" in body:
                keys.extend(one.key_sha256 for one in parse_page(body).entries)

        include = ["snapshots", "metadata", *(["tags"] if self._tags_listed else [])]
        include += ["versions"] if self.versions else []
        try:
            with object_errors(f"list {self.called(container)}"):
                pages: Any = (
                    self.container(container)
                    .list_blobs(
                        include=include,
                        name_starts_with=prefix or None,
                        start_from=begin or None,
                        results_per_page=_PAGE,
                        raw_response_hook=hear,
                    )
                    .by_page(token)
                )
                items = [listed(item) async for item in await anext(pages)]
                # The SDK drops from a listing which key a blob is under.
                items = [_keyed(*one) for one in zip(items, keys, strict=True)] if keys else items
                return items, pages.continuation_token or None
        except ObjectError as wrong:
            if not (self._tags_listed and wrong.code.startswith("FeatureNot")):
                raise
        # A fact about the account: it has no index tags. Remembered, and told by `features`.
        self._tags_listed = False
        return await self._page(container, begin, prefix, token)

    @property
    def tags_listed(self) -> bool:
        """False once the account has said that it has no index tags."""
        return self._tags_listed

    # --- reads ---

    async def read(
        self, container: str, item: ListedObject, offset: int, length: int | None, *, of_source: bool
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of the pinned generation in ranges whose checksum the service computed.

        `decompress=False`: a stored Content-Encoding is a property, and the stored bytes are what is copied.
        """
        end = item.size if length is None else offset + length
        for start in range(offset, end, RANGE):
            yield await self._range(container, item, start, min(RANGE, end - start), of_source)

    async def _range(self, container: str, item: ListedObject, start: int, length: int, of_source: bool) -> bytes:
        lost: ObjectRefused | None = None
        for number in range(_READS):
            try:
                data, intact = await self._get(container, item, start, length, of_source)
            except ObjectRefused as wrong:
                if wrong.status not in (200, 206):
                    raise
                # The answer began well, and its body broke off.
                lost = wrong
                await asyncio.sleep(pause(number + 1))
                continue
            if len(data) == length and intact:
                return data
        if lost is not None:
            raise SlowDown(lost.sentence, code="BrokenOff", status=lost.status)
        raise Corrupted(
            f"Bytes {start}-{start + length - 1} of {self.called(container, item.name)} did not fit their CRC64 or "
            f"length in {_READS} reads.",
            code="DamagedRead",
        )

    async def _get(
        self, container: str, item: ListedObject, start: int, length: int, of_source: bool
    ) -> tuple[bytes, bool]:
        """One range, and whether it fits the checksum that came with it."""
        said: dict[str, str] = {}

        def hear(response: Any) -> None:
            said.update({key.lower(): value for key, value in response.http_response.headers.items()})

        # Other reads may learn meanwhile that there is none: what counts is what this one asked for.
        by_crc = self._range_crc
        try:
            with object_errors(
                f"read {self.called(container, item.name)}", source_condition=of_source, target_condition=not of_source
            ):
                stream = await self.generation(container, item).download_blob(
                    start,
                    length,
                    etag=item.etag,
                    match_condition=MatchConditions.IfNotModified,
                    decompress=False,
                    cpk=self.customer_keys.get(item.key_sha256) if item.customer_key else None,
                    raw_response_hook=hear,
                    headers={f"x-ms-range-get-content-{'crc64' if by_crc else 'md5'}": "true"},
                )
                data: bytes = await stream.readall()
        except ObjectError as wrong:
            if not by_crc or not wrong.code.startswith(("FeatureNot", "UnsupportedHeader")):
                raise
            # A service without CRC64 on ranges has MD5 on ranges.
            self._range_crc = False
            return await self._get(container, item, start, length, of_source)
        if by_crc:
            told = said.get("x-ms-content-crc64", "")
            return data, not told or from_bytes(_base64(told)) == crc64(data)
        # Only an answer to a range carries the MD5 of its own bytes; beside a whole blob stands the stored label.
        told = said.get("content-md5", "") if "content-range" in said else ""
        return data, not told or _base64(told) == hashlib.md5(data, usedforsecurity=False).digest()

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        """`item` with its metadata, read with its customer-provided key."""
        with object_errors(f"look at {self.called(container, item.name)}", source_condition=True):
            found = await self.generation(container, item).get_blob_properties(
                cpk=self.customer_keys.get(item.key_sha256),
                etag=item.etag,
                match_condition=MatchConditions.IfNotModified,
            )
        return replace(item, metadata=listed(found).metadata)

    async def container_settings(self, container: str) -> ContainerSettings:
        with object_errors(f"read the settings of {self.called(container)}"):
            said = await self.container(container).get_container_properties()
        public = str(said.public_access or "")
        metadata = {str(key): str(value) for key, value in dict(said.metadata or {}).items()}
        try:
            with object_errors(f"read the access policies of {self.called(container)}"):
                acl = await self.container(container).get_container_access_policy()
        except ObjectRefused as wrong:
            return ContainerSettings(container, metadata, public, unread=(f"stored access policies: {wrong.sentence}",))
        policies = tuple(policy_of(one) for one in acl["signed_identifiers"] or ())
        return ContainerSettings(container, metadata, str(acl["public_access"] or public), policies)


def _keyed(item: ListedObject, key: str) -> ListedObject:
    return replace(item, customer_key=True, key_sha256=key) if key else item


def _base64(text: str) -> bytes:
    return base64.b64decode(text)
