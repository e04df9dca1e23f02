"""In = out on the control plane, target regions, the live target, and the JSON contract."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.assess import LIVE_RULE, assess, assessment_to_json
from mappings.model import Gap, Inventory, Resource, Verdict
from mappings.offer import Offer, OfferedType
from mappings.rulebook import Rulebook
from mappings.states import VerdictKind
from tasks.catalogue import load_catalogue

BOOK = load_catalogue()
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def offer(*listed: str, regions: tuple[str, ...] = (), **more: Any) -> Offer:
    """A target that lists these types."""
    types = tuple(OfferedType(name.lower(), regions, ("2025-06-01",)) for name in listed)
    return Offer("AzureUSGovernment", "s", NOW, types, **more)


def inventory(*resources: Resource, gaps: tuple[Gap, ...] = ()) -> Inventory:
    return Inventory("AzureCloud", "", "test", NOW, resources, gaps)


def disk(**given: Any) -> Resource:
    return Resource(**{"id": "/d", "name": "d", "type": "Microsoft.Compute/disks", "location": "East US", **given})


def verdict_of(resource: Resource, **options: Any) -> Verdict:
    return assess(inventory(resource), BOOK, **options).verdicts[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
RESOURCES = st.builds(
    Resource,
    id=st.text(max_size=9),
    name=st.text(max_size=5),
    type=st.sampled_from(sorted({name for rule in BOOK.rules for name in rule.match.types})[:200])
    | st.text(max_size=20),
    location=st.sampled_from(["", "eastus", "East US", "global", "[x]"]) | st.text(max_size=9),
    kind=st.text(max_size=6),
    sku=st.dictionaries(st.sampled_from(["name", "tier", "x"]), JSON, max_size=2),
    properties=st.dictionaries(st.sampled_from(["sku", "encryption", "a"]), JSON, max_size=3),
    plan=st.dictionaries(st.text(max_size=3), JSON, max_size=1),
)


@pytest.mark.slow
@given(st.lists(RESOURCES, max_size=6))
def test_every_resource_gets_exactly_one_verdict_in_order(resources: list[Resource]) -> None:
    """In = out. Breaks when `assess` skips a resource (say, one without a location) or judges one twice."""
    assessment = assess(inventory(*resources), BOOK)
    assert [verdict.resource_id for verdict in assessment.verdicts] == [resource.id for resource in resources]
    assert sum(assessment.by_verdict().values()) == len(resources)
    assert json.loads(json.dumps(assessment_to_json(assessment)))["resources"] == len(resources)


def test_a_lost_verdict_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation itself: a rulebook that answers about another resource."""
    other = replace(verdict_of(disk()), resource_id="/other")
    monkeypatch.setattr(Rulebook, "judge", lambda self, resource, *, region="": other)
    with pytest.raises(AssertionError, match="1 resources went in"):
        assess(inventory(disk()), BOOK)


def test_the_target_region_is_filled_by_table_settings_or_override() -> None:
    assert verdict_of(disk()).target.region == "usgovvirginia"
    assert verdict_of(disk(), default_region="usgovtexas").target.region == "usgovtexas"
    chosen = verdict_of(disk(), region_overrides={"eastus": "usgovarizona"}, default_region="usgovtexas")
    assert chosen.target.region == "usgovarizona"
    assert verdict_of(disk(location="")).target.region == ""


def test_a_type_that_the_target_does_not_list_is_blocked_and_both_answers_are_said() -> None:
    verdict = verdict_of(disk(), offer=offer())
    assert (verdict.verdict, verdict.rule) == (VerdictKind.BLOCKED, LIVE_RULE)
    assert "does not list Microsoft.Compute/disks" in verdict.reason
    assert "says ready" in verdict.reason
    assert "2026-11-01" in verdict.reason


def test_a_type_that_the_target_lists_keeps_the_answer_of_the_catalogue() -> None:
    asked = verdict_of(disk(), offer=offer("Microsoft.Compute/disks", regions=("usgovvirginia",)))
    assert asked == replace(verdict_of(disk()), catalogue="ready", live="listed")


def test_a_region_that_the_target_lacks_is_a_change() -> None:
    verdict = verdict_of(disk(), offer=offer("Microsoft.Compute/disks", regions=("usgovtexas", "usdodeast")))
    assert verdict.verdict is VerdictKind.READY_WITH_CHANGES
    assert "usgovtexas, not in usgovvirginia" in verdict.reason
    assert "usdodeast" not in verdict.reason


def test_an_unknown_type_that_the_target_lists_is_lifted_with_both_answers() -> None:
    verdict = verdict_of(disk(type="Contoso.New/things"), offer=offer("Contoso.New/things", regions=("usgovvirginia",)))
    assert verdict.verdict is VerdictKind.READY_WITH_CHANGES
    assert "lists Contoso.New/things in usgovvirginia" in verdict.reason
    assert "says unknown" in verdict.reason
    assert verdict.target.type == "Contoso.New/things"


@pytest.mark.parametrize(
    "resource",
    [
        disk(type="Microsoft.ClassicCompute/capabilities"),
        disk(type="Microsoft.Web/sites", properties={"a": "/providers/Microsoft.ClassicNetwork/virtualNetworks/v"}),
        disk(type="Microsoft.CognitiveServices/accounts", kind="Personalizer"),
    ],
)
def test_a_live_listing_does_not_lift_what_does_not_rest_on_the_type(resource: Resource) -> None:
    """Breaks when `final`, findings or conditions are ignored: providers list classic types that do not work in CSP."""
    assert verdict_of(resource, offer=offer(resource.type)).verdict is VerdictKind.BLOCKED


def test_a_child_type_is_offered_where_its_parent_is() -> None:
    subnet = disk(type="Microsoft.Network/virtualNetworks/subnets")
    assert verdict_of(subnet, offer=offer("Microsoft.Network/virtualNetworks", regions=("global",))).rule != LIVE_RULE


def test_the_replacement_is_looked_up_in_the_target_not_the_classic_type() -> None:
    classic = disk(type="Microsoft.ClassicStorage/storageAccounts")
    lists = offer("Microsoft.Storage/storageAccounts", regions=("usgovvirginia",))
    assert verdict_of(classic, offer=lists).verdict is VerdictKind.REPLACE
    assert verdict_of(classic, offer=offer()).verdict is VerdictKind.BLOCKED


def test_the_json_contract() -> None:
    gap = Gap("/subscriptions/s", "everything", "denied", "AuthorizationFailed")
    assessment = assess(inventory(disk(plan={"name": "p"}), disk(id="/e", type="A.b/c"), gaps=(gap,)), BOOK)
    out = json.loads(json.dumps(assessment_to_json(assessment)))
    assert out["resources"] == 2
    assert out["by_verdict"] == {"ready": 0, "ready-with-changes": 1, "replace": 0, "blocked": 0, "unknown": 1}
    assert out["gaps"][0]["code"] == "AuthorizationFailed"
    first = out["items"][0]
    assert {"id", "type", "location", "verdict", "rule", "reason", "source", "checked", "remedy", "target"} <= set(
        first
    )
    assert first["target"]["region"] == "usgovvirginia"
    assert first["findings"][0]["rule"] == "managed-disks-disks"
    assert out["items"][1]["checked"] is None
