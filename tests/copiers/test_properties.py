"""Any history of the source, any death of the mover: after a re-sync the target equals the source."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.objects import BlobType
from mappings.states import Change, Outcome
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
RUNS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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
