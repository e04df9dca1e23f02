"""The one owner of retries on the blob data plane, and of the API version spoken with an account.

It takes the place of the SDK's retry policy, which starts at 15 s, does not read Retry-After and never retries 429. It
sits before the credential policy, so every try is signed anew. Sources: "Versioning for Azure Storage" (`x-ms-version`;
400 InvalidHeaderValue for one that the service does not know), "Put Blob From URL" (copy-source status).
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.storage.blob.aio import ExponentialRetry

VERSIONS: tuple[str, ...] = (
    "2026-10-06", "2026-06-06", "2026-04-06", "2026-02-06", "2025-11-05", "2025-07-05", "2025-05-05", "2025-01-05",
    "2024-11-04", "2024-08-04", "2024-05-04", "2023-11-03", "2023-08-03", "2023-05-03", "2023-01-03", "2022-11-02",
    "2021-12-02", "2021-08-06", "2021-06-08", "2021-04-10", "2021-02-12", "2020-12-06", "2020-10-02",
)  # fmt: skip
"""What azure-storage-blob 12.31.1 speaks and this client needs (Put Blob From URL), newest first."""

TRIES = 6
"""Requests per call, the first included."""
_SHORTEST, _LONGEST = 0.2, 8.0
_LONGEST_ASKED = 30.0
"""Seconds of Retry-After that are waited out here; what asks for more comes out as SlowDown."""
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_NEVER = ("FeatureNot", "UnsupportedHeader", "NotImplemented")


class SpokenVersion:
    """The `x-ms-version` of one account: the newest that it knows; steps down when refused, and remembers."""

    def __init__(self, newest: str = VERSIONS[0]) -> None:
        self.current = newest
        self.refused: list[str] = []

    def step_down(self, refused: str) -> bool:
        """The next older one, unless another request has stepped down meanwhile; False where there is none."""
        if refused == self.current:
            place = VERSIONS.index(refused) + 1
            if place == len(VERSIONS):
                return False
            self.refused.append(refused)
            self.current = VERSIONS[place]
        return True


class Patience(ExponentialRetry):
    """Retries 408, 429, 5xx and lost connections, bounded, with growing pauses; honours Retry-After.

    Args:
        spoken: the version state of the account.
        throttled: called once per answer that asks to slow down, with the seconds of its Retry-After.
    """

    def __init__(self, spoken: SpokenVersion, throttled: Callable[[float | None], None] | None = None) -> None:
        super().__init__(retry_total=0)
        self._spoken = spoken
        self._throttled = throttled

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
        status, code = answer.status_code, answer.headers.get("x-ms-error-code", "")
        passed_on = answer.headers.get("x-ms-copy-source-status-code", "")
        if status not in _AGAIN and not (status >= 400 and passed_on.isdigit() and int(passed_on) in _AGAIN):
            return None
        if status in (429, 503) and self._throttled is not None:
            told = answer.headers.get("Retry-After", "")
            self._throttled(float(told) if told.isdigit() else None)
        if tries >= TRIES or code.startswith(_NEVER):
            return None
        asked = answer.headers.get("Retry-After", "")
        if re.fullmatch(r"\d+", asked):
            return None if int(asked) > _LONGEST_ASKED else max(float(asked), pause(tries))
        return pause(tries)


def pause(tries: int) -> float:
    """Seconds after try number `tries`: doubles from 0.2 s up to 8 s, half of it by chance."""
    whole: float = min(_LONGEST, _SHORTEST * 2 ** (tries - 1))
    return whole / 2 + random.random() * whole / 2


async def _refuses_version(response: PipelineResponse[Any, Any]) -> bool:
    answer = response.http_response
    if answer.status_code != 400 or answer.headers.get("x-ms-error-code") != "InvalidHeaderValue":
        return False
    await answer.load_body()
    return "x-ms-version" in answer.text() or "API version" in answer.text()


def _release(response: PipelineResponse[Any, Any]) -> None:
    """Give the connection of an answer that nobody will read back."""
    inner = getattr(response.http_response, "internal_response", None)
    if inner is not None:
        inner.release()
