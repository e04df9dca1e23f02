"""A small estate for tests of the sandbox itself: every kind of thing once, nothing of a customer."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sandbox.estates.model import (
    AccountSpec,
    BlobSpec,
    CloudSpec,
    ContainerSpec,
    Estate,
    ProviderSpec,
    SubscriptionSpec,
)

SOURCE = "11111111-2222-4333-8444-000000000001"
SECOND = "11111111-2222-4333-8444-000000000002"
TARGET = "99999999-2222-4333-8444-000000000001"
MANY = 130
"""Virtual networks in `rg-many`: more than ARM puts on a page."""


def key_of(name: str) -> str:
    """The account key that belongs to a name in this estate."""
    return base64.b64encode(hashlib.sha512(name.encode()).digest()).decode()


def _group(subscription: str, name: str, location: str = "eastus") -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "tags": {"dept": "permits"},
        "properties": {"provisioningState": "Succeeded"},
    }


def _resource(group: str, full_type: str, name: str, subscription: str = SOURCE, **more: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{full_type}/{name}",
        "name": name,
        "type": full_type,
        "location": "eastus",
        "tags": {"dept": "permits"},
        "properties": {"provisioningState": "Succeeded"},
        **more,
    }


def _text(word: str) -> BlobSpec:
    return BlobSpec(name=f"{word}.txt", content=word.encode, headers={"content_type": "text/plain"})


_SOURCE_VERSIONS = ("2026-09-01", "2025-01-01", "2023-05-01")
_TARGET_VERSIONS = ("2025-01-01", "2023-05-01")
_EAST, _VIRGINIA = ("East US", "West US"), ("USGov Virginia", "USGov Arizona")

ESTATE = Estate(
    name="tiny",
    commercial=CloudSpec(
        name="AzureCloud",
        tenant_id="aaaaaaaa-1111-4111-8111-111111111111",
        client_id="aaaaaaaa-0000-4000-8000-000000000001",
        client_secret="source~secret",
        subscriptions=(SubscriptionSpec(SOURCE, "tiny source"), SubscriptionSpec(SECOND, "tiny second")),
        locations=("eastus", "westus"),
        providers=(
            ProviderSpec("Microsoft.Storage", {"storageAccounts": (_EAST, _SOURCE_VERSIONS)}),
            ProviderSpec("Microsoft.ClassicCompute", {"domainNames": (_EAST, ("2020-02-01",))}),
            ProviderSpec("Microsoft.Network", {"virtualNetworks": (_EAST, ("2024-05-01",))}),
        ),
        groups=(
            _group(SOURCE, "rg-app"),
            _group(SOURCE, "rg-many"),
            _group(SOURCE, "rg-sealed"),
            _group(SECOND, "rg-second"),
        ),
        resources=(
            _resource(
                "rg-app",
                "Microsoft.Storage/storageAccounts",
                "tinysource",
                kind="StorageV2",
                sku={"name": "Standard_LRS", "tier": "Standard"},
            ),
            _resource("rg-app", "Microsoft.ClassicCompute/domainNames", "oldpermits"),
            _resource("rg-app", "Microsoft.ClassicStorage/storageAccounts", "tinyclassic"),
            _resource("rg-sealed", "Microsoft.Network/virtualNetworks", "hidden-net"),
            _resource("rg-second", "Microsoft.Network/virtualNetworks", "second-net", SECOND),
            *(_resource("rg-many", "Microsoft.Network/virtualNetworks", f"net-{i:03}") for i in range(MANY)),
        ),
        denied=(f"/subscriptions/{SOURCE}/resourceGroups/rg-sealed",),
        accounts=(
            AccountSpec(
                "tinysource",
                key_of("tinysource"),
                containers=(
                    ContainerSpec("letters", blobs=tuple(_text(word) for word in ("alpha", "beta", "gamma"))),
                    ContainerSpec("empty"),
                ),
            ),
            AccountSpec("tinyclassic", key_of("tinyclassic"), kind="Storage", classic=True),
        ),
        taken_names=("somebodyelse",),
    ),
    government=CloudSpec(
        name="AzureUSGovernment",
        tenant_id="bbbbbbbb-1111-4111-8111-111111111111",
        client_id="bbbbbbbb-0000-4000-8000-000000000001",
        client_secret="target~secret",
        subscriptions=(SubscriptionSpec(TARGET, "tiny target"),),
        locations=("usgovvirginia", "usgovarizona"),
        providers=(
            ProviderSpec("Microsoft.Storage", {"storageAccounts": (_VIRGINIA, _TARGET_VERSIONS)}),
            ProviderSpec("Microsoft.Network", {"virtualNetworks": (_VIRGINIA, ("2023-11-01",))}),
        ),
        taken_names=("somebodyelse",),
    ),
)
