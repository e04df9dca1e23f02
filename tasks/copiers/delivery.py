"""One object's way to the target: start, start over, change the route, settle conflicts; bounded by the rules."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mappings.delta import NOT_OURS
from mappings.errors import (
    CompareTarget,
    Corrupted,
    ObjectError,
    ObjectGone,
    ObjectRefused,
    ReplanObject,
    SlowDown,
    SwitchRoute,
)
from mappings.fidelity import adapted
from mappings.objects import BlobType, ListedObject
from mappings.states import Route
from tasks.copiers.base import COPY_SOURCE_TOO_LONG
from tasks.copiers.bench import Bench
from tasks.copiers.blobs import Landed, move
from tasks.copiers.proving import Proof, compare, prove

LONGEST_PAUSE = 60.0


class LeftOut(ObjectRefused):
    """The object turned into one that is not copied (deleted, archived, ...) while it was worked on."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One object that is at the target, as `item` (cut to what the target can hold), proved."""

    item: ListedObject
    lost: tuple[str, ...]
    landed: Landed
    proof: Proof


class Delivery:
    """State of one object's copy. Its attributes stay readable after a failure, for the evidence.

    Args:
        item: as listed at the source.
        if_match: target generation that may be overwritten, None where there must be none.
        begun: an interrupted attempt of ours had begun to write this name; its last request may still be under way.
    """

    def __init__(self, bench: Bench, item: ListedObject, if_match: str | None, *, begun: bool = False) -> None:
        self.bench = bench
        self.item = item
        self.if_match = if_match
        self.begun = begun
        self.route = bench.routes.route(bench.source.account, bench.target.account, item.blob_type)
        if item.customer_key:
            # The target service has no key to read it with.
            self.route = Route.STREAM
        self.attempts = 0
        self.wrote = False
        """Whether a write was tried, so that the target may hold something of ours."""
        self._damaged = 0
        self._patient = 0
        """Starts that do not count, because the service only asked for patience."""
        self._wait_until = 0.0
        self._tried: list[ListedObject] = []

    async def run(self, first: ObjectError | None = None) -> Delivered:
        """Copy until it is there and proved.

        Args:
            first: how a first start, made elsewhere, went wrong; it counts as one.

        Raises:
            LeftOut: it is no longer an object to copy.
            ObjectError: it failed for good; `Corrupted` where bytes differ.
        """
        while True:
            self.attempts += 1
            try:
                if first is None:
                    return await self._once()
                wrong, first = first, None
                self._remember(adapted(self.item, self.bench.features).item)
            except ObjectError as caught:
                wrong = caught
            patient = self._may_wait(wrong)
            if self.attempts - self._patient >= self.bench.rules.attempts and not patient:
                raise _for_good(wrong, self.attempts) from None
            settled = await self._settle(wrong)
            if settled is not None:
                return settled

    def _remember(self, item: ListedObject) -> None:
        """Keep what was tried: the target may hold it from now on."""
        if not self._tried or self._tried[-1] != item:
            self._tried = [*self._tried[-3:], item]
        self.wrote = True

    async def _once(self) -> Delivered:
        bench = self.bench
        fit = adapted(self.item, bench.features)
        self._remember(fit.item)
        landed = await move(bench, fit.item, self.route, self.if_match)
        self.if_match = landed.etag
        proof = await prove(bench, fit.item, landed)
        if landed.route is Route.PULL:
            bench.routes.pulled(bench.source.account, bench.target.account, fit.item.blob_type)
        return Delivered(fit.item, fit.lost, landed, proof)

    async def _settle(self, wrong: ObjectError) -> Delivered | None:
        """Make ready for the next attempt, or answer what turns out to be there already; raises what is final."""
        match wrong:
            case CompareTarget():
                return await self._compare(wrong)
            case ReplanObject() | ObjectGone():
                await self._list_again(wrong)
            case SwitchRoute():
                self._switch(wrong)
            case SlowDown():
                await self._wait(wrong)
            case Corrupted():
                self._damaged += 1
                if self._damaged > 1:
                    raise wrong
            case _:
                raise wrong
        await self._look_at_target()
        return None

    async def _list_again(self, wrong: ObjectError) -> None:
        if wrong.code in ("ContainerNotFound", "ResourceNotFound", "AccountNotFound"):
            raise ObjectRefused(wrong.sentence, code=wrong.code, status=wrong.status)
        fresh = await self.bench.at_source(self.item.name, self.item.snapshot, self.item.key.version)
        if fresh is None:
            raise LeftOut("Deleted at the source during the copy.", code="DeletedMeanwhile")
        if reason := self.bench.rules.left_out(fresh):
            raise LeftOut(reason)
        self.item = fresh

    def _switch(self, wrong: SwitchRoute) -> None:
        """Only a pull says this. One that was under way when others made the pair stream says it late."""
        routes = self.bench.routes
        if not routes.may_fall_back:
            remedy = 'Set route = "auto" in [copy], or let the target service reach the source account.'
            raise ObjectRefused(f"{wrong.sentence} {remedy}", code=wrong.code, status=wrong.status)
        pair = self.bench.source.account, self.bench.target.account
        # A name that is too long for a copy source says nothing about the pair.
        of_pair = wrong.code != COPY_SOURCE_TOO_LONG
        routes.refused(*pair, self.item.name, wrong.sentence, of_pair=of_pair, blob_type=self.item.blob_type)
        self.route = Route.STREAM

    def _may_wait(self, wrong: ObjectError) -> bool:
        """Whether this start does not count: the service throttles, and has not done so for too long."""
        if not isinstance(wrong, SlowDown) or wrong.status not in (429, 503):
            return False
        now = time.monotonic()
        self._wait_until = self._wait_until or now + self.bench.rules.patience
        self._patient += now < self._wait_until
        return now < self._wait_until

    async def _wait(self, wrong: SlowDown) -> None:
        self.bench.pace.slow()
        self.bench.progress.add(throttled=1)
        doubled = self.bench.rules.pause * 2 ** min(self.attempts - 1, 10)
        await asyncio.sleep(min(LONGEST_PAUSE, wrong.retry_after or doubled))

    async def _compare(self, wrong: CompareTarget) -> Delivered | None:
        """A condition on the target failed. A first try whose answer was lost looks like this too: compare first."""
        found = await self.bench.at_target(self.item.name)
        if found is None or found.etag == self.if_match:
            self.if_match = None if found is None else found.etag
            return None
        fit = adapted(self.item, self.bench.features)
        try:
            proof = await compare(self.bench, fit.item, found)
        except (ReplanObject, ObjectGone) as changed:
            await self._list_again(changed)
            proof = None
        if proof is None:
            self._may_overwrite(found)
            return None
        if not _beside(fit.item, found):
            self.if_match = found.etag
            return None
        return Delivered(fit.item, fit.lost, Landed(found.etag, "", self.route), proof)

    async def _look_at_target(self) -> None:
        """After a failed attempt the target may hold a part, or all, of what was sent."""
        found = await self.bench.at_target(self.item.name)
        if found is None:
            self.if_match = None
        elif found.etag != self.if_match:
            self._may_overwrite(found)

    def left(self, found: ListedObject) -> bool:
        """Whether `found` can be what this delivery left at the target."""
        return found.etag == self.if_match or self._ours(found)

    def _may_overwrite(self, found: ListedObject) -> None:
        """Take `found` for what an earlier try of this delivery, or a killed attempt, wrote; or refuse it."""
        if not self._ours(found):
            raise ObjectRefused(NOT_OURS, code="TargetNotOurs")
        self.if_match = found.etag

    def _ours(self, found: ListedObject) -> bool:
        return self.begun or any(_like(found, tried) for tried in self._tried)


def _like(found: ListedObject, tried: ListedObject) -> bool:
    """Whether `found` can be what a try to write `tried` left: a part of an append blob, else all of its size."""
    part = tried.blob_type is BlobType.APPEND and found.size <= tried.size
    same_shape = found.blob_type is tried.blob_type and (found.size == tried.size or part)
    return same_shape and dict(found.metadata) == dict(tried.metadata)


def _beside(item: ListedObject, found: ListedObject) -> bool:
    """Whether what travels beside the content is there as well, so that nothing is left to write."""
    return dict(item.metadata) == dict(found.metadata) and (not item.sealed or found.sealed)


def _for_good(wrong: ObjectError, attempts: int) -> ObjectError:
    if isinstance(wrong, (ReplanObject, CompareTarget)):
        why = f"It kept changing: {attempts} starts, and {wrong.sentence[:1].lower()}{wrong.sentence[1:]}"
        return ObjectRefused(f"{why} Run again when it is quieter.", code=wrong.code, status=wrong.status)
    return wrong
