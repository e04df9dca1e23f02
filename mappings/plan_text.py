"""A plan as canonical JSON, as a hash, and as lines for a reader."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from mappings.codec import canonical_json, rebuild
from mappings.errors import DoNotTrust
from mappings.evidence import digest
from mappings.filters import Filters
from mappings.plan import (
    CopyShard,
    CreateContainer,
    CreateResourceGroup,
    CreateStorageAccount,
    FinishAccount,
    LeftOut,
    Plan,
    PlannedName,
    ProtectContainer,
    SetAccount,
    Step,
)
from mappings.plan_names import names_lines

_STEPS: Mapping[str, type[Step]] = {
    "resource-group": CreateResourceGroup,
    "storage-account": CreateStorageAccount,
    "container": CreateContainer,
    "account-settings": SetAccount,
    "account-policies": FinishAccount,
    "protect": ProtectContainer,
    "shard": CopyShard,
}
_NAMES = {kind: name for name, kind in _STEPS.items()}
_SHOWN_IDS = 3


def sealed(
    steps: Iterable[Step],
    left_out: Iterable[LeftOut],
    cannot_keep: Iterable[str],
    *,
    created_at: datetime,
    names: Iterable[PlannedName] = (),
    filters: Iterable[Filters] = (),
    narrows: str = "",
    narrowed_to: str = "",
) -> Plan:
    """The plan of these steps, with its hash and id. `created_at` (with a zone) is not part of the hash."""
    draft = Plan(
        "",
        "",
        created_at.astimezone(UTC),
        tuple(steps),
        tuple(left_out),
        tuple(cannot_keep),
        tuple(names),
        tuple(filters),
        narrows,
        narrowed_to,
    )
    content = digest(_content(draft))
    return replace(draft, id=content[:12], hash=content)


def plan_to_json(plan: Plan) -> str:
    """The plan as canonical JSON."""
    head = {"id": plan.id, "hash": plan.hash, "created_at": plan.created_at}
    return canonical_json({**head, **_content(plan)})


def plan_from_json(text: str, *, origin: str = "the stored plan") -> Plan:
    """Read what `plan_to_json` wrote.

    Args:
        text: the JSON.
        origin: its file or place, for messages.

    Raises:
        DoNotTrust: it is not a plan, or its content does not give its hash: somebody changed it after it was made.
    """
    again = "Make a new plan with `govlift plan`, and have it reviewed again."
    try:
        data = json.loads(text)
        plan = Plan(
            id=data["id"],
            hash=data["hash"],
            created_at=datetime.fromisoformat(data["created_at"]),
            steps=tuple(_step(item) for item in data["steps"]),
            left_out=tuple(rebuild(LeftOut, item) for item in data["left_out"]),
            cannot_keep=tuple(data["cannot_keep"]),
            names=tuple(rebuild(PlannedName, item) for item in data.get("names", ())),
            filters=tuple(rebuild(Filters, item) for item in data.get("filters", ())),
            narrows=data.get("narrows", ""),
            narrowed_to=data.get("narrowed_to", ""),
        )
    except (ValueError, KeyError, TypeError) as wrong:
        raise DoNotTrust(f"{origin} is not a plan of govlift ({type(wrong).__name__}).", next_step=again) from None
    content = digest(_content(plan))
    if plan.hash != content or plan.id != content[:12]:
        raise DoNotTrust(
            f"{origin} ({plan.id}) was changed after it was made: its content does not give its hash.", next_step=again
        )
    return plan


def account_names(plan: Plan) -> dict[str, str]:
    """Source account -> target account."""
    return {step.source_account: step.name for step in plan.steps if isinstance(step, CreateStorageAccount)}


def explain(plan: Plan) -> list[str]:
    """What the plan will do, in lines for `govlift plan`."""
    groups = [step for step in plan.steps if isinstance(step, CreateResourceGroup)]
    accounts = [step for step in plan.steps if isinstance(step, CreateStorageAccount)]
    containers = Counter(step.source_account for step in plan.steps if isinstance(step, CreateContainer))
    shards: dict[str, list[CopyShard]] = defaultdict(list)
    for step in plan.steps:
        if isinstance(step, CopyShard):
            shards[step.source_account].append(step)
    every = [shard for of_account in shards.values() for shard in of_account]
    lines = [
        f"Plan {plan.id}, made {plan.created_at:%Y-%m-%d %H:%M} UTC",
        f"  creates {_count(len(groups), 'resource group')}, {_count(len(accounts), 'storage account')} and "
        f"{_count(containers.total(), 'container')}",
        f"  copies {_volume(every)} in {_count(len(every), 'shard')}",
    ]
    lines += _filter_lines(plan, every)
    lines[1:1] = names_lines(plan.names)
    lines += ["", "Resource groups"] if groups else []
    lines += [f"  {group.name}  {group.region}" for group in groups]
    lines += ["", "Storage accounts"] if accounts else []
    for account in accounts:
        lines += _account_lines(account, containers[account.source_account], shards[account.source_account])
    return lines + _settings_lines(plan) + _left_out_lines(plan.left_out) + _not_kept_lines(plan.cannot_keep)


def _content(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [{"step": _NAMES[type(step)], "with": _told(step)} for step in plan.steps],
        "left_out": plan.left_out,
        "cannot_keep": plan.cannot_keep,
        # A plan without such names, or filters, has the hash that it would have without these keys.
        **({"names": plan.names} if plan.names else {}),
        **({"filters": plan.filters} if plan.filters else {}),
        **({"narrows": plan.narrows, "narrowed_to": plan.narrowed_to} if plan.narrows else {}),
    }


def _told(step: Step) -> Step | dict[str, Any]:
    # A step without a note has the hash that it had before there were notes.
    if isinstance(step, CreateStorageAccount):
        later = {"note", "hierarchical"}
        return {
            field.name: getattr(step, field.name)
            for field in fields(step)
            if field.name not in later or getattr(step, field.name)
        }
    return step


def _step(item: dict[str, Any]) -> Step:
    return rebuild(_STEPS[item["step"]], item["with"])


def _account_lines(account: CreateStorageAccount, containers: int, shards: list[CopyShard]) -> list[str]:
    renamed = account.name != account.source_account
    name = f"{account.source_account} -> {account.name}  (new name)" if renamed else account.name
    flags = ["public access allowed"] if account.allow_public_access else []
    flags += [] if account.allow_shared_key else ["no shared keys"]
    return [
        f"  {name}",
        "    "
        + ", ".join([f"{account.kind} {account.sku}", account.region, f"group {account.resource_group}", *flags]),
        *([f"    {account.note}"] if account.note else []),
        f"    {_count(containers, 'container')}, {_volume(shards)}, {_count(len(shards), 'shard')}",
    ]


def _settings_lines(plan: Plan) -> list[str]:
    """Settings of accounts and containers, in the order in which they are made."""
    early = [f"  {one.account}: {', '.join(_settings_of(one))}" for one in plan.steps if isinstance(one, SetAccount)]
    late = [f"  {_last_of(one)}" for one in plan.steps if isinstance(one, (FinishAccount, ProtectContainer))]
    lines = ["", "Settings before the copy", *early] if early else []
    return [*lines, "", "Settings after verification, in this order", *late] if late else lines


def _settings_of(step: SetAccount) -> list[str]:
    told = [
        ("versioning" + (", history replayed" if step.replay_versions else ""), step.versioning),
        (f"change feed{f' for {step.change_feed_days} days' if step.change_feed_days else ''}", step.change_feed),
        ("last access tracking", step.last_access),
        (f"default service version {step.default_version}", step.default_version),
        ("CORS rules", step.cors),
        (f"encryption scopes {', '.join(step.scopes)}", step.scopes),
        (f"static website ({step.website.get('index', '') or 'no index document'})", step.website),
    ]
    return [text for text, wanted in told if wanted]


def _last_of(step: FinishAccount | ProtectContainer) -> str:
    if isinstance(step, FinishAccount):
        told = [
            (f"soft delete for {step.soft_delete_days} days", step.soft_delete_days),
            (f"container soft delete for {step.container_soft_delete_days} days", step.container_soft_delete_days),
            ("lifecycle policy", step.lifecycle),
        ]
        return f"{step.account}: " + ", ".join(text for text, wanted in told if wanted)
    state = "LOCKED, for good" if step.lock else "unlocked"
    told = [
        (f"retention of {step.days} days, {state}", step.days),
        (f"legal hold ({', '.join(step.holds)})", step.holds),
    ]
    return f"{step.account}/{step.container}: " + ", ".join(text for text, wanted in told if wanted)


def _filter_lines(plan: Plan, shards: list[CopyShard]) -> list[str]:
    lines = [f"  a part of plan {plan.narrows}: {plan.narrowed_to}"] if plan.narrows else []
    stated = [line for filters in plan.filters for line in filters.stated()]
    if not stated:
        return lines
    return [
        *lines,
        f"  at most: these filters decide object by object during the run, on {_count(len(shards), 'listed shard')}",
        *(f"    {line}" for line in stated),
    ]


def _left_out_lines(left_out: tuple[LeftOut, ...]) -> list[str]:
    by_why: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in left_out:
        by_why[item.type, item.why].append(item.resource_id)
    lines = ["", f"Not moved by this plan: {len(left_out):,}"] if left_out else []
    for (kind, why), ids in sorted(by_why.items()):
        shown = ", ".join(item.rpartition("/")[2] or item for item in ids[:_SHOWN_IDS])
        more = f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else ""
        lines.append(f"  {len(ids):,} x {kind}: {why} ({shown}{more})")
    return lines


def _not_kept_lines(cannot_keep: tuple[str, ...]) -> list[str]:
    return ["", "Not kept by a copy", *(f"  {line}" for line in cannot_keep)] if cannot_keep else []


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _volume(shards: list[CopyShard]) -> str:
    return f"{_count(sum(s.objects for s in shards), 'object')}, {_size(sum(s.bytes for s in shards))}"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"
