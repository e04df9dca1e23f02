"""Copy Blob, Copy Blob From URL, Abort Copy Blob.

REST: "Copy Blob" (keeps type, headers, metadata, MD5 and committed blocks, not the tags; here it completes at once,
which the page allows), "Copy Blob From URL" (block blobs up to 256 MiB), "Abort Copy Blob".
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.block_blobs import copied_tags
from sandbox.storage.call import Call, reply
from sandbox.storage.checksums import check_arrived
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.leases import Lease
from sandbox.storage.model import APPEND, BLOCK, Blob, CopyRecord
from sandbox.storage.properties import metadata_of, tags_of, written
from sandbox.storage.sources import Source, open_source
from sandbox.storage.writing import install, may_replace, set_new_tier, wanted_tier

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_SYNC = 256 << 20


def copy_blob(service: BlobService, call: Call) -> web.Response:
    source = open_source(service, call, same_account_key=True)
    tags = tags_of(call)
    fresh = _copied(call, source, tags)
    seal = call.header("x-ms-seal-blob").lower() == "true"
    if seal and fresh.type != APPEND:
        raise AzureError("InvalidBlobType")
    fresh.sealed = seal or (source.blob.sealed and not call.header("x-ms-seal-blob"))
    return _land(call, fresh, source)


def copy_blob_from_url(service: BlobService, call: Call) -> web.Response:
    source = open_source(service, call)
    if source.blob.type != BLOCK:
        raise AzureError("InvalidSourceBlobType")
    content = source.whole(MAX_SYNC)
    answer = check_arrived(call, content)
    return _land(call, _copied(call, source, copied_tags(call, source)), source, answer)


def _copied(call: Call, source: Source, tags: dict[str, str]) -> Blob:
    metadata = metadata_of(call.raw_headers)
    wanted_tier(call)
    fresh = source.blob.frozen("")
    fresh.name, fresh.lease, fresh.created, fresh.tags = call.blob_name, Lease(), call.now, tags
    fresh.metadata = metadata or fresh.metadata
    fresh.tier, fresh.tier_changed, fresh.archive_status = "", 0.0, ""
    return fresh


def _land(call: Call, fresh: Blob, source: Source, answer: dict[str, str] | None = None) -> web.Response:
    old = may_replace(call)
    if old is not None and old.type != fresh.type:
        raise AzureError("InvalidBlobType")
    fresh.touch(call.now)
    set_new_tier(call, fresh)
    plain_url = source.url.partition("?")[0]
    fresh.copy_record = CopyRecord(str(uuid.uuid4()), plain_url, "success", f"{fresh.size}/{fresh.size}", call.now)
    install(call, fresh, old)
    headers = written(fresh) | {"x-ms-copy-id": fresh.copy_record.id, "x-ms-copy-status": "success"}
    return reply(202, headers | (answer or {}))


def abort_copy(service: BlobService, call: Call) -> web.Response:
    if call.header("x-ms-copy-action").lower() != "abort":
        raise bad_header("x-ms-copy-action", call.header("x-ms-copy-action"))
    call.base_blob()
    raise AzureError("NoPendingCopyOperation")
