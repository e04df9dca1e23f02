"""ARM templates: what the template itself decides is resolved, the rest is said; no expression passes for a value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.assess import assess
from mappings.model import Inventory
from mappings.offline import read_inventory
from mappings.rule import is_expression
from mappings.states import VerdictKind
from mappings.template_values import UNRESOLVED, Budget, Scope, size_of
from tasks.catalogue import load_catalogue

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYMENT = "Microsoft.Resources/deployments"


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def read(document: Any, **files: Any) -> Inventory:
    found = read_inventory({n: json.dumps(c) for n, c in ({"t.json": document} | files).items()}, now=NOW)
    for one in found.files:
        assert one.balanced, one
    assert sum(one.resources for one in found.files) == len(found.resources)
    return found


def names(found: Inventory) -> list[str]:
    return [one.name for one in found.resources]


def value(expression: str, **given: Any) -> Any:
    scope = Scope(given, {}, {"list": ["a", "b"], "deep": {"Inner": [{"x": 7}]}}, Budget())
    return scope.evaluate(f"[{expression}]")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("concat('a', 1, true())", "a1True"),
        ("concat(variables('list'), createArray(1))", ["a", "b", 1]),
        ("format('{0}-{1}{{}}', 'it''s', 2)", "it's-2{}"),
        ("if(equals(1, 2), parameters('gone'), 'b')", "b"),
        ("and(false(), parameters('gone'))", False),
        ("or(parameters('gone'), true())", True),
        ("variables('DEEP').inner[0].x", 7),
        ("variables('list')[1]", "b"),
        ("length(range(3, 4))", 4),
        ("toLower(replace('A-B', '-', ''))", "ab"),
        ("last(split('a/b,c', createArray('/', ',')))", "c"),
        ("union(createObject('a', 1), createObject('b', createArray()))", {"a": 1, "b": []}),
        ("contains(createArray('1'), 1)", False),
        ("empty('')", True),
        ("padLeft(7, 3, '0')", "007"),
        ("coalesce(null(), 'x')", "x"),
        ("int('12')", 12),
        ("substring('abcdef', 2, 3)", "cde"),
        ("less('a', 'b')", True),
        ("json('{\"a\": [1]}').a[0]", 1),
        ("not(bool('false'))", True),
        ("take(variables('list'), 1)", ["a"]),
        ("string(createArray(1))", "[1]"),
        ("min(3, 1, 2)", 1),
    ],
)
def test_functions_give_what_azure_gives(expression: str, expected: Any) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "resourceGroup().location",
        "uniqueString('a')",
        "resourceId('A.b/c', 'n')",
        "parameters('gone')",
        "concat('a', parameters('gone'))",
        "parameters('left')",
        "concat(parameters('circle'), 'x')",
        "and(true(), parameters('gone'))",
        "format('{0:N2}', 1)",
        "format('{3}', 1)",
        "variables('list')[9]",
        "mul(9223372036854775807, 2)",
        "div(1, 0)",
        "range(0, 99999999)",
        "padLeft('a', 99999999)",
        "contoso.own('a')",
        "concat('a'",
        "copyIndex()",
        "'a' 'b'",
        "take('abc', 'x')",
    ],
)
def test_what_the_template_does_not_tell_stays_unresolved(expression: str) -> None:
    """Breaks when a guess, or half of a text, takes the place of an unknown value."""
    found = value(expression, left="[deployment().name]", circle="[parameters('circle')]")
    assert found is UNRESOLVED or (isinstance(found, str) and found.startswith("["))


def test_values_that_double_without_end_end() -> None:
    variables: dict[str, Any] = {
        f"v{n}": f"[concat(variables('v{n - 1}'), variables('v{n - 1}'))]" for n in range(1, 60)
    }
    variables["v0"] = "x"
    lists: dict[str, Any] = {f"l{n}": [f"[variables('l{n - 1}')]"] * 2 for n in range(1, 60)}
    lists["l0"] = "x"
    found = read(template({"type": "A.b/c", "name": "[variables('v59')]", "tags": {"a": "[variables('l59')]"}},
                          variables=variables | lists))  # fmt: skip
    assert is_expression(found.resources[0].name)
    assert size_of(found.resources[0].tags) < 10


def test_copy_loops_make_their_resources_properties_and_variables() -> None:
    loop = {
        "type": "A.b/c",
        "name": "[format('{0}{1}', variables('disks')[copyIndex()].name, copyIndex('each', 5))]",
        "copy": {"name": "Each", "count": "[length(variables('disks'))]"},
        "properties": {"copy": [{"name": "ports", "count": 2, "input": {"n": "[copyIndex('ports', 80)]"}}]},
    }
    looped = {"copy": [{"name": "disks", "count": 3, "input": {"name": "[concat('d', copyIndex('disks'))]"}}]}
    found = read(template(loop, variables=looped))
    assert names(found) == ["d05", "d16", "d27"]
    assert found.resources[1].properties == {"ports": [{"n": 80}, {"n": 81}]}
    assert found.gaps == ()


def test_a_loop_in_a_loop_and_a_nested_deployment_in_a_loop() -> None:
    inner = template({"type": "A.b/c", "name": "[parameters('n')]"}, parameters={"n": {"type": "string"}})
    outer = {
        "type": DEPLOYMENT,
        "name": "[concat('dep', copyIndex())]",
        "resourceGroup": "other",
        "copy": {"name": "c", "count": 2},
        "properties": {
            "expressionEvaluationOptions": {"scope": "inner"},
            "parameters": {"n": {"value": "[concat('n', copyIndex())]"}},
            "template": inner,
        },
    }
    found = read(template(outer))
    assert names(found) == ["dep0", "n0", "dep1", "n1"]
    assert found.resources[1].resource_group == "other"


@pytest.mark.parametrize("count", [0, 801, -1, "3", None, True, "[parameters('gone')]"])
def test_a_count_that_is_no_count_of_turns_is_said(count: Any) -> None:
    found = read(
        template({"type": "A.b/c", "name": "n", "copy": {"name": "c", "count": count}}, {"type": "A.b/d", "name": "m"})
    )
    if count == 0 and count is not True and count is not False:
        assert (names(found), found.files[0].left_out, found.gaps) == (["m"], 1, ())
    else:
        assert [gap.code for gap in found.gaps] == ["CopyLoop"]
        assert found.resources[0].tags["govlift-copies"] == "unknown"


def test_conditions_decide_where_they_can_and_do_not_reach_children() -> None:
    child = {"type": "child", "name": "k"}
    found = read(
        template(
            {"type": "A.b/no", "name": "p", "condition": "[parameters('on')]", "resources": [child]},
            {"type": "A.b/yes", "name": "y", "condition": "[not(parameters('on'))]"},
            {"type": "A.b/may", "name": "m", "condition": "[equals(resourceGroup().location, 'x')]"},
            {"type": DEPLOYMENT, "name": "d", "condition": False, "properties": {"template": template(child)}},
            parameters={"on": {"type": "bool", "defaultValue": False}},
        )
    )
    assert [(one.type, one.name) for one in found.resources] == [
        ("A.b/no/child", "p/k"), ("A.b/yes", "y"), ("A.b/may", "m")]  # fmt: skip
    assert found.files[0].left_out == 2
    assert any("A.b/no p, " in note for note in found.files[0].notes)
    assert found.resources[2].tags["govlift-unresolved"] == "condition"


def test_existing_resources_are_references() -> None:
    found = read({"$schema": SCHEMA, "languageVersion": "2.0", "contentVersion": "1", "resources": {
        "old": {"existing": True, "type": "A.b/c", "name": "o"}, "new": {"type": "A.b/c", "name": "n"}}})  # fmt: skip
    assert names(found) == ["n"]
    assert found.files[0].left_out == 1


def test_given_values_win_over_defaults_and_are_not_evaluated_in_the_inner_template() -> None:
    """Breaks when an outer expression that stayed is looked up among the inner parameters of the same name."""
    one = {"type": "A.b/c", "name": "x", "location": "[parameters('where')]"}
    inner = template(one | {"kind": "[concat(parameters('where'), '1')]"}, parameters={"where": {"defaultValue": "in"}})
    nested = {"type": DEPLOYMENT, "name": "d", "properties": {
        "parameters": {"where": {"value": "[parameters('where')]"}}, "template": inner}}  # fmt: skip
    outer = template(nested, parameters={"where": {"type": "string"}})
    one = read(outer).resources[1]
    assert (one.location, one.kind) == ("[parameters('where')]", "[concat(parameters('where'), '1')]")
    given = {
        "$schema": SCHEMA.replace("deploymentTemplate", "deploymentParameters"),
        "parameters": {"where": {"value": "w"}},
    }
    one = read(outer, **{"t.parameters.json": given}).resources[1]
    assert (one.location, one.kind) == ("w", "w1")


def test_what_stays_is_named_per_resource_and_per_file() -> None:
    account = {"type": "Microsoft.Storage/storageAccounts", "name": "s", "location": "[resourceGroup().location]"}
    sku = {"sku": {"name": "[parameters('sku')]"}}
    found = read(template(account | sku, parameters={"sku": {"type": "string"}}))
    assert found.resources[0].tags["govlift-unresolved"] == "location, sku"
    assert "location of 1, sku of 1" in found.files[0].notes[0]


@pytest.mark.parametrize(
    "scope", ["subscriptionDeploymentTemplate", "managementGroupDeploymentTemplate", "tenantDeploymentTemplate"]
)
def test_templates_of_every_scope_are_read(scope: str) -> None:
    document = template({"type": "Microsoft.Resources/resourceGroups", "name": "rg", "location": "eastus"})
    assert names(read(document | {"$schema": SCHEMA.replace("deploymentTemplate", scope)})) == ["rg"]


BOOK = load_catalogue()


def test_an_expression_never_decides_as_if_it_were_a_value() -> None:
    """Breaks when the words inside of an expression are taken for a kind, SKU, tier, region or property.

    Every rule with such a condition is shown a resource whose fields are expressions that spell what it asks for.
    """
    checked = 0
    for rule in BOOK.rules:
        match = rule.match
        wanted = [*match.kinds, *match.skus, *match.tiers, *match.regions]
        if not wanted or match.types[0].endswith("*") or match.properties or match.anywhere:
            continue
        word = f"[parameters('{wanted[0]}')]"
        resource = {"type": match.types[0], "name": "n", "location": word, "kind": word, "sku": word, "zones": word}
        found = read(template(resource | {"properties": {"x": 1}}))
        assert rule.match.holds(found.resources[0], "") is not True, rule.id
        checked += 1
    assert checked > 5


def test_a_sku_that_stayed_an_expression_is_not_an_absent_sku() -> None:
    found = read(template({"type": "Microsoft.Network/publicIPAddresses", "name": "p", "sku": "[parameters('sku')]",
                           "location": "eastus", "properties": {"a": 1}}))  # fmt: skip
    (verdict,) = assess(found, BOOK).verdicts
    plain = read(template({"type": "Microsoft.Network/publicIPAddresses", "name": "p", "sku": {"name": "Standard"},
                           "location": "eastus", "properties": {"a": 1}}))  # fmt: skip
    (known,) = assess(plain, BOOK).verdicts
    assert verdict.verdict in (VerdictKind.UNKNOWN, known.verdict)


PIECES = st.sampled_from(
    [
        *("[", "]", "(", ")", "'", "''", ",", ".", "concat", "parameters", "variables", "'a'", "1", "if", "copyIndex"),
        *("true()", "range(0,9)", "format('{0}',", " ", "[parameters('a')]", "[variables('a')]", "resourceGroup()"),
        *(".id", "?"),
    ]
)
EXPRESSIONS = st.lists(PIECES, max_size=9).map(lambda parts: "[" + "".join(parts) + "]")
KEYS = [
    *("name", "type", "resources", "copy", "count", "properties", "template", "input", "a", "value", "condition"),
    *("parameters", "existing"),
]
VALUES = st.recursive(
    EXPRESSIONS | st.integers(0, 4) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["name", "location", "sku", "tags", "properties", "copy", "condition", "resources", "zones", "plan"]
RESOURCES = st.fixed_dictionaries(
    {"type": st.sampled_from(["A.b/c", DEPLOYMENT, "child", "[variables('a')]"])},
    optional=dict.fromkeys(FIELDS, VALUES),
)


@settings(max_examples=300)
@given(st.lists(RESOURCES, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "copy"]), VALUES, max_size=3))
def test_any_template_balances_and_never_fails(resources: list[Any], table: dict[str, Any]) -> None:
    parameters = {name: {"defaultValue": inner} for name, inner in table.items()}
    last = {"type": "A.b/last", "name": "last"}
    found = read(template(*resources, last, variables=table, parameters=parameters))
    assert found.resources[-1].type == "A.b/last"
    assert len({one.id.lower() for one in found.resources}) == len(found.resources)
