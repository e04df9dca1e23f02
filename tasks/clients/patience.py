"""The owner of retries on the SDK's way to the blob data plane, by the rules of `retries`.

It takes the place of the SDK's retry policy, which starts at 15 s, does not read Retry-After and never retries 429. It
sits before the credential policy, so every try is signed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.storage.blob.aio import ExponentialRetry

from tasks.clients.retries import TRIES, VERSIONS, Refusal, SpokenVersion, pause, refuses_version, wait_for

__all__ = ["TRIES", "VERSIONS", "Patience", "SpokenVersion", "pause"]


class Patience(ExponentialRetry):
    """Retries 408, 429, 5xx and lost connections, bounded, with growing pauses; honours Retry-After.

    Args:
        spoken: the version state of the account.
        throttled: called once per answer that asks to slow down, with the seconds of its Retry-After.
    """

    def __init__(self, spoken: SpokenVersion, throttled: Callable[[float | None], None] | None = None) -> None:
        super().__init__(retry_total=0)
        self._spoken = spoken
        self._throttled = throttled or (lambda _: None)

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:  # type: ignore[override]
        # Also takes the storage SDK's own options out of the request, which the transport would stumble over.
        mode = self.configure_retries(request)["mode"]
        tries = 0
        following: Any = self.next
        while True:
            version = request.http_request.headers["x-ms-version"] = self._spoken.current
            tries += 1
            try:
                response: PipelineResponse[Any, Any] = await following.send(request)
            except (ServiceRequestError, ServiceResponseError):
                if tries >= TRIES:
                    raise
                await asyncio.sleep(pause(tries))
                continue
            response.http_response.location_mode = mode
            if await _refuses_version(response) and self._spoken.step_down(version):
                tries -= 1
                continue
            wait = self._wait(response, tries)
            if wait is None:
                return response
            _release(response)
            await asyncio.sleep(wait)

    def _wait(self, response: PipelineResponse[Any, Any], tries: int) -> float | None:
        """Seconds until the next try, None where this answer stands."""
        answer = response.http_response
        said = Refusal(
            answer.status_code,
            answer.headers.get("x-ms-error-code", ""),
            answer.headers.get("Retry-After", ""),
            answer.headers.get("x-ms-copy-source-status-code", ""),
        )
        return wait_for(said, tries, self._throttled)


async def _refuses_version(response: PipelineResponse[Any, Any]) -> bool:
    answer = response.http_response
    if answer.status_code != 400 or answer.headers.get("x-ms-error-code") != "InvalidHeaderValue":
        return False
    await answer.load_body()
    return refuses_version(answer.status_code, answer.headers.get("x-ms-error-code", ""), answer.text())


def _release(response: PipelineResponse[Any, Any]) -> None:
    """Give the connection of an answer that nobody will read back."""
    inner = getattr(response.http_response, "internal_response", None)
    if inner is not None:
        inner.release()
