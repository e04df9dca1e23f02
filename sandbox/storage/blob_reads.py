"""Get Blob, Get Blob Properties, Get Blob Metadata, Get Blob Tags.

REST: "Get Blob" (206 and the blob's MD5 in `x-ms-blob-content-md5` for a range; `x-ms-range-get-content-md5` and
`-crc64` up to 4 MiB), "Get Blob Properties", "Get Blob Metadata", "Get Blob Tags", "Specifying the range header".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply, xml_reply
from sandbox.storage.conditions import check_read, check_tags
from sandbox.storage.content import Content
from sandbox.storage.customer_keys import check_key
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.markup import element
from sandbox.storage.model import Blob
from sandbox.storage.properties import metadata_headers, shown
from sandbox.storage.stamps import http_date
from sandbox.storage.writing import byte_range, online

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_RANGE_CHECKSUM = 4 << 20


def _readable(call: Call) -> Blob:
    blob = call.any_blob()
    if not blob.snapshot:
        blob.lease.allow_read(call.lease_id, call.now, "Blob")
    check_read(call.headers, blob)
    check_key(call, blob)
    return blob


def get_blob(service: BlobService, call: Call) -> web.Response:
    blob = _readable(call)
    online(blob)
    headers = shown(call.account, blob, call.now)
    text = call.header("x-ms-range") or call.header("range")
    if not text:
        if call.header("x-ms-range-get-content-md5") or call.header("x-ms-range-get-content-crc64"):
            raise bad_header("x-ms-range", "")
        headers.update(call.grant.overrides)
        return reply(200, headers, blob.read(0, blob.size).joined())
    start, end = byte_range(text, blob.size, "Range")
    part = blob.read(start, end)
    if "Content-MD5" in headers:
        headers["x-ms-blob-content-md5"] = headers.pop("Content-MD5")
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    headers.update(_range_checksums(call, part))
    headers.update(call.grant.overrides)
    return reply(206, headers, part.joined())


def _range_checksums(call: Call, part: Content) -> dict[str, str]:
    md5 = call.header("x-ms-range-get-content-md5").lower() == "true"
    crc = call.header("x-ms-range-get-content-crc64").lower() == "true"
    if not md5 and not crc:
        return {}
    if md5 and crc:
        raise AzureError("InvalidInput", message="Only one of the range checksums may be asked for.")
    if part.size > MAX_RANGE_CHECKSUM:
        raise AzureError("OutOfRangeInput", message="A range checksum is computed for at most 4 MiB.")
    return {"Content-MD5": part.md5_base64()} if md5 else {"x-ms-content-crc64": part.crc64_base64()}


def get_blob_properties(service: BlobService, call: Call) -> web.Response:
    blob = _readable(call)
    headers = shown(call.account, blob, call.now)
    headers["Content-Length"] = str(blob.size)
    headers.update(call.grant.overrides)
    return reply(200, headers)


def get_blob_metadata(service: BlobService, call: Call) -> web.Response:
    blob = _readable(call)
    headers = {"ETag": blob.etag, "Last-Modified": http_date(blob.last_modified)}
    return reply(200, headers | metadata_headers(blob.metadata))


def get_blob_tags(service: BlobService, call: Call) -> web.Response:
    blob = call.any_blob()
    check_tags(call.headers, blob)
    return xml_reply(f"<Tags>{tag_set(blob.tags)}</Tags>")


def tag_set(tags: dict[str, str]) -> str:
    body = "".join(f"<Tag>{element('Key', key)}{element('Value', value)}</Tag>" for key, value in tags.items())
    return f"<TagSet>{body}</TagSet>"
