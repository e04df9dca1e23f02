"""Content is held in memory only as far as the rules allow, whoever reads it and why; and all of it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from mappings.errors import ObjectRefused
from mappings.objects import BlobType, ListedObject, Written
from mappings.pacing import Bounds
from mappings.states import Outcome, ProofLevel
from tasks.copiers.base import ReadThen
from tasks.copiers.check import verify_shard
from tasks.copiers.pace import ByteBudget, Pace
from tasks.progress import Progress, ShardProgress
from tests.copiers.bench_of import SHARD, Pair
from tests.copiers.memory_cloud import Account, MemorySource, MemoryTarget
from tests.copiers.starting import Begun, StartingPair

MEMORY = 40


class Held:
    """Bytes that are held in memory, counted where they come from and where they go to."""

    def __init__(self) -> None:
        self.now = self.most = self.readers = 0

    def take(self, size: int) -> None:
        self.now += size
        self.most = max(self.most, self.now)
        self.readers += 1

    def give(self, size: int) -> None:
        self.now -= size

    def watch(self, side: MemorySource | MemoryTarget, *, until_written: bool = False) -> None:
        """Count what is read from `side`: until its reader has ended, or until somebody has written it on."""
        plain = side.read

        async def read(
            container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
        ) -> AsyncIterator[bytes]:
            size = item.size - offset if length is None else length
            self.take(size)
            try:
                async for part in plain(container, item, offset=offset, length=length):
                    # The others have their turn: whoever may read at once does.
                    for _ in range(20):
                        await asyncio.sleep(0)
                    yield part
            finally:
                if not until_written:
                    self.give(size)

        side.read = read  # type: ignore[method-assign]


@pytest.fixture
def budgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ByteBudget]]:
    """The budgets of the runs of a test. At the end nothing is held."""
    made: list[ByteBudget] = []

    def budget(most: int) -> ByteBudget:
        made.append(ByteBudget(most))
        return made[-1]

    monkeypatch.setattr("tasks.copiers.engine.ByteBudget", budget)
    yield made
    assert made and all(one._held == 0 and not one._queue for one in made)


class SlowReads(StartingPair):
    """Reads that were begun take many turns of the loop, so that as many as may are under way at once."""

    def __init__(self, held: Held) -> None:
        super().__init__(mode="pull")
        begin = self.reader.start_read

        def start_read(
            container: str, item: ListedObject, then: ReadThen, *, offset: int = 0, length: int | None = None
        ) -> Begun:
            size = item.size - offset if length is None else length
            held.take(size)

            def told(data: bytes | None, crc: int, wait: float) -> None:
                held.give(size)
                then(data, crc, wait)

            return begin(container, item, told, offset=offset, length=length)

        held.watch(self.reader)
        self.reader.start_read = start_read  # type: ignore[method-assign]


async def test_the_express_reads_no_more_at_once_than_may_be_held(budgets: list[ByteBudget]) -> None:
    """Mutations that must fail it: reading for the proof without a place in the budget; copying what had to wait for
    one a second time.
    """
    # A read that was begun is counted twice: as such, and by the reader below it.
    held = Held()
    pair = SlowReads(held)
    for number in range(60):
        pair.source.write("c", f"x{number:02}", bytes([number + 1]) * 8)
    rows = await pair.run(proof=ProofLevel.L2, concurrency=30, memory=MEMORY)
    assert 0 < held.most <= 2 * MEMORY
    assert pair.target.calls["put_blob_from_url"] == 60 == pair.writes()
    assert 0 < pair.reader.begun < 60, "some by the express, some by lanes"
    assert {(row.outcome, row.proof, row.attempts) for row in rows.values()} == {(Outcome.COPIED, ProofLevel.L2, 1)}
    pair.assert_equal()


async def test_lanes_wait_until_what_they_read_may_be_held(budgets: list[ByteBudget]) -> None:
    """Mutation that must fail it: a lane that reads for the proof without a place in the budget."""
    held, pair = Held(), Pair(mode="pull")
    for number in range(30):
        pair.source.write("c", f"x{number:02}", bytes([number + 1]) * 8)
    held.watch(pair.reader)
    await pair.run(concurrency=15, memory=MEMORY)
    assert 0 < held.most <= MEMORY and held.readers == 30
    pair.assert_equal()


@pytest.mark.parametrize("proof", [ProofLevel.L2, ProofLevel.L3])
async def test_what_is_compared_or_read_back_is_bounded(proof: ProofLevel, budgets: list[ByteBudget]) -> None:
    """Mutation that must fail it: `sum_of` without a place in the budget. By it go both sides of what is at the target
    without evidence, and what is read back because the service gave no checksum.
    """
    held, pair = Held(), Pair(mode="pull")
    pair.target.gives_crc = False
    for number in range(40):
        pair.source.write("c", f"x{number:02}", bytes([number + 1]) * 16)
        if number % 2:
            pair.target.write("c", f"x{number:02}", bytes([number + 1]) * 16)
    held.watch(pair.reader)
    held.watch(pair.writer)
    rows = await pair.run(proof=proof, concurrency=20, memory=MEMORY)
    assert 0 < held.most <= MEMORY and held.readers >= 80
    assert {row.outcome for row in rows.values()} == {Outcome.COPIED, Outcome.SAME}
    pair.assert_equal()


@pytest.mark.parametrize("level", [ProofLevel.L2, ProofLevel.L3])
async def test_a_verification_is_bounded_over_all_its_shards(level: ProofLevel, budgets: list[ByteBudget]) -> None:
    """Mutation that must fail it: a budget for each shard, or for each read."""
    held, pair = Held(), Pair(mode="pull")
    for number in range(40):
        pair.source.write("c", f"x{number:02}", bytes([number + 1]) * 16)
    await pair.run(proof=level)
    held.watch(pair.reader)
    held.watch(pair.writer)
    budget = ByteBudget(MEMORY)
    found = await asyncio.gather(
        *(
            verify_shard(
                SHARD, pair.reader, pair.writer, iter([pair.manifest]), level=level, share=1.0, seed="",
                progress=ShardProgress(Progress()), budget=budget,
            )
            for _ in range(2)
        )
    )  # fmt: skip
    assert [one.tally.same for one in found] == [40, 40]
    assert 0 < held.most <= MEMORY and budget._held == 0


async def test_pieces_of_append_blobs_are_held_until_they_are_written(budgets: list[ByteBudget]) -> None:
    """Mutations that must fail it: giving a piece's bytes back when it is read; waiting for bytes of the budget with
    some in hand, which ends with all waiting for each other.
    """
    held, pair = Held(), Pair(mode="stream")
    for number in range(12):
        pair.source.write("c", f"x{number:02}", bytes([number + 1]) * 40, blob_type=BlobType.APPEND)
    held.watch(pair.reader, until_written=True)
    append = pair.writer.append

    async def slowly(container: str, name: str, data: bytes, *, position: int, crc: int | None = None) -> Written:
        for _ in range(30):
            await asyncio.sleep(0)
        written = await append(container, name, data, position=position, crc=crc)
        held.give(len(data))
        return written

    pair.writer.append = slowly  # type: ignore[method-assign]
    await asyncio.wait_for(pair.run(concurrency=12, memory=MEMORY), 30)
    assert 0 < held.most <= MEMORY and held.now == 0
    pair.assert_equal()


def kinds(account: Account) -> None:
    for number in range(6):
        account.write("c", f"a{number}", b"append " * 6, blob_type=BlobType.APPEND)
        account.write("c", f"b{number}", b"blocks " * 6, label=False)
        account.write("c", f"p{number}", b"p" * 1024, blob_type=BlobType.PAGE)
        account.write("c", f"s{number}", b"small")


@pytest.mark.parametrize("mode", ["pull", "stream"])
@pytest.mark.parametrize("swift", [True, False], ids=["express", "lanes"])
async def test_what_fails_gives_its_bytes_back(mode: str, swift: bool, budgets: list[ByteBudget]) -> None:
    """Mutation that must fail it: a `give` that is not in a `finally`, or is left out where an answer is no success."""
    pair = StartingPair(mode=mode) if swift else Pair(mode=mode)
    kinds(pair.source)
    pair.target.write("c", "s0", b"small")
    count = 0

    def refuse(operation: str, name: str) -> None:
        nonlocal count
        count += operation != "list"
        if operation != "list" and count % 4 == 0:
            raise ObjectRefused("no", code="No", status=400)

    pair.source.hook = pair.target.hook = refuse
    rows = await pair.run(memory=16)
    assert {row.outcome for row in rows.values()} >= {Outcome.FAILED}


@pytest.mark.parametrize("mode", ["pull", "stream"])
@pytest.mark.parametrize("swift", [True, False], ids=["express", "lanes"])
async def test_what_is_cancelled_gives_its_bytes_and_its_places_back(
    mode: str, swift: bool, budgets: list[ByteBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: cancelling what the express has under way without giving back what it holds."""
    pace = Pace("dst", Bounds(most=6))
    monkeypatch.setattr("tasks.copiers.engine.Pace", lambda account, bounds: pace)
    for after in (1, 5, 20, 60, *range(104, 124)):
        pair = StartingPair(mode=mode) if swift else Pair(mode=mode)
        kinds(pair.source)
        count = 0

        def seen(operation: str, name: str) -> None:
            nonlocal count
            count += operation != "list"
            if count == after:  # noqa: B023
                running.cancel()  # noqa: B023

        pair.source.hook = pair.target.hook = seen
        before = asyncio.all_tasks()
        running = asyncio.create_task(pair.run(memory=16))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert budgets[-1]._held == 0 and pace.busy == 0
        assert asyncio.all_tasks() == before
