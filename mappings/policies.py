"""What the policies assigned at a target subscription can refuse, as far as it can be told without running them.

Six built-in definitions are understood by their id, with their parameters; a definition whose effect cannot deny is
known to deny nothing; everything else is "not understood" and goes to a person, never under the table.

Sources: Azure Policy built-in definitions (github.com/Azure/azure-policy, built-in-policies, General, Storage, Compute;
read 2026-11-22); Learn, "Azure Policy definition structure", "... assignment structure" (enforcementMode, notScopes,
overrides, resourceSelectors), "... effect basics".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mappings.offer import PolicyKind, TargetPolicy
from mappings.regions import normal

Body = Mapping[str, Any]

_KNOWN: Mapping[str, tuple[PolicyKind, str]] = {
    "e56962a6-4747-49cd-b67b-bf8b01975c4c": (PolicyKind.ALLOWED_LOCATIONS, "listOfAllowedLocations"),
    "e765b5de-1225-4ba3-bd56-1ac6695af988": (PolicyKind.ALLOWED_GROUP_LOCATIONS, "listOfAllowedLocations"),
    "a08ec900-254a-4555-9bf5-e42af04b5c5c": (PolicyKind.ALLOWED_TYPES, "listOfResourceTypesAllowed"),
    "6c112d4e-5bc7-47ae-a041-ea2d9dccd749": (PolicyKind.DENIED_TYPES, "listOfResourceTypesNotAllowed"),
    "7433c107-6db4-4ad1-b57a-a76dce0154a1": (PolicyKind.ALLOWED_STORAGE_SKUS, "listOfAllowedSKUs"),
    "cccc23c7-8427-4f53-ad12-b6a63eb452b3": (PolicyKind.ALLOWED_VM_SIZES, "listOfAllowedSKUs"),
}
"""Name of a built-in definition -> what it does, and the parameter that holds its list."""
_PLACES = (PolicyKind.ALLOWED_LOCATIONS, PolicyKind.ALLOWED_GROUP_LOCATIONS)
_HARMLESS = frozenset({
    "audit", "auditifnotexists", "disabled", "append", "modify", "mutate", "deployifnotexists", "manual",
    "addtonetworkgroup", "denyaction",
})  # fmt: skip
"""Effects that refuse no new resource. `denyAction` refuses deletion only."""
_PARAMETER = re.compile(r"\[\s*parameters\('([^']+)'\)\s*\]", re.IGNORECASE)
_BUILT_IN = "/providers/microsoft.authorization/policydefinitions/"


def is_set(definition_id: str) -> bool:
    """Whether an id is of an initiative (policy set definition)."""
    return "/policysetdefinitions/" in definition_id.lower()


def definition_of(assignment: Body) -> str:
    """The id of what is assigned."""
    return str(_properties(assignment).get("policyDefinitionId") or "")


def to_read(assignments: Iterable[Body], sets: Mapping[str, Body]) -> list[str]:
    """Ids of the definitions that have to be read to judge `assignments`: all but the ones known by id.

    Args:
        sets: initiatives by their id in lower case.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        if _not_enforced(assignment):
            continue
        assigned = definition_of(assignment)
        members = [str(one.get("policyDefinitionId")) for one in _members(sets.get(assigned.lower()) or {})]
        for one in members if is_set(assigned) else [assigned]:
            if _known(one) is None:
                found.setdefault(one.lower(), one)
    return list(found.values())


def understand(assignment: Body, sets: Mapping[str, Body], definitions: Mapping[str, Body]) -> list[TargetPolicy]:
    """What one assignment refuses. At least one entry, whatever it is.

    Args:
        assignment: as "Policy Assignments - List" gives it.
        sets: initiatives by id in lower case, as far as they could be read.
        definitions: definitions by id in lower case, as far as they could be read.
    """
    given, assigned = _properties(assignment), definition_of(assignment)
    if why := _not_enforced(assignment):
        return [_policy(assignment, assigned, PolicyKind.DENIES_NOTHING, why=why)]
    narrowed = [word for word in ("overrides", "resourceSelectors") if given.get(word)]
    if narrowed:
        why = f"the assignment has {' and '.join(narrowed)}, so it holds for a part of the resources only"
        return [_policy(assignment, assigned, PolicyKind.NOT_UNDERSTOOD, why=why)]
    if not is_set(assigned):
        return [_single(assignment, assigned, given.get("parameters") or {}, definitions)]
    initiative = sets.get(assigned.lower())
    if initiative is None:
        why = "the initiative could not be read"
        return [_policy(assignment, assigned, PolicyKind.NOT_UNDERSTOOD, why=why)]
    return _of_set(assignment, initiative, definitions)


def _of_set(assignment: Body, initiative: Body, definitions: Mapping[str, Body]) -> list[TargetPolicy]:
    """The members that refuse something, and one entry for all that do not."""
    outer = _with_defaults(initiative, _properties(assignment).get("parameters") or {})
    members = _members(initiative)
    judged = []
    for member in members:
        inner = {
            name: {"value": _resolved(entry.get("value"), outer)}
            for name, entry in (member.get("parameters") or {}).items()
        }
        judged.append(_single(assignment, str(member.get("policyDefinitionId") or ""), inner, definitions))
    refusing = [one for one in judged if one.kind is not PolicyKind.DENIES_NOTHING]
    if len(refusing) == len(members) and members:
        return refusing
    quiet = len(members) - len(refusing)
    why = f"{quiet} of the {len(members)} definitions of this initiative refuse nothing"
    return [*refusing, _policy(assignment, definition_of(assignment), PolicyKind.DENIES_NOTHING, why=why)]


def _single(assignment: Body, definition_id: str, parameters: Body, definitions: Mapping[str, Body]) -> TargetPolicy:
    known, body = _known(definition_id), definitions.get(definition_id.lower())
    if known is None and body is None:
        why = f"the definition {definition_id.rpartition('/')[2]} could not be read"
        return _policy(assignment, definition_id, PolicyKind.NOT_UNDERSTOOD, why=why)
    values = _with_defaults(body or {}, parameters)
    effect = _effect(body, values)
    if effect in _HARMLESS:
        return _policy(assignment, definition_id, PolicyKind.DENIES_NOTHING, why=f'its effect is "{effect}"')
    if known is None:
        title = _properties(body or {}).get("displayName") or definition_id.rpartition("/")[2]
        why = f'"{title}" has the effect "{effect or "unknown"}" by a rule of its own; read it'
        return _policy(assignment, definition_id, PolicyKind.NOT_UNDERSTOOD, why=why)
    kind, parameter = known
    listed = values.get(parameter.lower())
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        why = f"the value of its parameter {parameter} cannot be told"
        return _policy(assignment, definition_id, PolicyKind.NOT_UNDERSTOOD, why=why)
    clean = [normal(one) if kind in _PLACES else one.lower() for one in listed]
    return _policy(assignment, definition_id, kind, values=tuple(sorted(set(clean))))


def _effect(body: Body | None, values: Mapping[str, Any]) -> str:
    """The effect in lower case; "deny" for the built-in ones that are known by id, unless a parameter says else."""
    if body is None:
        return str(values.get("effect") or "deny").lower()
    then = (_properties(body).get("policyRule") or {}).get("then") or {}
    return str(_resolved(then.get("effect"), values) or "").lower()


def _known(definition_id: str) -> tuple[PolicyKind, str] | None:
    """By id: only a definition of Azure's own, not one of the customer that has the same name."""
    lower = definition_id.lower()
    return _KNOWN.get(lower.removeprefix(_BUILT_IN)) if lower.startswith(_BUILT_IN) else None


def _with_defaults(body: Body, parameters: Body) -> dict[str, Any]:
    """Parameter values by name in lower case: those given, else the defaults of the definition."""
    declared = _properties(body).get("parameters") or {}
    values = {str(name).lower(): entry.get("defaultValue") for name, entry in declared.items()}
    return values | {str(name).lower(): entry.get("value") for name, entry in parameters.items()}


def _resolved(value: Any, values: Mapping[str, Any]) -> Any:
    """`value`, or the parameter that it names."""
    found = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    return values.get(found[1].lower()) if found else value


def _not_enforced(assignment: Body) -> str:
    mode = str(_properties(assignment).get("enforcementMode") or "Default")
    return "it is assigned, but not enforced (enforcementMode DoNotEnforce)" if mode.lower() == "donotenforce" else ""


def _members(initiative: Body) -> list[Body]:
    return list(_properties(initiative).get("policyDefinitions") or ())


def _properties(body: Body) -> Body:
    found: Body = body.get("properties") or {}
    return found


def _policy(
    assignment: Body, definition_id: str, kind: PolicyKind, *, values: tuple[str, ...] = (), why: str = ""
) -> TargetPolicy:
    given = _properties(assignment)
    return TargetPolicy(
        assignment=str(assignment.get("id") or ""),
        name=str(given.get("displayName") or assignment.get("name") or "policy without a name"),
        definition=definition_id,
        kind=kind,
        values=values,
        why=why,
        not_scopes=tuple(map(str, given.get("notScopes") or ())),
    )
