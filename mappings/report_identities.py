"""Section "Identity": principals, applications and tenants that do not exist in the target tenant."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from mappings.identities import Handling, IdentityScan, Managed, TenantUse, Use, scan_identities
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Section, Table
from mappings.report_words import counted, counts, make_row

_TITLE = "Identity"
_HANDLING = {
    Handling.MAP: "name its counterpart in the target tenant",
    Handling.MADE_ANEW: "Azure makes it anew with its resource; give the new identity the same access",
    Handling.PAIR: "use the id that Microsoft names for Azure Government",
}
_NOT_SEEN = (
    "Groups' members, Conditional Access, Privileged Identity Management, application registrations and consents are in"
    " the directory, which this inventory does not read. Passwords and second factors never move."
)


def identities_section(facts: Facts) -> Section:
    """What a principal map must hold, and everything that names the source tenant."""
    if facts.scanners is None:
        return Section("identities", _TITLE, "Identities were not looked for: their table was not handed in.")
    inventory = facts.assessment.inventory
    scan = scan_identities(replace(inventory, resources=facts.described), facts.scanners.identities)
    remarks = [_NOT_SEEN]
    if not inventory.governance:
        remarks.append(
            "Role assignments are not in this inventory: `govlift inventory` reads them; an exported list does not hold"
            " them. Ask for `az role assignment list --all`."
        )
    to_map = [one for one in scan.principals if one.handling is Handling.MAP]
    tables = (
        _principals(scan),
        _assignments(scan),
        _access(scan),
        _managed(scan),
        _applications(scan),
        _tenants(scan),
        _tenant_places(scan),
    )
    shown = tuple(one for one in tables if one.rows)
    if not shown:
        return Section("identities", _TITLE, "No identity is named in this inventory.", remarks=tuple(remarks))
    lead = (
        f"{counted(len(to_map), 'principal')} of the source tenant {'holds' if len(to_map) == 1 else 'hold'} access and"
        f" {'needs' if len(to_map) == 1 else 'need'} a counterpart in the target tenant before"
        f" {counted(sum(sum(one.uses.values()) for one in to_map), 'grant')} can be built again;"
        f" {counted(len(scan.managed), 'managed identity', 'managed identities')} Azure makes anew under other ids."
    )
    return Section("identities", _TITLE, lead, shown, tuple(remarks))


def _principals(scan: IdentityScan) -> Table:
    columns = (
        Column("principal", "Principal", Kind.NAME),
        Column("name", "Known as"),
        Column("kind", "Type"),
        *counts(("uses", "Grants"), ("roles", "Role assignments")),
        Column("work", "What to do"),
        Column("handling", "Handling", detail=True),
        Column("becomes", "Id in Azure Government", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "principal": one.id,
                "name": one.name,
                "kind": one.kind,
                "uses": sum(one.uses.values()),
                "roles": one.uses.get("role assignment", 0),
                "work": _HANDLING[one.handling],
                "handling": one.handling.value,
                "becomes": one.becomes,
            },
            {
                "uses": Ref("identities", "", {"grantee": one.id}),
                "roles": Ref("identities", "identity-roles", {"grantee": one.id, "use": "role assignment"}),
            },
        )
        for one in scan.principals
    )
    note = "A principal map says of each who it is in the target tenant; without it no access can be built again."
    return Table("identity-principals", "Principals that access is built on", columns, rows, note=note)


_GRANT = (
    Column("grantee", "Principal", Kind.NAME),
    Column("use", "Grant"),
    Column("what", "What it allows", Kind.NAME),
    Column("scope", "On", Kind.NAME),
    Column("kind", "Type", detail=True),
    Column("note", "Note"),
    Column("id", "Scope or resource id", Kind.NAME, detail=True),
)
_GOVERNED = ("role assignment", "deny assignment", "classic administrator")


def _assignments(scan: IdentityScan) -> Table:
    found = [use for use in scan.uses if use.use in _GOVERNED]
    return _grants("identity-roles", "Role assignments, deny assignments and classic administrators", found)


def _access(scan: IdentityScan) -> Table:
    found = [use for use in scan.uses if use.use not in _GOVERNED]
    return _grants("identity-access", "Access policies and administrators inside services", found)


def _grants(key: str, caption: str, found: list[Use]) -> Table:
    rows = tuple(
        make_row(
            {
                "grantee": use.principal,
                "use": use.use,
                "what": use.what,
                "scope": use.scope.rpartition("/")[2] or use.scope,
                "kind": use.kind,
                "note": use.note,
                "id": use.scope,
            }
        )
        for use in found
    )
    return Table(key, caption, _GRANT, rows)


def _managed(scan: IdentityScan) -> Table:
    columns = (
        Column("name", "Managed identity of", Kind.NAME),
        Column("assigned", "Assigned by"),
        Column("type", "Type", Kind.NAME),
        *counts(("grants", "Grants")),
        Column("used_by", "Used by", Kind.NAME),
        Column("federated", "Federated credentials", Kind.NAME, detail=True),
        Column("principal", "Principal id today", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    grants: defaultdict[str, int] = defaultdict(int)
    for use in scan.uses:
        grants[use.principal] += 1
    rows = tuple(
        make_row(
            {
                "name": one.name,
                "assigned": one.assigned,
                "type": one.type,
                "grants": grants[one.principal] if one.principal else 0,
                "federated": "; ".join(one.federated),
                "used_by": "; ".join(user.rpartition("/")[2] for user in one.users) or _unused(one),
                "principal": one.principal,
                "id": one.resource_id,
            },
            {"grants": Ref("identities", "", {"grantee": one.principal})},
        )
        for one in sorted(scan.managed, key=lambda one: (one.assigned != "user", one.type.lower(), one.name.lower()))
    )
    return Table("identity-managed", "Managed identities", columns, rows)


def _applications(scan: IdentityScan) -> Table:
    columns = (
        Column("application", "Application id", Kind.NAME),
        Column("name", "Known as"),
        Column("work", "What to do"),
        Column("becomes", "Id in Azure Government", Kind.NAME),
        Column("resource", "Named by", Kind.NAME),
        Column("property", "Where", Kind.NAME),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    works = {
        **_HANDLING,
        Handling.MAP: "look it up: register the application in the target tenant, or find Microsoft's own id there",
    }
    rows = tuple(
        make_row(
            {
                "application": one.app_id,
                "name": one.name,
                "work": works[one.handling],
                "becomes": one.becomes,
                "resource": one.resource_id.rpartition("/")[2],
                "property": one.property,
                "id": one.resource_id,
            }
        )
        for one in scan.applications
    )
    return Table("identity-applications", "Applications named by id", columns, rows)


def _tenants(scan: IdentityScan) -> Table:
    columns = (
        Column("property", "Property", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("whose", "Whose tenant"),
        *counts(("resources", "Resources")),
        Column("tenant", "Tenant id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "property": use.property,
                "type": use.type,
                "whose": "the source tenant" if use.own else "another tenant: ask whose it is",
                "resources": use.resources,
                "tenant": use.tenant,
            },
            {"resources": Ref("identities", "identity-tenant-places", _place(use))},
        )
        for use in scan.tenants
    )
    note = "Every one of these ids becomes the id of the target tenant, unless it names another organisation's tenant."
    return Table("identity-tenants", "Tenant ids in properties", columns, rows, note=note)


def _place(use: TenantUse) -> dict[str, str]:
    return {"property": use.property, "type": use.type, "tenant": use.tenant}


def _tenant_places(scan: IdentityScan) -> Table:
    columns = (
        Column("resource", "Resource", Kind.NAME),
        Column("property", "Property", Kind.NAME),
        Column("tenant", "Tenant id", Kind.NAME),
        Column("type", "Type", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row({"resource": one.rpartition("/")[2], **_place(use), "id": one})
        for use in scan.tenants
        for one in use.ids
    )
    return Table("identity-tenant-places", "Each resource that holds a tenant id", columns, rows)


def _unused(one: Managed) -> str:
    return "nothing in this inventory" if one.assigned == "user" else one.name
