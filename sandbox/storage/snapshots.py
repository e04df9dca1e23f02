"""Snapshot Blob, Delete Blob, Undelete Blob.

REST: "Snapshot Blob" (a snapshot has the base's ETag and Last-Modified unless metadata is given), "Delete Blob"
(409 SnapshotsPresent without `x-ms-delete-snapshots`), "Undelete Blob", "Soft delete for blobs". Soft delete covers
deletion; the soft-deleted snapshot that Azure takes on overwrite is not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply
from sandbox.storage.conditions import check_write
from sandbox.storage.customer_keys import check_key
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.immutability import held
from sandbox.storage.model import Blob
from sandbox.storage.properties import metadata_of
from sandbox.storage.service_settings import retention_days
from sandbox.storage.stamps import http_date, iso_ticks
from sandbox.storage.versions import deleted, drop_version, keep_version
from sandbox.storage.writing import online

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService


def snapshot_blob(service: BlobService, call: Call) -> web.Response:
    metadata = metadata_of(call.raw_headers)
    blob = call.base_blob()
    blob.lease.allow_read(call.lease_id, call.now, "Blob")
    check_write(call.headers, blob)
    online(blob)
    check_key(call, blob)
    taken = take_snapshot(blob, call.now)
    keep_version(call.account, call.container, blob, call.now)
    if metadata:
        taken.metadata = metadata
        taken.touch(call.now)
    answer = {
        "x-ms-snapshot": taken.snapshot,
        "ETag": taken.etag,
        "Last-Modified": http_date(taken.last_modified),
        "x-ms-request-server-encrypted": "true" if metadata else "false",
    }
    if blob.version_id:
        answer["x-ms-version-id"] = blob.version_id
    return reply(201, answer)


def take_snapshot(blob: Blob, now: float) -> Blob:
    """Freeze `blob` and keep the result among its snapshots; times are unique and ascend."""
    taken = blob.frozen(iso_ticks(now, blob.snapshots[-1].snapshot if blob.snapshots else ""))
    blob.snapshots.append(taken)
    return taken


def delete_blob(service: BlobService, call: Call) -> web.Response:
    if call.query.get("deletetype"):
        raise AzureError("FeatureNotModelled", details={"Feature": "deletetype=permanent"})
    option = call.header("x-ms-delete-snapshots").lower()
    if option not in ("", "include", "only"):
        raise bad_header("x-ms-delete-snapshots", option)
    blob = call.any_blob()
    check_write(call.headers, blob)
    if held(call.container, blob, call.now):
        raise AzureError("BlobImmutableDueToPolicy")
    kept = retention_days(call.account) > 0
    headers = {"x-ms-delete-type-permanent": "false" if kept else "true"}
    if version := call.query.get("versionid"):
        drop_version(call.container, call.blob_name, version)
        return reply(202, headers)
    if "snapshot" in call.query:
        if option:
            raise bad_header("x-ms-delete-snapshots", option)
        _drop_snapshots(call, [blob], kept)
        return reply(202, headers)
    blob.lease.allow_write(call.lease_id, call.now, "Blob")
    if option == "only":
        _drop_snapshots(call, list(blob.snapshots), kept)
        return reply(202, headers)
    if blob.snapshots and option != "include":
        raise AzureError("SnapshotsPresent")
    _drop_snapshots(call, list(blob.snapshots), kept)
    if deleted(call.account, call.container, blob):
        call.container.remove(blob.name)
        return reply(202, headers)
    blob.deleted_at = call.now
    call.container.remove(blob.name, keep=[blob] if kept else None)
    return reply(202, headers)


def _drop_snapshots(call: Call, dropped: list[Blob], kept: bool) -> None:
    container = call.container
    base = container.find(call.blob_name)
    if base is None or not dropped:
        return
    base.snapshots = [one for one in base.snapshots if one not in dropped]
    if kept:
        for one in dropped:
            one.deleted_at = call.now
        container.deleted.setdefault(base.name, []).extend(dropped)


def undelete_blob(service: BlobService, call: Call) -> web.Response:
    container = call.container
    gone = container.deleted.get(call.blob_name, [])
    base = container.find(call.blob_name)
    if base is None:
        base = next((one for one in reversed(gone) if not one.snapshot), None)
        if base is None:
            raise AzureError("BlobNotFound")
        base.deleted_at = 0.0
    back = [one for one in gone if one.snapshot]
    for one in back:
        one.deleted_at = 0.0
    base.snapshots = sorted([*base.snapshots, *back], key=lambda one: one.snapshot)
    container.add(base)
    container.deleted.pop(base.name, None)
    return reply(200)
