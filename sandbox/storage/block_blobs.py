"""Block blobs: Put Blob, Put Block, Put Block List, Get Block List, and the first two from a URL.

REST: "Put Blob" (the service stores the MD5), "Put Block" (moves neither ETag nor Last-Modified; ids of one length),
"Put Block List" (stores an MD5 only where the client gives one; its x-ms-content-crc64 is that of the list),
"Get Block List", "Put Blob From URL", "Put Block From URL".
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply, xml_reply
from sandbox.storage.checksums import check_arrived, check_body
from sandbox.storage.conditions import check_tags
from sandbox.storage.content import Content
from sandbox.storage.customer_keys import given_key
from sandbox.storage.errors import AzureError, bad_header, bad_query, missing_header
from sandbox.storage.markup import element, parsed
from sandbox.storage.model import APPEND, BLOCK, PAGE, Blob
from sandbox.storage.page_blobs import prepare_page_blob
from sandbox.storage.properties import metadata_of, stored_headers, tags_of, written
from sandbox.storage.sources import Source, open_source
from sandbox.storage.stamps import http_date
from sandbox.storage.writing import install, may_replace, online, set_new_tier, wanted_tier

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_BLOCKS = 50_000
MAX_STAGED = 100_000
MAX_ONE_PUT = 5000 << 20


def put_blob(service: BlobService, call: Call) -> web.Response:
    match call.header("x-ms-blob-type"):
        case "BlockBlob":
            return _put_block_blob(call)
        case "AppendBlob":
            return _put_empty(call, APPEND)
        case "PageBlob":
            return _put_empty(call, PAGE)
        case "":
            raise missing_header("x-ms-blob-type")
        case other:
            raise bad_header("x-ms-blob-type", other)


def _put_block_blob(call: Call) -> web.Response:
    content = Content([call.body])
    answer = check_body(call, content)
    headers = stored_headers(call, plain=True)
    computed = content.md5_base64()
    if (md5 := headers.setdefault("Content-MD5", computed)) != computed:
        raise AzureError("Md5Mismatch", details={"UserSpecifiedMd5": md5, "ServerCalculatedMd5": computed})
    answer["Content-MD5"] = computed
    answer.setdefault("x-ms-content-crc64", content.crc64_base64())
    return reply(201, answer | written(_new_block_blob(call, content, headers)))


def _new_block_blob(
    call: Call,
    content: Content,
    headers: dict[str, str],
    *,
    metadata: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Blob:
    metadata = metadata_of(call.raw_headers) if metadata is None else metadata
    tags = tags_of(call) if tags is None else tags
    wanted_tier(call)
    old = may_replace(call)
    fresh = Blob(call.blob_name, BLOCK, call.now)
    fresh.content, fresh.headers, fresh.metadata, fresh.tags = content, headers, metadata, tags
    set_new_tier(call, fresh)
    install(call, fresh, old)
    return fresh


def _put_empty(call: Call, blob_type: str) -> web.Response:
    """Put Blob of an append or page blob: the bytes come later."""
    if call.body:
        raise AzureError("InvalidHeaderValue", details={"HeaderName": "Content-Length", "HeaderValue": "not 0"})
    fresh = Blob(call.blob_name, blob_type, call.now)
    if blob_type == PAGE:
        prepare_page_blob(call, fresh)
    fresh.headers = stored_headers(call, plain=True)
    fresh.metadata, fresh.tags = metadata_of(call.raw_headers), tags_of(call)
    install(call, fresh, may_replace(call))
    return reply(201, written(fresh))


def put_blob_from_url(service: BlobService, call: Call) -> web.Response:
    """Properties come from the source unless the request sets them or says not to; tags only on COPY."""
    if call.header("x-ms-blob-type") != BLOCK:
        raise bad_header("x-ms-blob-type", call.header("x-ms-blob-type"))
    _no_body(call)
    source = open_source(service, call)
    content = source.whole(MAX_ONE_PUT)
    answer = check_arrived(call, content)
    headers = _headers_from(call, source)
    headers.setdefault("Content-MD5", content.md5_base64())
    answer["Content-MD5"] = content.md5_base64()
    answer.setdefault("x-ms-content-crc64", content.crc64_base64())
    metadata = metadata_of(call.raw_headers)
    tags = copied_tags(call, source)
    blob = _new_block_blob(call, content, headers, metadata=metadata or dict(source.blob.metadata), tags=tags)
    return reply(201, answer | written(blob))


def _headers_from(call: Call, source: Source) -> dict[str, str]:
    own = stored_headers(call)
    if call.header("x-ms-copy-source-blob-properties").lower() == "false":
        return own
    copied = {name: value for name, value in source.blob.headers.items() if name != "Content-MD5"}
    return {**copied, **own}


def copied_tags(call: Call, source: Source) -> dict[str, str]:
    """Tags of the destination by `x-ms-copy-source-tag-option` (REPLACE is the default)."""
    option = call.header("x-ms-copy-source-tag-option")
    if option in ("", "REPLACE"):
        return tags_of(call)
    if option != "COPY":
        raise bad_header("x-ms-copy-source-tag-option", option)
    if call.header("x-ms-tags"):
        raise AzureError("BothUserTagsAndSourceTagsCopyPresent")
    return source.tags()


def put_block(service: BlobService, call: Call) -> web.Response:
    content = Content([call.body])
    if not content.size:
        raise AzureError("InvalidHeaderValue", details={"HeaderName": "Content-Length", "HeaderValue": "0"})
    return _stage(call, content, check_body(call, content))


def put_block_from_url(service: BlobService, call: Call) -> web.Response:
    _no_body(call)
    source = open_source(service, call)
    content = source.ranged()
    return _stage(call, content, check_arrived(call, content))


def _no_body(call: Call) -> None:
    if call.body:
        raise bad_header("Content-Length", str(len(call.body)))


def _stage(call: Call, content: Content, answer: dict[str, str]) -> web.Response:
    block_id = _block_id(call.query.get("blockid"))
    container = call.container
    blob = container.blobs.get(call.blob_name)
    if blob is None:
        if call.lease_id:
            raise AzureError("LeaseNotPresentWithBlobOperation")
        blob = Blob(call.blob_name, BLOCK, call.now)
        blob.committed = False
        container.add(blob)
    elif blob.type != BLOCK:
        raise AzureError("InvalidBlobType")
    blob.settle(call.now)
    blob.lease.allow_write(call.lease_id, call.now, "Blob")
    online(blob)
    other = next(iter(blob.staged), None)
    if other is not None and len(other) != len(block_id):
        raise AzureError("InvalidBlobOrBlock")
    if len(blob.staged) >= MAX_STAGED and block_id not in blob.staged:
        raise AzureError("BlockCountExceedsLimit")
    content.key_sha256 = given_key(call)
    blob.staged[block_id] = content
    return reply(201, {**answer, "x-ms-request-server-encrypted": "true"})


def _block_id(text: str | None) -> str:
    if text is None:
        raise AzureError("MissingRequiredQueryParameter", details={"QueryParameterName": "blockid"})
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad_query("blockid", text, "Not a valid base64 string.") from None
    if not 1 <= len(decoded) <= 64:
        raise bad_query("blockid", text, "Block ID must be 1 to 64 bytes before encoding.")
    return text


def put_block_list(service: BlobService, call: Call) -> web.Response:
    answer = check_body(call, Content([call.body]))
    wanted = [(item.tag, item.text or "") for item in parsed(call.body, "BlockList")]
    headers, metadata, tags = stored_headers(call), metadata_of(call.raw_headers), tags_of(call)
    wanted_tier(call)
    if len(wanted) > MAX_BLOCKS:
        raise AzureError("BlockListTooLong")
    held = call.container.blobs.get(call.blob_name)
    if held is not None and held.type != BLOCK:
        raise AzureError("InvalidBlobType")
    old = may_replace(call)
    blocks, key = _chosen(wanted, held), given_key(call)
    if held is not None and any(held.staged.get(name) is block and block.key_sha256 != key for name, block in blocks):
        # Not said in the reference, which has one key for the whole of a blob.
        raise AzureError("BlobCustomerSpecifiedEncryptionMismatch")
    fresh = Blob(call.blob_name, BLOCK, call.now)
    for _, block in blocks:
        fresh.content.extend(block)
    fresh.blocks, fresh.headers, fresh.metadata, fresh.tags = blocks, headers, metadata, tags
    set_new_tier(call, fresh)
    install(call, fresh, old)
    return reply(201, answer | written(fresh))


def _chosen(wanted: list[tuple[str, str]], held: Blob | None) -> list[tuple[str, Content]]:
    staged = held.staged if held is not None else {}
    committed = dict(held.blocks) if held is not None else {}
    blocks: list[tuple[str, Content]] = []
    for kind, name in wanted:
        match kind:
            case "Latest":
                block = staged.get(name) or committed.get(name)
            case "Uncommitted":
                block = staged.get(name)
            case "Committed":
                block = committed.get(name)
            case _:
                raise AzureError("InvalidXmlDocument")
        if block is None:
            raise AzureError("InvalidBlockList")
        blocks.append((name, block))
    return blocks


def get_block_list(service: BlobService, call: Call) -> web.Response:
    wanted = call.query.get("blocklisttype", "committed").lower()
    if wanted not in ("committed", "uncommitted", "all"):
        raise bad_query("blocklisttype", wanted)
    blob = call.any_blob() if "snapshot" in call.query else call.container.blobs.get(call.blob_name)
    if blob is None:
        raise AzureError("BlobNotFound")
    if blob.type != BLOCK:
        raise AzureError("InvalidBlobType")
    blob.lease.allow_read(call.lease_id, call.now, "Blob")
    check_tags(call.headers, blob)
    parts = []
    if wanted != "uncommitted":
        parts.append(f"<CommittedBlocks>{_listed(blob.blocks)}</CommittedBlocks>")
    if wanted != "committed":
        parts.append(f"<UncommittedBlocks>{_listed(list(blob.staged.items()))}</UncommittedBlocks>")
    headers = {"x-ms-blob-content-length": str(blob.content.size)}
    if blob.committed:
        headers |= {"ETag": blob.etag, "Last-Modified": http_date(blob.last_modified)}
    return xml_reply(f"<BlockList>{''.join(parts)}</BlockList>", headers)


def _listed(blocks: list[tuple[str, Content]]) -> str:
    return "".join(f"<Block>{element('Name', name)}<Size>{block.size}</Size></Block>" for name, block in blocks)
