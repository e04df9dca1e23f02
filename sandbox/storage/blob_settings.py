"""Set Blob Properties, Metadata, Tags and Tier; Lease Blob.

REST: "Set Blob Properties" and "Set Blob Metadata" (move ETag and Last-Modified), "Set Blob Tags" and "Set Blob Tier"
(move neither), "Lease Blob" (neither). Rehydration out of Archive takes `BlobService.rehydration_seconds`; on Azure
it takes hours ("Rehydrate blob data from the archive tier").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply
from sandbox.storage.conditions import check_tags, check_write
from sandbox.storage.errors import AzureError, bad_header, missing_header
from sandbox.storage.leases import Lease
from sandbox.storage.markup import child_text, parsed
from sandbox.storage.model import BLOCK, PAGE, Blob
from sandbox.storage.pages import PAGE as PAGE_SIZE
from sandbox.storage.properties import checked_tags, metadata_of, stored_headers, written
from sandbox.storage.stamps import http_date
from sandbox.storage.versions import keep_version
from sandbox.storage.writing import BLOCK_TIERS, may_change

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService


def set_properties(service: BlobService, call: Call) -> web.Response:
    """What is not sent is cleared, unless the request only resizes or only moves the sequence number."""
    size = call.whole_number("x-ms-blob-content-length")
    action = call.header("x-ms-sequence-number-action")
    headers = stored_headers(call)
    blob = may_change(call, blob_type=PAGE if size is not None or action else "")
    if size is not None:
        _resize(blob, size)
    if action:
        _renumber(call, blob, action)
    if headers or (size is None and not action):
        blob.headers = headers
    blob.touch(call.now)
    answer = written(blob)
    if blob.type == PAGE:
        answer["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    return reply(200, answer)


def _resize(blob: Blob, size: int) -> None:
    if size % PAGE_SIZE:
        raise bad_header("x-ms-blob-content-length", str(size))
    if blob.pages is not None and size < blob.page_size:
        blob.pages.clear(size, blob.page_size)
    blob.page_size = size


def _renumber(call: Call, blob: Blob, action: str) -> None:
    number = call.whole_number("x-ms-blob-sequence-number")
    match action.lower(), number:
        case "increment", None:
            blob.sequence_number += 1
        case "max", int(given):
            blob.sequence_number = max(blob.sequence_number, given)
        case "update", int(given):
            blob.sequence_number = given
        case _:
            raise bad_header("x-ms-sequence-number-action", action)


def set_metadata(service: BlobService, call: Call) -> web.Response:
    metadata = metadata_of(call.raw_headers)
    blob = may_change(call)
    keep_version(call.account, call.container, blob, call.now)
    blob.metadata = metadata
    blob.touch(call.now)
    return reply(200, written(blob))


def set_tags(service: BlobService, call: Call) -> web.Response:
    document = parsed(call.body, "Tags")
    tags = checked_tags([(child_text(tag, "Key"), child_text(tag, "Value")) for tag in document.iter("Tag")])
    blob = call.any_blob() if "versionid" in call.query else call.base_blob()
    check_tags(call.headers, blob)
    blob.lease.allow_write(call.lease_id, call.now, "Blob")
    blob.tags = tags
    return reply(204)


def set_tier(service: BlobService, call: Call) -> web.Response:
    tier = call.header("x-ms-access-tier")
    if not tier:
        raise missing_header("x-ms-access-tier")
    if tier not in BLOCK_TIERS:
        raise bad_header("x-ms-access-tier", tier)
    blob = call.any_blob()
    if blob.type != BLOCK or not call.account.tiered:
        raise AzureError("InvalidBlobType")
    check_tags(call.headers, blob)
    blob.lease.allow_read(call.lease_id, call.now, "Blob")
    if blob.archive_status and tier == "Archive":
        raise AzureError("BlobBeingRehydrated")
    if blob.tier == "Archive" and tier != "Archive" and service.rehydration_seconds > 0:
        return _rehydrate(service, call, blob, tier)
    blob.tier, blob.tier_changed, blob.archive_status = tier, call.now, ""
    return reply(200)


def _rehydrate(service: BlobService, call: Call, blob: Blob, tier: str) -> web.Response:
    status = f"rehydrate-pending-to-{tier.lower()}"
    priority = call.header("x-ms-rehydrate-priority") or "Standard"
    if priority not in ("Standard", "High"):
        raise bad_header("x-ms-rehydrate-priority", priority)
    if not blob.archive_status:
        blob.rehydrate_at = call.now + service.rehydration_seconds
    elif blob.archive_status != status:
        raise AzureError("BlobBeingRehydrated")
    blob.archive_status, blob.rehydrate_priority = status, priority
    return reply(202)


def lease_blob(service: BlobService, call: Call) -> web.Response:
    blob = call.base_blob()
    check_write(call.headers, blob)
    status, answer = lease_action(call, blob.lease)
    return reply(status, {**answer, "ETag": blob.etag, "Last-Modified": http_date(blob.last_modified)})


def lease_action(call: Call, lease: Lease) -> tuple[int, dict[str, str]]:
    """Perform `x-ms-lease-action`; status and headers of the answer."""
    match call.header("x-ms-lease-action").lower():
        case "acquire":
            lease.acquire(call.headers.get("x-ms-lease-duration"), call.header("x-ms-proposed-lease-id"), call.now)
            return 201, {"x-ms-lease-id": lease.id}
        case "renew":
            lease.renew(call.lease_id, call.now)
            return 200, {"x-ms-lease-id": lease.id}
        case "change":
            lease.change(call.lease_id, call.header("x-ms-proposed-lease-id"), call.now)
            return 200, {"x-ms-lease-id": lease.id}
        case "release":
            lease.release(call.lease_id)
            return 200, {}
        case "break":
            left = lease.break_off(call.headers.get("x-ms-lease-break-period"), call.now)
            return 202, {"x-ms-lease-time": str(left)}
        case "":
            raise missing_header("x-ms-lease-action")
        case other:
            raise bad_header("x-ms-lease-action", other)
