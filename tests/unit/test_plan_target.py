"""A plan obeys what the target subscription offers: regions, types, policies, and the redundancy of every account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mappings.errors import FixTheInput
from mappings.model import Resource
from mappings.offer import Offer, OfferedType, PolicyKind, Sku, SkuPlace, TargetPolicy
from mappings.plan import CreateResourceGroup, CreateStorageAccount, Plan
from mappings.planning import accounts_to_move, explain, make_plan, plan_from_json, plan_to_json
from mappings.readiness import ReportHead, build_report
from mappings.redundancy import _INSTEAD, _KINDS, SKUS, change, instead_of
from mappings.settings import parse_settings
from tests.ledger.build import NOW, account, assessment, settings, survey, verdict

ASKED = datetime(2026, 11, 1, tzinfo=UTC)
VIRGINIA, TEXAS = "usgovvirginia", "usgovtexas"
PLAIN = ("Standard_LRS", "Standard_GRS", "Standard_RAGRS")
TYPE = OfferedType("microsoft.storage/storageaccounts", (VIRGINIA, TEXAS, "usdodeast"), ("2024-01-01",))


def sku(name: str, *regions: str, kind: str = "StorageV2", refused: str = "") -> Sku:
    return Sku("storageaccounts", name, tuple(SkuPlace(one, refused=refused) for one in regions), kind=kind)


def offer(*skus: Sku, types: tuple[OfferedType, ...] = (TYPE,), policies: tuple[TargetPolicy, ...] = ()) -> Offer:
    return Offer("AzureUSGovernment", "s", ASKED, types, skus, ("storageaccounts",) if skus else (), policies=policies)


def policy(kind: PolicyKind, *values: str, name: str = "Allowed", not_scopes: tuple[str, ...] = ()) -> TargetPolicy:
    return TargetPolicy("/a", name, "/d", kind, values, not_scopes=not_scopes)


TEXAS_OFFER = offer(*(sku(name, VIRGINIA, TEXAS) for name in PLAIN), sku("Standard_ZRS", VIRGINIA))


def planned(resource: Resource, asked: Offer | None, **changes: Any) -> Plan:
    estate = replace(assessment([(resource, verdict(resource))], [survey(resource.name, "docs")]), offer=asked)
    given = settings(**{"target.region": TEXAS, **changes})
    return make_plan(estate, given, {one.name: one.name for one in accounts_to_move(estate, given)}, now=NOW)


def accounts(plan: Plan) -> list[CreateStorageAccount]:
    return [step for step in plan.steps if isinstance(step, CreateStorageAccount)]


def courts(name: str = "Standard_ZRS", **changes: Any) -> Resource:
    return account("holliscourts", sku={"name": name}, **changes)


def test_a_redundancy_that_the_region_lacks_gives_way_to_the_next_and_says_what_is_lost() -> None:
    plan = planned(courts(), TEXAS_OFFER)
    (step,) = accounts(plan)
    assert step.sku == "Standard_GRS"
    assert "Standard_ZRS is not offered for StorageV2 in usgovtexas" in step.note
    assert "keeps at least 12 nines of durability; loses service while a zone fails; adds a copy" in step.note
    assert any(step.note in line for line in explain(plan))
    assert any("holliscourts: service while a zone fails" in line for line in plan.cannot_keep)
    assert plan_from_json(plan_to_json(plan)) == plan


def test_what_the_region_offers_stays_without_a_word_and_without_a_trace_in_the_hash() -> None:
    here = planned(courts(), TEXAS_OFFER, **{"target.region": VIRGINIA})
    (step,) = accounts(here)
    assert (step.sku, step.note) == ("Standard_ZRS", "")
    assert '"note"' not in plan_to_json(here)
    # Without an offer nothing is refused; the plan of before says what may happen.
    (step,) = accounts(unasked := planned(courts(), None))
    assert (step.sku, step.note) == ("Standard_ZRS", "")
    assert any("may be refused" in line for line in unasked.cannot_keep)


@pytest.mark.parametrize("name", sorted(SKUS.values()))
def test_the_order_never_gives_up_durability_while_something_keeps_it(name: str) -> None:
    order = instead_of(name)
    assert name not in order
    keeps = [not any("nines" in part for part in change(name, other)[1].split(", ")) for other in order]
    assert keeps == sorted(keeps, reverse=True)
    assert {other.partition("_")[0] for other in order} <= {name.partition("_")[0]}
    assert set(_INSTEAD) == set(_KINDS)


@pytest.mark.parametrize(
    ("wanted", "kind", "offered", "becomes"),
    [
        ("Standard_ZRS", "StorageV2", (sku("Standard_LRS", TEXAS),), "Standard_LRS"),
        ("Standard_ZRS", "StorageV2", (sku("Standard_GZRS", TEXAS), sku("Standard_GRS", TEXAS)), "Standard_GZRS"),
        ("Standard_RAGZRS", "StorageV2", (sku("Standard_GRS", TEXAS), sku("Standard_RAGRS", TEXAS)), "Standard_RAGRS"),
        ("Standard_GZRS", "StorageV2", (sku("Standard_ZRS", TEXAS), sku("Standard_GRS", TEXAS)), "Standard_GRS"),
        ("standard_zrs", "StorageV2", (sku("Standard_ZRS", TEXAS),), "Standard_ZRS"),
        # A list that tells kinds apart: what StorageV2 has is nothing to a BlockBlobStorage account.
        (
            "Premium_ZRS",
            "BlockBlobStorage",
            (sku("Premium_ZRS", TEXAS), sku("Premium_LRS", TEXAS, kind="BlockBlobStorage")),
            "Premium_LRS",
        ),
        # Restricted for the subscription is as good as not there.
        ("Standard_ZRS", "StorageV2", (sku("Standard_ZRS", TEXAS, refused="QuotaId"), sku("Standard_GRS", TEXAS)),
         "Standard_GRS"),
    ],
)  # fmt: skip
def test_the_nearest_redundancy(wanted: str, kind: str, offered: tuple[Sku, ...], becomes: str) -> None:
    (step,) = accounts(planned(courts(wanted, kind=kind), offer(*offered)))
    assert step.sku == becomes


def test_an_account_that_nothing_offered_fits_is_left_out_and_its_group_with_it() -> None:
    plan = planned(courts("Premium_LRS"), TEXAS_OFFER)
    assert plan.steps == ()
    (out,) = plan.left_out
    assert "the target would refuse it: Premium_LRS is not offered" in out.why
    assert "another target region" in out.why


def test_a_sku_that_a_policy_denies_is_not_chosen() -> None:
    only = policy(PolicyKind.ALLOWED_STORAGE_SKUS, "standard_ragrs", "standard_zrs", name="Agency SKUs")
    (step,) = accounts(planned(courts(), replace(TEXAS_OFFER, policies=(only,))))
    assert step.sku == "Standard_RAGRS"
    (step,) = accounts(planned(courts("Standard_LRS"), replace(TEXAS_OFFER, policies=(only,))))
    assert step.sku == "Standard_RAGRS"
    assert 'the policy "Agency SKUs" of the target subscription denies Standard_LRS' in step.note


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (replace(TEXAS_OFFER, types=()), "does not list the type Microsoft.Storage/storageAccounts"),
        (
            replace(TEXAS_OFFER, types=(replace(TYPE, regions=(VIRGINIA, "usdodeast")),)),
            "lists no storage accounts in usgovtexas, only in usgovvirginia (",
        ),
        (replace(TEXAS_OFFER, policies=(policy(PolicyKind.ALLOWED_LOCATIONS, VIRGINIA),)), "denies usgovtexas"),
        (replace(TEXAS_OFFER, policies=(policy(PolicyKind.ALLOWED_GROUP_LOCATIONS, VIRGINIA),)), "denies usgovtexas"),
        (
            replace(TEXAS_OFFER, policies=(policy(PolicyKind.DENIED_TYPES, "microsoft.storage/storageaccounts"),)),
            "denies microsoft.storage/storageaccounts",
        ),
    ],
)
def test_what_the_target_refuses_is_left_out_with_the_reason(asked: Offer, says: str) -> None:
    plan = planned(courts("Standard_LRS"), asked)
    assert plan.steps == ()
    assert [says in out.why for out in plan.left_out] == [True]


def test_a_policy_does_not_hold_for_a_group_that_its_assignment_leaves_out() -> None:
    target = settings().target.subscription
    for scope, moved in ((f"/subscriptions/{target}/resourceGroups/rg-data", 1), (f"/subscriptions/{target}x", 0)):
        denying = policy(PolicyKind.ALLOWED_LOCATIONS, VIRGINIA, not_scopes=(scope,))
        plan = planned(courts("Standard_LRS"), replace(TEXAS_OFFER, policies=(denying,)))
        assert len(accounts(plan)) == moved


def test_a_group_whose_own_region_is_denied_goes_where_its_account_goes() -> None:
    east = account("data", sku={"name": "Standard_LRS"}, location="southcentralus")
    denying = policy(PolicyKind.ALLOWED_GROUP_LOCATIONS, TEXAS)
    asked = replace(TEXAS_OFFER, policies=(denying,))
    plan = planned(east, asked, **{"target.region": "", "target.regions": {"eastus": VIRGINIA}})
    (group,) = (step for step in plan.steps if isinstance(step, CreateResourceGroup))
    assert (group.region, accounts(plan)[0].region) == (TEXAS, TEXAS)


def test_the_customer_decides_and_is_told_what_it_means() -> None:
    (step,) = accounts(planned(courts(), TEXAS_OFFER, **{"target.account_skus": {"HollisCourts": "standard_lrs"}}))
    assert step.sku == "Standard_LRS"
    assert step.note.startswith("target.account_skus names it; Standard_LRS for Standard_ZRS loses 12 nines")


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"holliscourts": "Standard_ZRS"}, 'account_skus gives holliscourts "Standard_ZRS": Standard_ZRS is not off'),
        ({"holliscort": "Standard_GRS"}, 'target.account_skus names "holliscort", and the inventory has no storage'),
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_the_plan(chosen: dict[str, str], says: str) -> None:
    with pytest.raises(FixTheInput) as caught:
        planned(courts(), TEXAS_OFFER, **{"target.account_skus": chosen})
    assert says in caught.value.sentence
    if "ZRS" in says:
        assert caught.value.next_step == "Take one that can be had there: Standard_LRS, Standard_GRS, Standard_RAGRS."


def test_a_sku_that_does_not_exist_is_a_wrong_setting() -> None:
    text = f"""
name = "county"
[source]
cloud = "AzureCloud"
tenant_id = "{"1" * 8}-1111-1111-1111-{"1" * 12}"
subscriptions = ["{"1" * 8}-1111-1111-1111-{"1" * 12}"]
credential = {{ kind = "azure-cli" }}
[target]
cloud = "AzureUSGovernment"
tenant_id = "{"2" * 8}-1111-1111-1111-{"1" * 12}"
subscription = "{"1" * 8}-1111-1111-1111-{"1" * 12}"
credential = {{ kind = "azure-cli" }}
account_skus = {{ holliscourts = "Standard_GSR" }}
"""
    with pytest.raises(FixTheInput, match='"Standard_GSR" of holliscourts is no SKU of storage accounts'):
        parse_settings(text, origin="migration.toml")


def test_the_target_map_shows_why() -> None:
    resource = courts()
    estate = replace(assessment([(resource, verdict(resource))], [survey("holliscourts", "docs")]), offer=TEXAS_OFFER)
    plan = planned(resource, TEXAS_OFFER)
    report = build_report(
        settings=ReportHead("c", "c", "", "AzureCloud"), assessment=estate, plan=plan, runs=[], notes=[], made_at=NOW,
        version="1",
    )  # fmt: skip
    (section,) = (one for one in report.sections if one.id == "targets")
    (table,) = (one for one in section.tables if one.id == "target-accounts")
    (row,) = table.rows
    assert row.cells["sku_note"] == accounts(plan)[0].note
