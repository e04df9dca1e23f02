"""Makes the plan: from verdicts and container surveys to a frozen, hashed list of steps. Pure and deterministic.

In = out: every resource of the assessment is the source of one step, or is left out with a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from mappings.account_settings import AccountDetails, settle_account
from mappings.errors import FixTheInput
from mappings.model import Assessment, ContainerSurvey, Resource
from mappings.nameguard import NameGuard
from mappings.naming import is_account_name, resource_group_names
from mappings.narrowing import CONTAINER, cut_steps
from mappings.plan import (
    AFTER_COPY,
    CopyShard,
    CreateContainer,
    CreateResourceGroup,
    CreateStorageAccount,
    LeftOut,
    Plan,
    ProtectContainer,
    Step,
)
from mappings.plan_accounts import Mapped, Unplaced, accounts_to_move, map_account, target_region, why_left_out
from mappings.plan_losses import counted_losses
from mappings.plan_names import guarded
from mappings.plan_target import PlanTarget
from mappings.plan_text import account_names, explain, plan_from_json, plan_to_json, sealed
from mappings.regions import nearest_government
from mappings.settings import Settings

__all__ = [
    "CANNOT_KEEP",
    "GAP",
    "account_names",
    "accounts_to_move",
    "explain",
    "extend_plan",
    "make_plan",
    "plan_from_json",
    "plan_to_json",
]

GAP = "gap"
"""`LeftOut.type` of what the inventory could not see."""

CANNOT_KEEP = (
    "Creation time and Last-Modified: the service sets them at each write (REST, Put Blob).",
    "ETag: the service gives every generation a new one (REST, Put Blob).",
    "Version ids: the service gives them at each write (REST, Put Blob, x-ms-version-id).",
    "Snapshot times: snapshots are taken anew, oldest first (REST, Snapshot Blob, x-ms-snapshot).",
    "Leases: they belong to a client of the source (REST, Lease Blob).",
    "Last access time: the service tracks it from the copy on (REST, Get Blob Properties, x-ms-last-access-time).",
    "Access keys and every SAS signed with them: the target account has keys of its own (REST, List Keys).",
    "Tables, queues and file shares: this version of govlift copies blobs only.",
)
_SERVICE_OWN = {
    "$logs": "Storage Analytics writes it; the target account writes its own",
    "$blobchangefeed": "the change feed writes it; the target account writes its own",
}


def make_plan(
    assessment: Assessment,
    settings: Settings,
    names: Mapping[str, str],
    *,
    now: datetime,
    guard: NameGuard | None = None,
    details: Mapping[str, AccountDetails] | None = None,
) -> Plan:
    """The plan that moves what can be moved.

    Args:
        assessment: verdicts, and the surveys of the containers.
        settings: regions, resource group prefix, which accounts and containers.
        names: source account -> free name in the target, for each of `accounts_to_move`.
        now: when the plan is made, with a zone; not part of its hash.
        guard: what must not stand in names and tags of the target, with the customer's own words; None looks at none.
        details: source account -> its settings, where they were read.

    Raises:
        FixTheInput: a target name is invalid or given twice, a region has no target, an account is not in the estate,
            or the settings give it a SKU that the target does not offer.
    """
    accounts = accounts_to_move(assessment, settings)
    _check_names(accounts, names)
    surveys = _by_account(assessment.inventory.containers)
    groups, mapped, unplaced = _placed(assessment, accounts, surveys, names, settings)
    contents, excluded = _contents(mapped, surveys, settings)
    steps: list[Step] = [
        *sorted(groups, key=lambda group: group.name),
        *sorted((item.step for item in mapped), key=lambda step: step.name),
        *contents,
    ]
    before, after, told = _settled(mapped, contents, surveys, settings, details or {})
    steps = _with_settings(steps, before, after)
    left_out = [*_left_out(assessment, settings), *unplaced, *excluded]
    _prove_covered(assessment, steps, left_out)
    kept_out = sorted(set(left_out), key=lambda item: (item.resource_id, item.type, item.why))
    notes = [note for item in mapped for note in item.notes]
    steps, revealing = guarded(steps, guard) if guard else (steps, ())
    return sealed(steps, kept_out, (*CANNOT_KEEP, *notes, *told), created_at=now, names=revealing)


def _settled(
    mapped: Sequence[Mapped],
    contents: Sequence[Step],
    surveys: Mapping[str, Sequence[ContainerSurvey]],
    settings: Settings,
    details: Mapping[str, AccountDetails],
) -> tuple[list[Step], list[Step], list[str]]:
    """Steps before and after the copy that bring account and container settings, and what is not kept of them."""
    before: list[Step] = []
    after: list[Step] = []
    told: list[str] = []
    planned = {(step.source_account, step.name) for step in contents if isinstance(step, CreateContainer)}
    copied = [one for of_account in surveys.values() for one in of_account if (one.account, one.container) in planned]
    for item in sorted(mapped, key=lambda item: item.step.name):
        found = details.get(item.step.source_account)
        if found is None:
            continue
        names = [container for account, container in planned if account == item.step.source_account]
        settling = settle_account(found, item.step, names, settings.copy_)
        before += settling.before
        after += settling.after
        told += settling.notes
    return before, after, [*told, *counted_losses(copied, details, settings.copy_)]


def _with_settings(steps: Sequence[Step], before: Sequence[Step], after: Sequence[Step]) -> list[Step]:
    """Account settings stand behind the accounts and before the containers; what comes last stands last."""
    first = [step for step in steps if isinstance(step, (CreateResourceGroup, CreateStorageAccount))]
    # Policies of containers come after those of accounts: nothing may be written once they hold.
    last = sorted(after, key=lambda step: (isinstance(step, ProtectContainer), step.id))
    return [*first, *before, *steps[len(first) :], *last]


def extend_plan(
    plan: Plan,
    new_containers: Sequence[ContainerSurvey],
    settings: Settings,
    *,
    now: datetime,
    guard: NameGuard | None = None,
) -> Plan:
    """The plan with containers that the source got since; unchanged where it has them all already.

    Args:
        plan: an earlier plan of the same migration.
        new_containers: surveys; those of accounts that the plan does not move are passed over.
        settings: which containers are excluded.
        now: when this plan is made, with a zone.
        guard: as in `make_plan`, for the names of the new containers.
    """
    have = {(step.source_account, step.name) for step in plan.steps if isinstance(step, CreateContainer)}
    mapped = [Mapped(step, ()) for step in plan.steps if isinstance(step, CreateStorageAccount)]
    new = [survey for survey in new_containers if (survey.account, survey.container) not in have]
    contents, excluded = _contents(mapped, _by_account(new), settings)
    accounts = {item.step.source_account: item.step for item in mapped}
    for filters in plan.filters:
        contents, cut = cut_steps(contents, filters, accounts)
        excluded += cut
    left_out = sorted({*plan.left_out, *excluded}, key=lambda item: (item.resource_id, item.type, item.why))
    if not contents and len(left_out) == len(plan.left_out):
        return plan
    containers = [step for step in contents if isinstance(step, CreateContainer)]
    shards = [step for step in contents if isinstance(step, CopyShard)]
    old_shards = [step for step in plan.steps if isinstance(step, CopyShard)]
    before = [step for step in plan.steps if not isinstance(step, (CopyShard, *AFTER_COPY))]
    after = [step for step in plan.steps if isinstance(step, AFTER_COPY)]
    names = (*plan.names, *(guarded(containers, guard)[1] if guard else ()))
    steps = [*before, *containers, *old_shards, *shards, *after]
    return sealed(
        steps,
        left_out,
        plan.cannot_keep,
        created_at=now,
        names=names,
        filters=plan.filters,
        narrows=plan.narrows,
        narrowed_to=plan.narrowed_to,
    )


def _check_names(accounts: Sequence[Resource], names: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    for resource in accounts:
        if resource.name not in names:
            raise ValueError(f"no target name was given for storage account {resource.name}")
        name = names[resource.name]
        right = "Correct target.account_names in migration.toml."
        if not is_account_name(name):
            raise FixTheInput(
                f'"{name}" cannot be the target name of {resource.name}: 3 to 24 lower-case letters and digits.',
                next_step=right,
            )
        if name in owners:
            raise FixTheInput(
                f'{owners[name]} and {resource.name} would both be named "{name}" in the target.', next_step=right
            )
        owners[name] = resource.name


def _by_account(surveys: Iterable[ContainerSurvey]) -> dict[str, list[ContainerSurvey]]:
    found: dict[str, list[ContainerSurvey]] = defaultdict(list)
    for survey in sorted(surveys, key=lambda survey: survey.container):
        found[survey.account].append(survey)
    return found


def _group_id(resource: Resource) -> str:
    return f"/subscriptions/{resource.subscription_id}/resourcegroups/{resource.resource_group}".lower()


def _placed(
    assessment: Assessment,
    accounts: Sequence[Resource],
    surveys: Mapping[str, Sequence[ContainerSurvey]],
    names: Mapping[str, str],
    settings: Settings,
) -> tuple[list[CreateResourceGroup], list[Mapped], list[LeftOut]]:
    """The accounts that the target takes, the groups that hold one, and the accounts that it would refuse."""
    target = PlanTarget(assessment, settings)
    groups = _groups(assessment, accounts, settings, target)
    mapped: list[Mapped] = []
    unplaced: list[LeftOut] = []
    held: dict[str, CreateResourceGroup] = {}
    for resource in accounts:
        group = groups[_group_id(resource)]
        found = map_account(
            resource,
            name=names[resource.name],
            group=group.name,
            surveys=surveys.get(resource.name, ()),
            settings=settings,
            target=target,
        )
        refused = target.refuses_group(group.region, group.name)
        if isinstance(found, Mapped) and not refused:
            mapped.append(found)
            held[group.source_id] = group
        else:
            why = found.why if isinstance(found, Unplaced) else refused
            unplaced.append(LeftOut(resource.id, resource.type, f"the target would refuse it: {why}"))
    return list(held.values()), mapped, unplaced


def _groups(
    assessment: Assessment, accounts: Sequence[Resource], settings: Settings, target: PlanTarget
) -> dict[str, CreateResourceGroup]:
    """Steps for the groups that hold the accounts, by the source group's ARM id in lower case."""
    known = {group.id.lower(): group for group in assessment.inventory.groups}
    first = {_group_id(resource): resource for resource in reversed(accounts)}
    held = {group_id: resource.resource_group for group_id, resource in first.items()}
    names = resource_group_names(held.items(), settings.target.resource_group_prefix, settings.target.group_names)
    steps: dict[str, CreateResourceGroup] = {}
    for group_id, resource in first.items():
        group = known.get(group_id)
        location = group.location if group else ""
        choice = nearest_government(location, settings.target.regions, settings.target.region)
        region = choice.region if location and choice.region else ""
        if not region or target.refuses_group(region, names[group_id]):
            # A group that could not be read, has no region or a denied one, goes where its first account goes.
            region = target_region(resource, settings)
        steps[group_id] = CreateResourceGroup(
            name=names[group_id],
            region=region,
            tags=dict(group.tags) if group else {},
            source_id=group.id if group else group_id,
        )
    return steps


def _contents(
    mapped: Sequence[Mapped], surveys: Mapping[str, Sequence[ContainerSurvey]], settings: Settings
) -> tuple[list[Step], list[LeftOut]]:
    containers: list[Step] = []
    shards: list[Step] = []
    excluded: list[LeftOut] = []
    for account in sorted((item.step for item in mapped), key=lambda step: step.name):
        for survey in surveys.get(account.source_account, ()):
            why = _why_excluded(survey, settings)
            if why:
                place = f"{account.source_id}/blobServices/default/containers/{survey.container}"
                excluded.append(LeftOut(place, CONTAINER, why))
                continue
            containers.append(CreateContainer(account.name, survey.container, account.source_account))
            shards += _shards(survey, account.name)
    return [*containers, *shards], excluded


def _why_excluded(survey: ContainerSurvey, settings: Settings) -> str:
    if survey.container in _SERVICE_OWN:
        return _SERVICE_OWN[survey.container]
    place = f"{survey.account}/{survey.container}"
    for pattern in settings.copy_.exclude_containers:
        if fnmatchcase(place, pattern):
            return f'copy.exclude_containers has "{pattern}"'
    return ""


def _shards(survey: ContainerSurvey, target: str) -> list[CopyShard]:
    """One shard per surveyed range; an empty container has one too, so that a re-sync finds what comes later."""
    objects = survey.shard_objects or (survey.objects,)
    sizes = survey.shard_bytes or (survey.bytes,)
    begins = ("", *survey.cuts)
    ends = (*survey.cuts, None)
    return [
        CopyShard(survey.account, target, survey.container, begin, end, count, size, number)
        for number, (begin, end, count, size) in enumerate(zip(begins, ends, objects, sizes, strict=True))
    ]


def _left_out(assessment: Assessment, settings: Settings) -> list[LeftOut]:
    resources = {resource.id.lower(): resource for resource in assessment.inventory.resources}
    found = []
    for verdict in assessment.verdicts:
        resource = resources[verdict.resource_id.lower()]
        why = why_left_out(resource, verdict, settings)
        if why:
            found.append(LeftOut(resource.id, resource.type, why))
    found += [LeftOut(gap.scope, GAP, f"not seen: {gap.what} ({gap.why})") for gap in assessment.inventory.gaps]
    return found


def _prove_covered(assessment: Assessment, steps: Sequence[Step], left_out: Sequence[LeftOut]) -> None:
    moved = {step.source_id.lower() for step in steps if isinstance(step, CreateStorageAccount)}
    left = {item.resource_id.lower() for item in left_out if item.type not in (GAP, CONTAINER)}
    every = {resource.id.lower() for resource in assessment.inventory.resources}
    # A container is a resource only where the inventory came from a template; then its verdict left it out already.
    uncovered = every - moved - left - {item.resource_id.lower() for item in left_out}
    if uncovered or moved & left:
        raise AssertionError(f"not covered exactly once: {sorted(uncovered | (moved & left))[:3]}")
