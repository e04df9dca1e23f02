"""The catalogue as one value that judges resources. No rule means `unknown`, never `ready`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from mappings.errors import FixTheInput
from mappings.model import CitedSource, Finding, Resource, RuleUse, TargetChoice, Verdict
from mappings.rule import SEVERITY, Rule, Source, all_text
from mappings.rulefile import Placed, parse_files, wrong_at
from mappings.states import Confidence, VerdictKind

NO_RULE = "no-rule"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deciding rule that may apply to a type, and the parent type it was found by, if any."""

    rule: Rule
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Considered:
    """A rule that was looked at, and whether it applies; None where the inventory does not tell."""

    rule: Rule
    parent: str
    applies: bool | None


@dataclass(frozen=True, slots=True)
class _Decision:
    by: Candidate | None
    """The rule that decides; None where none does."""
    worse: Sequence[Rule]
    """Rules that could apply and are worse than any that does, were more known of the resource."""


@dataclass(frozen=True, slots=True)
class _ForType:
    """What the catalogue has for one type: deciding rules, most specific first, and findings."""

    candidates: tuple[Candidate, ...]
    findings: tuple[Rule, ...]
    reads_text: bool


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Every rule, indexed by type. Build it with `parse`."""

    rules: tuple[Rule, ...]
    sources: Mapping[str, Source]
    overridden: Mapping[str, Rule] = field(repr=False)
    """Id of an overlay rule -> the rule that it takes the place of."""
    _placed: Mapping[str, Placed] = field(repr=False)
    _exact: Mapping[str, tuple[Rule, ...]] = field(repr=False)
    """Lower type -> deciding rules, most conditions first."""
    _prefixes: tuple[tuple[str, tuple[Rule, ...]], ...] = field(repr=False)
    """Prefix -> deciding rules; longest prefix first."""
    _seen: dict[str, _ForType] = field(default_factory=dict, repr=False, compare=False)
    """What was looked up before, per type: an estate has few types and many resources."""

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> Rulebook:
        """Read rule files.

        Args:
            files: file name -> TOML text, e.g. the catalogue and a customer's overlay.

        Raises:
            FixTheInput: wrong data, an id used twice, or two rules that could both decide; names file and line.
        """
        sources, placed = parse_files(files)
        by_id = _by_id(placed)
        standing = _after_overrides(placed, by_id)
        deciding: dict[str, list[Placed]] = {}
        for one in standing:
            if not one.rule.finding:
                for name in one.rule.match.types:
                    deciding.setdefault(name, []).append(one)
        _refuse_ties(deciding)
        ordered = {name: _ordered(rules) for name, rules in deciding.items()}
        prefixes = sorted(((n[:-1], r) for n, r in ordered.items() if n.endswith("*")), key=lambda p: -len(p[0]))
        return cls(
            rules=tuple(one.rule for one in standing),
            sources=sources,
            overridden={one.rule.id: by_id[one.rule.overrides].rule for one in standing if one.rule.overrides},
            _placed=by_id,
            _exact={name: rules for name, rules in ordered.items() if not name.endswith("*")},
            _prefixes=tuple(prefixes),
        )

    @property
    def as_of(self) -> date | None:
        """The newest check date of any rule; None for an empty rulebook."""
        return max((rule.checked for rule in self.rules), default=None)

    def rule(self, rule_id: str) -> Rule:
        """The rule called `rule_id`.

        Raises:
            FixTheInput: there is none.
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise FixTheInput(f'There is no rule "{rule_id}".', next_step="List the ids with `govlift rules list`.")

    def covers(self, type_name: str) -> tuple[Candidate, ...]:
        """The deciding rules for a type, most specific first; those with `parent` are only inherited."""
        return self._for(type_name.lower()).candidates

    def judge(self, resource: Resource, *, region: str = "") -> Verdict:
        """The one verdict for `resource`, by the most specific rule that applies, worsened by findings.

        Args:
            resource: what the source described.
            region: target region to name in the verdict.
        """
        known = self._for(resource.type.lower())
        text = all_text(resource) if known.reads_text else ""
        verdict = _answer(resource, _decide(resource, known.candidates, text, region), region)
        found = [rule for rule in known.findings if rule.match.holds(resource, text, region)]
        return _worsened(verdict, found) if found else verdict

    def considered(self, resource: Resource, *, region: str = "") -> list[Considered]:
        """Every rule that was looked at for `resource`, in order, with what came of it."""
        known = self._for(resource.type.lower())
        text = all_text(resource)
        asked = [*known.candidates, *(Candidate(rule) for rule in known.findings)]
        return [Considered(one.rule, one.parent, one.rule.match.holds(resource, text, region)) for one in asked]

    def deciding(self, resource: Resource, *, region: str = "") -> Candidate | None:
        """The rule that decides on `resource`, findings aside; None where the verdict is `unknown` for want of one."""
        known = self._for(resource.type.lower())
        text = all_text(resource) if known.reads_text else ""
        return _decide(resource, known.candidates, text, region).by

    def for_type(self, type_name: str) -> tuple[tuple[Candidate, ...], tuple[Rule, ...]]:
        """Deciding rules (most specific first) and findings that can apply to resources of a type."""
        known = self._for(type_name.lower())
        return known.candidates, known.findings

    def place(self, rule_id: str) -> str:
        """`file, line N` of a rule, for messages."""
        return self._placed[rule_id].place

    def used(self, verdicts: Iterable[Verdict]) -> tuple[RuleUse, ...]:
        """The provenance of every rule that a verdict or finding rests on, by rule id."""
        named = {name for v in verdicts for name in (v.rule, *(finding.rule for finding in v.findings))}
        # A verdict that the live target changed names the rule it changed in its text only.
        return tuple(_use(rule, self.overridden) for rule in sorted(self.rules, key=lambda r: r.id) if rule.id in named)

    def _for(self, name: str) -> _ForType:
        if name not in self._seen:
            findings = tuple(rule for rule in self.rules if rule.finding and _covers(rule, name))
            candidates = tuple(one for one in self._candidates(name) if not _excluded(one.rule, name))
            asked = (*findings, *(one.rule for one in candidates))
            self._seen[name] = _ForType(candidates, findings, any(rule.match.anywhere for rule in asked))
        return self._seen[name]

    def _candidates(self, name: str) -> Iterator[Candidate]:
        for rule in self._exact.get(name, ()):
            yield Candidate(rule)
        parent = name
        while parent.count("/") > 1:
            parent = parent.rpartition("/")[0]
            # A condition of the parent's rule speaks of the parent's SKU or properties, not of the child's.
            plain = [rule for rule in self._exact.get(parent, ()) if not rule.match.conditions]
            if plain:
                yield Candidate(plain[0], parent=parent)
                return
        for prefix, rules in self._prefixes:
            if name.startswith(prefix):
                for rule in rules:
                    yield Candidate(rule)


def _decide(resource: Resource, candidates: Sequence[Candidate], text: str, region: str) -> _Decision:
    undecided: list[Rule] = []
    for candidate in candidates:
        holds = candidate.rule.match.holds(resource, text, region)
        if holds is None:
            undecided.append(candidate.rule)
        elif holds:
            worse = [one for one in undecided if SEVERITY[one.verdict] > SEVERITY[candidate.rule.verdict]]
            return _Decision(None if worse else candidate, worse)
    return _Decision(None, undecided)


def _answer(resource: Resource, decision: _Decision, region: str) -> Verdict:
    if decision.by is not None:
        return _verdict(resource, decision.by, region)
    return _undecided(resource, decision.worse, region) if decision.worse else _no_rule(resource, region)


def _verdict(resource: Resource, candidate: Candidate, region: str) -> Verdict:
    rule, parent = candidate.rule, candidate.parent
    stays = rule.verdict in (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES)
    return Verdict(
        resource_id=resource.id,
        type=resource.type,
        location=resource.location,
        verdict=rule.verdict,
        rule=rule.id,
        reason=f"Judged by its parent type {parent}: {said(rule)}" if parent else said(rule),
        source=rule.source,
        checked=rule.checked,
        remedy=rule.remedy,
        target=TargetChoice(rule.target or (resource.type if stays else ""), region, rule.note),
        confidence=Confidence.INHERITED if parent and rule.confidence is Confidence.NAMED else rule.confidence,
        differences=rule.differences,
    )


def _undecided(resource: Resource, rules: Sequence[Rule], region: str) -> Verdict:
    worst = max(rules, key=lambda rule: SEVERITY[rule.verdict])
    return Verdict(
        resource_id=resource.id,
        type=resource.type,
        location=resource.location,
        verdict=VerdictKind.UNKNOWN,
        rule=worst.id,
        reason="The inventory does not carry what this rule asks for (kind, SKU or property). Where it applies: "
        + said(worst),
        source=worst.source,
        checked=worst.checked,
        remedy="Export again with kind, SKU and properties (`az graph query`), or ask the owner of the resource for "
        f"its {_asked(worst)}.",
        target=TargetChoice("", region),
        confidence=Confidence.INFERRED,
    )


def said(rule: Rule) -> str:
    """The reason of a rule, with the voices of its sources where they contradict each other."""
    if not rule.conflicts:
        return rule.reason
    return f"{rule.reason} Sources disagree: {'; '.join(map(str, rule.conflicts))}."


def _asked(rule: Rule) -> str:
    """What the owner of a resource must tell before the rule can be applied, for a sentence."""
    match = rule.match
    asked = [
        word
        for word, there in (
            ("kind", match.kinds),
            ("SKU", match.skus or match.tiers or match.sku_absent),
            ("region", match.regions),
            ("target region", match.target_regions),
        )
        if there
    ]
    asked += [".".join(("properties", *test.path)) for test in match.properties]
    return " and ".join(asked) or "description"


def _no_rule(resource: Resource, region: str) -> Verdict:
    return Verdict(
        resource_id=resource.id,
        type=resource.type,
        location=resource.location,
        verdict=VerdictKind.UNKNOWN,
        rule=NO_RULE,
        reason=f"The catalogue has no rule for {resource.type or 'a resource without a type'}.",
        source="",
        checked=None,
        remedy="Ask the Microsoft account team whether Azure Government offers "
        f"{resource.type or 'it'} (or assess with a live target), and the CSP provider whether CSP does; then "
        "write the answer into a rule of your own.",
        target=TargetChoice("", region),
        confidence=Confidence.INFERRED,
    )


def _worsened(verdict: Verdict, found: Sequence[Rule]) -> Verdict:
    """`verdict` with the findings; the worst of them takes the lead where it is worse than the deciding rule."""
    worst = max(found, key=lambda rule: SEVERITY[rule.verdict])
    lead = SEVERITY[worst.verdict] > SEVERITY[verdict.verdict]
    findings = [_as_finding(rule) for rule in found if not (lead and rule is worst)]
    if not lead:
        return _changed(verdict, findings=tuple(findings))
    if verdict.checked is not None:
        decided = Finding(
            verdict.rule, verdict.verdict, verdict.reason, verdict.source, verdict.checked, verdict.remedy
        )
        findings.insert(0, decided)
    return _changed(verdict, findings=tuple(findings), lead=worst)


def _changed(verdict: Verdict, *, findings: tuple[Finding, ...], lead: Rule | None = None) -> Verdict:
    return Verdict(
        resource_id=verdict.resource_id,
        type=verdict.type,
        location=verdict.location,
        verdict=lead.verdict if lead else verdict.verdict,
        rule=lead.id if lead else verdict.rule,
        reason=said(lead) if lead else verdict.reason,
        source=lead.source if lead else verdict.source,
        checked=lead.checked if lead else verdict.checked,
        remedy=lead.remedy if lead else verdict.remedy,
        target=verdict.target,
        confidence=lead.confidence if lead else verdict.confidence,
        findings=findings,
        differences=verdict.differences,
    )


def _as_finding(rule: Rule) -> Finding:
    return Finding(rule.id, rule.verdict, said(rule), rule.source, rule.checked, rule.remedy)


def _covers(rule: Rule, name: str) -> bool:
    return any(_fits(pattern, name) for pattern in rule.match.types) and not _excluded(rule, name)


def _excluded(rule: Rule, name: str) -> bool:
    return any(_fits(pattern, name) for pattern in rule.match.not_types)


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _use(rule: Rule, overridden: Mapping[str, Rule]) -> RuleUse:
    old = overridden.get(rule.id)
    return RuleUse(
        id=rule.id,
        file=rule.file,
        checked=rule.checked,
        sources=tuple(CitedSource(one.title, one.where, one.dated) for one in rule.sources),
        conflicts=tuple(map(str, rule.conflicts)),
        retires=rule.retires,
        overrides=old.id if old else "",
        overridden_verdict=old.verdict if old else None,
        because=rule.because,
    )


def _ordered(rules: Sequence[Placed]) -> tuple[Rule, ...]:
    return tuple(sorted((one.rule for one in rules), key=lambda rule: -rule.match.conditions))


def _by_id(placed: Sequence[Placed]) -> dict[str, Placed]:
    by_id: dict[str, Placed] = {}
    for one in placed:
        if one.rule.id in by_id:
            raise wrong_at(one.place, f'the rule id "{one.rule.id}" is used twice; first at {by_id[one.rule.id].place}')
        by_id[one.rule.id] = one
    return by_id


def _after_overrides(placed: Sequence[Placed], by_id: Mapping[str, Placed]) -> list[Placed]:
    """Overlay rules with what they override said in their reason; the overridden rules are gone."""
    gone: set[str] = set()
    standing = []
    for one in placed:
        old = one.rule.overrides
        if old and old not in by_id:
            raise wrong_at(one.place, f'rule "{one.rule.id}" overrides "{old}", which does not exist')
        if old in gone:
            raise wrong_at(one.place, f'rule "{one.rule.id}" overrides "{old}", which another rule overrides already')
        gone.update([old] if old else [])
        standing.append(Placed(_with_old(one.rule, by_id[old].rule), one.reader) if old else one)
    return [one for one in standing if one.rule.id not in gone]


def _with_old(rule: Rule, old: Rule) -> Rule:
    said = f'{rule.reason} This overrides "{old.id}", which says {old.verdict}: {rule.because}'
    return replace(rule, reason=said)


def _refuse_ties(deciding: Mapping[str, Sequence[Placed]]) -> None:
    for name, rules in deciding.items():
        for number, one in enumerate(rules):
            for other in rules[:number]:
                a, b = one.rule.match, other.rule.match
                if a.conditions == b.conditions and not a.excludes(b):
                    raise wrong_at(
                        one.place,
                        f'rules "{other.rule.id}" ({other.place}) and "{one.rule.id}" are equally specific for {name} '
                        "and could both apply; give one of them a further condition",
                    )
