"""SDK management clients of one session: guarded, patient but bounded, with API versions that the cloud knows.

Sources: azure-mgmt-resource 26.0, azure-mgmt-storage 25.3, azure-mgmt-resourcegraph 8.0.1; "Resource providers and
types", "Understand how Azure Resource Manager throttles requests" (learn.microsoft.com/azure/azure-resource-manager).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from azure.core.pipeline.policies import RetryPolicy

from mappings.apiversion import newest_shared
from mappings.errors import FixTheInput
from tasks.clients.errors import translated

if TYPE_CHECKING:
    from tasks.clients.session import Session

# Versions of Microsoft.Resources that both clouds have had for years; newer ones add nothing that is used here, and
# Azure Government gets them late.
SUBSCRIPTIONS_API = "2020-01-01"
RESOURCES_API = "2021-04-01"
GRAPH_API = "2021-03-01"
PERMISSIONS_API = "2018-07-01"
# The properties read and written here exist since 2021-01-01; azure-mgmt-storage 25.3 speaks up to 2026-09-01.
STORAGE_API_RANGE = ("2021-01-01", "2026-09-01")

_MOST_SECONDS = 300
"""Longest that one call may take, its retries and waits included."""
_MOST_WAIT = 120
"""Longest Retry-After that is waited for; beyond it the caller is told to come back."""


class BoundedRetry(RetryPolicy[Any, Any]):
    """The SDK's retries with `Retry-After` honoured, but not for longer than a command may hang."""

    def __init__(self) -> None:
        super().__init__(retry_total=8, retry_status=8, retry_backoff_max=30, timeout=_MOST_SECONDS)

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        if (self.get_retry_after(response) or 0) > _MOST_WAIT:
            return False
        return bool(super().is_retry(settings, response))


@dataclass(frozen=True, slots=True)
class ProviderType:
    """One resource type as a cloud offers it to a subscription."""

    regions: tuple[str, ...]
    """Display names, as spelt by ARM."""
    api_versions: tuple[str, ...]
    """As listed: newest first, previews among them."""
    registered: bool = True
    """Whether its provider is registered in the subscription."""
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Region as spelt by ARM -> zones in which the type can be made there; empty where ARM says nothing of zones."""


class Management:
    """Makes the SDK clients of one session, each once, and remembers what the cloud offers.

    Args:
        reads_only: refuse to send anything that could write, whatever the session says.
    """

    def __init__(self, session: Session, *, reads_only: bool) -> None:
        self.session = session
        self.cloud = session.cloud
        self.api_versions_used: dict[str, str] = {}
        """Resource type -> API version of the calls made so far, for evidence."""
        self._reads_only = reads_only or session.reads_only
        self._clients: dict[tuple[str, str], Any] = {}
        self._providers: dict[str, Mapping[str, ProviderType]] = {}
        self._lock = threading.Lock()

    def resources(self, subscription_id: str) -> Any:
        """azure.mgmt.resource.resources.ResourceManagementClient."""

        def make() -> Any:
            from azure.mgmt.resource.resources import ResourceManagementClient

            return ResourceManagementClient(self.session.credential, subscription_id, **self._options(RESOURCES_API))

        self.api_versions_used["Microsoft.Resources"] = RESOURCES_API
        return self._once("resources", subscription_id, make)

    def subscriptions(self) -> Any:
        """azure.mgmt.resource.subscriptions.SubscriptionClient."""

        def make() -> Any:
            from azure.mgmt.resource.subscriptions import SubscriptionClient

            return SubscriptionClient(self.session.credential, **self._options(SUBSCRIPTIONS_API))

        self.api_versions_used["Microsoft.Resources/subscriptions"] = SUBSCRIPTIONS_API
        return self._once("subscriptions", "", make)

    def graph(self) -> Any:
        """azure.mgmt.resourcegraph.ResourceGraphClient."""

        def make() -> Any:
            from azure.mgmt.resourcegraph import ResourceGraphClient

            return ResourceGraphClient(self.session.credential, **self._options(GRAPH_API))

        self.api_versions_used["Microsoft.ResourceGraph/resources"] = GRAPH_API
        return self._once("graph", "", make)

    def storage(self, subscription_id: str) -> Any:
        """azure.mgmt.storage.StorageManagementClient, at the newest version that it and the cloud share."""

        def make() -> Any:
            from azure.mgmt.storage import StorageManagementClient

            kind = "Microsoft.Storage/storageAccounts"
            oldest, newest = STORAGE_API_RANGE
            version = self.version_for(subscription_id, kind, oldest=oldest, newest=newest)
            return StorageManagementClient(self.session.credential, subscription_id, **self._options(version))

        return self._once("storage", subscription_id, make)

    def providers(self, subscription_id: str) -> Mapping[str, ProviderType]:
        """Every resource type of the cloud, by `namespace/type` in lower case; asked for once."""
        with self._lock:
            known = self._providers.get(subscription_id)
        if known is None:
            with translated(f"list the resource providers of subscription {subscription_id}", cloud=self.cloud):
                listed = [one.as_dict() for one in self.resources(subscription_id).providers.list()]
            known = dict(_types(listed))
            with self._lock:
                self._providers[subscription_id] = known
        return known

    def version_for(self, subscription_id: str, resource_type: str, *, oldest: str = "", newest: str = "9999") -> str:
        """The API version to use for a type: newest stable one in the range, a preview only where nothing else is.

        Raises:
            FixTheInput: this cloud offers the type in no version of the range.
        """
        offered = self.providers(subscription_id).get(resource_type.lower())
        versions = offered.api_versions if offered else ()
        version = newest_shared(versions, oldest=oldest, newest=newest)
        if not version and not oldest:
            version = max(versions, default="")
        if not version:
            raise FixTheInput(
                f"{self.cloud.name} offers {resource_type} in no API version that govlift speaks"
                + (f" ({oldest} to {newest})" if oldest else "")
                + f"; it offers: {', '.join(versions[:6]) or 'none'}.",
                next_step="Check the subscription's cloud; if it is right, use a newer govlift.",
            )
        self.api_versions_used[resource_type] = version
        return version

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _options(self, api_version: str) -> dict[str, Any]:
        return {
            "base_url": self.cloud.arm,
            "credential_scopes": [self.cloud.arm_scope],
            "api_version": api_version,
            "per_retry_policies": self.session.policies(reads_only=self._reads_only),
            "retry_policy": BoundedRetry(),
            "polling_interval": 2,
        }

    def _once(self, kind: str, subscription_id: str, make: Callable[[], Any]) -> Any:
        found = self._clients.get((kind, subscription_id))
        if found is None:
            found = self._clients.setdefault((kind, subscription_id), make())
        return found


def _types(listed: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ProviderType]]:
    for provider in listed:
        registered = str(provider.get("registrationState", "Registered")) == "Registered"
        for one in provider.get("resourceTypes") or ():
            name = f"{provider['namespace']}/{one['resourceType']}".lower()
            regions, versions = tuple(one.get("locations") or ()), tuple(one.get("apiVersions") or ())
            zones = {str(z["location"]): tuple(sorted(z.get("zones") or ())) for z in one.get("zoneMappings") or ()}
            yield name, ProviderType(regions, versions, registered, zones)


def permitted(permissions: Sequence[Mapping[str, Any]], action: str, *, data: bool = False) -> bool:
    """Whether one permission has `action` in its (data) actions and not in its not(data)Actions; case-insensitive."""
    plus, minus = ("dataActions", "notDataActions") if data else ("actions", "notActions")

    def among(patterns: Any) -> bool:
        return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in patterns or ())

    return any(among(one.get(plus)) and not among(one.get(minus)) for one in permissions)
