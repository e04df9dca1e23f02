"""What a cap covers: each request of a run is counted once, each byte once for each time it leaves an account; what is
over waits, and outside of the hours nothing is sent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from mappings.objects import BlobType, EvidenceRow, ListedObject
from mappings.pacing import MIB, Bounds, Caps, Hours, Timetable
from mappings.runs import RunKind
from mappings.states import Outcome, ProofLevel
from tasks.copiers.allowance import Allowance, of_one_blob
from tasks.copiers.check import verify_shard
from tasks.copiers.engine import copy_shard
from tasks.copiers.listed import listed_pages
from tasks.copiers.pace import Pace, PaceBook
from tasks.copiers.prints import unchanged_runs
from tasks.copiers.routes import RouteBook
from tasks.external import AzCopy
from tasks.ledger import ledger_url, open_ledger
from tasks.progress import Progress, ShardProgress
from tasks.shardwork import ShardWork, carry_out
from tests.copiers import jump_loop
from tests.copiers.bench_of import RULES, SHARD, Pair, fill
from tests.copiers.memory_cloud import MemorySource, MemoryTarget
from tests.copiers.raw_pages import RawSource
from tests.copiers.starting import StartingPair
from tests.ledger.build import settings


class Ledger(Pace):
    """Notes what is asked for, and never lets anybody wait."""

    def __init__(self) -> None:
        super().__init__("dst", Bounds(most=4))
        self.requests = self.bytes = 0

    @property
    def capped(self) -> bool:
        return True

    async def spend(self, requests: int, size: int = 0) -> None:
        self.requests += requests
        self.bytes += size


class Sent:
    """What was really sent, and what left an account by it."""

    _READS = ("list", "read", "pulled")
    """Told by the pages, the ranges and the pulls, not by the calls of the accounts in memory."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.bytes = self._reads = self._pages = 0
        for side in (pair.reader, pair.writer):
            self._watch(side)
        pull = pair.writer._pull

        def pulled(url: str, source_etag: str, offset: int = 0, length: int | None = None) -> bytes:
            data = pull(url, source_etag, offset, length)
            self.bytes += len(data)
            return data

        pair.writer._pull = pulled  # type: ignore[method-assign]

    def _watch(self, side: MemorySource | MemoryTarget) -> None:
        plain, listing = side.read, side.objects

        async def read(
            container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
        ) -> AsyncIterator[bytes]:
            self._reads += bool(item.size if length is None else length)
            async for part in plain(container, item, offset=offset, length=length):
                self.bytes += len(part)
                yield part

        async def objects(container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
            self._pages += 1
            async for item in listing(container, begin=begin, end=end):
                yield item

        side.read, side.objects = read, objects  # type: ignore[method-assign]

    @property
    def requests(self) -> int:
        calls = self._pair.source.calls + self._pair.target.calls
        others = sum(count for operation, count in calls.items() if operation not in self._READS)
        return others + self._reads + self._pages


async def copied(pair: Pair, pace: Pace, proof: ProofLevel, *, rearchive: bool = False) -> None:
    """One run that leaves its manifest with the pair."""
    rows: list[EvidenceRow] = []
    rules = replace(pair.rules, proof=proof, rearchive=rearchive)
    pair.attempts += 1
    journal = pair.journal()
    try:
        await copy_shard(
            SHARD, pair.reader, pair.writer, iter(pair.manifest), rows.append, rules, pair.routes,
            ShardProgress(Progress()), pace=pace, journal=journal,
        )  # fmt: skip
    except BaseException:
        pair.die(journal)
        raise
    journal.clear()
    pair.manifest = rows
    assert {row.outcome for row in rows} <= {Outcome.COPIED, Outcome.SAME}


@pytest.mark.parametrize("proof", [ProofLevel.L1, ProofLevel.L2, ProofLevel.L3])
@pytest.mark.parametrize("mode", ["pull", "stream"])
@pytest.mark.parametrize("gives_crc", [True, False])
@pytest.mark.parametrize("kind", [Pair, StartingPair])
async def test_each_request_and_each_byte_that_leaves_an_account_counts_once(
    kind: type[Pair], mode: str, proof: ProofLevel, gives_crc: bool
) -> None:
    """Mutation that must fail it: any `spend` of the engine left out, or asked for twice."""
    pair = kind(mode=mode)
    pair.target.gives_crc = gives_crc
    fill(pair)
    pair.target.write("c", "k/known", b"already there")
    pair.source.write("c", "k/known", b"already there", metadata={"new": "1"})
    sent = Sent(pair)
    for change in (False, True):
        if change:
            pair.source.change("c", "a/small", metadata={"who": "y"}, tags={"k": "w"})
            pair.source.change("c", "a/small", moves=False, tier="Hot", tier_inferred=False)
            pair.source.write("c", "b/blocks", bytes(range(1, 41)), label=False)
        pace = Ledger()
        before = sent.requests, sent.bytes
        await copied(pair, pace, proof)
        assert (pace.requests, pace.bytes) == (sent.requests - before[0], sent.bytes - before[1])
        assert pace.requests > 2
    pair.assert_equal()


@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_keys_archived_tiers_and_staged_blocks_count_too(mode: str) -> None:
    """Mutation that must fail it: `spend` left out before the metadata of a blob under a key is asked for, before a
    copy is archived as its source was or once more after it was brought online, or before staged blocks are listed.
    """
    pair = Pair(mode=mode)
    pair.reader.keys = frozenset({"k"})
    pair.source.write("c", "a/key", b"x")
    pair.source.change("c", "a/key", moves=False, customer_key=True, key_sha256="k")
    pair.source.write("c", "b/cold", b"x")
    pair.source.write("c", "c/blocks", bytes(range(40)), label=False)
    sent = Sent(pair)

    async def counts(*, rearchive: bool = False) -> None:
        pace, before = Ledger(), (sent.requests, sent.bytes)
        await copied(pair, pace, ProofLevel.L2, rearchive=rearchive)
        assert (pace.requests, pace.bytes) == (sent.requests - before[0], sent.bytes - before[1])

    def die(operation: str, name: str) -> None:
        if operation.startswith("put_block") and pair.target.calls[operation] == 3:
            raise asyncio.CancelledError

    pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await copied(pair, Ledger(), ProofLevel.L2)
    pair.target.hook = None
    await counts()
    assert pair.target.calls["staged_blocks"] and pair.source.calls["unlocked"]
    pair.source.change("c", "b/cold", moves=False, tier="Archive", tier_inferred=False)
    await counts(rearchive=True)
    assert pair.target.calls["set_tier"] == 1
    pair.source.write("c", "b/cold", b"brought online and changed", tier="Hot")
    await counts(rearchive=True)
    assert pair.target.calls["set_tier"] == 2


async def test_looking_again_at_what_has_changed_counts() -> None:
    """Mutation that must fail it: listing one name again without asking."""
    pair, pace = Pair(mode="pull"), Ledger()
    pair.source.write("c", "x", b"first")
    sent = Sent(pair)

    def change(operation: str, name: str) -> None:
        if operation == "put_blob_from_url":
            pair.target.hook = None
            pair.source.write("c", "x", b"newer")

    pair.target.hook = change
    await copied(pair, pace, ProofLevel.L1)
    # Two listings, a pull that was refused, a look at either side, and the pull.
    assert pace.requests == sent.requests == 6
    pair.assert_equal()


@pytest.mark.parametrize("level", [ProofLevel.L0, ProofLevel.L2, ProofLevel.L3])
async def test_a_verification_counts_too(level: ProofLevel) -> None:
    """Mutation that must fail it: listings or reads of a verification that do not ask."""
    pair, pace = Pair(mode="pull"), Ledger()
    fill(pair)
    await copied(pair, Ledger(), max(level, ProofLevel.L1))
    sent = Sent(pair)
    before = sent.requests, sent.bytes
    found = await verify_shard(
        SHARD, pair.reader, pair.writer, iter([pair.manifest]), level=level, share=1.0, seed="", progress=Progress(),
        pace=pace,
    )  # fmt: skip
    assert found.mismatches == [] and pace.requests > 1
    assert (pace.requests, pace.bytes) == (sent.requests - before[0], sent.bytes - before[1])


async def test_each_page_of_a_listing_counts() -> None:
    """Mutation that must fail it: a turn for the first page only; a turn after the last one."""
    pair, asked = Pair(), 0
    for number in range(20):
        pair.source.write("c", f"x{number:02}", b"")

    async def turn() -> None:
        nonlocal asked
        asked += 1

    lists = RawSource(pair.source)
    pages = [page async for page in lists.raw_pages("c")]
    found = [page async for page in listed_pages(lists, "c", turn=turn)]
    assert asked == len(pages) == len(found) == 7
    await unchanged_runs((lists, lists), "c", [""], None, ([""], [""]), ("a", "b"), turn)
    assert asked == 3 * 7


# --- what waits, by a clock that jumps --------------------------------------------------------------------------------


def capped(requests: float = 0.0, size: float = 0.0) -> Pace:
    """A pace of a run with these caps, by the clock of the loop."""
    allowance = Allowance(clock=asyncio.get_running_loop().time)
    allowance.allow(requests, size)
    return Pace("dst", Bounds(most=64), allowance, clock=asyncio.get_running_loop().time)


async def seconds_of(pair: Pair, pace: Pace) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await copied(pair, pace, ProofLevel.L2)
    return loop.time() - began


@pytest.mark.parametrize("pair", [Pair, StartingPair], ids=["lanes", "express"])
@pytest.mark.parametrize(("mode", "requests"), [("pull", 2), ("stream", 2)])
def test_a_cap_on_requests_is_kept(pair: type[Pair], mode: str, requests: int) -> None:
    """Mutations that must fail it: an express that does not ask whether there is a cap; a lane that does not spend."""

    async def work() -> float:
        here = pair(mode=mode)
        for number in range(300):
            here.source.write("c", f"x{number:03}", b"x" * 8)
        return await seconds_of(here, capped(requests=100.0))

    # Two listings besides; a tenth of a second may be saved up.
    assert 5.7 < jump_loop.run(work()) < 6.4


@pytest.mark.parametrize("pair", [Pair, StartingPair], ids=["lanes", "express"])
@pytest.mark.parametrize(("mode", "times"), [("pull", 2), ("stream", 1)])
def test_a_cap_on_bytes_is_kept_and_the_read_for_the_proof_counts(pair: type[Pair], mode: str, times: int) -> None:
    """Mutation that must fail it: a read for the proof that is not spent."""

    async def work() -> float:
        here = pair(mode=mode)
        for number in range(200):
            here.source.write("c", f"x{number:03}", b"x" * 8)
        return await seconds_of(here, capped(size=400.0))

    # 1,600 bytes, each time that they leave the source.
    assert 3.8 * times < jump_loop.run(work()) < 4.4 * times


def test_a_cap_that_comes_while_the_express_is_at_work_is_kept() -> None:
    """Mutation that must fail it: asking for a cap when jobs are taken only, or not before the read for the proof."""

    async def work() -> None:
        pair = StartingPair(mode="pull")
        for number in range(400):
            pair.source.write("c", f"x{number:03}", b"x" * 8)
        loop = asyncio.get_running_loop()
        allowance = Allowance(clock=loop.time)
        pace = Pace("dst", Bounds(most=8), allowance, clock=loop.time)
        count, begun = 0, (0, 0)

        def seen(operation: str, name: str) -> None:
            nonlocal count, begun
            count += operation == "put_blob_from_url"
            if count == 40 and not allowance.limited:
                allowance.allow(10.0, 0.0)
                begun = pair.writer.begun, pair.reader.begun

        pair.source.hook = pair.target.hook = seen
        began = loop.time()
        await copied(pair, pace, ProofLevel.L2)
        # What was under way ends; everything else goes by lanes, ten a second.
        assert (pair.writer.begun, pair.reader.begun) == begun
        assert loop.time() - began > 60

    jump_loop.run(work())


@pytest.mark.parametrize("mode", ["pull", "stream"])
def test_one_blob_gets_no_more_than_it_takes(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: `own.spend` left out of what is sent, or of what is pulled."""

    async def work() -> float:
        clock = asyncio.get_running_loop().time
        monkeypatch.setattr("tasks.copiers.growing.of_one_blob", partial(of_one_blob, clock=clock))
        pair = Pair(mode=mode)
        pair.source.write("c", "log", b"12345678" * 1000, blob_type=BlobType.APPEND)
        return await seconds_of(pair, Pace("dst", clock=clock))

    assert 1.8 < jump_loop.run(work()) < 2.2, "500 a second, of which 50 are free at the start"


@pytest.mark.slow
@pytest.mark.parametrize("pair", [Pair, StartingPair], ids=["lanes", "express"])
@pytest.mark.parametrize("mode", ["pull", "stream"])
def test_outside_of_the_hours_no_request_is_sent(pair: type[Pair], mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins an hour too early, is cut off when the window closes, and ends in the next one: listings, small
    objects, blocks, pieces and verification.

    Mutations that must fail it: `spend` or `turn` that does not wait for the hours; a pause that nobody ends.
    """
    opens = datetime(2026, 11, 3, 20, 0, tzinfo=UTC)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("tasks.copiers.growing.of_one_blob", partial(of_one_blob, clock=loop.time))
        start = loop.time()

        def now() -> datetime:
            return opens + timedelta(hours=-1, seconds=loop.time() - start)

        here = pair(mode=mode)
        fill(here)
        for number in range(300):
            here.source.write("c", f"x{number:03}", b"x" * 8)
        here.source.write("c", "z/blocks", bytes(200) * 8, label=False)
        here.source.write("c", "z/log", b"12345678" * 200, blob_type=BlobType.APPEND)
        at: list[datetime] = []
        here.source.hook = here.target.hook = lambda operation, name: at.append(now())
        table = Timetable(Caps(0.02), Hours.parse("20:00-06:00"))
        book = PaceBook(most=8, timetable=table, now=now, clock=loop.time)
        await copied(here, book.of("dst"), ProofLevel.L2)
        copied_at = now()
        found = await verify_shard(
            SHARD, here.reader, here.writer, iter([here.manifest]), level=ProofLevel.L2, share=1.0, seed="",
            progress=ShardProgress(Progress()), pace=book.of("dst"),
        )  # fmt: skip
        book.close()
        here.assert_equal()
        assert found.mismatches == [] and at[0] >= opens
        assert copied_at > opens + timedelta(days=1), "one night is not enough"
        assert all(moment.hour >= 20 or moment.hour < 6 for moment in at)
        assert {(moment - timedelta(hours=12)).day for moment in at} >= {3, 4, 5}

    jump_loop.run(work())


async def test_azcopy_gets_a_workers_part_of_the_cap_in_force(tmp_path: Path) -> None:
    """Mutations that must fail it: the whole cap for each of four workers; the cap of other hours; what it is given
    counts for the pace, as an object that ended at once.
    """
    noted = tmp_path / "argv"
    program = tmp_path / "azcopy"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$NOTED"\n', "utf-8")
    program.chmod(0o755)
    asked = settings(**{"copy.mover": "azcopy", "copy.azcopy": str(program), "copy.azcopy_sas_in_argv": True})
    pair = Pair(mode="pull")
    pair.source.write("c", "x", b"x")
    at = datetime(2026, 11, 3, 12, tzinfo=UTC)
    table = Timetable(Caps(0, 8 * MIB), Hours.parse("20:00-06:00"), outside=Caps(0, 40 * MIB))
    book = PaceBook(timetable=table, now=lambda: at)
    book.share(4)
    pace, ended = book.of("dst"), 0
    leave = pace.leave

    def left() -> None:
        nonlocal ended
        ended += 1
        leave()

    pace.leave = left  # type: ignore[method-assign]
    with closing(book), open_ledger(ledger_url(tmp_path)) as ledger:
        run = ledger.writer.begin_run(RunKind.MIGRATE, now=at)
        ledger.writer.open_shards(run, [SHARD], now=at)
        (claim,) = ledger.writer.claim(run, owner="me", most=1, lease_seconds=60, now=at)
        work = ShardWork(
            folder=tmp_path, reader=ledger.reader, writer=ledger.writer, rules=RULES, routes=RouteBook("pull"),
            progress=Progress(), clock=lambda: at, tool_version="1", paces=book,
            azcopy=AzCopy(asked, {"NOTED": str(noted), "PATH": os.environ["PATH"]}),
        )  # fmt: skip
        assert (await carry_out(claim, work, pair.reader, pair.writer)).copied == 1
    words = noted.read_text("utf-8").split()
    assert words[0] == "copy" and "--cap-mbps=83.89" in words, "10 MiB/s"
    assert ended == 1, "the object that the engine copied"
