"""A customer whose data is only measured: blobs of two tiers, a database, a server without a configured size."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.estates.content import literal
from sandbox.estates.model import AccountSpec, BlobSpec, CloudSpec, ContainerSpec, Estate, SubscriptionSpec
from tests.controlplane import estate

MAIN = estate.MAIN
_ACCOUNT = "meterdata"
HOT, COOL = b"h" * 1000, b"c" * 234


def _put(kind: str, name: str, group: str = "rg-data", **more: Any) -> dict[str, Any]:
    return estate.resource(MAIN, group, kind, name, **more)


_BLOBS = (
    BlobSpec("a", literal(HOT.decode()), tier="Hot"),
    BlobSpec("b", literal(COOL.decode()), tier="Cool", earlier=(literal("x" * 10),)),
)
RESOURCES = (
    {
        **_put(
            "Microsoft.Storage/storageAccounts",
            _ACCOUNT,
            properties={
                "primaryEndpoints": {s: f"https://{_ACCOUNT}.{s}.core.windows.net/" for s in ("blob", "queue")}
            },
        ),
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
    },
    _put("Microsoft.Sql/servers", "sql1"),
    {
        **_put("Microsoft.Sql/servers/databases", "sql1/db1", properties={"maxSizeBytes": 1000_000}),
        "id": f"/subscriptions/{MAIN}/resourceGroups/rg-data/providers/Microsoft.Sql/servers/sql1/databases/db1",
    },
    _put("Microsoft.DocumentDB/databaseAccounts", "cosmos1"),
)
COMMERCIAL = CloudSpec(
    name="AzureCloud",
    tenant_id=estate.SOURCE_TENANT,
    client_id=estate.COMMERCIAL.client_id,
    client_secret="source-secret",
    subscriptions=(SubscriptionSpec(MAIN, "County Main"),),
    locations=("eastus",),
    groups=(estate._group(MAIN, "rg-data"), estate._group(MAIN, "rg-closed")),
    resources=RESOURCES,
    denied=(estate.CLOSED_GROUP,),
    accounts=(AccountSpec(_ACCOUNT, base64.b64encode(b"k" * 64).decode(), containers=(ContainerSpec("c", _BLOBS),)),),
)
ESTATE = Estate("metered", COMMERCIAL, estate.GOVERNMENT)
