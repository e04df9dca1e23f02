"""Reads of ARM's own lists and of Resource Graph through one pipeline, whatever the number of subscriptions.

An SDK client per subscription has a connection pool, a token cache and a pipeline each; 2,000 of them are 2,000
handshakes. This is the SDK's pipeline (azure-core, azure-mgmt-core) once, for plain bodies. Source: "Understand how
Azure Resource Manager throttles requests" (learn.microsoft.com/azure/azure-resource-manager).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tasks.clients.management import BoundedRetry

if TYPE_CHECKING:
    from tasks.clients.session import Session

_FEW_LEFT = 50
"""Reads left of ARM's allowance at which the readers slow down, so that nobody else of the tenant is refused."""
_SLOWER = 1.0
"""Seconds to wait before each read while few are left."""
_LEFT = ("x-ms-ratelimit-remaining-subscription-reads", "x-ms-ratelimit-remaining-tenant-reads")


class ArmReader:
    """One cloud's management endpoint, for reading only. Safe to use from several threads.

    Args:
        pause: waits that many seconds; for tests.
    """

    def __init__(self, session: Session, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.session = session
        self.cloud = session.cloud
        self._pause = pause
        self._client: Any = None
        self._lock = threading.Lock()

    def listed(self, path: str, version: str, **query: str) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page.

        Args:
            path: with its leading slash.
            version: `api-version`.
            query: further parameters, `top` for `$top`.

        Raises:
            AzureError: as the pipeline and the service say; the items before it were yielded.
        """
        params = {"api-version": version, **{f"${name}": value for name, value in query.items()}}
        body = self.ask("GET", f"{self.cloud.arm.rstrip('/')}{path}", params=params)[0]
        while True:
            yield from body.get("value") or ()
            link = body.get("nextLink")
            if not link:
                return
            body = self.ask("GET", str(link))[0]

    def ask(
        self, method: str, url: str, *, params: Mapping[str, str] | None = None, json: Any = None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """One request; its body and its headers, names in lower case.

        Raises:
            HttpResponseError: any answer but 200.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest
        from azure.mgmt.core.exceptions import ARMErrorFormat

        answer = self._pipeline().send_request(HttpRequest(method, url, params=params, json=json))
        if answer.status_code != 200:
            raise HttpResponseError(response=answer, error_format=ARMErrorFormat)
        headers = {str(name).lower(): str(value) for name, value in answer.headers.items()}
        if any(headers.get(name, "").isdecimal() and int(headers[name]) < _FEW_LEFT for name in _LEFT):
            self._pause(_SLOWER)
        return answer.json(), headers

    def close(self) -> None:
        """Close the connections. Idempotent."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _pipeline(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _make(self) -> Any:
        from azure.core.pipeline import policies
        from azure.mgmt.core import ARMPipelineClient
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        chain: list[Any] = [
            policies.RequestIdPolicy(),
            policies.UserAgentPolicy("govlift"),
            policies.ProxyPolicy(),
            policies.RedirectPolicy(),
            BoundedRetry(),
            *self.session.policies(reads_only=True),
            ARMChallengeAuthenticationPolicy(self.session.credential, self.cloud.arm_scope),
            policies.SensitiveHeaderCleanupPolicy(),
        ]
        return ARMPipelineClient(base_url=self.cloud.arm, policies=chain)
