"""What a cloud tells a subscription of its offer: SKU lists and policy definitions.

Sources: REST reference "Resource Skus - List" (an entry per SKU and region, paged), "Skus - List" of Microsoft.Storage
(one page), "Policy Definitions - Get, Get Built In, List" and the same of policy set definitions. ARM knows the type
`skus` of Microsoft.Compute without listing it among the provider's types, so a client learns its versions by refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from sandbox.arm import Arm, Route, api_version
from sandbox.armgroups import SUBSCRIPTION
from sandbox.armwire import ArmError, listing, no_provider, page_asked
from sandbox.holdings import Body, ProviderType, page

PAGE = 200
"""Entries of a page of Microsoft.Compute/skus."""
POLICY_VERSIONS = ("2023-04-01", "2022-06-01", "2021-06-01")
_DEFINITION = r"/providers/Microsoft.Authorization/(?P<kind>policyDefinitions|policySetDefinitions)"
_ANY_SCOPE = r"(?P<scope>/subscriptions/[^/]+|/providers/Microsoft.Management/managementGroups/[^/]+|)"


class Offers:
    """Answers on SKUs and policy definitions."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._offer = arm.holdings.spec.offer

    def routes(self) -> list[Route]:
        """To stand before the routes for any resource."""
        return [
            Route("GET", SUBSCRIPTION + "/providers/Microsoft.Compute/skus", self._compute),
            Route("GET", SUBSCRIPTION + "/providers/Microsoft.Storage/skus", self._storage),
            Route("GET", SUBSCRIPTION + _DEFINITION, self._definitions),
            Route("GET", _ANY_SCOPE + _DEFINITION + "/(?P<name>[^/]+)", self._definition),
        ]

    async def _compute(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        asked = api_version(request)
        if asked not in self._offer.compute_versions:
            raise no_provider(ProviderType("Microsoft.Compute", "skus", (), self._offer.compute_versions), "", asked)
        after, _ = page_asked(request)
        start = int(after) if after.isdecimal() else 0
        condition = request.query.get("$filter", "")
        chosen = _in_location(self._offer.compute_skus, condition) if condition else self._offer.compute_skus
        more = str(start + PAGE) if start + PAGE < len(chosen) else ""
        return listing(request, chosen[start : start + PAGE], more)

    async def _storage(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        self._arm.require_version("Microsoft.Storage/skus", api_version(request))
        return listing(request, self._offer.storage_skus, "")

    async def _definitions(self, request: web.Request, subscription: str, kind: str) -> web.Response:
        self._arm.require_subscription(subscription)
        self._require_version(kind, request)
        bodies = sorted(self._of_kind(kind), key=lambda body: str(body["id"]).lower())
        after, most = page_asked(request)
        return listing(request, *page(bodies, after=after, most=most))

    async def _definition(self, request: web.Request, scope: str, kind: str, name: str) -> web.Response:
        self._require_version(kind, request)
        wanted = request.path.rstrip("/").lower()
        for body in self._of_kind(kind):
            if str(body["id"]).lower() == wanted:
                return web.json_response(body)
        noun = "definition" if kind.lower() == "policydefinitions" else "set definition"
        code = f"Policy{noun.title().replace(' ', '')}NotFound"
        raise ArmError(404, code, f"The policy {noun} '{name}' could not be found.")

    def _of_kind(self, kind: str) -> list[Body]:
        wanted = f"microsoft.authorization/{kind}".lower()
        return [body for body in self._offer.definitions if str(body["type"]).lower() == wanted]

    @staticmethod
    def _require_version(kind: str, request: web.Request) -> None:
        asked = api_version(request)
        if asked not in POLICY_VERSIONS:
            raise no_provider(ProviderType("Microsoft.Authorization", kind, (), POLICY_VERSIONS), "", asked)


def _in_location(skus: Sequence[Body], condition: str) -> list[Body]:
    """The service takes one filter only: `location eq 'eastus'`."""
    words = condition.split()
    if len(words) != 3 or words[:2] != ["location", "eq"]:
        raise ArmError(400, "InvalidFilter", f"The filter '{condition}' is not supported.")
    return [sku for sku in skus if words[2].strip("'").lower() in sku["locations"]]
