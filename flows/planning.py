"""`govlift plan` and the dry run of `govlift migrate`: decided from the ledger alone, without Prefect or network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.choosing import narrowed_by, option_filters, require_filters, retry_plan, settings_filters
from flows.expecting import expectation
from flows.program_gate import require_program, require_regions
from flows.settling import archived, keep_replayed, known_details
from flows.wiring import Bench, now
from mappings.errors import FixTheInput
from mappings.expected import expectation_lines, expectation_to_json
from mappings.plan import Plan
from mappings.planning import explain, make_plan, plan_to_json
from mappings.runs import RunKind
from tasks.scanning import name_guard

if TYPE_CHECKING:
    from tasks.ledger import LedgerReader


def make(config: Path, chosen: Mapping[str, Any] | None = None) -> tuple[Plan, list[str], Any]:
    """Make the plan from the newest assessment, save it, and explain it.

    Args:
        config: path of migration.toml.
        chosen: the filter options that were given; they stay in the plan.

    Raises:
        FixTheInput: nothing has been assessed yet, or a filter is wrong.
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
    plan = narrowed_by(bench, plan, settings_filters(bench))
    plan = narrowed_by(bench, plan, option_filters(bench, chosen or {}))
    require_regions(bench, plan, "plan")
    bench.ledger.writer.save_plan(plan, now=now())
    keep_replayed(bench, plan)
    return plan, *told(bench, plan)


def told(bench: Bench, plan: Plan) -> tuple[list[str], Any]:
    """A plan and what carrying it out is expected to take, as lines and as JSON."""
    expected = expectation(bench, plan)
    as_json = {"id": plan.id} | json.loads(plan_to_json(plan)) | {"expected": expectation_to_json(expected)}
    return [*explain(plan), *archived(bench, plan), *expectation_lines(expected)], as_json


def names_of(reader: LedgerReader) -> dict[str, str]:
    """Source account -> free target name, as the newest assessment found them."""
    found: dict[str, str] = {}
    for event in reader.events("names"):
        found = dict(event.detail)
    return found


def show(config: Path, wanted: str, chosen: Mapping[str, Any], *, retry_failed: bool = False) -> tuple[list[str], Any]:
    """A plan that exists, or the part of it that options name, as lines and as JSON. Nothing is saved."""
    bench = Bench(config)
    plan = narrowed_plan(bench, wanted, chosen, retry_failed=retry_failed)
    if plan is None:
        return ["Nothing failed in the last run."], {"detail": "Nothing failed in the last run."}
    return told(bench, plan)


def narrowed_plan(bench: Bench, wanted: str, chosen: Mapping[str, Any], *, retry_failed: bool = False) -> Plan | None:
    """The plan called `wanted` as options narrow it, for one run; None where nothing is to be retried.

    Raises:
        FixTheInput: there is no such plan, or a filter is wrong.
    """
    if retry_failed:
        return retry_plan(bench)
    plan = chosen_plan(bench, wanted)
    require_filters(bench, plan)
    return narrowed_by(bench, plan, option_filters(bench, chosen), for_one_run=True)


def narrowed_id(config: Path, wanted: str, chosen: Mapping[str, Any], *, retry_failed: bool = False) -> str:
    """As `narrowed_plan`, saved; its id, "" where nothing is to be retried."""
    bench = Bench(config)
    plan = narrowed_plan(bench, wanted, chosen, retry_failed=retry_failed)
    if plan is None:
        return ""
    bench.ledger.writer.save_plan(plan, now=now())
    return plan.id


def require_program_for(config: Path, wanted: str, kind: RunKind) -> None:
    """Refuse before Prefect starts what the flow would refuse: no such plan, or a gate of the CSP program in the way.

    Raises:
        FixTheInput: there is no such plan, or the program sheet is wrong.
        AskForApproval: the CSP program does not allow the run.
    """
    bench = Bench(config)
    plan = chosen_plan(bench, wanted)
    require_filters(bench, plan)
    require_program(bench, kind, record=False)
    require_regions(bench, plan, kind.value)


def chosen_plan(bench: Bench, wanted: str) -> Plan:
    """The plan called `wanted`, or the newest.

    Raises:
        FixTheInput: there is none.
    """
    reader = bench.ledger.reader
    found = reader.plan(wanted) if wanted else reader.latest_plan()
    if found is None:
        raise FixTheInput(
            f'There is no plan "{wanted}".' if wanted else "There is no plan yet.",
            next_step="Run `govlift plan` and take the id that it prints.",
        )
    return found
