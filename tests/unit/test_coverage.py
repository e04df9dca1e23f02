"""How an inventory is covered: each resource on exactly one level, and what to ask about the unknown ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.coverage import Level, coverage_of, level_of, together, unread
from mappings.model import Gap, Inventory, Resource
from mappings.rulebook import NO_RULE
from tasks.catalogue import load_catalogue, load_type_facts

BOOK = load_catalogue()
TYPES = [fact.type for fact in load_type_facts()]


def thing(type_name: str, /, **given: Any) -> Resource:
    return Resource(id="/x", name="x", type=type_name, **given)


def inventory(*resources: Resource, gaps: tuple[Gap, ...] = ()) -> Inventory:
    return Inventory("AzureCloud", "", "test", datetime(2026, 8, 1, tzinfo=UTC), resources, gaps)


@pytest.mark.parametrize(
    ("resource", "level"),
    [
        (thing("Microsoft.Network/virtualNetworks"), Level.EXACT),
        (thing("microsoft.network/VIRTUALNETWORKS"), Level.EXACT),
        (thing("Microsoft.Network/loadBalancers", sku={"name": "Basic"}), Level.CONDITION),
        (thing("Microsoft.CognitiveServices/accounts", kind="Face"), Level.CONDITION),
        (thing("Microsoft.KeyVault/vaults/keys"), Level.CONDITION),
        (thing("Microsoft.Network/virtualNetworks/subnets/things"), Level.INHERITED),
        (thing("Microsoft.EventGrid/newThings"), Level.INHERITED),
        (thing("Microsoft.ClassicCompute/newThings"), Level.INHERITED),
        (thing("Contoso.Web/sites"), Level.UNKNOWN),
        (thing("Microsoft.Network/loadBalancers"), Level.UNKNOWN),
        (thing("Microsoft.ApiCenter/services"), Level.UNKNOWN),
    ],
)
def test_the_level_is_that_of_the_rule_that_leads(resource: Resource, level: Level) -> None:
    assert level_of(BOOK, resource, BOOK.judge(resource)) is level


@given(st.lists(st.sampled_from([*TYPES, "Contoso.Web/sites", "", "Microsoft.Sql/servers/databases/odd"]), max_size=30))
def test_levels_add_up_to_the_resources_and_every_unknown_is_asked_about(types: list[str]) -> None:
    """Breaks when a resource falls out of the count, or an unknown one has no question."""
    part = coverage_of("f", inventory(*(thing(name) for name in types)), BOOK)
    assert part.resources == len(types)
    assert sum(ask.resources for ask in part.asks) == part.number(Level.UNKNOWN)
    assert all("Ask" in ask.ask or "ask" in ask.ask for ask in part.asks)


def test_files_add_up_and_keep_what_could_not_be_read() -> None:
    gap = Gap("b.json, line 3", "This file.", "not valid JSON")
    one = coverage_of("a.json", inventory(thing("Contoso.Web/sites"), thing("Contoso.Web/sites")), BOOK)
    two = coverage_of("b.json", inventory(thing("CONTOSO.Web/sites"), thing("Contoso.Web/sites"), gaps=(gap,)), BOOK)
    total = together([one, two, unread("c.json", "it is empty")])
    assert (total.file, total.resources, total.number(Level.UNKNOWN)) == ("3 files", 4, 4)
    assert total.unread == ("b.json, line 3: not valid JSON", "it is empty")
    assert [(ask.type, ask.rule, ask.resources) for ask in one.asks] == [("Contoso.Web/sites", NO_RULE, 2)]
    assert [(ask.type, ask.resources) for ask in total.asks] == [("Contoso.Web/sites", 4)]
    assert one.as_json()["kind_or_property"] == 0
    assert one.as_json()["unknown"] == 2
