"""The sample customer: Hollis County, an invented US county with ten years of Azure behind it."""

from __future__ import annotations

from sandbox.estates import both_clouds
from sandbox.estates.building import Body
from sandbox.estates.hollis_county import (
    blobs,
    classic,
    compute,
    network,
    storage_accounts,
    subscriptions,
    web,
    written,
)
from sandbox.estates.model import Estate

NAME = "hollis-county"
TAKEN = (storage_accounts.RECORDS.name, "govdata", "records")
"""Storage account names that somebody else in Azure Government already has; the first is one of the county's."""


def resources() -> list[Body]:
    """Every ARM resource of the county, in no particular order."""
    made = [body for part in (network, compute, classic, web, storage_accounts) for body in part.resources()]
    return made + [body for family in written.FAMILIES for body in written.resources(family)]


def estate(seed: int = both_clouds.SEED, *, archive: bool = False) -> Estate:
    """The county in the commercial cloud, and its new, empty tenant in the Government one.

    Args:
        seed: of keys, secrets and contents; ids and names stay the same.
        archive: also a container of archived blobs, which cannot be read.
    """
    return Estate(
        NAME,
        both_clouds.commercial(
            seed=seed,
            subscriptions=subscriptions.SUBSCRIPTIONS,
            groups=(group.body() for group in subscriptions.GROUPS),
            resources=resources(),
            denied=(group.id for group in subscriptions.DENIED),
            accounts=blobs.accounts(seed, archive=archive),
        ),
        both_clouds.government(seed=seed, taken_names=TAKEN),
    )
