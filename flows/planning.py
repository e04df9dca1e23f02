"""`govlift plan` and the dry run of `govlift migrate`: decided from the ledger alone, without Prefect or network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.program_gate import require_program, require_regions
from flows.settling import keep_replayed, known_details
from flows.wiring import Bench, now
from mappings.errors import FixTheInput
from mappings.plan import Plan
from mappings.planning import explain, make_plan, plan_to_json
from mappings.runs import RunKind
from tasks.scanning import name_guard

if TYPE_CHECKING:
    from tasks.ledger import LedgerReader


def make(config: Path) -> tuple[Plan, list[str], Any]:
    """Make the plan from the newest assessment, save it, and explain it.

    Raises:
        FixTheInput: nothing has been assessed yet.
        AskForApproval: a target region is reserved for other customers; no plan is saved.
    """
    bench = Bench(config)
    reader = bench.ledger.reader
    assessment = reader.assessment()
    if assessment is None:
        raise FixTheInput("There is no assessment to plan from.", next_step="Run `govlift assess` first.")
    if not assessment.inventory.containers:
        raise FixTheInput(
            "The newest assessment did not count any container.",
            next_step="Run `govlift assess`, check its gaps, then plan again.",
        )
    names = names_of(reader) | bench.settings.target.account_names
    details = known_details(bench)
    plan = make_plan(assessment, bench.settings, names, now=now(), guard=name_guard(bench.settings), details=details)
    require_regions(bench, plan, "plan")
    bench.ledger.writer.save_plan(plan, now=now())
    keep_replayed(bench, plan)
    return plan, explain(plan), {"id": plan.id} | json.loads(plan_to_json(plan))


def names_of(reader: LedgerReader) -> dict[str, str]:
    """Source account -> free target name, as the newest assessment found them."""
    found: dict[str, str] = {}
    for event in reader.events("names"):
        found = dict(event.detail)
    return found


def show(config: Path, wanted: str) -> list[str]:
    """The lines of a plan that exists."""
    return explain(require_plan(config, wanted))


def require_program_for(config: Path, wanted: str, kind: RunKind) -> None:
    """Refuse before Prefect starts what the flow would refuse: no such plan, or a gate of the CSP program in the way.

    Raises:
        FixTheInput: there is no such plan, or the program sheet is wrong.
        AskForApproval: the CSP program does not allow the run.
    """
    plan, bench = require_plan(config, wanted), Bench(config)
    require_program(bench, kind, record=False)
    require_regions(bench, plan, kind.value)


def require_plan(config: Path, wanted: str) -> Plan:
    """The plan called `wanted`, or the newest.

    Raises:
        FixTheInput: there is none.
    """
    reader = Bench(config).ledger.reader
    found = reader.plan(wanted) if wanted else reader.latest_plan()
    if found is None:
        raise FixTheInput(
            f'There is no plan "{wanted}".' if wanted else "There is no plan yet.",
            next_step="Run `govlift plan` and take the id that it prints.",
        )
    return found
