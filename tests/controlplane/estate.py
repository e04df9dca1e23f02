"""A small customer for the control-plane tests: two subscriptions, a closed group, and a Government that lags."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.estates import skus
from sandbox.estates.model import AccountSpec, CloudSpec, Estate, ManagementGroupSpec, ProviderSpec, SubscriptionSpec

SOURCE_TENANT = "11111111-1111-1111-1111-111111111111"
TARGET_TENANT = "22222222-2222-2222-2222-222222222222"
MAIN = "aaaaaaaa-0000-0000-0000-000000000001"
CROWDED = "aaaaaaaa-0000-0000-0000-000000000002"
TARGET = "bbbbbbbb-0000-0000-0000-000000000001"
DISABLED = "bbbbbbbb-0000-0000-0000-000000000002"
CLOSED_GROUP = f"/subscriptions/{MAIN}/resourceGroups/rg-closed"
UNLISTED_GROUP = f"/subscriptions/{MAIN}/resourceGroups/rg-hidden"
MANY = 1203
"""More than one page of either lister."""
STORAGE_VERSIONS = ("2026-09-01", "2025-06-01", "2024-01-01", "2023-01-01")
GOV_STORAGE_VERSIONS = ("2025-06-01", "2025-06-01-preview", "2024-01-01", "2023-01-01")
_KEY = base64.b64encode(b"k" * 64).decode()


def _group(subscription: str, name: str, location: str = "eastus") -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": {"team": "it"},
        "properties": {"provisioningState": "Succeeded"},
    }


def resource(subscription: str, group: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}",
        "name": name,
        "type": kind,
        "location": "eastus",
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
        **more,
    }


def _account(subscription: str, group: str, name: str, suffix: str, location: str = "eastus") -> dict[str, Any]:
    properties = {
        "provisioningState": "Succeeded",
        "primaryEndpoints": {"blob": f"https://{name}.blob.{suffix}/"},
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": True,
        "supportsHttpsTrafficOnly": True,
        "accessTier": "Cool",
    }
    body = resource(subscription, group, "Microsoft.Storage/storageAccounts", name, properties=properties)
    return {**body, "kind": "StorageV2", "sku": {"name": "Standard_GRS", "tier": "Standard"}, "location": location}


def _provider(namespace: str, **types: tuple[str, ...]) -> ProviderSpec:
    return ProviderSpec(namespace, {name: ((), versions) for name, versions in types.items()})


_NIC = resource(
    MAIN,
    "rg-app",
    "Microsoft.Network/networkInterfaces",
    "nic1",
    properties={"subnet": {"id": f"{UNLISTED_GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/s"}},
)
_CLASSIC = resource(
    MAIN,
    "rg-app",
    "Microsoft.ClassicStorage/storageAccounts",
    "oldstore",
    properties={"accountType": "Standard-GRS", "endpoints": ["https://oldstore.blob.core.windows.net/"]},
)
ROLE, POLICY, LOCK = (
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/policyAssignments",
    ("Microsoft.Authorization/locks"),
)
GROUP = "county"
_AT_GROUP = f"/providers/Microsoft.Management/managementGroups/{GROUP}"
GOVERNANCE = tuple(
    {"id": f"{scope}/providers/{kind}/{name}", "name": name, "type": kind, "properties": {"scope": scope}}
    for scope, kind, name in (
        (_AT_GROUP, ROLE, "above"),
        (_AT_GROUP, POLICY, "allowed-regions"),
        (f"/subscriptions/{MAIN}", ROLE, "reader"),
        (f"/subscriptions/{MAIN}/resourceGroups/rg-app", ROLE, "writer"),
        (f"/subscriptions/{MAIN}/resourceGroups/rg-app", LOCK, "keep"),
        (f"/subscriptions/{CROWDED}", POLICY, "tags"),
    )
)
_NETWORK = _provider("Microsoft.Network", networkInterfaces=("2024-05-01",), virtualNetworks=("2024-05-01",))
_CLASSIC_STORAGE = _provider("Microsoft.ClassicStorage", storageAccounts=("2016-11-01",))
_RESOURCES = _provider("Microsoft.Resources", resourceGroups=("2025-04-01", "2021-04-01"), resources=("2021-04-01",))

COMMERCIAL = CloudSpec(
    name="AzureCloud",
    tenant_id=SOURCE_TENANT,
    client_id="33333333-3333-3333-3333-333333333333",
    client_secret="source-secret",
    subscriptions=(
        SubscriptionSpec(MAIN, "County Main", quota_id="CSP_2015-05-01"),
        SubscriptionSpec(CROWDED, "County Crowded"),
    ),
    locations=("eastus", "westus"),
    providers=(
        _RESOURCES,
        _provider("Microsoft.Storage", storageAccounts=STORAGE_VERSIONS),
        _NETWORK,
        _CLASSIC_STORAGE,
    ),
    groups=(
        _group(MAIN, "rg-app"),
        _group(MAIN, "rg-empty"),
        _group(MAIN, "rg-closed"),
        _group(CROWDED, "rg-many"),
    ),
    resources=(
        _account(MAIN, "rg-app", "countydata", "core.windows.net"),
        _CLASSIC,
        _NIC,
        resource(MAIN, "rg-closed", "Microsoft.Network/virtualNetworks", "secret-net"),
        *GOVERNANCE,
        resource(MAIN, "rg-hidden", "Microsoft.Network/virtualNetworks", "v"),
        *(resource(CROWDED, "rg-many", "Microsoft.Network/virtualNetworks", f"net{n:04}") for n in range(MANY)),
    ),
    denied=(CLOSED_GROUP, UNLISTED_GROUP),
    management_groups=(
        ManagementGroupSpec("tenant"),
        ManagementGroupSpec(GROUP, parent="tenant", subscriptions=(MAIN, CROWDED)),
    ),
    accounts=(AccountSpec("countydata", _KEY), AccountSpec("oldstore", _KEY, classic=True)),
)
GOVERNMENT = CloudSpec(
    name="AzureUSGovernment",
    tenant_id=TARGET_TENANT,
    client_id="44444444-4444-4444-4444-444444444444",
    client_secret="target-secret",
    subscriptions=(
        SubscriptionSpec(TARGET, "Gov Landing", quota_id="CSP_2015-05-01"),
        SubscriptionSpec(DISABLED, "Gov Closed Down", state="Disabled"),
    ),
    locations=("usgovvirginia", "usgovarizona"),
    providers=(
        _RESOURCES,
        ProviderSpec(
            "Microsoft.Storage",
            {
                # Offered in a region that the policy "allowed locations" denies.
                "storageAccounts": (("USGov Virginia", "USGov Arizona", "USDoD East"), GOV_STORAGE_VERSIONS),
                "skus": ((), GOV_STORAGE_VERSIONS),
            },
        ),
    ),
    groups=(_group(TARGET, "rg-strayed", "usgovvirginia"),),
    # An account whose endpoint is of the other cloud: no real ARM says so, and nothing may be written there.
    resources=(
        _account(TARGET, "rg-strayed", "strayed", "core.windows.net", "usgovvirginia"),
        *skus.assignments(TARGET, "county-gov"),
    ),
    management_groups=(ManagementGroupSpec("county-gov", subscriptions=(TARGET,)),),
    offer=skus.government(TARGET),
    taken_names=("takenname",),
)
ESTATE = Estate("control-plane", COMMERCIAL, GOVERNMENT)
