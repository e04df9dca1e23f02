"""How ARM words things: errors, paging links, quotas.

Shapes follow the recorded traffic in the tests of the Azure SDK for Python, and Microsoft Learn, "Common ARM deployment
errors" and "Understand how Azure Resource Manager throttles requests".
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from sandbox.holdings import Body, ProviderType, normal

PAGE = 100
"""Items in a page of a list at most."""


class ArmError(Exception):
    """An answer of ARM that is not the thing asked for."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details: Sequence[Mapping[str, Any]] = ()
        self.target = ""
        self.additional_info: Sequence[Mapping[str, Any]] = ()

    def answer(self) -> web.Response:
        """The error as ARM sends it."""
        error: Body = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = list(self.details)
        if self.target:
            error["target"] = self.target
        if self.additional_info:
            error["additionalInfo"] = list(self.additional_info)
        headers = {**self.headers, "x-ms-failure-cause": "gateway"}
        return web.json_response({"error": error}, status=self.status, headers=headers)


def forbidden(client: str, object_id: str, action: str, scope: str) -> ArmError:
    """The identity has no permission for `action` at `scope`."""
    return ArmError(
        403,
        "AuthorizationFailed",
        f"The client '{client}' with object id '{object_id}' does not have authorization to perform action '{action}' "
        f"over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials.",
    )


def no_group(name: str) -> ArmError:
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def no_resource(kind: str, name: str, group: str) -> ArmError:
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix",
    )


def no_provider(offered: ProviderType, location: str, api_version: str) -> ArmError:
    """The cloud lacks this API version or region for the type."""
    versions = ", ".join(offered.api_versions)
    regions = ", ".join(normal(name) for name in offered.locations)
    where = f"location '{location}' and " if location else ""
    return ArmError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for {where}API version '{api_version}' for type '{offered.name}'. "
        f"The supported api-versions are '{versions}'. The supported locations are '{regions}'.",
    )


def bad_token(authority: str, tenant: str, code: str, reason: str) -> ArmError:
    """The request carries no token that this ARM takes."""
    challenge = (
        f'Bearer authorization_uri="{authority}/{tenant}", error="invalid_token", '
        "error_description=\"The authentication failed because of missing 'Authorization' header or bad token.\""
    )
    return ArmError(401, code, reason, headers={"WWW-Authenticate": challenge})


def listing(request: web.Request, bodies: Sequence[Body], go_on: str) -> web.Response:
    """A page of a list, with the link to the next one on the host that was asked."""
    answer: Body = {"value": list(bodies)}
    if go_on:
        token = base64.urlsafe_b64encode(go_on.encode()).decode()
        answer["nextLink"] = str(request.url.with_scheme("https").update_query({"$skiptoken": token}))
    return web.json_response(answer)


def page_asked(request: web.Request) -> tuple[str, int]:
    """Where the asked page begins (an id, "" at the start) and how many items it has at most."""
    token, top = request.query.get("$skiptoken", ""), request.query.get("$top", "")
    try:
        after = base64.urlsafe_b64decode(token.encode()).decode()
        most = min(int(top), PAGE) if top else PAGE
    except (binascii.Error, ValueError) as problem:
        raise ArmError(400, "InvalidQueryParameter", "The $skiptoken or $top of the request is invalid.") from problem
    if most < 1:
        raise ArmError(400, "InvalidTopInQueryString", f"The $top value '{top}' is invalid. It must be positive.")
    return after, most


class Quota:
    """The `x-ms-ratelimit-remaining-*` headers: they fall with each request of their kind."""

    def __init__(self) -> None:
        self._left = {"reads": 12000, "writes": 1200, "deletes": 15000}

    def headers(self, method: str) -> dict[str, str]:
        """The headers of one answer, counted."""
        kind = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
        self._left[kind] = max(0, self._left[kind] - 1)
        request_id = str(uuid.uuid4())
        return {
            f"x-ms-ratelimit-remaining-subscription-{kind}": str(self._left[kind]),
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": request_id,
            "x-ms-routing-request-id": f"SANDBOX:{request_id}",
            "Cache-Control": "no-cache",
        }
