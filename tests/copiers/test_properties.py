"""Any history of the source, any death of the mover: after a re-sync the target equals the source."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.objects import BlobType
from mappings.states import Change, Outcome
from tasks.copiers import journal as journals
from tasks.copiers.journal import FileJournal
from tests.copiers.bench_of import Pair, killed_at, outcomes

pytestmark = pytest.mark.slow

NAMES = st.sampled_from(["a", "a/b", "b", "c", "d"])
CONTENTS = st.binary(max_size=30)
CHANGES = st.one_of(
    st.tuples(st.just("write"), NAMES, CONTENTS, st.booleans()),
    st.tuples(st.just("append"), NAMES, CONTENTS, st.booleans()),
    st.tuples(st.just("metadata"), NAMES, st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"))),
    st.tuples(st.just("tags"), NAMES, st.dictionaries(st.sampled_from("kl"), st.sampled_from("12"))),
    st.tuples(st.just("tier"), NAMES, st.sampled_from(["Hot", "Cool", "Cold"])),
    st.tuples(st.just("snapshot"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("touch"), NAMES),
)
BATCH = st.lists(CHANGES, max_size=6)
RUNS = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def do(pair: Pair, change: tuple[Any, ...]) -> None:
    """Apply one change as the owner of the source."""
    kind, name, *rest = change
    source = pair.source
    there = source.containers_["c"].get(name)
    if kind in ("write", "append"):
        wanted = BlobType.BLOCK if kind == "write" else BlobType.APPEND
        if there is not None and there.item.blob_type is not wanted and source.snapshots.get(("c", name)):
            return
        if there is not None and there.item.tier_inferred is False:
            source.write("c", name, rest[0], label=rest[1], blob_type=there.item.blob_type, tier=there.item.tier)
            return
        source.write("c", name, rest[0], label=rest[1], blob_type=wanted)
    elif there is None:
        return
    elif kind == "metadata":
        source.change("c", name, metadata=rest[0])
    elif kind == "tags":
        source.change("c", name, moves=False, tags=rest[0])
    elif kind == "tier" and there.item.blob_type is BlobType.BLOCK:
        source.change("c", name, moves=False, tier=rest[0], tier_inferred=False)
    elif kind == "snapshot":
        source.take_snapshot("c", name)
    elif kind == "delete":
        source.delete("c", name)
    elif kind == "touch":
        source.change("c", name)


@RUNS
@given(batches=st.lists(BATCH, min_size=1, max_size=4), mode=st.sampled_from(["pull", "stream"]))
def test_after_each_resync_the_target_equals_the_source(batches: list[list[Any]], mode: str) -> None:
    """Breaks when any kind of change is missed, or a second run finds something left to do."""

    async def history() -> None:
        pair = Pair(mode=mode)
        for batch in batches:
            for change in batch:
                do(pair, change)
            rows = await pair.run()
            assert set(outcomes(rows).values()) <= {Outcome.COPIED, Outcome.SAME}
            if not any(row.change is Change.DELETED and row.snapshot for row in rows.values()) and not _renewed(pair):
                pair.assert_equal()
            before = pair.writes()
            await pair.run()
            assert pair.writes() == before

    asyncio.run(history())


def _renewed(pair: Pair) -> bool:
    """Whether a name has, at the target, snapshots that the source has no more: kept, so the sides differ there."""
    left, right = pair.source.snapshots, pair.target.snapshots
    return any(len(held) != len(left.get(key, [])) for key, held in right.items())


@RUNS
@given(first=BATCH, second=BATCH, steps=st.lists(st.integers(1, 60), min_size=1, max_size=3),
       mode=st.sampled_from(["pull", "stream"]))  # fmt: skip
def test_a_killed_run_is_made_good_by_the_next(
    first: list[Any], second: list[Any], steps: list[int], mode: str
) -> None:
    """Breaks when a run that died leaves something that the next takes for a stranger's, for done, or twice."""

    async def history() -> None:
        pair = Pair(mode=mode)
        for change in first:
            do(pair, change)
        for step in steps:
            if not await killed_at(pair, step):
                break
            for change in second:
                do(pair, change)
        rows = await pair.run()
        assert set(outcomes(rows).values()) <= {Outcome.COPIED, Outcome.SAME}
        # A snapshot written by an attempt that was killed, and gone from the source since, stays and is reported.
        if not any(row.snapshot and row.change in (Change.EXTRA, Change.DELETED) for row in rows.values()):
            pair.assert_equal()
        before = pair.writes()
        await pair.run()
        assert pair.writes() == before

    asyncio.run(history())


@RUNS
@given(batch=BATCH, step=st.integers(1, 40))
def test_killed_without_changes_nothing_is_lost_or_doubled(batch: list[Any], step: int) -> None:
    """Breaks when resume loses an object, or takes a second snapshot of one that the killed attempt had taken."""

    async def history() -> None:
        pair = Pair(mode="stream")
        for change in batch:
            do(pair, change)
        await killed_at(pair, step)
        rows = await pair.run()
        assert all(row.change is not Change.EXTRA for row in rows.values())
        pair.assert_equal()

    asyncio.run(history())


class Dying(FileJournal):
    """Dies at write number `step`, of which the system got the part `torn`."""

    def __init__(self, folder: Path, name: str, *, step: int, torn: float) -> None:
        super().__init__(folder, name)
        self._left, self._torn = step, torn

    def _write(self, line: bytes) -> None:
        self._left -= 1
        if self._left > 0:
            super()._write(line)
        elif self._left == 0:
            assert self._handle is not None
            os.write(self._handle, line[: round(len(line) * self._torn)])
            raise asyncio.CancelledError


async def killed_at_write(pair: Pair, step: int, torn: float) -> bool:
    """Run until write number `step` of the journal. False if the run ended before."""
    pair.journal = lambda: Dying(Path(pair.folder.name), f"run-{pair.attempts:03}", step=step, torn=torn)  # type: ignore[method-assign]
    try:
        await pair.run()
    except asyncio.CancelledError:
        return True
    finally:
        del pair.journal
    return False


@RUNS
@given(first=BATCH, second=BATCH, deaths=st.lists(st.tuples(st.integers(1, 12), st.sampled_from([0.0, 0.4, 1.0])),
       min_size=1, max_size=3), mode=st.sampled_from(["pull", "stream"]))  # fmt: skip
def test_killed_at_any_write_of_the_journal_the_next_run_makes_it_good(
    first: list[Any], second: list[Any], deaths: list[tuple[int, float]], mode: str
) -> None:
    """Breaks when a torn line is believed, or a name is written to before the journal says so."""

    async def history() -> None:
        pair = Pair(mode=mode)
        for change in first:
            do(pair, change)
        for step, torn in deaths:
            if not await killed_at_write(pair, step, torn):
                break
            for change in second:
                do(pair, change)
        rows = await pair.run()
        assert set(outcomes(rows).values()) <= {Outcome.COPIED, Outcome.SAME}
        if not any(row.snapshot and row.change in (Change.EXTRA, Change.DELETED) for row in rows.values()):
            pair.assert_equal()
        before = pair.writes()
        await pair.run()
        assert pair.writes() == before

    asyncio.run(history())


@settings(max_examples=40)
@given(steps=st.lists(st.integers(1, 900), min_size=1, max_size=4), mode=st.sampled_from(["pull", "stream"]))
def test_a_death_costs_at_most_one_batch_and_nothing_recorded_is_copied_twice(steps: list[int], mode: str) -> None:
    """Breaks when a finished object waits for more than its batch, or a recorded one is written or read again."""
    batch, in_flight = 16, 3

    async def history() -> None:
        pair = Pair(mode=mode)
        for number in range(120):
            pair.source.write("c", f"x{number:03}", bytes([number]) * 5)
        recorded = set[str]()
        written: Counter[str] = Counter()
        for step in [*steps, 10**9]:
            read: Counter[str] = Counter()
            count = 0

            def seen(operation: str, name: str, step: int = step, read: Counter[str] = read) -> None:
                nonlocal count
                count += 1
                if count >= step:
                    raise asyncio.CancelledError
                assert name not in recorded
                written[name] += operation.startswith("put_blob")
                read[name] += operation == "read"

            pair.source.hook = pair.target.hook = seen
            try:
                await pair.run()
                break
            except asyncio.CancelledError:
                journal = pair.journal()
                now = {name for name in pair.source.containers_["c"] if journal.finished(name)}
                lost = [name for name in pair.target.containers_["c"] if name not in now]
                assert len(lost) <= batch + in_flight
                recorded.update(now)
        pair.source.hook = pair.target.hook = None
        pair.assert_equal()
        # What was at the target already, but not recorded, is compared and adopted; only what was in flight goes twice.
        assert sum(1 for count in written.values() if count > 1) <= in_flight * len(steps)

    real, journals.BATCH = journals.BATCH, batch
    try:
        asyncio.run(history())
    finally:
        journals.BATCH = real
