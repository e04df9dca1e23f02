"""Sections about limits: what was not scanned, what cannot be kept, and findings that somebody must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mappings.model import Finding
from mappings.report_data import proved
from mappings.report_facts import Facts, Judged
from mappings.report_model import Column, Kind, Ref, Section, Table, Value
from mappings.report_words import VERDICT_ORDER, counted, counts, make_row

CATALOGUE_DAYS = 90
"""A catalogue whose newest check is older than this is a finding."""
INVENTORY_HOURS = 7 * 24
"""An inventory older than this is a finding."""


def gaps_section(facts: Facts) -> Section:
    """What should have been listed and was not."""
    gaps = facts.assessment.inventory.gaps
    title = "What was not scanned"
    if not gaps:
        return Section("gaps", title, "Everything that was asked for could be listed; there are no gaps.")
    columns = (
        Column("scope", "Where", Kind.NAME),
        Column("what", "What is missing"),
        Column("why", "What the service said"),
        Column("code", "Code", Kind.NAME, detail=True),
        Column("remedy", "What to ask whom"),
    )
    rows = tuple(
        make_row({"scope": g.scope, "what": g.what, "why": g.why, "code": g.code, "remedy": g.remedy}) for g in gaps
    )
    lead = f"{counted(len(gaps), 'place')} could not be listed; what is there appears in no number of this report."
    return Section("gaps", title, lead, (Table("gap-rows", "Gaps in the inventory", columns, rows),))


def limits_section(facts: Facts) -> Section:
    """Properties that no copy can keep."""
    title = "What cannot be kept"
    if facts.plan is None:
        lead = "This list belongs to the plan; `govlift plan` names it before anything is copied."
        return Section("limits", title, lead)
    if not facts.plan.cannot_keep:
        return Section("limits", title, "The plan names nothing that a copy cannot keep.")
    return Section("limits", title, "No copy between clouds can keep these:", remarks=facts.plan.cannot_keep)


def findings_section(facts: Facts) -> Section:
    """Findings on the way of working, and further rules that apply to resources besides the deciding one."""
    own = tuple(make_row({"finding": what, "why": why, "remedy": remedy}) for what, why, remedy in _own(facts))
    columns = (Column("finding", "Finding"), Column("why", "Why it matters"), Column("remedy", "What to do"))
    rules = _further_rules(facts)
    tables = tuple(t for t in (Table("own-findings", "On this migration", columns, own), *rules) if t.rows)
    if not tables:
        return Section("findings", "Findings", "There are no findings.")
    number = sum(len(judged.verdict.findings) for judged in facts.judged if judged.verdict)
    lead = (
        f"{counted(len(own), 'finding')} on the migration itself; {counted(number, 'further rule')} that"
        f" {'applies' if number == 1 else 'apply'} to single resources."
    )
    return Section("findings", "Findings", lead, tables)


def _own(facts: Facts) -> Iterator[tuple[str, str, str]]:
    for account in facts.head.shared_keys:
        yield (
            f"Account {account} is read with its shared key",
            "A shared key opens everything in the account, and reads under it name no identity.",
            "Regenerate the key after cutover; where the account allows Entra sign-in, use it instead.",
        )
    age = int((facts.made_at - facts.assessment.inventory.taken_at).total_seconds() // 3600)
    if age > INVENTORY_HOURS:
        yield (
            f"The inventory is {age // 24} days old",
            "Resources made, changed or deleted since then are not in this report.",
            "Run `govlift inventory` again before a decision is taken.",
        )
    yield from _on_catalogue(facts)
    yield from _on_proof(facts)


def _on_catalogue(facts: Facts) -> Iterator[tuple[str, str, str]]:
    checked = facts.assessment.catalogue_date
    days = (facts.made_at.date() - checked).days if checked else 0
    if checked is None or days > CATALOGUE_DAYS:
        yield (
            f"The catalogue was last checked {days} days ago" if checked else "The catalogue has no date",
            "What Azure Government offers may have changed since.",
            "Check the rules behind the blockers against their sources.",
        )


def _on_proof(facts: Facts) -> Iterator[tuple[str, str, str]]:
    tally = facts.objects
    weak = tally.copied + tally.same - proved(tally, facts.head.proof)
    if weak > 0:
        yield (
            f"{counted(weak, 'object')} at the target {'is' if weak == 1 else 'are'} proved below"
            f" L{facts.head.proof.value}",
            "The settings demand this level of every copied object.",
            f"Run `govlift verify --level L{facts.head.proof.value}`.",
        )


def _further_rules(facts: Facts) -> tuple[Table, Table]:
    groups: defaultdict[tuple[str, str], list[tuple[Judged, Finding]]] = defaultdict(list)
    for judged in facts.judged:
        for finding in judged.verdict.findings if judged.verdict else ():
            groups[finding.rule, finding.reason].append((judged, finding))
    rank = {kind: n for n, kind in enumerate(VERDICT_ORDER)}
    ordered = sorted(groups.items(), key=lambda item: (rank[item[1][0][1].verdict], -len(item[1]), item[0]))
    by_rule, single = [], []
    for (rule, reason), members in ordered:
        first = members[0][1]
        cells: dict[str, Value] = {
            "rule": rule,
            "verdict": first.verdict.value,
            "resources": len(members),
            "reason": reason,
            "remedy": first.remedy,
            "source": first.source,
            "checked": first.checked.isoformat(),
        }
        where = {"rule": rule, "reason": reason}
        by_rule.append(make_row(cells, {"resources": Ref("findings", "further-resources", where)}))
        for judged, finding in members:
            single.append(_further_cells(judged, finding))
    return (
        Table("further-rules", "Further rules that apply", _RULE_COLUMNS, tuple(by_rule)),
        Table("further-resources", "Resources to which they apply", _FURTHER_COLUMNS, tuple(map(make_row, single))),
    )


_RULE_COLUMNS = (
    Column("rule", "Rule", Kind.NAME),
    Column("verdict", "Verdict by itself", Kind.STATUS, detail=True),
    *counts(("resources", "Resources")),
    Column("reason", "Why"),
    Column("remedy", "What to do"),
    Column("source", "Source", Kind.SOURCE),
    Column("checked", "Checked", Kind.DATE),
)
_FURTHER_COLUMNS = (
    Column("name", "Resource", Kind.NAME),
    Column("type", "Type", Kind.NAME),
    Column("resource_group", "Resource group", Kind.NAME),
    Column("rule", "Rule", Kind.NAME),
    Column("verdict", "Verdict by itself", Kind.STATUS),
    Column("decided", "Verdict of the resource", Kind.STATUS),
    Column("reason", "Why", detail=True),
    Column("id", "Resource id", Kind.NAME, detail=True),
)


def _further_cells(judged: Judged, finding: Finding) -> dict[str, Value]:
    return {
        "name": judged.resource.name,
        "type": judged.type,
        "resource_group": judged.resource.resource_group,
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "decided": judged.word,
        "reason": finding.reason,
        "id": judged.resource.id,
    }
