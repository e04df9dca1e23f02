"""Listings as a service would send them, made of values; and accounts in memory that hand them out."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from urllib.parse import quote
from xml.sax.saxutils import escape

from mappings.objects import ListedObject
from tests.copiers.memory_cloud import MemorySource, MemoryTarget

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _element(tag: str, value: str) -> str:
    return f"<{tag}>{escape(value)}</{tag}>" if value else f"<{tag} />"


def entry_of(item: ListedObject) -> str:
    """One `<Blob>` element."""
    name = f"<Name>{escape(item.name)}</Name>"
    if _UNFIT.search(item.name):
        name = f'<Name Encoded="true">{quote(item.name, safe="")}</Name>'
    heads = item.headers
    flags = {"AccessTierInferred": item.tier_inferred, "Sealed": item.sealed}
    properties = {
        "Last-Modified": item.last_modified.strftime("%a, %d %b %Y %H:%M:%S GMT"), "Etag": item.etag.strip('"'),
        "Content-Length": str(item.size), "Content-Type": heads.content_type,
        "Content-Encoding": heads.content_encoding, "Content-Language": heads.content_language,
        "Content-MD5": base64.b64encode(heads.content_md5).decode(), "Cache-Control": heads.cache_control,
        "Content-Disposition": heads.content_disposition, "BlobType": item.blob_type.value, "AccessTier": item.tier,
    } | {tag: "true" for tag, value in flags.items() if value}  # fmt: skip
    inner = "".join(_element(tag, value) for tag, value in properties.items())
    inner += "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    snapshot = _element("Snapshot", item.snapshot) if item.snapshot else ""
    metadata = "".join(_element(tag, value) for tag, value in item.metadata.items())
    tags = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in item.tags.items())
    tag_set = f"<Tags><TagSet>{tags}</TagSet></Tags>" if tags else ""
    version = f"<VersionId>{item.version_id}</VersionId>" if item.version_id else ""
    current = "<IsCurrentVersion>true</IsCurrentVersion>" if item.version_id and item.is_base else ""
    return (
        f"<Blob>{name}{snapshot}{version}{current}<Properties>{inner}</Properties>"
        f"<Metadata>{metadata}</Metadata>{tag_set}<OrMetadata /></Blob>"
    )


def page_of(entries: Sequence[str], marker: str = "") -> bytes:
    """One page of them."""
    following = f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />"
    blobs = f"<Blobs>{''.join(entries)}</Blobs>" if entries else "<Blobs />"
    start = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c">'
    return f"{start}{blobs}{following}</EnumerationResults>".encode()


async def _pages(
    side: MemorySource | MemoryTarget, container: str, begin: str, end: str | None
) -> AsyncIterator[bytes]:
    held: list[str] = []
    async for item in side.objects(container, begin=begin, end=None):
        if len(held) == side.cloud_account.page:
            yield page_of(held, "more")
            held = []
        held.append(entry_of(item))
    yield page_of(held)


class RawSource(MemorySource):
    """`ListsRaw` too."""

    def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        return _pages(self, container, begin, end)


class RawTarget(MemoryTarget):
    """`ListsRaw` too."""

    def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        return _pages(self, container, begin, end)
