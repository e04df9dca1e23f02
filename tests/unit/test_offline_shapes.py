"""Inventories as JSON, however they were exported: the same resources come out, and every entry is accounted for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.offline import Offline, assess_files
from mappings.errors import FixTheInput
from mappings.identities import scan_identities
from mappings.model import Inventory
from mappings.nameguard import scan_names
from mappings.offline import files_to_json, read_inventory
from mappings.offline_reading import Export
from tasks.catalogue import load_type_facts
from tasks.scanning import load_scanners

pytestmark = pytest.mark.slow

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SUB = "11111111-1111-1111-1111-111111111111"
ROOT = f"/subscriptions/{SUB}/resourceGroups/rg/providers/"
VM = {
    "id": ROOT + "Microsoft.Compute/virtualMachines/vm",
    "name": "vm",
    "type": "Microsoft.Compute/virtualMachines",
    "location": "eastus",
    "sku": {"name": "S1", "tier": "T"},
    "tags": {"env": "prod"},
}
NET = {"id": ROOT + "Microsoft.Network/virtualNetworks/n", "name": "n", "type": "Microsoft.Network/virtualNetworks"}
LIST = {"value": [VM, NET]}


def read(*contents: Any, **named: Any) -> Inventory:
    files = {f"file{n}.json": c for n, c in enumerate(contents)} | named
    texts = {n: c if isinstance(c, str) else json.dumps(c) for n, c in files.items()}
    found = read_inventory(texts, now=NOW, names=load_type_facts())
    balanced(found)
    return found


def balanced(found: Inventory) -> None:
    """In = out for every file, and no resource that no file gave."""
    for one in found.files:
        assert one.balanced, one
    assert sum(one.resources for one in found.files) == len(found.resources)
    assert len({one.id.lower() for one in found.resources}) == len(found.resources)


POWERSHELL = {
    "ResourceId": VM["id"], "Name": "vm", "ResourceType": VM["type"], "ResourceGroupName": "rg", "Location": "eastus",
    "SubscriptionId": SUB, "Tags": {"env": "prod"}, "Sku": {"Name": "S1", "Tier": "T"}, "Kind": None, "Id": VM["id"],
}  # fmt: skip
SERVICE = VM | {
    "hardwareProfile": {"vmSize": "Standard_D2"}, "resourceGroup": "rg", "etag": "x", "provisioningState": "Succeeded"
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        POWERSHELL,
        [POWERSHELL],
        {"Data": [POWERSHELL], "SkipToken": None, "Count": 1},
        VM,
        {"status_code": 200, "headers": {"x": "y"}, "body": {"value": [VM]}},
        {"status_code": 200, "data": json.dumps({"value": [VM]})},
        {"interactions": [{"request": {"uri": "u", "body": None}, "response": {"status": {"code": 200},
         "body": {"string": json.dumps({"value": [VM]})}}}], "version": 1},
        {"Entries": [{"RequestUri": "u", "StatusCode": 200, "ResponseBody": {"value": [VM]}}], "Variables": {}},
        {"log": {"entries": [{"request": {"url": "u"}, "response": {"status": 200, "content": {
         "mimeType": "application/json", "text": json.dumps(VM)}}}]}},
        {"responses": [{"httpStatusCode": 200, "content": {"data": [VM], "count": 1, "totalRecords": 1}}]},
        [{"value": [VM]}, {"value": []}],
        json.dumps(json.dumps([VM])),
        "WARNING: the command is in preview\nreally\n" + json.dumps([VM], indent=2),
        "// made by hand\n[\n/* one */\n" + json.dumps(VM) + "\n]",
    ],
)  # fmt: skip
def test_wrappers_and_spellings_give_the_resource_with_all_it_says(content: Any) -> None:
    found = read(content)
    (one,) = found.resources
    assert found.gaps == ()
    assert (one.id, one.name, one.type, one.location) == (VM["id"], "vm", VM["type"], "eastus")
    assert (dict(one.sku), one.tags, one.subscription_id) == ({"name": "S1", "tier": "T"}, {"env": "prod"}, SUB)
    assert one.resource_group == "rg"
    assert found.files[0].shape


def test_properties_beside_id_and_type_are_the_properties() -> None:
    """Breaks when `az vm list` (no "properties") leaves rules about properties without anything to look at."""
    assert read([SERVICE]).resources[0].properties == {"hardwareProfile": {"vmSize": "Standard_D2"}}
    assert read([VM | {"properties": None, "changedTime": "x"}]).resources[0].properties == {}


def test_a_missing_type_is_taken_from_the_id_and_from_nothing_else() -> None:
    child = ROOT + "Microsoft.Sql/servers/s/databases/d"
    bare = read([{"id": child, "name": "d"}, {"id": NET["id"], "type": "Basic"}, {"name": "x"}, {"id": "/a/b"}])
    assert [one.type for one in bare.resources] == ["Microsoft.Sql/servers/databases", NET["type"]]
    assert bare.files[0].unread == 2 == len(bare.gaps)


def test_a_portal_name_becomes_a_type_only_where_it_is_one_type() -> None:
    """Breaks when "Snapshot" (several types) or a near miss gets the verdict of one of them."""
    found = read([{"name": f"r{n}", "type": kind} for n, kind in enumerate(
        ["Storage account", "storage  ACCOUNT", "Snapshot", "Storage acount", "Snapshot"])])  # fmt: skip
    types = [one.type for one in found.resources]
    assert types == ["Microsoft.Storage/storageAccounts"] * 2 + ["Snapshot", "Storage acount", "Snapshot"]
    told = {gap.code: gap for gap in found.gaps}
    assert set(told) == {"AmbiguousType", "UnknownTypeName"}
    assert "Microsoft.Compute/snapshots" in told["AmbiguousType"].why
    assert told["AmbiguousType"].scope == "file0.json, entry 2, entry 4"


def test_an_error_that_was_recorded_is_a_gap_with_its_code() -> None:
    refused = {"status_code": 403, "body": {"error": {"code": "AuthorizationFailed", "message": "no"}}}
    found = read([VM], refused, {"error": {"code": "InvalidQuery", "message": "bad"}})
    assert [gap.code for gap in found.gaps] == ["403", "InvalidQuery"]


def test_pages_that_follow_each_other_are_whole_and_the_last_may_not_name_another() -> None:
    pages = [{"value": [VM], "nextLink": "https://next"}, {"value": [NET]}]
    assert read(pages).gaps == ()
    assert [gap.code for gap in read(list(reversed(pages))).gaps] == ["OnePageOnly"]
    graph = [{"data": [VM], "totalRecords": 3}, {"data": [NET], "totalRecords": 3}]
    (gap,) = read(graph).gaps
    assert "2 entries are in the file, 3 in all" in gap.why


def test_what_powershell_cut_off_is_said_once_with_its_places() -> None:
    cut = [POWERSHELL | {"ResourceId": f"{VM['id']}{n}", "Id": None, "Sku": "@{Name=S1; Tier=T}"} for n in range(7)]
    (gap,) = read(cut).gaps
    assert gap.code == "CutOff"
    assert "(7 times)" in gap.what
    assert gap.scope.endswith("entry 4, ...")


def test_a_second_export_fills_what_the_first_left_empty_and_a_difference_is_said() -> None:
    rich = VM | {"properties": {"a": 1, "b": 2}, "kind": "k", "location": "East US"}
    found = read([VM], [rich], [rich | {"sku": {"name": "S2"}, "properties": {"a": 9, "c": 3}}])
    (one,) = found.resources
    assert (one.properties, one.kind, one.sku["name"]) == ({"a": 1, "b": 2}, "k", "S1")
    assert [file.duplicates for file in found.files] == [0, 1, 1]
    assert [(gap.scope, gap.code) for gap in found.gaps] == [(f"file2.json, {VM['id']}", "Conflict")] * 2
    assert {"sku" in gap.why or "properties" in gap.why for gap in found.gaps} == {True}


def test_one_id_with_two_types_is_a_conflict_and_two_resources() -> None:
    found = read([VM], [NET | {"id": VM["id"]}])
    assert len(found.resources) == 2
    assert [gap.code for gap in found.gaps] == ["Conflict"]


def test_a_broken_line_of_json_lines_costs_that_line_only() -> None:
    lines = "\n".join([json.dumps(VM), '{"id": "x", "type": ', json.dumps(NET)])
    found = read(lines)
    assert [one.name for one in found.resources] == ["vm", "n"]
    (gap,) = found.gaps
    assert (gap.scope.startswith("file0.json, line 2, column "), gap.code) == (True, "BrokenFile")


def test_an_answer_that_breaks_off_keeps_its_whole_entries() -> None:
    for text in (json.dumps(LIST), json.dumps({"count": 2, "data": [VM, NET]}), json.dumps(LIST, indent=2)):
        found = read(text[:-40])
        assert [one.name for one in found.resources] == ["vm"]
        assert [gap.code for gap in found.gaps] == ["BrokenFile"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"version": 4, "terraform_version": "1.9", "serial": 3, "lineage": "l", "resources": []}, "TerraformState"),
        ({"format_version": "1.0", "terraform_version": "1.9", "values": {}}, "TerraformState"),
        ({"name": "left-pad", "version": "1.0.0"}, "NotRecognised"),
    ],
)
def test_what_is_known_to_be_something_else_is_named(document: Any, code: str) -> None:
    (gap,) = read([VM], document).gaps
    assert (gap.scope, gap.code) == ("file1.json", code)


def test_files_that_merely_lie_in_a_folder_are_named_without_a_gap() -> None:
    strange = {"package.json": {"name": "x"}, "list.json": [1, {"a": 2}], "words.json": {"items": ["a", "b"]}}
    exports = [Export("a.json", json.dumps([VM]), chance_find=True)]
    exports += [Export(name, json.dumps(content), chance_find=True) for name, content in strange.items()]
    found = read_inventory(exports, now=NOW)
    balanced(found)
    assert found.gaps == ()
    assert all("not an inventory" in one.notes[0] for one in found.files[1:])
    named = read_inventory([exports[0], Export("list.json", "[1]")], now=NOW)
    assert [gap.code for gap in named.gaps] == ["BrokenEntry"]


def test_many_unreadable_entries_share_a_gap() -> None:
    found = read([VM, *range(500)])
    assert found.files[0].unread == 500
    assert len(found.gaps) < 30
    assert "(480 times)" in found.gaps[-1].what


def test_subscriptions_are_known_by_name_and_their_cloud_is_said() -> None:
    account = {"id": SUB, "name": "Prod", "tenantId": "t", "cloudName": "AzureUSGovernment", "state": "Enabled"}
    found = read([VM | {"location": "usgovvirginia"}], [account])
    assert [(one.id, one.name) for one in found.subscriptions] == [(SUB, "Prod")]
    assert found.cloud == "AzureUSGovernment"
    assert [gap.code for gap in found.gaps] == ["OtherCloud"]
    assert read([VM | {"location": "chinaeast2"}]).cloud == "AzureChinaCloud"
    assert read([VM]).cloud == "AzureCloud"


def test_what_rules_or_holds_resources_is_no_resource_and_is_still_accounted_for() -> None:
    """As Azure has it: `resources` of Resource Graph holds none of these. A group of a template is not there yet."""
    made = "Microsoft.Authorization"
    role = {"id": f"{VM['id']}/providers/{made}/roleAssignments/r", "name": "r", "type": "x"}
    lock = {"id": f"/subscriptions/{SUB}/providers/{made}/locks/l", "name": "l", "type": f"{made}/locks"}
    own = {"id": f"/subscriptions/{SUB}/providers/{made}/roleDefinitions/d", "name": "d"}
    group = {"id": f"/subscriptions/{SUB}/resourceGroups/rg", "name": "rg", "tags": {"a": "b"}, "location": "eastus"}
    holder = {"id": f"/subscriptions/{SUB}", "name": "Main", "type": "Microsoft.Resources/subscriptions"}
    planned = {"type": "Microsoft.Resources/resourceGroups", "name": "new", "location": "eastus"}
    found = read([VM, role, role, lock, own, group, holder], {"$schema": SCHEMA, "resources": [planned]})
    assert [one.type for one in found.governance] == [f"{made}/roleAssignments", f"{made}/locks"]
    assert [(one.name, one.tags) for one in found.groups] == [("rg", {"a": "b"})]
    assert [(one.id, one.name) for one in found.subscriptions] == [(SUB.lower(), "Main")]
    assert [one.name for one in found.resources] == [VM["name"], "d", "new"]
    listed, templated = found.files
    assert (listed.entries, listed.resources, listed.governance, listed.scopes, listed.duplicates) == (7, 2, 2, 2, 1)
    assert (templated.entries, templated.resources, templated.scopes) == (1, 1, 0)
    assert listed.balanced and templated.balanced
    assert not replace(listed, governance=1).balanced and not replace(listed, scopes=1).balanced


def test_the_report_tells_of_a_group_and_an_assignment_once() -> None:
    """Mutation: leave governance or groups among the resources, and each is told twice."""
    name, principal = "rg-itar-missiles", "aaaaaaaa-1111-2222-3333-444444444444"
    group = {"id": f"/subscriptions/{SUB}/resourceGroups/{name}", "name": name, "tags": {"regime": "ITAR"}}
    site = {"id": f"/subscriptions/{SUB}/resourceGroups/{name}/providers/Microsoft.Web/sites/w", "name": "w",
            "type": "Microsoft.Web/sites", "location": "eastus"}  # fmt: skip
    policy = {"id": f"/subscriptions/{SUB}/providers/Microsoft.Authorization/policyAssignments/p", "name": "p",
              "type": "Microsoft.Authorization/policyAssignments",
              "identity": {"type": "SystemAssigned", "principalId": principal}}  # fmt: skip
    role = {"id": f"{site['id']}/providers/Microsoft.Authorization/roleAssignments/r", "name": "r",
            "type": "Microsoft.Authorization/roleAssignments", "properties": {"principalId": principal}}  # fmt: skip
    found = read([group, site, policy, role])
    scanners = load_scanners()
    names = [(one.place, one.key, one.word) for one in scan_names(found, scanners.names)]
    assert names and len(names) == len(set(names))
    assert {one.what for one in scan_names(found, scanners.names) if one.place == group["id"]} == {"resource group"}
    scan = scan_identities(found, scanners.identities)
    assert [one.principal for one in scan.managed] == [principal]
    assert [use.use for use in scan.uses] == ["role assignment"]


def test_a_file_of_assignments_alone_is_an_inventory_without_resources(tmp_path: Path) -> None:
    role = {"id": f"{VM['id']}/providers/Microsoft.Authorization/roleAssignments/r", "name": "r", "type": "x"}
    (tmp_path / "roles.json").write_text(json.dumps([role]), "utf-8")
    outcome = assess_files([tmp_path / "roles.json"], Offline(report=tmp_path / "out"))
    assert (outcome.summary["resources"], outcome.summary["files"][0]["governance"]) == (0, 1)


def test_what_no_file_may_hold_is_replaced() -> None:
    """Breaks when half a surrogate pair or NaN reaches the report, which then cannot be written."""
    found = read('[{"id": "/x", "name": "\\ud83d", "type": "A.b/c", "properties": {"n": NaN, "e": "\\ud83d\\ude00"}}]')
    (one,) = found.resources
    assert (one.name, one.properties) == ("\ufffd", {"n": "NaN", "e": "\U0001f600"})
    json.dumps(one.properties, allow_nan=False).encode()


KEYS = st.sampled_from(
    ["id", "type", "name", "value", "data", "items", "resources", "columns", "rows", "body", "response", "status",
     "error", "ResourceId", "ResourceType", "$schema", "contentVersion", "properties", "tags", "sku", "nextLink",
     "totalRecords", "copy", "count", "condition", "parameters", "variables", "template", "string", "cloudName"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["A.b/c", VM["id"], VM["type"], "[parameters('a')]", "[copyIndex()]", "[", "{}", '[{"type": "A.b/c", "id": "/x"}]',
     "Storage account", "deploymentTemplate", "Microsoft.Resources/deployments", "", " "]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 900) | st.floats(allow_nan=True) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=400)
@given(st.lists(JSON, min_size=1, max_size=3))
def test_any_json_is_resources_and_gaps_that_balance_or_a_named_refusal(documents: list[Any]) -> None:
    try:
        found = read(*documents)
    except FixTheInput as wrong:
        assert "file0.json" in wrong.sentence
        return
    json.dumps(files_to_json(found.files))


@settings(max_examples=200)
@given(st.lists(JSON, max_size=6))
def test_every_entry_of_a_list_is_accounted_for(entries: list[Any]) -> None:
    """Breaks when an entry that is no wrapper of others vanishes."""
    found = read([VM, *[entry for entry in entries if not isinstance(entry, list | dict | str)]])
    plain = [entry for entry in entries if not isinstance(entry, list | dict | str)]
    assert found.files[0].entries == 1 + len(plain)
    assert found.files[0].unread == len(plain)


@given(st.text(alphabet='[]{}",:\\/*\n a1', max_size=60))
def test_any_marks_are_no_traceback(text: str) -> None:
    try:
        read([VM], text)
    except FixTheInput as wrong:
        raise AssertionError("the good file beside it was given up") from wrong


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 5_000, '{"value":[' * 5_000, "1" * 5_000, '[{"id": ' + "9" * 5_000]
)
def test_depth_and_length_without_end_are_a_gap(text: str) -> None:
    assert len(read([VM], text).gaps) == 1


def test_a_document_just_deep_enough_to_parse_is_no_traceback() -> None:
    for depth in (300, 600, 900):
        nested: Any = "\\ud800"
        text = '[{"type": "A.b/c", "id": "/x", "properties": ' + '{"a":' * depth + f'"{nested}"' + "}" * depth + "}]"
        read([VM], text)
