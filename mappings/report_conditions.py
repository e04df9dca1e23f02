"""Sections about what is not simply ready: blockers and conditions, unknowns; by rule, then resource by resource."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from mappings.model import Verdict
from mappings.report_facts import Facts, Judged
from mappings.report_model import Column, Kind, Ref, Section, Table, Value
from mappings.report_resources import RESOURCE_COLUMNS, VERDICT_PLACES, resource_row, rows_of_verdict
from mappings.report_words import are, counted, listing, make_row
from mappings.responsible import owners_told
from mappings.states import VerdictKind

RULE_COLUMNS = (
    Column("rule", "Rule", Kind.NAME),
    Column("verdict", "Verdict", Kind.STATUS, detail=True),
    Column("resources", "Resources", Kind.COUNT),
    Column("reason", "Why"),
    Column("differences", "What differs in Government"),
    Column("remedy", "What to do"),
    Column("owner", "Who acts"),
    Column("source", "Source", Kind.SOURCE),
    Column("checked", "Checked", Kind.DATE),
)
_CAPTIONS = {
    VerdictKind.BLOCKED: ("What blocks, and what to do", "Blocked resources"),
    VerdictKind.REPLACE: ("What is replaced, and by what", "Resources to replace"),
    VerdictKind.READY_WITH_CHANGES: ("What has to change", "Resources that move after changes"),
    VerdictKind.UNKNOWN: ("What is not known, and whom to ask", "Resources without an answer"),
}
"""Verdict -> captions of its table of rules and of its table of resources."""


def blockers_section(facts: Facts) -> Section:
    """What stops resources or must change: for each verdict by rule, then resource by resource."""
    number = facts.assessment.by_verdict()
    blocked, other, changes = (number[key] for key in ("blocked", "replace", "ready-with-changes"))
    title = "Blockers and conditions"
    if not blocked + other + changes:
        return Section("blockers", title, "Nothing is blocked, to be replaced or to be changed.")
    parts = [
        f"{counted(blocked, 'resource')} {are(blocked)} blocked" if blocked else "nothing is blocked",
        f"{other:,} {'needs' if other == 1 else 'need'} another service",
        f"{changes:,} can move after changes",
    ]
    lead = listing(parts)
    kinds = (VerdictKind.BLOCKED, VerdictKind.REPLACE, VerdictKind.READY_WITH_CHANGES)
    tables = [table for kind in kinds for table in _tables(facts, kind, "Blockers and conditions")]
    return Section("blockers", title, lead[0].upper() + lead[1:] + ".", _present(tables))


def unknowns_section(facts: Facts) -> Section:
    """What no rule answers, with what to ask."""
    number = facts.assessment.by_verdict()["unknown"]
    if not number:
        return Section("unknowns", "Unknowns", "Every resource has an answer; nothing is unknown.")
    verb = "has" if number == 1 else "have"
    lead = f"{counted(number, 'resource')} {verb} no answer yet. An unknown is never counted as ready."
    return Section("unknowns", "Unknowns", lead, _present(_tables(facts, VerdictKind.UNKNOWN, "Unknowns")))


def _present(tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def _with_verdict(facts: Facts, kind: VerdictKind) -> list[tuple[Judged, Verdict]]:
    return [(j, j.verdict) for j in facts.judged if j.verdict is not None and j.verdict.verdict is kind]


def _tables(facts: Facts, kind: VerdictKind, sheet: str) -> tuple[Table, Table]:
    """The rules behind a verdict and the resources that have it; each leads to the other."""
    section, resources_id = VERDICT_PLACES[kind]
    rules_id = f"{resources_id}-rules"
    rules_caption, resources_caption = _CAPTIONS[kind]

    @cache
    def links(rule: str, reason: str, remedy: str) -> Mapping[str, Ref]:
        # One for all resources that a row of the rules explains.
        return {"rule": Ref(section, rules_id, {"rule": rule, "reason": reason, "remedy": remedy})}

    rows = tuple(resource_row(judged, links(v.rule, v.reason, v.remedy)) for judged, v in _with_verdict(facts, kind))
    return (
        _by_rule(facts, kind, rules_id, rules_caption, f"{sheet} by rule"),
        Table(resources_id, resources_caption, RESOURCE_COLUMNS, rows, sheet=sheet),
    )


def _one_for_all(texts: Iterable[str]) -> str:
    """The text, where it is the same for all; what differs for one type is no fact about the others."""
    told = set(texts)
    return told.pop() if len(told) == 1 else "It depends on the type; see the rows."


def _by_rule(facts: Facts, kind: VerdictKind, table_id: str, caption: str, sheet: str) -> Table:
    """One row per rule, reason and remedy, so that a sentence that holds for thirty resources is read once."""
    rows = []
    groups: defaultdict[tuple[str, str, str], list[tuple[Judged, Verdict]]] = defaultdict(list)
    for judged, verdict in _with_verdict(facts, kind):
        groups[verdict.rule, verdict.reason, verdict.remedy].append((judged, verdict))
    for (rule, reason, remedy), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        first = members[0][1]
        cells: dict[str, Value] = {
            "rule": rule,
            "verdict": kind.value,
            "resources": len(members),
            "reason": reason,
            "differences": _one_for_all(verdict.differences for _, verdict in members),
            "remedy": remedy,
            "owner": owners_told((judged.resource.tags for judged, _ in members), kind),
            "source": first.source,
            "checked": first.checked.isoformat() if first.checked else None,
        }
        rows.append(make_row(cells, {"resources": rows_of_verdict(kind, rule=rule, reason=reason, remedy=remedy)}))
    return Table(table_id, caption, RULE_COLUMNS, tuple(rows), sheet=sheet)
