"""Azure Resource Graph: the rows of many subscriptions, page by page, proved complete by its own totals.

Sources: "Working with large data sets", "Guidance for throttled requests" (learn.microsoft.com/azure/governance/
resource-graph): 1,000 subscriptions a query and 1,000 rows a page, skip tokens need an order by id, `resultTruncated`
must be looked at, and the headers `x-ms-user-quota-remaining` and `x-ms-user-quota-resets-after` say when the next
query may be sent. REST reference "Resources": `$top` overrides the page size when there is a skip token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mappings.errors import FixTheInput, GovliftError, TryLater
from mappings.model import Resource
from tasks.clients.accounts import resource_of
from tasks.clients.armlist import ArmReader
from tasks.clients.errors import translated
from tasks.clients.management import GRAPH_API

if TYPE_CHECKING:
    from tasks.clients.session import Session

QUERY = (
    "resources | project id, name, type, location, kind, sku, tags, properties, plan, zones, identity, "
    "subscriptionId, resourceGroup | order by id asc"
)
GOVERNANCE = (
    "{table} | where type =~ 'microsoft.authorization/{kind}' {only}"
    "| project id, name, type, location, identity, properties, subscriptionId | order by id asc"
)
"""Role assignments stand in the table `authorizationresources`, policy assignments in `policyresources`."""
TOO_LARGE = "ResponsePayloadTooLarge"
"""The answer would have more than 16 MiB."""
BAD_TOKEN = "InvalidSkipToken"
"""A skip token is of another query, or too old."""
_PAGE = 1000
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class GraphPage:
    """One page, and how to go on from it."""

    rows: Sequence[dict[str, Any]]
    total: int
    """Rows that the whole answer has."""
    seen: int
    """Rows up to the end of this page."""
    token: str
    """Where the next page begins; "" at the end."""


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: Sequence[dict[str, Any]]
    total: int
    truncated: bool
    token: str
    headers: dict[str, str]


class GraphReader:
    """Reads the source's Resource Graph; sends nothing but queries.

    Args:
        page: rows in a page at most.
        pause: waits that many seconds; for tests.
    """

    def __init__(self, session: Session, *, page: int = _PAGE, pause: Callable[[float], None] = time.sleep) -> None:
        self.cloud = session.cloud
        self._arm = ArmReader(session, pause=pause)
        self._page_size = page
        self._pause = pause

    def resources(self, subscription_id: str) -> Iterator[Resource]:
        """All rows of the table `resources` for one subscription, ascending by id. Raises as `pages`."""
        for page in self.pages(subscriptions=(subscription_id,)):
            yield from map(resource_of, page.rows)

    def governance(self, kind: str, *, subscriptions: Sequence[str] = (), management_group: str = "") -> list[Resource]:
        """Role assignments (`roleAssignments`) or policy assignments (`policyAssignments`). Raises as `pages`.

        At and below the subscriptions; of a management group only those that stand at it or at groups below it.
        """
        table = "authorizationresources" if kind == "roleAssignments" else "policyresources"
        only = "| where id startswith '/providers/Microsoft.Management/' " if management_group else ""
        query = GOVERNANCE.format(table=table, kind=kind.lower(), only=only)
        asked = self.pages(query, subscriptions=subscriptions, management_group=management_group)
        return [resource_of(row) for page in asked for row in page.rows]

    def pages(
        self,
        query: str = QUERY,
        *,
        subscriptions: Sequence[str] = (),
        management_group: str = "",
        token: str = "",
        seen: int = 0,
    ) -> Iterator[GraphPage]:
        """The pages of a query that orders by id.

        Resource Graph leaves out in silence what the identity may not read; only the comparison with ARM shows that.
        `allowPartialScopes` is never set: an answer over a part of the scope would be taken for the whole.

        Args:
            subscriptions: at most 1,000.
            token: go on from a page that was had before, whose `token` and `seen` these are.

        Raises:
            GovliftError: a page could not be had; those before it were yielded. Its code is `BAD_TOKEN` where `token`
                is not taken any more.
            TryLater: the pages ended before the promised total, or the answer was cut.
        """
        scope: dict[str, Any] = {"subscriptions": list(subscriptions)} if subscriptions else {}
        scope |= {"managementGroups": [management_group]} if management_group else {}
        size = self._page_size
        while True:
            answer, size = self._answer(query, scope, token, size)
            seen += len(answer.rows)
            if answer.token and (not answer.rows or answer.token == token):
                raise _broken(f"its pages stopped advancing after {seen} of {answer.total} rows")
            if not answer.token and answer.truncated:
                raise _broken(f"it cut the answer after {seen} rows without a way to go on")
            if not answer.token and seen != answer.total:
                raise _broken(f"it promised {answer.total} rows and returned {seen}")
            token = answer.token
            yield GraphPage(answer.rows, answer.total, seen, token)
            self._keep_quota(answer.headers)
            if not token:
                return

    def close(self) -> None:
        self._arm.close()

    def _answer(self, query: str, scope: dict[str, Any], token: str, size: int) -> tuple[_Answer, int]:
        """One page of at most `size` rows, of half as many while the answer is too large; and the size that went."""
        while True:
            try:
                return self._ask(query, scope, token, size), size
            except GovliftError as wrong:
                if wrong.code != TOO_LARGE or size == 1:
                    raise
                size = max(size // 2, 1)

    def _ask(self, query: str, scope: dict[str, Any], token: str, size: int) -> _Answer:
        options: dict[str, Any] = {"$top": size, "resultFormat": "objectArray"}
        options |= {"$skipToken": token} if token else {}
        asked = {"query": query, "options": options, **scope}
        url = f"{self.cloud.arm.rstrip('/')}/providers/Microsoft.ResourceGraph/resources"
        with translated(f"list {_spoken(scope)} by Resource Graph", cloud=self.cloud):
            said, headers = self._arm.ask("POST", url, params={"api-version": GRAPH_API}, json=asked)
        try:
            rows, total = list(said["data"]), int(said["totalRecords"])
        except (KeyError, TypeError, ValueError):
            raise _broken("an answer of it has no rows or no total") from None
        truncated = str(said.get("resultTruncated", "")).lower() == "true"
        return _Answer(rows, total, truncated, str(said.get("$skipToken") or ""), headers)

    def _keep_quota(self, headers: dict[str, str]) -> None:
        """Wait for the next quota window where this one is used up."""
        if headers.get("x-ms-user-quota-remaining", "1").strip() == "0":
            self._pause(min(seconds_in(headers.get("x-ms-user-quota-resets-after", "")), _LONGEST_PAUSE))


def _spoken(scope: dict[str, Any]) -> str:
    named = scope.get("subscriptions") or []
    if len(named) == 1:
        return f"the resources of subscription {named[0]}"
    if named:
        return f"the resources of {len(named)} subscriptions from {named[0]} on"
    return f"the resources of management group {', '.join(scope.get('managementGroups') or ['?'])}"


def is_bad_token(wrong: GovliftError) -> bool:
    """Whether an error only says that a listing must be begun anew: its skip token is not taken."""
    return isinstance(wrong, FixTheInput) and wrong.code in (BAD_TOKEN, "BadRequest", "InvalidRequest")


def seconds_in(span: str) -> float:
    """Seconds in `hh:mm:ss`; 5, the length of a quota window, where it is not of that form."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)(?:\.\d+)?", span.strip())
    if not found:
        return 5.0
    hours, minutes, seconds = (int(part) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _broken(what: str) -> TryLater:
    error = TryLater(f"Resource Graph's listing is not complete: {what}.", next_step="Take the inventory again.")
    error.code = "BrokenListing"
    return error
