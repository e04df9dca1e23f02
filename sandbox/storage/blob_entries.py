"""One blob in a List Blobs page. REST: "List Blobs", response body."""

from __future__ import annotations

from sandbox.storage.blob_reads import tag_set
from sandbox.storage.markup import element, escaped, named
from sandbox.storage.model import APPEND, BLOCK, PAGE, Account, Blob
from sandbox.storage.properties import DEFAULT_TYPE
from sandbox.storage.service_settings import retention_days
from sandbox.storage.stamps import http_date

_DAY = 86400.0


class Include:
    """What a listing is asked to show."""

    __slots__ = (
        "account", "copy", "days", "deleted", "holds", "metadata", "now", "policies", "snapshots", "tags",
        "uncommitted", "versions",
    )  # fmt: skip

    def __init__(self, account: Account, now: float, parts: frozenset[str]) -> None:
        self.account, self.now = account, now
        self.snapshots, self.metadata = "snapshots" in parts, "metadata" in parts
        self.tags, self.copy = "tags" in parts, "copy" in parts
        self.deleted, self.uncommitted = "deleted" in parts, "uncommittedblobs" in parts
        self.versions = "versions" in parts
        self.policies, self.holds = "immutabilitypolicy" in parts, "legalhold" in parts
        self.days = retention_days(account) if self.deleted else 0


def blob_entry(blob: Blob, include: Include) -> str:
    blob.settle(include.now)
    parts = [named("Name", blob.name)]
    if blob.deleted_at:
        parts.append("<Deleted>true</Deleted>")
    if blob.snapshot:
        parts.append(f"<Snapshot>{blob.snapshot}</Snapshot>")
    if blob.version_id:
        parts.append(f"<VersionId>{blob.version_id}</VersionId>")
        if not blob.previous:
            parts.append("<IsCurrentVersion>true</IsCurrentVersion>")
    parts.append(f"<Properties>{_properties(blob, include)}</Properties>")
    if include.metadata and blob.key_sha256:
        parts.append('<Metadata Encrypted="true" />')
    elif include.metadata:
        inner = "".join(element(name, value) for name, value in blob.metadata.items())
        parts.append(f"<Metadata>{inner}</Metadata>")
    if include.tags and blob.tags:
        parts.append(f"<Tags>{tag_set(blob.tags)}</Tags>")
    parts.append("<OrMetadata />")
    return f"<Blob>{''.join(parts)}</Blob>"


def is_directory(blob: Blob) -> bool:
    """Whether a blob of a hierarchical namespace is a directory ("Known issues with Azure Data Lake Storage")."""
    return blob.metadata.get("hdi_isfolder", "").lower() == "true"


def _properties(blob: Blob, include: Include) -> str:
    headers = blob.headers
    parts = [
        f"<Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.last_modified)}</Last-Modified><Etag>{blob.etag[1:-1]}</Etag>"
        f"<Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{escaped(headers.get('Content-Type', DEFAULT_TYPE))}</Content-Type>"
    ]
    for name in ("Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control", "Content-Disposition"):
        parts.append(f"<{name}>{escaped(headers.get(name, ''))}</{name}>")
    parts.append(f"<BlobType>{blob.type}</BlobType>")
    if blob.type == PAGE:
        parts.append(f"<x-ms-blob-sequence-number>{blob.sequence_number}</x-ms-blob-sequence-number>")
    elif blob.type == BLOCK:
        parts.append(_tier(blob, include.account))
    elif blob.type == APPEND and blob.sealed:
        parts.append("<Sealed>true</Sealed>")
    if include.account.hierarchical:
        parts.append(f"<ResourceType>{'directory' if is_directory(blob) else 'file'}</ResourceType>")
    if not blob.snapshot and not blob.previous:
        lease = blob.lease.headers(include.now)
        parts.append(f"<LeaseStatus>{lease['x-ms-lease-status']}</LeaseStatus>")
        parts.append(f"<LeaseState>{lease['x-ms-lease-state']}</LeaseState>")
        if "x-ms-lease-duration" in lease:
            parts.append(f"<LeaseDuration>{lease['x-ms-lease-duration']}</LeaseDuration>")
    if include.copy and blob.copy_record:
        parts.append(_copy(blob))
    parts.append("<ServerEncrypted>true</ServerEncrypted>")
    if blob.key_sha256:
        parts.append(f"<CustomerProvidedKeySha256>{blob.key_sha256}</CustomerProvidedKeySha256>")
    if blob.encryption_scope:
        parts.append(element("EncryptionScope", blob.encryption_scope))
    if include.policies and blob.immutable_until:
        mode = "locked" if blob.immutable_locked else "unlocked"
        parts.append(f"<ImmutabilityPolicyUntilDate>{http_date(blob.immutable_until)}</ImmutabilityPolicyUntilDate>")
        parts.append(f"<ImmutabilityPolicyMode>{mode}</ImmutabilityPolicyMode>")
    if include.holds and blob.legal_hold:
        parts.append("<LegalHold>true</LegalHold>")
    if blob.tags:
        parts.append(f"<TagCount>{len(blob.tags)}</TagCount>")
    if blob.deleted_at:
        left = max(int(include.days - (include.now - blob.deleted_at) / _DAY), 0)
        parts.append(f"<DeletedTime>{http_date(blob.deleted_at)}</DeletedTime>")
        parts.append(f"<RemainingRetentionDays>{left}</RemainingRetentionDays>")
    return "".join(parts)


def _tier(blob: Blob, account: Account) -> str:
    if not account.tiered:
        return ""
    if not blob.tier:
        return f"<AccessTier>{account.default_tier}</AccessTier><AccessTierInferred>true</AccessTierInferred>"
    text = f"<AccessTier>{blob.tier}</AccessTier>"
    if blob.tier_changed:
        text += f"<AccessTierChangeTime>{http_date(blob.tier_changed)}</AccessTierChangeTime>"
    if blob.archive_status:
        text += (
            f"<ArchiveStatus>{blob.archive_status}</ArchiveStatus>"
            f"<RehydratePriority>{blob.rehydrate_priority}</RehydratePriority>"
        )
    return text


def _copy(blob: Blob) -> str:
    record = blob.copy_record
    if record is None:
        return ""
    return (
        f"<CopyId>{record.id}</CopyId>{element('CopySource', record.source)}<CopyStatus>{record.status}</CopyStatus>"
        f"<CopyProgress>{record.progress}</CopyProgress>"
        f"<CopyCompletionTime>{http_date(record.completed)}</CopyCompletionTime>"
    )
