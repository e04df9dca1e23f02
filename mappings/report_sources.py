"""Section "Sources and their age": what the verdicts of this estate rest on, and where sources disagree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from mappings.model import CitedSource, RuleUse
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table
from mappings.report_words import counted, counts, make_row
from mappings.rulecheck import stale
from mappings.settings import Assess

TITLE = "Sources and their age"
_SOURCES = (
    Column("source", "Source"),
    Column("where", "Where", Kind.SOURCE),
    Column("dated", "Dated", Kind.DATE),
    Column("state", "State"),
    *counts(("rules", "Rules used"), ("resources", "Resources judged by it")),
)
_RULES = (
    Column("rule", "Rule", Kind.NAME),
    Column("source", "Source"),
    *counts(("resources", "Resources judged"), ("findings", "Resources with it as a finding")),
    Column("checked", "Checked", Kind.DATE),
    Column("state", "State"),
    Column("retires", "Retirement", Kind.DATE),
    Column("file", "Rule file", Kind.NAME, detail=True),
)
_CONFLICTS = (
    Column("rule", "Rule", Kind.NAME),
    Column("says", "What each source says"),
    *counts(("resources", "Resources judged")),
)
_OVERRIDES = (
    Column("rule", "Rule of the customer", Kind.NAME),
    Column("overrides", "Overrides", Kind.NAME),
    Column("said", "Which says", Kind.STATUS),
    Column("because", "Because"),
    Column("file", "Rule file", Kind.NAME),
    *counts(("resources", "Resources judged")),
)


@dataclass(frozen=True, slots=True)
class _Uses:
    """The rules of an assessment with how often each decided or was found, and the yardstick for their age."""

    rules: tuple[RuleUse, ...]
    decided: Counter[str]
    found: Counter[str]
    today: date
    limit: int

    def old(self, rule: RuleUse) -> bool:
        return stale(rule, self.today, self.limit)


def sources_section(facts: Facts) -> Section:
    """Every source behind a verdict with its date, conflicts between sources, and the customer's own rules."""
    uses = _uses(facts)
    if not uses.rules:
        lead = "This assessment did not keep where its rules come from; `govlift assess` makes a new one that does."
        return Section("sources", TITLE, lead if facts.judged else "The inventory holds no resources.")
    tables = (
        Table("source-rows", "Sources", _SOURCES, tuple(_source_rows(uses))),
        _conflicts(uses),
        _overrides(uses),
        Table("source-rules", "Rules behind the verdicts", _RULES, tuple(_rule_rows(uses))),
    )
    return Section("sources", TITLE, _lead(uses), tuple(table for table in tables if table.rows))


def _uses(facts: Facts) -> _Uses:
    decided: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for judged in facts.judged:
        if judged.verdict:
            decided[judged.verdict.rule] += 1
            found.update(finding.rule for finding in judged.verdict.findings)
    limit = facts.settings.assess.rule_age_days if facts.settings else Assess().rule_age_days
    return _Uses(facts.assessment.rules, decided, found, facts.made_at.date(), limit)


def _lead(uses: _Uses) -> str:
    old = [rule for rule in uses.rules if uses.old(rule)]
    titles = {source.title for rule in uses.rules for source in rule.sources}
    begin = f"{counted(len(uses.rules), 'rule')} from {counted(len(titles), 'source')}"
    if not old:
        return f"{begin}; none was checked more than {uses.limit} days ago."
    resources = sum(uses.decided[rule.id] for rule in old)
    what = "The verdict of 1 resource rests" if resources == 1 else f"The verdicts of {resources:,} resources rest"
    return (
        f"{begin}. {what} on {counted(len(old), 'rule')} checked more"
        f" than {uses.limit} days ago: ask the source again before deciding on them."
    )


def _source_rows(uses: _Uses) -> Iterable[Row]:
    by_source: defaultdict[CitedSource, list[RuleUse]] = defaultdict(list)
    for rule in uses.rules:
        for source in dict.fromkeys(rule.sources):
            by_source[source].append(rule)
    for source, rules in sorted(by_source.items(), key=lambda item: (-_judged(uses, item[1]), item[0].title)):
        where = {"source": source.title}
        yield make_row(
            {
                "source": source.title,
                "where": source.where,
                "dated": source.dated.isoformat() if source.dated else None,
                "state": _state_of_source(source, uses),
                "rules": len(rules),
                "resources": _judged(uses, rules),
            },
            {
                "rules": Ref("sources", "source-rules", where),
                "resources": Ref("sources", "source-rules", where, "resources"),
            },
        )


def _judged(uses: _Uses, rules: Iterable[RuleUse]) -> int:
    return sum(uses.decided[rule.id] for rule in rules)


def _state_of_source(source: CitedSource, uses: _Uses) -> str:
    if source.dated is None:
        return "undated"
    return f"older than {uses.limit} days" if (uses.today - source.dated).days > uses.limit else "current"


def _rule_rows(uses: _Uses) -> Iterable[Row]:
    """One row per rule and source, so that the numbers of a source are the sum of its rows."""
    for rule in sorted(uses.rules, key=lambda rule: (-uses.decided[rule.id], -uses.found[rule.id], rule.id)):
        for source in dict.fromkeys(rule.sources):
            yield make_row(
                {
                    "rule": rule.id,
                    "source": source.title,
                    "resources": uses.decided[rule.id],
                    "findings": uses.found[rule.id],
                    "checked": rule.checked.isoformat(),
                    "state": f"older than {uses.limit} days" if uses.old(rule) else "current",
                    "retires": rule.retires.isoformat() if rule.retires else None,
                    "file": rule.file,
                },
                {
                    "resources": Ref("resources", where={"rule": rule.id}),
                    "findings": Ref("findings", "further-resources", {"rule": rule.id}),
                },
            )


def _conflicts(uses: _Uses) -> Table:
    rows = tuple(
        make_row(
            {"rule": rule.id, "says": "; ".join(rule.conflicts), "resources": uses.decided[rule.id]},
            {"resources": Ref("resources", where={"rule": rule.id})},
        )
        for rule in uses.rules
        if rule.conflicts
    )
    return Table("source-conflicts", "Sources that contradict each other", _CONFLICTS, rows)


def _overrides(uses: _Uses) -> Table:
    rows = tuple(
        make_row(
            {
                "rule": rule.id,
                "overrides": rule.overrides,
                "said": rule.overridden_verdict.value if rule.overridden_verdict else None,
                "because": rule.because,
                "file": rule.file,
                "resources": uses.decided[rule.id],
            },
            {"resources": Ref("resources", where={"rule": rule.id})},
        )
        for rule in uses.rules
        if rule.overrides
    )
    return Table("source-overrides", "Rules of the customer that override the catalogue", _OVERRIDES, rows)
