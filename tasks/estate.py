"""Takes the inventory: Resource Graph and ARM list the same subscriptions, and whatever either cannot see is a gap.

Batches of subscriptions go through Resource Graph, page by page into the spool, while ARM's own lists are read by
subscription; then the two are put together. What is finished is never asked again, not even after a kill.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mappings.errors import FixTheInput, GovliftError, GrantAccess, TryLater
from mappings.model import Gap, Inventory, Resource, ResourceGroup, Subscription
from tasks.clients.accounts import resource_of
from tasks.estate_merge import ArmSide, gap_of, merged, read_arm
from tasks.spool import Listed, Spool

if TYPE_CHECKING:
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader

log = logging.getLogger("govlift")

BATCH = 100
"""Subscriptions in one query of Resource Graph. It takes 1,000; a smaller batch loses less when it is begun anew."""
_AT_ONCE = 8
"""Requests to ARM at the same time: its allowances are per subscription, its patience per identity."""
_FEW = 20
"""Subscriptions up to which each is asked for by itself; and up to which a service that does not answer is a gap."""


def take_inventory(
    arm: SourceArm,
    graph: GraphReader,
    subscriptions: Sequence[str] = (),
    *,
    management_group: str = "",
    now: datetime,
    spool: Spool | None = None,
) -> Inventory:
    """Everything in the scope, with what could not be listed.

    Resource Graph brings the properties, ARM's list is the cross-check and the fallback. Nothing that failed is left
    out in silence: a subscription, listing, resource group or set of properties that could not be read is a `Gap`.

    Args:
        subscriptions: ids; or else
        management_group: everything below it, in nested groups too.
        spool: where the parts are kept, and gone on from; the resources of the result lie in it, so keep it open while
            they are used. None keeps all in memory.

    Raises:
        GovliftError: not one of the subscriptions could be read; the reason of the first.
        TryLater: in a large scope, ARM or Resource Graph does not answer any more. What was taken is kept.
    """
    kept = spool or Spool(None, "", now=now)
    if not kept.listed:
        kept.begin(_scope(arm, subscriptions, management_group))
    taking = _Taking(arm, graph, kept)
    if management_group:
        taking.govern_above(management_group)
    taking.take()
    if not kept.items("subscription", Subscription):
        raise taking.refused or _refused(kept)
    resources = kept.resources()
    governance = kept.items("governance", Resource)
    return Inventory(
        cloud=arm.cloud.name,
        tenant_id=arm.session.tenant_id,
        scope=f"management group {management_group}"
        if management_group
        else f"subscriptions {', '.join(subscriptions)}",
        taken_at=kept.begun,
        resources=resources if spool else tuple(resources),
        gaps=kept.gaps(),
        seen=kept.seen(),
        subscriptions=tuple(kept.items("subscription", Subscription)),
        groups=tuple(kept.items("group", ResourceGroup)),
        governance=governance if spool else tuple(governance),
    )


def _scope(arm: SourceArm, subscriptions: Sequence[str], management_group: str) -> list[str]:
    if not management_group:
        return list(dict.fromkeys(one.lower() for one in subscriptions))
    found = arm.below(management_group)
    if not found:
        raise FixTheInput(
            f"There is no subscription below management group {management_group}.",
            next_step="Check source.management_group in migration.toml: it is the group's id, not its display name.",
        )
    return list(found)


def _refused(kept: Spool) -> GovliftError:
    """Why no subscription could be read, where an earlier run was told so."""
    gap = kept.gaps()[0]
    return GrantAccess(gap.why, next_step=gap.remedy)


class _Taking:
    """One run of an inventory over what is not finished yet."""

    def __init__(self, arm: SourceArm, graph: GraphReader, kept: Spool) -> None:
        self._arm, self._graph, self._kept = arm, graph, kept
        self._listed = kept.listed
        self._large = len(self._listed) > _FEW
        self.refused: GovliftError | None = None

    def take(self) -> None:
        parts = [self._listed[at : at + BATCH] for at in range(0, len(self._listed), BATCH)]
        if all(one.done for one in self._listed):
            return
        known = self._known()
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            for number, part in enumerate(parts):
                left = [one for one in part if not one.done]
                if not left:
                    continue
                self._batch(pool, known, number, left)
                done = sum(map(len, parts[: number + 1]))
                log.info("inventory: %s of %s subscriptions", f"{done:,}", f"{len(self._listed):,}")

    def _known(self) -> Mapping[str, Subscription]:
        """The subscriptions of a large scope by one list. One that it lacks is asked for by itself, for the reason."""
        if not self._large:
            return {}
        return {one.id: one for one in self._arm.visible()}

    def _batch(
        self, pool: ThreadPoolExecutor, known: Mapping[str, Subscription], number: int, part: Sequence[Listed]
    ) -> None:
        """Resource Graph in this thread, ARM meanwhile in the pool; then each subscription is put together."""
        asked: dict[int, Future[ArmSide]] = {
            one.place: pool.submit(read_arm, self._arm, one.id, known.get(one.id)) for one in part
        }
        try:
            failed = self._pages(number, part)
            self._govern(pool, part)
            silent: list[GovliftError] = []
            for one in part:
                side = asked[one.place].result()
                # A service that stopped to answer is no property of the subscription: in a large scope, come back.
                if self._large and (busy := side.busy):
                    silent.append(busy)
                    continue
                self.refused = self.refused or side.refused
                self._finish(pool, one, side, failed.get(one.place))
            if silent:
                raise silent[0]
        finally:
            for future in asked.values():
                future.cancel()

    def _finish(self, pool: ThreadPoolExecutor, one: Listed, side: ArmSide, failed: GovliftError | None) -> None:
        made = merged(self._arm, self._kept, one, side, failed, lambda items, read: _each(pool, items, read))
        items: list[tuple[str, str, object]] = [("gap", f"{at:06d}", gap) for at, gap in enumerate(made.gaps)]
        items += [("group", group.id.lower(), group) for group in side.groups]
        items += [("governance", lock.id.lower(), lock) for lock in side.locks]
        if side.subscription:
            items.append(("subscription", "", side.subscription))
        self._kept.finish(one.place, made.seen, items)

    # --- Resource Graph

    def _pages(self, number: int, part: Sequence[Listed]) -> dict[int, GovliftError]:
        """Bring the rows of a batch into the spool; place of a subscription -> why its listing is not complete."""
        token, seen, done = self._kept.graph_place(number)
        if done:
            return {}
        if token and self._went_on(number, part, token, seen):
            return {}
        places = [one.place for one in part]
        self._kept.forget_pages(number, places)
        try:
            self._list(number, part)
        except GovliftError as wrong:
            if self._large and _busy(wrong):
                raise
            # Whatever is kept of them stays; where to go on is forgotten, so that a later run begins the batch anew.
            self._kept.keep_page(number, (), token="", seen=0, done=False)
            return {one.place: wrong for one in part} if len(part) == 1 else self._one_by_one(number, part)
        return {}

    def _went_on(self, number: int, part: Sequence[Listed], token: str, seen: int) -> bool:
        """Go on behind the last page that was kept. Tokens expire, and then the batch is begun anew."""
        try:
            self._list(number, part, token, seen)
        except GovliftError as wrong:
            if self._large and _busy(wrong):
                raise
            log.info("inventory: batch %s is begun anew: %s", number + 1, wrong.sentence)
            return False
        return True

    def _list(self, number: int, part: Sequence[Listed], token: str = "", seen: int = 0) -> None:
        places = {one.id: one.place for one in part}
        for page in self._graph.pages(subscriptions=[one.id for one in part], token=token, seen=seen):
            rows = [(_place(row, places), resource_of(row)) for row in page.rows]
            self._kept.keep_page(number, rows, token=page.token, seen=page.seen, done=not page.token)

    def _one_by_one(self, number: int, part: Sequence[Listed]) -> dict[int, GovliftError]:
        """Find out for which subscriptions of a batch Resource Graph fails, so that it fails for no other."""
        failed: dict[int, GovliftError] = {}
        for one in part:
            try:
                for page in self._graph.pages(subscriptions=[one.id]):
                    rows = [(one.place, resource_of(row)) for row in page.rows]
                    self._kept.keep_page(number, rows, token="", seen=0, done=False)
            except GovliftError as wrong:
                failed[one.place] = wrong
        return failed

    # --- what governs resources

    def govern_above(self, management_group: str) -> None:
        """What stands at management groups. ARM's lists by subscription tell what is inherited, too."""
        for kind in _GOVERNING:
            self._kept.drop(_ABOVE, "gap", kind)
            try:
                found = self._graph.governance(kind, management_group=management_group)
            except GovliftError as wrong:
                scope = f"/providers/Microsoft.Management/managementGroups/{management_group}"
                what = f"{_GOVERNING[kind]} that stand at management groups, beyond those that its subscriptions tell"
                self._kept.keep(_ABOVE, [("gap", kind, gap_of(scope, what, wrong))])
                continue
            self._kept.keep(_ABOVE, [("governance", one.id.lower(), one) for one in found])

    def _govern(self, pool: ThreadPoolExecutor, part: Sequence[Listed]) -> None:
        for kind, words in _GOVERNING.items():
            gaps: list[Gap] = []
            self._kept.drop(part[0].place, "gap", kind)
            try:
                found = self._graph.governance(kind, subscriptions=[one.id for one in part])
            except GovliftError:
                found, gaps = self._govern_by_arm(pool, part, kind, words)
            places = {one.id: one.place for one in part}
            for one in found:
                place = places.get(one.subscription_id.lower(), _ABOVE)
                self._kept.keep(place, [("governance", one.id.lower(), one)])
            self._kept.keep(part[0].place, [("gap", f"{kind}{at}", gap) for at, gap in enumerate(gaps)])

    def _govern_by_arm(
        self, pool: ThreadPoolExecutor, part: Sequence[Listed], kind: str, words: str
    ) -> tuple[list[Resource], list[Gap]]:
        """By ARM's lists where Resource Graph refuses; one gap for each reason for which these fail too."""
        answers = _each(pool, part, lambda one: self._arm.governance(one.id, kind))
        found = [one for answer in answers if isinstance(answer, tuple) for one in answer]
        reasons: dict[str, list[tuple[str, GovliftError]]] = {}
        for one, answer in zip(part, answers, strict=True):
            if isinstance(answer, GovliftError):
                reasons.setdefault(answer.code or type(answer).__name__, []).append((one.id, answer))
        gaps = []
        for several in reasons.values():
            first, wrong = several[0]
            more = f" and of {len(several) - 1} more for the same reason" if len(several) > 1 else ""
            gaps.append(gap_of(f"/subscriptions/{first}", f"the {words} of this subscription{more}", wrong))
        return found, gaps


_GOVERNING = {"roleAssignments": "role assignments", "policyAssignments": "policy assignments"}
_ABOVE = -1
"""Place in the spool of what stands above all subscriptions."""


def _place(row: Mapping[str, Any], places: Mapping[str, int]) -> int:
    """The place of a row's subscription. A row of another one is kept with the first: it was seen, and is not lost."""
    return places.get(str(row.get("subscriptionId") or "").lower(), next(iter(places.values())))


def _busy(wrong: GovliftError) -> bool:
    """Whether the service did not answer, or asked to come back; a broken listing is not that."""
    return isinstance(wrong, TryLater) and wrong.code != "BrokenListing"


def _each(pool: ThreadPoolExecutor, items: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """`read` of every item, a few at once, in order; an error is the answer for its item."""

    def safe(item: Any) -> Any:
        try:
            return read(item)
        except GovliftError as wrong:
            return wrong

    return list(pool.map(safe, items))
