"""ARM bodies as frozen values: resources, groups, subscriptions, storage accounts of either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mappings.model import Resource, ResourceGroup, Subscription
from mappings.plan import CreateStorageAccount


@dataclass(frozen=True, slots=True)
class StorageAccountFacts:
    """What matters of a source storage account, ARM or classic."""

    id: str
    name: str
    location: str
    kind: str
    """"" for classic accounts, which have none."""
    sku: str
    blob_endpoint: str
    """With scheme, no trailing slash; "" where the account has none (premium file shares)."""
    classic: bool
    https_only: bool
    minimum_tls: str
    public_access: bool
    """Whether containers may be public; where ARM says nothing the old default, true, holds."""
    shared_key: bool
    access_tier: str
    hierarchical: bool


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """A storage account of the target."""

    id: str
    name: str
    blob_endpoint: str
    """With scheme, no trailing slash."""
    location: str
    kind: str
    sku: str
    created: bool = False
    """Whether this call made it."""
    differences: tuple[str, ...] = ()
    """Changeable settings in which an account that was there already differs from the plan; left as they are."""
    state: str = "Succeeded"
    """ARM's provisioningState."""


@dataclass(frozen=True, slots=True)
class NameCheck:
    """The service's answer about one storage account name; names are unique per cloud, not per subscription."""

    free: bool
    reason: str = ""
    """`AlreadyExists`, `AccountNameInvalid`, or ""."""
    message: str = ""


def resource_of(body: Mapping[str, Any]) -> Resource:
    """A resource from an ARM body or a Resource Graph row."""
    identifier = str(body["id"])
    return Resource(
        id=identifier,
        name=str(body.get("name") or identifier.rsplit("/", 1)[-1]),
        type=str(body.get("type") or type_in(identifier)),
        location=str(body.get("location") or ""),
        kind=str(body.get("kind") or ""),
        sku=dict(body.get("sku") or {}),
        tags={str(k): str(v) for k, v in dict(body.get("tags") or {}).items()},
        properties=_mapping(body.get("properties")),
        plan=_mapping(body.get("plan")),
        zones=tuple(str(zone) for zone in body.get("zones") or ()),
        identity=_mapping(body.get("identity")),
        subscription_id=part_of(identifier, "subscriptions"),
        resource_group=part_of(identifier, "resourcegroups"),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def part_of(identifier: str, key: str) -> str:
    """The segment after `key` (lower case) in an ARM id; "" where there is none."""
    parts = identifier.split("/")
    return next((after for name, after in pairwise(parts) if name.lower() == key), "")


def type_in(identifier: str) -> str:
    """`Namespace/type[/type]` as an ARM id spells it; of the last provider where there are several."""
    lowered = identifier.lower()
    if "/providers/" not in lowered:
        return ""
    parts = identifier[lowered.rindex("/providers/") + len("/providers/") :].split("/")
    return "/".join([parts[0], *parts[1::2]])


def group_of(body: Mapping[str, Any]) -> ResourceGroup:
    identifier = str(body["id"])
    tags = {str(k): str(v) for k, v in dict(body.get("tags") or {}).items()}
    return ResourceGroup(
        identifier, str(body["name"]), str(body["location"]), part_of(identifier, "subscriptions"), tags
    )


def subscription_of(body: Mapping[str, Any]) -> Subscription:
    return Subscription(
        id=str(body["subscriptionId"]).lower(),
        name=str(body.get("displayName") or ""),
        tenant_id=str(body.get("tenantId") or "").lower(),
        quota_id=str(dict(body.get("subscriptionPolicies") or {}).get("quotaId") or ""),
        state=str(body.get("state") or ""),
    )


def facts_of(resource: Resource) -> StorageAccountFacts:
    """A source storage account from its resource with properties.

    Classic accounts (type Microsoft.ClassicStorage/storageAccounts) tell their endpoints as a list and their SKU as
    `accountType`, e.g. `Standard-GRS` (classic storage resource provider, 2016-11-01).
    """
    props, classic = resource.properties, resource.type.lower().startswith("microsoft.classicstorage/")
    sku = str(resource.sku.get("name") or props.get("accountType") or "").replace("-", "_")
    return StorageAccountFacts(
        id=resource.id,
        name=resource.name,
        location=resource.location,
        kind=account_kind(resource.kind),
        sku=sku,
        blob_endpoint=_blob_endpoint(props),
        classic=classic,
        https_only=bool(props.get("supportsHttpsTrafficOnly", False)),
        minimum_tls=str(props.get("minimumTlsVersion") or "TLS1_0"),
        public_access=props.get("allowBlobPublicAccess") is not False,
        shared_key=props.get("allowSharedKeyAccess") is not False,
        access_tier=str(props.get("accessTier") or ""),
        hierarchical=bool(props.get("isHnsEnabled", False)),
    )


def _blob_endpoint(props: Mapping[str, Any]) -> str:
    endpoints = props.get("primaryEndpoints")
    if isinstance(endpoints, Mapping):
        return str(endpoints.get("blob") or "").rstrip("/")
    several = [str(one) for one in props.get("endpoints") or ()]
    return next((one.rstrip("/") for one in several if ".blob." in one), "")


def account_of(body: Mapping[str, Any], *, wanted: CreateStorageAccount | None = None) -> AccountInfo:
    """A target account from its ARM body, compared with what the plan wants where that is given."""
    props = _mapping(body.get("properties"))
    return AccountInfo(
        id=str(body["id"]),
        name=str(body["name"]),
        blob_endpoint=_blob_endpoint(props),
        location=str(body.get("location") or ""),
        kind=str(body.get("kind") or ""),
        sku=str(_mapping(body.get("sku")).get("name") or ""),
        differences=_differences(body, props, wanted) if wanted else (),
        state=str(props.get("provisioningState") or "Succeeded"),
    )


def fixed_differences(found: AccountInfo, wanted: CreateStorageAccount) -> tuple[str, ...]:
    """Settings that cannot be changed after creation and differ: location, kind, performance of the SKU."""
    pairs = (
        ("location", _plain(found.location), _plain(wanted.region)),
        ("kind", found.kind, account_kind(wanted.kind)),
        ("performance", found.sku.split("_")[0], wanted.sku.split("_")[0]),
    )
    return tuple(f"{name} is {have}, the plan says {want}" for name, have, want in pairs if have != want)


_KINDS = {kind.lower(): kind for kind in ("Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage")}


def account_kind(kind: str) -> str:
    """The kind as ARM's storage provider spells it; Resource Graph lowers its letters."""
    return _KINDS.get(kind.lower(), kind)


def _plain(region: str) -> str:
    return region.replace(" ", "").lower()


def _differences(body: Mapping[str, Any], props: Mapping[str, Any], wanted: CreateStorageAccount) -> tuple[str, ...]:
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("sku", _mapping(body.get("sku")).get("name"), wanted.sku),
        ("minimumTlsVersion", props.get("minimumTlsVersion", "TLS1_0"), wanted.minimum_tls),
        ("allowBlobPublicAccess", props.get("allowBlobPublicAccess") is not False, wanted.allow_public_access),
        ("allowSharedKeyAccess", props.get("allowSharedKeyAccess") is not False, wanted.allow_shared_key),
        ("supportsHttpsTrafficOnly", bool(props.get("supportsHttpsTrafficOnly", False)), wanted.https_only),
    )
    return tuple(f"{name} is {have}, the plan says {want}" for name, have, want in pairs if have != want)


def creation_body(wanted: CreateStorageAccount) -> dict[str, Any]:
    """Body of the storage account PUT (Storage Accounts - Create)."""
    properties: dict[str, Any] = {
        "minimumTlsVersion": wanted.minimum_tls,
        "allowBlobPublicAccess": wanted.allow_public_access,
        "allowSharedKeyAccess": wanted.allow_shared_key,
        "supportsHttpsTrafficOnly": wanted.https_only,
    }
    # Only these kinds have a default tier; premium ones refuse the property.
    if (
        wanted.access_tier
        and account_kind(wanted.kind) in ("StorageV2", "BlobStorage")
        and not wanted.sku.startswith("Premium")
    ):
        properties["accessTier"] = wanted.access_tier
    return {
        "location": wanted.region,
        "kind": account_kind(wanted.kind),
        "sku": {"name": wanted.sku},
        "tags": dict(wanted.tags),
        "properties": properties,
    }
