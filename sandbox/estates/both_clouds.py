"""The frames of the two clouds into which every sample estate is put."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.estates import providers, skus
from sandbox.estates.building import Body, client_secret
from sandbox.estates.hollis_county.subscriptions import TENANT
from sandbox.estates.model import AccountSpec, CloudSpec, ManagementGroupSpec, SubscriptionSpec

SEED = 2026
"""Of every key, secret and content of the sample estates."""

CLIENT = "3d9f8a14-52c6-4b0e-9f7d-68a1c4e2b901"
_NOT_REGIONS = ("", "global", "unitedstates")
GOVERNMENT_TENANT = "c3e81b5d-7a24-4f90-b6d1-95f0a2e47c38"
GOVERNMENT_CLIENT = "7b40e6d9-1c85-4a3f-8e12-0d5c9f7a3b02"
GOVERNMENT_SUBSCRIPTION = SubscriptionSpec(
    "f1d5c7a8-3e96-4d21-b0f4-6a8e2c9d5001", "Hollis County Government (CSP)", "CSP_2015-05-01"
)
GOVERNMENT_GROUP = ManagementGroupSpec("hollis-gov", "Hollis County", subscriptions=(GOVERNMENT_SUBSCRIPTION.id,))


def commercial(
    *,
    seed: int,
    subscriptions: Iterable[SubscriptionSpec],
    groups: Iterable[Body],
    resources: Iterable[Body],
    denied: Iterable[str] = (),
    accounts: Iterable[AccountSpec] = (),
) -> CloudSpec:
    """The commercial cloud with a customer in it. Types that no provider has get an invented one."""
    bodies = tuple(resources)
    known = [providers.normal(name) for name in providers.US]
    elsewhere = {providers.normal(str(body.get("location") or "")) for body in bodies} - {*known, *_NOT_REGIONS}
    return CloudSpec(
        name="AzureCloud",
        tenant_id=TENANT,
        client_id=CLIENT,
        client_secret=client_secret(seed, "AzureCloud"),
        subscriptions=tuple(subscriptions),
        locations=(*known, *sorted(elsewhere)),
        providers=providers.with_types(providers.commercial(), (str(body["type"]) for body in bodies)),
        groups=tuple(groups),
        resources=bodies,
        denied=tuple(denied),
        accounts=tuple(accounts),
        offer=skus.commercial(),
    )


def government(*, seed: int, taken_names: Iterable[str] = ()) -> CloudSpec:
    """The Government cloud: the customer's new tenant with one empty subscription under its policies, and
    somebody else's names."""
    return CloudSpec(
        name="AzureUSGovernment",
        tenant_id=GOVERNMENT_TENANT,
        client_id=GOVERNMENT_CLIENT,
        client_secret=client_secret(seed, "AzureUSGovernment"),
        subscriptions=(GOVERNMENT_SUBSCRIPTION,),
        locations=tuple(map(providers.normal, (*providers.GOVERNMENT, *providers.DOD))),
        providers=providers.government(),
        taken_names=tuple(taken_names),
        resources=skus.assignments(GOVERNMENT_SUBSCRIPTION.id, GOVERNMENT_GROUP.name),
        management_groups=(GOVERNMENT_GROUP,),
        offer=skus.government(GOVERNMENT_SUBSCRIPTION.id),
    )
