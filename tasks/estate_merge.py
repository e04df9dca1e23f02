"""One subscription, put together from its two listings: rows of Resource Graph in the spool, and what ARM told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mappings.codec import compact_json
from mappings.errors import GovliftError, TryLater
from mappings.model import Gap, Resource, ResourceGroup, Seen, Subscription
from tasks.clients.accounts import part_of
from tasks.spool import Listed, Spool

if TYPE_CHECKING:
    from tasks.clients.arm import SourceArm

MOST_SINGLE_READS = 2000
"""Resources per subscription whose properties are read one by one where Resource Graph does not describe them."""
_CHUNK = 2000
"""Resources that are replaced in the spool in one step."""
_GROUP_IN_ID = re.compile(r"/subscriptions/([0-9a-f-]{36})/resourcegroups/([^/\"?\\]+)", re.IGNORECASE)

Each = Callable[[Sequence[Any], Callable[[Any], Any]], list[Any]]
"""Reads several items at once; an error is the answer for its item."""


@dataclass
class ArmSide:
    """What ARM told of one subscription."""

    subscription: Subscription | None = None
    refused: GovliftError | None = None
    """Why the subscription cannot be read at all."""
    groups: tuple[ResourceGroup, ...] = ()
    locks: tuple[Resource, ...] = ()
    found: dict[str, Resource] = field(default_factory=dict)
    """By id in lower case, without properties."""
    error: GovliftError | None = None
    """What ended the list of resources early."""
    gaps: list[Gap] = field(default_factory=list)

    @property
    def count(self) -> int | None:
        return None if self.error or self.refused else len(self.found)

    @property
    def busy(self) -> GovliftError | None:
        """The error of a service that did not answer or asked to come back."""
        return next((one for one in (self.refused, self.error) if isinstance(one, TryLater)), None)


@dataclass
class Merged:
    """What there is to say of a subscription whose resources are all in the spool."""

    seen: Seen
    gaps: list[Gap]


@dataclass
class _Rows:
    """The rows that Resource Graph brought of one subscription: only what must be known of all at once."""

    keys: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    """Names in lower case of the resource groups that hold one of them."""
    pointed: set[str] = field(default_factory=set)
    """Names in lower case of resource groups of this subscription that occur in an id inside some resource."""
    only: list[str] = field(default_factory=list)
    """Ids that ARM did not list."""
    error: GovliftError | None = None

    @property
    def count(self) -> int | None:
        return None if self.error else len(self.keys)


def read_arm(arm: SourceArm, subscription_id: str, known: Subscription | None) -> ArmSide:
    """Everything that ARM lists of a subscription; what fails is said in the result. Called from several threads."""
    scope = f"/subscriptions/{subscription_id}"
    side = ArmSide()
    try:
        side.subscription = known or arm.subscription(subscription_id)
    except GovliftError as wrong:
        side.refused = wrong
        side.gaps.append(gap_of(scope, "the whole subscription", wrong))
        return side
    try:
        side.groups = arm.groups(subscription_id)
    except GovliftError as wrong:
        side.gaps.append(gap_of(scope, "the list of resource groups, so also which of them are closed to us", wrong))
    try:
        side.locks = arm.governance(subscription_id, "locks")
    except GovliftError as wrong:
        side.gaps.append(gap_of(scope, "the locks in this subscription", wrong))
    try:
        for resource in arm.resources(subscription_id):
            side.found[resource.id.lower()] = resource
    except GovliftError as wrong:
        side.error = wrong
    return side


def merged(arm: SourceArm, kept: Spool, one: Listed, side: ArmSide, failed: GovliftError | None, each: Each) -> Merged:
    """Put a subscription together in the spool: every resource that either listing has, spelt as ARM spells it.

    Done twice, it gives the same.

    Args:
        failed: why Resource Graph's listing of it is not complete.
    """
    scope = f"/subscriptions/{one.id}"
    if side.refused:
        return Merged(Seen(one.id, None, None), side.gaps)
    gaps = list(side.gaps)
    rows = _respelt(kept, one, side)
    rows.error = failed
    gaps += _closed_groups(arm, one.id, rows, side, each)
    bare = [resource for key, resource in side.found.items() if key not in rows.keys]
    gaps += _listing_gaps(scope, rows, side)
    if not rows.error and not rows.keys and side.found:
        gaps.append(_blind(scope, len(side.found)))
    gaps += _described(arm, kept, one, bare, rows, each)
    only_arm = () if rows.error else tuple(sorted(resource.id for resource in bare))
    only_graph = () if side.error else tuple(sorted(rows.only))
    return Merged(Seen(one.id, rows.count, side.count, only_graph=only_graph, only_arm=only_arm), gaps)


def _respelt(kept: Spool, one: Listed, side: ArmSide) -> _Rows:
    """Go once through the rows in the spool. Resource Graph lowers the letters of type and kind; ARM's list has them as
    the providers want them back."""
    rows = _Rows()
    chunk: list[tuple[str, str]] = []
    for key, body in kept.bodies(one.place):
        rows.keys.add(key)
        rows.filled.add(part_of(key, "resourcegroups"))
        for other, name in _GROUP_IN_ID.findall(body):
            if other.lower() == one.id:
                rows.pointed.add(name.lower())
        listed, plain = side.found.get(key), json.loads(body)
        if listed is None:
            rows.only.append(plain["id"])
            continue
        spelt = {"type": listed.type or plain["type"], "kind": listed.kind or plain["kind"], "name": listed.name}
        if any(plain[word] != spelt[word] for word in spelt):
            chunk.append((key, compact_json(plain | spelt)))
        if len(chunk) >= _CHUNK:
            kept.replace(one.place, chunk, graph=True)
            chunk = []
    kept.replace(one.place, chunk, graph=True)
    return rows


def _closed_groups(arm: SourceArm, subscription_id: str, rows: _Rows, side: ArmSide, each: Each) -> Iterator[Gap]:
    """Groups that hold nothing we saw are asked one by one: empty, or closed to us?

    Also asked are groups that no list names but some resource points into. What they hold joins `side.found`.
    """
    known = {group.name.lower(): group.id for group in side.groups}
    filled = rows.filled | {one.resource_group.lower() for one in side.found.values()}
    silent = {name: known[name] for name in known if name not in filled}
    for name in rows.pointed:
        if name not in known and name not in filled:
            silent[name] = f"/subscriptions/{subscription_id}/resourceGroups/{name}"
    names = sorted(silent)
    answers = each(names, lambda name: arm.resources_of_group(subscription_id, name))
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, tuple):
            side.found.update({one.id.lower(): one for one in answer})
        elif answer.status != 404:
            yield gap_of(silent[name], f"all resources of resource group {name}", answer)


def _listing_gaps(scope: str, rows: _Rows, side: ArmSide) -> Iterator[Gap]:
    """A gap for each listing that did not end well, unless the other one is complete and makes up for it."""
    if rows.error and side.error:
        seen = len(rows.keys | side.found.keys())
        what = f"resources beyond the {seen} seen; neither Resource Graph nor ARM listed all"
        yield gap_of(scope, what, side.error)
        yield gap_of(f"{scope} (Resource Graph)", what, rows.error)
    elif side.error:
        what = (
            f"the cross-check: ARM's list broke off after {len(side.found)} resources, "
            f"Resource Graph listed {len(rows.keys)}"
        )
        yield gap_of(scope, what, side.error)


def _blind(scope: str, seen: int) -> Gap:
    return Gap(
        scope=scope,
        what=f"the cross-check: Resource Graph shows nothing of this subscription, ARM lists {seen} resources",
        why="Resource Graph leaves out in silence what it has not indexed and what the identity may not read.",
        code="UnseenByGraph",
        remedy="Give the identity the role Reader at the subscription, wait an hour, and take the inventory again.",
    )


def _described(
    arm: SourceArm, kept: Spool, one: Listed, bare: list[Resource], rows: _Rows, each: Each
) -> Iterator[Gap]:
    """Keep the resources that Resource Graph did not describe, with properties read one by one."""
    scope, first = f"/subscriptions/{one.id}", bare[:MOST_SINGLE_READS]
    failed: list[tuple[str, GovliftError]] = []
    for at in range(0, len(first), _CHUNK):
        part = first[at : at + _CHUNK]
        reads = each(part, lambda resource: arm.get(resource.id))
        # ARM's list knows kind, SKU and tags also where the single read does not repeat them.
        told = [read if isinstance(read, Resource) else listed for listed, read in zip(part, reads, strict=True)]
        failed += [
            (listed.id, read) for listed, read in zip(part, reads, strict=True) if isinstance(read, GovliftError)
        ]
        kept.replace(one.place, [(made.id.lower(), compact_json(made)) for made in told], graph=False)
    unread = bare[MOST_SINGLE_READS:]
    kept.replace(one.place, [(made.id.lower(), compact_json(made)) for made in unread], graph=False)
    yield from _property_gaps(scope, failed, len(unread), rows.error)


def _property_gaps(
    scope: str, failed: list[tuple[str, GovliftError]], unread: int, by_graph: GovliftError | None
) -> Iterator[Gap]:
    """Resources that are judged without their properties, one gap for each reason."""
    reasons: dict[str, list[tuple[str, GovliftError]]] = {}
    for identifier, wrong in failed:
        reasons.setdefault(wrong.code or type(wrong).__name__, []).append((identifier, wrong))
    for several in reasons.values():
        identifier, wrong = several[0]
        more = f" and of {len(several) - 1} more for the same reason" if len(several) > 1 else ""
        yield gap_of(identifier, f"the properties of this resource{more}; judged by type, kind and SKU only", wrong)
    if unread:
        what = f"the properties of {unread:,} resources; judged by type, kind and SKU only"
        if by_graph:
            yield gap_of(scope, what, by_graph)
        else:
            yield Gap(
                scope,
                what,
                f"Resource Graph does not show them, and no more than {MOST_SINGLE_READS:,} are read one by one.",
                "UnseenByGraph",
                "Give the identity the role Reader at the subscription itself, and take the inventory again.",
            )


def gap_of(scope: str, what: str, wrong: GovliftError) -> Gap:
    """The gap that an error leaves."""
    return Gap(
        scope=scope, what=what, why=wrong.sentence, code=wrong.code or type(wrong).__name__, remedy=wrong.next_step
    )
