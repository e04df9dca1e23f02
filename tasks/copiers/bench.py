"""What all objects of one shard share while they are copied, and how one of them is listed again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from mappings.fidelity import Features
from mappings.objects import ListedObject, ObjectKey
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.journal import Journal
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.progress import ShardProgress

T = TypeVar("T")

WIDTH = 8
"""Blocks of one object in flight at once; the byte budget bounds them over all objects."""


@dataclass
class Bench:
    """The two sides, the limits and the counters of one shard's copy."""

    source: SourceBlobs
    target: TargetBlobs
    container: str
    rules: CopyRules
    routes: RouteBook
    progress: ShardProgress
    features: Features
    budget: ByteBudget
    pace: Pace
    journal: Journal
    clock: Callable[[], datetime]

    def begin(self, name: str) -> None:
        """To be called before the first write under `name` at the target."""
        self.journal.begin((name,))

    async def spend(self, size: int = 0, requests: int = 1) -> None:
        """Wait until the hours and the caps of the run allow so many requests more.

        Args:
            size: bytes that they read from an account, by the mover or by the target service. What the mover read
                and writes on was counted when it was read.
        """
        if self.pace.capped:
            await self.pace.spend(requests, size)

    async def at_source(self, name: str, snapshot: str = "", version: str = "") -> ListedObject | None:
        """The object as the source lists it now."""
        key = ObjectKey(name, snapshot, version)
        await self.spend()
        return await _one(self.source.objects(self.container, begin=name, end=name + "\0"), key)

    async def at_target(self, name: str, snapshot: str = "") -> ListedObject | None:
        """The object as the target lists it now, tags and tier included."""
        await self.spend()
        listing = self.target.objects(self.container, begin=name, end=name + "\0")
        found = await _one(listing, ObjectKey(name, snapshot))
        return found if found is None else await self.whole(found)

    async def whole(self, there: ListedObject) -> ListedObject:
        """`there`, of the target, with its metadata: no listing tells that of blobs under a customer-provided key."""
        if not (there.customer_key and there.key_sha256 == self.rules.target_key):
            return there
        await self.spend()
        return await self.target.unlocked(self.container, there)


async def _one(listing: AsyncIterator[ListedObject], key: ObjectKey) -> ListedObject | None:
    found = None
    async for item in listing:
        if item.key == key:
            found = item
    return found


@dataclass(frozen=True, slots=True)
class Span:
    """One run of bytes of an object."""

    index: int
    offset: int
    length: int


def spans(size: int, step: int, *, start: int = 0) -> list[Span]:
    """Cut `size` bytes that begin at `start` into runs of at most `step`."""
    return [Span(index, start + offset, min(step, size - offset)) for index, offset in enumerate(range(0, size, step))]


async def in_order(
    parts: Iterable[Span], work: Callable[[Span], Awaitable[T]], budget: ByteBudget | None, *, width: int = WIDTH
) -> AsyncIterator[T]:
    """Do `work` for all parts, `width` at once, and yield the results in order.

    Parts are admitted to the byte budget in order, so that a part never waits for bytes that a later one holds. When
    one fails, or the caller stops, the others are cancelled and awaited.
    """
    running: deque[asyncio.Task[T]] = deque()
    try:
        for part in parts:
            if len(running) == width:
                yield await running.popleft()
            running.append(await _admitted(part, work, budget))
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _admitted(part: Span, work: Callable[[Span], Awaitable[T]], budget: ByteBudget | None) -> asyncio.Task[T]:
    async def run() -> T:
        return await work(part)

    if budget is None:
        return asyncio.create_task(run())
    await budget.take(part.length)
    task = asyncio.create_task(run())
    # A task cancelled before its first step never enters its body; the callback runs all the same.
    task.add_done_callback(lambda _: budget.give(part.length))
    return task
