"""Who of a crew begins when; the worker processes themselves are stood in for, tests/kills has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from flows import crew
from flows.crew import Crew, at_first, crew_size
from flows.word import Word
from mappings.errors import ExitCode, TryLater
from mappings.runs import RunKind
from mappings.settings import Copy
from mappings.states import ShardState

COUNTS = dict.fromkeys(ShardState, 1)


@dataclass
class Standing:
    """Stands in for a worker process that ends when the test says so."""

    number: int
    process: Any = field(default_factory=lambda: SimpleNamespace(pid=1, returncode=0))
    end: asyncio.Event = field(default_factory=asyncio.Event)
    words: list[Word] = field(default_factory=list)

    def begin(self, word: Word) -> None:
        self.words.append(word)

    async def ended(self) -> tuple[int, str]:
        await self.end.wait()
        return int(ExitCode.OK), ""


async def refused() -> None:
    raise TryLater("The authority does not answer.", next_step="Wait.")


def crew_of(size: int, first: int) -> Crew:
    reader = SimpleNamespace(shard_states=lambda _: COUNTS)
    session = SimpleNamespace(storage_token=refused)
    ledger = SimpleNamespace(reader=reader)
    bench: Any = SimpleNamespace(standby=None, ledger=ledger, source_session=session, target_session=session)
    return Crew(bench, "run", size, first)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Standing]:
    made: list[Standing] = []

    async def started(_: Any, number: int, **__: Any) -> Standing:
        made.append(Standing(number))
        return made[-1]

    monkeypatch.setattr(crew.Mover, "started", started)
    return made


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_one_begins_and_the_others_join_when_it_lasts(
    begun: list[Standing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "ALONE_SECONDS", 0.001)
    working = asyncio.create_task(crew_of(3, 1).work())
    await until(lambda: len(begun) == 1)
    await until(lambda: len(begun) == 3)
    for one in begun:
        one.end.set()
    await working
    assert [one.number for one in begun] == [1, 2, 3]
    assert all(one.words == [Word("run")] for one in begun), "who has no tokens to hand over lets them sign in"


async def test_where_the_first_ends_soon_no_other_begins(begun: list[Standing]) -> None:
    """Mutation that must fail it: the others begin when the first one has ended."""
    working = asyncio.create_task(crew_of(3, 1).work())
    await until(lambda: len(begun) == 1)
    begun[0].end.set()
    async with asyncio.timeout(5):
        await working
    assert len(begun) == 1


async def test_all_begin_at_once_where_nobody_waits(begun: list[Standing]) -> None:
    working = asyncio.create_task(crew_of(3, 3).work())
    await until(lambda: len(begun) == 3)
    for one in begun:
        one.end.set()
    await working


def test_the_size_of_a_crew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    size = 10 * 1024**3
    assert crew_size(Copy(), shards=50, objects=2_000_000, size=size) == 8
    assert crew_size(Copy(), shards=3, objects=2_000_000, size=size) == 3, "a worker has one shard at a time"
    assert crew_size(Copy(), shards=50, objects=6_000, size=size) == 3
    assert crew_size(Copy(), shards=8, objects=8, size=size) == 1, "threads carry the bytes of large objects"
    assert crew_size(Copy(), shards=1, objects=2_000, size=1024) == 0, "the command's own process"
    assert crew_size(Copy(workers=5), shards=1, objects=1, size=1) == 5


def test_a_resync_begins_with_one_but_where_a_number_is_asked_for() -> None:
    assert [at_first(Copy(), RunKind.RESYNC, size) for size in (0, 1, 8)] == [0, 1, 1]
    assert at_first(Copy(), RunKind.MIGRATE, 8) == 8
    assert at_first(Copy(workers=3), RunKind.RESYNC, 3) == 3
