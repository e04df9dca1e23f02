"""Section "Changes since the last assessment": new, gone, better, worse, gaps opened and closed, growth of the data."""

from __future__ import annotations

from mappings.changes import Changes, Growth, Moved, Since
from mappings.model import Gap, Verdict
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import counted, data_size, listing, make_row

_ID, _TITLE = "changes", "Changes since the last assessment"

MEANS = {
    Since.WORSE: "The verdict is worse than it was, or an answer was lost.",
    Since.NEW: "It was not in the inventory before.",
    Since.UNSEEN: "Its place could not be listed this time, or was not asked for; it may still exist.",
    Since.GONE: "Its place was listed, and it is not there any more.",
    Since.ANSWERED: "It was unknown and has an answer now.",
    Since.BETTER: "The verdict is better than it was.",
}


def changes_section(facts: Facts) -> Section:
    """What is different from the assessment before."""
    if facts.previous is None or facts.changes is None:
        lead = "This is the first assessment; the next one is compared with it here."
        return Section(_ID, _TITLE, lead)
    found = facts.changes
    taken = facts.previous.taken_at.strftime("%Y-%m-%d %H:%M UTC")
    lead = f"Compared with the inventory of {taken}: {_told(found)}."
    if facts.previous.scope != facts.assessment.inventory.scope:
        lead += " The two inventories asked for different scopes, so what is gone may only not have been asked for."
    tables = (_by_kind(found), _moved(facts, found), _gaps(found), _data(found))
    return Section(_ID, _TITLE, lead, tuple(table for table in tables if table.rows))


_WORDS = {
    Since.NEW: "new",
    Since.GONE: "gone",
    Since.UNSEEN: "not seen this time",
    Since.WORSE: "worse",
    Since.BETTER: "better",
    Since.ANSWERED: "answered",
}


def _told(found: Changes) -> str:
    parts = [f"{found.number(since):,} {words}" for since, words in _WORDS.items() if found.number(since)]
    start = f"of the resources, {listing(parts)}" if parts else "every resource is there with the verdict that it had"
    gaps = []
    if found.gaps_new:
        gaps.append(f"{counted(len(found.gaps_new), 'gap')} opened")
    if found.gaps_closed:
        gaps.append(f"{counted(len(found.gaps_closed), 'gap')} closed")
    grown = sum(one.bytes or 0 for one in found.growth)
    if grown:
        gaps.append(f"the data {'grew' if grown > 0 else 'shrank'} by {data_size(abs(grown))}")
    return "; ".join([start, *gaps])


def _by_kind(found: Changes) -> Table:
    rows = [
        make_row(
            {"change": since.value, "means": MEANS[since], "resources": found.number(since)},
            {"resources": Ref(_ID, "since-resources", {"change": since.value})},
        )
        for since in Since
    ]
    rows.append(
        make_row({"change": "same", "means": "In both inventories, with the same verdict.", "resources": found.same})
    )
    columns = (
        Column("change", "Change", Kind.STATUS),
        Column("means", "Meaning"),
        Column("resources", "Resources", Kind.COUNT),
    )
    return Table("since-by-kind", "Resources by change", columns, tuple(rows), bars=("resources",))


_MOVED_COLUMNS = (
    Column("name", "Resource", Kind.NAME),
    Column("type", "Type", Kind.NAME),
    Column("resource_group", "Resource group", Kind.NAME),
    Column("subscription", "Subscription", detail=True),
    Column("change", "Change", Kind.STATUS),
    Column("before", "Before", Kind.STATUS),
    Column("now", "Now", Kind.STATUS),
    Column("why", "Why it is so now"),
    Column("cause", "What changed the verdict"),
    Column("rule_before", "Rule before", Kind.NAME, detail=True),
    Column("rule_now", "Rule now", Kind.NAME, detail=True),
    Column("id", "Resource id", Kind.NAME, detail=True),
)


def _moved(facts: Facts, found: Changes) -> Table:
    names = facts.subscriptions
    rows = tuple(_moved_row(one, names) for one in found.moved)
    return Table("since-resources", "Resources that changed", _MOVED_COLUMNS, rows)


def _word(verdict: Verdict | None) -> str | None:
    return verdict.verdict.value if verdict else None


def _moved_row(one: Moved, names: dict[str, str]) -> Row:
    resource = one.resource
    cells: dict[str, Value] = {
        "name": resource.name,
        "type": resource.type,
        "resource_group": resource.resource_group,
        "subscription": names.get(resource.subscription_id.lower(), resource.subscription_id),
        "change": one.since.value,
        "before": _word(one.before),
        "now": _word(one.now),
        "why": one.now.reason if one.now else "",
        "cause": one.cause.value,
        "rule_before": one.before.rule if one.before else "",
        "rule_now": one.now.rule if one.now else "",
        "id": resource.id,
    }
    return make_row(cells)


def _gaps(found: Changes) -> Table:
    def row(change: str, gap: Gap) -> Row:
        return make_row({"scope": gap.scope, "change": change, "what": gap.what, "why": gap.why})

    rows = [row("gap-new", gap) for gap in found.gaps_new] + [row("gap-closed", gap) for gap in found.gaps_closed]
    columns = (
        Column("scope", "Where", Kind.NAME),
        Column("change", "Change", Kind.STATUS),
        Column("what", "What is or was missing"),
        Column("why", "What the service said", detail=True),
    )
    return Table("since-gaps", "Gaps opened and closed", columns, tuple(rows))


def _data(found: Changes) -> Table:
    columns = (
        Column("account", "Source account", Kind.NAME),
        Column("objects_before", "Objects before", Kind.COUNT),
        Column("objects_now", "Objects now", Kind.COUNT),
        Column("objects", "Change in objects", Kind.COUNT),
        Column("bytes_before", "Bytes before", Kind.BYTES),
        Column("bytes_now", "Bytes now", Kind.BYTES),
        Column("grown", "Grown by", Kind.BYTES),
        Column("shrunk", "Shrunk by", Kind.BYTES),
    )
    rows = tuple(map(_growth_row, found.growth))
    note = "An account that one of the two surveys did not count has no change." if _half_known(found) else ""
    return Table("since-data", "Growth of the data", columns, rows, note=note)


def _half_known(found: Changes) -> bool:
    return any(one.bytes is None for one in found.growth)


def _growth_row(one: Growth) -> Row:
    change = one.bytes
    return make_row(
        {
            "account": one.account,
            "objects_before": one.objects_before,
            "objects_now": one.objects_now,
            "objects": one.objects,
            "bytes_before": one.bytes_before,
            "bytes_now": one.bytes_now,
            "grown": max(change, 0) if change is not None else None,
            "shrunk": max(-change, 0) if change is not None else None,
        }
    )
