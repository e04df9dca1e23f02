"""What the sandbox's policies deny: by their own rules, where they are assigned, with the parameters given there."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.armpolicy import Policies
from sandbox.armwire import ArmError
from sandbox.estates.model import CloudSpec, ManagementGroupSpec, OfferSpec, SubscriptionSpec
from sandbox.holdings import Holdings

SUB = "aaaaaaaa-0000-0000-0000-000000000001"
HERE, ABOVE = f"/subscriptions/{SUB}", "/providers/Microsoft.Management/managementGroups/top"
ELSEWHERE = "/providers/Microsoft.Management/managementGroups/other"
ACCOUNT = "Microsoft.Storage/storageAccounts"
DEFINITIONS = "/providers/Microsoft.Authorization/policyDefinitions"


def definition(name: str, condition: dict[str, Any], effect: str = "[parameters('effect')]") -> dict[str, Any]:
    parameters = {"effect": {"type": "String", "defaultValue": "Deny"}, "allowed": {"type": "Array"}}
    rule = {"if": condition, "then": {"effect": effect}}
    kind = "Microsoft.Authorization/policyDefinitions"
    properties = {"displayName": name, "policyRule": rule, "parameters": parameters}
    return {"id": f"{DEFINITIONS}/{name}", "name": name, "type": kind, "properties": properties}


SKUS = definition(
    "skus",
    {
        "allOf": [
            {"field": "type", "equals": ACCOUNT},
            {"not": {"field": f"{ACCOUNT}/sku.name", "in": "[parameters('allowed')]"}},
        ]
    },
)
TAG = definition("tag", {"anyOf": [{"field": "tags['costCenter']", "exists": "false"}]})
PLACES = definition("places", {"field": "location", "notIn": "[parameters('allowed')]"}, effect="deny")
SET = {
    "id": "/providers/Microsoft.Authorization/policySetDefinitions/set",
    "name": "set",
    "type": "Microsoft.Authorization/policySetDefinitions",
    "properties": {
        "displayName": "set",
        "parameters": {"mild": {"type": "String", "defaultValue": "Deny"}},
        "policyDefinitions": [
            {"policyDefinitionId": TAG["id"], "parameters": {"effect": {"value": "[parameters('mild')]"}}}
        ],
    },
}


def assigned(what: dict[str, Any], scope: str = HERE, *, given: Any = None, **more: Any) -> dict[str, Any]:
    parameters = {name: {"value": value} for name, value in (given or {}).items()}
    properties = {"displayName": "Assigned", "policyDefinitionId": what["id"], "parameters": parameters, **more}
    kind = "Microsoft.Authorization/policyAssignments"
    return {"id": f"{scope}/providers/{kind}/{what['name']}", "name": what["name"], "type": kind,
            "properties": properties}  # fmt: skip


def refusal(*assignments: dict[str, Any], group: str = "rg", **asked: Any) -> ArmError | None:
    spec = CloudSpec(
        "AzureUSGovernment", "t", "c", "s", (SubscriptionSpec(SUB, "one"),), (), resources=assignments,
        management_groups=(ManagementGroupSpec("top", subscriptions=(SUB,)), ManagementGroupSpec("other")),
        offer=OfferSpec(definitions=(SKUS, TAG, PLACES, SET)),
    )  # fmt: skip
    place = f"{HERE}/resourceGroups/{group}/providers/{ACCOUNT}/one"
    body = {"sku": {"name": "Standard_GRS"}, "location": "usgovtexas", "id": place, "name": "one", "type": ACCOUNT}
    try:
        Policies(Holdings(spec)).require({**body, **asked})
    except ArmError as wrong:
        return wrong
    return None


ONLY_LRS = {"allowed": ["standard_lrs"]}


@pytest.mark.parametrize(
    ("assignment", "asked", "denied"),
    [
        (assigned(SKUS, given=ONLY_LRS), {}, True),
        (assigned(SKUS, given=ONLY_LRS), {"sku": {"name": "Standard_LRS"}}, False),
        (assigned(SKUS, given=ONLY_LRS), {"type": "Microsoft.Network/virtualNetworks"}, False),
        (assigned(SKUS, given={**ONLY_LRS, "effect": "Audit"}), {}, False),
        (assigned(SKUS, given=ONLY_LRS, enforcementMode="DoNotEnforce"), {}, False),
        (assigned(SKUS, given=ONLY_LRS, notScopes=[f"{HERE}/resourceGroups/RG"]), {}, False),
        (assigned(SKUS, given=ONLY_LRS, notScopes=[f"{HERE}/resourceGroups/r"]), {}, True),
        (assigned(SKUS, f"{HERE}/resourceGroups/other", given=ONLY_LRS), {}, False),
        (assigned(PLACES, ABOVE, given={"allowed": ["usgovvirginia"]}), {}, True),
        (assigned(PLACES, ABOVE, given={"allowed": ["USGovTexas"]}), {"location": "USGov Texas"}, False),
        (assigned(PLACES, ELSEWHERE, given={"allowed": ["usgovvirginia"]}), {}, False),
        (assigned(SET), {}, True),
        (assigned(SET), {"tags": {"costcenter": "7"}}, False),
        (assigned(SET, given={"mild": "Audit"}), {}, False),
    ],
)
def test_what_is_denied(assignment: dict[str, Any], asked: dict[str, Any], denied: bool) -> None:
    assert (refusal(assignment, **asked) is not None) is denied


def test_the_error_names_every_policy_as_arm_does() -> None:
    wrong = refusal(assigned(SKUS, given=ONLY_LRS), assigned(SET))
    assert wrong is not None
    assert (wrong.status, wrong.code, wrong.target) == (403, "RequestDisallowedByPolicy", "one")
    assert wrong.message.startswith("Resource 'one' was disallowed by policy. Policy identifiers: '[{\"policyAssignme")
    told = [info["info"]["policyDefinitionId"] for info in wrong.additional_info]
    assert sorted(told) == [SKUS["id"], TAG["id"]]
