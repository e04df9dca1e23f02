"""Principals, applications and tenants that have to be built again: found, told apart, counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mappings.identities import Handling, scan_identities
from mappings.model import Inventory, Resource
from tasks.scanning import load_scanners

TABLE = load_scanners().identities
TENANT = "0f6d2a9c-41b7-4c3e-8a55-2e9b7d1c4f10"
GROUP, USER, MANAGED, OTHER = (f"4c2f6e1a-93b7-4d0e-8a51-7e9d3c1b5a0{number}" for number in range(4))
SCOPE = "/subscriptions/5b1f2c7e-0d3a-4e8b-9c41-7a2d6f9e1001/resourceGroups/g"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CUSTOM = "7d2e9b40-8c13-4f6a-b5d2-90e1f3a6c701"
VAULT_APP = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"


def resource(kind: str, name: str, properties: dict[str, Any], **more: Any) -> Resource:
    return Resource(f"{SCOPE}/providers/{kind}/{name}", name, kind, properties=properties, **more)


def assignment(principal: str, role: str, **more: str) -> Resource:
    given = {"principalId": principal, "roleDefinitionId": f"/x/roleDefinitions/{role}", "scope": SCOPE, **more}
    return resource("Microsoft.Authorization/roleAssignments", f"{principal}-{role}", given)


IDENTITY = resource(
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "id-app",
    {"principalId": MANAGED.upper(), "clientId": OTHER, "tenantId": TENANT},
)
SITE = resource(
    "Microsoft.Web/sites",
    "app",
    {"siteConfig": {"appSettings": [{"name": "A", "value": VAULT_APP}, {"name": "CLIENT_ID", "value": USER}]}},
    identity={
        "type": "SystemAssigned, UserAssigned",
        "principalId": "11111111-93b7-4d0e-8a51-7e9d3c1b5a01",
        "tenantId": TENANT,
        "userAssignedIdentities": {IDENTITY.id.upper(): {}},
    },
)
VAULT = resource(
    "Microsoft.KeyVault/vaults",
    "kv",
    {
        "tenantId": TENANT,
        "accessPolicies": [
            {"tenantId": TENANT, "objectId": GROUP.upper(), "permissions": {"secrets": ["get", "list"], "keys": []}},
            {"tenantId": TENANT, "objectId": MANAGED, "applicationId": OTHER, "permissions": {}},
        ],
    },
)
SQL = resource("Microsoft.Sql/servers", "sql", {"administrators": {"login": "dba", "sid": GROUP, "tenantId": TENANT}})
GUEST = resource("Microsoft.ManagedServices/registrationDefinitions", "msp", {"managedByTenantId": USER})
GOVERNANCE = (
    assignment(GROUP, READER, principalType="Group"),
    assignment(USER, CUSTOM, principalType="User", condition="@Resource[x] StringEquals 'y'"),
    assignment(MANAGED, "99999999-3385-48ef-bd42-f606fba81ae7", principalType="ServicePrincipal"),
    assignment("[reference(resourceId('a/b', 'c')).identity.principalId]", READER),
    resource("Microsoft.Authorization/roleDefinitions", CUSTOM, {"type": "CustomRole", "roleName": "Clerk"}),
    resource("Microsoft.Authorization/classicAdministrators", "c", {"emailAddress": "a@b.example", "role": "Owner"}),
    resource("Microsoft.Authorization/denyAssignments", "d", {"principals": [{"id": GROUP, "type": "Group"}]}),
)


def scan(*resources: Resource, governance: tuple[Resource, ...] = ()) -> Any:
    taken = Inventory("AzureCloud", TENANT, "x", datetime(2026, 11, 1, tzinfo=UTC), resources, governance=governance)
    return scan_identities(taken, TABLE)


EVERYTHING = scan(IDENTITY, SITE, VAULT, SQL, GUEST, governance=GOVERNANCE)


def test_each_principal_is_counted_over_all_its_grants() -> None:
    """Mutation that must fail it: ids compared with regard to capitals."""
    found = {one.id: one for one in EVERYTHING.principals}
    assert found[GROUP].uses == {
        "role assignment": 1,
        "deny assignment": 1,
        "Key Vault access policy": 1,
        "SQL Entra administrator": 1,
    }
    assert found[GROUP].handling is Handling.MAP and found[GROUP].kind == "Group"
    assert found[MANAGED].handling is Handling.MADE_ANEW and found[MANAGED].name == "managed identity id-app"
    assert set(found) == {GROUP, USER, MANAGED, "a@b.example"}, "an expression of a template is no principal"
    assert EVERYTHING.principals[0].id == GROUP, "most used first"


def test_roles_are_named_and_custom_ones_said_so() -> None:
    roles = {use.principal: use for use in EVERYTHING.uses if use.use == "role assignment"}
    assert roles[GROUP].what == "Reader" and not roles[GROUP].note
    assert roles[USER].what == "Clerk" and "custom role" in roles[USER].note and "condition" in roles[USER].note
    assert "look it up" in roles[MANAGED].note
    assert "template" in roles[""].note
    (classic,) = [use for use in EVERYTHING.uses if use.use == "classic administrator"]
    assert "Azure role" in classic.note
    (vault, _) = [use for use in EVERYTHING.uses if use.use == "Key Vault access policy"]
    assert vault.what == "secrets: get, list" and vault.scope == VAULT.id


def test_managed_identities_know_their_users() -> None:
    found = {one.assigned: one for one in EVERYTHING.managed}
    assert found["user"].users == (SITE.id,) and found["user"].principal == MANAGED
    assert found["system"].resource_id == SITE.id


def test_applications_are_pairs_managed_or_to_be_looked_up() -> None:
    found = {(one.app_id, one.resource_id): one for one in EVERYTHING.applications}
    pair = found[VAULT_APP, SITE.id]
    assert pair.handling is Handling.PAIR and pair.becomes == "7e7c393b-45d0-48b1-a35e-2905ddf8183c"
    assert found[OTHER, VAULT.id].handling is Handling.MADE_ANEW, "the client id of an identity of the estate"
    lost = scan(resource("Microsoft.BotService/botServices", "b", {"msaAppId": USER})).applications
    assert [(one.app_id, one.handling) for one in lost] == [(USER, Handling.MAP)]


def test_tenant_ids_are_those_of_the_source_or_of_somebody_else() -> None:
    found = {(use.type, use.property): use for use in EVERYTHING.tenants}
    assert found[VAULT.type, "properties.accessPolicies[].tenantId"].resources == 1
    assert found[SQL.type, "properties.administrators.tenantId"].own
    assert not found[GUEST.type, "properties.managedByTenantId"].own
    assert EVERYTHING.tenants[0].tenant == USER, "another organisation's tenant first"
    assert (SITE.type, "identity.tenantId") not in found, "Azure makes a managed identity anew, with its tenant"


def test_nothing_is_made_up_where_nothing_is_named() -> None:
    plain = resource("Microsoft.Compute/disks", "d", {"uniqueId": USER, "managedBy": f"{SCOPE}/x/{GROUP}"})
    found = scan(plain)
    assert not (found.uses or found.principals or found.applications or found.tenants or found.managed)
