"""Flow `migrate`: plan -> provision -> copy -> verify -> report."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prefect import flow

from flows.closing import counts
from flows.observe import Outcome, RunBook, Unfinished, recorded, shown
from flows.program_gate import require_program, require_regions
from flows.reporting import gather
from flows.wiring import Bench, now, require_apply
from flows.worker import drain
from mappings.errors import ExitCode, FixTheInput, ObjectGone, TryLater
from mappings.plan import CopyShard, CreateContainer, CreateResourceGroup, CreateStorageAccount, Plan
from mappings.plan_names import require_names
from mappings.runs import RunKind
from mappings.states import ProofLevel, RunState, ShardState, StepState
from tasks.copiers.engine import CopyRules
from tasks.copiers.pace import paces_of
from tasks.copiers.routes import RouteBook
from tasks.manifests import changes_in
from tasks.progress import Progress
from tasks.proof import ProofWork, Proved
from tasks.provision import provision, provision_container
from tasks.publish import publish, report
from tasks.rolewait import RoleWait
from tasks.shardwork import ShardWork
from tasks.targets import prove_target
from tasks.transfer import probe
from tasks.verify import verify

log = logging.getLogger("govlift")


@flow(name="migrate", flow_run_name="migrate {config}", persist_result=False)
async def migrate(config: str = "migration.toml", plan: str = "", apply: bool = False) -> Outcome:
    """Carry out a plan: what it says is provisioned, copied, verified and reported. Resumable at any point.

    Args:
        config: path of migration.toml.
        plan: id of the plan, or its beginning; "" takes the newest one.
        apply: without it nothing is written and the flow refuses.

    Raises:
        AskForApproval: a gate of the CSP program, or a name that tells too much, is in the way; nothing was written
            to the target.
        GovliftError: the run could not go on; the ledger holds what was done.
    """
    require_apply(apply, "migrate")
    async with Bench(Path(config)) as bench:
        chosen = chosen_plan(bench, plan)
        require_program(bench, RunKind.MIGRATE)
        require_regions(bench, chosen, RunKind.MIGRATE.value)
        require_names(chosen, bench.settings.assess.name_allow)
        return await run_plan(bench, chosen, RunKind.MIGRATE)


def chosen_plan(bench: Bench, wanted: str) -> Plan:
    """The plan called `wanted`, or the newest.

    Raises:
        FixTheInput: there is none.
    """
    found = bench.ledger.reader.plan(wanted) if wanted else bench.ledger.reader.latest_plan()
    if found is None:
        raise FixTheInput(
            f'There is no plan "{wanted}".' if wanted else "There is no plan yet.",
            next_step="Run `govlift plan` and take the id that it prints.",
        )
    return found


async def run_plan(bench: Bench, plan: Plan, kind: RunKind) -> Outcome:
    """Everything after the decision what to do, for a first copy and for a re-sync alike.

    Raises:
        Unfinished: it went to its end, and objects failed, shards are not done, or the target is not what was copied.
    """
    shards = [step for step in plan.steps if isinstance(step, CopyShard)]
    alone(bench)
    stopped = bench.ledger.writer.resume_run(plan.id, kind, now=now())
    async with recorded(bench, kind, plan_id=plan.id, run_id=stopped) as book:
        bench.source_session.prove()
        bench.target_session.prove()
        prove_target(bench.target_session, bench.target_arm(), bench.settings, accounts=made_before(bench, plan))
        await provision_all(bench, plan)
        bench.ledger.writer.open_shards(book.run_id, shards, now=now())
        routes = await copy_all(bench, book, shards, kind)
        proved = await verify_all(bench, book)
        settle(bench, book, proved)
    summary = summary_of(book, bench) | {"plan": plan.id, "route_changes": routes}
    await tell(bench, kind, summary)
    outcome = Outcome(book.run_id, book.exit_code, summary)
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


async def provision_all(bench: Bench, plan: Plan) -> None:
    """Carry out the provisioning steps that are not done yet, in the plan's order."""
    writer, states = bench.ledger.writer, bench.ledger.reader.steps(plan.id)
    arm, roles = bench.target_arm(), role_wait(bench)
    for step in plan.steps:
        if isinstance(step, CopyShard) or states.get(step.id) is StepState.DONE:
            continue
        writer.move_step(plan.id, step.id, StepState.RUNNING, now=now())
        try:
            match step:
                case CreateResourceGroup() | CreateStorageAccount():
                    done = provision(step.id, step, arm)
                case CreateContainer():
                    sides = bench.source_blobs(step.source_account), bench.target_blobs(step.account)
                    work = partial(provision_container, step.id, step, *sides)
                    done = await roles.ready([step.source_account, step.account], work)
        except ObjectGone as wrong:
            # Its shards will fail by name; the other containers do not wait for somebody to look.
            writer.move_step(plan.id, step.id, StepState.FAILED, detail=wrong.sentence, now=now())
            log.warning("provision: %s", wrong.sentence)
            continue
        except BaseException as wrong:
            writer.move_step(plan.id, step.id, StepState.FAILED, detail=type(wrong).__name__, now=now())
            raise
        writer.move_step(plan.id, step.id, StepState.DONE, detail=done, now=now())
        log.info("provision: %s", done)


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


async def copy_all(bench: Bench, book: RunBook, shards: list[CopyShard], kind: RunKind) -> list[str]:
    """Copy every open shard of the run; returns how routes were chosen and changed, for a reader."""
    # How many bytes a re-sync will move is not known before it has looked.
    size = sum(shard.bytes for shard in shards) if kind is RunKind.MIGRATE else 0
    progress = Progress(total_objects=sum(shard.objects for shard in shards), total_bytes=size)
    routes = RouteBook(bench.settings.copy_.route)
    work = ShardWork(
        folder=bench.folder,
        reader=bench.ledger.reader,
        writer=bench.ledger.writer,
        rules=CopyRules.from_settings(bench.settings.copy_),
        routes=routes,
        progress=progress,
        clock=now,
        tool_version=version("govlift"),
        paces=paces_of(bench.settings.copy_),
    )
    await probe_all(bench, shards, routes)
    async with shown("copy", progress):
        await drain(bench, book.run_id, work)
    told = [f"{e.source_account} -> {e.target_account}: {e.route} {e.name}: {e.reason}" for e in routes.events]
    bench.ledger.writer.record("routes", {"run": book.run_id, "events": told[:1000]}, now=now())
    book.tally = bench.ledger.reader.tally(book.run_id)
    return told


async def probe_all(bench: Bench, shards: list[CopyShard], routes: RouteBook) -> None:
    """Probe every pair of accounts that the shards name, unless the settings have chosen the route."""
    if routes.mode == "stream":
        return
    # The largest container of a pair is the likeliest to hold an object that shows something.
    for shard in sorted(shards, key=lambda shard: -shard.bytes):
        source, target = shard.source_account, shard.target_account
        if not routes.knows(source, target) and shard.objects:
            pair = f"{source}-{target}"
            told = await probe(pair, shard.container, routes, bench.source_blobs(source), bench.target_blobs(target))
            log.info("route: %s", told)


async def verify_all(bench: Bench, book: RunBook) -> Proved:
    """Compare the target's own listing with every manifest of the run (L0), object by object."""
    total = Proved()
    records = [record for record in bench.ledger.reader.shards(book.run_id) if record.manifest]
    progress = Progress(total_objects=sum(record.tally.listed for record in records))
    work = ProofWork(folder=bench.folder, level=ProofLevel.L0, share=1.0, seed=book.run_id, progress=progress)
    async with shown("verify", progress):
        for record in records:
            shard = record.shard
            source, target = bench.source_blobs(shard.source_account), bench.target_blobs(shard.target_account)
            total += await verify(shard.id, record, work, source, target)
    return total


def settle(bench: Bench, book: RunBook, proved: Proved) -> None:
    """Decide how the run ends. It is done only where in = out is proved and every shard is."""
    records = bench.ledger.reader.shards(book.run_id)
    open_shards = [record for record in records if record.state is not ShardState.DONE]
    if proved.mismatches:
        book.state, book.exit_code = RunState.FAILED, ExitCode.MISMATCH
        book.detail = f"{len(proved.mismatches)} objects at the target are not what was copied."
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
            changes.update(changes_in(bench.folder / record.manifest))
    told = {"run": book.run_id, "state": book.state.value, "detail": book.detail, "changes": dict(changes)}
    return told | counts(book.tally, seconds)


async def tell(bench: Bench, kind: RunKind, summary: dict[str, Any]) -> None:
    """Write the report and the artifacts of a finished run."""
    await report(gather(bench), bench.folder)
    objects = summary["objects"]
    await publish(
        f"{kind.value}-{bench.settings.name}",
        f"{kind.value} of {bench.settings.customer or bench.settings.name}",
        [summary["detail"], *(f"{name}: {n:,}" for name, n in objects.items())],
        [{"what": name, "objects": n} for name, n in objects.items()],
    )
