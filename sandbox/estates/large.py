"""Estates as large as wanted, e.g. `large-200000-2000`: resources over subscriptions, made when they are asked for.

Every body follows from its number, so the sandbox keeps none of them. The subscriptions stand in nested management
groups; some are disabled, some closed to the identity, and one is hidden from Resource Graph. No data is behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sandbox.estates import both_clouds
from sandbox.estates.building import Body, Group, guid, sku
from sandbox.estates.model import CloudSpec, Estate, ManagementGroupSpec, SubscriptionSpec

NAME = re.compile(r"large[-:](\d+)[-:](\d+)")
ROOT = "state-of-columbia"
"""The management group above all."""
_PER_GROUP = 40
"""Resources in a resource group, at most."""
_PLACES = ("eastus", "eastus2", "centralus", "South Central US", "westus2")
_STATES = ("creating", "updating", "succeeded", "running")
_FILLING = "Kept for the records of the department. " * 12


def _machine(group: Group, name: str, number: int) -> Body:
    properties = {
        "vmId": guid("large", name),
        "hardwareProfile": {"vmSize": ("Standard_D2s_v5", "Standard_E4s_v5", "Standard_B2ms")[number % 3]},
        "storageProfile": {
            "imageReference": {
                "publisher": "MicrosoftWindowsServer",
                "offer": "WindowsServer",
                "sku": "2022-datacenter",
            },
            "osDisk": {"managedDisk": {"id": group.id_of("Microsoft.Compute/disks", f"{name}-os")}, "diskSizeGB": 127},
        },
        "osProfile": {"computerName": name[:15], "adminUsername": "operator"},
        "networkProfile": {
            "networkInterfaces": [{"id": group.id_of("Microsoft.Network/networkInterfaces", f"{name}-nic")}]
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
    }
    return group.put("Microsoft.Compute/virtualMachines", name, properties)


def _disk(group: Group, name: str, number: int) -> Body:
    properties = {
        "diskSizeGB": 64 << number % 5,
        "diskState": "Attached",
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
    }
    return group.put("Microsoft.Compute/disks", name, properties, sku=sku("Premium_LRS", "Premium"), zones=["1"])


def _card(group: Group, name: str, number: int) -> Body:
    subnet = group.id_of("Microsoft.Network/virtualNetworks/subnets", "vnet/apps")
    ip = {"privateIPAddress": f"10.{number % 200}.{number % 250}.4", "subnet": {"id": subnet}, "primary": True}
    return group.put(
        "Microsoft.Network/networkInterfaces", name, {"ipConfigurations": [{"name": "ipconfig1", "properties": ip}]}
    )


def _address(group: Group, name: str, number: int) -> Body:
    tier = "Basic" if number % 4 == 0 else "Standard"
    return group.put(
        "Microsoft.Network/publicIPAddresses", name, {"ipAddress": "203.0.113.7"}, sku=sku(tier, "Regional")
    )


def _rules(group: Group, name: str, number: int) -> Body:
    rules = [
        {"name": f"rule{at}", "properties": {"priority": 100 + at, "access": "Allow", "destinationPortRange": "443"}}
        for at in range(8)
    ]
    return group.put("Microsoft.Network/networkSecurityGroups", name, {"securityRules": rules})


def _site(group: Group, name: str, number: int) -> Body:
    settings = [
        {"name": "Vault", "value": f"https://kv-{name}.vault.azure.net/"},
        {"name": "Store", "value": f"https://st{number}.blob.core.windows.net/"},
    ]
    properties = {"defaultHostName": f"{name}.azurewebsites.net", "siteConfig": {"appSettings": settings}}
    return group.put("Microsoft.Web/sites", name, properties, kind="app,linux")


def _database(group: Group, name: str, number: int) -> Body:
    properties = {"collation": "SQL_Latin1_General_CP1_CI_AS", "maxSizeBytes": 268435456000, "description": _FILLING}
    return group.put(
        "Microsoft.Sql/servers/databases",
        f"sql-{number % 7}/{name}",
        properties,
        sku=sku("GP_S_Gen5", "GeneralPurpose", 2),
    )


def _vault(group: Group, name: str, number: int) -> Body:
    policies = [
        {
            "tenantId": guid("t"),
            "objectId": guid(name, at),
            "permissions": {"keys": ["get"], "secrets": ["get", "list"]},
        }
        for at in range(4)
    ]
    return group.put(
        "Microsoft.KeyVault/vaults", name, {"vaultUri": f"https://{name}.vault.azure.net/", "accessPolicies": policies}
    )


def _alert(group: Group, name: str, number: int) -> Body:
    scope = group.id_of("Microsoft.Web/sites", "portal")
    return group.put(
        "Microsoft.Insights/metricAlerts",
        name,
        {"severity": 3, "scopes": [scope], "description": _FILLING},
        location="global",
    )


def _table(group: Group, name: str, number: int) -> Body:
    return group.put(
        "Microsoft.Network/routeTables", name, {"routes": [{"name": "out", "properties": {"nextHopType": "Internet"}}]}
    )


def _old_machine(group: Group, name: str, number: int) -> Body:
    properties = {"hardwareProfile": {"size": "Basic_A1"}, "domainName": {"name": f"{name}.cloudapp.net"}}
    return group.put("Microsoft.ClassicCompute/virtualMachines", name, properties)


def _unheard_of(group: Group, name: str, number: int) -> Body:
    return group.put("Contoso.CivicAlerts/hubs", name, {"channels": number % 9, "note": _FILLING})


MIX: tuple[tuple[Callable[[Group, str, int], Body], int], ...] = (
    (_machine, 16),
    (_disk, 24),
    (_card, 18),
    (_address, 7),
    (_rules, 9),
    (_site, 8),
    (_database, 6),
    (_vault, 4),
    (_alert, 4),
    (_table, 2),
    (_old_machine, 1),
    (_unheard_of, 1),
)
"""Makers of bodies, and how many of a hundred resources each makes."""
_MAKERS = [make for make, share in MIX for _ in range(share)]


def _aged(body: Body, number: int) -> Body:
    """A body with what years of use leave on one: tags, marks of who changed it, states."""
    body["tags"] = {
        **body["tags"],
        "costcenter": f"CC-{number % 97:04d}",
        "owner": f"team{number % 41}@columbia.example",
        "created-by": "terraform 1.5.7 / pipeline nightly",
    }
    seen = [{"code": f"ProvisioningState/{word}", "level": "Info", "displayStatus": word} for word in _STATES]
    body["properties"] |= {
        "resourceGuid": guid("large", number),
        "timeCreated": "2021-03-04T05:06:07Z",
        "statuses": seen,
    }
    return body


class LargeCrowd:
    """The resources of a large estate.

    Args:
        resources: how many in all.
        subscriptions: ids; the resources are spread evenly, the first ones get one more where it does not come out.
    """

    def __init__(self, resources: int, subscriptions: list[str]) -> None:
        each, more = divmod(resources, len(subscriptions))
        self.subscriptions: Mapping[str, int] = {one: each + (at < more) for at, one in enumerate(subscriptions)}
        self._first = {one: at * each + min(at, more) for at, one in enumerate(subscriptions)}
        # A page of Resource Graph and ten pages of ARM's list ask for the same subscription several times in a row.
        self.resources = lru_cache(maxsize=16)(self._resources)

    def groups(self, subscription: str) -> list[Body]:
        """Resource groups with what is in them; the last of them is empty."""
        return [group.body() for group in self._groups(subscription)]

    def _groups(self, subscription: str) -> list[Group]:
        number = self.subscriptions[subscription] // _PER_GROUP + 2
        return [
            Group(subscription, f"rg-{at:04d}", _PLACES[at % len(_PLACES)], {"dept": f"D{at % 30:02d}", "env": "prod"})
            for at in range(number)
        ]

    def _resources(self, subscription: str) -> list[Body]:
        groups, first = self._groups(subscription), self._first[subscription]
        bodies = []
        for at in range(self.subscriptions[subscription]):
            number = first + at
            # Seven is prime to a hundred, so that a small subscription has every type as well.
            make = _MAKERS[number * 7 % 100]
            bodies.append(_aged(make(groups[at // _PER_GROUP], f"r{number:07d}", number), number))
        return sorted(bodies, key=lambda body: str(body["id"]).lower())


def estate(resources: int, subscriptions: int, *, seed: int = both_clouds.SEED) -> Estate:
    """A customer of so many resources in so many subscriptions.

    One subscription in 250 is closed to the identity and one in 100 is disabled; at least one of each where there are
    five subscriptions or more. The last open one is hidden from Resource Graph, so the listers differ there.
    """
    ids = sorted(guid("large", "subscription", at) for at in range(subscriptions))
    some = subscriptions >= 5
    closed = (
        ids[1 :: max(subscriptions // max(subscriptions // 250, 1), 2)][: max(subscriptions // 250, 1)] if some else []
    )
    disabled = set(ids[2 :: max(subscriptions // max(subscriptions // 100, 1), 3)]) if some else set()
    open_ = [one for one in ids if one not in closed]
    crowd = LargeCrowd(resources, open_)
    specs = [
        SubscriptionSpec(one, f"Department {at:04d}", state="Disabled" if one in disabled else "Enabled")
        for at, one in enumerate(ids)
    ]
    commercial = both_clouds.commercial(
        seed=seed, subscriptions=specs, groups=(), resources=_sample_of(crowd, open_[0]), denied=()
    )
    spec: dict[str, Any] = {name: getattr(commercial, name) for name in commercial.__dataclass_fields__}
    spec |= {
        "resources": (),
        "crowd": crowd,
        "denied_subscriptions": tuple(closed),
        "unseen_by_graph": (open_[-1],) if some else (),
        "management_groups": _tree(ids),
    }
    return Estate(f"large-{resources}-{subscriptions}", CloudSpec(**spec), both_clouds.government(seed=seed))


def _sample_of(crowd: LargeCrowd, subscription: str) -> list[Body]:
    """One body of each maker: the cloud's providers must know the types."""
    group = Group(subscription, "rg-0000", _PLACES[0])
    return [make(group, f"sample{at}", at) for at, (make, _) in enumerate(MIX)]


def _tree(ids: list[str]) -> tuple[ManagementGroupSpec, ...]:
    """Three levels: the root, ten branches, and of each branch two halves that hold the subscriptions."""
    branches = [ManagementGroupSpec(f"branch-{at}", f"Branch {at}", ROOT) for at in range(10)]
    leaves = [
        ManagementGroupSpec(
            f"branch-{at % 10}-{'ab'[at // 10]}", parent=f"branch-{at % 10}", subscriptions=tuple(ids[at::20])
        )
        for at in range(20)
    ]
    return (ManagementGroupSpec(ROOT, "State of Columbia"), *branches, *leaves)
