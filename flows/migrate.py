"""Flow `migrate`: plan -> provision -> copy -> verify -> report."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.choosing import require_filters
from flows.observe import Outcome
from flows.program_gate import require_program, require_regions
from flows.running import Stages, run_plan
from flows.wiring import Bench, require_apply
from flows.worker import copy
from mappings.errors import FixTheInput
from mappings.plan import Plan
from mappings.plan_names import require_names
from mappings.runs import RunKind
from tasks.provision import provision, provision_container
from tasks.publish import publish, report
from tasks.transfer import probe
from tasks.verify import verify

SHOWN = Stages(
    provision=provision,
    provision_container=provision_container,
    probe=probe,
    copy=copy,
    verify=verify,
    report=report,
    publish=publish,
)
"""The stages as tasks that Prefect shows."""


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
        require_filters(bench, chosen)
        require_program(bench, RunKind.MIGRATE)
        require_regions(bench, chosen, RunKind.MIGRATE.value)
        require_names(chosen, bench.settings.assess.name_allow)
        return await run_plan(bench, chosen, RunKind.MIGRATE, SHOWN)


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
