"""Append blobs: Append Block, the same from a URL, Seal.

REST: "Append Block" (`x-ms-blob-condition-appendpos`, `-maxsize`; 50,000 blocks; 100 MiB since 2022-11-02, 4 MiB
before), "Append Block From URL", "Append Blob Seal".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply
from sandbox.storage.checksums import check_arrived, check_body
from sandbox.storage.content import Content
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.model import APPEND, Blob
from sandbox.storage.properties import written
from sandbox.storage.sources import open_source
from sandbox.storage.writing import may_change

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_BLOCKS = 50_000


def append_block(service: BlobService, call: Call) -> web.Response:
    content = Content([call.body])
    if not content.size:
        raise bad_header("Content-Length", "0")
    return _append(call, content, check_body(call, content))


def append_block_from_url(service: BlobService, call: Call) -> web.Response:
    if call.body:
        raise bad_header("Content-Length", str(len(call.body)))
    source = open_source(service, call)
    content = source.ranged()
    return _append(call, content, check_arrived(call, content))


def _append(call: Call, content: Content, answer: dict[str, str]) -> web.Response:
    blob = _appendable(call)
    if content.size > (100 << 20 if call.version >= "2022-11-02" else 4 << 20):
        raise AzureError("RequestBodyTooLarge")
    most = call.whole_number("x-ms-blob-condition-maxsize")
    if most is not None and blob.size + content.size > most:
        raise AzureError("MaxBlobSizeConditionNotMet")
    offset = blob.content.size
    position = call.whole_number("x-ms-blob-condition-appendpos")
    if position is not None and position != offset:
        raise AzureError("AppendPositionConditionNotMet")
    if blob.append_blocks >= MAX_BLOCKS:
        raise AzureError(
            "BlockCountExceedsLimit", message="The committed block count cannot exceed the limit of 50,000 blocks."
        )
    blob.content.extend(content)
    blob.append_blocks += 1
    blob.touch(call.now)
    answer |= {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(blob.append_blocks)}
    return reply(201, answer | written(blob))


def _appendable(call: Call) -> Blob:
    blob = may_change(call, blob_type=APPEND)
    if blob.sealed:
        raise AzureError("BlobIsSealed")
    return blob


def seal(service: BlobService, call: Call) -> web.Response:
    """Idempotent. Moves ETag and Last-Modified when it seals."""
    blob = may_change(call, blob_type=APPEND)
    position = call.whole_number("x-ms-blob-condition-appendpos")
    if position is not None and position != blob.content.size:
        raise AzureError("AppendPositionConditionNotMet")
    if not blob.sealed:
        blob.sealed = True
        blob.touch(call.now)
    return reply(200, {**written(blob), "x-ms-blob-sealed": "true"})
