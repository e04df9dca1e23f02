"""Stored HTTP headers, metadata and index tags: read from requests, shown in responses.

REST: "Put Blob", "Set Blob Properties", "Naming and referencing metadata" (C# identifiers, ASCII values, 8 KiB),
"Set Blob Tags" (10 tags, key 1-128, value 0-256 characters of a closed set), "Get Blob" and "Get Blob Properties".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from sandbox.storage.call import Call, RawHeaders
from sandbox.storage.customer_keys import key_headers
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.model import APPEND, BLOCK, PAGE, Account, Blob
from sandbox.storage.stamps import http_date

STORED: Mapping[str, str] = {
    "Content-Type": "x-ms-blob-content-type",
    "Content-Encoding": "x-ms-blob-content-encoding",
    "Content-Language": "x-ms-blob-content-language",
    "Content-Disposition": "x-ms-blob-content-disposition",
    "Cache-Control": "x-ms-blob-cache-control",
    "Content-MD5": "x-ms-blob-content-md5",
}
_PLAIN = ("Content-Type", "Content-Encoding", "Content-Language", "Cache-Control")
DEFAULT_TYPE = "application/octet-stream"
_IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")
_TAG_TEXT = re.compile(r"[a-zA-Z0-9 +\-./:=_]*\Z")
_META = b"x-ms-meta-"
MAX_METADATA = 8 * 1024


def stored_headers(call: Call, *, plain: bool = False) -> dict[str, str]:
    """The stored headers that the request sets. `plain`: Put Blob takes Content-Type and its kin as well.

    Raises:
        AzureError: 400 InvalidMd5.
    """
    headers = call.headers
    found = {name: headers[blob_name] for name, blob_name in STORED.items() if headers.get(blob_name)}
    if plain:
        for name in _PLAIN:
            if name not in found and headers.get(name):
                found[name] = headers[name]
    if md5 := found.get("Content-MD5"):
        check_md5_form(md5)
    return found


def check_md5_form(text: str) -> None:
    try:
        good = len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        good = False
    if not good:
        raise AzureError("InvalidMd5")


def metadata_of(raw: RawHeaders) -> dict[str, str]:
    """Metadata in the request, names as they were sent.

    Raises:
        AzureError: 400 InvalidMetadata, EmptyMetadataKey or MetadataTooLarge.
    """
    found: dict[str, str] = {}
    total = 0
    for raw_name, raw_value in raw:
        if raw_name[:10].lower() != _META:
            continue
        try:
            name, value = raw_name[10:].decode("ascii"), raw_value.decode("ascii").strip()
        except UnicodeDecodeError:
            raise AzureError("InvalidMetadata") from None
        if not name:
            raise AzureError("EmptyMetadataKey")
        if not _IDENTIFIER.match(name):
            raise AzureError("InvalidMetadata")
        found[name] = f"{found[name]},{value}" if name in found else value
        total += len(name) + len(value)
    if total > MAX_METADATA:
        raise AzureError("MetadataTooLarge")
    return found


def tags_of(call: Call) -> dict[str, str]:
    """Tags in `x-ms-tags`, which a SAS must be allowed to set.

    Raises:
        AzureError: 400 for tags that the service does not take, 403 without the permission.
    """
    text = call.header("x-ms-tags")
    if not text:
        return {}
    if not call.grant.may("t"):
        raise AzureError("AuthorizationPermissionMismatch")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise bad_header("x-ms-tags", text) from None
    return checked_tags(pairs)


def checked_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for name, value in pairs:
        if not name:
            raise AzureError("EmptyTagName")
        if name in tags:
            raise AzureError("DuplicateTagNames")
        if len(name) > 128 or len(value) > 256 or len(pairs) > 10:
            raise AzureError("TagsTooLarge")
        if not _TAG_TEXT.match(name) or not _TAG_TEXT.match(value):
            raise AzureError("InvalidTag")
        tags[name] = value
    return tags


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


def written(blob: Blob) -> dict[str, str]:
    """What every write answers."""
    headers = {
        "ETag": blob.etag,
        "Last-Modified": http_date(blob.last_modified),
        "x-ms-request-server-encrypted": "true",
        **key_headers(blob),
    }
    if blob.version_id:
        headers["x-ms-version-id"] = blob.version_id
    if blob.encryption_scope:
        headers["x-ms-encryption-scope"] = blob.encryption_scope
    return headers


def shown(account: Account, blob: Blob, now: float) -> dict[str, str]:
    """The response headers of Get Blob and Get Blob Properties, but for length and range."""
    headers = {
        "Content-Type": DEFAULT_TYPE,
        **blob.headers,
        "ETag": blob.etag,
        "Last-Modified": http_date(blob.last_modified),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": blob.type,
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-server-encrypted": "true",
        **metadata_headers(blob.metadata),
    }
    if blob.type == PAGE:
        headers["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    elif blob.type == APPEND:
        headers["x-ms-blob-committed-block-count"] = str(blob.append_blocks)
        if blob.sealed:
            headers["x-ms-blob-sealed"] = "true"
    if blob.tags:
        headers["x-ms-tag-count"] = str(len(blob.tags))
    if blob.version_id:
        headers["x-ms-version-id"] = blob.version_id
        if not blob.previous:
            headers["x-ms-is-current-version"] = "true"
    if blob.encryption_scope:
        headers["x-ms-encryption-scope"] = blob.encryption_scope
    headers.update(key_headers(blob))
    if not blob.snapshot and not blob.previous:
        headers.update(blob.lease.headers(now))
    if record := blob.copy_record:
        headers |= {
            "x-ms-copy-id": record.id,
            "x-ms-copy-source": record.source,
            "x-ms-copy-status": record.status,
            "x-ms-copy-progress": record.progress,
            "x-ms-copy-completion-time": http_date(record.completed),
        }
    headers.update(_tier_headers(account, blob))
    return headers


def _tier_headers(account: Account, blob: Blob) -> dict[str, str]:
    if blob.type != BLOCK or not account.tiered:
        return {}
    if not blob.tier:
        return {"x-ms-access-tier": account.default_tier, "x-ms-access-tier-inferred": "true"}
    headers = {"x-ms-access-tier": blob.tier}
    if blob.tier_changed:
        headers["x-ms-access-tier-change-time"] = http_date(blob.tier_changed)
    if blob.archive_status:
        headers["x-ms-archive-status"] = blob.archive_status
        headers["x-ms-rehydrate-priority"] = blob.rehydrate_priority
    return headers
