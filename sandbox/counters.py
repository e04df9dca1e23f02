"""What was asked of the authority and of ARM, and how every service answered: numbers in which a guarantee can be seen.

The blob service counts for itself (`sandbox.storage.counters`), since it also serves requests that never come over the
wire: those of the other cloud's service that pulls from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.names import Service


class Effect(StrEnum):
    """What a request does to the service's state."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it is counted."""

    operation: str
    effect: Effect


_READING_POSTS = ("/microsoft.resourcegraph/resources", "/checknameavailability", "/listkeys")
_ENTRA = {"openid-configuration": "discovery", "instance": "discovery"}


def classify(service: Service, method: str, path: str) -> Asked | None:
    """How a request counts, or None where the service counts for itself.

    An ARM operation is its method and its path without what is the customer's own: `GET subscriptions/resources`.
    """
    match service:
        case Service.ENTRA:
            last = path.rstrip("/").rpartition("/")[2]
            return Asked(_ENTRA.get(last, last), Effect.READ)
        case Service.ARM:
            parts = path.strip("/").split("/")
            kept = [part for at, part in enumerate(parts) if at % 2 == 0 or parts[at - 1] == "providers"]
            reads = method in ("GET", "HEAD") or path.lower().endswith(_READING_POSTS)
            return Asked(f"{method} {'/'.join(kept)}", Effect.READ if reads else Effect.WRITE)
        case Service.BLOB:
            return None


@dataclass(slots=True)
class Counters:
    """The counts of one service of one cloud."""

    effects: Counter[Effect] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)

    def count(self, asked: Asked) -> None:
        """Count a request that arrived, whatever becomes of it."""
        self.effects[asked.effect] += 1
        self.operations[asked.operation] += 1

    def answered(self, status: int) -> None:
        """Count an answer that was made."""
        self.statuses[status] += 1

    def reset(self) -> None:
        """Begin again from zero."""
        for counts in (self.effects, self.operations, self.statuses):
            counts.clear()

    def report(self) -> dict[str, Any]:
        """The counts as JSON: `read`, `write`, `by_operation`, `by_status`."""
        return {
            **{effect.value: self.effects[effect] for effect in Effect},
            "by_operation": dict(sorted(self.operations.items())),
            "by_status": {str(status): number for status, number in sorted(self.statuses.items())},
        }
