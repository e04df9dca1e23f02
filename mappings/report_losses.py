"""Sections "What is lost" and "Locks and policies": what no way across keeps, and what rules the source's resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

from mappings.governance import Assigned, Lock, rules_over
from mappings.moves import Moves
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Section, Table, Value
from mappings.report_packages import NOT_MADE
from mappings.report_words import counted, counts, make_row

_WAY_MEANS = {
    "copy": "Copied",
    "recreate": "Made anew",
    "export-import": "Export and import",
    "backup-restore": "Backup and restore",
    "lost": "Nothing moves",
}


def losses_section(facts: Facts) -> Section:
    """What is lost, for the services that the estate has, with the resources behind."""
    title = "What is lost"
    moves = facts.moves
    if moves is None:
        return Section("losses", title, NOT_MADE)
    if not moves.losses:
        return Section("losses", title, "No service of this estate is in the table of losses.")
    never = sum(loss.entry.way == "lost" for loss in moves.losses)
    lead = (
        f"{counted(len(moves.losses), 'entry', 'entries')} of services that this estate has: what does not cross"
        f" between clouds. Of {never:,} of them nothing moves at all. Somebody has to accept each row."
    )
    tables = (_losses(moves), _behind(moves))
    return Section("losses", title, lead, tuple(table for table in tables if table.rows))


def _losses(moves: Moves) -> Table:
    columns = (
        Column("service", "Service"),
        Column("way", "How the rest moves"),
        *counts(("resources", "Resources")),
        Column("what", "What does not move"),
        Column("why", "Why", detail=True),
        Column("do", "What to do"),
        Column("source", "Source", Kind.SOURCE),
        Column("dated", "Source of", Kind.DATE),
        Column("confidence", "Confidence", detail=True),
        Column("loss", "Id", Kind.NAME, detail=True),
    )
    rows = []
    for loss in moves.losses:
        entry = loss.entry
        cells: dict[str, Value] = {
            "service": entry.service,
            "way": _WAY_MEANS[entry.way],
            "resources": len(loss.members) if loss.members else None,
            "what": entry.what,
            "why": entry.why,
            "do": entry.do,
            "source": entry.source,
            "dated": entry.dated.isoformat() if entry.dated else None,
            "confidence": entry.confidence,
            "loss": entry.id,
        }
        rows.append(make_row(cells, {"resources": Ref("losses", "loss-resources", {"loss": entry.id})}))
    return Table("loss-rows", "What is lost, by service", columns, tuple(rows))


def _behind(moves: Moves) -> Table:
    columns = (
        Column("service", "Service"),
        Column("name", "Resource", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("package", "Package", Kind.NAME),
        Column("loss", "Id", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = []
    for loss in moves.losses:
        for n in loss.members:
            unit = moves.packages.units[n]
            cells: dict[str, Value] = {
                "loss": loss.entry.id,
                "service": loss.entry.service,
                "name": unit.name,
                "type": unit.type,
                "package": moves.packages.package_of[n],
                "id": unit.id,
            }
            rows.append(make_row(cells))
    return Table("loss-resources", "Resources behind the losses", columns, tuple(rows))


def governance_section(facts: Facts) -> Section:
    """Locks and policy assignments of the source."""
    title = "Locks and policies of the source"
    rules = rules_over(facts.assessment.inventory)
    if not rules.locks and not rules.policies:
        lead = (
            "The inventory has neither locks nor policy assignments; exported lists do not carry them, and where they"
            " could not be read the gaps say so."
        )
        return Section("governance", title, lead)
    lead = (
        f"{counted(len(rules.locks), 'lock')} and {counted(len(rules.policies), 'policy assignment')}. They do not"
        " hinder reading with an Entra identity; a ReadOnly lock hinders listing account keys. None of them is moved:"
        " each has to be set again in the target, and locks hinder taking the source down."
    )
    locks = (
        Column("name", "Lock", Kind.NAME),
        Column("level", "Level"),
        Column("scope", "On", Kind.NAME),
        *counts(("resources", "Resources under it")),
        Column("notes", "Notes of its owner"),
        Column("id", "Id", Kind.NAME, detail=True),
    )
    policies = (
        Column("name", "Assignment", Kind.NAME),
        Column("definition", "Definition", Kind.NAME),
        Column("scope", "On", Kind.NAME),
        *counts(("resources", "Resources under it")),
        Column("mode", "Enforced"),
        Column("id", "Id", Kind.NAME, detail=True),
    )
    tables = (
        _table("lock-rows", "Locks", locks, (_cells(one) for one in rules.locks)),
        _table("policy-rows", "Policy assignments", policies, (_cells(one) for one in rules.policies)),
    )
    return Section("governance", title, lead, tuple(table for table in tables if table.rows))


def _cells(value: Lock | Assigned) -> dict[str, Value]:
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _table(table_id: str, caption: str, columns: tuple[Column, ...], cells: Iterable[Mapping[str, Value]]) -> Table:
    wanted = [column.key for column in columns]
    rows = tuple(make_row({key: one[key] for key in wanted}) for one in cells)
    return Table(table_id, caption, columns, rows)
