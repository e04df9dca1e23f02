"""What both sides of the copy do on the lean way: list, read ranges under their checksum, look at one blob."""

from __future__ import annotations

import asyncio
import hashlib
from binascii import a2b_base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

from mappings.errors import Corrupted, ObjectError, ObjectRefused
from mappings.objects import BlobType, HttpHeaders, ListedObject, Written
from mappings.shards import PAGE, asked_for
from tasks.clients.crc64 import RANGE, crc64, from_bytes
from tasks.clients.errors import Sent
from tasks.clients.listing import parse_page
from tasks.clients.wire.answers import Reply
from tasks.clients.wire.caller import Caller
from tasks.clients.wire.calls import Call
from tasks.clients.wire.heads import etag_line, folder, query, quoted
from tasks.copiers.base import ReadThen

_MORE = 100
"""Entries that a range may have grown by since it was counted, without one more request."""
_LARGEST_PAGE = 256 * 1024 * 1024
"""Bytes of one listing page: 5,000 entries, each with its 8 KiB of metadata in XML, and its tags."""
_READS = 3
"""Times one range is read when its bytes do not fit its checksum."""


class WireAccount:
    """Listings and reads of one account, over a caller.

    Args:
        of_source: a read under the pin that fails says something about the source, not about the target.
    """

    def __init__(self, caller: Caller, *, of_source: bool) -> None:
        self.caller = caller
        self.versions = False
        """Whether listings ask for previous versions."""
        self.tags_listed = True
        """False once the account has said that it has no index tags."""
        self._of_source = of_source
        self._range_crc = True
        self._pinned = Sent(source_condition=of_source, target_condition=not of_source)

    # --- listings ---

    async def raw_pages(
        self, container: str, begin: str, end: str | None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """List Blobs with metadata, tags and snapshots, as the service sent it.

        `startFrom` is not known to every API version, and a service may pass over it, so a caller cuts names before
        `begin`; a common prefix of `begin` and `end` keeps a narrow range to few pages in any case. No request can
        say where to end: the last page asks for little more than the rest that is expected.
        """
        prefix, begin = asked_for(begin, end)
        narrowed = f"&prefix={query(prefix)}" if prefix else ""
        narrowed += f"&startFrom={query(begin)}" if begin else ""
        marker, left = "", entries
        while True:
            most = min(PAGE, left + _MORE) if left > 0 and end is not None else PAGE
            body = await self._page(container, narrowed, marker, most)
            marker, left = _next_marker(body), left - most
            yield body
            if not marker:
                return

    async def _page(self, container: str, narrowed: str, marker: str, most: int) -> bytes:
        tags = self.tags_listed
        include = "snapshots%2Cmetadata" + ("%2Ctags" if tags else "") + ("%2Cversions" if self.versions else "")
        asked = f"restype=container&comp=list{narrowed}&maxresults={most}&include={include}"
        if marker:
            asked += f"&marker={query(marker)}"
        try:
            reply = await self.caller.ask("GET", container, "", asked, doing="list", most=_LARGEST_PAGE)
            return reply.body
        except ObjectError as wrong:
            if not (tags and wrong.code.startswith("FeatureNot")):
                raise
        # A fact about the account: it has no index tags. Remembered, and told by `features`.
        self.tags_listed = False
        return await self._page(container, narrowed, marker, most)

    async def objects(self, container: str, begin: str, end: str | None) -> AsyncIterator[ListedObject]:
        async with aclosing(self.raw_pages(container, begin, end)) as pages:
            async for body in pages:
                for item in parse_page(body).entries:
                    if end is not None and item.name >= end:
                        return
                    if item.name >= begin:
                        yield item

    # --- reads ---

    async def read(
        self, container: str, item: ListedObject, offset: int, length: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of the pinned generation in ranges whose checksum the service computed.

        While the caller has one range, the next one is on its way.
        """
        end = item.size if length is None else offset + length
        if end - offset <= RANGE:
            if end > offset:
                yield await self._range(container, item, offset, end - offset)
            return
        coming: asyncio.Task[bytes] | None = None
        try:
            for start in range(offset, end, RANGE):
                part = await (coming or self._range(container, item, start, min(RANGE, end - start)))
                after = start + RANGE
                if after < end:
                    coming = asyncio.ensure_future(self._range(container, item, after, min(RANGE, end - after)))
                yield part
        finally:
            if coming is not None and not coming.done():
                coming.cancel()
            if coming is not None:
                await asyncio.gather(coming, return_exceptions=True)

    async def _range(self, container: str, item: ListedObject, start: int, length: int) -> bytes:
        for _ in range(_READS):
            data, intact = await self._get(container, item, start, length)
            if len(data) == length and intact:
                return data
        raise Corrupted(
            f"Bytes {start}-{start + length - 1} of {self.caller.called(container, item.name)} did not fit their CRC64 "
            f"or length in {_READS} reads.",
            code="DamagedRead",
        )

    async def _get(self, container: str, item: ListedObject, start: int, length: int) -> tuple[bytes, bool]:
        """One range, and whether it fits the checksum that came with it."""
        by_crc = self._range_crc
        headers = _range_lines(item, start, length, "crc64" if by_crc else "md5")
        try:
            reply = await self.caller.ask(
                "GET", container, item.name, generation(item), headers, doing="read", sent=self._pinned, most=RANGE
            )
        except ObjectError as wrong:
            if not by_crc or not wrong.code.startswith(("FeatureNot", "UnsupportedHeader")):
                raise
            # A service without CRC64 on ranges has MD5 on ranges.
            self._range_crc = False
            return await self._get(container, item, start, length)
        data = reply.body
        return data, _by_crc(reply, crc64(data)) if by_crc else _by_md5(reply)

    def start_read(self, container: str, item: ListedObject, then: ReadThen, offset: int, length: int) -> Call:
        """Read at most `RANGE` bytes of an object, under its pin."""

        by_crc = self._range_crc

        def read(reply: Reply | None, wait: float) -> None:
            if reply is not None and len(reply.body) == length:
                crc = crc64(reply.body)
                if _by_crc(reply, crc) if by_crc else _by_md5(reply):
                    then(reply.body, crc, 0.0)
                    return
            then(None, 0, wait)

        which = generation(item)
        return self.caller.start(
            f"GET {folder(container)}/{quoted(item.name)}{'?' if which else ''}{which}",
            _range_lines(item, offset, length, "crc64" if by_crc else "md5"),
            then=read,
            most=RANGE,
        )

    async def page_ranges(self, container: str, item: ListedObject) -> list[tuple[int, int]]:
        """Non-empty ranges of a page blob, under the pin."""
        found: list[tuple[int, int]] = []
        asked = "&".join(part for part in ("comp=pagelist", generation(item)) if part)
        marker = ""
        while True:
            following = f"&marker={query(marker)}" if marker else ""
            reply = await self.caller.ask(
                "GET", container, item.name, asked + following, etag_line("If-Match", item.etag),
                doing="list the pages of", sent=self._pinned, most=_LARGEST_PAGE,
            )  # fmt: skip
            root = parsed(reply.body, f"list the pages of {self.caller.called(container, item.name)}")
            for one in root.iter("PageRange"):
                start, stop = int(one.findtext("Start", "")), int(one.findtext("End", ""))
                found.append((start, stop - start + 1))
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return found

    async def head(self, container: str, name: str) -> ListedObject:
        """Get Blob Properties."""
        reply = await self.caller.ask("HEAD", container, name, doing="look at")
        return listed_by(reply, name)


def _range_lines(item: ListedObject, start: int, length: int, checksum: str) -> str:
    return (
        f"x-ms-range: bytes={start}-{start + length - 1}\r\nx-ms-range-get-content-{checksum}: true\r\n"
        f"{etag_line('If-Match', item.etag)}"
    )


def _by_crc(reply: Reply, crc: int) -> bool:
    """Whether this is the CRC64 that the service gave; one that gives none is not contradicted."""
    said = reply.raw(b"x-ms-content-crc64")
    return not said or from_bytes(a2b_base64(said)) == crc


def _by_md5(reply: Reply) -> bool:
    # Only an answer to a range carries the MD5 of its own bytes; beside a whole blob stands the stored label.
    told = reply.named("content-md5") if reply.named("content-range") else ""
    return not told or a2b_base64(told) == hashlib.md5(reply.body, usedforsecurity=False).digest()


def generation(item: ListedObject) -> str:
    """The query that names a snapshot or a previous version, "" for a base blob."""
    if item.snapshot:
        return f"snapshot={query(item.snapshot)}"
    return f"versionid={query(item.version_id)}" if item.previous else ""


def parsed(body: bytes, doing: str) -> ElementTree.Element:
    """An XML answer.

    Raises:
        ObjectRefused: it is none.
    """
    try:
        if b"<!DOCTYPE" in body[:1000]:
            raise ElementTree.ParseError("it declares a document type")
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as wrong:
        raise ObjectRefused(f"Could not {doing}: the answer is no XML ({wrong}).", code="BrokenAnswer") from None


def written_by(reply: Reply, *, content: bool = True) -> Written:
    """What a write was answered with.

    Args:
        content: the CRC64 of this answer is that of content, not e.g. of a block list.
    """
    crc = reply.raw(b"x-ms-content-crc64") if content else None
    return Written(
        etag=reply.text(b"etag"),
        last_modified=_time(reply.text(b"last-modified")),
        crc64=a2b_base64(crc) if crc else None,
        request_id=reply.text(b"x-ms-request-id"),
        version_id=reply.text(b"x-ms-version-id"),
    )


def listed_by(reply: Reply, name: str) -> ListedObject:
    """The properties of a blob as Get Blob Properties tells them in headers."""
    metadata: dict[str, str] = {}
    said: dict[str, str] = {}
    for key, value in reply.headers():
        lowered = key.lower()
        if lowered.startswith("x-ms-meta-"):
            metadata[key[len("x-ms-meta-") :]] = value
        else:
            said[lowered] = value
    modified = _time(said.get("last-modified", ""))
    if modified is None:
        raise ObjectRefused(f"What the service says of {name} has no Last-Modified.", code="BrokenAnswer")
    item = ListedObject(
        name=name,
        snapshot="",
        blob_type=BlobType(said.get("x-ms-blob-type", "")),
        size=int(said.get("content-length", "")),
        etag=f'"{said.get("etag", "").strip(chr(34))}"',
        last_modified=modified,
        headers=_stored(said),
        metadata=metadata,
        tier=said.get("x-ms-access-tier", ""),
        tier_inferred=said.get("x-ms-access-tier-inferred", "") == "true",
        archive_status=said.get("x-ms-archive-status", ""),
        created=_time(said.get("x-ms-creation-time", "")),
        sequence_number=int(said.get("x-ms-blob-sequence-number", "0")),
        sealed=said.get("x-ms-blob-sealed", "") == "true",
    )
    return replace(
        item,
        lease_status=said.get("x-ms-lease-status", ""),
        encryption_scope=said.get("x-ms-encryption-scope", ""),
        customer_key="x-ms-encryption-key-sha256" in said,
        key_sha256=said.get("x-ms-encryption-key-sha256", ""),
        version_id=said.get("x-ms-version-id", ""),
        previous="x-ms-version-id" in said and said.get("x-ms-is-current-version", "") != "true",
        directory=metadata.get("hdi_isfolder", "").lower() == "true",
        immutable_until=_time(said.get("x-ms-immutability-policy-until-date", "")),
        immutable_locked=said.get("x-ms-immutability-policy-mode", "").lower() == "locked",
        legal_hold=said.get("x-ms-legal-hold", "") == "true",
    )


def _stored(said: dict[str, str]) -> HttpHeaders:
    md5 = said.get("content-md5", "")
    return HttpHeaders(
        content_type=said.get("content-type", ""),
        content_encoding=said.get("content-encoding", ""),
        content_language=said.get("content-language", ""),
        content_disposition=said.get("content-disposition", ""),
        cache_control=said.get("cache-control", ""),
        content_md5=a2b_base64(md5) if md5 else b"",
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_told: dict[str, datetime] = {}
"""The last times told: all answers of one second tell the same."""


def _time(text: str) -> datetime | None:
    """An RFC 1123 time in GMT; None where there is none."""
    known = _told.get(text)
    if known is not None:
        return known
    found: datetime | None = None
    with suppress(ValueError, IndexError):
        found = datetime(
            int(text[12:16]), _MONTHS.index(text[8:11]) + 1, int(text[5:7]),
            int(text[17:19]), int(text[20:22]), int(text[23:25]), tzinfo=UTC,
        )  # fmt: skip
        if len(_told) > 1000:
            _told.clear()
        _told[text] = found
    return found


def _next_marker(body: bytes) -> str:
    """`NextMarker` of a page, which stands at its end. Cheap, because the page is parsed elsewhere."""
    from html import unescape

    at = body.rfind(b"<NextMarker>")
    if at < 0:
        return ""
    return unescape(body[at + 12 : body.find(b"</NextMarker>", at)].decode("utf-8"))
