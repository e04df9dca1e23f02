"""What is different from the assessment before: resources, verdicts, gaps and data, each change with its cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mappings.model import Assessment, ContainerSurvey, Gap, Inventory, Resource, Verdict
from mappings.outline import Outliner
from mappings.states import VerdictKind


class Since(StrEnum):
    """What became of one resource between two assessments. A resource whose verdict is as before has none."""

    WORSE = "since-worse"
    """The verdict is worse than before, or an answer was lost."""
    NEW = "since-new"
    UNSEEN = "since-unseen"
    """Not in this inventory, and the place where it was could not be listed or was not asked for this time."""
    GONE = "since-gone"
    """Not in this inventory, although its place was listed."""
    ANSWERED = "since-answered"
    """It was unknown and now has an answer, whatever that is."""
    BETTER = "since-better"


class Cause(StrEnum):
    """Why a verdict is another one."""

    RESOURCE = "The resource was changed."
    """Region, kind, SKU, plan, zones, identity or properties differ."""
    RULES = "The catalogue or the target's own answer changed; the resource did not."
    UNKNOWN = "The earlier inventory does not describe the resource, so the cause is not known."
    NONE = ""
    """No verdict changed."""


_RANK = {
    VerdictKind.BLOCKED: 0,
    VerdictKind.REPLACE: 1,
    VerdictKind.READY_WITH_CHANGES: 2,
    VerdictKind.READY: 3,
}
"""The better, the higher. `unknown` has no rank: it is an answer that is missing."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One resource that is new, gone or judged otherwise."""

    resource: Resource
    """As it is now; as it was, where it is not there any more."""
    since: Since
    before: Verdict | None
    now: Verdict | None
    cause: Cause = Cause.NONE


@dataclass(frozen=True, slots=True)
class Growth:
    """Data of one account at the two surveys."""

    account: str
    objects_before: int | None
    """None where that survey did not count the account."""
    objects_now: int | None
    bytes_before: int | None
    bytes_now: int | None

    @property
    def objects(self) -> int | None:
        """Objects more than before; None where one of the surveys is missing."""
        return _difference(self.objects_before, self.objects_now)

    @property
    def bytes(self) -> int | None:
        return _difference(self.bytes_before, self.bytes_now)


@dataclass(frozen=True, slots=True)
class Changes:
    """All that is different. Order: what a reader must see first."""

    moved: tuple[Moved, ...]
    gaps_new: tuple[Gap, ...]
    gaps_closed: tuple[Gap, ...]
    growth: tuple[Growth, ...]
    """Every account that either survey counted, the largest growth first."""
    same: int
    """Resources that are in both, with the same verdict."""

    def number(self, since: Since) -> int:
        return sum(one.since is since for one in self.moved)


def compare(before: Assessment, now: Assessment) -> Changes:
    """What is different in `now`.

    Resources are told apart by their ids, case-insensitively. A resource that is missing where a gap or another scope
    hides its place is unseen, never gone.
    """
    old, new = _by_id(before), _by_id(now)
    otherwise = [key for key in new if key in old and old[key][1].verdict is not new[key][1].verdict]
    causes = _causes(before.inventory, now.inventory, otherwise)
    moved = [_arrived(resource, verdict) for key, (resource, verdict) in new.items() if key not in old]
    moved += [_judged_otherwise(old[key], new[key], causes[key]) for key in otherwise]
    moved += _missing(((key, *pair) for key, pair in old.items() if key not in new), now.inventory)
    rank = {since: n for n, since in enumerate(Since)}
    moved.sort(key=lambda one: (rank[one.since], one.resource.type.lower(), one.resource.id.lower()))
    gaps_before, gaps_now = _gaps(before.inventory), _gaps(now.inventory)
    return Changes(
        moved=tuple(moved),
        gaps_new=tuple(gap for key, gap in gaps_now.items() if key not in gaps_before),
        gaps_closed=tuple(gap for key, gap in gaps_before.items() if key not in gaps_now),
        growth=_growth(before.inventory, now.inventory),
        same=len(new) - sum(one.now is not None for one in moved),
    )


def _by_id(assessment: Assessment) -> dict[str, tuple[Resource, Verdict]]:
    verdicts = {verdict.resource_id: verdict for verdict in assessment.verdicts}
    found: dict[str, tuple[Resource, Verdict]] = {}
    outline = Outliner().outline
    for resource in assessment.inventory.resources:
        verdict = verdicts.get(resource.id)
        # A resource without a verdict is a flag of its own, raised where numbers are compared.
        if verdict is not None:
            found.setdefault(resource.id.lower(), (outline(resource), verdict))
    return found


def _arrived(resource: Resource, verdict: Verdict) -> Moved:
    return Moved(resource, Since.NEW, None, verdict)


def _judged_otherwise(old: tuple[Resource, Verdict], new: tuple[Resource, Verdict], cause: Cause) -> Moved:
    (_, before), (resource, now) = old, new
    return Moved(resource, _direction(before.verdict, now.verdict), before, now, cause)


def _causes(before: Inventory, now: Inventory, keys: Iterable[str]) -> dict[str, Cause]:
    """Why the verdicts of these resources are others; only their descriptions are kept at one time."""
    wanted = set(keys)
    old, new = _described(before, wanted), _described(now, wanted)
    return {key: _cause(old[key], new[key]) for key in wanted}


def _described(inventory: Inventory, wanted: set[str]) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for resource in inventory.resources if wanted else ():
        key = resource.id.lower()
        if key in wanted:
            found.setdefault(key, resource)
    return found


def _direction(before: VerdictKind, now: VerdictKind) -> Since:
    if before is VerdictKind.UNKNOWN:
        return Since.ANSWERED
    if now is VerdictKind.UNKNOWN:
        return Since.WORSE
    return Since.BETTER if _RANK[now] > _RANK[before] else Since.WORSE


def _cause(before: Resource, now: Resource) -> Cause:
    if _description(before) == _description(now):
        return Cause.RULES
    if not any((before.kind, before.sku, before.properties, before.plan)):
        return Cause.UNKNOWN
    return Cause.RESOURCE


def _description(resource: Resource) -> tuple[object, ...]:
    """What a rule can look at."""
    return (
        resource.location.lower(),
        resource.kind,
        resource.sku,
        resource.plan,
        resource.zones,
        resource.identity,
        resource.properties,
    )


def _missing(gone: Iterable[tuple[str, Resource, Verdict]], now: Inventory) -> Iterator[Moved]:
    hidden = [gap.scope.lower().rstrip("/") for gap in now.gaps if gap.scope.startswith("/")]
    asked = {subscription.id.lower() for subscription in now.subscriptions}
    for key, resource, verdict in gone:
        out_of_scope = bool(asked and resource.subscription_id) and resource.subscription_id.lower() not in asked
        behind_gap = any(key == scope or key.startswith(scope + "/") for scope in hidden)
        since = Since.UNSEEN if out_of_scope or behind_gap else Since.GONE
        yield Moved(resource, since, verdict, None)


def _gaps(inventory: Inventory) -> dict[tuple[str, str], Gap]:
    return {(gap.scope.lower(), gap.what): gap for gap in inventory.gaps}


def _growth(before: Inventory, now: Inventory) -> tuple[Growth, ...]:
    old, new = _volumes(before.containers), _volumes(now.containers)
    found = []
    for account in sorted(old.keys() | new.keys()):
        (objects_before, bytes_before), (objects_now, bytes_now) = old.get(account, _NOT), new.get(account, _NOT)
        found.append(Growth(account, objects_before, objects_now, bytes_before, bytes_now))
    return tuple(sorted(found, key=lambda one: -(one.bytes or 0)))


_NOT = (None, None)
"""Of an account that a survey did not count."""


def _volumes(surveys: Iterable[ContainerSurvey]) -> dict[str, tuple[int, int]]:
    """Account -> objects and bytes."""
    objects: Counter[str] = Counter()
    size: defaultdict[str, int] = defaultdict(int)
    for survey in surveys:
        objects[survey.account] += survey.objects
        size[survey.account] += survey.bytes
    return {account: (objects[account], size[account]) for account in size}


def _difference(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before
