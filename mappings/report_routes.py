"""The rows of the report that say what changed its route, and why."""

from __future__ import annotations

from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Table, Value
from mappings.report_words import make_row, utc
from mappings.route_changes import fall_backs

_PAIR = (
    Column("source", "Source account", Kind.NAME),
    Column("target", "Target account", Kind.NAME),
    Column("type", "Blob type", Kind.NAME),
    Column("route", "From then on", Kind.STATUS),
)
_PAIR_WIDE = "all of the pair"


def route_change_tables(facts: Facts) -> tuple[Table, ...]:
    """By pair and reason, then one by one; no tables where every pair was pulled as the settings aim at."""
    if not facts.route_changes:
        return ()
    return (_reasons(facts), _single(facts))


def _reasons(facts: Facts) -> Table:
    rows = []
    for one in fall_backs(facts.route_changes):
        cells: dict[str, Value] = {
            "source": one.source_account,
            "target": one.target_account,
            "type": one.blob_type,
            "route": one.route.value,
            "what": _PAIR_WIDE if one.whole else "single objects",
            "changes": one.changes,
            "reason": one.reason,
        }
        where = {key: str(cells[key]) for key in ("source", "target", "type", "route", "what", "reason")}
        rows.append(make_row(cells, {"changes": Ref("results", "route-changes", where)}))
    columns = (
        *_PAIR,
        Column("what", "What changed"),
        Column("changes", "Changes", Kind.COUNT),
        Column("reason", "Why"),
    )
    note = (
        "The settings aim at pull; what could not be pulled is streamed. After some hundreds of a pair no more objects"
        " are named; the manifests have the route of each."
    )
    return Table("route-changes-by-reason", "Changes of route, by reason", columns, tuple(rows), note=note)


def _single(facts: Facts) -> Table:
    rows = tuple(
        make_row(
            {
                "object": one.name or _PAIR_WIDE,
                "source": one.source_account,
                "target": one.target_account,
                "type": one.blob_type,
                "route": one.route.value,
                "what": "single objects" if one.name else _PAIR_WIDE,
                "reason": one.reason,
                "at": utc(one.at),
                "run": one.run,
            }
        )
        for one in facts.route_changes
    )
    columns = (
        Column("object", "Object", Kind.NAME),
        *_PAIR,
        Column("what", "What changed", detail=True),
        Column("reason", "Why"),
        Column("at", "When", Kind.TIME),
        Column("run", "Run", Kind.NAME, detail=True),
    )
    return Table("route-changes", "Changes of route", columns, rows)
