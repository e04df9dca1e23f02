"""Sections about single objects: exceptions and re-sync differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from mappings.failures import CauseTable, FailureClass, by_cause, code_of, failure_of, failure_of_shard
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
    Column("cause", "Cause"),
    Column("reason", "Reason"),
    Column("code", "Code", Kind.NAME, detail=True),
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


def _object_row(note: ObjectNote, causes: CauseTable | None) -> Row:
    row = note.row
    failed = row.outcome is Outcome.FAILED and row.change not in NOT_LISTED
    code = code_of(row) if failed else None
    return make_row(
        {
            "name": row.name,
            "account": note.account,
            "container": note.container,
            "size": row.size,
            "change": row.change.value,
            "outcome": row.outcome.value if row.change not in NOT_LISTED else "reported",
            "proof": f"proof-{row.proof.value}" if row.proof is not None else None,
            "cause": causes.of(code).title if causes is not None and code is not None else None,
            "reason": row.reason,
            "code": code,
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


def _objects(
    facts: Facts, table_id: str, caption: str, sheet: str, notes: Iterable[ObjectNote], note: str = ""
) -> Table:
    rows = tuple(_object_row(one, facts.causes) for one in notes)
    return Table(table_id, caption, _OBJECT_COLUMNS, rows, sheet=sheet, note=note)


def exceptions_section(facts: Facts) -> Section:
    """Objects that are not at the target: failed, or left out by the settings."""
    title = "Exceptions"
    if not facts.books:
        lead = "No copy has run, so there are no exceptions; `govlift migrate --apply` records them."
        return Section("exceptions", title, lead)
    failed, excluded = facts.exceptions(Outcome.FAILED), facts.exceptions(Outcome.EXCLUDED)
    if not failed and not excluded and not facts.unlisted:
        return Section("exceptions", title, "No object failed and none was left out.")
    out = f"{len(excluded):,} {'was' if len(excluded) == 1 else 'were'} left out"
    lead = f"{counted(len(failed), 'object')} failed and {out}, each with its reason."
    if facts.unlisted:
        lead += f" {counted(len(facts.unlisted), 'key range')} could not be listed; nobody knows what they hold."
    classes = _classes(facts, failed)
    # What has one remedy stands together.
    order = {one.cause.id: n for n, one in enumerate(classes)}
    failed = sorted(failed, key=lambda note: order.get(facts.causes.of(code_of(note.row)).id, 0) if facts.causes else 0)
    tables = (
        _causes(classes),
        _reasons(failed, excluded),
        _shards(facts),
        _objects(facts, "failed-objects", "Failed objects", "Exceptions", failed),
        _objects(facts, "excluded-objects", "Objects left out", "Exceptions", excluded),
    )
    return Section("exceptions", title, lead, tuple(table for table in tables if table.rows))


def _classes(facts: Facts, failed: Iterable[ObjectNote]) -> list[FailureClass]:
    """What failed by cause, as `govlift failed` counts it; empty without a table of causes."""
    if facts.causes is None:
        return []
    objects = [failure_of(note.account, note.container, note.row) for note in failed]
    whole = [one for record in facts.unlisted if (one := failure_of_shard(record)) is not None]
    return by_cause([*objects, *whole], facts.causes)


def _causes(classes: Iterable[FailureClass]) -> Table:
    """One row a cause: how many, what to do, a few examples; each number with its rows."""
    rows = []
    for one in classes:
        where = {"cause": one.cause.title}
        objects, shards = Ref("exceptions", "failed-objects", where), Ref("exceptions", "failed-ranges", where)
        cells: dict[str, Value] = {
            "cause": one.cause.title,
            "objects": one.objects,
            "ranges": one.shards,
            "bytes": one.bytes,
            "remedy": one.cause.remedy,
            "examples": ", ".join(one.examples),
            "codes": ", ".join(f"{code or 'no code'} ({number:,})" for code, number in sorted(one.codes.items())),
            "source": one.cause.source,
            "id": one.cause.id,
        }
        links = {"objects": objects, "ranges": shards, "bytes": replace(objects, column="size")}
        rows.append(make_row(cells, links | {"examples": objects if one.objects else shards}))
    columns = (
        Column("cause", "Cause"),
        Column("objects", "Objects", Kind.COUNT),
        Column("ranges", "Key ranges", Kind.COUNT),
        Column("bytes", "Size", Kind.BYTES),
        Column("remedy", "What to do"),
        Column("examples", "For example"),
        Column("codes", "Codes", Kind.NAME, detail=True),
        Column("source", "Source", Kind.SOURCE, detail=True),
        Column("id", "Id of the cause", Kind.NAME, detail=True),
    )
    note = "As `govlift failed` tells it; a key range is a part of a container that could not be listed."
    return Table("failure-causes", "Failures by cause", columns, tuple(rows), note=note)


def _shards(facts: Facts) -> Table:
    rows = []
    for record in facts.unlisted:
        failure = failure_of_shard(record)
        if failure is not None:
            cause = facts.causes.of(failure.code).title if facts.causes is not None else None
            cells = {"range": record.shard.id, "account": failure.account, "container": failure.container}
            rows.append(make_row(cells | {"cause": cause, "reason": failure.reason, "code": failure.code}))
    columns = (
        Column("range", "Key range", Kind.NAME),
        Column("account", "Account", Kind.NAME),
        Column("container", "Container", Kind.NAME),
        Column("cause", "Cause"),
        Column("reason", "Reason"),
        Column("code", "Code", Kind.NAME, detail=True),
    )
    return Table("failed-ranges", "Key ranges that could not be listed", columns, tuple(rows))


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
            facts,
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
