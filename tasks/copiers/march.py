"""The march: source listing, target listing and last manifest, all in key order, walked in step; memory stays flat.

A listing that does not ascend would make the march miss objects in silence, so order is checked while it streams.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from mappings.errors import ReviewFindings
from mappings.objects import EvidenceRow, ListedObject, ObjectKey


@dataclass(frozen=True, slots=True)
class Family:
    """All that is known of one name: its snapshots, oldest first, and its base blob, on three sides."""

    name: str
    source: tuple[ListedObject, ...]
    target: tuple[ListedObject, ...]
    previous: tuple[EvidenceRow, ...]


async def ascending(listing: AsyncIterator[ListedObject], what: str) -> AsyncIterator[ListedObject]:
    """Pass a listing on, as long as it ascends by `ObjectKey`.

    Raises:
        ReviewFindings: an entry sorts before, or equals, the one before it.
    """
    last: ObjectKey | None = None
    async for item in listing:
        if last is not None and not last < item.key:
            raise ReviewFindings(
                f'The listing of {what} is not in order: "{item.name}" came after "{last.name}".',
                next_step="This shard is not marked done. Exclude the container, or report this.",
            )
        last = item.key
        yield item


async def march(
    source: AsyncIterator[ListedObject], target: AsyncIterator[ListedObject], previous: Iterator[EvidenceRow]
) -> AsyncIterator[Family]:
    """Yield one family per name that stands on any side, ascending. All inputs ascend by `ObjectKey`."""
    left, right, rows = _names(source), _names(target), _rows(previous)
    heads = [await anext(left, None), await anext(right, None)]
    row = next(rows, None)
    while heads[0] or heads[1] or row:
        name = min(one[0] for one in (heads[0], heads[1], row) if one)
        of_source = of_target = ()  # type: tuple[ListedObject, ...]
        of_rows: tuple[EvidenceRow, ...] = ()
        if heads[0] and heads[0][0] == name:
            of_source, heads[0] = heads[0][1], await anext(left, None)
        if heads[1] and heads[1][0] == name:
            of_target, heads[1] = heads[1][1], await anext(right, None)
        if row and row[0] == name:
            of_rows, row = row[1], next(rows, None)
        yield Family(name, of_source, of_target, of_rows)


async def _names(listing: AsyncIterator[ListedObject]) -> AsyncIterator[tuple[str, tuple[ListedObject, ...]]]:
    held: list[ListedObject] = []
    async for item in listing:
        if held and held[0].name != item.name:
            yield held[0].name, tuple(held)
            held = []
        held.append(item)
    if held:
        yield held[0].name, tuple(held)


def _rows(rows: Iterator[EvidenceRow]) -> Iterator[tuple[str, tuple[EvidenceRow, ...]]]:
    held: list[EvidenceRow] = []
    for row in rows:
        if held and held[0].name != row.name:
            yield held[0].name, tuple(held)
            held = []
        held.append(row)
    if held:
        yield held[0].name, tuple(held)
