"""Exported inventories: every shape, nothing dropped in silence, broken parts named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import FixTheInput
from mappings.model import Inventory
from mappings.offline import read_inventory

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SUB = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/Rg/providers/"
VM = {"id": SUB + "Microsoft.Compute/virtualMachines/vm", "name": "vm", "type": "Microsoft.Compute/virtualMachines"}
NET = {"id": SUB + "Microsoft.Network/virtualNetworks/n", "name": "n", "type": "Microsoft.Network/virtualNetworks"}


def read(*contents: Any, **named: Any) -> Inventory:
    files = {f"file{n}.json": c for n, c in enumerate(contents)} | named
    return read_inventory({n: c if isinstance(c, str) else json.dumps(c) for n, c in files.items()}, now=NOW)


TABLE = {
    "columns": [
        {"name": "id", "type": "string"},
        {"name": "name", "type": "string"},
        {"name": "type", "type": "string"},
    ],
    "rows": [[VM["id"], "vm", VM["type"]], [NET["id"], "n", NET["type"]]],
}


@pytest.mark.parametrize(
    "content",
    [
        [VM, NET],
        {"data": [VM, NET], "totalRecords": 2, "count": 2, "resultTruncated": "false"},
        {"data": TABLE, "totalRecords": 2},
        {"count": 2, "data": [VM, NET], "skip_token": None, "total_records": 2},
        {"value": [VM, NET]},
        {"items": [VM, NET]},
        json.dumps(VM) + "\n" + json.dumps(NET),
        json.dumps([VM]) + json.dumps([NET]),
        "\ufeff" + json.dumps([VM, NET]),
    ],
)
def test_every_shape_gives_the_same_resources(content: Any) -> None:
    found = read(content)
    assert [resource.type for resource in found.resources] == [VM["type"], NET["type"]]
    assert found.gaps == ()
    assert found.resources[0].resource_group == "Rg"
    assert found.resources[0].subscription_id.startswith("1111")


def test_what_a_resource_says_is_kept() -> None:
    full = VM | {
        "location": "East US", "kind": "k", "sku": {"name": "S"}, "tags": {"a": "b", "n": 1}, "zones": ["1"],
        "properties": {"x": [1]}, "plan": {"name": "p"}, "identity": {"type": "SystemAssigned"},
        "resourceGroup": "other", "subscriptionId": "sub",
    }  # fmt: skip
    one = read([full]).resources[0]
    assert (one.location, one.kind, one.sku, one.zones) == ("East US", "k", {"name": "S"}, ("1",))
    assert (one.tags, one.properties, one.plan) == ({"a": "b", "n": "1"}, {"x": [1]}, {"name": "p"})
    assert (one.resource_group, one.subscription_id, one.identity["type"]) == ("other", "sub", "SystemAssigned")
    empty = dict.fromkeys(("location", "kind", "sku", "tags", "properties", "plan", "zones", "identity"))
    assert read([VM | empty]).gaps == ()


def test_entries_that_are_no_resource_become_gaps_with_their_index() -> None:
    """Breaks when an entry without a type is skipped: the inventory would look complete."""
    found = read([VM, {"id": "/no/type"}, 7, NET | {"type": None}])
    assert len(found.resources) == 2
    assert [(gap.scope, gap.code) for gap in found.gaps] == [
        ("file0.json, entry 1", "NoType"),
        ("file0.json, entry 2", "BrokenEntry"),
    ]
    (account,) = found.files
    # The entry without a type has an id that tells it.
    assert (account.entries, account.resources, account.duplicates, account.unread) == (4, 2, 0, 2)
    assert found.resources[1].type == NET["type"]


def test_a_broken_list_keeps_what_stands_before_the_break_and_says_where_it_broke() -> None:
    found = read(json.dumps([VM, NET])[:-20])
    assert [resource.name for resource in found.resources] == ["vm"]
    (gap,) = found.gaps
    assert gap.scope.startswith("file0.json, line 1, column ")
    assert "1 entries before it were read" in gap.what


def test_a_broken_or_unknown_file_beside_a_good_one_is_a_gap_not_the_end() -> None:
    found = read([VM], "{\n  broken", {"hello": 1}, "", 3, {"data": {"columns": [{"name": "id"}], "rows": [[1, 2]]}})
    assert len(found.resources) == 1
    reasons = {gap.scope.partition(",")[0]: gap for gap in found.gaps}
    assert set(reasons) == {f"file{n}.json" for n in range(1, 6)}
    assert "line 2, column 3" in reasons["file1.json"].scope
    assert "hello" in reasons["file2.json"].why


def test_no_resource_anywhere_is_refused_with_the_first_reason() -> None:
    with pytest.raises(FixTheInput, match=r"file0\.json, line 1, column 1: not valid JSON"):
        read("nonsense")
    with pytest.raises(FixTheInput, match=r"file0\.json: it is not a list"):
        read({"a": 1})
    with pytest.raises(FixTheInput):
        read_inventory({}, now=NOW)


@pytest.mark.parametrize(
    "page",
    [
        {"data": [VM], "totalRecords": 3},
        {"data": [VM], "resultTruncated": "true"},
        {"data": [VM], "skip_token": "abc"},
        {"value": [VM], "nextLink": "https://example"},
    ],
)
def test_one_page_of_many_is_a_gap(page: Any) -> None:
    assert [gap.code for gap in read(page).gaps] == ["OnePageOnly"]


def test_one_id_is_one_resource_and_the_repetition_is_counted() -> None:
    found = read([VM], [VM | {"id": VM["id"].upper()}, NET])
    assert len(found.resources) == 2
    assert found.gaps == ()
    assert [(one.entries, one.resources, one.duplicates) for one in found.files] == [(1, 1, 0), (2, 1, 1)]


def test_two_different_resources_under_one_id_stay_two() -> None:
    found = read([VM, NET | {"id": VM["id"]}])
    assert [resource.type for resource in found.resources] == [VM["type"], NET["type"]]
    assert len({resource.id for resource in found.resources}) == 2


def test_an_export_without_properties_says_so() -> None:
    assert "file0.json (without properties" in read([VM]).scope
    assert read([VM | {"properties": {"a": 1}}]).scope == "file0.json"


@given(st.text(max_size=40) | st.sampled_from(["[", "[{", '[{"type": "a/b"},', '{"data": {"columns": 1}}', "[[[["]))
def test_any_text_is_an_inventory_or_a_named_refusal(text: str) -> None:
    """Breaks when a wrong file escapes as JSONDecodeError, KeyError and the like."""
    try:
        assert read(text).resources
    except FixTheInput as wrong:
        assert "file0.json" in wrong.sentence


ENTRIES = st.dictionaries(
    st.sampled_from(["id", "name", "type", "location", "sku", "tags", "properties", "plan", "zones", "kind"]),
    st.none() | st.text(max_size=6) | st.integers() | st.lists(st.integers(), max_size=2) | st.just({"name": "x"}),
)


@pytest.mark.slow
@given(st.lists(ENTRIES, max_size=5))
def test_every_entry_is_a_resource_or_a_gap(entries: list[dict[str, Any]]) -> None:
    """In = out for files. Breaks when an odd entry is dropped without a gap."""
    found = read([VM, *entries])
    (one,) = found.files
    assert one.entries == len(entries) + 1 == one.resources + one.duplicates + one.left_out + one.unread
    assert one.resources == len(found.resources)
    assert one.unread <= sum(gap.code in ("NoType", "BrokenEntry", "NotRecognised") for gap in found.gaps)
    assert len({resource.id.lower() for resource in found.resources}) == len(found.resources)


# ARM templates

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def test_children_and_nested_deployments_are_flattened() -> None:
    child = {"type": "subnets", "name": "s", "resources": [{"type": "Microsoft.Authorization/locks", "name": "l"}]}
    nested = {
        "type": "Microsoft.Resources/deployments",
        "name": "inner",
        "properties": {
            "parameters": {"where": {"value": "[parameters('place')]"}},
            "template": template(
                {"type": "Microsoft.Storage/storageAccounts", "name": "a", "location": "[parameters('where')]"},
                parameters={"where": {"type": "string"}},
            ),
        },
    }
    found = read(
        template(
            {"type": "Microsoft.Network/virtualNetworks", "name": "n", "resources": [child]},
            nested,
            parameters={"place": {"type": "string", "defaultValue": "westus"}},
        )
    )
    assert [resource.type for resource in found.resources] == [
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Resources/deployments",
        "Microsoft.Storage/storageAccounts",
    ]
    assert [one.type for one in found.governance] == ["Microsoft.Authorization/locks"]
    assert found.resources[-1].location == "westus"
    assert found.gaps == ()


def test_resources_by_symbolic_name_are_read() -> None:
    found = read({"$schema": SCHEMA, "languageVersion": "2.0", "resources": {"net": {"type": "A.b/c", "name": "n"}}})
    assert [resource.type for resource in found.resources] == ["A.b/c"]


def test_parameters_and_variables_are_resolved_and_other_expressions_are_named() -> None:
    found = read(
        template(
            {
                "type": "A.b/c",
                "name": "[concat('x', uniqueString())]",
                "location": "[parameters('gone')]",
                "sku": {"name": "[variables('sku')]", "tier": "[toLower('T')]"},
            },
            variables={"SKU": "[parameters('size')]"},
            parameters={"size": {"defaultValue": "Big"}},
        )
    )
    (one,) = found.resources
    assert one.sku["name"] == "Big"
    assert one.sku["tier"] == "t"
    assert one.tags["govlift-unresolved"] == "location, name"
    assert one.id == "/templates/file0.json/A.b/c/[concat('x', uniqueString())]"


def test_a_copy_loop_is_unrolled_and_a_gap_only_where_its_count_is_unknowable() -> None:
    known = {
        "type": "A.b/c",
        "name": "[concat('n', copyIndex(1))]",
        "copy": {"name": "c", "count": "[parameters('n')]"},
    }
    unknown = {"type": "A.b/d", "name": "n", "copy": {"name": "c", "count": "[length(parameters('other'))]"}}
    found = read(template(known, unknown, parameters={"n": {"defaultValue": 3}, "other": {"type": "array"}}))
    assert [resource.name for resource in found.resources] == ["n1", "n2", "n3", "n"]
    assert found.resources[3].tags["govlift-copies"] == "unknown"
    assert [(gap.scope, gap.code) for gap in found.gaps] == [("file0.json, resources[1]", "CopyLoop")]


def test_a_linked_template_is_a_gap() -> None:
    link = {"type": "Microsoft.Resources/deployments", "name": "l", "properties": {"templateLink": {"uri": "x"}}}
    found = read(template(link))
    assert len(found.resources) == 1
    assert [gap.code for gap in found.gaps] == ["LinkedTemplate"]


def test_template_resources_without_a_type_are_gaps_and_equal_names_stay_two() -> None:
    same = {"type": "A.b/c", "name": "[parameters('n')]"}
    found = read(template(same, same, {"name": "x"}, 5))
    assert len({resource.id for resource in found.resources}) == 2
    assert [gap.code for gap in found.gaps] == ["NoType", "BrokenEntry"]


def test_an_extension_resource_is_known_by_its_own_type() -> None:
    lock = {"type": "Microsoft.Network/virtualNetworks/providers/roleAssignments",
            "name": "[concat('net', '/Microsoft.Authorization/', guid('x'))]"}  # fmt: skip
    assert read(template(lock)).governance[0].type == "Microsoft.Authorization/roleAssignments"


def test_a_template_that_refers_to_itself_ends() -> None:
    found = read(template({"type": "A.b/c", "name": "[variables('a')]"}, variables={"a": ["[variables('a')]"] * 3}))
    assert len(found.resources) == 1


def test_a_parameters_file_is_named_as_such() -> None:
    found = read([VM], {"$schema": SCHEMA.replace("deploymentTemplate", "deploymentParameters"), "parameters": {}})
    assert [gap.code for gap in found.gaps] == ["ParametersFile"]
