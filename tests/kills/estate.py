"""A small customer whose blobs can be made anew from name and generation: what arrived is compared with that."""

from __future__ import annotations

import random
from functools import partial

from sandbox.estates import both_clouds
from sandbox.estates.building import Body, Group, account_key, sku
from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec, Estate, SubscriptionSpec

KIB, MIB = 1024, 1024 * 1024
SUBSCRIPTION = SubscriptionSpec("1c0ffee0-5a1e-4b7d-9e2f-00000000b001", "Kill Township", "CSP_2015-05-01")
GROUP = Group(SUBSCRIPTION.id, "rg-kills", "eastus", {"dept": "IT"})
PULLED, STREAMED = "killspulled", "killsstreamed"


def content(name: str, size: int, generation: int = 0) -> bytes:
    """The bytes of one generation of a blob, the same at each call; no two generations have a part in common."""
    return random.Random(f"{name}#{generation}").randbytes(size)


def _small(prefix: str, number: int) -> tuple[BlobSpec, ...]:
    names = (f"{prefix}/{n:04d}" for n in range(number))
    return tuple(BlobSpec(name, partial(content, name, 200 + len(name))) for name in names)


def _large(number: int) -> tuple[BlobSpec, ...]:
    names = (f"large/{n}" for n in range(number))
    # Several blocks where it streams.
    return tuple(BlobSpec(name, partial(content, name, 5 * MIB // 2), block_size=MIB) for name in names)


def _kinds() -> tuple[BlobSpec, ...]:
    return (
        BlobSpec("a.log", partial(content, "a.log", 9000), "AppendBlob", block_size=3000),
        BlobSpec("disk.vhd", partial(content, "disk.vhd", MIB), "PageBlob"),
        BlobSpec("tagged", partial(content, "tagged", 70), metadata={"n": "1"}, tags={"shelf": "2"}, tier="Cool"),
        BlobSpec(
            "versions",
            partial(content, "versions", 90),
            earlier=(partial(content, "v1", 10), partial(content, "v2", 20)),
        ),
    )


def _account(name: str, containers: tuple[ContainerSpec, ...]) -> tuple[AccountSpec, Body]:
    body = GROUP.put(
        "Microsoft.Storage/storageAccounts", name, {"accessTier": "Hot"}, sku=sku("Standard_LRS", "Standard"),
        kind="StorageV2",
    )  # fmt: skip
    return AccountSpec(name, account_key(both_clouds.SEED, name), containers=containers), body


_PARTS = (
    _account(
        PULLED,
        (
            # More than one shard of the smallest size that the settings allow.
            ContainerSpec("many", _small("many", 230)),
            ContainerSpec("few", _small("few", 12), metadata={"owner": "clerk"}),
            ContainerSpec("large", _large(2)),
            ContainerSpec("kinds", _kinds()),
            ContainerSpec("empty"),
        ),
    ),
    _account(STREAMED, (ContainerSpec("papers", _small("papers", 60)), ContainerSpec("plans", _large(1)))),
)
ESTATE = Estate(
    "kills",
    both_clouds.commercial(
        seed=both_clouds.SEED,
        subscriptions=(SUBSCRIPTION,),
        groups=(GROUP.body(),),
        resources=tuple(body for _, body in _PARTS),
        accounts=tuple(account for account, _ in _PARTS),
    ),
    both_clouds.government(seed=both_clouds.SEED),
)
Key = tuple[str, str, str]
"""Source account, container, blob."""
EXPECTED: dict[Key, bytes] = {
    (account.name, container.name, blob.name): blob.content()
    for account, _ in _PARTS
    for container in account.containers
    for blob in container.blobs
}
"""What stands at the source as long as nobody writes there."""
SMALL_HOT = tuple(key for key in EXPECTED if key[1] == "few" or (key[1] in ("many", "papers") and key[2][-1] in "27"))
LARGE_HOT = tuple(key for key in EXPECTED if key[1] in ("large", "plans"))
"""What the writer overwrites; all else stands still."""
