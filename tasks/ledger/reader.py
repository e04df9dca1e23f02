"""What readers get: every question about a migration, and no method that writes; nor can its connections."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from operator import add
from typing import Any

from sqlalchemy import Engine, Row, Select, func, select

from mappings.codec import decode
from mappings.errors import FixTheInput
from mappings.evidence import Event, Head, chain_problems
from mappings.model import Assessment, Resource
from mappings.objects import Tally
from mappings.plan import CopyShard, Plan
from mappings.plan_text import plan_from_json
from mappings.runs import RunKind, RunRecord, ShardRecord, WorkerRecord
from mappings.shards import Span, newest_cover
from mappings.states import RunState, ShardState, StepState
from tasks.ledger import schema
from tasks.ledger.assessments import StoredResources, load_assessment, scope_of
from tasks.ledger.transactions import viewing
from tasks.ledger.workers import worker_of

_PAGE = 2000
_EVIDENCE_RUNS = (RunKind.MIGRATE.value, RunKind.RESYNC.value, RunKind.CUTOVER.value)
"""Runs whose manifests say what the target holds; a verification's do not."""


@dataclass(frozen=True, slots=True)
class AssessmentRef:
    """One stored assessment."""

    run_id: str
    taken_at: datetime
    resources: int


@dataclass(frozen=True, slots=True)
class ManifestRef:
    """One finished manifest as the ledger knows it."""

    run_id: str
    shard_id: str
    manifest: str
    """Path relative to the migration folder."""
    hash: str


@dataclass(frozen=True, slots=True)
class Lease:
    """One shard that a worker holds."""

    shard_id: str
    owner: str
    expires: datetime


class LedgerReader:
    """Read access to one migration's ledger."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place

    def identity(self) -> dict[str, Any] | None:
        """Name, clouds, tenants and subscriptions of the migration; None before the first `claim_identity`."""
        rows = self._all(select(schema.migration.c.identity))
        return dict(json.loads(rows[0].identity)) if rows else None

    def runs(self, kind: RunKind | None = None) -> list[RunRecord]:
        """Every run, oldest first."""
        query = select(schema.run).order_by(schema.run.c.number)
        if kind is not None:
            query = query.where(schema.run.c.kind == kind.value)
        return [_run(row) for row in self._all(query)]

    def run(self, run_id: str) -> RunRecord:
        """One run.

        Raises:
            FixTheInput: no run has this id.
        """
        rows = self._all(select(schema.run).where(schema.run.c.id == run_id))
        if not rows:
            raise FixTheInput(f'There is no run "{run_id}".', next_step="See the runs with `govlift status`.")
        return _run(rows[0])

    def assessments(self) -> list[AssessmentRef]:
        """What assessments are stored, oldest first."""
        table = schema.assessment
        query = select(table.c.run_id, table.c.taken_at, table.c.resources).order_by(table.c.number)
        return [AssessmentRef(row.run_id, row.taken_at, row.resources) for row in self._all(query)]

    def assessment(self, run_id: str = "", *, stored: bool = False) -> Assessment | None:
        """The assessment of `run_id`, of the newest run with one for "". None where there is none.

        Args:
            stored: leave the resources in the ledger and read them whenever they are gone through; for large estates.
        """
        refs = {ref.run_id: ref for ref in self.assessments()}
        wanted = run_id or next(reversed(refs), "")
        if wanted not in refs:
            return None
        view = partial(viewing, self._engine, self._place)
        resources = StoredResources(view, wanted, refs[wanted].resources) if stored else None
        with view() as connection:
            return load_assessment(connection, wanted, resources)

    def resources(self, types: Collection[str]) -> list[Resource]:
        """Resources of these types in the newest assessment, in its order; none where there is none.

        Args:
            types: in lower case.
        """
        newest = next(reversed(self.assessments()), None)
        if newest is None:
            return list[Resource]()
        table = schema.resource
        query = select(table.c.body).where(table.c.run_id == newest.run_id, func.lower(table.c.type).in_(sorted(types)))
        return [decode(Resource, row.body) for row in self._all(query.order_by(table.c.position))]

    def assessment_before(self, run_id: str = "", *, stored: bool = False) -> Assessment | None:
        """The newest assessment before that of `run_id`, of the same cloud, tenant and scope.

        Args:
            run_id: "" for the newest run with an assessment.
            stored: as in `assessment`.

        Returns:
            None where the one asked for is the first of its scope.
        """
        table = schema.assessment
        rows = self._all(select(table.c.run_id, table.c.body).order_by(table.c.number.desc()))
        scopes = [(row.run_id, scope_of(row.body)) for row in rows]
        at = next((n for n, (known, _) in enumerate(scopes) if known == run_id), 0 if not run_id else len(scopes))
        older = next((known for known, scope in scopes[at + 1 :] if scope == scopes[at][1]), None)
        return None if older is None else self.assessment(older, stored=stored)

    def plan(self, id_or_prefix: str) -> Plan:
        """One plan, whose content was hashed again.

        Raises:
            FixTheInput: no plan, or more than one, begins so.
            DoNotTrust: it was changed since it was saved.
        """
        table = schema.plan
        wanted = id_or_prefix.lower()
        rows = self._all(
            select(table.c.id, table.c.body).where(table.c.id.startswith(wanted, autoescape=True)).limit(2)
        )
        if not rows or not wanted:
            raise FixTheInput(f'There is no plan "{id_or_prefix}".', next_step="Make one with `govlift plan`.")
        if len(rows) > 1:
            raise FixTheInput(
                f'More than one plan begins with "{id_or_prefix}".', next_step="Give more digits of its id."
            )
        return plan_from_json(rows[0].body, origin=f"Plan {rows[0].id}")

    def latest_plan(self) -> Plan | None:
        """The plan saved last, but for those that are a part of another for one run; raises as `plan`."""
        for row in self._all(select(schema.plan.c.id).order_by(schema.plan.c.saved.desc())):
            plan = self.plan(row.id)
            if not plan.narrows:
                return plan
        return None

    def steps(self, plan_id: str) -> dict[str, StepState]:
        """State of each step of a plan, in its order. Shards are not in it: they have a state per run."""
        table = schema.step
        query = select(table.c.step_id, table.c.state).where(table.c.plan_id == plan_id).order_by(table.c.position)
        return {row.step_id: StepState(row.state) for row in self._all(query)}

    def shards(self, run_id: str) -> list[ShardRecord]:
        """Every shard of a run, in the plan's order."""
        query = select(schema.shard).where(schema.shard.c.run_id == run_id).order_by(schema.shard.c.position)
        return [_shard(row) for row in self._all(query)]

    def shard_states(self, run_id: str) -> dict[ShardState, int]:
        """How many shards of a run are in each state, every state present."""
        table = schema.shard
        shards = select(table.c.state, func.count().label("shards"))
        query = shards.where(table.c.run_id == run_id).group_by(table.c.state)
        counts = dict.fromkeys(ShardState, 0)
        counts.update({ShardState(row.state): row.shards for row in self._all(query)})
        return counts

    def leases(self, run_id: str) -> list[Lease]:
        """Shards of a run that somebody holds, in the plan's order."""
        table = schema.shard
        query = select(table.c.shard_id, table.c.owner, table.c.expires).where(
            table.c.run_id == run_id, table.c.state == ShardState.LEASED.value
        )
        return [Lease(row.shard_id, row.owner, row.expires) for row in self._all(query.order_by(table.c.position))]

    def workers(self, run_id: str) -> list[WorkerRecord]:
        """Every worker process that a run has had, the earliest first, each as its last sign of life tells."""
        table = schema.worker
        query = select(table).where(table.c.run_id == run_id).order_by(table.c.started, table.c.owner)
        return [worker_of(row) for row in self._all(query)]

    def tally(self, run_id: str) -> Tally:
        """Sum over the shards of a run, of each the newest attempt that ended."""
        rows = self._all(select(schema.shard.c.tally).where(schema.shard.c.run_id == run_id))
        return reduce(add, (decode(Tally, row.tally) for row in rows), Tally())

    def last_manifest(self, shard_id: str) -> str:
        """Path of the newest finished manifest of a shard over all runs, "" where there is none.

        Plans may cut a container differently, so for what was copied before in a range ask `previous_manifests`.
        """
        rows = self._all(self._manifests().where(schema.shard.c.shard_id == shard_id).limit(1))
        return str(rows[0].manifest) if rows else ""

    def previous_manifests(self, shard: CopyShard) -> list[Span[str]]:
        """Manifests that tell what was copied before in the range of `shard`: ascending parts of it, newest evidence.

        Each part's path is in `covered_by`; only rows of names within the part count.
        """
        table = schema.shard
        query = self._manifests().where(
            table.c.source_account == shard.source_account, table.c.container == shard.container
        )
        older = ((decode(CopyShard, row.body), row.manifest) for row in self._all(query))
        spans = (
            Span(old.begin, old.end, manifest) for old, manifest in older if old.target_account == shard.target_account
        )
        return newest_cover(shard.begin, shard.end, spans)

    def manifests(self) -> list[ManifestRef]:
        """The newest finished manifest of each shard of each run."""
        table = schema.shard
        query = select(table).where(table.c.manifest != "").order_by(table.c.closed)
        return [ManifestRef(row.run_id, row.shard_id, row.manifest, row.manifest_hash) for row in self._all(query)]

    def events(self, kind: str = "", *, after: int = 0) -> Iterator[Event]:
        """Events of one kind, or all, oldest first; read in pages, so that a long chain needs no memory.

        Args:
            kind: "" for every kind.
            after: number of an event; only those behind it.
        """
        table = schema.chain
        last = after
        while True:
            query = select(table).where(table.c.number > last).order_by(table.c.number).limit(_PAGE)
            if kind:
                query = query.where(table.c.kind == kind)
            rows = self._all(query)
            for row in rows:
                yield Event(row.number, row.at, row.kind, json.loads(row.detail), row.previous, row.hash)
            if len(rows) < _PAGE:
                return
            last = rows[-1].number

    def head(self) -> Head:
        """Length and end of the event chain: print it where this ledger's holder cannot change it."""
        (row,) = self._all(select(schema.ledger.c.events, schema.ledger.c.head))
        return Head(row.events, row.head)

    def check_chain(self) -> list[str]:
        """What is wrong with the event chain, one sentence each; [] proves that it is as it was written."""
        head = self.head()
        upto = (event for event in self.events() if event.number <= head.events)
        problems = chain_problems(upto, head)
        # Events behind the head belong to a writer that went on meanwhile; only without one are they an insertion.
        if self.head() == head:
            problems += [f"Event {e.number} stands behind the end." for e in self.events() if e.number > head.events]
        return problems

    def _manifests(self) -> Select[Any]:
        table = schema.shard
        return (
            select(table.c.body, table.c.manifest)
            .join(schema.run, schema.run.c.id == table.c.run_id)
            .where(table.c.manifest != "", schema.run.c.kind.in_(_EVIDENCE_RUNS))
            .order_by(table.c.closed.desc())
        )

    def _all(self, query: Select[Any]) -> list[Row[Any]]:
        with viewing(self._engine, self._place) as connection:
            return list(connection.execute(query).all())


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(
        id=row.id,
        kind=RunKind(row.kind),
        plan_id=row.plan_id,
        state=RunState(row.state),
        started=row.started,
        finished=row.finished,
        tally=decode(Tally, row.tally),
        exit_code=row.exit_code,
        detail=row.detail,
    )


def _shard(row: Row[Any]) -> ShardRecord:
    return ShardRecord(
        run_id=row.run_id,
        shard=decode(CopyShard, row.body),
        state=ShardState(row.state),
        attempt=row.attempt,
        tally=decode(Tally, row.tally),
        owner=row.owner,
        manifest=row.manifest,
        reason=row.reason,
    )
