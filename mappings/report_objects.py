"""Sections about single objects: exceptions and re-sync differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mappings.report_facts import COPYING, NOT_LISTED, Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import CHANGE_MEANS, are, counted, counts, make_row, utc
from mappings.runs import ObjectNote, RunKind
from mappings.states import Change, Outcome

_OBJECT_COLUMNS = (
    Column("name", "Object", Kind.NAME),
    Column("account", "Account", Kind.NAME),
    Column("container", "Container", Kind.NAME),
    Column("size", "Size", Kind.BYTES),
    Column("change", "Change", Kind.STATUS, detail=True),
    Column("outcome", "Outcome", Kind.STATUS),
    Column("proof", "Proof", Kind.STATUS),
    Column("reason", "Reason"),
    Column("snapshot", "Snapshot", Kind.NAME, detail=True),
    Column("blob_type", "Blob type", Kind.NAME, detail=True),
    Column("route", "Route", Kind.STATUS, detail=True),
    Column("tier", "Access tier", Kind.NAME, detail=True),
    Column("source_last_modified", "Source modified", Kind.TIME, detail=True),
    Column("source_etag", "Source ETag", Kind.NAME, detail=True),
    Column("target_etag", "Target ETag", Kind.NAME, detail=True),
    Column("source_crc64", "Source CRC64", Kind.NAME, detail=True),
    Column("target_crc64", "Target CRC64", Kind.NAME, detail=True),
    Column("sha256", "SHA-256", Kind.NAME, detail=True),
    Column("attempts", "Attempts", Kind.COUNT, detail=True),
    Column("finished", "Finished", Kind.TIME, detail=True),
    Column("request_id", "Request id", Kind.NAME, detail=True),
)


def _object_row(note: ObjectNote) -> Row:
    row = note.row
    return make_row(
        {
            "name": row.name,
            "account": note.account,
            "container": note.container,
            "size": row.size,
            "change": row.change.value,
            "outcome": row.outcome.value if row.change not in NOT_LISTED else "reported",
            "proof": f"proof-{row.proof.value}" if row.proof is not None else None,
            "reason": row.reason,
            "snapshot": row.snapshot,
            "blob_type": row.blob_type,
            "route": row.route.value if row.route else None,
            "tier": row.tier,
            "source_last_modified": utc(row.source_last_modified),
            "source_etag": row.source_etag,
            "target_etag": row.target_etag,
            "source_crc64": row.source_crc64,
            "target_crc64": row.target_crc64,
            "sha256": row.sha256,
            "attempts": row.attempts,
            "finished": utc(row.finished),
            "request_id": row.request_id,
        }
    )


def _objects(table_id: str, caption: str, sheet: str, notes: Iterable[ObjectNote], note: str = "") -> Table:
    return Table(table_id, caption, _OBJECT_COLUMNS, tuple(map(_object_row, notes)), sheet=sheet, note=note)


def exceptions_section(facts: Facts) -> Section:
    """Objects that are not at the target: failed, or left out by the settings."""
    title = "Exceptions"
    if not facts.books:
        lead = "No copy has run, so there are no exceptions; `govlift migrate --apply` records them."
        return Section("exceptions", title, lead)
    failed, excluded = facts.exceptions(Outcome.FAILED), facts.exceptions(Outcome.EXCLUDED)
    if not failed and not excluded:
        return Section("exceptions", title, "No object failed and none was left out.")
    out = f"{len(excluded):,} {'was' if len(excluded) == 1 else 'were'} left out"
    lead = f"{counted(len(failed), 'object')} failed and {out}, each with its reason."
    tables = (
        _reasons(failed, excluded),
        _objects("failed-objects", "Failed objects", "Exceptions", failed),
        _objects("excluded-objects", "Objects left out", "Exceptions", excluded),
    )
    return Section("exceptions", title, lead, tuple(table for table in tables if table.rows))


def _reasons(failed: list[ObjectNote], excluded: list[ObjectNote]) -> Table:
    """One row per reason, so that the cause is read before the cases."""
    rows = []
    for table, outcome, notes in (
        ("failed-objects", Outcome.FAILED, failed),
        ("excluded-objects", Outcome.EXCLUDED, excluded),
    ):
        for reason, number in Counter(note.row.reason for note in notes).most_common():
            cells: dict[str, Value] = {
                "reason": reason or "no reason recorded",
                "outcome": outcome.value,
                "objects": number,
            }
            rows.append(make_row(cells, {"objects": Ref("exceptions", table, {"reason": reason})}))
    columns = (
        Column("reason", "Reason"),
        Column("outcome", "Outcome", Kind.STATUS),
        *counts(("objects", "Objects")),
    )
    return Table("exception-reasons", "Reasons", columns, tuple(rows))


def differences_section(facts: Facts) -> Section:
    """What the newest re-sync found, by kind of change, then object by object."""
    title = "Re-sync differences"
    copies = [run for run in facts.runs if run.kind in COPYING]
    if not copies or copies[-1].kind is RunKind.MIGRATE:
        lead = "No re-sync has run since the last full copy; `govlift resync --apply` finds and lists the differences."
        return Section("differences", title, lead)
    # An object that the settings leave out is new at every re-sync; it stands among the exceptions.
    changed = [n for n in facts.notes if n.row.change is not Change.SAME and not _left_out(n)]
    if not changed:
        return Section("differences", title, "The last re-sync found source and target alike.")
    number = Counter(note.row.change for note in changed)
    gone = number[Change.DELETED]
    lead = f"The last re-sync found {counted(len(changed), 'difference')}."
    if gone:
        lead += (
            f" {counted(gone, 'object')} {are(gone)} deleted at the source; govlift reports"
            f" {'it' if gone == 1 else 'them'} and deletes nothing at the target."
        )
    sheet = "Re-sync differences"
    tables = [
        _objects(
            f"change-{change.value}",
            words,
            sheet,
            [note for note in changed if note.row.change is change],
            f"What the re-sync did: {done}.",
        )
        for change, (words, done) in CHANGE_MEANS.items()
        if number[change]
    ]
    return Section("differences", title, lead, (_changes(number), *tables))


def _left_out(note: ObjectNote) -> bool:
    return note.row.outcome is Outcome.EXCLUDED and note.row.change not in NOT_LISTED


def _changes(number: Counter[Change]) -> Table:
    rows = tuple(
        make_row(
            {"change": change.value, "means": words, "objects": number[change], "done": done},
            {"objects": Ref("differences", f"change-{change.value}")},
        )
        for change, (words, done) in CHANGE_MEANS.items()
    )
    columns = (
        Column("change", "Change", Kind.STATUS),
        Column("means", "What happened"),
        Column("objects", "Objects", Kind.COUNT),
        Column("done", "What the re-sync did"),
    )
    return Table("changes-by-kind", "Differences by kind", columns, rows, bars=("objects",))
