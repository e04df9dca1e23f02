"""What changed its route in a run, and why: from the events in which workers tell what they learnt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mappings.states import Route

EVENT = "routes.learnt"
"""Kind of the events that carry what a worker learnt about routes."""
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One thing that a worker learnt about a pair of accounts, or about one object of it."""

    at: datetime
    run: str
    source_account: str
    target_account: str
    blob_type: str
    route: Route
    """The route from then on."""
    name: str
    """The object, "" where it is about the pair."""
    reason: str


def learnt_in(detail: Mapping[str, Any]) -> Iterator[RouteChange]:
    """What one event tells, in its order."""
    for one in detail["events"]:
        yield RouteChange(
            at=datetime.fromisoformat(one["at"]),
            run=detail["run"],
            source_account=one["source"],
            target_account=one["target"],
            blob_type=one["type"],
            route=Route(one["route"]),
            name=one["name"],
            reason=one["reason"],
        )


def changes_in(learnt: Iterable[RouteChange]) -> list[RouteChange]:
    """Those that changed a route, in the order of time. Every pair is pulled until something else is learnt, so a probe
    that passes changes nothing, nor does a worker that finds what another has found before."""
    standing: dict[tuple[str, str, str, str], Route] = {}
    found = []
    for one in sorted(learnt, key=lambda one: one.at):
        pair = one.run, one.source_account, one.target_account, one.blob_type
        if one.name:
            found.append(one)
        elif standing.get(pair, Route.PULL) is not one.route:
            standing[pair] = one.route
            found.append(one)
    return found


@dataclass(frozen=True, slots=True)
class FallBack:
    """Changes of one pair and type that have one route and one reason."""

    source_account: str
    target_account: str
    blob_type: str
    route: Route
    reason: str
    whole: bool
    """Whether it is about the pair, and not about single objects."""
    changes: int
    """How often, or of how many objects; after some hundreds of a pair no more objects are named, and the manifests
    have the route of each."""
    examples: tuple[str, ...]
    """Objects."""


def fall_backs(changes: Iterable[RouteChange]) -> list[FallBack]:
    """Changes grouped by pair, type, route and reason, in the order of the first of each."""
    groups: dict[tuple[str, str, str, Route, str, bool], list[str]] = {}
    for one in changes:
        kind = one.source_account, one.target_account, one.blob_type, one.route, one.reason, not one.name
        groups.setdefault(kind, []).append(one.name)
    return [
        FallBack(*kind, changes=len(names), examples=() if kind[-1] else tuple(names[:_EXAMPLES]))
        for kind, names in groups.items()
    ]


def fall_backs_to_json(found: Iterable[FallBack]) -> list[dict[str, Any]]:
    """As `status --json` and the summary of a run have it."""
    return [
        {
            "source": one.source_account,
            "target": one.target_account,
            "type": one.blob_type,
            "route": one.route.value,
            "reason": one.reason,
            "pair": one.whole,
            "changes": one.changes,
            "examples": list(one.examples),
        }
        for one in found
    ]


def fall_back_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """For a reader of the terminal.

    Args:
        found: as `fall_backs_to_json` gives them.
    """
    lines = []
    for one in found:
        what = f"{one['changes']:,} objects, e.g. {one['examples'][0]}" if not one["pair"] else "the whole pair"
        where = f"{one['source']} -> {one['target']} ({one['type']})"
        lines.append(f"route changed to {one['route']}: {where}: {what}: {one['reason']}")
    return lines
