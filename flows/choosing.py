"""What a command narrows a plan by: the filters of migration.toml, its own options, or what failed in the last run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from flows.reporting import last_copy
from flows.wiring import Bench, now
from mappings.errors import FixTheInput
from mappings.filters import OPTIONS, SETTINGS, Filters, parse_filters
from mappings.narrowing import narrowed, only_shards
from mappings.plan import Plan
from mappings.runs import ShardRecord
from mappings.states import ShardState
from tasks.objectlist import take_list
from tasks.selection import list_extent


def settings_filters(bench: Bench) -> Filters:
    """Those of `[copy.filter]`, with the list that it names, read.

    Raises:
        FixTheInput: the list cannot be read.
    """
    stated = bench.settings.copy_.filter
    if not stated.from_list:
        return stated.as_filters()
    return stated.as_filters(take_list(bench.folder, bench.folder / stated.from_list, stated.list_column))


def option_filters(bench: Bench, chosen: Mapping[str, Any]) -> Filters:
    """Those of a command's options.

    Args:
        chosen: by field of `Filters`, with `from_list` (a path) and `list_column`; only what was given.

    Raises:
        FixTheInput: one is written wrongly, or the list cannot be read.
    """
    file, column = chosen.get("from_list"), str(chosen.get("list_column") or "")
    if column and not file:
        raise FixTheInput("--list-column goes with --from-list only.", next_step="Name the list with --from-list.")
    listed = take_list(bench.folder, Path(file), column) if file else None
    return parse_filters(chosen, origin=OPTIONS, listed=listed)


def narrowed_by(bench: Bench, plan: Plan, filters: Filters, *, for_one_run: bool = False) -> Plan:
    """The plan with one more set of filters; see `mappings.narrowing.narrowed`.

    Raises:
        FixTheInput: nothing is left to copy.
    """
    made = narrowed(plan, filters, now=now(), extent=partial(list_extent, bench.folder), for_one_run=for_one_run)
    if made.id != plan.id and plan.shards and not made.shards:
        raise FixTheInput(
            f"The filters leave nothing of plan {plan.id} to copy: {'; '.join(filters.stated())}.",
            next_step="Correct the filters; `govlift plan` says which accounts and containers there are.",
        )
    return made


def require_filters(bench: Bench, plan: Plan) -> None:
    """Refuse where `[copy.filter]` is no longer what the plan was made with: somebody may count on either.

    Raises:
        FixTheInput: they differ.
    """
    frozen = next((filters for filters in plan.filters if filters.origin == SETTINGS), Filters(SETTINGS))
    if settings_filters(bench) != frozen:
        raise FixTheInput(
            f"[copy.filter] in migration.toml, or the list that it names, changed since plan {plan.id} was made.",
            next_step="Make a new plan with `govlift plan`, or put the filters back as they were.",
        )


def failed_of_last_run(bench: Bench) -> tuple[str, list[ShardRecord]]:
    """Id of the newest run that copied, "" where none did, and its shards that failed."""
    last = last_copy(bench.ledger.reader.runs())
    if last is None:
        return "", []
    return last.id, [one for one in bench.ledger.reader.shards(last.id) if one.state is ShardState.FAILED]


def retry_plan(bench: Bench) -> Plan | None:
    """The part of its plan that failed in the newest run that copied; None where nothing failed.

    It is whole shards that are taken: over each of them the march sees every object again, so in = out holds over the
    shard, what is unchanged keeps its evidence, and only what failed, is new or changed travels.

    Raises:
        FixTheInput: nothing was copied yet.
    """
    run_id, failed = failed_of_last_run(bench)
    if not run_id:
        raise FixTheInput("No run has copied yet.", next_step="Run `govlift migrate --apply` first.")
    if not failed:
        return None
    plan = bench.ledger.reader.plan(bench.ledger.reader.run(run_id).plan_id)
    return only_shards(plan, {one.shard.id for one in failed}, f"the shards that failed in run {run_id}", now=now())
