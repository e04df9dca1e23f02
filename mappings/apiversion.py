"""Which of the API versions that a cloud offers is meant: the newest stable one that both sides know."""

from __future__ import annotations

import re
from collections.abc import Iterable

_STABLE = re.compile(r"\d{4}-\d\d-\d\d")


def newest_shared(offered: Iterable[str], *, oldest: str = "", newest: str = "9999") -> str:
    """The newest stable version between `oldest` and `newest` that is offered; "" where there is none."""
    stable = (version for version in offered if _STABLE.fullmatch(version))
    return max((version for version in stable if oldest <= version <= newest), default="")
