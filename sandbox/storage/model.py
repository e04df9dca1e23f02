"""What the service remembers: accounts, containers, blobs, snapshots.

REST: "Blob service concepts", "Understanding block blobs, append blobs, and page blobs". A write through `touch` moves
ETag and Last-Modified together; Set Blob Tags and Set Blob Tier do not call it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import ClassVar

from sandbox.storage.content import Content
from sandbox.storage.leases import Lease
from sandbox.storage.pages import Pages
from sandbox.storage.stamps import new_etag

BLOCK, APPEND, PAGE = "BlockBlob", "AppendBlob", "PageBlob"
TIERED_KINDS = frozenset({"StorageV2", "BlobStorage"})


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """The last Copy Blob whose destination this blob was (`x-ms-copy-*`)."""

    id: str
    source: str
    status: str
    progress: str
    completed: float


class Blob:
    """One blob or one snapshot of it. `committed` is False while only blocks were staged."""

    __slots__ = (
        "append_blocks",
        "archive_status",
        "blocks",
        "committed",
        "content",
        "copy_record",
        "created",
        "deleted_at",
        "encryption_scope",
        "etag",
        "headers",
        "immutable_locked",
        "immutable_until",
        "key_sha256",
        "last_modified",
        "lease",
        "legal_hold",
        "metadata",
        "name",
        "page_size",
        "pages",
        "previous",
        "rehydrate_at",
        "rehydrate_priority",
        "sealed",
        "sequence_number",
        "snapshot",
        "snapshots",
        "staged",
        "tags",
        "tier",
        "tier_changed",
        "type",
        "version_id",
    )

    def __init__(self, name: str, blob_type: str, now: float) -> None:
        self.name = name
        self.type = blob_type
        self.content = Content()
        self.pages: Pages | None = None
        self.page_size = 0
        self.blocks: list[tuple[str, Content]] = []
        """Committed blocks; empty after Put Blob."""
        self.staged: dict[str, Content] = {}
        self.committed = True
        self.append_blocks = 0
        self.headers: dict[str, str] = {}
        """Content-Type, Content-Encoding, Content-Language, Content-Disposition, Cache-Control, Content-MD5."""
        self.metadata: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.tier = ""
        """Set explicitly; "" means the account's default is inferred."""
        self.tier_changed = 0.0
        self.archive_status = ""
        self.rehydrate_at = 0.0
        self.rehydrate_priority = ""
        self.sealed = False
        self.sequence_number = 0
        self.copy_record: CopyRecord | None = None
        self.lease = Lease()
        self.created = now
        self.deleted_at = 0.0
        self.snapshot = ""
        self.version_id = ""
        self.previous = False
        """Whether it is a previous version."""
        self.key_sha256 = ""
        """Base64 SHA-256 of the customer-provided key that it was written with."""
        self.encryption_scope = ""
        self.immutable_until = 0.0
        """Expiry of the blob's own time-based policy (version-level immutability), 0 without one."""
        self.immutable_locked = False
        self.legal_hold = False
        self.snapshots: list[Blob] = []
        """Oldest first; of a base blob only."""
        self.touch(now)

    def touch(self, now: float) -> None:
        """A write that moves ETag and Last-Modified."""
        self.etag = new_etag()
        self.last_modified = now

    @property
    def size(self) -> int:
        return self.page_size if self.pages is not None else self.content.size

    def read(self, start: int, end: int) -> Content:
        """Bytes `start <= i < end` of the committed content."""
        return self.pages.read(start, end) if self.pages is not None else self.content.cut(start, end)

    def frozen(self, stamp: str) -> Blob:
        """A snapshot of this blob: same bytes, same ETag and Last-Modified, no lease."""
        twin = Blob.__new__(Blob)
        for slot in Blob.__slots__:
            setattr(twin, slot, getattr(self, slot))
        twin.snapshot, twin.snapshots, twin.lease, twin.staged = stamp, [], Lease(), {}
        twin.version_id, twin.previous = "", False
        twin.headers, twin.metadata, twin.tags = dict(self.headers), dict(self.metadata), dict(self.tags)
        twin.blocks = list(self.blocks)
        twin.content = self.content.copy()
        twin.pages = self.pages.copy() if self.pages is not None else None
        return twin

    def settle(self, now: float) -> None:
        """Finish a rehydration that is due (REST: Set Blob Tier)."""
        if self.archive_status and now >= self.rehydrate_at:
            self.tier = "Cool" if self.archive_status.endswith("cool") else "Hot"
            if self.archive_status.endswith("cold"):
                self.tier = "Cold"
            self.archive_status, self.tier_changed, self.rehydrate_priority = "", self.rehydrate_at, ""


@dataclass(slots=True)
class Policy:
    """A stored access policy; times as they were written, "" where unset."""

    id: str
    start: str = ""
    expiry: str = ""
    permission: str = ""


@dataclass(slots=True)
class Immutability:
    """A container's time-based retention policy."""

    days: int
    locked: bool = False
    allow_appends: bool = False
    allow_all_appends: bool = False


class Container:
    """Blobs by name, with their names in the order in which List Blobs gives them."""

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.metadata: dict[str, str] = {}
        self.public_access = ""
        self.policies: list[Policy] = []
        self.lease = Lease()
        self.blobs: dict[str, Blob] = {}
        self.names: list[str] = []
        self.deleted: dict[str, list[Blob]] = {}
        """Soft-deleted blobs and snapshots by name, oldest first."""
        self.versions: dict[str, list[Blob]] = {}
        """Previous versions by name, oldest first."""
        self.immutability: Immutability | None = None
        self.legal_holds: tuple[str, ...] = ()
        """Tags of the container's legal hold."""
        self.holds_allow_appends = False
        self.version_level_immutability = False
        self.default_encryption_scope = ""
        self.deny_encryption_scope_override = False
        self.touch(now)

    def touch(self, now: float) -> None:
        self.etag = new_etag()
        self.last_modified = now

    def add(self, blob: Blob) -> None:
        at = bisect_left(self.names, blob.name)
        if at == len(self.names) or self.names[at] != blob.name:
            self.names.insert(at, blob.name)
        self.blobs[blob.name] = blob

    def remove(self, name: str, *, keep: list[Blob] | None = None) -> None:
        """Take the blob away; `keep` goes to the soft-deleted ones."""
        self.blobs.pop(name, None)
        if keep:
            self.deleted.setdefault(name, []).extend(keep)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Drop the name from the listing order when nothing has it any more."""
        if name in self.blobs or self.deleted.get(name) or self.versions.get(name):
            return
        self.versions.pop(name, None)
        self.deleted.pop(name, None)
        at = bisect_left(self.names, name)
        if at < len(self.names) and self.names[at] == name:
            del self.names[at]

    def find(self, name: str) -> Blob | None:
        """The committed base blob called `name`."""
        blob = self.blobs.get(name)
        return blob if blob is not None and blob.committed else None


@dataclass
class Account:
    """A storage account's data plane."""

    name: str
    key: bytes
    kind: str = "StorageV2"
    sku: str = "Standard_LRS"
    classic: bool = False
    default_tier: str = "Hot"
    allow_shared_key: bool = True
    allow_public_access: bool = False
    public_network: bool = True
    """False: clients still come in (their address is allowed), but no other account can pull from here."""
    delegation_secret: bytes = b""
    versioning: bool = False
    hierarchical: bool = False
    scopes: dict[str, bool] = field(default_factory=dict)
    """Encryption scope -> whether it is enabled."""
    containers: dict[str, Container] = field(default_factory=dict)
    being_deleted: dict[str, float] = field(default_factory=dict)
    """Container name -> when its name is free again."""
    settings: dict[str, str] = field(default_factory=dict)
    """Sections of the service properties, as XML."""

    SECTIONS: ClassVar[tuple[str, ...]] = (
        "Logging",
        "HourMetrics",
        "MinuteMetrics",
        "Cors",
        "DefaultServiceVersion",
        "DeleteRetentionPolicy",
        "StaticWebsite",
    )

    @property
    def tiered(self) -> bool:
        return self.kind in TIERED_KINDS
