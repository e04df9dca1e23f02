"""Values of the blob data plane: what a listing says of one object, and what a copy did with it.

Source of the facts: Blob service REST, "List Blobs", "Get Blob", "Put Blob From URL", "Put Block From URL"
(learn.microsoft.com/rest/api/storageservices).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import total_ordering

from mappings.states import Change, Outcome, ProofLevel, Route

_AFTER_HISTORY = "\uffff"
"""Sorts behind every snapshot time and version id, which are ASCII."""


class BlobType(StrEnum):
    BLOCK = "BlockBlob"
    APPEND = "AppendBlob"
    PAGE = "PageBlob"


@dataclass(frozen=True, slots=True)
class HttpHeaders:
    """The five stored HTTP headers and the Content-MD5 label ("" or b"" where unset)."""

    content_type: str = ""
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    content_md5: bytes = b""
    """A label set by whoever wrote the blob; it travels, and it proves nothing."""


@total_ordering
@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Identity of one listed object inside a container; sorts as the service lists."""

    name: str
    snapshot: str = ""
    """`x-ms-snapshot` date-time of a snapshot, "" for the base blob. Snapshots of a name come before its base blob."""
    version: str = ""
    """`VersionId` of a previous version; "" for snapshots and for the base blob, which is the current version."""

    @property
    def sort_key(self) -> tuple[str, str, str]:
        """Names by code point; of one name snapshots and previous versions by time, then the base blob."""
        return (self.name, self.snapshot or self.version or _AFTER_HISTORY, self.version)

    def __lt__(self, other: ObjectKey) -> bool:
        return self.sort_key < other.sort_key


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One entry of a List Blobs page."""

    name: str
    snapshot: str
    blob_type: BlobType
    size: int
    etag: str
    """Quoted, as a header would carry it."""
    last_modified: datetime
    headers: HttpHeaders = field(default_factory=HttpHeaders)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""
    """"Hot", "Cool", "Cold", "Archive", "P10", ... ; "" where the account has none."""
    tier_inferred: bool = False
    """True where the tier is the account's default and not the blob's own."""
    archive_status: str = ""
    created: datetime | None = None
    sequence_number: int = 0
    """Page blobs only."""
    sealed: bool = False
    """Append blobs only."""
    lease_status: str = ""
    encryption_scope: str = ""
    customer_key: bool = False
    """True where the blob is under a customer-provided key (CPK)."""
    version_id: str = ""
    """`VersionId`, of the current version too; "" where the account has no versioning."""
    previous: bool = False
    """True for a previous version: a `VersionId` without `<IsCurrentVersion>true`, and no snapshot."""
    directory: bool = False
    """True for a directory of a hierarchical namespace (`ResourceType` directory, or metadata `hdi_isfolder`)."""
    key_sha256: str = ""
    """Base64 SHA-256 of the customer-provided key, as the listing tells it; "" without one."""
    immutable_until: datetime | None = None
    """Expiry of the blob's own time-based policy (version-level immutability); None where it has none."""
    immutable_locked: bool = False
    legal_hold: bool = False
    """The blob's own legal hold (version-level immutability)."""

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.name, self.snapshot, self.version_id if self.previous else "")

    @property
    def is_base(self) -> bool:
        """Neither a snapshot nor a previous version."""
        return not self.snapshot and not self.previous


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """One stored access policy of a container."""

    id: str
    start: str = ""
    expiry: str = ""
    permission: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """What a container carries besides blobs."""

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    public_access: str = ""
    """"", "blob" or "container"."""
    policies: tuple[AccessPolicy, ...] = ()
    unread: tuple[str, ...] = ()
    """Parts that the service would not show, each with why; such a part is not known to be empty."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the target service answered to a write."""

    etag: str
    last_modified: datetime | None = None
    crc64: bytes | None = None
    """`x-ms-content-crc64` (8 bytes, as sent) of the bytes of this request, None where the service sends none."""
    request_id: str = ""
    version_id: str = ""
    """`x-ms-version-id` of what was written; "" where the account has no versioning."""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One object in one manifest: what was read, what was written, how, and how strongly it is proved."""

    name: str
    snapshot: str
    blob_type: str
    size: int
    source_etag: str
    source_last_modified: datetime
    outcome: Outcome
    change: Change
    route: Route | None
    """None where no content travelled."""
    proof: ProofLevel | None
    """None where nothing of the object is at the target by us."""
    target_etag: str = ""
    target_snapshot: str = ""
    """Snapshot time that the target gave, for copied snapshots."""
    source_crc64: str = ""
    """Base64 of the CRC-64/NVME of the source bytes as read by us; "" where not read."""
    target_crc64: str = ""
    """Base64 of the CRC-64/NVME of the whole blob, composed of what the target computed; "" where it gave none."""
    sha256: str = ""
    """Hex; of the bytes that went through or were read back; "" where not computed."""
    tier: str = ""
    headers_digest: str = ""
    metadata_digest: str = ""
    tags_digest: str = ""
    reason: str = ""
    """Why excluded or failed; with the remedy."""
    code: str = ""
    """What a service, or govlift, calls the failure, e.g. "CannotVerifyCopySource"; "" where nothing failed."""
    attempts: int = 1
    started: datetime | None = None
    finished: datetime | None = None
    request_id: str = ""
    """`x-ms-request-id` of the committing request."""
    version: str = ""
    """Version id at the source, of a previous version; "" for base blobs and snapshots."""
    target_version: str = ""
    """Version id that the target gave to what was written; "" where it has no versioning."""

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.name, self.snapshot, self.version)

    @property
    def is_base(self) -> bool:
        """Neither of a snapshot nor of a previous version."""
        return not self.snapshot and not self.version


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one shard, run or migration; `listed == copied + same + excluded + failed`, or it is not proved."""

    listed: int = 0
    copied: int = 0
    same: int = 0
    excluded: int = 0
    failed: int = 0
    deleted: int = 0
    """Reported deletions and extras at the target; not part of `listed`."""
    bytes: int = 0
    """Bytes that travelled to the target."""
    pull: int = 0
    """Objects whose content travelled by pull."""
    stream: int = 0
    proof: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Objects at each proof level L0..L3, each object counted once, at its highest level."""
    azcopy: int = 0
    """Objects whose content AzCopy has brought over."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            listed=self.listed + other.listed,
            copied=self.copied + other.copied,
            same=self.same + other.same,
            excluded=self.excluded + other.excluded,
            failed=self.failed + other.failed,
            deleted=self.deleted + other.deleted,
            bytes=self.bytes + other.bytes,
            pull=self.pull + other.pull,
            stream=self.stream + other.stream,
            proof=(
                self.proof[0] + other.proof[0],
                self.proof[1] + other.proof[1],
                self.proof[2] + other.proof[2],
                self.proof[3] + other.proof[3],
            ),
            azcopy=self.azcopy + other.azcopy,
        )

    @property
    def whole(self) -> bool:
        """In = out: every listed object has exactly one outcome."""
        return self.listed == self.copied + self.same + self.excluded + self.failed
