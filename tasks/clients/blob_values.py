"""SDK values of the blob data plane turned into ours, and back. No request is made here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mappings.objects import AccessPolicy, BlobType, HttpHeaders, ListedObject

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContentSettings


def policy_of(identifier: Any) -> AccessPolicy:
    """Our value for a stored access policy."""
    policy = identifier.access_policy
    if policy is None:
        return AccessPolicy(str(identifier.id))
    return AccessPolicy(
        str(identifier.id), str(policy.start or ""), str(policy.expiry or ""), str(policy.permission or "")
    )


def listed(item: BlobProperties) -> ListedObject:
    """Our value for one entry of a listing, or for the answer to Get Blob Properties."""
    kind = getattr(item.blob_type, "value", item.blob_type)
    tier = item.blob_tier
    return ListedObject(
        name=str(item.name),
        snapshot=str(item.snapshot or ""),
        blob_type=BlobType(str(kind)),
        size=int(item.size),
        # Listings carry the ETag without quotes, headers with them.
        etag=f'"{str(item.etag).strip(chr(34))}"',
        last_modified=item.last_modified,
        headers=headers_of(item.content_settings),
        metadata=_texts(item.metadata),
        tags=_texts(item.tags),
        tier=str(getattr(tier, "value", tier) or ""),
        tier_inferred=bool(item.blob_tier_inferred),
        archive_status=str(item.archive_status or ""),
        created=item.creation_time,
        sequence_number=int(item.page_blob_sequence_number or 0),
        sealed=bool(item.is_append_blob_sealed),
        lease_status=str(item.lease.status or ""),
        encryption_scope=str(item.encryption_scope or ""),
        customer_key=bool(getattr(item, "encryption_key_sha256", None)),
        key_sha256=str(getattr(item, "encryption_key_sha256", None) or ""),
        version_id=str(item.version_id or "") if not item.snapshot else "",
        previous=bool(item.version_id and not item.snapshot and not item.is_current_version),
    )


def _texts(values: Mapping[str, str] | None) -> dict[str, str]:
    return {str(key): str(value or "") for key, value in (values or {}).items()}


def headers_of(settings: ContentSettings) -> HttpHeaders:
    """The stored headers of an entry."""
    return HttpHeaders(
        content_type=settings.content_type or "",
        content_encoding=settings.content_encoding or "",
        content_language=settings.content_language or "",
        content_disposition=settings.content_disposition or "",
        cache_control=settings.cache_control or "",
        content_md5=bytes(settings.content_md5 or b""),
    )


def settings_of(headers: HttpHeaders) -> ContentSettings:
    """The SDK's value for stored headers; an unset one stays unset."""
    from azure.storage.blob import ContentSettings

    return ContentSettings(
        content_type=headers.content_type or None,
        content_encoding=headers.content_encoding or None,
        content_language=headers.content_language or None,
        content_disposition=headers.content_disposition or None,
        cache_control=headers.cache_control or None,
        content_md5=bytearray(headers.content_md5) if headers.content_md5 else None,
    )
