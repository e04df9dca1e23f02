"""ARM of one cloud: who may ask, which route answers, and the answers about resources of any type.

Routes are tried in order; a provider with answers of its own (`armgroups`, `armstorage`, `graph`) stands before the
general ones. Source of shapes: see `armwire`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from sandbox.armwire import (
    ArmError,
    Quota,
    bad_token,
    forbidden,
    listing,
    no_group,
    no_provider,
    no_resource,
    page_asked,
)
from sandbox.entra import Authority
from sandbox.holdings import Body, Holdings, page
from sandbox.names import CloudNames
from sandbox.operations import Operations
from sandbox.resourcepath import ResourcePath
from sandbox.storage.backend import Claims, TokenRefused

Handler = Callable[..., Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request: methods, the pattern of the whole path (any case), and who answers.

    The handler is called with the request and, by name, the named groups of the pattern.
    """

    methods: str
    pattern: str
    handler: Handler
    open: bool = False
    """Answered without a token."""

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        found = re.fullmatch(self.pattern, path, re.IGNORECASE) if method in self.methods.split() else None
        return found.groupdict() if found else None


class Arm:
    """The shared part of one cloud's ARM.

    Args:
        names: the cloud.
        holdings: what it holds.
        authority: whose tokens it takes.
    """

    def __init__(self, names: CloudNames, holdings: Holdings, authority: Authority) -> None:
        self.names = names
        self.holdings = holdings
        self.authority = authority
        self.operations = Operations()
        self._quota = Quota()
        self._routes: list[Route] = []

    def add(self, routes: Sequence[Route]) -> None:
        """Put routes behind those that are there."""
        self._routes += routes

    def application(self) -> web.Application:
        """ARM as a web application."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            response = await self._dispatch(request)
        except ArmError as refusal:
            response = refusal.answer()
        response.headers.update(self._quota.headers(request.method))
        return response

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        for route in self._routes:
            named = route.match(request.method, path)
            if named is not None:
                if not route.open:
                    self._authenticate(request)
                    api_version(request)
                return await route.handler(request, **named)
        self._authenticate(request)
        raise ArmError(404, "NotFound", f"No HTTP resource was found that matches the request URI '{request.path}'.")

    def _authenticate(self, request: web.Request) -> Claims:
        authorization = request.headers.get("Authorization", "")
        place = self.names.authority, self.authority.tenant_id
        if not authorization.startswith("Bearer "):
            missing = "Authentication failed. The 'Authorization' header is missing."
            raise bad_token(*place, "AuthenticationFailed", missing)
        try:
            return self.authority.verify(authorization, self.names.is_arm_audience)
        except TokenRefused as refusal:
            raise bad_token(*place, "InvalidAuthenticationToken", str(refusal)) from refusal

    def require_subscription(self, subscription: str, *, to_write: bool = False) -> None:
        """Refuse a subscription that is not there, or that is disabled and shall be written to."""
        known = self.holdings.subscriptions.get(subscription.lower())
        if known is None:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
        self.require_access(f"/subscriptions/{subscription}", "Microsoft.Resources/subscriptions/read")
        if to_write and known.state != "Enabled":
            raise ArmError(
                409,
                "ReadOnlyDisabledSubscription",
                f"The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform "
                "any write actions on this subscription until it is re-enabled.",
            )

    def require_access(self, resource_id: str, action: str) -> None:
        """Refuse what stands in a denied group."""
        if self.holdings.denied(resource_id):
            raise forbidden(self.authority.client_id, self.authority.object_id, action, resource_id)

    def require_group(self, subscription: str, group: str) -> Body:
        """The group, which must be there."""
        body = self.holdings.group(subscription, group)
        if body is None:
            raise no_group(group)
        return body

    def require_version(self, full_type: str, asked: str, *, location: str = "") -> None:
        """Refuse an API version or region that this cloud lacks for the type. A type it knows nothing of passes."""
        offered = self.holdings.type_named(full_type)
        if offered is None:
            return
        if asked not in offered.api_versions or (location and not offered.offered_in(location)):
            raise no_provider(offered, location, asked)

    def require_offer(self, full_type: str, asked: str, location: str) -> None:
        """Refuse to create what this cloud does not have at all, or not in this version or region."""
        namespace, _, name = full_type.partition("/")
        if namespace.lower() not in self.holdings.providers:
            raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
        if self.holdings.type_named(full_type) is None:
            raise ArmError(
                404,
                "InvalidResourceType",
                f"The resource type '{name}' could not be found in the namespace '{namespace}' for api version "
                f"'{asked}'.",
            )
        self.require_version(full_type, asked, location=location)


def api_version(request: web.Request) -> str:
    """The API version asked for, which must be."""
    asked = request.query.get("api-version", "")
    if not asked:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    return asked


async def json_body(request: web.Request) -> Body:
    """The body of a request, which must be a JSON object."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
    return body


class AnyResource:
    """Answers about resources of any type, by id and by list of a type."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._holdings = arm.holdings

    def routes(self) -> list[Route]:
        """To stand last."""
        return [Route("GET HEAD PUT DELETE", r"/subscriptions/.+/providers/.+", self._by_path)]

    async def _by_path(self, request: web.Request) -> web.StreamResponse:
        place = ResourcePath.parse(request.path.rstrip("/"))
        if place is None:
            raise ArmError(404, "NotFound", f"No resource was found at '{request.path}'.")
        writing = request.method in ("PUT", "DELETE")
        self._arm.require_subscription(place.subscription, to_write=writing)
        verb = {"PUT": "write", "DELETE": "delete"}.get(request.method, "read")
        self._arm.require_access(place.path, f"{place.type}/{verb}")
        if place.group:
            self._arm.require_group(place.subscription, place.group)
        if not place.name:
            return self._list(request, place)
        return await self._put(request, place) if request.method == "PUT" else self._one(request, place)

    def _list(self, request: web.Request, place: ResourcePath) -> web.Response:
        self._arm.require_version(place.type, api_version(request))
        wanted = place.type.lower()
        bodies = [body for body in self._holdings.readable(place.scope) if str(body["type"]).lower() == wanted]
        after, most = page_asked(request)
        return listing(request, *page(bodies, after=after, most=most))

    def _one(self, request: web.Request, place: ResourcePath) -> web.Response:
        known = self._holdings.resource(place.path)
        self._arm.require_version(place.type, api_version(request))
        if known is None:
            if request.method == "DELETE":
                return web.Response(status=204)
            raise no_resource(place.type, place.name, place.group)
        if request.method == "DELETE":
            del self._holdings.resources[place.path.lower()]
            return web.Response(status=200)
        return web.Response(status=204) if request.method == "HEAD" else web.json_response(known)

    async def _put(self, request: web.Request, place: ResourcePath) -> web.Response:
        asked = await json_body(request)
        location = str(asked.get("location", ""))
        self._arm.require_offer(place.type, api_version(request), location)
        born = place.path.lower() not in self._holdings.resources
        kept: Body = {name: asked[name] for name in ("sku", "kind", "plan", "zones", "identity") if name in asked}
        body: Body = {
            "id": place.path,
            "name": place.name.rpartition("/")[2],
            "type": place.type,
            "location": location,
            "tags": asked.get("tags") or {},
            **kept,
            "properties": {**(asked.get("properties") or {}), "provisioningState": "Succeeded"},
        }
        self._holdings.resources[place.path.lower()] = body
        return web.json_response(body, status=201 if born else 200)
