"""The plan: a frozen, content-hashed list of steps. Dry run, review and run consume this same value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mappings.filters import Filters


@dataclass(frozen=True, slots=True)
class CreateResourceGroup:
    """Make sure a resource group exists in the target subscription."""

    name: str
    region: str
    tags: Mapping[str, str] = field(default_factory=dict)
    source_id: str = ""

    @property
    def id(self) -> str:
        return f"resource-group/{self.name}"


@dataclass(frozen=True, slots=True)
class CreateStorageAccount:
    """Make sure a storage account exists with these settings."""

    name: str
    """Target name; differs from the source's where that was taken."""
    resource_group: str
    region: str
    kind: str
    sku: str
    source_id: str
    source_account: str
    access_tier: str = ""
    minimum_tls: str = "TLS1_2"
    allow_public_access: bool = False
    allow_shared_key: bool = True
    https_only: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    """Why the SKU is another one than the source has, what it keeps and loses; "" where it is the same."""
    hierarchical: bool = False
    """With a hierarchical namespace (Data Lake Storage), as the source has it."""

    @property
    def id(self) -> str:
        return f"storage-account/{self.name}"


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Make sure a container exists; its metadata, access level and policies are those of the source."""

    account: str
    name: str
    source_account: str

    @property
    def id(self) -> str:
        return f"container/{self.account}/{self.name}"


@dataclass(frozen=True, slots=True)
class SetAccount:
    """Before the copy: settings of the blob service that blobs are written under."""

    account: str
    resource_group: str
    source_account: str
    versioning: bool = False
    replay_versions: bool = False
    """Whether previous versions are copied as well, oldest first."""
    change_feed: bool = False
    change_feed_days: int = 0
    """0 keeps it without end."""
    last_access: bool = False
    default_version: str = ""
    cors: str = ""
    """JSON list of CORS rules, "" without any."""
    scopes: tuple[str, ...] = ()
    """Encryption scopes, under keys of Microsoft."""
    website: Mapping[str, str] = field(default_factory=dict)
    """Static website: "index", "error", "default"; empty where it is off."""

    @property
    def id(self) -> str:
        return f"account-settings/{self.account}"


@dataclass(frozen=True, slots=True)
class FinishAccount:
    """After verification: what deletes, or keeps what is deleted."""

    account: str
    resource_group: str
    source_account: str
    soft_delete_days: int = 0
    container_soft_delete_days: int = 0
    lifecycle: str = ""
    """JSON of the lifecycle policy, "" without one."""

    @property
    def id(self) -> str:
        return f"account-policies/{self.account}"


@dataclass(frozen=True, slots=True)
class ProtectContainer:
    """After verification, last of all: immutability of one container."""

    account: str
    resource_group: str
    source_account: str
    container: str
    days: int = 0
    lock: bool = False
    """Never undone: a locked policy can only be extended."""
    allow_appends: bool = False
    allow_all_appends: bool = False
    holds: tuple[str, ...] = ()
    holds_allow_appends: bool = False

    @property
    def id(self) -> str:
        return f"protect/{self.account}/{self.container}"


@dataclass(frozen=True, slots=True)
class CopyShard:
    """Copy one contiguous key range of one container."""

    source_account: str
    target_account: str
    container: str
    begin: str
    """First name of the range, inclusive; "" begins before every name."""
    end: str | None
    """First name after the range, exclusive; None has no end."""
    objects: int
    """Entries seen at the survey, for progress and ETA only."""
    bytes: int
    number: int
    """0, 1, ... within the container."""

    @property
    def id(self) -> str:
        return f"shard/{self.source_account}/{self.container}/{self.number:05d}"


Step = (
    CreateResourceGroup
    | CreateStorageAccount
    | CreateContainer
    | SetAccount
    | FinishAccount
    | ProtectContainer
    | CopyShard
)
AFTER_COPY = (FinishAccount, ProtectContainer)
"""Steps that wait until everything is copied and verified."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A resource that this plan does not move, and why; in = out for the plan."""

    resource_id: str
    type: str
    why: str


@dataclass(frozen=True, slots=True)
class PlannedName:
    """A name or tag that the plan's own steps would carry into the target, and that tells too much."""

    what: str
    """"resource group", "storage account" or "container"."""
    name: str
    """Name in the target; of a container `account/container`."""
    key: str
    """The tag, which the steps leave out; "" where it is the name itself, on which somebody has to decide."""
    shown: str
    """The name or the tag's value; masked where it looks personal or secret."""
    reveals: str
    word: str
    """The word or shape that was found."""
    advice: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What `migrate --plan ID --apply` will do, in order."""

    id: str
    """First 12 hex digits of `hash`."""
    hash: str
    """SHA-256 of the canonical JSON of everything below."""
    created_at: datetime
    """Not part of the hash."""
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...]
    cannot_keep: tuple[str, ...]
    """Properties that no copy can keep (creation time, Last-Modified, ...), said before the start."""
    names: tuple[PlannedName, ...] = ()
    """What names and tags of the steps reveal; `migrate` refuses while a name is neither renamed nor allowed."""
    filters: tuple[Filters, ...] = ()
    """What of the containers is taken: those of migration.toml, then those of options; each only narrows."""
    narrows: str = ""
    """Id of the plan that this one is a part of, for one run only; "" for a plan that stands for itself."""
    narrowed_to: str = ""
    """What that part is, for a reader."""

    @property
    def shards(self) -> list[CopyShard]:
        """The steps that copy, in order."""
        return [step for step in self.steps if isinstance(step, CopyShard)]
