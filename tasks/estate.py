"""Takes the inventory: Resource Graph and ARM list the same subscriptions, and whatever either cannot see is a gap."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from mappings.errors import GovliftError
from mappings.model import Gap, Inventory, Resource, ResourceGroup, Seen, Subscription

if TYPE_CHECKING:
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader

_MOST_SINGLE_READS = 2000
"""Resources per subscription whose properties are read one by one where Resource Graph does not describe them."""
_AT_ONCE = 8
_GROUP_IN_ID = re.compile(r"/subscriptions/([0-9a-f-]{36})/resourcegroups/([^/\"?]+)", re.IGNORECASE)

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass
class _Listing:
    """What one lister returned before it ended, and the error that ended it, if one did."""

    found: dict[str, Resource] = field(default_factory=dict)
    """By id in lower case."""
    error: GovliftError | None = None

    @property
    def count(self) -> int | None:
        return None if self.error else len(self.found)


def take_inventory(arm: SourceArm, graph: GraphReader, subscriptions: Sequence[str], *, now: datetime) -> Inventory:
    """Everything in these subscriptions, with what could not be listed.

    Resource Graph brings the properties, ARM's list is the cross-check and the fallback. Nothing that failed is left
    out in silence: a subscription, listing, resource group or set of properties that could not be read is a `Gap`.

    Raises:
        GovliftError: not one of the subscriptions could be read; the reason of the first.
    """
    taken = [_subscription(arm, graph, one) for one in subscriptions]
    first = next((one.refused for one in taken if one.refused), None)
    if first is not None and all(one.refused for one in taken):
        raise first
    return Inventory(
        cloud=arm.cloud.name,
        tenant_id=arm.session.tenant_id,
        scope=f"subscriptions {', '.join(subscriptions)}",
        taken_at=now,
        resources=tuple(resource for one in taken for resource in one.resources),
        gaps=tuple(gap for one in taken for gap in one.gaps),
        seen=tuple(one.seen for one in taken),
        subscriptions=tuple(one.subscription for one in taken if one.subscription),
        groups=tuple(group for one in taken for group in one.groups),
    )


@dataclass
class _Taken:
    """One subscription's part of the inventory."""

    seen: Seen
    subscription: Subscription | None = None
    groups: tuple[ResourceGroup, ...] = ()
    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    refused: GovliftError | None = None


def _subscription(arm: SourceArm, graph: GraphReader, subscription_id: str) -> _Taken:
    scope = f"/subscriptions/{subscription_id}"
    taken = _Taken(Seen(subscription_id, None, None))
    try:
        taken.subscription = arm.subscription(subscription_id)
    except GovliftError as wrong:
        taken.refused = wrong
        taken.gaps.append(_gap(scope, "the whole subscription", wrong))
        return taken
    try:
        taken.groups = arm.groups(subscription_id)
    except GovliftError as wrong:
        taken.gaps.append(_gap(scope, "the list of resource groups, so also which of them are closed to us", wrong))
    by_graph = _drain(graph.resources(subscription_id))
    by_arm = _drain(arm.resources(subscription_id))
    taken.gaps += _closed_groups(arm, taken.groups, by_graph, by_arm, subscription_id)
    taken.gaps += _listing_gaps(scope, by_graph, by_arm)
    taken.seen = Seen(
        subscription_id,
        by_graph.count,
        by_arm.count,
        only_graph=_only(by_graph, by_arm),
        only_arm=_only(by_arm, by_graph),
    )
    described, missing = _described(arm, by_graph, by_arm, scope)
    taken.resources, taken.gaps = described, [*taken.gaps, *missing]
    return taken


def _drain(listing: Iterator[Resource]) -> _Listing:
    """Take all of a listing; where it breaks off, keep what came and why it ended."""
    taken = _Listing()
    try:
        for resource in listing:
            taken.found[resource.id.lower()] = resource
    except GovliftError as wrong:
        taken.error = wrong
    return taken


def _only(this: _Listing, other: _Listing) -> tuple[str, ...]:
    """Ids in one listing only; said only where the other is complete, else it would be noise."""
    if other.error:
        return ()
    return tuple(sorted(one.id for key, one in this.found.items() if key not in other.found))


def _listing_gaps(scope: str, by_graph: _Listing, by_arm: _Listing) -> Iterator[Gap]:
    """A gap for each listing that did not end well, unless the other one is complete and makes up for it."""
    if by_graph.error and by_arm.error:
        seen = len(by_graph.found.keys() | by_arm.found.keys())
        what = f"resources beyond the {seen} seen; neither Resource Graph nor ARM listed all"
        yield _gap(scope, what, by_arm.error)
        yield _gap(f"{scope} (Resource Graph)", what, by_graph.error)
    elif by_arm.error:
        what = (
            f"the cross-check: ARM's list broke off after {len(by_arm.found)} resources, "
            f"Resource Graph listed {len(by_graph.found)}"
        )
        yield _gap(scope, what, by_arm.error)


def _described(
    arm: SourceArm, by_graph: _Listing, by_arm: _Listing, scope: str
) -> tuple[list[Resource], Iterator[Gap]]:
    """Every resource seen, with properties: Resource Graph's row where there is one, else read one by one."""
    bare = [one for key, one in by_arm.found.items() if key not in by_graph.found]
    reads = dict(
        zip((one.id for one in bare), _each(bare[:_MOST_SINGLE_READS], lambda one: arm.get(one.id)), strict=False)
    )
    resources = [_in_arm_spelling(one, by_arm.found.get(key)) for key, one in by_graph.found.items()]
    failed: list[tuple[str, GovliftError]] = []
    for one in bare:
        read = reads.get(one.id)
        if isinstance(read, GovliftError):
            failed.append((one.id, read))
        # ARM's list knows kind, SKU and tags also where the single read does not repeat them.
        resources.append(read if isinstance(read, Resource) else one)
    return sorted(resources, key=lambda one: one.id.lower()), _property_gaps(
        scope, failed, bare[_MOST_SINGLE_READS:], by_graph
    )


def _in_arm_spelling(row: Resource, listed: Resource | None) -> Resource:
    """Resource Graph lowers the letters of type and kind; ARM's list has them as the providers want them back."""
    if listed is None:
        return row
    return replace(row, type=listed.type or row.type, kind=listed.kind or row.kind, name=listed.name)


def _property_gaps(
    scope: str, failed: list[tuple[str, GovliftError]], unread: list[Resource], by_graph: _Listing
) -> Iterator[Gap]:
    """Resources that are judged without their properties, one gap for each reason."""
    reasons: dict[str, list[tuple[str, GovliftError]]] = {}
    for identifier, wrong in failed:
        reasons.setdefault(wrong.code or type(wrong).__name__, []).append((identifier, wrong))
    for several in reasons.values():
        identifier, wrong = several[0]
        more = f" and of {len(several) - 1} more for the same reason" if len(several) > 1 else ""
        yield _gap(identifier, f"the properties of this resource{more}; judged by type, kind and SKU only", wrong)
    if unread and by_graph.error:
        yield _gap(
            scope, f"the properties of {len(unread)} resources; judged by type, kind and SKU only", by_graph.error
        )


def _closed_groups(
    arm: SourceArm, groups: Iterable[ResourceGroup], by_graph: _Listing, by_arm: _Listing, subscription_id: str
) -> Iterator[Gap]:
    """Groups that hold nothing we saw are asked one by one: empty, or closed to us?

    Also asked are groups that no list names but some resource points into.
    """
    seen = [*by_graph.found.values(), *by_arm.found.values()]
    known = {group.name.lower(): group.id for group in groups}
    filled = {one.resource_group.lower() for one in seen}
    silent = {name: known[name] for name in known if name not in filled}
    for name in _pointed_into(seen, subscription_id):
        if name not in known and name not in filled:
            silent[name] = f"/subscriptions/{subscription_id}/resourceGroups/{name}"
    names = sorted(silent)
    answers = _each(names, lambda name: arm.resources_of_group(subscription_id, name))
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, tuple):
            by_arm.found.update({one.id.lower(): one for one in answer})
        elif answer.status != 404:
            yield _gap(silent[name], f"all resources of resource group {name}", answer)


def _pointed_into(seen: Iterable[Resource], subscription_id: str) -> set[str]:
    """Names of resource groups of this subscription that occur in an id inside some resource's properties."""
    names = set()
    for resource in seen:
        for other, name in _GROUP_IN_ID.findall(json.dumps(resource.properties, default=str)):
            if other.lower() == subscription_id.lower():
                names.add(name.lower())
    return names


def _each(items: Sequence[_T], read: Callable[[_T], _R]) -> list[_R | GovliftError]:
    """`read` of every item, a few at once, in order; an error is the answer for its item."""

    def safe(item: _T) -> _R | GovliftError:
        try:
            return read(item)
        except GovliftError as wrong:
            return wrong

    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(items))) as pool:
        return list(pool.map(safe, items))


def _gap(scope: str, what: str, wrong: GovliftError) -> Gap:
    return Gap(
        scope=scope, what=what, why=wrong.sentence, code=wrong.code or type(wrong).__name__, remedy=wrong.next_step
    )
