"""Flow `resync`: only what changed since the last manifests travels; deletes are reported and not carried out."""

from __future__ import annotations

import logging
from pathlib import Path

from prefect import flow

from flows.choosing import require_filters
from flows.migrate import SHOWN, chosen_plan
from flows.observe import Outcome
from flows.program_gate import require_program, require_regions
from flows.running import run_plan
from flows.wiring import Bench, now, require_apply
from mappings.model import ContainerSurvey
from mappings.narrowing import settled_containers
from mappings.plan import Plan
from mappings.plan_names import require_names
from mappings.planning import extend_plan
from mappings.runs import RunKind
from tasks.inventory import survey
from tasks.loglines import told
from tasks.scanning import name_guard

log = logging.getLogger("govlift")


@flow(name="resync", flow_run_name="resync {config}", persist_result=False)
async def resync(config: str = "migration.toml", apply: bool = False, plan: str = "") -> Outcome:
    """Bring the target up to date with the source.

    Args:
        config: path of migration.toml.
        apply: without it nothing is written and the flow refuses.
        plan: id of the plan, or its beginning; "" takes the newest one.

    Raises:
        AskForApproval: the CSP program does not allow it; nothing was written to the target.
        GovliftError: the run could not go on; the ledger holds what was done.
    """
    require_apply(apply, "resync")
    async with Bench(Path(config)) as bench:
        require_program(bench, RunKind.RESYNC)
        chosen = chosen_plan(bench, plan)
        require_filters(bench, chosen)
        require_regions(bench, chosen, RunKind.RESYNC.value)
        # A part of a plan, for this run only, does not grow.
        wider = chosen if chosen.narrows else await grown(bench, chosen)
        require_names(wider, bench.settings.assess.name_allow)
        return await run_plan(bench, wider, RunKind.RESYNC, SHOWN)


async def grown(bench: Bench, plan: Plan) -> Plan:
    """The plan with containers that have appeared in its source accounts since; the same plan where there are none."""
    known = settled_containers(plan)
    found: list[ContainerSurvey] = []
    for account in sorted({account for account, _ in known}):
        source = bench.source_blobs(account)
        names = {name async for name in source.containers()}
        if new := {name for name in names if (account, name) not in known}:
            surveyed, _ = await survey(account, source, bench.settings.copy_.shard_objects)
            found.extend(one for one in surveyed if one.container in new)
    wider = extend_plan(plan, found, bench.settings, now=now(), guard=name_guard(bench.settings)) if found else plan
    if wider.id != plan.id:
        log.info(
            "plan %s extends %s by %s new containers",
            *(wider.id, plan.id, len(found)),
            extra=told("plan.extended", plan=wider.id, counts={"containers": len(found)}),
        )
        bench.ledger.writer.save_plan(wider, now=now())
    return wider
