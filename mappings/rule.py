"""One rule of the catalogue: what it matches, what it says, and from which source as of which date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mappings.model import Resource
from mappings.regions import normal
from mappings.states import Confidence, VerdictKind

SEVERITY: Mapping[VerdictKind, int] = {
    VerdictKind.READY: 0,
    VerdictKind.READY_WITH_CHANGES: 1,
    VerdictKind.REPLACE: 2,
    VerdictKind.UNKNOWN: 3,
    VerdictKind.BLOCKED: 4,
}
"""How bad a verdict is; the worst of all rules that apply to a resource is its verdict."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from: `[source.<key>]` of the catalogue."""

    key: str
    title: str
    where: str
    """Page address, or repository, commit and path."""
    dated: date | None
    """Date of the text itself; None where it says none."""

    def __str__(self) -> str:
        return f"{self.title} ({self.dated or 'undated'})"


@dataclass(frozen=True, slots=True)
class Conflict:
    """What one of several sources says that contradict each other."""

    source: Source
    says: str

    def __str__(self) -> str:
        return f"{self.source} says {self.says}"


@dataclass(frozen=True, slots=True)
class PropertyTest:
    """A test on one property path, e.g. `encryption.keySource`; a list on the way is searched item by item."""

    path: tuple[str, ...]
    operation: str
    """`equals`, `starts_with` or `contains` (any of `values`, case-insensitive), or `exists`."""
    values: frozenset[str] = frozenset()

    def holds(self, properties: Mapping[str, Any]) -> bool | None:
        """True or False; None where the inventory does not tell (no properties at all, or a template expression)."""
        if not properties:
            return None
        found = [value for value in _at(properties, self.path) if value is not None]
        if self.operation == "exists":
            return bool(found)
        answer: bool | None = False
        for value in found:
            text = str(value).lower()
            if is_expression(text):
                # Words inside an expression say nothing about what it comes to.
                answer = None
            elif self._fits(text):
                return True
        return answer

    def _fits(self, text: str) -> bool:
        if self.operation == "equals":
            return text in self.values
        if self.operation == "starts_with":
            return any(text.startswith(part) for part in self.values)
        return any(part in text for part in self.values)


@dataclass(frozen=True, slots=True)
class Match:
    """To which resources a rule applies: a type pattern and any number of further conditions, all of which must hold.

    All sets hold lower-case words. An empty set is no condition.
    """

    types: tuple[str, ...]
    """Exact types, or prefixes ending in `*`, in lower case."""
    not_types: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    skus: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    """Where the resource is, in the source."""
    target_regions: frozenset[str] = frozenset()
    """Where it would go, in the target."""
    plan: bool | None = None
    """True: has a marketplace plan; False: has none."""
    plan_products: frozenset[str] = frozenset()
    """`product` of the plan, e.g. "OMSGallery/Updates"."""
    zones: bool | None = None
    """True: is pinned to or spread over availability zones; False: names none."""
    sku_absent: bool = False
    """True: was described with properties but without a SKU, so that the API's default counts."""
    properties: tuple[PropertyTest, ...] = ()
    anywhere: tuple[str, ...] = ()
    """Any of these stands somewhere in the properties, tags or identity."""
    except_for: tuple[str, ...] = ()
    """Phrases that do not count for `anywhere`, e.g. the internal suffix that every network interface carries."""

    @property
    def conditions(self) -> int:
        """How specific the match is beyond the type."""
        sets = (self.kinds, self.skus, self.tiers, self.regions, self.target_regions, self.plan_products, self.anywhere)
        flags = (self.plan is not None, self.zones is not None, self.sku_absent)
        return sum(map(bool, sets)) + len(self.properties) + sum(flags)

    def holds(self, resource: Resource, text: str, target_region: str = "") -> bool | None:
        """Whether the conditions beyond the type hold.

        Args:
            resource: the resource judged.
            text: `all_text(resource)`; only read where `anywhere` is a condition.
            target_region: where it would go; "" where nobody knows yet.

        Returns:
            True, False, or None where the inventory does not carry what the rule asks for.
        """
        # Plain tests in a row, cheapest first: this runs for every resource against every finding.
        if self.plan is not None and bool(resource.plan) is not self.plan:
            return False
        if self.plan_products and str(resource.plan.get("product", "")).lower() not in self.plan_products:
            return False
        if self.zones is not None and bool(resource.zones) is not self.zones:
            return False
        if self.sku_absent and (not resource.properties or _sku_of(resource) != ("", "")):
            return False
        if self.anywhere and not self._stands_in(text):
            return False
        answer: bool | None = True
        if self.kinds or self.skus or self.tiers or self.regions or self.target_regions:
            answer = self._words_fit(resource, target_region)
            if answer is False:
                return False
        for test in self.properties:
            one = test.holds(resource.properties)
            if one is False:
                return False
            answer = answer and one
        return answer

    def _words_fit(self, resource: Resource, target_region: str) -> bool | None:
        answer: bool | None = True
        for wanted, value in (
            (self.kinds, resource.kind),
            (self.skus, resource.sku.get("name")),
            (self.tiers, resource.sku.get("tier")),
            (self.regions, normal(resource.location) if self.regions else ""),
            (self.target_regions, normal(target_region) if self.target_regions else ""),
        ):
            if wanted:
                one = _among(value, wanted)
                if one is False:
                    return False
                answer = answer and one
        return answer

    def _stands_in(self, text: str) -> bool:
        if not any(part in text for part in self.anywhere):
            return False
        for phrase in self.except_for:
            text = text.replace(phrase, "")
        return any(part in text for part in self.anywhere)

    def excludes(self, other: Match) -> bool:
        """Whether no resource can match both: some condition asks for different values of the same thing."""
        pairs = [
            (self.kinds, other.kinds),
            (self.skus, other.skus),
            (self.tiers, other.tiers),
            (self.regions, other.regions),
            (self.target_regions, other.target_regions),
            (self.plan_products, other.plan_products),
        ]
        theirs = {test.path: test.values for test in other.properties if test.operation == "equals"}
        pairs += [(t.values, theirs[t.path]) for t in self.properties if t.operation == "equals" and t.path in theirs]
        if any(a and b and not a & b for a, b in pairs):
            return True
        if (self.sku_absent and (other.skus or other.tiers)) or (other.sku_absent and (self.skus or self.tiers)):
            return True
        flags = ((self.plan, other.plan), (self.zones, other.zones))
        return any(a is not None and b is not None and a is not b for a, b in flags)


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of the catalogue, with its provenance."""

    id: str
    """Stable, kebab-case; reports and overlays name rules by it."""
    match: Match
    verdict: VerdictKind
    reason: str
    remedy: str
    sources: tuple[Source, ...]
    source: str
    """The sources as one sentence, each with its date."""
    checked: date
    """As of which date the sources say so: the newest of them."""
    confidence: Confidence
    target: str = ""
    """ARM type in Azure Government; "" keeps the type of the resource, where there is one at all."""
    note: str = ""
    """About the target: SKU, kind, alternatives."""
    differences: str = ""
    """What works otherwise in Government than in commercial Azure; sentences."""
    conflicts: tuple[Conflict, ...] = ()
    """Sources that contradict each other on this, each with what it says; the verdict takes the careful side."""
    retires: date | None = None
    """The day on which what the rule matches retires or retired."""
    finding: bool = False
    """A finding never makes a verdict better: it applies besides the deciding rule and can only worsen."""
    final: bool = False
    """A live listing of the target cannot change this (classic, retired)."""
    overrides: str = ""
    """Id of the catalogue rule that this overlay rule takes the place of."""
    because: str = ""
    """Why it does."""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """`good`: a resource to which the rule does not apply; `bad`: one to which it does."""
    file: str = ""
    """Name of the rule file."""


_PARTS = frozenset((dict, list))
_LEAVES = frozenset((int, float, bool, type(None)))


def is_expression(text: str) -> bool:
    """Whether `text` is an unresolved ARM template expression, e.g. `[parameters('sku')]`."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def all_text(resource: Resource) -> str:
    """Every key and word of properties, tags and identity, in lower case, one per line."""
    words: list[str] = []
    stack: list[Any] = [resource.properties, resource.tags, resource.identity]
    while stack:
        part = stack.pop()
        inner: Iterable[Any] = part
        # The exact type first: an isinstance check against an abstract class costs more than the rest of the walk.
        if type(part) is dict or (type(part) is not list and isinstance(part, Mapping)):
            words.extend(part)
            inner = part.values()
        for value in inner:
            kind = type(value)
            if kind is str:
                words.append(value)
            elif kind in _PARTS or (kind not in _LEAVES and isinstance(value, Mapping | list | tuple)):
                stack.append(value)
    return "\n".join(words).lower()


def _sku_of(resource: Resource) -> tuple[str, str]:
    return str(resource.sku.get("name") or ""), str(resource.sku.get("tier") or "")


def _among(value: Any, wanted: frozenset[str]) -> bool | None:
    text = str(value or "").lower()
    if not text or is_expression(text):
        return None
    return text in wanted


def _at(part: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands at `path`, list items one by one; an expression on the way stands for what it would give."""
    for number, step in enumerate(path):
        # Plain JSON first and without a generator: this walk runs for every property test of every resource.
        if type(part) is dict:
            if step in part:
                part = part[step]
                continue
            step = step.lower()
            for key in part:
                if key.lower() == step:
                    part = part[key]
                    break
            else:
                return []
        elif isinstance(part, list | tuple):
            return [found for item in part for found in _at(item, path[number:])]
        elif isinstance(part, str) and is_expression(part):
            return [part]
        elif isinstance(part, Mapping):
            return _at(dict(part), path[number:])
        else:
            return []
    if isinstance(part, list | tuple):
        return [found for item in part for found in _at(item, ())]
    return [part]
