"""A plan cut down: by filters, or to single shards. What is cut away is named in the plan, and is not even listed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from mappings.filter_ranges import hull
from mappings.filter_tests import place_left_out
from mappings.filters import Filters, NameList
from mappings.plan import (
    AFTER_COPY,
    CopyShard,
    CreateContainer,
    CreateResourceGroup,
    CreateStorageAccount,
    LeftOut,
    Plan,
    Step,
)
from mappings.plan_text import sealed

CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
NAMES = "range of names"
"""`LeftOut.type` of a part of a container that is not listed."""

Extent = Callable[[NameList, str, str, str, str | None], tuple[str, str] | None]
"""First and last name that a list has in a range: (list, account, container, begin, end); container "" is any."""


def narrowed(
    plan: Plan,
    filters: Filters,
    *,
    now: datetime,
    extent: Extent | None = None,
    for_one_run: bool = False,
) -> Plan:
    """The plan with one more set of filters; the same plan where that set is empty or is in it already.

    Args:
        plan: a plan, with or without filters.
        filters: what to narrow by.
        now: when this plan is made, with a zone; not part of its hash.
        extent: asks the list of the filters; without it a list narrows objects only.
        for_one_run: the plan that comes out is a part of `plan` and never the newest one by itself.
    """
    if not filters or filters in plan.filters:
        return plan
    accounts = {step.source_account: step for step in plan.steps if isinstance(step, CreateStorageAccount)}
    kept, left = cut_steps(plan.steps, filters, accounts, extent)
    if for_one_run:
        # What comes after everything was copied and verified is for the plan itself.
        kept = [step for step in kept if not isinstance(step, AFTER_COPY)]
    return sealed(
        kept,
        sorted({*plan.left_out, *left}, key=lambda item: (item.resource_id, item.type, item.why)),
        plan.cannot_keep,
        created_at=now,
        names=[name for name in plan.names if _is_made(kept, name.what, name.name)],
        filters=(*plan.filters, filters),
        narrows=plan.narrows or (plan.id if for_one_run else ""),
        narrowed_to="; ".join(filters.stated()) if for_one_run else plan.narrowed_to,
    )


def only_shards(plan: Plan, ids: Collection[str], why: str, *, now: datetime) -> Plan:
    """The part of the plan that copies these shards, for one run; accounts and containers that they need stay in it.

    What comes after everything was copied and verified is for the plan itself.

    Args:
        plan: whose shards they are.
        ids: ids of its shards.
        why: what they are, for a reader.
        now: when this plan is made, with a zone.
    """
    containers = {(shard.source_account, shard.container) for shard in plan.shards if shard.id in ids}
    steps = [
        step
        for step in plan.steps
        if not isinstance(step, AFTER_COPY)
        and (not isinstance(step, CopyShard) or step.id in ids)
        and (not isinstance(step, CreateContainer) or (step.source_account, step.name) in containers)
    ]
    return sealed(
        steps,
        plan.left_out,
        plan.cannot_keep,
        created_at=now,
        names=[name for name in plan.names if _is_made(steps, name.what, name.name)],
        filters=plan.filters,
        narrows=plan.narrows or plan.id,
        narrowed_to=why,
    )


def cut_steps(
    steps: Iterable[Step], filters: Filters, accounts: dict[str, CreateStorageAccount], extent: Extent | None = None
) -> tuple[list[Step], list[LeftOut]]:
    """The steps that the filters leave, and what they cut away.

    Args:
        steps: of a plan.
        filters: one set.
        accounts: the plan's accounts, by source account.
        extent: as in `narrowed`.
    """
    gone: dict[tuple[str, str], str] = {}
    left: list[LeftOut] = []
    kept: list[Step] = []
    cut: set[tuple[str, str]] = set()
    for step in steps:
        account, container = _place(step)
        if account and (account, container) not in gone:
            gone[account, container] = _why_gone(filters, account, container, extent)
            if why := gone[account, container]:
                left += _told(accounts.get(account), container, why, bool(gone.get((account, ""))))
        if gone.get((account, container)):
            continue
        if isinstance(step, CopyShard):
            part = _listed_part(step, filters, extent)
            if part != (step.begin, step.end):
                cut.add((account, container))
            if part is None:
                continue
            step = replace(step, begin=part[0], end=part[1])
        kept.append(step)
    left += [
        _in_part(accounts[account], container, filters) for account, container in sorted(cut) if account in accounts
    ]
    groups = {step.resource_group for step in kept if isinstance(step, CreateStorageAccount)}
    return [step for step in kept if not isinstance(step, CreateResourceGroup) or step.name in groups], left


def _why_gone(filters: Filters, account: str, container: str, extent: Extent | None) -> str:
    if why := place_left_out(filters, account, container):
        return why
    if filters.listed and extent and extent(filters.listed, account, container, "", None) is None:
        return f"Left out: the list {filters.listed.file} names nothing in it."
    return ""


def _place(step: Step) -> tuple[str, str]:
    """Source account and container of a step, "" where it has none."""
    match step:
        case CreateContainer():
            return step.source_account, step.name
        case CopyShard():
            return step.source_account, step.container
        case _:
            return str(getattr(step, "source_account", "")), str(getattr(step, "container", ""))


def _told(account: CreateStorageAccount | None, container: str, why: str, with_account: bool) -> list[LeftOut]:
    """A container of an account that is left out as a whole is not named once more."""
    if account is None or (container and with_account):
        return []
    if container:
        return [LeftOut(container_id(account, container), CONTAINER, why)]
    provider, _, rest = account.source_id.rpartition("/providers/")[2].partition("/")
    return [LeftOut(account.source_id, f"{provider}/{rest.partition('/')[0]}", why)]


def container_id(account: CreateStorageAccount, container: str) -> str:
    """ARM id of a container of the source."""
    return f"{account.source_id}/blobServices/default/containers/{container}"


def _listed_part(shard: CopyShard, filters: Filters, extent: Extent | None) -> tuple[str, str | None] | None:
    """What of a shard's range is listed, in one piece, so that it stays one shard under its number."""
    part = hull(filters, shard.begin, shard.end)
    if part is None or filters.listed is None or extent is None:
        return part
    ends = extent(filters.listed, shard.source_account, shard.container, *part)
    # The name behind `last` that comes first: nothing lies between them.
    return None if ends is None else (ends[0], ends[1] + "\0")


def _in_part(account: CreateStorageAccount, container: str, filters: Filters) -> LeftOut:
    parts = ("prefixes", "exclude_prefixes", "include", "listed")
    why = ", ".join(line for line in filters.stated() if line.startswith(tuple(filters.called(part) for part in parts)))
    return LeftOut(
        container_id(account, container), NAMES, f"only a part of its names is listed, the rest cannot fit {why}"
    )


def _is_made(steps: Sequence[Step], what: str, name: str) -> bool:
    """Whether the plan still makes what a name was told of."""
    made = {
        "resource group": {step.name for step in steps if isinstance(step, CreateResourceGroup)},
        "storage account": {step.name for step in steps if isinstance(step, CreateStorageAccount)},
        "container": {f"{step.account}/{step.name}" for step in steps if isinstance(step, CreateContainer)},
    }
    return name in made.get(what, {name})


def settled_containers(plan: Plan) -> set[tuple[str, str]]:
    """(source account, container) of what the plan copies, or leaves out by name; a re-sync need not survey them."""
    found = {(step.source_account, step.name) for step in plan.steps if isinstance(step, CreateContainer)}
    for item in plan.left_out:
        if item.type == CONTAINER:
            head, _, container = item.resource_id.rpartition("/")
            found.add((head.removesuffix("/blobServices/default/containers").rpartition("/")[2], container))
    return found
