"""Locks and policy assignments of the source as values, each with how many resources stand under it.

Sources: "Lock your resources" (CanNotDelete, ReadOnly; a lock is inherited by everything below its scope) and "Azure
Policy assignment structure" (enforcementMode) at learn.microsoft.com/azure.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from mappings.model import Inventory, Resource


@dataclass(frozen=True, slots=True)
class Lock:
    name: str
    level: str
    """CanNotDelete or ReadOnly."""
    scope: str
    resources: int
    notes: str
    id: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """One policy assignment."""

    name: str
    definition: str
    scope: str
    resources: int
    mode: str
    """`Default` or `DoNotEnforce`."""
    id: str


@dataclass(frozen=True, slots=True)
class RulesOver:
    """What rules the resources of an inventory."""

    locks: tuple[Lock, ...]
    policies: tuple[Assigned, ...]


def rules_over(inventory: Inventory) -> RulesOver:
    """Locks and policy assignments of the inventory, by scope."""
    locks, policies = [], []
    ids: list[str] | None = None
    for one in inventory.governance:
        kind = one.type.lower()
        if kind not in ("microsoft.authorization/locks", "microsoft.authorization/policyassignments"):
            continue
        # Most estates have none; then nothing is sorted.
        ids = sorted(resource.id.lower() + "/" for resource in inventory.resources) if ids is None else ids
        scope = _scope(one)
        below = _below(scope, ids)
        if kind.endswith("/locks"):
            level, notes = _text(one, "level"), _text(one, "notes")
            locks.append(Lock(one.name, level, scope or "/", below, notes, one.id))
        else:
            shown = _text(one, "displayName") or one.name
            definition = _text(one, "policyDefinitionId").rpartition("/")[2]
            mode = _text(one, "enforcementMode") or "Default"
            policies.append(Assigned(shown, definition, scope or "/", below, mode, one.id))
    return RulesOver(
        tuple(sorted(locks, key=lambda lock: (lock.scope.lower(), lock.name))),
        tuple(sorted(policies, key=lambda policy: (policy.scope.lower(), policy.name))),
    )


def _scope(one: Resource) -> str:
    """The id that a lock or an assignment stands on: what is before its own provider part."""
    lowered = one.id.lower()
    at = lowered.rfind("/providers/microsoft.authorization/")
    return one.id[:at] if at >= 0 else ""


def _below(scope: str, ids: list[str]) -> int:
    """How many resources stand at or below a scope; a management group's are all of the inventory's."""
    if not scope or scope.lower().startswith("/providers/microsoft.management/"):
        return len(ids)
    prefix = scope.lower().rstrip("/") + "/"
    return bisect_left(ids, prefix[:-1] + "0") - bisect_left(ids, prefix)


def _text(one: Resource, key: str) -> str:
    return str(one.properties.get(key) or "")
