"""Looking at the catalogue itself: why a resource has its verdict, and whether the rules do what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

from mappings.model import Resource
from mappings.rule import Rule
from mappings.rulebook import Rulebook
from mappings.states import VerdictKind
from mappings.typefacts import TypeFact, TypeFacts


class Weight(StrEnum):
    """Whether a problem of a rule is an error or something to look at."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about one rule that is wrong or that somebody should look at."""

    weight: Weight
    place: str
    """`file, line N`."""
    rule: str
    what: str

    def __str__(self) -> str:
        return f'{self.place}: {self.weight}: rule "{self.rule}": {self.what}.'


class Checked(Protocol):
    """A rule, or the record of its use in an assessment."""

    @property
    def checked(self) -> date: ...


def stale(rule: Checked, today: date, limit_days: int) -> bool:
    """Whether the rule was checked longer ago than `limit_days`; a stale rule still decides, and the report warns."""
    return (today - rule.checked).days > limit_days


def example_of(table: Mapping[str, Any]) -> Resource:
    """The resource that a `good` or `bad` table of a rule describes."""
    given = {
        key: table[key] for key in ("location", "kind", "sku", "tags", "properties", "plan", "identity") if key in table
    }
    zones = tuple(str(zone) for zone in table.get("zones", ()))
    return Resource(id="/example", name="example", type=table["type"], zones=zones, **given)


def applies(book: Rulebook, rule: Rule, example: Mapping[str, Any]) -> bool:
    """Whether the verdict on an example names `rule`, as deciding or as a finding."""
    verdict = book.judge(example_of(example), region=str(example.get("target_region", "")))
    return rule.id == verdict.rule or any(rule.id == finding.rule for finding in verdict.findings)


def check_rules(book: Rulebook, facts: TypeFacts, *, own: Iterable[str]) -> list[Problem]:
    """Everything that is wrong or doubtful about the rules, their age aside.

    Args:
        book: the catalogue with overlays; what a file alone can tell was refused when it was parsed.
        facts: the types that exist.
        own: files of the catalogue itself. A type that `facts` do not know is an error there and a warning in an
            overlay, whose author may know a type that is newer than this release.
    """
    shipped = frozenset(own)
    problems = []
    for rule in book.rules:
        found = [
            *_examples(book, rule),
            *_reach(book, rule),
            *_types(rule, facts, rule.file in shipped),
            *_left_behind(book, rule),
        ]
        problems += [Problem(weight, book.place(rule.id), rule.id, what) for weight, what in found]
    return problems


_Found = Iterator[tuple[Weight, str]]


def _examples(book: Rulebook, rule: Rule) -> _Found:
    for key, wanted, what in (
        ("bad", True, "does not apply to its own bad example"),
        ("good", False, "applies to its good example"),
    ):
        if key not in rule.examples:
            yield Weight.WARNING, f'it has no "{key}" example'
        elif applies(book, rule, rule.examples[key]) is not wanted:
            named = book.judge(example_of(rule.examples[key]), region=str(rule.examples[key].get("target_region", "")))
            yield Weight.ERROR, f"it {what}, which {named.rule} decides"


def _reach(book: Rulebook, rule: Rule) -> _Found:
    """A rule that another one always goes before."""
    for pattern in rule.match.types:
        probe = pattern if not pattern.endswith("*") else _below(pattern[:-1])
        candidates, findings = book.for_type(probe)
        if rule.finding:
            if rule not in findings:
                yield Weight.ERROR, f'it can never apply to {pattern}: "not_type" takes it out again'
            continue
        for candidate in candidates:
            if candidate.rule is rule:
                break
            if not candidate.rule.match.conditions:
                yield Weight.ERROR, f'it can never decide on {pattern}: "{candidate.rule.id}" always goes before it'
                break
        else:
            yield Weight.ERROR, f'it can never apply to {pattern}: "not_type" takes it out again'


def _left_behind(book: Rulebook, rule: Rule) -> _Found:
    """Types of the overridden rule that no rule of their own decides on any more."""
    old = book.overridden.get(rule.id)
    if old is None or old.finding:
        return
    bare = [name for name in old.match.types if not any(name in one.rule.match.types for one in book.covers(name))]
    if bare:
        yield Weight.WARNING, f'it overrides "{old.id}" and leaves {", ".join(bare)} without a rule of their own'


def _below(prefix: str) -> str:
    """Some type that begins with `prefix` and that no rule names."""
    return f"{prefix}unheard-of" if "/" in prefix else f"{prefix}.unheardof/things"


def _types(rule: Rule, facts: TypeFacts, shipped: bool) -> _Found:
    for name in (*rule.match.types, *rule.match.not_types):
        known = (
            any(fact.type.lower().startswith(name[:-1]) for fact in facts) if name.endswith("*") else facts.get(name)
        )
        # A child of a known type is believed: the table does not list all children.
        if known or (name.count("/") > 1 and facts.nearest(name)):
            continue
        close = facts.like(name)
        hint = f'; did you mean "{close}"' if close else ""
        yield (Weight.ERROR if shipped else Weight.WARNING), f'the type "{name}" is not known{hint}'


def explain(book: Rulebook, resource: Resource, *, region: str = "") -> list[str]:
    """Why `resource` got its verdict, line by line: the verdict, its provenance and every rule considered.

    Args:
        region: the target region, where it is known.
    """
    verdict = book.judge(resource, region=region)
    target = verdict.target
    lines = [
        f"{resource.type} {resource.name}: {verdict.verdict} by {verdict.rule} ({verdict.confidence})",
        f"  why: {verdict.reason}",
        *([f"  what differs: {verdict.differences}"] if verdict.differences else []),
        f"  do: {verdict.remedy or 'nothing'}",
        f"  target: {target.type or 'none'}{f' in {target.region}' if target.region else ''}"
        f"{f'; {target.note}' if target.note else ''}",
        f"  source: {verdict.source or 'none'}, checked {verdict.checked or 'never'}",
    ]
    for use in book.used([verdict]):
        lines += [f"  sources disagree: {conflict}" for conflict in use.conflicts]
        if use.overrides:
            lines.append(f'  overrides: "{use.overrides}", which says {use.overridden_verdict}: {use.because}')
    lines += [f"  also: {one.verdict} by {one.rule}: {one.reason}" for one in verdict.findings]
    words = {True: "applies", False: "does not apply", None: "cannot be told from this inventory"}
    for one in book.considered(resource, region=region):
        what = "finding" if one.rule.finding else "rule"
        inherited = f" (rule of the parent type {one.parent})" if one.parent else ""
        lines.append(f"  {what} {one.rule.id}: {words[one.applies]}{inherited}")
    return lines


def explain_type(book: Rulebook, facts: TypeFacts, type_name: str) -> list[str]:
    """Everything that the catalogue has on a type: its facts, its deciding rules, and the findings that may apply."""
    fact = facts.get(type_name)
    candidates, findings = book.for_type(type_name)
    lines = [fact.type if fact else type_name]
    lines += _fact_lines(fact) if fact else _unknown_lines(facts, type_name)
    if not candidates:
        lines.append("  no rule decides on it, so it is unknown: ask the Microsoft account team and the CSP provider")
    for one in candidates:
        inherited = f", rule of the parent type {one.parent}" if one.parent else ""
        lines.append(
            f"  rule {one.rule.id}: {one.rule.verdict} ({one.rule.confidence}{inherited}), checked {one.rule.checked}"
        )
        lines += _rule_lines(one.rule)
    named = [rule for rule in findings if rule.match.types != ("*",)]
    for rule in named:
        lines.append(f"  finding {rule.id}: {rule.verdict} ({rule.confidence}), checked {rule.checked}")
        lines += _rule_lines(rule)
    others = [rule.id for rule in findings if rule not in named]
    return [*lines, f"  findings for every type: {', '.join(others)}"] if others else lines


def _fact_lines(fact: TypeFact) -> list[str]:
    lines = [
        f"  {fact.service}" + (f' ("{fact.portal_name}" in the portal)' if fact.portal_name else ""),
        f"  Azure Government: {fact.gov_status}; CSP: {fact.csp_status} ({fact.csp_basis}); basis: {fact.basis}",
        f"  sources: {', '.join(fact.sources)}, newest {fact.source_date}",
    ]
    if fact.gov_regions:
        lines.append(f"  regions named: {', '.join(fact.gov_regions)}")
    if fact.differences:
        lines.append(f"  differences: {fact.differences}")
    if fact.retirement:
        lines.append(f"  retirement: {fact.retirement}{'' if fact.retirement_verified else ' (to be verified)'}")
    return lines


def _unknown_lines(facts: TypeFacts, type_name: str) -> list[str]:
    parent, close = facts.nearest(type_name), facts.like(type_name)
    if parent:
        return [f"  not in the table of types; its parent {parent.type} is: {parent.service}"]
    return [f"  not in the table of types{f'; did you mean {close}?' if close else ''}"]


def _rule_lines(rule: Rule) -> list[str]:
    lines = [f"    why: {rule.reason}"]
    if rule.differences:
        lines.append(f"    what differs: {rule.differences}")
    lines += [f"    sources disagree: {conflict}" for conflict in rule.conflicts]
    if rule.remedy:
        lines.append(f"    do: {rule.remedy}")
    return [*lines, f"    source: {rule.source}"]


def rule_to_json(rule: Rule, *, today: date, limit_days: int) -> dict[str, Any]:
    """A rule as `govlift rules list --json` prints it."""
    return {
        "id": rule.id,
        "file": rule.file,
        "types": list(rule.match.types),
        "conditions": rule.match.conditions,
        "finding": rule.finding,
        "verdict": rule.verdict.value,
        "reason": rule.reason,
        "differences": rule.differences,
        "remedy": rule.remedy,
        "target": rule.target,
        "note": rule.note,
        "retires": rule.retires.isoformat() if rule.retires else None,
        "sources": [
            {"title": s.title, "where": s.where, "dated": str(s.dated) if s.dated else None} for s in rule.sources
        ],
        "conflicts": [{"source": str(one.source), "says": one.says} for one in rule.conflicts],
        "checked": rule.checked.isoformat(),
        "stale": stale(rule, today, limit_days),
        "confidence": rule.confidence.value,
        "overrides": rule.overrides,
        "because": rule.because,
    }


def chosen(book: Rulebook, *, type_name: str = "", verdict: VerdictKind | None = None, family: str = "") -> list[Rule]:
    """The rules that can decide on or apply to a type, that say a verdict, or that stand in a family's file."""
    rules: Iterable[Rule] = book.rules
    if type_name:
        candidates, findings = book.for_type(type_name)
        rules = [*(one.rule for one in candidates), *findings]
    return [
        rule
        for rule in rules
        if (verdict is None or rule.verdict is verdict) and (not family or rule.file.endswith(f"/{family}.toml"))
    ]
