"""ARM's own provider, Microsoft.Resources: tenants, subscriptions, regions, groups, the flat resource list."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from sandbox.arm import Arm, Route, api_version, json_body
from sandbox.armwire import ArmError, listing, page_asked
from sandbox.estates.model import ProviderSpec, SubscriptionSpec
from sandbox.holdings import Body, normal, page
from sandbox.operations import RETRY_AFTER

SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
GROUP = SUBSCRIPTION + r"/resourcegroups/(?P<group>[^/]+)"
NAMESPACE = r"/providers/(?P<namespace>[^/]+)"
LISTED = ("id", "name", "type", "kind", "location", "managedBy", "sku", "plan", "tags", "identity", "zones")
"""What the flat list tells of a resource; `properties` are had only by asking for one."""

_TERM = re.compile(r"(\w+)\s+(eq|ne)\s+'((?:[^']|'')*)'", re.IGNORECASE)
_FIELDS: dict[str, Callable[[Body], str]] = {
    "resourcetype": lambda body: str(body["type"]),
    "resourcegroup": lambda body: str(body["id"]).split("/")[4] if str(body["id"]).count("/") > 4 else "",
    "location": lambda body: normal(str(body.get("location") or "")),
    "name": lambda body: str(body["name"]),
}


def _term(body: Body, field: str, operator: str, value: str) -> bool:
    value = value.replace("''", "'")
    match field.lower():
        case "tagname":
            same = value.lower() in {name.lower() for name in body.get("tags") or {}}
        case "tagvalue":
            same = value in (body.get("tags") or {}).values()
        case known:
            same = _FIELDS[known](body).lower() == value.lower()
    return same is (operator.lower() == "eq")


def filtered(bodies: list[Body], condition: str) -> list[Body]:
    """The bodies that an OData `$filter` of the resource list takes: `eq` and `ne`, joined by `and` or by `or`.

    Raises:
        ArmError: the filter is not of that form.
    """
    if not condition:
        return bodies
    joined_by = any if re.search(r"'\s+or\s+\w+", condition, re.IGNORECASE) else all
    parts = re.split(r"(?<=')\s+(?:and|or)\s+(?=\w+\s+(?:eq|ne)\s)", condition.strip(), flags=re.IGNORECASE)
    terms = [_TERM.fullmatch(part) for part in parts]
    known = {*_FIELDS, "tagname", "tagvalue"}
    if any(term is None or term[1].lower() not in known for term in terms):
        raise ArmError(
            400, "InvalidFilterInQueryString", f"Invalid $filter '{condition}' specified in the query string."
        )
    return [body for body in bodies if joined_by(_term(body, *term.groups()) for term in terms if term)]


class Groups:
    """Answers of Microsoft.Resources.

    Args:
        arm: the cloud's ARM.
        accounts_gone: told the storage accounts that went with a deleted group.
    """

    def __init__(self, arm: Arm, accounts_gone: Callable[[list[str]], Awaitable[None]]) -> None:
        self._arm = arm
        self._holdings = arm.holdings
        self._accounts_gone = accounts_gone

    def routes(self) -> list[Route]:
        """The routes of this provider."""
        return [
            Route("GET", "/metadata/endpoints", self._endpoints, open=True),
            Route("GET", "/tenants", self._tenants),
            Route("GET", "/subscriptions", self._subscriptions),
            Route("GET", SUBSCRIPTION, self._subscription),
            Route("GET", SUBSCRIPTION + "/locations", self._locations),
            Route("GET", f"(?:{SUBSCRIPTION})?/providers", self._providers),
            Route("GET", f"(?:{SUBSCRIPTION})?{NAMESPACE}", self._provider),
            Route("POST", SUBSCRIPTION + NAMESPACE + "/(?:un)?register", self._provider),
            Route("GET", SUBSCRIPTION + "/resources", self._resources),
            Route("GET", SUBSCRIPTION + "/operationresults/(?P<operation>[^/]+)", self._operation),
            Route("GET", SUBSCRIPTION + "/resourcegroups", self._groups),
            Route("GET", GROUP + "/resources", self._resources),
            Route("GET HEAD PUT PATCH DELETE", GROUP, self._group),
        ]

    async def _endpoints(self, request: web.Request) -> web.Response:
        names = self._arm.names
        login = {"loginEndpoint": names.authority, "audiences": list(names.arm_audiences), "tenant": "common"}
        body = {"name": names.azure_name, "resourceManager": names.arm, "authentication": login}
        return web.json_response([{**body, "suffixes": {"storage": names.suffix}}])

    async def _tenants(self, request: web.Request) -> web.Response:
        tenant = self._arm.authority.tenant_id
        return listing(request, [{"id": f"/tenants/{tenant}", "tenantId": tenant, "tenantCategory": "Home"}], "")

    def _subscription_body(self, entry: SubscriptionSpec) -> Body:
        policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": entry.quota_id, "spendingLimit": "Off"}
        return {
            "id": f"/subscriptions/{entry.id}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": entry.id,
            "tenantId": self._arm.authority.tenant_id,
            "displayName": entry.name,
            "state": entry.state,
            "subscriptionPolicies": policies,
        }

    async def _subscriptions(self, request: web.Request) -> web.Response:
        bodies = [self._subscription_body(entry) for entry in self._holdings.subscriptions.values()]
        bodies = sorted((body for body in bodies if not self._holdings.denied(body["id"])), key=lambda body: body["id"])
        after, most = page_asked(request)
        return listing(request, *page(bodies, after=after, most=most))

    async def _subscription(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        return web.json_response(self._subscription_body(self._holdings.subscriptions[subscription.lower()]))

    async def _locations(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        spoken = {
            normal(name): name
            for provider in self._holdings.spec.providers
            for locations, _ in provider.types.values()
            for name in locations
        }
        bodies: list[Body] = [
            {
                "id": f"/subscriptions/{subscription}/locations/{name}",
                "name": name,
                "type": "Region",
                "displayName": spoken.get(name, name),
                "regionalDisplayName": spoken.get(name, name),
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
                **self._zone_mappings(spoken.get(name, name), api_version(request)),
            }
            for name in self._holdings.spec.locations
        ]
        return listing(request, bodies, "")

    def _zone_mappings(self, location: str, version: str) -> Body:
        """Zones of a region, which versions before 2022-12-01 do not tell; regions without zones have no such key."""
        zones = self._holdings.spec.offer.zones.get(location, ())
        if not zones or version < "2022-12-01":
            return {}
        place = normal(location)
        mapped = [{"logicalZone": zone, "physicalZone": f"{place}-az{zone}"} for zone in zones]
        return {"availabilityZoneMappings": mapped}

    def _type_zones(self, full_type: str, locations: Sequence[str]) -> Body:
        offer = self._holdings.spec.offer
        if full_type.lower() not in offer.zonal_types:
            return {}
        zoned = [{"location": name, "zones": list(offer.zones[name])} for name in locations if offer.zones.get(name)]
        return {"zoneMappings": zoned}

    def _provider_body(self, entry: ProviderSpec, subscription: str | None) -> Body:
        types = [
            {
                "resourceType": name,
                "locations": list(locations),
                "apiVersions": list(versions),
                "defaultApiVersion": versions[0] if versions else None,
                "capabilities": "SupportsTags, SupportsLocation" if locations else "None",
                **self._type_zones(f"{entry.namespace}/{name}", locations),
            }
            for name, (locations, versions) in entry.types.items()
        ]
        body: Body = {"namespace": entry.namespace, "resourceTypes": types}
        if subscription is not None:
            body["id"] = f"/subscriptions/{subscription}/providers/{entry.namespace}"
            unknown = entry.namespace.lower() in self._holdings.spec.offer.unregistered
            state = "NotRegistered" if unknown else "Registered"
            body |= {"registrationPolicy": "RegistrationRequired", "registrationState": state}
        return body

    async def _providers(self, request: web.Request, subscription: str | None) -> web.Response:
        if subscription is not None:
            self._arm.require_subscription(subscription)
        bodies = [self._provider_body(entry, subscription) for entry in self._holdings.spec.providers]
        return listing(request, bodies, "")

    async def _provider(self, request: web.Request, subscription: str | None, namespace: str) -> web.Response:
        if subscription is not None:
            self._arm.require_subscription(subscription)
        entry = self._holdings.providers.get(namespace.lower())
        if entry is None:
            raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
        return web.json_response(self._provider_body(entry, subscription))

    async def _resources(self, request: web.Request, subscription: str, group: str = "") -> web.Response:
        self._arm.require_subscription(subscription)
        self._arm.require_version("Microsoft.Resources/resources", api_version(request))
        scope = f"/subscriptions/{subscription}"
        if group:
            scope = str(self._arm.require_group(subscription, group)["id"])
            self._arm.require_access(scope, "Microsoft.Resources/subscriptions/resourceGroups/resources/read")
        bodies = filtered(self._holdings.readable(scope), request.query.get("$filter", ""))
        expanded = [word for word in request.query.get("$expand", "").split(",") if word]
        after, most = page_asked(request)
        taken, go_on = page(bodies, after=after, most=most)
        return listing(request, [_listed(body, expanded) for body in taken], go_on)

    async def _operation(self, request: web.Request, subscription: str, operation: str) -> web.Response:
        return self._arm.operations.poll(request, operation)

    async def _groups(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        self._arm.require_version("Microsoft.Resources/resourceGroups", api_version(request))
        bodies = filtered(self._holdings.groups_of(subscription), request.query.get("$filter", ""))
        after, most = page_asked(request)
        return listing(request, *page(bodies, after=after, most=most))

    async def _group(self, request: web.Request, subscription: str, group: str) -> web.Response:
        method, group_id = request.method, f"/subscriptions/{subscription}/resourceGroups/{group}"
        self._arm.require_subscription(subscription, to_write=method not in ("GET", "HEAD"))
        self._arm.require_version("Microsoft.Resources/resourceGroups", api_version(request))
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method, "read")
        self._arm.require_access(group_id, f"Microsoft.Resources/subscriptions/resourceGroups/{verb}")
        if method == "PUT":
            return self._put(group_id, group, await json_body(request))
        if method == "HEAD":
            return web.Response(status=204 if group_id.lower() in self._holdings.groups else 404)
        body = self._arm.require_group(subscription, group)
        if method == "DELETE":
            return self._delete(body)
        if method == "PATCH":
            body["tags"] = (await json_body(request)).get("tags", body.get("tags"))
        return web.json_response(body)

    def _put(self, group_id: str, name: str, asked: Body) -> web.Response:
        location, old = normal(str(asked.get("location", ""))), self._holdings.groups.get(group_id.lower())
        if not location:
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        if location not in self._holdings.spec.locations:
            regions = ",".join(self._holdings.spec.locations)
            raise ArmError(
                400,
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{location}' is not available for resource group. List of available regions is "
                f"'{regions}'.",
            )
        if old is not None and normal(str(old["location"])) != location:
            raise ArmError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{location}'. The Resource group already exists in location "
                f"'{old['location']}'.",
            )
        body: Body = {
            "id": old["id"] if old else group_id,
            "name": old["name"] if old else name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": location,
            "tags": asked.get("tags") or {},
            "properties": {"provisioningState": "Succeeded"},
        }
        self._holdings.groups[group_id.lower()] = body
        return web.json_response(body, status=200 if old else 201)

    def _delete(self, body: Body) -> web.Response:
        body["properties"] = {**body.get("properties", {}), "provisioningState": "Deleting"}

        async def work() -> None:
            await self._accounts_gone(self._holdings.remove_group(str(body["id"])))

        operation = self._arm.operations.begin(work)
        subscription = str(body["id"]).split("/")[2]
        link = f"{self._arm.names.arm}/subscriptions/{subscription}/operationresults/{operation}?api-version=2024-11-01"
        return web.Response(status=202, headers={"Location": link, **RETRY_AFTER})


def _listed(body: Body, expanded: list[str]) -> Body:
    shown = {name: body[name] for name in LISTED if body.get(name) is not None}
    born = str((body.get("systemData") or {}).get("createdAt") or body.get("createdTime") or "2024-01-01T00:00:00Z")
    more = {
        "createdTime": born,
        "changedTime": str(body.get("changedTime") or born),
        "provisioningState": (body.get("properties") or {}).get("provisioningState", "Succeeded"),
    }
    return shown | {name: more[name] for name in expanded if name in more}
