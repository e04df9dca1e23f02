"""Who and what the estate names in Entra ID: principals, applications, tenants. None of their ids exists in the target.

Object ids, application ids and tenant ids belong to one tenant, and some application ids of Microsoft itself differ
between the clouds ("Compare Azure Government and global Azure"). Where resources hold such ids stands in
`catalogue/tables/identities.toml`. The result says what a principal map must hold before access can be built again.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mappings.identity_table import IdentityTable, Place
from mappings.model import Inventory, Resource
from mappings.walking import Path, strings_of

GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ASSIGNMENT = "microsoft.authorization/roleassignments"
DEFINITION = "microsoft.authorization/roledefinitions"
DENY = "microsoft.authorization/denyassignments"
CLASSIC_ADMIN = "microsoft.authorization/classicadministrators"
_ASSIGNED = "microsoft.managedidentity/userassignedidentities"
_FEDERATED = "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials"


class Handling(StrEnum):
    """What becomes of an identity in the target."""

    MAP = "map"
    """Somebody has to say who it is in the target tenant."""
    MADE_ANEW = "made-anew"
    """A managed identity: Azure makes it with its resource, under a new id."""
    PAIR = "known-pair"
    """An application of Microsoft whose id in Azure Government is known."""


@dataclass(frozen=True, slots=True)
class Use:
    """One place that names a principal."""

    principal: str
    """Its id in lower case, or its sign-in name where that stands there."""
    kind: str
    """User, Group, ServicePrincipal, ... as far as told; "" where not."""
    use: str
    """"role assignment", "Key Vault access policy", ..."""
    what: str
    """The role, the permissions, or the property path."""
    scope: str
    """ARM id of the scope or resource."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Managed:
    """One managed identity."""

    resource_id: str
    """Of the resource that has it, or of the user-assigned identity."""
    name: str
    type: str
    assigned: str
    """"system" or "user"."""
    principal: str
    users: tuple[str, ...] = ()
    """Resources that use a user-assigned identity."""
    federated: tuple[str, ...] = ()
    """Its federated credentials: issuer and subject."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One identity that access is built on, with how often each kind of use names it."""

    id: str
    name: str
    kind: str
    handling: Handling
    uses: Mapping[str, int]
    becomes: str = ""
    """Its id in Azure Government, where that is known."""


@dataclass(frozen=True, slots=True)
class TenantUse:
    """The places of one property that hold a tenant's id."""

    tenant: str
    own: bool
    """Whether it is the source tenant."""
    type: str
    property: str
    resources: int
    ids: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Application:
    """One place that names an application by its id."""

    app_id: str
    resource_id: str
    property: str
    handling: Handling
    name: str = ""
    becomes: str = ""


@dataclass(frozen=True, slots=True)
class IdentityScan:
    """Everything that belongs to the source tenant and has to be built again."""

    managed: tuple[Managed, ...]
    uses: tuple[Use, ...]
    principals: tuple[Principal, ...]
    """Most used first; those that need a decision before the others."""
    applications: tuple[Application, ...]
    tenants: tuple[TenantUse, ...]


def scan_identities(inventory: Inventory, table: IdentityTable) -> IdentityScan:
    """Everything in the inventory that names a principal, an application or a tenant."""
    # A policy assignment may have an identity too.
    managed = _managed(itertools.chain(inventory.resources, inventory.governance))
    uses = [*_governed(inventory.governance, table), *_named(inventory.resources, table)]
    known = {one.principal: one for one in managed if one.principal}
    applications, tenants = _ids(inventory, table)
    return IdentityScan(
        managed=managed,
        uses=tuple(uses),
        principals=_principals(uses, known, table),
        applications=applications,
        tenants=tenants,
    )


def _managed(resources: Iterable[Resource]) -> tuple[Managed, ...]:
    users: dict[str, list[str]] = {}
    federated: dict[str, list[str]] = {}
    system: list[Managed] = []
    assigned: list[Resource] = []
    for resource in resources:
        if resource.type.lower() == _ASSIGNED:
            assigned.append(resource)
        elif resource.type.lower() == _FEDERATED:
            owner = resource.id.lower().rpartition("/federatedidentitycredentials/")[0]
            given = resource.properties
            federated.setdefault(owner, []).append(f"{given.get('issuer', '')} {given.get('subject', '')}".strip())
        if not resource.identity:
            continue
        given = resource.identity
        if given.get("principalId") and "system" in str(given.get("type", "")).lower():
            principal = str(given["principalId"]).lower()
            system.append(Managed(resource.id, resource.name, resource.type, "system", principal))
        for used in given.get("userAssignedIdentities") or ():
            users.setdefault(str(used).lower(), []).append(resource.id)
    made = [
        Managed(
            one.id,
            one.name,
            one.type,
            "user",
            str(one.properties.get("principalId") or "").lower(),
            tuple(users.get(one.id.lower(), ())),
            tuple(federated.get(one.id.lower(), ())),
        )
        for one in assigned
    ]
    return (*made, *system)


def _governed(rows: Iterable[Resource], table: IdentityTable) -> Iterator[Use]:
    """Role assignments, deny assignments, classic administrators and the customer's own roles."""
    listed = list(rows)
    custom = {
        one.id.rpartition("/")[2].lower(): str(one.properties.get("roleName") or one.name)
        for one in listed
        if one.type.lower() == DEFINITION and str(one.properties.get("type", "")).lower() == "customrole"
    }
    for row in listed:
        given, kind = row.properties, row.type.lower()
        scope = str(given.get("scope") or row.id.lower().partition("/providers/microsoft.authorization/")[0] or "/")
        if kind == ASSIGNMENT:
            yield _assignment(given, scope, custom, table)
        elif kind == DENY:
            for one in given.get("principals") or ():
                principal = str(one.get("id", "")).lower()
                yield Use(principal, str(one.get("type", "")), "deny assignment", row.name, scope)
        elif kind == CLASSIC_ADMIN:
            role = str(given.get("role") or "classic administrator")
            note = "Classic administrators do not exist in a new subscription: give an Azure role instead."
            yield Use(str(given.get("emailAddress") or row.name), "User", "classic administrator", role, scope, note)


def _assignment(given: Mapping[str, Any], scope: str, custom: Mapping[str, str], table: IdentityTable) -> Use:
    # In a template the id may stand inside an expression.
    ids = GUID.findall(str(given.get("roleDefinitionId") or ""))
    role_id = ids[-1].lower() if ids else ""
    unnamed = f"role {role_id}" if role_id else "a role that a template works out"
    role = str(given.get("roleDefinitionName") or table.roles.get(role_id) or custom.get(role_id) or unnamed)
    notes = []
    if role_id in custom:
        notes.append("custom role: its definition has to be created in the target first")
    elif role_id and role_id not in table.roles and not given.get("roleDefinitionName"):
        notes.append("not among the roles known here: built-in or custom, look it up by its id")
    if given.get("condition"):
        notes.append("has a condition, which may name ids of the source")
    principal, told = _principal(str(given.get("principalId") or ""))
    kind = str(given.get("principalType") or "")
    return Use(principal, kind, "role assignment", role, scope, "; ".join([*told, *notes]))


def _named(resources: Iterable[Resource], table: IdentityTable) -> Iterator[Use]:
    """Principals in the properties of resources, at the places of the table."""
    for resource in resources:
        for place in table.places.get(resource.type.lower(), ()):
            if place.id not in ("object", "name"):
                continue
            for value, holder in _at(resource.properties, place.path):
                if isinstance(value, str) and value.strip():
                    yield _use_at(resource, place, value.strip(), holder)


def _use_at(resource: Resource, place: Place, value: str, holder: Any) -> Use:
    permissions = holder.get("permissions") if isinstance(holder, Mapping) else None
    what = ".".join(place.path)
    if isinstance(permissions, Mapping):
        kinds = [f"{kind}: {', '.join(map(str, given))}" for kind, given in permissions.items() if given]
        what = "; ".join(kinds) or "no permissions"
    elif place.name:
        named = next((str(found) for found, _ in _at(resource.properties, place.name) if found), "")
        what = named or what
    kind = str(holder.get("principalType") or "") if isinstance(holder, Mapping) else ""
    principal, told = _principal(value)
    return Use(principal, kind, place.use, what, resource.id, "; ".join(told))


def _principal(value: str) -> tuple[str, list[str]]:
    """The id as it is compared, and what is to be said of it. A template may only work it out at deployment."""
    if value.startswith("["):
        return "", ["a template works the principal out at deployment"]
    return value.lower() if GUID.fullmatch(value) else value, []


def _at(value: Any, path: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """The values at a path, each with the mapping or list that holds it."""
    if not path or not isinstance(value, Mapping):
        return
    word, rest = path[0], path[1:]
    key = next((key for key in value if str(key).lower() == word.removesuffix("[]").lower()), None)
    if key is None:
        return
    found = value[key]
    items = found if word.endswith("[]") and isinstance(found, list | tuple) else [found]
    for item in items:
        if rest:
            yield from _at(item, rest)
        else:
            yield item, value


def _ids(inventory: Inventory, table: IdentityTable) -> tuple[tuple[Application, ...], tuple[TenantUse, ...]]:
    """Application ids and tenant ids anywhere in the resources."""
    own_tenant = inventory.tenant_id.lower()
    clients = {
        str(one.properties.get("clientId") or "").lower(): one.name
        for one in inventory.resources
        if one.type.lower() == _ASSIGNED
    }
    applications: dict[tuple[str, str, str], Application] = {}
    tenants: dict[tuple[str, str, str], dict[str, None]] = {}
    for resource in inventory.resources:
        if resource.type.lower() == _ASSIGNED:
            # All ids of a managed identity are Azure's own and made anew.
            continue
        places = table.places.get(resource.type.lower(), ())
        principals = {place.path[-1].removesuffix("[]").lower() for place in places if place.id == "application"}
        for path, text in strings_of(resource):
            if len(text) < 36 or "-" not in text or path[0] == "identity":
                continue
            key = _last_key(path)
            for guid in _guids(text):
                if guid == own_tenant or (key in table.tenant_keys and guid == text.lower()):
                    tenants.setdefault((guid, resource.type, _plain(path)), {})[resource.id] = None
                elif _names_app(guid, text, key, principals, table):
                    one = _application(guid, resource, _plain(path), clients, table)
                    applications[guid, resource.id, one.property] = one
    uses = [
        TenantUse(tenant, tenant == own_tenant, kind, place, len(ids), tuple(ids))
        for (tenant, kind, place), ids in tenants.items()
    ]
    ordered = sorted(uses, key=lambda use: (use.own, -use.resources, use.type.lower(), use.property, use.tenant))
    return tuple(applications.values()), tuple(ordered)


def _names_app(guid: str, text: str, key: str, principals: set[str], table: IdentityTable) -> bool:
    """Whether `guid`, found in `text` under `key`, is the id of an application."""
    return guid in table.apps or (guid == text.lower() and (key in table.application_keys or key in principals))


def _guids(text: str) -> Iterator[str]:
    # Ids of ARM resources are full of subscription ids, which are neither.
    if text.startswith("/subscriptions/"):
        return
    for match in GUID.finditer(text):
        yield match[0].lower()


def _application(
    guid: str, resource: Resource, place: str, clients: Mapping[str, str], table: IdentityTable
) -> Application:
    pair = table.apps.get(guid)
    if pair:
        return Application(guid, resource.id, place, Handling.PAIR, pair.name, pair.government)
    if guid in clients:
        return Application(guid, resource.id, place, Handling.MADE_ANEW, f"managed identity {clients[guid]}")
    return Application(guid, resource.id, place, Handling.MAP)


def _principals(uses: list[Use], managed: Mapping[str, Managed], table: IdentityTable) -> tuple[Principal, ...]:
    counts: dict[str, dict[str, int]] = {}
    kinds: dict[str, str] = {}
    for use in uses:
        if use.principal:
            of_one = counts.setdefault(use.principal, {})
            of_one[use.use] = of_one.get(use.use, 0) + 1
            kinds[use.principal] = kinds.get(use.principal) or use.kind
    found = []
    for principal, of_one in counts.items():
        identity, pair = managed.get(principal), table.apps.get(principal)
        if identity:
            name, handling, becomes = f"managed identity of {identity.name}", Handling.MADE_ANEW, ""
            if identity.assigned == "user":
                name = f"managed identity {identity.name}"
        elif pair:
            name, handling, becomes = pair.name, Handling.PAIR, pair.government
        else:
            name, handling, becomes = "", Handling.MAP, ""
        kind = kinds[principal] or ("ServicePrincipal" if identity else "")
        found.append(Principal(principal, name, kind, handling, of_one, becomes))
    rank = {Handling.MAP: 0, Handling.PAIR: 1, Handling.MADE_ANEW: 2}
    return tuple(sorted(found, key=lambda one: (rank[one.handling], -sum(one.uses.values()), one.id)))


def _last_key(path: Path) -> str:
    return next((word.lower() for word in reversed(path) if not word.startswith("[")), "")


def _plain(path: Path) -> str:
    """The path without the names of list items, so that one property of many resources is one place."""
    return ".".join("[]" if word.startswith("[") else word for word in path).replace(".[]", "[]")
