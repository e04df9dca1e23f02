"""What the names and tags that a plan would create in the target reveal, settled before anything is created.

Tags that tell too much are left out of what is created. A name cannot be left out: `migrate` refuses until somebody has
renamed it (`target.account_names`, `target.group_names`, `target.resource_group_prefix`), excluded the container
(`copy.exclude_containers`), or allowed it (`assess.name_allow`). Names of blobs and metadata of containers are data
inside a resource; they are copied as they are and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mappings.errors import AskForApproval
from mappings.nameguard import NameFinding, NameGuard
from mappings.plan import CreateContainer, CreateResourceGroup, CreateStorageAccount, Plan, PlannedName, Step

_SHOWN = 3


def guarded(steps: Iterable[Step], guard: NameGuard) -> tuple[list[Step], tuple[PlannedName, ...]]:
    """The steps without tags that tell too much, and everything that the guard found in them.

    Args:
        steps: what a plan would do.
        guard: with the customer's own words and what the customer allows.
    """
    kept: list[Step] = []
    found: list[PlannedName] = []
    for step in steps:
        match step:
            case CreateResourceGroup():
                found += _names(step.name, "resource group", guard)
                clean, tagged = _tags(step, "resource group", guard)
                found += tagged
                kept.append(clean)
            case CreateStorageAccount():
                found += _names(step.name, "storage account", guard)
                clean, tagged = _tags(step, "storage account", guard)
                found += tagged
                kept.append(clean)
            case CreateContainer():
                one = _names(step.name, "container", guard)
                found += [replace(finding, name=f"{step.account}/{step.name}") for finding in one]
                kept.append(step)
            case _:
                kept.append(step)
    return kept, tuple(found)


def undecided(plan: Plan, allow: Iterable[str]) -> tuple[PlannedName, ...]:
    """Names of the plan that nobody has allowed; tags are left out anyway.

    Args:
        plan: the plan.
        allow: `assess.name_allow` as it is now, which may be wider than when the plan was made.
    """
    allowed = {entry.strip().lower() for entry in allow}
    return tuple(
        one
        for one in plan.names
        if not one.key and allowed.isdisjoint((one.name.lower(), one.name.rpartition("/")[2].lower(), one.word.lower()))
    )


def require_names(plan: Plan, allow: Iterable[str]) -> None:
    """Refuse to create names that tell too much.

    Raises:
        AskForApproval: the plan has such names, and nobody has allowed them.
    """
    left = undecided(plan, allow)
    if not left:
        return
    shown = ", ".join(f'{one.what} {one.name} ("{one.word}")' for one in left[:_SHOWN])
    more = f" and {len(left) - _SHOWN:,} more" if len(left) > _SHOWN else ""
    raise AskForApproval(
        f"Plan {plan.id} would create names in the target that reveal a regime, a mission or a person: {shown}{more}.",
        next_step="Rename them under [target.account_names], [target.group_names] or target.resource_group_prefix and "
        "plan again, or put the name or word under assess.name_allow in migration.toml with the reason as a comment.",
    )


def names_lines(names: Sequence[PlannedName]) -> list[str]:
    """What a reader of the plan must know before everything else; no lines where there is nothing."""
    lines: list[str] = []
    bare = [one for one in names if not one.key]
    tags = [one for one in names if one.key]
    if bare:
        lines += ["", "Decide first: names that the target would reveal"]
        lines += [f'  {one.what} {one.name}: "{one.word}" ({one.reveals}). {one.advice}' for one in bare]
        lines += ["  `govlift migrate --apply` refuses until each is renamed, or allowed under assess.name_allow."]
    if tags:
        lines += ["", f"Tags left out of the target, because they tell too much: {len(tags):,}"]
        lines += [f"  {one.what} {one.name}, tag {one.key}: {one.word} ({one.reveals})" for one in tags]
    return lines


def _names(name: str, what: str, guard: NameGuard) -> list[PlannedName]:
    return [_planned(finding, name) for finding in guard.in_name(name, place=name, what=what)]


def _tags(step: Any, what: str, guard: NameGuard) -> tuple[Any, list[PlannedName]]:
    found = guard.in_tags(step.tags, place=step.name, what=what)
    if not found:
        return step, []
    bad = {finding.key for finding in found}
    clean = replace(step, tags={key: value for key, value in step.tags.items() if key not in bad})
    return clean, [_planned(finding, step.name) for finding in found]


def _planned(finding: NameFinding, name: str) -> PlannedName:
    return PlannedName(
        what=finding.what,
        name=name,
        key=finding.key,
        shown=finding.text,
        reveals=finding.reveals.value,
        word=finding.word,
        advice=finding.advice,
    )
