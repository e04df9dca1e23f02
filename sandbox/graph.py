"""Azure Resource Graph of one cloud: the tables, paging by skip token, the user's quota, the errors.

Sources: Microsoft Learn, "Guidance for throttled requests in Azure Resource Graph" (15 requests in 5 seconds),
"Working with large Azure resource data sets" (a page is 1000 rows; a skip token needs `id` among the columns), REST
reference "Resources"; error bodies as quoted in public issues of Azure/azure-powershell.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, overload

from aiohttp import web

from sandbox.arm import Arm, Route, api_version, json_body
from sandbox.armgovernance import Tree
from sandbox.armwire import ArmError
from sandbox.estates.model import ManagementGroupSpec
from sandbox.holdings import Body
from sandbox.kql import Query, QueryError, Row

MOST = 1000
"""Rows in a page at most."""
QUOTA = 15
WINDOW = 5.0
"""Seconds in which the user has `QUOTA` requests."""
MOST_SUBSCRIPTIONS = 1000
"""Subscriptions that one query may name."""
LARGEST = 16_777_216
"""Bytes that an answer may have."""
_GOVERNING = {
    "authorizationresources": ("roleassignments", "roledefinitions", "classicadministrators"),
    "policyresources": ("policyassignments", "policydefinitions", "policyexemptions"),
}
COLUMNS = (
    "kind",
    "location",
    "managedBy",
    "sku",
    "plan",
    "properties",
    "tags",
    "identity",
    "zones",
    "extendedLocation",
)


class UserQuota:
    """How many requests the user has left in the window that runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: deque[float] = deque()

    def spend(self) -> dict[str, str]:
        """Spend one request; returns the quota headers.

        Raises:
            ArmError: none is left.
        """
        now = self._clock()
        while self._asked and self._asked[0] <= now - WINDOW:
            self._asked.popleft()
        if len(self._asked) >= QUOTA:
            wait = int(self._asked[0] + WINDOW - now) + 1
            headers = {**_quota_headers(0, wait), "Retry-After": str(wait)}
            raise _refused(
                429, "RateLimiting", "Client application has been throttled and should not continue.", headers
            )
        self._asked.append(now)
        return _quota_headers(QUOTA - len(self._asked), int(self._asked[0] + WINDOW - now) + 1)


def _quota_headers(left: int, seconds: int) -> dict[str, str]:
    return {"x-ms-user-quota-remaining": str(left), "x-ms-user-quota-resets-after": f"00:00:{min(seconds, 5):02d}"}


def _refused(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, details: Sequence[Body] = ()
) -> ArmError:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    support = f"Please provide below info when asking for support: timestamp = {now}, correlationId = {uuid.uuid4()}."
    error = ArmError(status, "BadRequest" if status == 400 else code, support, headers=headers)
    error.details = [{"code": code, "message": message}, *details]
    return error


def _bad_query(problem: QueryError) -> ArmError:
    place = {"line": 1, "characterPositionInLine": problem.position, "token": problem.token}
    return _refused(
        400,
        "InvalidQuery",
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error "
        "before retrying.",
        details=[{"code": "ParserFailure", "message": "ParserFailure", **place}],
    )


class Graph:
    """Answers of Microsoft.ResourceGraph."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._holdings = arm.holdings
        self._tree = Tree(arm.holdings.spec.management_groups)
        self._quota = UserQuota()

    def routes(self) -> list[Route]:
        """The one route of this provider."""
        return [Route("POST", "/providers/Microsoft.ResourceGraph/resources", self._query)]

    async def _query(self, request: web.Request) -> web.Response:
        self._arm.require_version("Microsoft.ResourceGraph/resources", api_version(request))
        headers = self._quota.spend()
        asked = await json_body(request)
        try:
            query = Query(str(asked.get("query") or ""))
        except QueryError as problem:
            raise _bad_query(problem) from problem
        if asked.get("facets"):
            raise _refused(400, "InvalidRequest", "The sandbox has no facets.")
        options = asked.get("options") or {}
        groups = self._groups(asked.get("managementGroups"))
        wanted = asked.get("subscriptions") or None
        if len(wanted or ()) > MOST_SUBSCRIPTIONS:
            message = f"The number of subscriptions in the query exceeds {MOST_SUBSCRIPTIONS}."
            raise _refused(400, "TooManySubscriptions", message)
        if groups:
            wanted = [*(wanted or ()), *(one for group in groups for one in group.subscriptions)]
        subscriptions = self._subscriptions(wanted)
        if query.table == "resources" and query.straight and self._holdings.crowd is not None:
            answer = _page(self._crowd_rows(query, subscriptions), options, pageable=True)
        else:
            rows = query.run(list(self._table(query.table, subscriptions, {one.name.lower() for one in groups})))
            answer = _page(rows, options, pageable=not query.limited and all("id" in row for row in rows))
        if options.get("resultFormat") == "table":
            answer["data"] = _as_table(answer["data"])
        text = json.dumps(answer)
        if len(text) > LARGEST:
            size = f"Response payload size is {len(text)}, and has exceeded the limit of {LARGEST}. "
            hint = "Please consider querying less data at a time and make paginated call if needed."
            raise _refused(400, "ResponsePayloadTooLarge", size + hint, headers)
        return web.json_response(text=text, headers=headers)

    def _groups(self, asked: list[str] | None) -> list[ManagementGroupSpec]:
        """These management groups and all below them. Those that are not there are left out, as Azure does."""
        known = [name for name in asked or () if name.lower() in self._tree.groups]
        if asked and not known:
            message = f"There must be at least one management group that is accessible. Given: {', '.join(asked)}."
            raise _refused(400, "NoValidManagementGroupsInQueryRequest", message)
        return [one for name in known for one in self._tree.below(name)]

    def _subscriptions(self, asked: list[str] | None) -> list[str]:
        """The subscriptions to look into; those that the identity may not read are left out in silence."""
        known = self._holdings.subscriptions
        hidden = {one.lower() for one in self._holdings.spec.unseen_by_graph}
        given = list(known) if asked is None else list(dict.fromkeys(name.lower() for name in asked))
        open_ = [one for one in given if one in known and not self._holdings.denied(f"/subscriptions/{one}")]
        wanted = [one for one in open_ if one not in hidden]
        if not open_:
            told = ", ".join(f"'{name}'" for name in asked or ())
            message = f"There must be at least one subscription that is eligible to contain resources. Given: {told}."
            raise _refused(400, "NoValidSubscriptionsInQueryRequest", message)
        return wanted

    def _crowd_rows(self, query: Query, subscriptions: list[str]) -> CrowdRows:
        """All rows of many subscriptions without making all of them: ids begin with the subscription's."""
        crowd = self._holdings.crowd
        counted = dict(crowd.subscriptions) if crowd else {}

        def rows_of(subscription: str) -> list[Row]:
            bodies = self._holdings.readable(f"/subscriptions/{subscription}")
            return query.run([self._row(body, subscription) for body in bodies])

        return CrowdRows(sorted(subscriptions), counted, rows_of)

    def _table(self, table: str, subscriptions: list[str], groups: set[str]) -> list[Row]:
        rows: list[Row] = []
        if table in _GOVERNING:
            above = self._holdings.governing_above(groups)
            rows += [self._row(body, "") for body in above if _kind(body) in _GOVERNING[table]]
        for subscription in subscriptions:
            scope = f"/subscriptions/{subscription}"
            if table in _GOVERNING:
                bodies = self._holdings.governing(subscription)
                rows += [self._row(body, subscription) for body in bodies if _kind(body) in _GOVERNING[table]]
                continue
            if table == "resources":
                rows += [self._row(body, subscription) for body in self._holdings.readable(scope)]
                continue
            spec = self._holdings.subscriptions[subscription]
            own = {"id": f"/subscriptions/{spec.id}", "name": spec.name, "type": "Microsoft.Resources/subscriptions"}
            held = [
                {**body, "type": "Microsoft.Resources/subscriptions/resourceGroups"}
                for body in self._holdings.groups_of(subscription)
                if not self._holdings.denied(body["id"])
            ]
            rows += [self._row(body, subscription) for body in (own, *held)]
        return rows

    def _row(self, body: Body, subscription: str) -> Row:
        """A resource as Resource Graph shows it: every column there, type and group in small letters."""
        words = str(body["id"]).split("/")
        return {
            "id": body["id"],
            "name": body["name"],
            "type": str(body["type"]).lower(),
            "tenantId": self._arm.authority.tenant_id,
            "subscriptionId": subscription,
            "resourceGroup": words[4].lower() if len(words) > 4 else "",
            **{name: body.get(name) for name in COLUMNS},
            "kind": str(body.get("kind") or "").lower(),
            "location": body.get("location") or "",
            "managedBy": body.get("managedBy") or "",
        }


class CrowdRows(Sequence[Row]):
    """The rows of many subscriptions one after the other; only those of the page that is asked for are made."""

    def __init__(
        self, subscriptions: Sequence[str], counted: Mapping[str, int], rows_of: Callable[[str], list[Row]]
    ) -> None:
        self._rows_of = rows_of
        sizes = [counted[one] if one in counted else len(rows_of(one)) for one in subscriptions]
        self._subscriptions = subscriptions
        self._ends = list(accumulate(sizes))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, int):
            return self[at : at + 1][0]
        start, stop, _ = at.indices(len(self))
        found: list[Row] = []
        number = bisect_right(self._ends, start)
        while len(found) < stop - start:
            first = self._ends[number - 1] if number else 0
            rows = self._rows_of(self._subscriptions[number])
            found += rows[max(start - first, 0) : stop - first]
            number += 1
        return found


def _kind(body: Body) -> str:
    return str(body["type"]).lower().partition("/")[2]


def _page(rows: Sequence[Row], options: dict[str, Any], *, pageable: bool) -> Body:
    """One page of the rows, with a skip token where there is more and the service can go on."""
    try:
        token = str(options.get("$skipToken") or "")
        start = int(base64.b64decode(token)) if token else int(options.get("$skip") or 0)
        most = min(int(options.get("$top") or MOST), MOST)
    except (binascii.Error, ValueError) as problem:
        raise _refused(400, "InvalidSkipToken", "The skip token or page size of the query is invalid.") from problem
    data = list(rows[start : start + most])
    more = start + len(data) < len(rows)
    answer: Body = {
        "totalRecords": len(rows),
        "count": len(data),
        "resultTruncated": "true" if more and not pageable else "false",
        "facets": [],
        "data": data,
    }
    if more and pageable:
        answer["$skipToken"] = base64.b64encode(str(start + len(data)).encode()).decode()
    return answer


def _as_table(data: list[Row]) -> Body:
    names = list(data[0]) if data else []
    kinds = {"properties": "object", "tags": "object", "sku": "object", "plan": "object", "identity": "object"}
    columns = [{"name": name, "type": kinds.get(name, "string")} for name in names]
    return {"columns": columns, "rows": [[row[name] for name in names] for row in data]}
