"""The storage accounts of Hollis County as ARM shows them. What they hold: blobs.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.estates.building import Body, Group, sku
from sandbox.estates.hollis_county import subscriptions as in_

STORAGE = "Microsoft.Storage/storageAccounts"
STANDARD = ("blob", "queue", "table", "file")
V2 = (*STANDARD, "web", "dfs")
OWN_KEY = {
    "keySource": "Microsoft.Keyvault",
    "keyvaultproperties": {
        "keyvaulturi": "https://kv-hollis-courts.vault.azure.net/",
        "keyname": "storage",
        "keyversion": "",
    },
    "services": {"blob": {"enabled": True, "keyType": "Account"}, "file": {"enabled": True, "keyType": "Account"}},
}


@dataclass(frozen=True)
class Account:
    """One storage account of the Resource Manager model."""

    group: Group
    name: str
    kind: str
    sku: str
    location: str
    services: tuple[str, ...]
    more: Mapping[str, Any] = field(default_factory=dict)
    """Properties that differ from the usual ones."""

    def body(self) -> Body:
        """The ARM body."""
        tier = "Premium" if self.sku.startswith("Premium") else "Standard"
        size = sku(self.sku, tier)
        return self.group.put(STORAGE, self.name, self._properties(), location=self.location, sku=size, kind=self.kind)

    def _properties(self) -> Body:
        hosts = {service: "z13.web" if service == "web" else service for service in self.services}
        return {
            "primaryLocation": self.location.replace(" ", "").lower(),
            "statusOfPrimary": "available",
            "supportsHttpsTrafficOnly": True,
            "minimumTlsVersion": "TLS1_2",
            "allowSharedKeyAccess": True,
            "allowBlobPublicAccess": False,
            "networkAcls": {
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
            },
            "encryption": {
                "keySource": "Microsoft.Storage",
                "services": {"blob": {"enabled": True, "keyType": "Account"}},
            },
            "creationTime": "2019-03-11T14:07:31.0000000Z",
            "primaryEndpoints": {
                service: f"https://{self.name}.{host}.core.windows.net/" for service, host in hosts.items()
            },
            **self.more,
        }


RECORDS = Account(
    in_.RECORDS,
    "hollisrecords",
    "StorageV2",
    "Standard_GRS",
    "eastus",
    V2,
    {"accessTier": "Hot", "allowBlobPublicAccess": True, "secondaryLocation": "westus"},
)
GIS = Account(
    in_.GIS,
    "hollisgis",
    "Storage",
    "Standard_LRS",
    "East US 2",
    STANDARD,
    {"minimumTlsVersion": "TLS1_0", "supportsHttpsTrafficOnly": False, "allowBlobPublicAccess": True},
)
INGEST = Account(in_.PUBLIC, "hollisingest", "BlockBlobStorage", "Premium_LRS", "centralus", ("blob", "web", "dfs"))
COURTS = Account(
    in_.COURTS,
    "holliscourts",
    "StorageV2",
    "Standard_ZRS",
    "southcentralus",
    V2,
    {"accessTier": "Cool", "encryption": OWN_KEY},
)
LAKE = Account(
    in_.LAB_DATA,
    "hollislake",
    "StorageV2",
    "Standard_LRS",
    "West US 2",
    V2,
    {"accessTier": "Hot", "isHnsEnabled": True},
)
"""Hierarchical namespace; without containers, so that only its provisioning is at stake."""
PROFILES = Account(in_.DESKTOPS, "hollisprofiles", "FileStorage", "Premium_LRS", "westus3", ("file",))
"""File shares only: it has no blob endpoint."""

ACCOUNTS = (RECORDS, GIS, INGEST, COURTS, LAKE, PROFILES)
CLASSIC = "hollisclassic"


def classic_body() -> Body:
    """The ARM body of the classic account."""
    endpoints = [f"https://{CLASSIC}.{service}.core.windows.net/" for service in ("blob", "queue", "table")]
    properties = {
        "status": "Created",
        "endpoints": endpoints,
        "accountType": "Standard_GRS",
        "geoPrimaryRegion": "East US",
        "statusOfPrimaryRegion": "Available",
        "geoSecondaryRegion": "West US",
        "creationTime": "2014-06-03T15:20:00Z",
    }
    return in_.CLASSIC_STORAGE.put("Microsoft.ClassicStorage/storageAccounts", CLASSIC, properties)


def resources() -> list[Body]:
    """Every storage account that the inventory identity may read."""
    return [*(account.body() for account in ACCOUNTS), classic_body()]
