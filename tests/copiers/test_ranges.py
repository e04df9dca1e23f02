"""A container listed by several at once: every entry once, in order, for few more requests than by one."""

from __future__ import annotations

import asyncio
import uuid
from bisect import bisect_left
from collections.abc import AsyncGenerator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.errors import ObjectError, ReviewFindings
from mappings.keyspace import KeySpace
from mappings.objects import ListedObject
from tasks.copiers.ranges import fold_listing
from tests.copiers.memory_cloud import Account
from tests.copiers.raw_pages import entry_of, page_of


def sample() -> ListedObject:
    account = Account("a")
    return account.write("c", "x", b"").item


SAMPLE = sample()


class Service:
    """Lists names; `starts` False passes over `begin`, as a service of an older version does."""

    account = "a"

    def __init__(self, names: list[str], size: int, *, starts: bool = True) -> None:
        self.names, self.size, self.starts = sorted(names), size, starts
        self.requests = self.busy = self.most = 0
        self.fails_at = 0

    async def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        at = bisect_left(self.names, begin) if self.starts else 0
        while True:
            self.requests += 1
            if self.requests == self.fails_at:
                raise ObjectError("gone", code="ContainerNotFound")
            self.busy += 1
            self.most = max(self.most, self.busy)
            await asyncio.sleep(0)
            self.busy -= 1
            page = self.names[at : at + self.size]
            at += self.size
            yield page_of(
                [entry_of(replace(SAMPLE, name=name)) for name in page], "more" if at < len(self.names) else ""
            )
            if at >= len(self.names):
                return


class Names(list[str]):
    def add(self, entries: list[ListedObject]) -> None:
        self.extend(one.name for one in entries)


def listed(service: Service, listers: int = 4) -> list[str]:
    parts = asyncio.run(fold_listing(service, "c", "a/c", Names, listers=listers))  # type: ignore[arg-type]
    return [name for part in parts for name in part]


PIECES = st.sampled_from(["a", "b", "0", "9", "/", "-", "é", "~", "z"])
ANY = st.text(PIECES, min_size=1, max_size=7)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.lists(st.one_of(ANY, st.integers(0, 10**6).map(lambda n: f"run/{n:07d}"), st.uuids().map(str)), max_size=120),
    st.integers(1, 6), st.integers(1, 6), st.booleans(),
)  # fmt: skip
def test_no_entry_is_lost_or_doubled(names: list[str], size: int, listers: int, starts: bool) -> None:
    """Breaks on any distribution of names for which ranges overlap or leave a hole; names may repeat (snapshots)."""
    service = Service(list(dict.fromkeys(names)), size, starts=starts)
    assert listed(service, listers) == service.names


RANDOM = Random(7)
SHAPES = {
    "numbered": [f"folder/{n // 100:04d}/file-{n:09d}.bin" for n in range(6_000)],
    "guids": [str(uuid.UUID(int=RANDOM.getrandbits(128))) for _ in range(6_000)],
    "days": [f"logs/2025/{n // 340 + 1:02d}/{n % 28 + 1:02d}/{RANDOM.randrange(10**6)}-{n}" for n in range(4_000)],
    "words": ["".join(RANDOM.choices("etaoinshrdlucmfwypvbgkjqxz", k=9)) for _ in range(6_000)],
    "one prefix": [f"{'deep/' * 20}{n:06d}" for n in range(6_000)],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_container_costs_few_more_requests(shape: str) -> None:
    """Breaks when splitting costs more than a fifth, or nobody lists beside the first."""
    service = Service(SHAPES[shape], 30)
    assert listed(service) == service.names
    serial = -(-len(service.names) // 30)
    assert service.requests <= 1.2 * serial
    # Names that differ behind their 64th character only are left to one.
    assert service.most >= (1 if shape == "one prefix" else 3)


def test_small_containers_cost_one_request() -> None:
    for count in (0, 1, 99, 100):
        service = Service([f"n{n:03d}" for n in range(count)], 100)
        assert listed(service) == service.names and service.requests == 1


@pytest.mark.slow
def test_a_failed_page_ends_the_whole_listing() -> None:
    """Breaks when part of a listing passes for all of it."""
    for number in range(1, 40):
        service = Service(SHAPES["numbered"][:3000], 100)
        service.fails_at = number
        try:
            found = listed(service)
        except ObjectError as wrong:
            assert wrong.code == "ContainerNotFound"
        else:
            assert service.requests < number and found == service.names


def test_a_listing_out_of_order_is_refused() -> None:
    service = Service(SHAPES["numbered"][:300], 100)
    service.names[150:152] = service.names[151:149:-1]
    with pytest.raises(ReviewFindings, match="not in order"):
        listed(service)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(ANY, min_size=2, max_size=8, unique=True), st.data())
def test_a_guess_lies_where_it_was_asked_for(names: list[str], data: st.DataObject) -> None:
    names.sort()
    space = KeySpace()
    space.learn(data.draw(st.lists(st.sampled_from(names), min_size=1)))
    low, high = data.draw(st.sampled_from([(a, b) for a in names for b in names if a < b]))
    for guess in (space.middle(low, high), space.beyond(low, high, 4)):
        assert guess is None or guess > low
    middle = space.middle(low, high)
    assert middle is None or low < middle < high
