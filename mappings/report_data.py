"""Sections about data before and after the copy: volume, results by account, route and proof, runs."""

from __future__ import annotations

from collections import Counter, defaultdict

from mappings.model import ContainerSurvey
from mappings.objects import Tally
from mappings.report_facts import COPYING, Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_routes import route_change_tables
from mappings.report_words import PROOF_MEANS, are, counted, counts, data_size, make_row, percent, utc
from mappings.runs import RunRecord
from mappings.states import ProofLevel, RunState


def data_section(facts: Facts) -> Section:
    """How much data there is, by account and container."""
    surveys = sorted(facts.assessment.inventory.containers, key=lambda survey: (survey.account, survey.container))
    if not surveys:
        lead = "No container has been counted yet; `govlift inventory` counts objects and bytes where it may read."
        return Section("data", "Data volume", lead)
    by_account: defaultdict[str, list[ContainerSurvey]] = defaultdict(list)
    for survey in surveys:
        by_account[survey.account].append(survey)
    objects, size = sum(s.objects for s in surveys), sum(s.bytes for s in surveys)
    lead = (
        f"{counted(len(by_account), 'account')} {'holds' if len(by_account) == 1 else 'hold'}"
        f" {counted(objects, 'object')} ({data_size(size)}) in {counted(len(surveys), 'container')}, as surveyed."
    )
    return Section("data", "Data volume", lead, (_accounts(by_account), _containers(surveys)))


_VOLUME = (Column("objects", "Objects", Kind.COUNT), Column("bytes", "Bytes", Kind.BYTES))


def _accounts(by_account: dict[str, list[ContainerSurvey]]) -> Table:
    rows = []
    for account, surveys in by_account.items():
        cells: dict[str, Value] = {
            "account": account,
            "containers": len(surveys),
            "objects": sum(s.objects for s in surveys),
            "bytes": sum(s.bytes for s in surveys),
            "snapshots": sum(s.snapshots for s in surveys),
        }
        where = {"account": account}
        links = {key: Ref("data", "data-by-container", where, key) for key in ("objects", "bytes", "snapshots")}
        rows.append(make_row(cells, links | {"containers": Ref("data", "data-by-container", where)}))
    columns = (
        Column("account", "Source account", Kind.NAME),
        *counts(("containers", "Containers")),
        *_VOLUME,
        *counts(("snapshots", "of these, snapshots")),
    )
    return Table("data-by-account", "Data by storage account", columns, tuple(rows), bars=("bytes",))


def _told(numbers: Counter[str]) -> str:
    return ", ".join(f"{name or 'none'} {number:,}" for name, number in sorted(numbers.items()))


def _containers(surveys: list[ContainerSurvey]) -> Table:
    columns = (
        Column("container", "Container", Kind.NAME),
        Column("account", "Source account", Kind.NAME),
        *_VOLUME,
        *counts(("snapshots", "of these, snapshots")),
        Column("types", "Blob types"),
        Column("tiers", "Access tiers"),
    )
    rows = tuple(
        make_row(
            {
                "container": survey.container,
                "account": survey.account,
                "objects": survey.objects,
                "bytes": survey.bytes,
                "snapshots": survey.snapshots,
                "types": _told(Counter(survey.by_type)),
                "tiers": _told(Counter(survey.by_tier)),
            }
        )
        for survey in surveys
    )
    return Table("data-by-container", "Data by container", columns, rows)


def proved(tally: Tally, level: ProofLevel) -> int:
    """Objects proved at `level` or above."""
    return sum(tally.proof[level:])


def results_section(facts: Facts) -> Section:
    """What stands at the target, how it got there, how strongly it is proved."""
    if not facts.books:
        lead = "Nothing has been copied yet; `govlift migrate --apply` copies, proves and fills this section."
        return Section("results", "Migration results", lead)
    tally = facts.objects
    there = tally.copied + tally.same
    strong = proved(tally, facts.head.proof)
    lead = (
        f"{counted(there, 'object')} {are(there)} at the target;"
        f" {strong:,} ({percent(strong, there)}) {are(strong)} proved at L{facts.head.proof.value} or higher,"
        " the level that the settings demand."
    )
    tables = (_results(facts), _proof(facts), _routes(facts), *route_change_tables(facts))
    return Section("results", "Migration results", lead, tables)


def _results(facts: Facts) -> Table:
    columns = (
        Column("account", "Source account", Kind.NAME),
        Column("target", "Target account", Kind.NAME),
        *counts(
            ("at_target", "At the target"),
            ("excluded", "Left out"),
            ("failed", "Failed"),
            ("deleted", "Only at the target"),
        ),
        *(Column(f"l{level.value}", f"Proof L{level.value}", Kind.COUNT) for level in reversed(ProofLevel)),
    )
    rows = []
    for book in facts.books:
        tally = book.tally
        cells: dict[str, Value] = {
            "account": book.account,
            "target": book.target,
            "at_target": tally.copied + tally.same,
            "excluded": tally.excluded,
            "failed": tally.failed,
            "deleted": tally.deleted,
        }
        rows.append(make_row(cells | {f"l{level.value}": tally.proof[level] for level in ProofLevel}))
    return Table("results-by-account", "Objects by storage account", columns, tuple(rows))


def _proof(facts: Facts) -> Table:
    tally = facts.objects
    rows = [
        make_row(
            {
                "level": f"proof-{level.value}",
                "means": PROOF_MEANS[level],
                "objects": tally.proof[level],
                "demanded": "demanded by the settings" if level is facts.head.proof else "",
            },
            {"objects": Ref("results", "results-by-account", column=f"l{level.value}")},
        )
        for level in reversed(ProofLevel)
    ]
    columns = (
        Column("level", "Proof level", Kind.STATUS),
        Column("means", "What is proved"),
        Column("objects", "Objects", Kind.COUNT),
        Column("demanded", "Demand"),
    )
    note = "Each object is counted once, at its highest level."
    return Table("results-by-proof", "Objects by proof level", columns, tuple(rows), bars=("objects",), note=note)


def _routes(facts: Facts) -> Table:
    copies = [run.tally for run in facts.runs if run.kind in COPYING]
    means = {
        "pull": "the target service read from the source",
        "stream": "through the machine that runs govlift",
        "azcopy": "by AzCopy; read on both sides and compared afterwards",
    }
    rows = tuple(
        make_row(
            {"route": route, "means": meaning, "objects": sum(getattr(tally, route) for tally in copies)},
            {"objects": Ref("runs", "run-rows", column=route)},
        )
        for route, meaning in means.items()
    )
    columns = (
        Column("route", "Route", Kind.STATUS),
        Column("means", "How the bytes travelled"),
        Column("objects", "Objects", Kind.COUNT),
    )
    note = "All copying runs together; an object copied twice counts twice."
    return Table("results-by-route", "Content sent, by route", columns, rows, bars=("objects",), note=note)


_RUN_COLUMNS = (
    Column("id", "Run", Kind.NAME),
    Column("kind", "Kind"),
    Column("state", "State", Kind.STATUS),
    Column("started", "Started", Kind.TIME),
    Column("seconds", "Duration", Kind.SECONDS),
    *counts(("listed", "Listed"), ("copied", "Copied"), ("same", "Unchanged"), ("failed", "Failed")),
    Column("bytes", "Bytes sent", Kind.BYTES),
    Column("detail", "Result"),
    Column("finished", "Finished", Kind.TIME, detail=True),
    Column("excluded", "Left out", Kind.COUNT, detail=True),
    Column("pull", "By pull", Kind.COUNT, detail=True),
    Column("stream", "By stream", Kind.COUNT, detail=True),
    Column("azcopy", "By AzCopy", Kind.COUNT, detail=True),
    Column("exit_code", "Exit code", Kind.COUNT, detail=True),
    Column("plan", "Plan", Kind.NAME, detail=True),
)


def _run_row(run: RunRecord) -> Row:
    copying, counting = run.kind in COPYING, run.tally != Tally()
    return make_row(
        {
            "id": run.id,
            "kind": run.kind.value,
            "state": run.state.value,
            "started": utc(run.started),
            "seconds": int((run.finished - run.started).total_seconds()) if run.finished else None,
            "listed": run.tally.listed if counting else None,
            "copied": run.tally.copied if copying else None,
            "same": run.tally.same if counting else None,
            "failed": run.tally.failed if counting else None,
            "bytes": run.tally.bytes if copying else None,
            "detail": run.detail,
            "finished": utc(run.finished),
            "excluded": run.tally.excluded if copying else None,
            "pull": run.tally.pull if copying else None,
            "stream": run.tally.stream if copying else None,
            "azcopy": run.tally.azcopy if copying else None,
            "exit_code": run.exit_code,
            "plan": run.plan_id,
        }
    )


def runs_section(facts: Facts) -> Section:
    """Every run in the ledger, newest first."""
    if not facts.runs:
        return Section(
            "runs", "Run history", "The ledger holds no runs; this report was made from an assessment alone."
        )
    number = Counter(run.state for run in facts.runs)
    ended = ", ".join(f"{number[state]:,} {state.value}" for state in RunState if number[state])
    rows = tuple(_run_row(run) for run in reversed(facts.runs))
    table = Table("run-rows", "Runs, newest first", _RUN_COLUMNS, rows)
    return Section("runs", "Run history", f"{counted(len(facts.runs), 'run')}: {ended}. All times are UTC.", (table,))
