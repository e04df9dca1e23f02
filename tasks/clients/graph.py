"""Azure Resource Graph: all resources of a subscription with their properties, proved complete by its own totals.

Sources: "Working with large data sets", "Guidance for throttled requests" (learn.microsoft.com/azure/governance/
resource-graph): 1,000 rows a page, skip tokens need an order by id, `resultTruncated` must be looked at, and the
headers `x-ms-user-quota-remaining` and `x-ms-user-quota-resets-after` say when the next query may be sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mappings.errors import TryLater
from mappings.model import Resource
from tasks.clients.accounts import resource_of
from tasks.clients.errors import translated
from tasks.clients.management import Management

if TYPE_CHECKING:
    from tasks.clients.session import Session

QUERY = (
    "resources | project id, name, type, location, kind, sku, tags, properties, plan, zones, identity, "
    "subscriptionId, resourceGroup | order by id asc"
)
_PAGE = 1000
_LONGEST_PAUSE = 60.0


@dataclass
class _Page:
    rows: list[dict[str, Any]]
    total: int
    truncated: bool
    next: str | None
    headers: dict[str, str] = field(default_factory=dict)


class GraphReader:
    """Reads the source's Resource Graph; sends nothing but queries.

    Args:
        pause: waits that many seconds; for tests.
    """

    def __init__(self, session: Session, *, page: int = _PAGE, pause: Callable[[float], None] = time.sleep) -> None:
        self.cloud = session.cloud
        self._sdk = Management(session, reads_only=True)
        self._page_size = page
        self._pause = pause

    def resources(self, subscription_id: str) -> Iterator[Resource]:
        """All rows of the table `resources` for one subscription, ascending by id.

        Resource Graph leaves out in silence what the identity may not read; only the comparison with ARM shows that.

        Raises:
            GovliftError: a page could not be had; the rows before it were yielded.
            TryLater: the pages ended before the promised total, or the answer was cut.
        """
        token: str | None = None
        seen = 0
        while True:
            page = self._page(subscription_id, token)
            for row in page.rows:
                yield resource_of(row)
            seen += len(page.rows)
            if page.next is None:
                break
            if not page.rows or page.next == token:
                raise _broken(f"its pages stopped advancing after {seen} of {page.total} rows")
            token = page.next
            self._keep_quota(page.headers)
        if page.truncated:
            raise _broken(f"it cut the answer after {seen} rows without a way to go on")
        if seen != page.total:
            raise _broken(f"it promised {page.total} rows and returned {seen}")

    def close(self) -> None:
        self._sdk.close()

    def _page(self, subscription_id: str, token: str | None) -> _Page:
        from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

        options = QueryRequestOptions(top=self._page_size, skip_token=token, result_format="objectArray")
        query = QueryRequest(query=QUERY, subscriptions=[subscription_id], options=options)
        heard: dict[str, str] = {}

        def listen(answer: Any) -> None:
            heard.update({str(k).lower(): str(v) for k, v in answer.http_response.headers.items()})

        doing = f"list the resources of subscription {subscription_id} by Resource Graph"
        with translated(doing, cloud=self.cloud):
            said = self._sdk.graph().resources(query, raw_response_hook=listen)
        truncated = str(getattr(said.result_truncated, "value", said.result_truncated)).lower() == "true"
        return _Page(list(said.data or ()), int(said.total_records), truncated, said.skip_token or None, heard)

    def _keep_quota(self, headers: dict[str, str]) -> None:
        """Wait for the next quota window where this one is used up."""
        if headers.get("x-ms-user-quota-remaining", "1").strip() == "0":
            self._pause(min(seconds_in(headers.get("x-ms-user-quota-resets-after", "")), _LONGEST_PAUSE))


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
