"""What all writes on a blob share: lease, conditions, archive, overwrite permission, installation.

REST: "Put Blob", "Lease Blob" (writes on a leased blob), "Set Blob Tier" (an archived blob can be read or written by
nothing but tier, tags, copy out and delete).
"""

from __future__ import annotations

import re

from sandbox.storage.call import Call
from sandbox.storage.conditions import check_write
from sandbox.storage.customer_keys import check_key, given_key
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.immutability import allow_overwrite
from sandbox.storage.model import APPEND, BLOCK, Blob
from sandbox.storage.properties import DEFAULT_TYPE
from sandbox.storage.versions import replaced

BLOCK_TIERS = frozenset({"Hot", "Cool", "Cold", "Archive"})
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")


def online(blob: Blob) -> None:
    """Raise 409 where the blob is archived or on its way back."""
    if blob.archive_status:
        raise AzureError("BlobBeingRehydrated")
    if blob.tier == "Archive":
        raise AzureError("BlobArchived")


def may_replace(call: Call) -> Blob | None:
    """The committed blob that a creating write is about to replace, None where there is none.

    Raises:
        AzureError: lease, condition, archive or permission forbid it.
    """
    old = call.container.find(call.blob_name)
    if old is None:
        if call.lease_id:
            raise AzureError("LeaseNotPresentWithBlobOperation")
        check_write(call.headers, None, creates=True)
        return None
    old.settle(call.now)
    if not call.grant.may("w"):
        raise AzureError("UnauthorizedBlobOverwrite")
    old.lease.allow_write(call.lease_id, call.now, "Blob")
    check_write(call.headers, old, creates=True)
    online(old)
    allow_overwrite(call, old)
    return old


def may_change(call: Call, *, blob_type: str = "") -> Blob:
    """The committed base blob, which a write is about to change in place.

    Raises:
        AzureError: it does not exist, is of another type, or lease, condition or archive forbid it.
    """
    blob = call.base_blob()
    if blob_type and blob.type != blob_type:
        raise AzureError("InvalidBlobType")
    blob.lease.allow_write(call.lease_id, call.now, "Blob")
    check_write(call.headers, blob)
    online(blob)
    check_key(call, blob)
    allow_overwrite(call, blob, appends=blob_type == APPEND)
    return blob


def install(call: Call, fresh: Blob, old: Blob | None) -> None:
    """Put `fresh` in the place of `old`; lease, snapshots and creation time stay with the name.

    Raises:
        AzureError: 409 where versions of another type exist, 404 for an encryption scope that does not.
    """
    fresh.key_sha256, fresh.encryption_scope = given_key(call), wanted_scope(call)
    replaced(call.account, call.container, fresh, old, call.now)
    if old is not None:
        fresh.lease, fresh.snapshots, fresh.created = old.lease, old.snapshots, old.created
    fresh.headers.setdefault("Content-Type", DEFAULT_TYPE)
    call.container.add(fresh)


def wanted_scope(call: Call) -> str:
    """`x-ms-encryption-scope` of a write, else the container's default; "" for none.

    Raises:
        AzureError: the account has no such scope, it is disabled, or a customer-provided key is given as well.
    """
    scope = call.header("x-ms-encryption-scope")
    if not scope:
        return "" if given_key(call) else call.container.default_encryption_scope
    if given_key(call):
        raise bad_header("x-ms-encryption-scope", scope)
    if scope not in call.account.scopes:
        raise AzureError("EncryptionScopeNotFound")
    if not call.account.scopes[scope]:
        raise AzureError("DisabledEncryptionScope")
    return scope


def wanted_tier(call: Call) -> str:
    """`x-ms-access-tier` of a write that creates a block blob, "" where absent.

    Raises:
        AzureError: 400 for a tier that block blobs or this kind of account have not.
    """
    tier = call.header("x-ms-access-tier")
    if tier and (tier not in BLOCK_TIERS or not call.account.tiered):
        raise bad_header("x-ms-access-tier", tier)
    return tier


def set_new_tier(call: Call, fresh: Blob) -> None:
    if fresh.type == BLOCK and (tier := wanted_tier(call)):
        fresh.tier, fresh.tier_changed = tier, call.now


def byte_range(text: str, size: int, header: str) -> tuple[int, int]:
    """`bytes=a-b` as start and end (exclusive) within `size` bytes.

    Raises:
        AzureError: 400 for another form, 416 where it starts past the end.
    """
    match = _RANGE.match(text)
    if match is None:
        raise bad_header(header, text)
    start = int(match[1])
    end = min(int(match[2]) + 1, size) if match[2] else size
    if match[2] and int(match[2]) < start:
        raise bad_header(header, text)
    if start >= size:
        raise AzureError("InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    return start, end
