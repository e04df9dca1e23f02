"""One container listed by several at once, without knowing its names before: ranges are split while they are listed.

The ranges always cover all names, each name once, so a split may be anywhere: whoever lists the first half stops where
the second begins. Splits cost requests, so there are no more of them than a small share of the pages. A service that
passes over `startFrom` is noticed at its first page, and listed by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mappings.errors import ObjectError
from mappings.keyspace import KeySpace
from mappings.objects import ListedObject
from tasks.clients.listing import parse_page
from tasks.copiers.base import ListsRaw, SourceBlobs, TargetBlobs
from tasks.copiers.listed import listed_pages
from tasks.copiers.march import ascending_pages

LISTERS = 4
_SHARE = 0.12
"""Requests for splitting, as a share of the pages listed so far."""
_WORTH = 3
"""Pages that a range must have left, about, to be split."""
_SAMPLES = 50


class Folds(Protocol):
    """Takes what is listed of one range."""

    def add(self, entries: list[ListedObject]) -> None:
        """Entries in order; all of one name come to the same fold."""
        ...


F = TypeVar("F", bound=Folds)


class _NoStart(Exception):
    """The service began at the container's first name, wherever it was asked to begin."""


@dataclass(eq=False)
class _Range(Generic[F]):
    begin: str
    end: str | None
    fold: F
    first: str = ""
    """First and last name of the newest page."""
    last: str = ""
    ended: bool = False


async def fold_listing(
    side: SourceBlobs | TargetBlobs, container: str, what: str, fold: Callable[[], F], *, listers: int = LISTERS
) -> list[F]:
    """List a whole container and fold it.

    Args:
        what: the listing's name in a sentence.
        fold: makes the fold of one range.
        listers: ranges that are listed at once.

    Returns:
        the folds in the order of their ranges. Together they got every entry once.

    Raises:
        ObjectError, GovliftError: it could not be listed to its end, in order.
    """
    if isinstance(side, ListsRaw):
        try:
            return await _Split(side, container, what, fold, listers).run()
        except _NoStart:
            pass
    one = fold()
    async with aclosing(ascending_pages(listed_pages(side, container), what)) as pages:
        async for page in pages:
            one.add(page)
    return [one]


class _Split(Generic[F]):
    def __init__(self, side: ListsRaw, container: str, what: str, fold: Callable[[], F], listers: int) -> None:
        self._side, self._container, self._what, self._fold, self._listers = side, container, what, fold, listers
        self._ranges: list[_Range[F]] = [_Range("", None, fold())]
        self._space = KeySpace()
        self._pages = self._splits = 0

    async def run(self) -> list[F]:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._list(self._ranges[0]))
        except BaseExceptionGroup as several:
            # Whatever else went wrong meanwhile, the listing by one will show it again.
            order = sorted(several.exceptions, key=lambda one: not isinstance(one, (_NoStart, ObjectError)))
            raise order[0] from None
        return [one.fold for one in sorted(self._ranges, key=lambda one: one.begin)]

    async def _list(self, here: _Range[F]) -> None:
        async with aclosing(ascending_pages(self._cut(here), self._what)) as pages:
            async for page in pages:
                here.fold.add(page)
                self._split()
        here.ended = True
        self._split()

    async def _cut(self, here: _Range[F]) -> AsyncGenerator[list[ListedObject], None]:
        """The pages of a range, whose end may come nearer while they are listed."""
        async with aclosing(self._side.raw_pages(self._container, begin=here.begin)) as pages:
            async for body in pages:
                page = parse_page(body)
                entries = page.entries
                self._pages += 1
                if not entries:
                    continue
                if entries[0].name < here.begin:
                    raise _NoStart
                last = entries[-1].name
                self._space.learn(one.name for one in entries[:: max(1, len(entries) // _SAMPLES)])
                over = here.end is not None and last >= here.end
                if over:
                    entries = [one for one in entries if here.end is None or one.name < here.end]
                here.first, here.last, here.ended = here.last or here.begin, last, over or not page.marker
                if here.first == "" and entries:
                    here.first = entries[0].name
                if entries:
                    yield entries
                if over:
                    return

    def _split(self) -> None:
        """Let another lister begin, where that is worth its requests."""
        while sum(not one.ended for one in self._ranges) < self._listers:
            if self._splits + 1 > 1 + _SHARE * self._pages:
                return
            found = max((one for one in self._ranges if not one.ended and one.last), key=self._left, default=None)
            if found is None or self._left(found) < _WORTH:
                return
            begin = self._guess(found)
            if begin is None:
                return
            self._splits += 1
            behind = _Range(begin, found.end, self._fold())
            found.end = begin
            self._ranges.append(behind)
            self._group.create_task(self._list(behind))

    def _left(self, one: _Range[F]) -> float:
        return float("inf") if one.end is None else self._space.pages_left(one.first, one.last, one.end)

    def _guess(self, one: _Range[F]) -> str | None:
        if one.end is not None:
            return self._space.middle(one.last, one.end)
        # Farther each time: the container has shown so far that it goes on.
        return self._space.beyond(one.first, one.last, 4 * 2 ** len(self._ranges))
