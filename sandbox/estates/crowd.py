"""Many small blobs in a few containers: enough work for several workers at once."""

from __future__ import annotations

import random
from functools import partial

from sandbox.estates import both_clouds
from sandbox.estates.building import Group, account_key, sku
from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec, Estate, SubscriptionSpec

NAME = "crowd"
SUBSCRIPTION = SubscriptionSpec("1c0ffee0-5a1e-4b7d-9e2f-00000000c001", "Crowd Township", "CSP_2015-05-01")
GROUP = Group(SUBSCRIPTION.id, "rg-crowd", "eastus", {"dept": "IT"})
ACCOUNT = "crowdrecords"
CONTAINERS, BLOBS = 4, 900


def _bytes(name: str) -> bytes:
    return random.Random(name).randbytes(300)


def _container(number: int) -> ContainerSpec:
    names = (f"{number}/{blob:05d}" for blob in range(BLOBS))
    return ContainerSpec(f"drawer-{number}", tuple(BlobSpec(name, partial(_bytes, name)) for name in names))


def estate(seed: int = both_clouds.SEED) -> Estate:
    """One account of 3,600 small blobs; the Government side is that of the other samples."""
    account = AccountSpec(
        ACCOUNT, account_key(seed, ACCOUNT), containers=tuple(_container(number) for number in range(CONTAINERS))
    )
    size = sku("Standard_LRS", "Standard")
    body = GROUP.put("Microsoft.Storage/storageAccounts", ACCOUNT, {"accessTier": "Hot"}, sku=size, kind="StorageV2")
    return Estate(
        NAME,
        both_clouds.commercial(
            seed=seed,
            subscriptions=(SUBSCRIPTION,),
            groups=(GROUP.body(),),
            resources=(body,),
            accounts=(account,),
        ),
        both_clouds.government(seed=seed),
    )
