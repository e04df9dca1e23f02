"""The shipped catalogue: every rule proves itself, and what must be covered is."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mappings.assess import assess
from mappings.model import Resource
from mappings.offline import read_inventory
from mappings.rule import Rule
from mappings.rulebook import NO_RULE
from mappings.rulecheck import applies
from mappings.states import VerdictKind
from tasks.catalogue import catalogue_texts, load_catalogue

BOOK = load_catalogue()

REPLACED_CLASSIC = {
    "Microsoft.ClassicCompute/domainNames": "Microsoft.Compute/virtualMachineScaleSets",
    "Microsoft.ClassicCompute/virtualMachines": "Microsoft.Compute/virtualMachines",
    "Microsoft.ClassicNetwork/expressRouteCrossConnections": "Microsoft.Network/expressRouteCircuits",
    "Microsoft.ClassicNetwork/networkSecurityGroups": "Microsoft.Network/networkSecurityGroups",
    "Microsoft.ClassicNetwork/reservedIps": "Microsoft.Network/publicIPAddresses",
    "Microsoft.ClassicNetwork/virtualNetworks": "Microsoft.Network/virtualNetworks",
    "Microsoft.ClassicStorage/disks": "Microsoft.Compute/disks",
    "Microsoft.ClassicStorage/images": "Microsoft.Compute/images",
    "Microsoft.ClassicStorage/storageAccounts": "Microsoft.Storage/storageAccounts",
}


def judged(type_name: str, **given: Any) -> Any:
    return BOOK.judge(Resource(id="/x", name="x", type=type_name, **given))


@pytest.mark.parametrize("rule", BOOK.rules, ids=[rule.id for rule in BOOK.rules])
def test_a_rule_applies_to_its_bad_case_and_not_to_its_good_one(rule: Rule) -> None:
    """Breaks when a rule loses an example, or when a change elsewhere takes its cases away."""
    assert set(rule.examples) == {"good", "bad"}
    assert applies(BOOK, rule, rule.examples["bad"])
    assert not applies(BOOK, rule, rule.examples["good"])


def test_every_rule_says_why_from_where_and_as_of_when() -> None:
    for rule in BOOK.rules:
        assert rule.sources, rule.id
        assert rule.reason.endswith("."), rule.id
        assert date(2021, 1, 1) < rule.checked <= date(2026, 12, 31), rule.id
        newest = max((source.dated for source in rule.sources if source.dated), default=None)
        assert newest is None or rule.checked == newest, f"{rule.id} is as of its newest source, {newest}"


def test_no_type_is_ready_on_an_unconfirmed_csp_status() -> None:
    """Breaks when the generator's or an editor's `ready` forgets the second half of the question."""
    for rule in BOOK.rules:
        if rule.verdict is VerdictKind.READY:
            assert "CSP" in rule.reason, rule.id
            assert "not confirmed" not in rule.reason, rule.id


@pytest.mark.parametrize("type_name", sorted(REPLACED_CLASSIC))
def test_classic_resources_are_replaced_by_their_arm_type(type_name: str) -> None:
    verdict = judged(type_name)
    assert verdict.verdict is VerdictKind.REPLACE
    assert verdict.target.type == REPLACED_CLASSIC[type_name]
    assert "do not work in CSP" in verdict.reason


def test_every_classic_type_is_replaced_or_blocked_never_unknown() -> None:
    classic = {name for rule in BOOK.rules for name in rule.match.types if name.startswith("microsoft.classic")}
    assert len(classic) > 50
    for name in [*classic, "Microsoft.ClassicCompute/new", "Microsoft.ClassicFuture/things"]:
        assert judged(name.replace("*", "x/y")).verdict in (VerdictKind.REPLACE, VerdictKind.BLOCKED), name


def test_classic_storage_becomes_storage_v2_and_its_data_is_copied() -> None:
    verdict = judged("Microsoft.ClassicStorage/storageAccounts")
    assert "StorageV2" in verdict.target.note
    assert "copies the blobs" in verdict.remedy


def test_general_purpose_v1_is_kept_with_changes() -> None:
    verdict = judged("microsoft.storage/storageaccounts", kind="Storage", sku={"name": "Standard_LRS"})
    assert (verdict.verdict, verdict.rule) == (VerdictKind.READY_WITH_CHANGES, "storage-general-purpose-v1")
    assert "StorageV2" in verdict.target.note


def test_a_hidden_classic_reference_blocks_an_arm_resource() -> None:
    """Breaks when only the resource's own type is looked at."""
    network = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ClassicNetwork/virtualNetworks/v"
    verdict = judged("Microsoft.ApiManagement/service", properties={"virtualNetworkConfiguration": {"vnetid": network}})
    assert (verdict.verdict, verdict.rule) == (VerdictKind.BLOCKED, "hidden-classic-reference")


def test_without_properties_a_gateway_could_be_a_retired_one() -> None:
    """Breaks when an export without properties counts as "the property is not there"."""
    verdict = judged("Microsoft.Network/applicationGateways")
    assert (verdict.verdict, verdict.rule) == (VerdictKind.UNKNOWN, "application-gateway-v1")
    newer = judged("Microsoft.Network/applicationGateways", properties={"sku": {"tier": "WAF_v2"}})
    assert newer.verdict is VerdictKind.READY


def test_the_internal_suffix_of_network_interfaces_is_no_classic_host() -> None:
    internal = {"dnsSettings": {"internalDomainNameSuffix": "abc.bx.internal.cloudapp.net"}}
    assert judged("Microsoft.Network/networkInterfaces", properties=internal).verdict is VerdictKind.READY
    assert judged("Microsoft.Web/sites", properties={"a": "old.cloudapp.net"}).findings[0].rule == "classic-host-name"


def test_what_takes_a_place_is_itself_offered() -> None:
    """Breaks when a rule sends a workload to a successor that nobody says Azure Government has."""
    goes = (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES)
    for rule in BOOK.rules:
        if rule.verdict is VerdictKind.REPLACE and rule.target:
            base = [one.rule for one in BOOK.covers(rule.target) if not one.rule.match.conditions]
            assert base, f"{rule.id}: nothing is known of {rule.target}"
            assert base[0].verdict in goes, f"{rule.id}: {rule.target} is {base[0].verdict}"


def test_the_catalogue_covers_a_thousand_types_once() -> None:
    names = Counter(
        name for rule in BOOK.rules if not (rule.finding or rule.match.conditions) for name in rule.match.types
    )
    assert len(names) > 1000
    assert [name for name, times in names.items() if times > 1 and name != "*"] == []


def test_loading_is_fast_enough_for_every_command() -> None:
    started = time.process_time()
    load_catalogue()
    assert time.process_time() - started < 1.0


def test_judging_is_fast_enough_for_two_hundred_thousand_resources() -> None:
    resources = [Resource(id=f"/{n}", name="n", type="Microsoft.Compute/disks", sku={"name": "P"}) for n in range(5000)]
    started = time.process_time()
    for resource in resources:
        BOOK.judge(resource)
    assert (time.process_time() - started) / len(resources) < 200e-6


def test_the_texts_are_one_file_a_family() -> None:
    assert {"catalogue/classic.toml", "catalogue/storage.toml", "catalogue/sources.toml"} <= set(catalogue_texts())


@pytest.mark.skipif("GOVLIFT_ESTATES" not in os.environ, reason="GOVLIFT_ESTATES names no folder of estates")
def test_every_resource_of_the_estates_gets_a_verdict() -> None:
    folder = Path(os.environ["GOVLIFT_ESTATES"])
    files = {str(path): path.read_text("utf-8-sig") for path in sorted(folder.rglob("*.json"))}
    inventory = read_inventory(files, now=datetime.now(UTC))
    assessment = assess(inventory, BOOK)
    assert sum(assessment.by_verdict().values()) == len(inventory.resources) > 0
    without = [verdict.type for verdict in assessment.verdicts if verdict.rule == NO_RULE]
    assert len(without) < len(inventory.resources) / 50, without
