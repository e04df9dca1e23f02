"""Sections about all resources: readiness, and the register that holds every one with its verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mappings.report_facts import Facts, Judged
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import VERDICT_MEANS, VERDICT_ORDER, are, counted, counts, make_row
from mappings.responsible import owner_by_tag
from mappings.states import VerdictKind

VERDICT_PLACES = {
    VerdictKind.BLOCKED: ("blockers", "blocked"),
    VerdictKind.REPLACE: ("blockers", "replace"),
    VerdictKind.READY_WITH_CHANGES: ("blockers", "ready-with-changes"),
    VerdictKind.UNKNOWN: ("unknowns", "unknown"),
    VerdictKind.READY: ("resources", ""),
}
"""Verdict -> section and table whose rows are the resources with that verdict, sorted by type."""

SUBSCRIPTION_TABLES = 25
"""Up to so many subscriptions have a table of resources each; more of them would bury the page in tables."""

_VERDICT_COLUMNS = counts(
    ("ready", "Ready"),
    ("ready-with-changes", "With changes"),
    ("replace", "Replace"),
    ("blocked", "Blocked"),
    ("unknown", "Unknown"),
)
_BARS = tuple(column.key for column in _VERDICT_COLUMNS)


def rows_of_verdict(kind: VerdictKind, **where: str) -> Ref:
    """The resources with this verdict, narrowed by columns of their table."""
    section, table = VERDICT_PLACES[kind]
    return Ref(section, table, where if table else {"verdict": kind.value} | where)


def readiness_section(facts: Facts) -> Section:
    """How far the estate is ready: by verdict, service family, type and subscription."""
    if not facts.judged:
        return Section(
            "readiness",
            "Readiness",
            "The inventory holds no resources; run `govlift inventory` with a reader role on the source.",
        )
    counted_by = facts.assessment.by_verdict()
    able = counted_by["ready"] + counted_by["ready-with-changes"]
    lead = (
        f"{able:,} of {counted(len(facts.judged), 'resource')} can move; "
        f"{counted_by['ready']:,} of them {are(counted_by['ready'])} ready as used today."
    )
    tables = (_by_verdict(facts), _by_family(facts), _by_type(facts), _by_subscription(facts))
    return Section("readiness", "Readiness", lead, tables)


def _by_verdict(facts: Facts) -> Table:
    number = Counter(judged.word for judged in facts.judged)
    columns = (
        Column("verdict", "Verdict", Kind.STATUS),
        Column("means", "Meaning"),
        Column("resources", "Resources", Kind.COUNT),
    )
    rows = tuple(
        make_row(
            {"verdict": kind.value, "means": VERDICT_MEANS[kind], "resources": number[kind.value]},
            {"resources": rows_of_verdict(kind)},
        )
        for kind in reversed(VERDICT_ORDER)
    )
    return Table("readiness-by-verdict", "Resources by verdict", columns, rows, bars=("resources",))


def _tally(judged: Iterable[Judged]) -> dict[str, Value]:
    number = Counter(item.word for item in judged)
    return {key: number[key] for key in _BARS}


def _by_family(facts: Facts) -> Table:
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for judged in facts.judged:
        groups[judged.family].append(judged)
    rows = []
    for family, members in groups.items():
        links = {key: Ref("readiness", "readiness-by-type", {"family": family}, key) for key in (*_BARS, "resources")}
        cells: dict[str, Value] = {"family": family, "resources": len(members)}
        rows.append(make_row(cells | _tally(members), links))
    columns = (Column("family", "Service family"), *counts(("resources", "Resources")), *_VERDICT_COLUMNS)
    return Table("readiness-by-family", "Readiness by service family", columns, tuple(rows), bars=_BARS)


def _by_type(facts: Facts) -> Table:
    groups: defaultdict[tuple[str, str], list[Judged]] = defaultdict(list)
    for judged in facts.judged:
        groups[judged.family, judged.type].append(judged)
    rows = []
    for (family, kind), members in groups.items():
        links = {verdict.value: rows_of_verdict(verdict, type=kind) for verdict in VerdictKind}
        links["resources"] = Ref("resources", where={"type": kind})
        cells: dict[str, Value] = {"type": kind, "family": family, "resources": len(members)}
        rows.append(make_row(cells | _tally(members), links))
    columns = (
        Column("type", "Resource type", Kind.NAME),
        Column("family", "Service family"),
        *counts(("resources", "Resources")),
        *_VERDICT_COLUMNS,
    )
    return Table("readiness-by-type", "Readiness by resource type", columns, tuple(rows), bars=_BARS)


def _register_ids(facts: Facts) -> dict[str, str]:
    """Subscription -> id of its register table, in the order of names; one table for all where there are many."""
    found = sorted({judged.subscription for judged in facts.judged}, key=str.lower)
    alone = len(found) <= SUBSCRIPTION_TABLES
    return {name: f"resources-{n if alone else 1}" for n, name in enumerate(found, start=1)}


def _by_subscription(facts: Facts) -> Table:
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for judged in facts.judged:
        groups[judged.subscription].append(judged)
    rows = []
    for name, table in _register_ids(facts).items():
        members = groups[name]
        here = {"subscription": name}
        links = {key: Ref("resources", table, {"verdict": key} | here) for key in _BARS}
        links["resources"] = Ref("resources", table, here)
        cells: dict[str, Value] = {"subscription": name or "not told", "id": members[0].resource.subscription_id}
        rows.append(make_row(cells | {"resources": len(members)} | _tally(members), links))
    columns = (
        Column("subscription", "Subscription"),
        Column("id", "Subscription id", Kind.NAME, detail=True),
        *counts(("resources", "Resources")),
        *_VERDICT_COLUMNS,
    )
    return Table("readiness-by-subscription", "Readiness by subscription", columns, tuple(rows), bars=_BARS)


RESOURCE_COLUMNS = (
    Column("name", "Resource", Kind.NAME),
    Column("type", "Type", Kind.NAME),
    Column("family", "Service family", detail=True),
    Column("kind", "Kind", Kind.NAME, detail=True),
    Column("sku", "SKU", Kind.NAME, detail=True),
    Column("resource_group", "Resource group", Kind.NAME),
    Column("subscription", "Subscription", detail=True),
    Column("location", "Region", Kind.NAME),
    Column("verdict", "Verdict", Kind.STATUS, detail=True),
    Column("rule", "Rule", Kind.NAME),
    Column("reason", "Why", detail=True),
    Column("differences", "What differs in Government", detail=True),
    Column("remedy", "What to do", detail=True),
    Column("source", "Source", Kind.SOURCE, detail=True),
    Column("checked", "Checked", Kind.DATE, detail=True),
    Column("confidence", "Confidence", detail=True),
    Column("target_type", "Target type", Kind.NAME, detail=True),
    Column("target_region", "Target region", Kind.NAME, detail=True),
    Column("owner", "Owner by tag", detail=True),
    Column("id", "Resource id", Kind.NAME, detail=True),
)
_REGISTER_COLUMNS = tuple(
    replace(column, detail=False) if column.key == "verdict" else column for column in RESOURCE_COLUMNS
)


def resource_row(judged: Judged, links: Mapping[str, Ref] | None = None) -> Row:
    """What every table of resources says of one.

    Args:
        links: as in `make_row`, e.g. from the rule's name to the row that explains it.
    """
    resource, verdict = judged.resource, judged.verdict
    cells: dict[str, Value] = {
        "name": resource.name,
        "type": judged.type,
        "family": judged.family,
        "kind": resource.kind,
        "sku": str(resource.sku.get("name") or ""),
        "resource_group": resource.resource_group,
        "subscription": judged.subscription,
        "location": resource.location,
        "verdict": judged.word,
        "rule": verdict.rule if verdict else "",
        "reason": verdict.reason if verdict else "",
        "differences": verdict.differences if verdict else "",
        "remedy": verdict.remedy if verdict else "",
        "source": verdict.source if verdict else "",
        "checked": verdict.checked.isoformat() if verdict and verdict.checked else None,
        "confidence": verdict.confidence.value if verdict else "",
        "target_type": verdict.target.type if verdict else "",
        "target_region": verdict.target.region if verdict else "",
        "owner": owner_by_tag(resource.tags),
        "id": resource.id,
    }
    return make_row(cells, links)


def register_section(facts: Facts) -> Section:
    """Every resource once, the weightiest verdict first; the rows behind most numbers."""
    rank = {kind.value: n for n, kind in enumerate(VERDICT_ORDER)}
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    ids = _register_ids(facts)
    for judged in facts.judged:
        groups[ids[judged.subscription]].append(judged)
    tables = []
    for table_id, members in sorted(groups.items(), key=lambda item: int(item[0].rpartition("-")[2])):
        members.sort(key=lambda j: (rank.get(j.word, -1), j.type.lower()))
        one = len({judged.subscription for judged in members}) == 1
        caption = f"Resources of {members[0].subscription or 'no told subscription'}" if one else "Resources"
        tables.append(
            Table(table_id, caption, _REGISTER_COLUMNS, tuple(map(resource_row, members)), sheet="All resources")
        )
    lead = "Every resource of the inventory, once, with its verdict." if tables else "The inventory holds no resources."
    return Section("resources", "All resources", lead, tuple(tables))
