"""What a first copy and a re-sync do alike once it is decided what to do: provision, copy, verify, settle. No Prefect.

The flows hand in their stages as tasks that Prefect shows; a test hands in the plain functions below them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.closing import counts
from flows.crew import StandBy, crew_size
from flows.draining import tell_routes
from flows.failing import aftermath
from flows.lookout import Lookout
from flows.observe import Outcome, RunBook, Unfinished, reached, recorded, shown, shown_in_prefect
from flows.reporting import gather
from flows.routes import fell_back, routes_told
from flows.settling import finish_all, set_up
from flows.wiring import Bench, now
from mappings.errors import ExitCode, GovliftError, ObjectGone, TryLater
from mappings.plan import (
    AFTER_COPY,
    CopyShard,
    CreateContainer,
    CreateResourceGroup,
    CreateStorageAccount,
    Plan,
    SetAccount,
)
from mappings.runs import RunKind
from mappings.states import ProofLevel, RunState, ShardState, StepState
from tasks.carry import PrintStore
from tasks.copiers.pace import paces_of
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.evidence_folder import mark_folder
from tasks.ledger.owners import own_name
from tasks.loglines import told
from tasks.manifests import changes_in
from tasks.progress import Progress
from tasks.proof import Printing, ProofWork, Proved, prove_all
from tasks.rolewait import RoleWait
from tasks.selection import Selection
from tasks.targets import prove_target

if TYPE_CHECKING:
    from mappings.readiness import Report
    from mappings.runs import ShardRecord
    from tasks.clients.arm import TargetArm
    from tasks.copiers.base import SourceBlobs, TargetBlobs

log = logging.getLogger("govlift")

LIFE_SECONDS = 5.0
"""Between two signs of life of a run."""


@dataclass(frozen=True)
class Stages:
    """The stages of a run, each as somebody wants to have it shown."""

    provision: Callable[[str, CreateResourceGroup | CreateStorageAccount, TargetArm], str]
    provision_container: Callable[[str, CreateContainer, SourceBlobs, TargetBlobs], Awaitable[str]]
    probe: Callable[[str, str, RouteBook, SourceBlobs, TargetBlobs], Awaitable[str]]
    copy: Callable[[str, Bench, int, Progress], Awaitable[None]]
    verify: Callable[[str, ShardRecord, ProofWork, SourceBlobs, TargetBlobs], Awaitable[Proved]]
    report: Callable[[Report, Path], Awaitable[Any]]
    publish: Callable[[str, str, list[str], list[dict[str, Any]]], Awaitable[None]]


async def run_plan(bench: Bench, plan: Plan, kind: RunKind, stages: Stages) -> Outcome:
    """Everything after the decision what to do, for a first copy and for a re-sync alike.

    Raises:
        Unfinished: it went to its end, and objects failed, shards are not done, or the target is not what was copied.
    """
    shards = [step for step in plan.steps if isinstance(step, CopyShard)]
    for shard in shards:
        # A key that is missing is told before anything is written.
        bench.sides_of(shard)
    alone(bench)
    stopped = bench.ledger.writer.resume_run(plan.id, kind, now=now())
    async with (
        recorded(bench, kind, plan_id=plan.id, run_id=stopped) as book,
        alive(bench, book.run_id),
        StandBy(bench, workers_for(bench, shards, kind), kind),
    ):
        bench.source_session.prove()
        bench.target_session.prove()
        prove_target(bench.target_session, bench.target_arm(), bench.settings, accounts=made_before(bench, plan))
        await provision_all(bench, plan, stages)
        bench.ledger.writer.open_shards(book.run_id, shards, now=now())
        await copy_all(bench, book, kind, stages)
        proved = await verify_all(bench, book, stages)
        settle(bench, book, proved)
        if book.exit_code is ExitCode.OK and (refused := finish_all(bench, plan)):
            book.state, book.exit_code = RunState.PARTIAL, ExitCode.PARTIAL_COPY
            book.detail += f" {len(refused)} settings were refused. First reason: {refused[0]}"
    summary = summary_of(book, bench) | {"plan": plan.id}
    await tell(bench, kind, summary, stages)
    outcome = reached(Outcome(book.run_id, book.exit_code, summary))
    if book.exit_code is not ExitCode.OK:
        raise Unfinished(outcome, book.detail)
    return outcome


def alone(bench: Bench) -> None:
    """One run at a time copies for a migration, whatever its kind.

    Raises:
        TryLater: another process is copying.
    """
    bench.ledger.writer.close_stale_runs(now())
    for run in bench.ledger.reader.runs():
        if run.kind in (RunKind.MIGRATE, RunKind.RESYNC) and run.state is RunState.RUNNING:
            raise TryLater(
                f"Run {run.id} is copying for this migration.", next_step="Wait until it ends, or stop that process."
            )


@asynccontextmanager
async def alive(bench: Bench, run_id: str) -> AsyncIterator[None]:
    """Give the run's sign of life while the block runs, for machines that cannot see this process."""

    async def live() -> None:
        while True:
            await asyncio.sleep(LIFE_SECONDS)
            with suppress(GovliftError):
                await asyncio.to_thread(bench.ledger.writer.run_seen, run_id, now=now())

    living = asyncio.create_task(live())
    try:
        yield
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def provision_all(bench: Bench, plan: Plan, stages: Stages) -> None:
    """Carry out the provisioning steps that are not done yet, in the plan's order."""
    writer, states = bench.ledger.writer, bench.ledger.reader.steps(plan.id)
    arm, roles = bench.target_arm(), role_wait(bench)
    for step in plan.steps:
        if isinstance(step, (CopyShard, *AFTER_COPY)) or states.get(step.id) is StepState.DONE:
            continue
        writer.move_step(plan.id, step.id, StepState.RUNNING, now=now())
        try:
            match step:
                case CreateResourceGroup() | CreateStorageAccount():
                    done = stages.provision(step.id, step, arm)
                case CreateContainer():
                    sides = bench.source_blobs(step.source_account), bench.target_blobs(step.account)
                    work = partial(stages.provision_container, step.id, step, *sides)
                    done = await roles.ready([step.source_account, step.account], work)
                case SetAccount():
                    done = await roles.ready([step.account], partial(set_up, bench, step))
                case _:
                    raise AssertionError(step.id)
        except ObjectGone as wrong:
            # Its shards will fail by name; the other containers do not wait for somebody to look.
            writer.move_step(plan.id, step.id, StepState.FAILED, detail=wrong.sentence, now=now())
            log.warning("provision: %s", wrong.sentence, extra=told("provision.failed"))
            continue
        except BaseException as wrong:
            writer.move_step(plan.id, step.id, StepState.FAILED, detail=type(wrong).__name__, now=now())
            raise
        writer.move_step(plan.id, step.id, StepState.DONE, detail=done, now=now())
        log.info("provision: %s", done, extra=told("provision.done"))


def role_wait(bench: Bench) -> RoleWait:
    """The patience with data roles that were just given; none with accounts that this migration has worked on."""
    worked = [str(event.detail["account"]) for event in bench.ledger.reader.events("access")]

    def learnt(account: str) -> None:
        bench.ledger.writer.record("access", {"account": account}, now=now())

    return RoleWait(60 * bench.settings.copy_.role_wait_minutes, worked, learnt)


def made_before(bench: Bench, plan: Plan) -> list[str]:
    """Target accounts that the plan's provisioning has made already."""
    states = bench.ledger.reader.steps(plan.id)
    accounts = [step for step in plan.steps if isinstance(step, CreateStorageAccount)]
    return [step.name for step in accounts if states.get(step.id) is StepState.DONE]


async def copy_all(bench: Bench, book: RunBook, kind: RunKind, stages: Stages) -> None:
    """Copy every open shard of the run."""
    records = bench.ledger.reader.shards(book.run_id)
    left = [record.shard for record in records if record.state is not ShardState.DONE]
    if left:
        objects, size = expected(left, kind)
        progress = Progress(total_objects=objects, total_bytes=size)
        mark_folder(bench.folder, bench.ledger.reader, bench.ledger.writer, now=now())
        await probe_all(bench, book.run_id, left, stages)
        workers = workers_for(bench, left, kind)
        async with shown("copy", progress, Lookout(bench, book.run_id).look):
            await stages.copy(book.run_id, bench, workers, progress)
    book.tally = bench.ledger.reader.tally(book.run_id)


def expected(shards: Sequence[CopyShard], kind: RunKind) -> tuple[int, int]:
    """Objects and bytes; how many bytes a re-sync will move is not known before it has looked, and 0."""
    size = sum(shard.bytes for shard in shards)
    return sum(shard.objects for shard in shards), size if kind is RunKind.MIGRATE else 0


def workers_for(bench: Bench, shards: Sequence[CopyShard], kind: RunKind) -> int:
    """Worker processes of this machine for so much."""
    objects, size = expected(shards, kind)
    return crew_size(bench.settings.copy_, shards=len(shards), objects=objects, size=size) if shards else 0


async def probe_all(bench: Bench, run_id: str, shards: list[CopyShard], stages: Stages) -> None:
    """Probe every pair of accounts that the shards name, once for all workers, unless the settings chose the route."""
    routes = RouteBook(bench.settings.copy_.route)
    if routes.mode == "stream":
        return
    # The largest container of a pair is the likeliest to hold an object that shows something.
    for shard in sorted(shards, key=lambda shard: -shard.bytes):
        source, target = shard.source_account, shard.target_account
        if not routes.knows(source, target) and shard.objects:
            sides = bench.source_blobs(source), bench.target_blobs(target)
            found = await stages.probe(f"{source}-{target}", shard.container, routes, *sides)
            log.info("route: %s", found, extra=told("route.chosen", account=source))
    tell_routes(bench, run_id, own_name("leader"), routes)


async def verify_all(bench: Bench, book: RunBook, stages: Stages) -> Proved:
    """Compare the target's own listing with every manifest of the run (L0), object by object.

    Shards that were carried over were compared with both listings in this very run, byte for byte.
    """
    reader, writer = bench.ledger.reader, bench.ledger.writer
    records = [record for record in reader.shards(book.run_id) if record.manifest and not record.carried]
    progress = Progress(total_objects=sum(record.tally.listed for record in records))
    printing = Printing(
        PrintStore(bench.folder, reader),
        Selection(bench.folder, reader),
        CopyRules.from_settings(bench.settings.copy_),
        writer,
        now,
    )
    work = ProofWork(
        folder=bench.folder,
        level=ProofLevel.L0,
        share=1.0,
        seed=book.run_id,
        progress=progress,
        printing=printing,
        paces=paces_of(bench.settings.copy_),
    )

    async def verify(record: ShardRecord) -> Proved:
        shard = record.shard
        source, target = bench.sides_of(shard)
        return await stages.verify(shard.id, record, work, source, target)

    with closing(work.paces):
        async with shown("verify", progress):
            return await prove_all(records, verify)


def settle(bench: Bench, book: RunBook, proved: Proved) -> None:
    """Decide how the run ends. It is done only where in = out is proved and every shard is."""
    records = bench.ledger.reader.shards(book.run_id)
    open_shards = [record for record in records if record.state is not ShardState.DONE]
    if proved.mismatches:
        book.state, book.exit_code = RunState.FAILED, ExitCode.MISMATCH
        book.detail = f"{proved.mismatched} objects at the target are not what was copied."
    elif book.tally.failed or open_shards or not book.tally.whole:
        book.state, book.exit_code = RunState.PARTIAL, ExitCode.PARTIAL_COPY
        book.detail = f"{book.tally.failed} objects failed, {len(open_shards)} shards are not done."
        if open_shards and open_shards[0].reason:
            book.detail += f" First reason: {open_shards[0].reason}"
    else:
        book.detail = f"{book.tally.listed} objects listed, each accounted for."


def summary_of(book: RunBook, bench: Bench) -> dict[str, Any]:
    """The closing object of `migrate` and `resync` with --json."""
    run = bench.ledger.reader.run(book.run_id)
    seconds = ((run.finished or now()) - run.started).total_seconds()
    changes: Counter[str] = Counter()
    for record in bench.ledger.reader.shards(book.run_id):
        if record.manifest:
            changes.update(changes_in(bench.folder / record.manifest, carried=record.carried))
    summary = {"run": book.run_id, "state": book.state.value, "detail": book.detail, "changes": dict(changes)}
    reader = bench.ledger.reader
    routes = {"route_changes": routes_told(reader, book.run_id), "fell_back": fell_back(reader, book.run_id)}
    return summary | counts(book.tally, seconds) | routes | aftermath(bench, book.run_id)


async def tell(bench: Bench, kind: RunKind, summary: dict[str, Any], stages: Stages) -> None:
    """Write the report and the artifacts of a finished run."""
    await stages.report(gather(bench), bench.folder)
    objects = summary["objects"]
    await shown_in_prefect(
        stages.publish(
            f"{kind.value}-{bench.settings.name}",
            f"{kind.value} of {bench.settings.customer or bench.settings.name}",
            [summary["detail"], *(f"{name}: {n:,}" for name, n in objects.items())],
            [{"what": name, "objects": n} for name, n in objects.items()],
        )
    )
