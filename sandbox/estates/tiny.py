"""A small customer for fast tests: one subscription, a dozen resources, two accounts, one denied group."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sandbox.estates import both_clouds
from sandbox.estates.building import Body, Group, account_key, guid, sku
from sandbox.estates.content import KIB, MIB, disk, literal, noise, prose, zipped
from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec, Estate, SubscriptionSpec

NAME = "tiny"
SUBSCRIPTION = SubscriptionSpec("1c0ffee0-5a1e-4b7d-9e2f-00000000a001", "Tiny Township", "CSP_2015-05-01")
MAIN = Group(SUBSCRIPTION.id, "rg-tiny", "eastus", {"dept": "IT", "env": "prod"})
OLD = Group(SUBSCRIPTION.id, "Default-Storage-WestUS", "West US", {})
CLOSED = Group(SUBSCRIPTION.id, "rg-closed", "eastus2", {"dept": "Sheriff"})
ACCOUNT, CLASSIC = "tinyrecords", "tinyclassic"
ODD = (
    "100% sure?.txt",
    "a//b",
    "caf\u00e9 + th\u00e9 #1 & co.txt",
    "\U0001f3db\ufe0f.txt",
    "ends with a dot.",
    "~last",
)


def _resources() -> list[Body]:
    return [*_plain(), *_hard()]


def _plain() -> list[Body]:
    machine = {"vmId": guid("vm-tiny"), "hardwareProfile": {"vmSize": "Standard_D2s_v5"}}
    network = {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}
    setting = {"name": "BLOB", "value": f"https://{ACCOUNT}.blob.core.windows.net/"}
    size = sku("Standard_LRS", "Standard")
    return [
        MAIN.put("Microsoft.Storage/storageAccounts", ACCOUNT, {"accessTier": "Hot"}, sku=size, kind="StorageV2"),
        MAIN.put("Microsoft.Network/virtualNetworks", "vnet-tiny", network),
        MAIN.put("Microsoft.Network/dnszones", "tiny.example", location="global"),
        MAIN.put("Microsoft.Compute/virtualMachines", "vm-tiny", machine),
        MAIN.put("Microsoft.KeyVault/vaults", "kv-tiny", {"vaultUri": "https://kv-tiny.vault.azure.net/"}),
        MAIN.put(
            "Microsoft.Web/sites",
            "app-tiny",
            {"siteConfig": {"appSettings": [setting]}},
            kind="app",
            location="East US 2",
        ),
    ]


def _hard() -> list[Body]:
    network = {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}
    vnet = {"virtualNetwork": {"id": OLD.id_of("Microsoft.ClassicNetwork/virtualNetworks", "vnet-old")}}
    old = {"endpoints": [f"https://{CLASSIC}.blob.core.windows.net/"], "accountType": "Standard_LRS"}
    ai = "Microsoft.CognitiveServices/accounts"
    return [
        MAIN.put("Microsoft.Network/loadBalancers", "lb-tiny", location="East US", sku=sku("Basic", "Regional")),
        MAIN.put("Microsoft.Web/hostingEnvironments", "ase-tiny", vnet, kind="ASEV2"),
        MAIN.put(ai, "luis-tiny", {}, kind="LUIS", sku=sku("S0"), location="westus"),
        MAIN.put("Contoso.CivicAlerts/hubs", "sirens", {"channels": 2}),
        OLD.put("Microsoft.ClassicStorage/storageAccounts", CLASSIC, old),
        OLD.put("Microsoft.ClassicNetwork/virtualNetworks", "vnet-old", network),
        CLOSED.put("Microsoft.KeyVault/vaults", "kv-closed", {"vaultUri": "https://kv-closed.vault.azure.net/"}),
    ]


def _documents(seed: int) -> Iterator[BlobSpec]:
    for number in range(26):
        name = f"docs/{number:03d}.txt"
        yield BlobSpec(
            name,
            partial(prose, f"{seed}/{name}", 0 if number == 0 else 300 * number),
            headers={"content_type": "text/plain", "cache_control": "max-age=60"} if number % 2 else {},
            metadata={"number": f"{number}"} if number % 3 else {},
            tags={"shelf": f"{number % 4}"} if number % 4 == 1 else {},
            tier=("", "Hot", "Cool")[number % 3],
            earlier=(literal("first"), literal("second")) if number == 5 else (),
        )
    for name in ODD:
        yield BlobSpec(name, partial(prose, f"{seed}/{name}", 40))


def _mixed(seed: int) -> Iterator[BlobSpec]:
    yield BlobSpec("blocks.bin", partial(noise, f"{seed}/blocks", 5 * MIB // 2), block_size=MIB)
    yield BlobSpec("page.js", partial(zipped, f"{seed}/js", 4 * KIB), headers={"content_encoding": "gzip"})
    yield BlobSpec("a.log", partial(prose, f"{seed}/log", 3000), "AppendBlob", sealed=True)
    yield BlobSpec("b.log", partial(prose, f"{seed}/log2", 1234), "AppendBlob")
    yield disk("disk.vhd", f"{seed}/disk", 1)


def estate(seed: int = both_clouds.SEED) -> Estate:
    """The small customer; the Government side is that of Hollis County, where one of its names is taken too."""
    policies = ({"id": "reader", "start": "", "expiry": "2030-01-01T00:00:00Z", "permission": "rl"},)
    main = AccountSpec(
        ACCOUNT,
        account_key(seed, ACCOUNT),
        containers=(
            ContainerSpec("documents", tuple(_documents(seed)), metadata={"owner": "clerk"}, policies=policies),
            ContainerSpec("mixed", tuple(_mixed(seed)), public_access="blob"),
            ContainerSpec("empty"),
        ),
    )
    scans = tuple(BlobSpec(f"scan {n}.pdf", partial(noise, f"{seed}/scan/{n}", 700 * n)) for n in range(4))
    old = AccountSpec(
        CLASSIC, account_key(seed, CLASSIC), "Storage", classic=True, containers=(ContainerSpec("scans", scans),)
    )
    return Estate(
        NAME,
        both_clouds.commercial(
            seed=seed,
            subscriptions=(SUBSCRIPTION,),
            groups=(group.body() for group in (MAIN, OLD, CLOSED)),
            resources=_resources(),
            denied=(CLOSED.id,),
            accounts=(main, old),
        ),
        both_clouds.government(seed=seed, taken_names=(ACCOUNT,)),
    )
