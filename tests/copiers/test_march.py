"""The march: the families that the three sides make together, wherever pages end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.objects import BlobType, EvidenceRow, ListedObject
from mappings.states import Change, Outcome
from tasks.copiers.march import Family, march_pages

T = TypeVar("T", ListedObject, EvidenceRow)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
ITEM = ListedObject("", "", BlobType.BLOCK, 0, '"1"', WHEN)
ROW = EvidenceRow("", "", "BlockBlob", 0, '"1"', WHEN, Outcome.SAME, Change.SAME, None, None)
KEYS = st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "2026-01", "2026-02"])), max_size=12).map(
    lambda keys: sorted(keys, key=lambda key: (key[0], key[1] or "~"))
)


def families(source: list[ListedObject], target: list[ListedObject], rows: list[EvidenceRow]) -> list[Family]:
    """What stands under each name, from whole lists."""

    def under(name: str, items: list[T]) -> tuple[T, ...]:
        return tuple(one for one in items if one.name == name)

    names = sorted({one.name for one in (*source, *target, *rows)})
    return [Family(name, under(name, source), under(name, target), under(name, rows)) for name in names]


async def paged(items: Sequence[T], cuts: Iterator[int]) -> AsyncIterator[list[T]]:
    at = 0
    while at < len(items):
        size = next(cuts)
        yield list(items[at : at + size])
        at += size


@pytest.mark.slow
@settings(max_examples=300)
@given(KEYS, KEYS, KEYS, st.lists(st.integers(0, 4), min_size=60, max_size=60))
def test_pages_change_nothing(
    left: list[tuple[str, str]], right: list[tuple[str, str]], rows: list[tuple[str, str]], sizes: list[int]
) -> None:
    """Breaks when a name whose snapshots go on in the next page becomes two families, or an empty page ends it."""
    source = [replace(ITEM, name=name, snapshot=snapshot) for name, snapshot in left]
    target = [replace(ITEM, name=name, snapshot=snapshot) for name, snapshot in right]
    known = [replace(ROW, name=name, snapshot=snapshot) for name, snapshot in rows]

    async def marched() -> list[Family]:
        cuts = iter([*sizes, *[3] * 40])
        found = march_pages(paged(source, cuts), paged(target, cuts), paged(known, cuts))
        return [one async for several in found for one in several]

    assert asyncio.run(marched()) == families(source, target, known)
