"""Section "Names and tags": what names reveal, before anything is created in the target."""

from __future__ import annotations

from collections import Counter

from mappings.nameguard import NameFinding, Part, Reveals, scan_names
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Section, Table
from mappings.report_words import counted, counts, make_row

_REVEALS = {
    Reveals.SECRET: "Looks like a secret",
    Reveals.REGIME: "Reveals a regime",
    Reveals.MISSION: "Reveals a mission",
    Reveals.PERSONAL: "Looks like personal data",
    Reveals.CUSTOMER: "On the customer's own list",
}
_TITLE = "Names and tags"
_NOT_READ = "Names of blobs and metadata of containers are data inside a resource; they are not read here."


def names_section(facts: Facts) -> Section:
    """Names and tags that tell a regime, a mission, a person or a secret."""
    if facts.scanners is None:
        return Section("names", _TITLE, "Names were not looked at: the table of words was not handed in.")
    guard = facts.scanners.names
    if facts.settings is not None:
        guard = guard.with_settings(facts.settings.assess.name_words, facts.settings.assess.name_allow)
    found = scan_names(facts.assessment.inventory, guard)
    allowed = facts.settings.assess.name_allow if facts.settings else ()
    remarks = [_NOT_READ]
    if allowed:
        remarks.append(f"Looked at and allowed in the settings: {', '.join(allowed)}.")
    if not found:
        lead = "No name and no tag tells a regime, a mission, a person or a secret, as far as the list of words goes."
        return Section("names", _TITLE, lead, _planned(facts), tuple(remarks))
    bearers = len({finding.place.lower() for finding in found})
    lead = (
        f"{counted(len(found), 'finding')}: {bearers:,} of the estate's resources, groups, subscriptions and containers"
        f" {'has' if bearers == 1 else 'have'} a name or tag that tells too much. Support and telemetry"
        " may carry names and tags outside the compliance boundary, so they are settled before anything is created."
    )
    return Section("names", _TITLE, lead, (*_planned(facts), _summary(found), _rows(found)), tuple(remarks))


def _planned(facts: Facts) -> tuple[Table, ...]:
    """What the plan itself would create."""
    names = facts.plan.names if facts.plan else ()
    if not names:
        return ()
    columns = (
        Column("what", "What"),
        Column("name", "Name in the target", Kind.NAME),
        Column("tag", "Tag", Kind.NAME),
        Column("reveals", "Reveals"),
        Column("word", "Word or shape", Kind.NAME),
        Column("effect", "What the plan does"),
        Column("advice", "What to do"),
    )
    rows = tuple(
        make_row(
            {
                "what": one.what,
                "name": one.name,
                "tag": one.key,
                "reveals": _REVEALS[Reveals(one.reveals)],
                "word": one.word,
                "effect": "leaves the tag out" if one.key else "waits for a decision",
                "advice": one.advice,
            }
        )
        for one in names
    )
    return (Table("names-planned", "What the plan would create in the target", columns, rows),)


def _summary(found: list[NameFinding]) -> Table:
    columns = (
        Column("reveals", "What it reveals"),
        *counts(("findings", "Findings"), ("names", "In names"), ("tags", "In tags")),
        Column("why", "Why it matters"),
        Column("advice", "What to do"),
        Column("source", "Source", Kind.SOURCE),
    )
    number = Counter((finding.reveals, finding.part) for finding in found)
    first = {finding.reveals: finding for finding in reversed(found)}
    rows = []
    for reveals, title in _REVEALS.items():
        if reveals not in first:
            continue
        parts = {part: number[reveals, part] for part in Part}
        where = {"reveals": title}
        rows.append(
            make_row(
                {
                    "reveals": title,
                    "findings": sum(parts.values()),
                    "names": parts[Part.NAME],
                    "tags": parts[Part.TAG],
                    "why": first[reveals].why,
                    "advice": first[reveals].advice,
                    "source": first[reveals].source,
                },
                {
                    "findings": Ref("names", "name-findings", where),
                    "names": Ref("names", "name-findings", {**where, "part": Part.NAME.value}),
                    "tags": Ref("names", "name-findings", {**where, "part": Part.TAG.value}),
                },
            )
        )
    return Table("names-by-kind", "What names and tags reveal", columns, tuple(rows))


def _rows(found: list[NameFinding]) -> Table:
    columns = (
        Column("name", "Name", Kind.NAME),
        Column("what", "What"),
        Column("part", "Where"),
        Column("tag", "Tag", Kind.NAME),
        Column("text", "Text", Kind.NAME),
        Column("reveals", "Reveals"),
        Column("word", "Word or shape", Kind.NAME),
        Column("id", "Id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "name": finding.text if finding.part is Part.NAME else finding.place.rpartition("/")[2],
                "what": finding.what,
                "part": finding.part.value,
                "tag": finding.key,
                "text": "" if finding.part is Part.NAME else finding.text,
                "reveals": _REVEALS[finding.reveals],
                "word": finding.word,
                "id": finding.place,
            }
        )
        for finding in found
    )
    note = "Personal data is shown masked, and secrets are not shown."
    return Table("name-findings", "Each name and tag", columns, rows, note=note)
