"""What was asked of each service: counts that tests and benchmarks read, so that a guarantee can be seen in numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.names import Service


class Effect(StrEnum):
    """What a request does to the service's state."""

    READ = "read"
    WRITE = "write"
    DELEGATION = "delegation"
    """Get User Delegation Key: a POST that changes nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it is counted."""

    operation: str
    effect: Effect
    account: str = ""


_READING_POSTS = ("/resources", "/checknameavailability", "/listkeys", "/listaccountsas", "/listservicesas")
_BLOB_PARAMETERS = ("restype", "comp")


def classify(service: Service, method: str, path: str, query: Mapping[str, str]) -> Asked:
    """How a request counts. For blob, `path` begins with the account: `/account/container/name`.

    An operation is named by what the REST reference tells it apart with: `GET container list`, `PUT block`, `PUT blob`.
    """
    reading = method in ("GET", "HEAD", "OPTIONS")
    match service:
        case Service.ENTRA:
            last = path.rstrip("/").rpartition("/")[2]
            return Asked({"token": "token", "openid-configuration": "discovery"}.get(last, last), Effect.READ)
        case Service.ARM:
            parts = path.strip("/").split("/")
            name = "/".join(
                part for index, part in enumerate(parts) if index % 2 == 0 or parts[index - 1] == "providers"
            )
            reading = reading or path.lower().endswith(_READING_POSTS)
            return Asked(f"{method} {name}", Effect.READ if reading else Effect.WRITE)
        case Service.BLOB:
            account, _, rest = path.lstrip("/").partition("/")
            words = [query[name] for name in _BLOB_PARAMETERS if query.get(name)]
            if not query.get("restype"):
                words.insert(0, "blob" if "/" in rest else "service")
            if query.get("comp") == "userdelegationkey":
                return Asked(f"{method} {' '.join(words)}", Effect.DELEGATION, account)
            return Asked(f"{method} {' '.join(words)}", Effect.READ if reading else Effect.WRITE, account)


@dataclass(slots=True)
class Counters:
    """The counts of one service of one cloud."""

    effects: Counter[Effect] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    accounts: defaultdict[str, Counter[Effect]] = field(default_factory=lambda: defaultdict(Counter))
    statuses: Counter[int] = field(default_factory=Counter)

    def count(self, asked: Asked) -> None:
        """Count a request that arrived, whatever becomes of it."""
        self.effects[asked.effect] += 1
        self.operations[asked.operation] += 1
        if asked.account:
            self.accounts[asked.account][asked.effect] += 1

    def answered(self, status: int) -> None:
        """Count an answer that was made."""
        self.statuses[status] += 1

    def reset(self) -> None:
        """Begin again from zero."""
        for counts in (self.effects, self.operations, self.accounts, self.statuses):
            counts.clear()

    def report(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            **{effect.value: self.effects[effect] for effect in Effect},
            "by_operation": dict(sorted(self.operations.items())),
            "by_account": {
                name: {effect.value: counts[effect] for effect in Effect}
                for name, counts in sorted(self.accounts.items())
            },
            "by_status": {str(status): number for status, number in sorted(self.statuses.items())},
        }
