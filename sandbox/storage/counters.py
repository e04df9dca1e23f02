"""Requests counted per account and operation, so that a test can prove what an account saw.

Anything but GET, HEAD, OPTIONS and the request for a user delegation key is a write. Refused requests count.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

Class = Literal["read", "write", "delegation"]
CLASSES: tuple[Class, ...] = ("read", "write", "delegation")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def class_of(method: str, comp: str) -> Class:
    """Whether a request reads, writes, or asks for a delegation key."""
    if method in _READS:
        return "read"
    return "delegation" if method == "POST" and comp == "userdelegationkey" else "write"


class Counters:
    """Counts of one service since its start or the last reset."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Class]] = Counter()

    def count(self, account: str, operation: str, kind: Class) -> None:
        self._counts[account, operation, kind] += 1

    def reset(self) -> None:
        self._counts.clear()

    def of(self, account: str) -> dict[str, Any]:
        """`read`, `write`, `delegation` and `by_operation` of one account; zeros where it saw nothing."""
        return self._sum(account)

    def snapshot(self) -> dict[str, Any]:
        """All counts: `read`, `write`, `delegation`, `by_operation`, and the same again in `by_account`."""
        names = sorted({account for account, _, _ in self._counts})
        return {**self._sum(None), "by_account": {name: self._sum(name) for name in names}}

    def _sum(self, account: str | None) -> dict[str, Any]:
        sums: dict[str, Any] = dict.fromkeys(CLASSES, 0)
        operations: Counter[str] = Counter()
        for (name, operation, kind), count in self._counts.items():
            if account is None or name == account:
                sums[kind] += count
                operations[operation] += count
        return {**sums, "by_operation": dict(sorted(operations.items()))}
