"""Azure Resource Graph of one cloud: the tables, paging by skip token, the user's quota, the errors.

Sources: Microsoft Learn, "Guidance for throttled requests in Azure Resource Graph" (15 requests in 5 seconds),
"Working with large Azure resource data sets" (a page is 1000 rows; a skip token needs `id` among the columns), REST
reference "Resources"; error bodies as quoted in public issues of Azure/azure-powershell.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.arm import Arm, Route, api_version, json_body
from sandbox.armwire import ArmError
from sandbox.holdings import Body
from sandbox.kql import Query, QueryError, Row

MOST = 1000
"""Rows in a page at most."""
QUOTA = 15
WINDOW = 5.0
"""Seconds in which the user has `QUOTA` requests."""
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
        subscriptions = self._subscriptions(asked.get("subscriptions"))
        rows = query.run(list(self._table(query.table, subscriptions)))
        if asked.get("managementGroups") or asked.get("facets"):
            raise _refused(400, "InvalidRequest", "The sandbox has neither management groups nor facets.")
        options = asked.get("options") or {}
        answer = _page(rows, options, pageable=not query.limited and all("id" in row for row in rows))
        if options.get("resultFormat") == "table":
            answer["data"] = _as_table(answer["data"])
        return web.json_response(answer, headers=headers)

    def _subscriptions(self, asked: list[str] | None) -> list[str]:
        known = self._holdings.subscriptions
        wanted = list(known) if not asked else [name.lower() for name in asked if name.lower() in known]
        if not wanted:
            given = ", ".join(f"'{name}'" for name in asked or ())
            message = f"There must be at least one subscription that is eligible to contain resources. Given: {given}."
            raise _refused(400, "NoValidSubscriptionsInQueryRequest", message)
        return wanted

    def _table(self, table: str, subscriptions: list[str]) -> list[Row]:
        rows: list[Row] = []
        for subscription in subscriptions:
            scope = f"/subscriptions/{subscription}"
            if table == "resources":
                rows += [self._row(body, subscription) for body in self._holdings.readable(scope)]
                continue
            spec = self._holdings.subscriptions[subscription]
            own = {"id": f"/subscriptions/{spec.id}", "name": spec.name, "type": "Microsoft.Resources/subscriptions"}
            groups = [
                {**body, "type": "Microsoft.Resources/subscriptions/resourceGroups"}
                for body in self._holdings.groups_of(subscription)
                if not self._holdings.denied(body["id"])
            ]
            rows += [self._row(body, subscription) for body in (own, *groups)]
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


def _page(rows: list[Row], options: dict[str, Any], *, pageable: bool) -> Body:
    """One page of the rows, with a skip token where there is more and the service can go on."""
    try:
        token = str(options.get("$skipToken") or "")
        start = int(base64.b64decode(token)) if token else int(options.get("$skip") or 0)
        most = min(int(options.get("$top") or MOST), MOST)
    except (binascii.Error, ValueError) as problem:
        raise _refused(400, "InvalidSkipToken", "The skip token or page size of the query is invalid.") from problem
    data = rows[start : start + most]
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
