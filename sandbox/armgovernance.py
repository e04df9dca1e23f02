"""What governs resources: role assignments, policy assignments and locks by scope, and the tree of management groups.

Sources: REST reference "Role Assignments - List For Subscription", "Management Locks - List At Subscription Level",
"Policy Assignments - List" (each lists what stands at the subscription and below; the first and the last also what it
inherits from the management groups above), "Management Groups - Get Descendants" (paged, nested groups included).
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from sandbox.arm import Arm, Route, api_version
from sandbox.armgroups import SUBSCRIPTION
from sandbox.armwire import ArmError, listing, page_asked
from sandbox.estates.model import ManagementGroupSpec
from sandbox.holdings import Body, page

VERSIONS: Mapping[str, tuple[str, ...]] = {
    "roleassignments": ("2022-04-01", "2020-04-01-preview", "2015-07-01"),
    "policyassignments": ("2023-04-01", "2022-06-01", "2021-06-01"),
    "locks": ("2020-05-01", "2016-09-01"),
}
"""The API versions that both clouds know."""
_INHERITED = ("roleassignments", "policyassignments")
_AUTHORIZATION = "/providers/Microsoft.Authorization/(?P<kind>roleAssignments|policyAssignments|locks)"
_DESCENDANTS = "/providers/Microsoft.Management/managementGroups/(?P<group>[^/]+)/descendants"


class Tree:
    """The management groups of one cloud."""

    def __init__(self, groups: tuple[ManagementGroupSpec, ...]) -> None:
        self.groups = {group.name.lower(): group for group in groups}

    def below(self, name: str) -> list[ManagementGroupSpec]:
        """A group, and all groups below it at any depth."""
        found = [self.groups[name.lower()]]
        for group in found:
            found += [one for one in self.groups.values() if one.parent.lower() == group.name.lower()]
        return found

    def above(self, subscription: str) -> set[str]:
        """Names in lower case of the groups in which a subscription stands, directly or not."""
        holding = [one for one in self.groups.values() if subscription.lower() in map(str.lower, one.subscriptions)]
        found: set[str] = set()
        while holding:
            group = holding.pop()
            found.add(group.name.lower())
            holding += [self.groups[group.parent.lower()]] if group.parent.lower() in self.groups else []
        return found


class Governance:
    """Answers of Microsoft.Authorization and Microsoft.Management."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._holdings = arm.holdings
        self._tree = Tree(arm.holdings.spec.management_groups)

    def routes(self) -> list[Route]:
        """To stand before the routes for any resource."""
        return [
            Route("GET", SUBSCRIPTION + _AUTHORIZATION, self._list),
            Route("GET", _DESCENDANTS, self._descendants),
        ]

    async def _list(self, request: web.Request, subscription: str, kind: str) -> web.Response:
        self._arm.require_subscription(subscription)
        asked, offered = api_version(request), VERSIONS[kind.lower()]
        if asked not in offered:
            raise ArmError(
                400,
                "InvalidResourceType",
                f"The resource type '{kind}' could not be found in the namespace 'Microsoft.Authorization' for api "
                f"version '{asked}'. The supported api-versions are '{','.join(offered)}'.",
            )
        full = f"Microsoft.Authorization/{kind}"
        bodies = self._holdings.governing(subscription, full)
        if "atscope()" in request.query.get("$filter", "").lower():
            # What holds for the subscription itself: at it and above it, but not at the groups and resources in it.
            here = f"/subscriptions/{subscription}/providers/".lower()
            bodies = [body for body in bodies if str(body["id"]).lower().startswith(here)]
        if kind.lower() in _INHERITED:
            above = self._holdings.governing_above(self._tree.above(subscription))
            bodies += [body for body in above if str(body["type"]).lower() == full.lower()]
        after, most = page_asked(request)
        ordered = sorted(bodies, key=lambda body: str(body["id"]).lower())
        return listing(request, *page(ordered, after=after, most=most))

    async def _descendants(self, request: web.Request, group: str) -> web.Response:
        if group.lower() not in self._tree.groups:
            raise ArmError(
                404, "NotFound", f"The management group '{group}' cannot be found, or you do not have access to it."
            )
        below = self._tree.below(group)
        bodies = [_of_group(one) for one in below[1:]]
        bodies += [self._of_subscription(one, sub) for one in below for sub in one.subscriptions]
        after, most = page_asked(request)
        ordered = sorted(bodies, key=lambda body: str(body["id"]).lower())
        return listing(request, *page(ordered, after=after, most=most))

    def _of_subscription(self, group: ManagementGroupSpec, subscription: str) -> Body:
        known = self._holdings.subscriptions.get(subscription.lower())
        return {
            "id": f"/subscriptions/{subscription}",
            "type": "/subscriptions",
            "name": subscription,
            "properties": {"displayName": known.name if known else subscription, "parent": {"id": _id(group.name)}},
        }


def _of_group(group: ManagementGroupSpec) -> Body:
    return {
        "id": _id(group.name),
        "type": "Microsoft.Management/managementGroups",
        "name": group.name,
        "properties": {"displayName": group.display_name or group.name, "parent": {"id": _id(group.parent)}},
    }


def _id(name: str) -> str:
    return f"/providers/Microsoft.Management/managementGroups/{name}"
