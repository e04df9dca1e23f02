"""What a report is built from, put in order once: head, judged resources, state of the objects by account."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mappings.changes import Changes, compare
from mappings.failures import CauseTable, failure_of_shard
from mappings.model import Assessment, Inventory, Resource, Verdict
from mappings.moves import Moves, decide_moves
from mappings.movetables import MoveTables
from mappings.objects import Tally
from mappings.outline import Outliner
from mappings.plan import CopyShard, CreateResourceGroup, CreateStorageAccount, Plan
from mappings.program_check import ProgramStanding
from mappings.report_words import clean, family_of
from mappings.route_changes import RouteChange
from mappings.runs import ObjectNote, RunKind, RunRecord, ShardRecord
from mappings.scanning import Scanners
from mappings.settings import Settings
from mappings.states import Change, Outcome, ProofLevel, RunState, ShardState

COPYING = frozenset({RunKind.MIGRATE, RunKind.RESYNC})
NOT_LISTED = frozenset({Change.DELETED, Change.EXTRA})
"""Changes of objects that the source does not list, so that they are no part of in = out."""


@dataclass(frozen=True, slots=True)
class ReportHead:
    """Who the report is about. `head_of` takes it from settings; an offline assessment may have less."""

    name: str
    customer: str = ""
    marking: str = ""
    source_cloud: str = ""
    source_tenant: str = ""
    source_subscriptions: tuple[str, ...] = ()
    """Ids, or "management group NAME" where the scope is one."""
    target_cloud: str = ""
    target_tenant: str = ""
    target_subscription: str = ""
    proof: ProofLevel = ProofLevel.L2
    """Level that every copied object must reach."""
    shared_keys: tuple[str, ...] = ()
    """Source accounts that are read with their key."""


def head_of(settings: Settings) -> ReportHead:
    """The head of a report on the migration that `settings` describe."""
    return ReportHead(
        name=settings.name,
        customer=settings.customer or settings.name,
        marking=settings.marking.strip(),
        source_cloud=settings.source.cloud,
        source_tenant=settings.source.tenant_id,
        source_subscriptions=settings.source.subscriptions or (f"management group {settings.source.management_group}",),
        target_cloud=settings.target.cloud,
        target_tenant=settings.target.tenant_id,
        target_subscription=settings.target.subscription,
        proof=ProofLevel[settings.copy_.proof],
        shared_keys=tuple(sorted(key.account for key in settings.source.shared_keys)),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """One resource of the inventory with its verdict; None where the assessment has none, which is a flag."""

    resource: Resource
    verdict: Verdict | None
    type: str
    """One spelling for all resources of the type."""
    family: str
    subscription: str
    """Name, or id where the name is not known; "" where the resource tells neither."""

    @property
    def word(self) -> str:
        """The verdict as the tables show it."""
        return self.verdict.verdict.value if self.verdict else "no-verdict"


@dataclass(frozen=True, slots=True)
class AccountBook:
    """The objects of one source account as the newest manifests have them."""

    account: str
    target: str
    surveyed: int | None
    """Objects at the survey; None where it was not surveyed."""
    shards: int
    """Shards known: planned or worked on."""
    done: int
    failed: int
    tally: Tally

    @property
    def unfinished(self) -> int:
        return self.shards - self.done


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that sections are made from."""

    head: ReportHead
    assessment: Assessment
    """Its resources are outlines: without properties, identity and plan."""
    described: Sequence[Resource]
    """The same resources as the inventory describes them; may lie on disk: go through them as rarely as can be."""
    plan: Plan | None
    runs: tuple[RunRecord, ...]
    """By start."""
    notes: tuple[ObjectNote, ...]
    made_at: datetime
    version: str
    judged: tuple[Judged, ...]
    """By family, type and name."""
    books: tuple[AccountBook, ...]
    """By account; empty before the first copy."""
    settings: Settings | None = None
    """None where an offline assessment has none."""
    previous: Inventory | None = None
    """The inventory before this one; None where this is the first."""
    changes: Changes | None = None
    """What has changed since then."""
    program: ProgramStanding | None = None
    """Gates of the CSP program; None where nobody judged them."""
    scanners: Scanners | None = None
    """Tables for names, endpoints and identities; None where they were not handed in."""

    causes: CauseTable | None = None
    """Why objects fail and what to do; None where it was not handed in."""
    unlisted: tuple[ShardRecord, ...] = ()
    """Shards whose newest attempt ended before it had listed anything: nobody knows which objects they hold."""

    moves: Moves | None = None
    """Packages, volumes, copy time and losses; None where the tables for them were not handed in."""
    route_changes: tuple[RouteChange, ...] = ()
    """What changed its route in the copying runs, in the order of time."""

    @property
    def subscriptions(self) -> dict[str, str]:
        """Id in lower case -> the name that readers see."""
        return _subscription_names(self.assessment)

    @property
    def objects(self) -> Tally:
        """All accounts together."""
        return sum((book.tally for book in self.books), Tally())

    @property
    def unfinished(self) -> int:
        """Shards planned or begun whose newest record is not done."""
        return sum(book.unfinished for book in self.books)

    @property
    def unplanned(self) -> int:
        """Resources that came after the plan was made: the plan neither moves them nor leaves them out."""
        if self.plan is None or self.plan.created_at >= self.assessment.inventory.taken_at:
            return 0
        told = {left.resource_id.lower() for left in self.plan.left_out} | set(self.planned_accounts())
        told |= {step.source_id.lower() for step in self.planned_groups()}
        return sum(judged.resource.id.lower() not in told for judged in self.judged)

    @property
    def copying(self) -> bool:
        """Whether a run that copies is under way; the assessment that writes this report is none."""
        return any(run.state is RunState.RUNNING and run.kind in COPYING for run in self.runs)

    def exceptions(self, outcome: Outcome) -> list[ObjectNote]:
        """Listed objects with this outcome, in order of account, container and name."""
        return [n for n in self.notes if n.row.outcome is outcome and n.row.change not in NOT_LISTED]

    def planned_accounts(self) -> dict[str, CreateStorageAccount]:
        """Source id in lower case -> the account that the plan makes of it."""
        steps = self.plan.steps if self.plan else ()
        return {step.source_id.lower(): step for step in steps if isinstance(step, CreateStorageAccount)}

    def planned_groups(self) -> list[CreateResourceGroup]:
        return [s for s in (self.plan.steps if self.plan else ()) if isinstance(s, CreateResourceGroup)]


def gather_facts(
    *,
    settings: Settings | ReportHead,
    assessment: Assessment,
    plan: Plan | None,
    runs: Sequence[RunRecord],
    notes: Sequence[ObjectNote],
    shards: Sequence[ShardRecord],
    made_at: datetime,
    version: str,
    previous: Assessment | None = None,
    scanners: Scanners | None = None,
    moves: MoveTables | None = None,
    program: ProgramStanding | None = None,
    causes: CauseTable | None = None,
    route_changes: Sequence[RouteChange] = (),
) -> Facts:
    """Put the parts in order. Arguments as in `mappings.readiness.build_report`."""
    ordered = tuple(sorted(runs, key=lambda run: (run.started, run.id)))
    changes = compare(previous, assessment) if previous is not None else None
    whole, assessment = assessment, _outlined(assessment)
    return Facts(
        head=head_of(settings) if isinstance(settings, Settings) else settings,
        assessment=assessment,
        described=whole.inventory.resources,
        plan=plan,
        runs=ordered,
        notes=tuple(sorted(notes, key=lambda note: (note.account, note.container, note.row.key))),
        made_at=made_at,
        version=version,
        judged=_judge(assessment),
        books=_books(assessment, plan, ordered, shards),
        settings=settings if isinstance(settings, Settings) else None,
        previous=previous.inventory if previous is not None else None,
        changes=changes,
        scanners=scanners,
        moves=_moves(whole, assessment.inventory, moves, settings, ordered),
        program=program,
        causes=causes,
        unlisted=_unlisted(plan, ordered, shards),
        route_changes=tuple(route_changes),
    )


def _unlisted(plan: Plan | None, runs: Sequence[RunRecord], shards: Sequence[ShardRecord]) -> tuple[ShardRecord, ...]:
    found = standing_shards(shards, runs, plan).values()
    return tuple(sorted((one for one in found if failure_of_shard(one) is not None), key=lambda one: one.shard.id))


def _moves(
    assessment: Assessment,
    outlines: Inventory,
    tables: MoveTables | None,
    settings: Settings | ReportHead,
    runs: Sequence[RunRecord],
) -> Moves | None:
    if tables is None:
        return None
    pace = settings.pace if isinstance(settings, Settings) else None
    return decide_moves(assessment, tables, pace=pace, runs=runs, outlines=outlines)


def _outlined(assessment: Assessment) -> Assessment:
    """`assessment` with outlines in place of its resources."""
    outline = Outliner().outline
    inventory = assessment.inventory
    return replace(assessment, inventory=replace(inventory, resources=tuple(map(outline, inventory.resources))))


def _subscription_names(assessment: Assessment) -> dict[str, str]:
    """Id in lower case -> name; with the id where several have the same name."""
    subscriptions = assessment.inventory.subscriptions
    bearers = Counter(sub.name for sub in subscriptions)
    return {
        sub.id.lower(): clean(f"{sub.name} ({sub.id})" if bearers[sub.name] > 1 else sub.name or sub.id)
        for sub in subscriptions
    }


def _judge(assessment: Assessment) -> tuple[Judged, ...]:
    names = _subscription_names(assessment)
    verdicts: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in reversed(assessment.verdicts):
        verdicts[verdict.resource_id.lower()].append(verdict)
    spelling: dict[str, str] = {}
    for found in sorted({resource.type for resource in assessment.inventory.resources}, reverse=True):
        # Reversed, so that of several spellings the first in order stays: "Microsoft" before "microsoft".
        spelling[found.lower()] = found
    judged = [
        Judged(
            resource=resource,
            verdict=rest.pop() if (rest := verdicts[resource.id.lower()]) else None,
            type=spelling[resource.type.lower()],
            family=family_of(resource.type),
            subscription=names.get(resource.subscription_id.lower(), clean(resource.subscription_id)),
        )
        for resource in assessment.inventory.resources
    ]
    return tuple(sorted(judged, key=lambda j: (j.family, j.type.lower(), j.resource.name.lower(), j.resource.id)))


def without_verdict(assessment: Assessment) -> tuple[list[str], list[str]]:
    """Ids of resources that have no verdict, and of verdicts whose resource was not seen; both empty when in = out."""
    seen = Counter(resource.id.lower() for resource in assessment.inventory.resources)
    judged = Counter(verdict.resource_id.lower() for verdict in assessment.verdicts)
    return sorted((seen - judged).elements()), sorted((judged - seen).elements())


def standing_shards(
    shards: Iterable[ShardRecord], runs: Sequence[RunRecord], plan: Plan | None
) -> dict[str, ShardRecord]:
    """Shard id -> the newest record of a copying run in which the shard was done or failed.

    These are the records whose manifests say what stands at the target now. Shards that the plan no longer has are
    left out, unless they belong to the newest run. A run that looked at a part of a shard's names only (its filters cut
    the listing) does not stand for the whole shard.

    Args:
        shards: records of any runs.
        runs: the runs that these records belong to.
    """
    order = {run.id: n for n, run in enumerate(sorted(runs, key=lambda run: (run.started, run.id)))}
    copying = {run.id for run in runs if run.kind in COPYING}
    newest = max(copying, key=lambda run_id: order[run_id], default="")
    planned = {step.id: (step.begin, step.end) for step in plan.shards} if plan else None
    standing: dict[str, ShardRecord] = {}
    for record in sorted(shards, key=lambda record: order.get(record.run_id, -1)):
        known = planned is None or record.shard.id in planned or record.run_id == newest
        settled = record.state in (ShardState.DONE, ShardState.FAILED)
        if known and settled and record.run_id in copying and not _is_part(record, standing, planned or {}):
            standing[record.shard.id] = record
    return standing


def _is_part(
    record: ShardRecord, standing: Mapping[str, ShardRecord], planned: Mapping[str, tuple[str, str | None]]
) -> bool:
    """Whether `record` covers a part of its planned range, and another one stands for the whole."""
    shard, before = record.shard, standing.get(record.shard.id)
    whole = planned.get(shard.id)
    return before is not None and (before.shard.begin, before.shard.end) == whole != (shard.begin, shard.end)


def _books(
    assessment: Assessment, plan: Plan | None, runs: Sequence[RunRecord], shards: Sequence[ShardRecord]
) -> tuple[AccountBook, ...]:
    copies = [run for run in runs if run.kind in COPYING]
    if not copies:
        return ()
    if not shards:
        return (_book_of_run(copies[-1]),)
    standing = standing_shards(shards, runs, plan)
    known = {step.id: step for step in (plan.steps if plan else ()) if isinstance(step, CopyShard)}
    known |= {r.shard.id: r.shard for r in shards if plan is None or r.run_id == copies[-1].id}
    surveyed: Counter[str] = Counter()
    for survey in assessment.inventory.containers:
        surveyed[survey.account] += survey.objects
    by_account: defaultdict[str, list[CopyShard]] = defaultdict(list)
    for shard in known.values():
        by_account[shard.source_account].append(shard)
    return tuple(_book(account, by_account[account], standing, surveyed.get(account)) for account in sorted(by_account))


def _book(account: str, shards: list[CopyShard], standing: dict[str, ShardRecord], surveyed: int | None) -> AccountBook:
    records = [standing[shard.id] for shard in shards if shard.id in standing]
    return AccountBook(
        account=account,
        target=shards[0].target_account,
        surveyed=surveyed,
        shards=len(shards),
        done=sum(record.state is ShardState.DONE for record in records),
        failed=sum(record.state is ShardState.FAILED for record in records),
        tally=sum((record.tally for record in records), Tally()),
    )


def _book_of_run(run: RunRecord) -> AccountBook:
    """One book for all accounts, where only the run's own tally is known."""
    done = int(run.finished is not None)
    return AccountBook("all accounts", "", None, 1, done, 0, run.tally)
