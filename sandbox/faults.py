"""Fault rules: which request goes wrong, how, and how often. Decides only; `interception.py` carries it out."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any


class Reset(StrEnum):
    """When the connection breaks."""

    NEVER = ""
    BEFORE = "before"
    """Nothing was done."""
    AFTER = "after"
    """The work was done; the answer is lost."""


class BadRule(ValueError):
    """A fault rule that cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule, as posted to the control endpoint."""

    match: str
    """A regular expression, searched in `<cloud> <service> <METHOD> <path?query>`. For blob the path begins with the
    account: `commercial blob GET /account/container/name?query`."""
    status: int = 0
    """Answer with this status instead of doing the work; 0 does the work."""
    code: str = "ServerBusy"
    message: str = "A fault of the sandbox."
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to the answer, made or real."""
    delay: float = 0.0
    """Seconds to wait before anything is done."""
    reset: Reset = Reset.NEVER
    truncate: int = -1
    """Break the connection off after this many bytes of the body; -1 does not."""
    corrupt: bool = False
    """Flip one bit of the body's first byte."""
    times: int = 0
    """Strike at most this often; 0 without end."""
    every: int = 1
    """Strike at each n-th match only."""
    probability: float = 1.0
    """Strike with this chance at each match, drawn from `seed`, so that a run repeats."""
    seed: int = 0

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> FaultRule:
        """A rule from JSON.

        Raises:
            BadRule: a field is unknown, missing or of no use.
        """
        unknown = sorted(set(document) - {spec.name for spec in fields(cls)})
        if unknown or not isinstance(document.get("match"), str):
            raise BadRule(f"unknown field: {', '.join(unknown)}" if unknown else "match must be a regular expression")
        try:
            re.compile(document["match"])
            rule = cls(**{**document, "reset": Reset(document.get("reset", ""))})
        except (re.error, ValueError) as problem:
            raise BadRule(str(problem)) from problem
        if rule.every < 1 or not 0 <= rule.probability <= 1:
            raise BadRule("every is 1 or more, and probability between 0 and 1")
        return rule


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    draw: random.Random
    seen: int = 0
    struck: int = 0

    def strikes(self, line: str) -> bool:
        rule = self.rule
        if (rule.times and self.struck >= rule.times) or not re.search(rule.match, line):
            return False
        self.seen += 1
        if self.seen % rule.every or self.draw.random() >= rule.probability:
            return False
        self.struck += 1
        return True


class FaultBook:
    """The rules in force. The first one that strikes wins."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Put rules in force, behind those that already are."""
        self._armed += [_Armed(rule, random.Random(rule.seed)) for rule in rules]

    def clear(self) -> None:
        """Put all rules out of force."""
        self._armed.clear()

    def strike(self, line: str) -> FaultRule | None:
        """The rule that strikes the request `line`, counted as struck, or None."""
        return next((armed.rule for armed in self._armed if armed.strikes(line)), None)

    def report(self) -> list[dict[str, Any]]:
        """The rules in force, each with how many requests it matched (`seen`) and struck (`struck`)."""
        return [{**asdict(armed.rule), "seen": armed.seen, "struck": armed.struck} for armed in self._armed]
