"""The rules by which a request on the blob data plane is tried again; one set of them for both clients. Pure but for
chance.

Sources: "Versioning for Azure Storage" (`x-ms-version`; 400 InvalidHeaderValue for one that the service does not know),
"Put Blob From URL" (copy-source status).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Refusal:
    """What of an answer decides whether the request is tried again."""

    status: int
    code: str
    """`x-ms-error-code`."""
    retry_after: str
    """As it stands in the header."""
    copy_source: str
    """`x-ms-copy-source-status-code`."""


def wait_for(said: Refusal, tries: int, throttled: Callable[[float | None], None]) -> float | None:
    """Seconds until the next try after try number `tries`, None where this answer stands.

    Args:
        throttled: called where the answer asks to slow down, with the seconds of its Retry-After.
    """
    passed_on = said.status >= 400 and said.copy_source.isdigit() and int(said.copy_source) in _AGAIN
    if said.status not in _AGAIN and not passed_on:
        return None
    if said.status in (429, 503):
        throttled(float(said.retry_after) if said.retry_after.isdigit() else None)
    if tries >= TRIES or said.code.startswith(_NEVER):
        return None
    if re.fullmatch(r"\d+", said.retry_after):
        asked = float(said.retry_after)
        return None if asked > _LONGEST_ASKED else max(asked, pause(tries))
    return pause(tries)


def pause(tries: int) -> float:
    """Seconds after try number `tries`: doubles from 0.2 s up to 8 s, half of it by chance."""
    whole: float = min(_LONGEST, _SHORTEST * 2 ** (tries - 1))
    return whole / 2 + random.random() * whole / 2


def refuses_version(status: int, code: str, text: str) -> bool:
    """Whether an answer says that the service does not know this API version."""
    return status == 400 and code == "InvalidHeaderValue" and ("x-ms-version" in text or "API version" in text)
