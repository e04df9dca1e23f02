"""The target side of the copy on the lean way: all writes, each with its conditions, its pin and its checksum."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from mappings.errors import CompareTarget, ObjectGone, ObjectRefused
from mappings.fidelity import Features, features_of
from mappings.objects import BlobType, ContainerSettings, HttpHeaders, ListedObject, Written
from tasks.clients import crc64
from tasks.clients.blobs_target import TargetBlobClient
from tasks.clients.errors import Sent
from tasks.clients.wire.account import parsed, written_by
from tasks.clients.wire.answers import Reply
from tasks.clients.wire.auth import BearerSigner
from tasks.clients.wire.caller import SILENCE
from tasks.clients.wire.calls import Call
from tasks.clients.wire.heads import (
    base64_of,
    beside,
    block_list,
    condition,
    etag_line,
    folder,
    line,
    metadata_lines,
    query,
    quoted,
    stored_headers,
    tag_set,
)
from tasks.clients.wire.side import Side
from tasks.copiers.base import WrittenThen

if TYPE_CHECKING:
    from tasks.clients.session import Session

_AT_TARGET = Sent(target_condition=True)
_PULL_ON_CONDITION = Sent(copy_source=True, source_condition=True, target_condition=True)
_PULL = Sent(copy_source=True, source_condition=True)
_BYTES = "Content-Type: application/octet-stream\r\n"
_SLOWEST_PULL = 1024 * 1024
"""Bytes a second at which a pull that says nothing is still waited for."""
_LARGEST_LIST = 32 * 1024 * 1024
"""Bytes of a block list: 100,000 uncommitted blocks."""


class WireTarget(Side[TargetBlobClient]):
    """`TargetBlobs` and `ListsRaw` over our own requests. The SDK client beside it has the containers and the account.

    Args:
        session: of the target, whose tenant was proved before.
        concurrency: objects in flight.
    """

    def __init__(self, session: Session, account: str, *, concurrency: int) -> None:
        desk = TargetBlobClient(session, account, concurrency=concurrency)
        signer = BearerSigner(session)
        super().__init__(desk, session.cloud, signer, reads_only=session.reads_only, of_source=False)
        self._one_checksum = False
        self._features: Features | None = None
        self._asking = asyncio.Lock()

    @property
    def key(self) -> str:
        return self._desk.key

    async def features(self) -> Features:
        async with self._asking:
            # Shards that begin together ask once.
            found = self._features = self._features or await self._ask_features()
        return replace(found, tags=False) if found.tags and not self.blobs.tags_listed else found

    async def _ask_features(self) -> Features:
        """Get Account Information; the SDK's client would take longer to come to life than the answer."""
        try:
            reply = await self.wire.ask("GET", "", "", "restype=account&comp=properties", doing="ask for the kind of")
        except ObjectRefused:
            # The role may not allow it; a listing or a write then tells what is missing.
            return Features()
        kind, sku = reply.named("x-ms-account-kind"), reply.named("x-ms-sku-name")
        hierarchical = reply.named("x-ms-is-hns-enabled").lower() == "true"
        return features_of(kind, sku, hierarchical=hierarchical) if kind else Features()

    # --- containers ---

    async def containers(self) -> Sequence[str]:
        return await self._desk.containers()

    async def container_settings(self, container: str) -> ContainerSettings:
        return await self._desk.container_settings(container)

    async def create_container(self, settings: ContainerSettings) -> None:
        await self._desk.create_container(settings)

    # --- reads ---

    def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        return self.blobs.raw_pages(container, begin, end, entries)

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.blobs.objects(container, begin, end)

    async def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self.blobs.read(container, item, offset, length)) as parts:
                async for part in parts:
                    yield part
        except ObjectGone as gone:
            raise CompareTarget(gone.sentence, code=gone.code, status=gone.status) from None

    async def head(self, container: str, name: str) -> ListedObject | None:
        try:
            return await self.blobs.head(container, name)
        except ObjectGone:
            return None

    # --- block blobs ---

    async def put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int | None = None
    ) -> Written:
        label_checks = self._label_checks(item)
        headers = self._whole_write(item, data, if_match, crc)
        try:
            return written_by(await self._put(container, item.name, "", headers, data, "write", _AT_TARGET))
        except ObjectRefused as wrong:
            if wrong.code != "BothCrc64AndMd5HeaderPresent" or label_checks:
                raise
            self._one_checksum = True
            return await self.put_blob(container, item, data, if_match=if_match, crc=crc)

    def _label_checks(self, item: ListedObject) -> bool:
        """Put Blob checks a Content-MD5 label against the bytes, and takes one checksum only. Whether a label counts as
        one beside a CRC64 is answered by the service: Azurite says so, and is believed."""
        return bool(item.headers.content_md5) and self._one_checksum

    def _whole_write(self, item: ListedObject, data: bytes, if_match: str | None, crc: int | None) -> str:
        checksum = "" if self._label_checks(item) else _checksum(data, crc)
        return f"x-ms-blob-type: BlockBlob\r\n{_BYTES}{beside(item)}{condition(if_match)}{checksum}"

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        headers = _whole_pull(item, url, if_match)
        return written_by(
            await self._put(container, item.name, "", headers, b"", "pull", _PULL_ON_CONDITION, pulled=item.size)
        )

    @property
    def starts(self) -> bool:
        return self.wire.starts

    def start_put_blob_from_url(
        self, container: str, item: ListedObject, url: str, *, if_match: str | None, then: WrittenThen
    ) -> Call:
        return self.wire.start(
            f"PUT {folder(container)}/{quoted(item.name)}",
            f"{_whole_pull(item, url, if_match)}Content-Length: 0\r\n",
            then=lambda reply, wait: then(None if reply is None else written_by(reply), wait),
            patience=SILENCE + item.size / _SLOWEST_PULL,
        )

    def start_put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int, then: WrittenThen
    ) -> Call:
        headers = self._whole_write(item, data, if_match, crc)
        return self.wire.start(
            f"PUT {folder(container)}/{quoted(item.name)}",
            f"{headers}Content-Length: {len(data)}\r\n",
            data,
            then=lambda reply, wait: then(None if reply is None else written_by(reply), wait),
        )

    async def put_block(
        self, container: str, name: str, block_id: str, data: bytes, *, crc: int | None = None
    ) -> Written:
        asked = f"comp=block&blockid={_id(block_id)}"
        headers = f"{_BYTES}{_checksum(data, crc)}"
        return written_by(await self._put(container, name, asked, headers, data, "write a block of"))

    async def put_block_from_url(
        self, container: str, name: str, block_id: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        asked = f"comp=block&blockid={_id(block_id)}"
        headers = _pulled(url, offset, length, source_etag)
        return written_by(
            await self._put(container, name, asked, headers, b"", "pull a block of", _PULL, pulled=length)
        )

    async def staged_blocks(self, container: str, name: str) -> Mapping[str, int]:
        try:
            reply = await self.wire.ask(
                "GET", container, name, "comp=blocklist&blocklisttype=uncommitted",
                doing="list the staged blocks of", most=_LARGEST_LIST,
            )  # fmt: skip
        except ObjectGone as gone:
            if gone.code == "ContainerNotFound":
                raise
            return dict[str, int]()
        root = parsed(reply.body, f"list the staged blocks of {self.wire.called(container, name)}")
        staged = root.iterfind("UncommittedBlocks/Block")
        return {b64decode(one.findtext("Name", "")).decode(): int(one.findtext("Size", "")) for one in staged}

    async def commit(
        self, container: str, item: ListedObject, block_ids: Sequence[str], *, if_match: str | None
    ) -> Written:
        headers = f"Content-Type: application/xml\r\n{beside(item)}{condition(if_match)}"
        body = block_list(list(block_ids))
        reply = await self._put(container, item.name, "comp=blocklist", headers, body, "commit", _AT_TARGET)
        # The CRC64 of this answer is that of the block list, not of the blob.
        return written_by(reply, content=False)

    # --- append and page blobs ---

    async def create_sized(self, container: str, item: ListedObject, *, if_match: str | None) -> Written:
        kind = "AppendBlob"
        sized = ""
        if item.blob_type is not BlobType.APPEND:
            kind = "PageBlob"
            sized = f"x-ms-blob-content-length: {item.size}\r\nx-ms-blob-sequence-number: {item.sequence_number}\r\n"
        headers = f"x-ms-blob-type: {kind}\r\n{sized}{beside(item)}{condition(if_match)}"
        return written_by(await self._put(container, item.name, "", headers, b"", "create", _AT_TARGET))

    async def append(self, container: str, name: str, data: bytes, *, position: int, crc: int | None = None) -> Written:
        headers = f"{_BYTES}x-ms-blob-condition-appendpos: {position}\r\n{_checksum(data, crc)}"
        return written_by(await self._put(container, name, "comp=appendblock", headers, data, "append to", _AT_TARGET))

    async def append_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        headers = f"{_pulled(url, offset, length, source_etag)}x-ms-blob-condition-appendpos: {offset}\r\n"
        return written_by(
            await self._put(
                container, name, "comp=appendblock", headers, b"", "pull a part of", _PULL_ON_CONDITION, pulled=length
            )
        )

    async def put_pages(
        self, container: str, name: str, data: bytes, *, offset: int, crc: int | None = None
    ) -> Written:
        headers = (
            f"{_BYTES}x-ms-page-write: update\r\n"
            f"x-ms-range: bytes={offset}-{offset + len(data) - 1}\r\n{_checksum(data, crc)}"
        )
        return written_by(await self._put(container, name, "comp=page", headers, data, "write pages of"))

    async def put_pages_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written:
        headers = (
            f"{_pulled(url, offset, length, source_etag)}x-ms-page-write: update\r\n"
            f"x-ms-range: bytes={offset}-{offset + length - 1}\r\n"
        )
        return written_by(
            await self._put(container, name, "comp=page", headers, b"", "pull pages of", _PULL, pulled=length)
        )

    async def seal(self, container: str, name: str) -> Written:
        return written_by(await self._put(container, name, "comp=seal", "", b"", "seal"))

    # --- beside the content ---

    async def snapshot(self, container: str, name: str, *, if_match: str) -> tuple[str, Written]:
        reply = await self._put(
            container, name, "comp=snapshot", condition(if_match), b"", "take a snapshot of", _AT_TARGET
        )
        return reply.named("x-ms-snapshot"), written_by(reply)

    async def set_headers(self, container: str, name: str, headers: HttpHeaders, *, if_match: str) -> Written:
        told = f"{stored_headers(headers)}{condition(if_match)}"
        return written_by(
            await self._put(container, name, "comp=properties", told, b"", "set the headers of", _AT_TARGET)
        )

    async def set_metadata(self, container: str, name: str, metadata: Mapping[str, str], *, if_match: str) -> Written:
        told = f"{metadata_lines(metadata)}{condition(if_match)}"
        return written_by(
            await self._put(container, name, "comp=metadata", told, b"", "set the metadata of", _AT_TARGET)
        )

    async def set_tags(self, container: str, name: str, tags: Mapping[str, str]) -> None:
        told = "Content-Type: application/xml\r\n"
        await self._put(container, name, "comp=tags", told, tag_set(tags), "set the tags of")

    async def set_tier(self, container: str, name: str, tier: str, blob_type: BlobType) -> None:
        # One request for both kinds of tier; the SDK merely has two names for it.
        del blob_type
        await self._put(container, name, "comp=tier", line("x-ms-access-tier", tier), b"", "set the tier of")

    async def _put(
        self,
        container: str,
        name: str,
        asked: str,
        headers: str,
        body: bytes,
        doing: str,
        sent: Sent = Sent(),  # noqa: B008
        *,
        pulled: int = 0,
    ) -> Reply:
        """`pulled`: bytes that the service reads before it answers."""
        patience = SILENCE + pulled / _SLOWEST_PULL
        return await self.wire.ask(
            "PUT", container, name, asked, headers, body, doing=doing, sent=sent, patience=patience
        )


def _id(block_id: str) -> str:
    return query(base64_of(block_id.encode()))


def _checksum(data: bytes, crc: int | None) -> str:
    """The service refuses the request when its bytes do not arrive as this CRC64 says."""
    return f"x-ms-content-crc64: {crc64.to_text(crc64.crc64(data) if crc is None else crc)}\r\n"


def _whole_pull(item: ListedObject, url: str, if_match: str | None) -> str:
    return (
        f"x-ms-blob-type: BlockBlob\r\nx-ms-copy-source: {url}\r\nx-ms-copy-source-blob-properties: false\r\n"
        f"{etag_line('x-ms-source-if-match', item.etag)}{beside(item)}{condition(if_match)}"
    )


def _pulled(url: str, offset: int, length: int, source_etag: str) -> str:
    """Copy source, range of it, and the pin."""
    return (
        f"x-ms-copy-source: {url}\r\nx-ms-source-range: bytes={offset}-{offset + length - 1}\r\n"
        f"{etag_line('x-ms-source-if-match', source_etag)}"
    )
