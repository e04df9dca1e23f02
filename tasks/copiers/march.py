"""The march: source listing, target listing and last manifest, all in key order, walked in step; memory stays flat.

A listing that does not ascend would make the march miss objects in silence, so order is checked while it streams.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from mappings.errors import ReviewFindings
from mappings.objects import EvidenceRow, ListedObject, ObjectKey


class _Keyed(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def key(self) -> ObjectKey: ...


K = TypeVar("K", bound=_Keyed)
_ROWS = 1000
"""Rows of the last manifest that are looked at together."""


@dataclass(frozen=True, slots=True)
class Family:
    """All that is known of one name: its snapshots, oldest first, and its base blob, on three sides."""

    name: str
    source: tuple[ListedObject, ...]
    target: tuple[ListedObject, ...]
    previous: tuple[EvidenceRow, ...]


def out_of_order(what: str, name: str, last: str) -> ReviewFindings:
    """What is raised where a listing does not ascend."""
    return ReviewFindings(
        f'The listing of {what} is not in order: "{name}" came after "{last}".',
        next_step="This shard is not marked done. Exclude the container, or report this.",
    )


async def ascending_pages(
    pages: AsyncGenerator[list[ListedObject], None], what: str
) -> AsyncGenerator[list[ListedObject], None]:
    """Pass a listing on, as long as its names ascend; it is closed with this.

    No page of the documentation says how snapshots and versions of one name mix.

    Raises:
        ReviewFindings: a name sorts before the one before it, or an entry comes twice.
    """
    last: ListedObject | None = None
    async with aclosing(pages):
        async for page in pages:
            for item in page:
                # Different names decide alone; keys are made only within one name.
                if last is not None and not last.name < item.name and (item.name != last.name or item.key == last.key):
                    raise out_of_order(what, item.name, last.name)
                last = item
            yield page


class _Side(Generic[K]):
    """One input of `march_pages`: what is read and not yet walked past."""

    def __init__(self, pages: AsyncIterator[list[K]]) -> None:
        self._pages = pages
        self.held: list[K] = []
        self.at = 0
        self.over = False

    async def more(self) -> None:
        """Read another page; entries may be none."""
        page = await anext(self._pages, None)
        if page is None:
            self.over = True
        elif page:
            self.held = [*self.held[self.at :], *page]
            self.at = 0

    def take(self, name: str) -> tuple[K, ...]:
        """What stands under `name`, if that is next."""
        held, at = self.held, self.at
        if at == len(held) or held[at].name != name:
            return ()
        start = at
        at += 1
        while at < len(held) and held[at].name == name:
            at += 1
        self.at = at
        return tuple(held[start:at])


async def march_pages(
    source: AsyncIterator[list[ListedObject]],
    target: AsyncIterator[list[ListedObject]],
    previous: AsyncIterator[list[EvidenceRow]],
) -> AsyncGenerator[list[Family], None]:
    """Yield the families of all names that stand on any side, ascending, many at a time: no step of the loop for each.

    All inputs come in pages, and ascend by `ObjectKey`.
    """
    left, right, rows = _Side(source), _Side(target), _Side(previous)
    sides: tuple[_Side[ListedObject], _Side[ListedObject], _Side[EvidenceRow]] = (left, right, rows)
    while True:
        for side in sides:
            while side.at == len(side.held) and not side.over:
                await side.more()
        # The last name of a page may go on in the next one, so only names before it are complete.
        limit = min((side.held[-1].name for side in sides if not side.over), default=None)
        families = []
        while (name := _next(sides)) is not None and (limit is None or name < limit):
            families.append(Family(name, left.take(name), right.take(name), rows.take(name)))
        if families:
            yield families
        if limit is None:
            return
        for side in sides:
            if not side.over and side.held[-1].name == limit:
                await side.more()


async def row_pages(rows: Iterator[EvidenceRow]) -> AsyncIterator[list[EvidenceRow]]:
    """Rows one by one as `march_pages` wants them."""
    while page := list(islice(rows, _ROWS)):
        yield page


def _next(sides: tuple[_Side[ListedObject], _Side[ListedObject], _Side[EvidenceRow]]) -> str | None:
    found: str | None = None
    for side in sides:
        if side.at < len(side.held):
            name = side.held[side.at].name
            if found is None or name < found:
                found = name
    return found
