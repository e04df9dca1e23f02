"""How well the catalogue covers an inventory: by which kind of rule each resource gets its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mappings.model import Inventory, Resource, Verdict
from mappings.rulebook import Rulebook
from mappings.states import VerdictKind


class Level(StrEnum):
    """By what a resource was judged."""

    EXACT = "exact"
    """A rule for its type."""
    CONDITION = "kind or property"
    """A rule on its kind, SKU or a property, or a finding about one."""
    INHERITED = "inherited"
    """A rule of its parent type or of a whole resource provider."""
    UNKNOWN = "unknown"
    """No rule, a rule that says so, or a rule that asks for what the inventory does not carry."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Resources of one type that are unknown for one reason, and what to ask whom."""

    type: str
    rule: str
    resources: int
    ask: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One file, or all of them together."""

    file: str
    levels: tuple[tuple[Level, int], ...]
    """Every level once, also with 0; they add up to the resources."""
    asks: tuple[Ask, ...] = ()
    """Behind `unknown`; most resources first."""
    unread: tuple[str, ...] = ()
    """What could not be read of the file, and why."""

    @property
    def resources(self) -> int:
        return sum(number for _, number in self.levels)

    def number(self, level: Level) -> int:
        """How many resources were judged at `level`."""
        return dict(self.levels)[level]

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "file": self.file,
            "resources": self.resources,
            **{level.value.replace(" ", "_"): number for level, number in self.levels},
            "asks": [{"type": a.type, "rule": a.rule, "resources": a.resources, "ask": a.ask} for a in self.asks],
            "unread": list(self.unread),
        }


def level_of(book: Rulebook, resource: Resource, verdict: Verdict) -> Level:
    """By what `verdict` was given."""
    if verdict.verdict is VerdictKind.UNKNOWN:
        return Level.UNKNOWN
    by = book.deciding(resource, region=verdict.target.region)
    if by is None or by.rule.id != verdict.rule:
        return Level.CONDITION
    named = resource.type.lower() in by.rule.match.types
    if by.parent or not named:
        return Level.INHERITED
    return Level.CONDITION if by.rule.match.conditions else Level.EXACT


def coverage_of(file: str, inventory: Inventory, book: Rulebook) -> Coverage:
    """How the resources of one file are covered."""
    levels: Counter[Level] = Counter()
    asks: list[Ask] = []
    for resource in inventory.resources:
        verdict = book.judge(resource)
        level = level_of(book, resource, verdict)
        levels[level] += 1
        if level is Level.UNKNOWN:
            asks.append(Ask(resource.type, verdict.rule, 1, verdict.remedy))
    return Coverage(
        file=file,
        levels=tuple((level, levels[level]) for level in Level),
        asks=_summed(asks),
        unread=tuple(f"{gap.scope}: {gap.why}" for gap in inventory.gaps),
    )


def unread(file: str, why: str) -> Coverage:
    """A file of which nothing could be read."""
    return Coverage(file, tuple((level, 0) for level in Level), unread=(why,))


def together(parts: Sequence[Coverage]) -> Coverage:
    """All files as one."""
    return Coverage(
        file=f"{len(parts)} files" if len(parts) != 1 else "1 file",
        levels=tuple((level, sum(part.number(level) for part in parts)) for level in Level),
        asks=_summed(ask for part in parts for ask in part.asks),
        unread=tuple(what for part in parts for what in part.unread),
    )


def _summed(asks: Iterable[Ask]) -> tuple[Ask, ...]:
    """One per type and rule, in the spelling that came first."""
    found: dict[tuple[str, str], Ask] = {}
    for ask in asks:
        key = (ask.type.lower(), ask.rule)
        known = found.get(key)
        found[key] = replace(known, resources=known.resources + ask.resources) if known else ask
    return tuple(sorted(found.values(), key=lambda ask: (-ask.resources, ask.type.lower(), ask.rule)))
