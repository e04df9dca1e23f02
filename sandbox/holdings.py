"""What one cloud holds on its control plane: subscriptions, groups, resources, providers. No HTTP here.

ARM ids are compared without regard to case, and kept as they were written.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.estates.model import CloudSpec, Crowd, ProviderSpec, SubscriptionSpec

Body = dict[str, Any]
_GROUP = re.compile(r"(/subscriptions/[^/]+/resourcegroups/[^/]+)(/|$)")
_AT_MANAGEMENT = re.compile(r"/providers/microsoft.management/managementgroups/([^/]+)/")


def is_governance(body: Mapping[str, Any]) -> bool:
    """Whether ARM keeps this apart from the resources: everything of Microsoft.Authorization."""
    return str(body["type"]).lower().startswith("microsoft.authorization/")


def subscription_in(resource_id: str) -> str:
    """The subscription in an id or scope, in lower case; "" where there is none."""
    words = resource_id.split("/", 3)
    return words[2].lower() if len(words) > 2 and words[1].lower() == "subscriptions" else ""


def normal(location: str) -> str:
    """A region's name from its name or display name: `USGov Virginia` -> `usgovvirginia`."""
    return location.replace(" ", "").lower()


@dataclass(frozen=True, slots=True)
class ProviderType:
    """One resource type as this cloud offers it."""

    namespace: str
    name: str
    """Without the namespace, as written by the provider."""
    locations: tuple[str, ...]
    """Display names; none means that the type is not bound to a region."""
    api_versions: tuple[str, ...]

    def offered_in(self, location: str) -> bool:
        return not self.locations or normal(location) in {normal(name) for name in self.locations}


class Holdings:
    """The control plane's memory of one cloud.

    Args:
        spec: what it is filled from.
    """

    def __init__(self, spec: CloudSpec) -> None:
        self.spec = spec
        self.subscriptions: dict[str, SubscriptionSpec] = {entry.id.lower(): entry for entry in spec.subscriptions}
        self.groups: dict[str, Body] = {_order(body): dict(body) for body in spec.groups}
        self.crowd: Crowd | None = spec.crowd
        rows = [body for body in spec.resources if not is_governance(body)]
        self.governance: list[Body] = sorted((dict(body) for body in spec.resources if is_governance(body)), key=_order)
        """Role assignments, policy assignments, locks: ARM keeps them with their scopes, and lists them there only."""
        # In order from the start: the sort of each list then finds little to do.
        self.resources: dict[str, Body] = {_order(body): dict(body) for body in sorted(rows, key=_order)}
        self.providers: dict[str, ProviderSpec] = {entry.namespace.lower(): entry for entry in spec.providers}
        self.keys: dict[str, str] = {account.name: account.key for account in spec.accounts}
        """Storage account -> its first key."""
        self._closed = {one.lower() for one in spec.denied_subscriptions}
        self._denied = {group.lower().rstrip("/") for group in spec.denied}
        self._taken = {name.lower() for name in spec.taken_names}

    def denied(self, resource_id: str) -> bool:
        """Whether the identity may not read at or below this id."""
        if subscription_in(resource_id) in self._closed:
            return True
        group = _GROUP.match(resource_id.lower())
        return group is not None and group[1] in self._denied

    def type_named(self, full_type: str) -> ProviderType | None:
        """The type `Namespace/type` as this cloud offers it, or None."""
        namespace, _, wanted = full_type.lower().partition("/")
        provider = self.providers.get(namespace)
        for name, (locations, versions) in provider.types.items() if provider else ():
            if provider and name.lower() == wanted:
                return ProviderType(provider.namespace, name, locations, versions)
        return None

    def groups_of(self, subscription: str) -> list[Body]:
        """The groups of a subscription, in order of id."""
        if self._is_crowded(subscription):
            assert self.crowd is not None
            return self.crowd.groups(subscription.lower())
        return self._below(f"/subscriptions/{subscription}/", self.groups)

    def readable(self, scope: str) -> list[Body]:
        """The resources below a scope that the identity may read, in order of id."""
        subscription = subscription_in(scope)
        if self._is_crowded(subscription):
            assert self.crowd is not None
            below = f"{scope.rstrip('/').lower()}/"
            return [body for body in self.crowd.resources(subscription) if _order(body).startswith(below)]
        return [body for body in self._below(f"{scope.rstrip('/')}/", self.resources) if not self.denied(body["id"])]

    def resource(self, resource_id: str) -> Body | None:
        """The resource with this id; None where there is none."""
        known = self.resources.get(resource_id.lower())
        if known is None and self._is_crowded(subscription_in(resource_id)):
            wanted = resource_id.lower()
            known = next(
                (body for body in self.readable(wanted.partition("/providers/")[0]) if _order(body) == wanted), None
            )
        return known

    def group(self, subscription: str, name: str) -> Body | None:
        """A resource group; None where there is none."""
        wanted = f"/subscriptions/{subscription}/resourcegroups/{name}".lower()
        if self._is_crowded(subscription):
            return next((body for body in self.groups_of(subscription) if _order(body) == wanted), None)
        return self.groups.get(wanted)

    def governing(self, subscription: str, kind: str = "") -> list[Body]:
        """What governs at or below a subscription, of one type or all; without what stands above it."""
        scope = f"/subscriptions/{subscription}/".lower()
        below = [body for body in self.governance if _order(body).startswith(scope) and not self.denied(body["id"])]
        return [body for body in below if not kind or str(body["type"]).lower() == kind.lower()]

    def governing_above(self, groups: Collection[str]) -> list[Body]:
        """What governs at these management groups (names in lower case) themselves."""
        return [
            body for body in self.governance if (found := _AT_MANAGEMENT.match(_order(body))) and found[1] in groups
        ]

    def _is_crowded(self, subscription: str) -> bool:
        return self.crowd is not None and subscription.lower() in self.crowd.subscriptions

    def storage_account(self, name: str) -> Body | None:
        """The ARM resource of the storage account with this name, classic or not."""
        return next((body for body in self.storage_accounts() if body["name"] == name), None)

    def storage_accounts(self) -> Iterator[Body]:
        """The ARM resources of all storage accounts."""
        kinds = ("microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts")
        return (body for body in self.resources.values() if str(body["type"]).lower() in kinds)

    def name_taken(self, account: str) -> bool:
        """Whether somebody in this cloud already has the storage account name."""
        return account in self._taken or account in self.keys or self.storage_account(account) is not None

    def take(self, account: str) -> None:
        """Somebody else takes a storage account name."""
        self._taken.add(account.lower())

    def is_classic(self, account: str) -> bool:
        """Whether a storage account is of the classic deployment model."""
        body = self.storage_account(account)
        return body is not None and str(body["type"]).lower().startswith("microsoft.classicstorage/")

    def change(self, kind: str, name: str, *, remove: bool = False, merge: Body | None = None, twin: str = "") -> None:
        """Change the one resource of this type and name as its owner would: remove it, merge into it, or make a twin.

        Raises:
            LookupError: there is no such resource, or more than one.
        """
        wanted = kind.lower(), name.lower()
        found = [key for key, body in self.resources.items() if (body["type"].lower(), body["name"].lower()) == wanted]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are {kind} {name}")
        body = self.resources[found[0]]
        if remove:
            del self.resources[found[0]]
        if merge:
            self.resources[found[0]] = {**body, **merge}
        if twin:
            made = {**body, "id": f"{str(body['id']).rpartition('/')[0]}/{twin}", "name": twin}
            self.resources[_order(made)] = made

    def remove_group(self, group_id: str) -> list[str]:
        """Delete a group and what is in it; returns the names of the storage accounts that went with it."""
        prefix = f"{group_id.lower()}/"
        accounts = [body["name"] for body in self.storage_accounts() if str(body["id"]).lower().startswith(prefix)]
        for resource_id in [known for known in self.resources if known.startswith(prefix)]:
            del self.resources[resource_id]
        self.groups.pop(group_id.lower(), None)
        return accounts

    @staticmethod
    def _below(prefix: str, bodies: Mapping[str, Body]) -> list[Body]:
        wanted = prefix.lower()
        return [body for known, body in sorted(bodies.items()) if known.startswith(wanted)]


def page(bodies: Sequence[Body], *, after: str, most: int) -> tuple[Sequence[Body], str]:
    """Of bodies in order of id, at most `most` behind the id `after`, and the id to go on from ("" at the end)."""
    start = bisect_right(bodies, after, key=_order)
    taken = bodies[start : start + most]
    return taken, _order(taken[-1]) if start + most < len(bodies) else ""


def _order(body: Mapping[str, Any]) -> str:
    return str(body["id"]).lower()
