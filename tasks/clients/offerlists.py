"""What a subscription says of itself: SKU lists, regions with zones, policies. Reads only, at versions its cloud knows.

Azure Government gets API versions late, and ARM does not list every type of a provider. So the version is the newest
that the provider lists and that is understood here; where it lists none, the newest understood is tried, and a refusal
names the versions to choose from. Sources: as `mappings.offer`; "Common ARM deployment errors".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mappings.apiversion import newest_shared
from mappings.errors import GovliftError
from tasks.clients.armlist import ArmReader
from tasks.clients.errors import translated
from tasks.clients.management import Management

Body = Mapping[str, Any]

_REFUSALS = frozenset({"NoRegisteredProviderFound", "InvalidApiVersionParameter", "InvalidResourceType"})
MANY_DEFINITIONS = 20
"""From so many policy definitions on they are listed rather than read one by one."""


@dataclass(frozen=True, slots=True)
class _List:
    """One list: where it is, how a reader calls it, which versions are understood."""

    what: str
    path: str
    type: str
    oldest: str
    newest: str


_COMPUTE_SKUS = _List(
    "the SKUs of Microsoft.Compute", "/providers/Microsoft.Compute/skus", "microsoft.compute/skus",
    "2017-09-01", "2021-07-01",
)  # fmt: skip
_STORAGE_SKUS = _List(
    "the SKUs of Microsoft.Storage", "/providers/Microsoft.Storage/skus", "microsoft.storage/skus",
    "2019-06-01", "2026-09-01",
)  # fmt: skip
# availabilityZoneMappings are told since 2022-12-01.
_LOCATIONS = _List(
    "the regions and their zones", "/locations", "microsoft.resources/subscriptions/locations",
    "2022-12-01", "2022-12-01",
)  # fmt: skip
_POLICY = "/providers/Microsoft.Authorization"
_ASSIGNMENTS = _List(
    "the policy assignments", f"{_POLICY}/policyAssignments", "microsoft.authorization/policyassignments",
    "2019-09-01", "2025-03-01",
)  # fmt: skip
_DEFINITIONS = _List(
    "the policy definitions", f"{_POLICY}/policyDefinitions", "microsoft.authorization/policydefinitions",
    "2019-09-01", "2025-03-01",
)  # fmt: skip
_SETS = _List(
    "the policy initiatives", f"{_POLICY}/policySetDefinitions", "microsoft.authorization/policysetdefinitions",
    "2019-09-01", "2025-03-01",
)  # fmt: skip


class OfferLists:
    """The lists of one subscription.

    Args:
        sdk: of the session; knows the subscription's providers.
        subscription_id: whose lists.
    """

    def __init__(self, sdk: Management, subscription_id: str) -> None:
        self._sdk = sdk
        self._subscription = subscription_id
        self._reader = ArmReader(sdk.session)

    def compute_skus(self) -> list[Body]:
        """Every SKU of Microsoft.Compute, as "Resource Skus - List" gives it."""
        return self._all(_COMPUTE_SKUS)

    def storage_skus(self) -> list[Body]:
        """Every SKU of storage accounts."""
        return self._all(_STORAGE_SKUS)

    def locations(self) -> list[Body]:
        """The regions of the subscription, with their zone mappings."""
        return self._all(_LOCATIONS)

    def policy_assignments(self) -> list[Body]:
        """Assignments at the subscription and above it; those of single groups below it are left out."""
        return self._all(_ASSIGNMENTS, filter="atScope()")

    def policy_sets(self, ids: Sequence[str]) -> dict[str, Body]:
        """Initiatives by id in lower case; those that cannot be read are missing."""
        return dict(self._each(_SETS, ids))

    def policy_definitions(self, ids: Sequence[str]) -> dict[str, Body]:
        """Policy definitions by id in lower case; those that cannot be read are missing."""
        found: dict[str, Body] = {}
        if len(ids) >= MANY_DEFINITIONS:
            wanted = {one.lower() for one in ids}
            listed = {str(body.get("id")).lower(): body for body in self._all(_DEFINITIONS)}
            found = {name: body for name, body in listed.items() if name in wanted}
        return found | dict(self._each(_DEFINITIONS, [one for one in ids if one.lower() not in found]))

    def close(self) -> None:
        self._reader.close()

    def _each(self, kind: _List, ids: Sequence[str]) -> Iterator[tuple[str, Body]]:
        """One GET per id. A definition that is gone or of a group that the identity may not see is left out; the
        caller says of it that it was not read."""
        for one in ids:
            try:
                yield one.lower(), self._one(kind, one)
            except GovliftError as wrong:
                if wrong.status not in (403, 404):
                    raise

    def _one(self, kind: _List, resource_id: str) -> Body:
        url = f"{self._sdk.cloud.arm.rstrip('/')}/{resource_id.strip('/')}"

        def ask(version: str) -> Body:
            return self._reader.ask("GET", url, params={"api-version": version})[0]

        body: Body = self._negotiated(kind, ask, f"read {resource_id}")
        return body

    def _all(self, kind: _List, **query: str) -> list[Body]:
        path = f"/subscriptions/{self._subscription}{kind.path}"

        def ask(version: str) -> list[Body]:
            return list(self._reader.listed(path, version, **query))

        found: list[Body] = self._negotiated(kind, ask, f"list {kind.what} of subscription {self._subscription}")
        return found

    def _negotiated(self, kind: _List, ask: Any, doing: str) -> Any:
        offered = self._sdk.providers(self._subscription).get(kind.type)
        listed = newest_shared(offered.api_versions if offered else (), oldest=kind.oldest, newest=kind.newest)
        version = listed or kind.newest
        try:
            with translated(doing, cloud=self._sdk.cloud):
                answer = ask(version)
        except GovliftError as wrong:
            other = _named_in(wrong, kind) if wrong.code in _REFUSALS else ""
            if not other or other == version:
                raise
            version = other
            with translated(doing, cloud=self._sdk.cloud):
                answer = ask(version)
        self._sdk.api_versions_used[kind.type] = version
        return answer


def _named_in(wrong: GovliftError, kind: _List) -> str:
    """The newest version that a refusal names as supported and that is understood here; "" where there is none."""
    _, _, supported = wrong.sentence.partition("supported")
    return newest_shared(re.findall(r"\d{4}-\d\d-\d\d(?:-\w+)?", supported), oldest=kind.oldest, newest=kind.newest)
