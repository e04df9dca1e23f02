"""What the policies assigned at a subscription or above it deny of a resource that somebody wants to make.

A part of the policy language is carried out: `allOf`, `anyOf`, `not`, a field compared with a value or a list, and the
effect `deny`, with parameters of definition, initiative and assignment. A field that a resource does not have is equal
to nothing, as in Azure. What is not understood denies nothing here.

Sources: Learn, "Azure Policy definition structure" (comparisons ignore case), "... assignment structure"
(`enforcementMode`, `notScopes`), "... effects: deny" (403 Forbidden); "Resolve errors for request disallowed by policy"
for the body of the error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.armgovernance import Tree
from sandbox.armwire import ArmError
from sandbox.holdings import Body, Holdings, normal

_PARAMETER = re.compile(r"\[\s*parameters\('([^']+)'\)\s*\]", re.IGNORECASE)
_TAG = re.compile(r"tags\['([^']+)'\]", re.IGNORECASE)
_ASSIGNMENT = "microsoft.authorization/policyassignments"


class Policies:
    """The policies of one cloud, as they act on a PUT.

    Args:
        holdings: assignments and definitions.
    """

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._tree = Tree(holdings.spec.management_groups)
        self._definitions = {str(body["id"]).lower(): body for body in holdings.spec.offer.definitions}

    def require(self, resource: Body) -> None:
        """Refuse a resource that a policy denies.

        Args:
            resource: as it would be: id, name, type, location, and what else was asked for.
        """
        resource_id = str(resource["id"])
        subscription = resource_id.split("/")[2]
        broken = [
            (assignment, definition)
            for assignment in self._assigned(subscription, resource_id)
            for definition, values in self._parts(assignment)
            if _denies(definition, resource, values)
        ]
        if broken:
            raise _disallowed(resource, broken)

    def _assigned(self, subscription: str, resource_id: str) -> Iterator[Body]:
        here = f"{resource_id.lower()}/"
        every = [
            *self._holdings.governing(subscription),
            *self._holdings.governing_above(self._tree.above(subscription)),
        ]
        for body in every:
            given = body.get("properties") or {}
            if str(body["type"]).lower() != _ASSIGNMENT or given.get("enforcementMode") == "DoNotEnforce":
                continue
            scope = str(body["id"]).lower().partition("/providers/microsoft.authorization/")[0]
            left_out = any(here.startswith(f"{str(one).lower().rstrip('/')}/") for one in given.get("notScopes") or ())
            if not left_out and (not scope.startswith("/subscriptions/") or here.startswith(f"{scope}/")):
                yield body

    def _parts(self, assignment: Body) -> Iterator[tuple[Body, Mapping[str, Any]]]:
        """The definitions of an assignment, with the values of their parameters."""
        given = assignment["properties"]
        assigned = self._definitions.get(str(given.get("policyDefinitionId")).lower())
        if assigned is None:
            return
        values = _values(assigned, given.get("parameters") or {}, {})
        if "policyDefinitions" not in assigned["properties"]:
            yield assigned, values
            return
        for member in assigned["properties"]["policyDefinitions"]:
            definition = self._definitions.get(str(member["policyDefinitionId"]).lower())
            if definition is not None:
                yield definition, _values(definition, member.get("parameters") or {}, values)


def _values(body: Body, given: Mapping[str, Any], outer: Mapping[str, Any]) -> Mapping[str, Any]:
    declared = (body.get("properties") or {}).get("parameters") or {}
    values = {name.lower(): entry.get("defaultValue") for name, entry in declared.items()}
    return values | {name.lower(): _resolved(entry.get("value"), outer) for name, entry in given.items()}


def _resolved(value: Any, values: Mapping[str, Any]) -> Any:
    found = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    return values.get(found[1].lower()) if found else value


def _denies(definition: Body, resource: Body, values: Mapping[str, Any]) -> bool:
    rule = (definition.get("properties") or {}).get("policyRule") or {}
    effect = str(_resolved((rule.get("then") or {}).get("effect"), values) or "").lower()
    return effect == "deny" and _holds(rule.get("if") or {}, resource, values)


def _holds(condition: Body, resource: Body, values: Mapping[str, Any]) -> bool:
    if "allOf" in condition:
        return all(_holds(one, resource, values) for one in condition["allOf"])
    if "anyOf" in condition:
        return any(_holds(one, resource, values) for one in condition["anyOf"])
    if "not" in condition:
        return not _holds(condition["not"], resource, values)
    if "field" not in condition:
        return False
    have = _field(resource, str(condition["field"]))
    for operator in condition.keys() - {"field"}:
        asked = _resolved(condition[operator], values)
        listed = [_plain(one) for one in asked] if isinstance(asked, list) else [_plain(asked)]
        match operator.lower():
            case "equals" | "in":
                return _plain(have) in listed
            case "notequals" | "notin":
                return _plain(have) not in listed
            case "exists":
                return (have is not None) is (_plain(asked) == "true")
    return False


def _field(resource: Body, name: str) -> Any:
    """The value of a policy field: a name of ARM's own, a tag, or an alias `Namespace/type/path`; None without one."""
    if tag := _TAG.fullmatch(name):
        tags = {key.lower(): value for key, value in (resource.get("tags") or {}).items()}
        return tags.get(tag[1].lower())
    if name.lower() == "location":
        return normal(str(resource.get("location") or ""))
    prefix = f"{resource['type']}/".lower()
    path = name[len(prefix) :].split(".") if name.lower().startswith(prefix) else [name]
    for start in (resource, resource.get("properties") or {}):
        value: Any = start
        for word in path:
            known = {key.lower(): inner for key, inner in value.items()} if isinstance(value, dict) else {}
            value = known.get(word.lower())
        if value is not None:
            return value
    return None


def _plain(value: Any) -> str:
    return str(value).lower() if value is not None else ""


def _disallowed(resource: Body, broken: list[tuple[Body, Body]]) -> ArmError:
    identifiers = [
        {
            "policyAssignment": {"name": _title(assignment), "id": assignment["id"]},
            "policyDefinition": {"name": _title(definition), "id": definition["id"]},
        }
        for assignment, definition in broken
    ]
    told = json.dumps(identifiers, separators=(",", ":"))
    message = f"Resource '{resource['name']}' was disallowed by policy. Policy identifiers: '{told}'."
    refusal = ArmError(403, "RequestDisallowedByPolicy", message)
    refusal.target = str(resource["name"])
    refusal.additional_info = [
        {
            "type": "PolicyViolation",
            "info": {
                "policyDefinitionDisplayName": _title(definition),
                "policyAssignmentDisplayName": _title(assignment),
                "policyDefinitionId": definition["id"],
                "policyDefinitionEffect": "deny",
                "policyAssignmentId": assignment["id"],
                "policyAssignmentName": assignment["name"],
            },
        }
        for assignment, definition in broken
    ]
    return refusal


def _title(body: Body) -> str:
    return str((body.get("properties") or {}).get("displayName") or body["name"])
