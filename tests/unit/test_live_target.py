"""What the live target says stands above the catalogue: SKUs, zones, policies, API versions; both truths are told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.offline import Offline, assess_files
from mappings.assess import assess
from mappings.errors import ExitCode, FixTheInput
from mappings.livechecks import LIVE_RULES
from mappings.livetarget import size_named
from mappings.model import Inventory, Resource, Verdict
from mappings.offer import (
    NewestVersion,
    Offer,
    OfferedType,
    PolicyKind,
    Sku,
    SkuPlace,
    TargetPolicy,
    Unasked,
    ZonesAt,
    offer_from_json,
    offer_to_json,
)
from mappings.offerbodies import skus_of, zones_of
from mappings.policies import to_read, understand
from mappings.readiness import ReportHead, build_report
from mappings.report_live import ID
from mappings.states import VerdictKind
from tasks.catalogue import load_catalogue

BOOK = load_catalogue()
NOW = datetime(2026, 11, 1, tzinfo=UTC)
VIRGINIA, TEXAS = "usgovvirginia", "usgovtexas"
TYPES = tuple(
    OfferedType(name, (VIRGINIA, TEXAS), ("2024-03-01",), zones=zones)
    for name, zones in {
        "microsoft.compute/virtualmachines": (),
        "microsoft.storage/storageaccounts": (),
        "microsoft.containerservice/managedclusters": (),
        "microsoft.network/publicipaddresses": (ZonesAt(VIRGINIA, ("1", "2", "3")),),
        "microsoft.network/natgateways": (),
    }.items()
)


def size(name: str, *places: SkuPlace, cores: int = 4) -> Sku:
    return Sku("virtualmachines", name, places, cores=cores)


def account_sku(name: str, *regions: str, kind: str = "StorageV2") -> Sku:
    return Sku("storageaccounts", name, tuple(SkuPlace(region) for region in regions), kind=kind)


SKUS = (
    size("Standard_D4s_v5", SkuPlace(VIRGINIA, ("1", "2", "3"), refused_zones=("2",))),
    size("Standard_D4s_v4", SkuPlace(VIRGINIA), SkuPlace(TEXAS)),
    size("Standard_D8s_v4", SkuPlace(VIRGINIA), SkuPlace(TEXAS), cores=8),
    size("Standard_D4s_v3", SkuPlace(TEXAS, refused="NotAvailableForSubscription"), SkuPlace(VIRGINIA)),
    size("Standard_E4s_v5", SkuPlace(TEXAS)),
    size("Standard_NC4as_T4_v3", SkuPlace("usdodeast")),
    account_sku("Standard_LRS", VIRGINIA, TEXAS),
    account_sku("Standard_GRS", VIRGINIA, TEXAS),
    account_sku("Standard_ZRS", VIRGINIA),
    account_sku("Standard_GZRS", VIRGINIA),
    account_sku("Premium_LRS", VIRGINIA, kind="BlockBlobStorage"),
)
OFFER = Offer(
    "AzureUSGovernment",
    "s",
    NOW,
    TYPES,
    SKUS,
    ("storageaccounts", "virtualmachines"),
    (ZonesAt(VIRGINIA, ("1", "2", "3")), ZonesAt(TEXAS, ())),
)


def machine(wanted: str, **given: Any) -> Resource:
    base = {"id": "/m", "name": "m", "type": "Microsoft.Compute/virtualMachines", "location": "southcentralus"}
    return Resource(**{**base, "properties": {"hardwareProfile": {"VMSize": wanted}}, **given})


def account(sku: str, kind: str = "StorageV2", **given: Any) -> Resource:
    base = {"id": "/a", "name": "a", "type": "Microsoft.Storage/storageAccounts", "location": "southcentralus"}
    return Resource(**{**base, "kind": kind, "sku": {"name": sku}, "properties": {"a": 1}, **given})


def judged(resource: Resource, offer: Offer = OFFER, **options: Any) -> Verdict:
    return assess(Inventory("AzureCloud", "", "test", NOW, (resource,)), BOOK, offer=offer, **options).verdicts[0]


def said(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Everything that the live target has against it: rule, reason, remedy; the leading one first."""
    own = [(verdict.rule, verdict.reason, verdict.remedy)] if verdict.rule in LIVE_RULES else []
    return own + [(one.rule, one.reason, one.remedy) for one in verdict.findings if one.rule in LIVE_RULES]


def test_a_size_that_the_region_has_is_no_finding() -> None:
    verdict = judged(machine("standard_d4s_v4"))
    assert said(verdict) == []
    assert (verdict.live, verdict.catalogue) == ("listed", verdict.verdict.value)


def test_a_size_that_the_region_lacks_names_the_nearest_there_and_the_regions_that_have_it() -> None:
    [(rule, reason, remedy)] = said(judged(machine("Standard_D4s_v5")))
    assert rule == "live-sku"
    assert "Standard_D4s_v5 is not offered in usgovtexas" in reason
    # The same size of the next version first, then the larger one; the restricted and the other series never.
    assert remedy.startswith("Take Standard_D4s_v4 or Standard_D8s_v4, offered in usgovtexas; or choose usgovvirginia")
    assert "D4s_v3" not in remedy and "E4s" not in remedy


def test_a_restricted_size_is_told_apart_from_a_missing_one() -> None:
    [(_, reason, remedy)] = said(judged(machine("Standard_D4s_v3")))
    assert "exists in usgovtexas, but not for this subscription (NotAvailableForSubscription)" in reason
    assert "ask Azure support to open Standard_D4s_v3" in remedy


def test_a_size_with_nothing_near_it_blocks_and_the_catalogue_is_still_told() -> None:
    verdict = judged(machine("Standard_NC4as_T4_v3"))
    assert (verdict.verdict, verdict.rule) == (VerdictKind.BLOCKED, "live-sku")
    assert f"says {verdict.catalogue}" in verdict.reason
    # DoD regions are reserved for DoD, so one that has the size is no way out.
    assert "usdodeast" not in verdict.remedy


def test_a_list_that_was_not_had_judges_nothing() -> None:
    """Mutation: taking "not in the list" for "not offered" where the list was refused blocks every machine."""
    silent = replace(OFFER, skus=(), sku_lists=(), zones=())
    assert said(judged(machine("Standard_NC4as_T4_v3", zones=("1",)), silent)) == []
    assert said(judged(account("Standard_ZRS"), silent)) == []


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        (account("Standard_ZRS"), "Standard_ZRS is not offered for StorageV2 accounts in usgovtexas"),
        (account("Premium_LRS", "BlockBlobStorage"), "Premium_LRS is not offered for BlockBlobStorage accounts"),
        (account("", type="Microsoft.ClassicStorage/storageAccounts", properties={"accountType": "Standard-ZRS"}),
         "Standard_ZRS is not offered for StorageV2 accounts in usgovtexas"),
    ],
)  # fmt: skip
def test_redundancy_is_judged_by_kind_and_region(resource: Resource, wanted: str) -> None:
    [(rule, reason, _)] = said(judged(resource))
    assert rule == "live-sku" and wanted in reason
    assert said(judged(account("Standard_GRS"))) == []


def test_zone_redundant_geo_storage_goes_on_as_geo_storage() -> None:
    assert "Take Standard_GRS or Standard_LRS, offered in usgovtexas" in said(judged(account("Standard_GZRS")))[0][2]


def test_zones_are_those_of_the_size_in_the_region_less_the_restricted_ones() -> None:
    there: dict[str, Any] = {"region_overrides": {"southcentralus": VIRGINIA}}
    assert said(judged(machine("Standard_D4s_v5", zones=("1",)), **there)) == []
    [(rule, reason, remedy)] = said(judged(machine("Standard_D4s_v5", zones=("1", "2")), **there))
    assert rule == "live-zone"
    assert "asks for zone 2; the target offers VM size Standard_D4s_v5 in usgovvirginia only in zones 1 and 3" in reason
    assert remedy == "Use zone 1 or 3, or deploy without zones."
    [(_, reason, _)] = said(judged(machine("Standard_D4s_v4", zones=("1",))))
    assert "in usgovtexas in no availability zone" in reason


@pytest.mark.parametrize("name", ["publicIPAddresses", "natGateways"])
def test_zones_of_a_type_without_skus_are_those_of_the_type_or_of_the_region(name: str) -> None:
    """Public IP addresses have zones of their own in the provider list; NAT gateways take those of the region."""
    resource = machine("", type=f"Microsoft.Network/{name}", sku={"name": "Standard"}, zones=("1",))
    assert [rule for rule, _, _ in said(judged(resource))] == ["live-zone"]
    assert said(judged(resource, region_overrides={"southcentralus": VIRGINIA})) == []


def test_every_pool_of_a_cluster_is_looked_at_with_its_own_zones() -> None:
    pools = [
        {"name": "a", "vmSize": "Standard_D4s_v4"},
        {"name": "b", "vmSize": "Standard_D4s_v4", "availabilityZones": ["1"]},
        {"name": "c", "vmSize": "Standard_D4s_v5"},
        {"name": "d", "vmSize": "[parameters('size')]"},
    ]
    cluster = machine("", type="Microsoft.ContainerService/managedClusters", properties={"agentPoolProfiles": pools})
    assert [rule for rule, _, _ in said(judged(cluster))] == ["live-zone", "live-sku"]


def policy(kind: PolicyKind, *values: str) -> Offer:
    return replace(OFFER, policies=(TargetPolicy("/p", "guard", "/d", kind, values),))


@pytest.mark.parametrize(
    ("kind", "refusing", "letting"),
    [
        (PolicyKind.ALLOWED_LOCATIONS, VIRGINIA, TEXAS),
        (PolicyKind.ALLOWED_GROUP_LOCATIONS, VIRGINIA, TEXAS),
        (PolicyKind.ALLOWED_TYPES, "microsoft.compute/disks", "microsoft.compute/virtualmachines"),
        (PolicyKind.DENIED_TYPES, "microsoft.compute/virtualmachines", "microsoft.compute/disks"),
        (PolicyKind.ALLOWED_VM_SIZES, "standard_d8s_v4", "standard_d4s_v4"),
    ],
)
def test_a_policy_of_the_target_denies_what_it_says_and_nothing_else(
    kind: PolicyKind, refusing: str, letting: str
) -> None:
    [(rule, reason, _)] = said(judged(machine("Standard_D4s_v4"), policy(kind, refusing)))
    assert rule == "live-policy" and 'The policy "guard" of the target subscription denies' in reason
    assert said(judged(machine("Standard_D4s_v4"), policy(kind, letting))) == []


def test_nobody_is_told_to_take_a_size_or_redundancy_that_a_policy_denies() -> None:
    [(_, _, remedy), *_] = said(
        judged(machine("Standard_D4s_v5"), policy(PolicyKind.ALLOWED_VM_SIZES, "standard_d8s_v4"))
    )
    assert remedy.startswith("Take Standard_D8s_v4, offered in usgovtexas")
    found = said(judged(account("Standard_ZRS"), policy(PolicyKind.ALLOWED_STORAGE_SKUS, "standard_grs")))
    assert [rule for rule, _, _ in found] == ["live-sku", "live-policy"]
    assert found[0][2].startswith("Take Standard_GRS, offered")


def test_a_denied_region_blocks_and_a_thing_without_region_passes() -> None:
    offer = policy(PolicyKind.ALLOWED_LOCATIONS, VIRGINIA)
    assert judged(machine("Standard_D4s_v4"), offer).verdict is VerdictKind.BLOCKED
    assert said(judged(machine("", location="global"), offer)) == []


def test_preview_versions_only_are_told_where_the_source_has_a_stable_one() -> None:
    types = tuple(replace(one, api_versions=("2024-03-01-preview",)) for one in TYPES)
    both = replace(
        OFFER, types=types, source_versions=(NewestVersion("microsoft.compute/virtualmachines", "2026-04-01"),)
    )
    [(rule, reason, _)] = said(judged(machine("Standard_D4s_v4"), both))
    assert rule == "live-api-version" and "2024-03-01-preview" in reason and "2026-04-01" in reason
    assert said(judged(machine("Standard_D4s_v4"), replace(both, source_versions=()))) == []


@pytest.mark.parametrize(
    ("name", "series", "number", "features", "version"),
    [
        ("Standard_D4ads_v5", "d", 4, "ads", 5),
        ("Standard_DS3_v2", "d", 3, "s", 2),
        ("Standard_A1", "a", 1, "", 1),
        ("Standard_NC24ads_A100_v4", "nc", 24, "ads", 4),
        ("Standard_M128-32ms", "m", 128, "ms", 1),
    ],
)
def test_names_of_sizes_are_read(name: str, series: str, number: int, features: str, version: int) -> None:
    found = size_named(name)
    assert found is not None
    assert (found.series, found.number, found.features, found.version) == (series, number, features, version)


def test_entries_of_a_sku_list_are_folded_and_one_open_size_of_a_disk_is_enough() -> None:
    def entry(region: str, size: str, *restrictions: dict[str, Any], zones: tuple[str, ...] = ()) -> dict[str, Any]:
        return {
            "resourceType": "disks",
            "name": "Premium_LRS",
            "size": size,
            "locations": [region],
            "locationInfo": [{"location": region, "zones": list(zones)}],
            "restrictions": list(restrictions),
        }

    closed = {"type": "Location", "values": ["USGovTexas"], "reasonCode": "QuotaId"}
    zone = {
        "type": "Zone",
        "restrictionInfo": {"locations": ["usgovvirginia"], "zones": ["2"]},
        "reasonCode": "QuotaId",
    }
    [sku] = skus_of(
        [
            entry("USGovVirginia", "P10", zone, zones=("2", "1")),
            entry("usgovvirginia", "P20", zone, zones=("3",)),
            entry("usgovtexas", "P10", closed),
            entry("usgovtexas", "P20"),
            entry("usgovarizona", "P10", {**closed, "values": ["usgovarizona"]}),
        ]
    )
    assert {place.region: (place.zones, place.refused, place.refused_zones) for place in sku.places} == {
        "usgovvirginia": (("1", "2", "3"), "", ("2",)),
        "usgovtexas": ((), "", ()),
        "usgovarizona": ((), "QuotaId", ()),
    }


def test_a_region_without_zones_is_known_to_have_none() -> None:
    mapped = [{"logicalZone": "2"}, {"logicalZone": "1"}]
    bodies: list[dict[str, Any]] = [
        {"name": "usgovvirginia", "availabilityZoneMappings": mapped},
        {"name": "usgovtexas"},
    ]
    assert zones_of(bodies) == (ZonesAt("usgovvirginia", ("1", "2")), ZonesAt("usgovtexas", ()))


ALLOWED = "/providers/Microsoft.Authorization/policyDefinitions/e56962a6-4747-49cd-b67b-bf8b01975c4c"
OWN = "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/own"
SET = "/subscriptions/s/providers/Microsoft.Authorization/policySetDefinitions/set"


def assigned(definition: str, **given: Any) -> dict[str, Any]:
    return {"id": "/a", "name": "a", "properties": {"displayName": "A", "policyDefinitionId": definition, **given}}


def own(effect: str, default: str = "") -> dict[str, dict[str, Any]]:
    parameters = {"effect": {"defaultValue": default}} if default else {}
    rule = {"if": {}, "then": {"effect": effect}}
    return {OWN.lower(): {"properties": {"displayName": "Own", "parameters": parameters, "policyRule": rule}}}


PLACES = {"listOfAllowedLocations": {"value": ["US Gov Texas", "usgovvirginia"]}}


def test_a_built_in_policy_is_understood_by_its_id_and_a_copy_of_its_name_is_not() -> None:
    [found] = understand(assigned(ALLOWED, parameters=PLACES), {}, {})
    assert (found.kind, found.values) == (PolicyKind.ALLOWED_LOCATIONS, ("usgovtexas", "usgovvirginia"))
    # A definition of the customer may carry any name.
    copied = ALLOWED.replace("/providers/", "/subscriptions/s/providers/", 1)
    [found] = understand(assigned(copied, parameters=PLACES), {}, {})
    assert found.kind is PolicyKind.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("assignment", "definitions", "kind"),
    [
        (assigned(OWN), own("deny"), PolicyKind.NOT_UNDERSTOOD),
        (assigned(OWN), own("Audit"), PolicyKind.DENIES_NOTHING),
        (assigned(OWN), {}, PolicyKind.NOT_UNDERSTOOD),
        (assigned(OWN), own("[parameters('effect')]", "Audit"), PolicyKind.DENIES_NOTHING),
        (assigned(OWN, parameters={"Effect": {"value": "Deny"}}), own("[parameters('effect')]", "Audit"),
         PolicyKind.NOT_UNDERSTOOD),
        (assigned(OWN), own("[if(true(), 'deny', 'audit')]"), PolicyKind.NOT_UNDERSTOOD),
        (assigned(OWN, enforcementMode="DoNotEnforce"), own("deny"), PolicyKind.DENIES_NOTHING),
        (assigned(ALLOWED, parameters=PLACES, overrides=[{}]), {}, PolicyKind.NOT_UNDERSTOOD),
        (assigned(ALLOWED), {}, PolicyKind.NOT_UNDERSTOOD),
        (assigned(SET), {}, PolicyKind.NOT_UNDERSTOOD),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said_and_never_dropped(
    assignment: dict[str, Any], definitions: dict[str, dict[str, Any]], kind: PolicyKind
) -> None:
    [found] = understand(assignment, {}, definitions)
    assert found.kind is kind
    assert found.why


def test_members_of_an_initiative_take_their_values_from_the_assignment() -> None:
    members = [
        {"policyDefinitionId": ALLOWED, "parameters": {"listOfAllowedLocations": {"value": "[parameters('where')]"}}},
        {"policyDefinitionId": OWN, "parameters": {}},
    ]
    sets = {SET.lower(): {"properties": {"parameters": {"where": {"type": "Array"}}, "policyDefinitions": members}}}
    assignment = assigned(SET, parameters={"where": {"value": ["usgovtexas"]}})
    assert to_read([assignment], sets) == [OWN]
    found = understand(assignment, sets, own("audit"))
    assert [(one.kind, one.values) for one in found] == [
        (PolicyKind.ALLOWED_LOCATIONS, ("usgovtexas",)),
        (PolicyKind.DENIES_NOTHING, ()),
    ]


def test_an_offer_returns_from_its_file_as_it_was_and_a_broken_file_is_named() -> None:
    whole = replace(
        OFFER,
        policies=(TargetPolicy("/p", "guard", "/d", PolicyKind.NOT_UNDERSTOOD, why="x"),),
        unasked=(Unasked("/s", "zones", "denied", "AuthorizationFailed"),),
    )
    text = offer_to_json(whole)
    assert offer_from_json(text, origin="offer.json") == whole
    for broken, place in (
        (text.replace('"cores":4', '"cores":"four"', 1), r"offer.json: skus\.0\.cores"),
        (text.replace("not-understood", "harmless"), r"policies\.0\.kind"),
        (text.replace('"version":1', '"version":2'), "version 2"),
        (text[: len(text) // 2], "is not JSON"),
        ("[]", "is not an offer"),
    ):
        with pytest.raises(FixTheInput, match=place):
            offer_from_json(broken, origin="offer.json")


def test_the_report_shows_both_truths_and_says_catalogue_only_without_an_offer() -> None:
    offer = replace(
        policy(PolicyKind.DENIED_TYPES, "microsoft.compute/virtualmachines"),
        source_versions=(NewestVersion("microsoft.storage/storageaccounts", "2026-09-01"),),
    )
    offer = replace(offer, types=(*offer.types, OfferedType("contoso.new/things")))
    new = machine("", id="/n", name="new", type="Contoso.New/things")
    inventory = Inventory("AzureCloud", "", "test", NOW, (machine("Standard_D4s_v4"), account("Standard_ZRS"), new))

    def section(asked: Offer | None) -> Any:
        made = build_report(
            settings=ReportHead(name="x"),
            assessment=assess(inventory, BOOK, offer=asked),
            plan=None,
            runs=[],
            notes=[],
            made_at=NOW,
            version="1",
        )
        return made, made.section(ID)

    report, live = section(offer)
    tables = {table.id: table for table in live.tables}
    differing = {
        row.cells["name"]: (row.cells["catalogue"], row.cells["verdict"]) for row in tables["live-differences"].rows
    }
    assert differing == {"m": ("ready-with-changes", "blocked"), "new": ("unknown", "ready-with-changes")}
    # What the target offers beyond the catalogue differs, but lacks nothing.
    grouped = tables["live-findings"].rows
    assert [one.cells["about"] for one in grouped] == ["policy", "size or SKU"]
    for one in grouped:
        assert report.number_behind(one.links["resources"]) == one.cells["resources"]
    assert tables["live-versions"].rows[0].cells["target"] == "2024-03-01"
    report, live = section(None)
    assert not live.tables
    assert live.lead.startswith("Catalogue only")
    assert str(BOOK.as_of) in live.lead


@pytest.mark.slow
def test_ten_thousand_resources_are_asked_about_in_a_moment() -> None:
    """A linear search of the SKU list per resource takes minutes."""
    many = tuple(size(f"Standard_D{n}s_v5", SkuPlace(VIRGINIA)) for n in range(2000))
    offer = replace(OFFER, skus=SKUS + many)
    estate = tuple(machine(f"Standard_D{n % 50}s_v4") for n in range(10_000))
    start = time.process_time()
    assess(Inventory("AzureCloud", "", "test", NOW, estate), BOOK, offer=offer)
    assert time.process_time() - start < 5


def test_an_offer_of_the_commercial_cloud_is_refused() -> None:
    text = offer_to_json(replace(OFFER, cloud="AzureCloud"))
    with pytest.raises(FixTheInput) as caught:
        offer_from_json(text, origin="offer.json")
    assert 'offer.json was taken from the commercial cloud ("AzureCloud", subscription s)' in caught.value.sentence
    assert "govlift offer --out offer.json" in caught.value.next_step


def test_what_the_offer_could_not_ask_is_a_gap_offline_too(tmp_path: Path) -> None:
    missing = Unasked(
        "/subscriptions/s", "policies that may deny resources", "403", "AuthorizationFailed", "Ask for Reader."
    )
    (tmp_path / "offer.json").write_text(offer_to_json(replace(OFFER, unasked=(missing,))), "utf-8")
    estate = [{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/natGateways/n", "name": "n",
               "type": "Microsoft.Network/natGateways", "location": "southcentralus"}]  # fmt: skip
    (tmp_path / "estate.json").write_text(json.dumps(estate), "utf-8")
    outcome = assess_files([tmp_path / "estate.json"], Offline(offer=tmp_path / "offer.json"))
    assert outcome.exit_code is ExitCode.FINDINGS
    assert outcome.summary["gaps"] == [asdict(missing)]
