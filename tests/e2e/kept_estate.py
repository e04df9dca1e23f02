"""A small customer with history, customer-provided keys, settings and policies: what travels besides bytes."""

from __future__ import annotations

from sandbox.estates import both_clouds
from sandbox.estates.building import Group, account_key, sku
from sandbox.estates.model import AccountSpec, Estate, SubscriptionSpec
from tests.faults.history_estate import FILES, KEYED, VAULT, settings_of

SUBSCRIPTION = SubscriptionSpec("1c0ffee0-5a1e-4b7d-9e2f-00000000d001", "Kept Township", "CSP_2015-05-01")
GROUP = Group(SUBSCRIPTION.id, "rg-kept", "eastus", {"dept": "IT"})
ACCOUNT = "keptrecords"
_TYPE = "Microsoft.Storage/storageAccounts"
_BODY = GROUP.put(_TYPE, ACCOUNT, {"accessTier": "Hot"}, sku=sku("Standard_LRS", "Standard"), kind="StorageV2")
ESTATE = Estate(
    "kept",
    both_clouds.commercial(
        seed=both_clouds.SEED,
        subscriptions=(SUBSCRIPTION,),
        groups=(GROUP.body(),),
        resources=(_BODY, *settings_of(_BODY["id"])),
        accounts=(
            AccountSpec(
                ACCOUNT,
                account_key(both_clouds.SEED, ACCOUNT),
                containers=(FILES, KEYED, VAULT),
                versioning=True,
                scopes=("finance", "hr"),
                static_website={"index_document": "index.html", "error_document404_path": "404.html"},
            ),
        ),
    ),
    both_clouds.government(seed=both_clouds.SEED),
)
