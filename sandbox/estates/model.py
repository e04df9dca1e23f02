"""What a sandbox estate is made of: plain values that the two clouds are filled from at start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class BlobSpec:
    """One blob to be born in the source. `content` is called when the blob is loaded, so nothing big is kept here."""

    name: str
    content: Callable[[], bytes]
    blob_type: str = "BlockBlob"
    """`BlockBlob`, `AppendBlob` or `PageBlob` (content length a multiple of 512; runs of zero pages are left out)."""
    block_size: int = 0
    """Block blobs: 0 is one Put Blob (the service sets Content-MD5), else Put Block List of blocks of so many bytes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """`content_type`, `content_encoding`, `content_language`, `content_disposition`, `cache_control`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    tier: str = ""
    earlier: tuple[Callable[[], bytes], ...] = ()
    """Earlier contents, oldest first; each becomes a snapshot taken before the next content is written."""
    sealed: bool = False
    history: tuple[Callable[[], bytes], ...] = ()
    """Contents before the last one, oldest first; each becomes a previous version (accounts with versioning)."""
    gone: bool = False
    """Deleted at last: with versioning its last content is a previous version, and there is no current one."""
    encryption_scope: str = ""
    customer_key: str = ""
    """Base64 of the AES-256 key that it was written with."""


@dataclass(frozen=True)
class ContainerSpec:
    name: str
    blobs: Iterable[BlobSpec] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    public_access: str = ""
    """"", "blob" or "container"."""
    policies: tuple[Mapping[str, str], ...] = ()
    """Stored access policies: `id`, `start`, `expiry`, `permission`."""
    immutability: Mapping[str, Any] = field(default_factory=dict)
    """Time-based retention: `days`, `locked`, `allow_appends`, `allow_all_appends`."""
    legal_holds: tuple[str, ...] = ()
    default_scope: str = ""
    """Encryption scope of blobs that name none; "" is the account's key."""
    deny_scope_override: bool = False


@dataclass(frozen=True)
class AccountSpec:
    """A storage account on the data plane. Its ARM resource stands among the resources, unless `classic`, where that is
    of type Microsoft.ClassicStorage/storageAccounts and the data plane takes no Entra token (REST: Entra authorization
    is for accounts of the Resource Manager model only)."""

    name: str
    key: str
    """Base64, 64 bytes."""
    kind: str = "StorageV2"
    sku: str = "Standard_LRS"
    classic: bool = False
    default_tier: str = "Hot"
    containers: tuple[ContainerSpec, ...] = ()
    static_website: Mapping[str, str] = field(default_factory=dict)
    versioning: bool = False
    hierarchical: bool = False
    scopes: tuple[str, ...] = ()
    """Names of encryption scopes."""


@dataclass(frozen=True)
class SubscriptionSpec:
    id: str
    name: str
    quota_id: str = "PayAsYouGo_2014-09-01"
    state: str = "Enabled"


@dataclass(frozen=True)
class ProviderSpec:
    """One resource provider as `GET /providers` tells it: type (without namespace) -> locations and API versions."""

    namespace: str
    types: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    """type -> (location display names, API versions newest first)."""


@dataclass(frozen=True)
class ManagementGroupSpec:
    """A management group: its name (the id's last word), its parent's name ("" for the tenant's root), and what is
    directly below it."""

    name: str
    display_name: str = ""
    parent: str = ""
    subscriptions: tuple[str, ...] = ()


class Crowd(Protocol):
    """Subscriptions too full to be kept: what is in each is made when it is asked for, always the same."""

    @property
    def subscriptions(self) -> Mapping[str, int]:
        """Id in lower case -> how many resources the identity may read there; in order of id."""
        ...

    def groups(self, subscription: str) -> list[dict[str, Any]]:
        """ARM bodies of the resource groups, in order of id."""
        ...

    def resources(self, subscription: str) -> list[dict[str, Any]]:
        """Full ARM bodies of the resources that the identity may read, in order of id."""
        ...


@dataclass(frozen=True)
class OfferSpec:
    """What a cloud tells a subscription beyond its providers: SKUs, zones, registrations, policy definitions."""

    compute_skus: tuple[dict[str, Any], ...] = ()
    """ARM bodies of "Resource Skus - List"."""
    compute_versions: tuple[str, ...] = ("2019-04-01",)
    """API versions of that list; the type is not among the provider's."""
    storage_skus: tuple[dict[str, Any], ...] = ()
    """ARM bodies of the "Skus - List" of Microsoft.Storage."""
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Display name of a region -> its availability zones."""
    zonal_types: frozenset[str] = frozenset()
    """Types in lower case whose provider entry tells zones."""
    unregistered: frozenset[str] = frozenset()
    """Namespaces in lower case that the subscription has not registered."""
    definitions: tuple[dict[str, Any], ...] = ()
    """ARM bodies of policy definitions and policy set definitions, built-in ones too."""


@dataclass(frozen=True)
class CloudSpec:
    """One cloud of the sandbox."""

    name: str
    """`AzureCloud` or `AzureUSGovernment`."""
    tenant_id: str
    client_id: str
    client_secret: str
    subscriptions: tuple[SubscriptionSpec, ...]
    locations: tuple[str, ...]
    """Region names that ARM knows."""
    providers: tuple[ProviderSpec, ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    """ARM bodies of resource groups, with id."""
    resources: tuple[Mapping[str, Any], ...] = ()
    """Full ARM bodies: id, name, type, location, tags, properties, sku, kind, plan, zones, identity as they apply."""
    denied: tuple[str, ...] = ()
    """Ids of resource groups that the identity may not read: Resource Graph leaves them out in silence, as it does;
    ARM list leaves their resources out, and GET on the group or below it answers 403 AuthorizationFailed."""
    denied_subscriptions: tuple[str, ...] = ()
    """Ids of subscriptions that the identity may not read: not listed, not in Resource Graph, and 403 when asked."""
    unseen_by_graph: tuple[str, ...] = ()
    """Ids of subscriptions that ARM shows and Resource Graph does not."""
    management_groups: tuple[ManagementGroupSpec, ...] = ()
    crowd: Crowd | None = None
    accounts: tuple[AccountSpec, ...] = ()
    taken_names: tuple[str, ...] = ()
    """Storage account names that somebody else in this cloud already has."""
    offer: OfferSpec = OfferSpec()


@dataclass(frozen=True)
class Estate:
    """Both clouds of one sandbox."""

    name: str
    commercial: CloudSpec
    government: CloudSpec
