"""Requests as bytes: names in a path, values in a header, what travels beside the content. Pure.

Sources: "Naming and Referencing Containers, Blobs, and Metadata"; "Put Blob" and its kin for the header names; the
quoting is that of azure-storage-blob (`quote(name, safe="~/")`), so that both clients name the same blob.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape

from mappings.errors import ObjectRefused
from mappings.objects import HttpHeaders, ListedObject

_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch
_SENDABLE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*").fullmatch
_TOKEN = re.compile(r"[A-Za-z0-9_.!#$%&'*+^`|~-]+").fullmatch
NOT_SENDABLE = "HeaderNotSendable"


def quoted(name: str) -> str:
    """A blob name as it stands in a URL."""
    return name if _PLAIN(name) else quote(name, safe="~/")


def query(text: str) -> str:
    """A value in a query string."""
    return quote(text, safe="")


@lru_cache(maxsize=4096)
def folder(container: str) -> str:
    """A container as a path begins."""
    return f"/{quoted(container)}"


def line(name: str, value: str) -> str:
    """One header with its line end; `name` is one of ours.

    Raises:
        ObjectRefused: HTTP cannot carry it as it is, e.g. a line break in it or letters beyond Latin-1.
    """
    if not _SENDABLE(value):
        raise _not_sendable(f"the value of {name}: {ascii(value)[1:61]}")
    return f"{name}: {value}\r\n"


def _not_sendable(what: str) -> ObjectRefused:
    return ObjectRefused(
        f"HTTP headers cannot carry {what}. Change it at the source, or exclude the blob.", code=NOT_SENDABLE
    )


def etag_line(name: str, etag: str) -> str:
    """A condition. ETags come from listings and answers; one of another form would be no condition at all."""
    if not (etag[:1] == '"' and etag[-1:] == '"' and len(etag) > 1 and etag.isascii() and etag.isprintable()):
        raise ObjectRefused(f"{ascii(etag)[1:61]} is no ETag, so nothing can be pinned by it.", code=NOT_SENDABLE)
    return f"{name}: {etag}\r\n"


def condition(if_match: str | None) -> str:
    """On the target: this generation, or None for "does not exist yet"."""
    return "If-None-Match: *\r\n" if if_match is None else etag_line("If-Match", if_match)


def base64_of(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode("ascii")


_kept_line = lru_cache(maxsize=256)(line)
"""For values that blobs share which were uploaded alike."""


def stored_headers(headers: HttpHeaders) -> str:
    """The stored headers; an unset one is not sent."""
    told = ""
    if headers.content_type:
        told = _kept_line("x-ms-blob-content-type", headers.content_type)
    if headers.content_encoding:
        told += _kept_line("x-ms-blob-content-encoding", headers.content_encoding)
    if headers.content_language:
        told += _kept_line("x-ms-blob-content-language", headers.content_language)
    if headers.content_disposition:
        told += _kept_line("x-ms-blob-content-disposition", headers.content_disposition)
    if headers.cache_control:
        told += _kept_line("x-ms-blob-cache-control", headers.cache_control)
    if headers.content_md5:
        told += f"x-ms-blob-content-md5: {base64_of(headers.content_md5)}\r\n"
    return told


def metadata_lines(metadata: Mapping[str, str]) -> str:
    for name in metadata:
        if not _TOKEN(name):
            raise _not_sendable(f"the metadata name {ascii(name)[:60]}")
    return "".join([line(f"x-ms-meta-{name}", value) for name, value in metadata.items()])


def tags_line(tags: Mapping[str, str]) -> str:
    pairs = "&".join(f"{quote(name, safe='.-')}={quote(value, safe='.-')}" for name, value in tags.items())
    return f"x-ms-tags: {pairs}\r\n"


def beside(item: ListedObject) -> str:
    """What travels with the content: stored headers, metadata, tags, tier."""
    told = stored_headers(item.headers)
    if item.metadata:
        told += metadata_lines(item.metadata)
    if item.tags:
        told += tags_line(item.tags)
    if item.tier and not item.tier_inferred:
        told += line("x-ms-access-tier", item.tier)
    return told


def block_list(ids: list[str]) -> bytes:
    """Body of Put Block List. The SDK sends ids in base64 of their text, and so do we."""
    named = "".join([f"<Latest>{base64_of(one.encode())}</Latest>" for one in ids])
    return f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{named}</BlockList>".encode()


def tag_set(tags: Mapping[str, str]) -> bytes:
    """Body of Set Blob Tags."""
    pairs = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in tags.items())
    return f"<?xml version='1.0' encoding='utf-8'?>\n<Tags><TagSet>{pairs}</TagSet></Tags>".encode()
