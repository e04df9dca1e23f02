"""A range of a container's listing page by page, and both sides of a shard marched over.

Pages are raw where a client has them, else gathered. Whoever is handed a listing closes it: one that is left open when
the loop ends is closed together with what it reads from, in no order, and fails at that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from mappings.objects import EvidenceRow, ListedObject
from mappings.plan import CopyShard
from mappings.shards import PAGE
from tasks.clients.listing import parse_page
from tasks.copiers.base import ListsRaw, SourceBlobs, TargetBlobs
from tasks.copiers.march import Family, ascending_pages, march_pages
from tasks.copiers.prints import Turn, ahead, at_once, in_turn

Tee = Callable[[bytes], None]

_GATHERED = 500


async def listed_pages(
    side: SourceBlobs | TargetBlobs,
    container: str,
    begin: str = "",
    end: str | None = None,
    tee: Tee | None = None,
    turn: Turn = at_once,
    entries: int = 0,
) -> AsyncGenerator[list[ListedObject], None]:
    """Entries with `begin <= name < end`, in the order of the service; one page more than is worked on is held.

    Args:
        tee: gets each raw page, uncut; is not called where the client has none.
        turn: awaited before each page.
        entries: expected in the range, about; 0 where nobody knows.

    Raises:
        ObjectError, GovliftError: the listing failed or broke off.
    """
    if isinstance(side, ListsRaw):
        raw = side.raw_pages(container, begin=begin, end=end, entries=entries)
        async with aclosing(ahead(in_turn(raw, turn), end)) as pages:
            async for body in pages:
                if tee is not None:
                    tee(body)
                found = parse_page(body).entries
                if not found:
                    continue
                yield _within(found, begin, end)
                if end is not None and found[-1].name >= end:
                    return
        return
    held: list[ListedObject] = []
    count = 0
    await turn()
    async for item in side.objects(container, begin=begin, end=end):
        if count and count % PAGE == 0:
            # Where the pages end is the client's secret; so many there are at least.
            await turn()
        count += 1
        held.append(item)
        if len(held) == _GATHERED:
            yield held
            held = []
    if held:
        yield held


@asynccontextmanager
async def marched(
    shard: CopyShard,
    source: SourceBlobs,
    target: TargetBlobs,
    rows: AsyncIterator[list[EvidenceRow]],
    *,
    turn: Turn = at_once,
    tees: tuple[Tee | None, Tee | None] = (None, None),
) -> AsyncIterator[AsyncIterator[list[Family]]]:
    """What stands under each name of a shard at the source, at the target and in the manifest, many names at a time.

    Args:
        rows: of the manifest, in key order.
        turn, tees: as for `listed_pages`; the tees of the source and of the target.

    Raises:
        ObjectError, GovliftError: a listing failed, or is out of order.
    """
    sides = ((source, tees[0]), (target, tees[1]))
    left, right = (
        ascending_pages(
            listed_pages(side, shard.container, shard.begin, shard.end, tee, turn, shard.objects),
            f"{side.account}/{shard.container}",
        )
        for side, tee in sides
    )
    async with aclosing(left), aclosing(right), aclosing(march_pages(left, right, rows)) as walked:
        yield walked


def _within(entries: list[ListedObject], begin: str, end: str | None) -> list[ListedObject]:
    if entries[0].name >= begin and (end is None or entries[-1].name < end):
        return entries
    return [one for one in entries if one.name >= begin and (end is None or one.name < end)]
