"""Hollis County (invented): its tenant, its three subscriptions and its resource groups."""

from __future__ import annotations

from sandbox.estates.building import Group
from sandbox.estates.model import SubscriptionSpec

TENANT = "0f6d2a9c-41b7-4c3e-8a55-2e9b7d1c4f10"
PROD = "5b1f2c7e-0d3a-4e8b-9c41-7a2d6f9e1001"
CSP = "8c94d0b2-6e57-4f1a-b3d8-15e07c2a4002"
LAB = "e2a7f316-94cd-4b60-8d1f-c05b3e8d7003"

SUBSCRIPTIONS = (
    SubscriptionSpec(PROD, "Hollis County Production", "EnterpriseAgreement_2014-09-01"),
    SubscriptionSpec(CSP, "Hollis County Public Services (CSP)", "CSP_2015-05-01"),
    SubscriptionSpec(LAB, "Hollis County Lab", "PayAsYouGo_2014-09-01"),
)


def _tags(dept: str, env: str, **more: str) -> dict[str, str]:
    return {"dept": dept, "env": env, "costcenter": f"HC-{len(dept):02d}{len(env)}0", **more}


HUB = Group(PROD, "rg-network-hub", "eastus2", _tags("IT", "prod"))
RECORDS = Group(PROD, "rg-records-prod", "eastus", _tags("Clerk", "prod", dataclass="public-record"))
WEB = Group(PROD, "rg-web-prod", "East US", _tags("IT", "prod"))
GIS = Group(PROD, "rg-gis-prod", "East US 2", _tags("GIS", "prod", owner="Priya Natarajan"))
MONITORING = Group(PROD, "rg-monitoring", "centralus", _tags("IT", "prod"))
BACKUP = Group(PROD, "rg-backup", "Central US", _tags("IT", "prod"))
SHERIFF = Group(PROD, "rg-sheriff-evidence", "eastus2", _tags("Sheriff", "prod", dataclass="CJI"))
DISPATCH = Group(PROD, "rg-cjis-dispatch", "eastus2", _tags("Sheriff", "prod"))
CLASSIC = Group(PROD, "hollispermits", "East US", {})
CLASSIC_STORAGE = Group(PROD, "Default-Storage-EastUS", "eastus", {})
PUBLIC = Group(CSP, "rg-publicservices", "centralus", _tags("Public Works", "prod"))
COURTS = Group(CSP, "rg-courts", "southcentralus", _tags("Courts", "prod", dataclass="sealed"))
HEALTH = Group(CSP, "rg-health", "West US", _tags("Health", "prod", dataclass="PHI"))
DESKTOPS = Group(CSP, "rg-desktops", "westus3", _tags("IT", "prod"))
LAB_DATA = Group(LAB, "rg-lab-data", "westus2", _tags("IT", "lab"))
LAB_APPS = Group(LAB, "RG-Lab-Apps", "West US 2", _tags("IT", "lab"))
LEGACY = Group(LAB, "legacy-2016", "North Central US", _tags("IT", "retired?"))
AKS_NODES = Group(
    CSP,
    "MC_rg-publicservices_aks-hollis_centralus",
    "centralus",
    {},
    managed_by=PUBLIC.id_of("Microsoft.ContainerService/managedClusters", "aks-hollis"),
)
WATCHERS = Group(PROD, "NetworkWatcherRG", "eastus", {})

GROUPS = (
    HUB,
    RECORDS,
    WEB,
    GIS,
    MONITORING,
    BACKUP,
    SHERIFF,
    DISPATCH,
    CLASSIC,
    CLASSIC_STORAGE,
    PUBLIC,
    COURTS,
    HEALTH,
    DESKTOPS,
    LAB_DATA,
    LAB_APPS,
    LEGACY,
    AKS_NODES,
    WATCHERS,
)
DENIED = (SHERIFF,)
"""The inventory identity may not read these."""
