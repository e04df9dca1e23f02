"""Prints: what they say is unchanged, the ordinary march would have kept; and nothing changed hides behind them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.errors import ReviewFindings
from mappings.objects import BlobType, ListedObject
from mappings.prints import Prints, carried, cut_names, prints_from_text, prints_to_text
from mappings.states import Change, Outcome, ProofLevel
from tasks.copiers.check import verify_shard
from tasks.copiers.printing import PrintMaker, basis
from tasks.copiers.prints import RunHashes, hash_runs, unchanged_runs
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress, ShardProgress
from tests.copiers.bench_of import SHARD, Pair
from tests.copiers.memory_cloud import Account
from tests.copiers.raw_pages import RawSource, RawTarget, entry_of, page_of
from tests.copiers.test_properties import BATCH, do

NAMES = st.lists(
    st.text(st.sampled_from("ab&<\x07é/\U0001f600"), min_size=1, max_size=4), unique=True, max_size=12
).map(sorted)


def item(name: str, snapshot: str = "") -> ListedObject:
    account = Account("a")
    account.containers_["c"] = {}
    return replace(account.write("c", name, b"x").item, snapshot=snapshot)


@pytest.mark.slow
@settings(max_examples=300)
@given(NAMES, st.data())
def test_each_run_is_hashed_whole_wherever_pages_end(names: list[str], data: st.DataObject) -> None:
    """Breaks when a boundary falls into another run, also where its own name is gone, or a page ends on it."""
    every = sorted({*names, *data.draw(NAMES)} | {""})
    begins = sorted(data.draw(st.sets(st.sampled_from(every), min_size=1)))
    behind = [name for name in every if name > begins[-1]]
    end = data.draw(st.sampled_from([*behind, None]))
    size = data.draw(st.integers(1, 5))
    listed = [(name, entry_of(item(name))) for name in names]
    pages = [page_of([entry for _, entry in listed[at : at + size]]) for at in range(0, len(listed), size)]
    hashes = RunHashes(begins, end, "c")
    for page in pages:
        if not hashes.done:
            hashes.feed(page)
    expected = [
        hashlib.sha256("".join(e for n, e in listed if low <= n and (high is None or n < high)).encode()).hexdigest()
        for low, high in pairwise([*begins, end])
        if low is not None
    ]
    assert hashes.close() == expected


def test_leases_and_reads_move_nothing() -> None:
    plain = page_of([entry_of(item("a")), entry_of(item("b"))]).decode()
    moved = plain.replace("<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>",
        "<LastAccessTime>Mon, 01 Jan 2029 00:00:00 GMT</LastAccessTime><LeaseStatus>locked</LeaseStatus>"
        "<LeaseState>leased</LeaseState><LeaseDuration>infinite</LeaseDuration>", 1)  # fmt: skip
    assert moved != plain

    def of(text: str) -> list[str]:
        hashes = RunHashes([""], None, "c")
        hashes.feed(text.encode())
        return hashes.close()

    assert of(moved) == of(plain) != of(plain.replace("<Content-Length>1<", "<Content-Length>2<", 1))


@pytest.mark.parametrize("names", [["a", "c", "b", "d"], ["b", "a", "c", "d"], ["a", "b", "d", "c"]])
def test_names_out_of_order_are_refused(names: list[str]) -> None:
    """Breaks when an entry in a wrong place could be missed by whoever lists its run alone."""
    ordered = RunHashes(["", "c"], None, "c")
    ordered.feed(page_of([entry_of(item(name)) for name in sorted(names)]))
    hashes = RunHashes(["", "c"], None, "c", ordered.close())
    with pytest.raises(ReviewFindings, match="not in order"):
        hashes.feed(page_of([entry_of(item(name)) for name in names]))
        hashes.close()


def test_no_page_is_asked_for_behind_the_end() -> None:
    asked: list[int] = []

    class Service:
        async def raw_pages(
            self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
        ) -> AsyncGenerator[bytes, None]:
            for number, names in enumerate(("ab", "cd", "ef")):
                asked.append(number)
                yield page_of([entry_of(item(name)) for name in names], "more")

    digests = asyncio.run(hash_runs(Service(), "c", ["", "b"], "d", "c", ["", ""]))
    assert asked == [0, 1] and len(set(digests)) == 2


def test_groups_never_split_a_name() -> None:
    assert list(cut_names(["a", "a", "b", "c", "c", "c", "d"], 2)) == ["b", "d"]
    assert list(cut_names([], 2)) == [] == list(cut_names(["a"] * 5, 2))


# --- against the march ------------------------------------------------------------------------------------------------

EXCLUDING = ("d",)
RULES = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
AT_TARGET = st.lists(
    st.tuples(st.sampled_from(["delete", "touch", "tags", "extra", "tier", "snapshot"]), st.sampled_from("abcde")),
    max_size=2,
)


class RawPair(Pair):
    """A pair whose accounts hand out raw pages."""

    def __init__(self, mode: str, exclude: tuple[str, ...]) -> None:
        super().__init__(mode=mode)
        self.rules = replace(self.rules, exclude_blobs=exclude)
        self.raw = RawSource(self.source), RawTarget(self.target, {"src": RawSource(self.source)})
        self.reader, self.writer = self.raw

    async def printed(self, step: int) -> Prints:
        """What a verification of the last manifest prints."""
        features, versions = await self.writer.features(), (False, False)
        based = basis(self.rules, (), features, versions=versions)
        begins = ["", *cut_names([row.name for row in self.manifest], step)]
        maker = PrintMaker(begins, None, self.rules, features, based, versions=versions)
        await verify_shard(
            SHARD, self.reader, self.writer, iter([self.manifest]), level=ProofLevel.L0, share=1.0, seed="",
            progress=ShardProgress(Progress()), maker=maker,
        )  # fmt: skip
        prints = maker.prints("0" * 64)
        assert prints is not None
        kept = prints_from_text(prints_to_text(prints))
        assert kept == prints
        return prints

    async def same(self, prints: Prints) -> list[bool]:
        expected = [one.source for one in prints.groups], [one.target for one in prints.groups]
        found = await unchanged_runs(self.raw, "c", prints.begins, None, expected, ("s", "t"))
        return [equal and group.settled for equal, group in zip(found, prints.groups, strict=True)]


def spoil(pair: Pair, change: tuple[str, str]) -> None:
    """What somebody else does at the target."""
    kind, name = change
    there = pair.target.containers_["c"].get(name)
    if kind == "extra":
        pair.target.write("c", name, b"a stranger's")
    elif there is None:
        return
    elif kind == "delete":
        pair.target.delete("c", name)
    elif kind == "touch":
        pair.target.change("c", name)
    elif kind == "tags":
        pair.target.change("c", name, moves=False, tags={"k": "9"})
    elif kind == "tier" and there.item.blob_type is BlobType.BLOCK:
        pair.target.change("c", name, moves=False, tier="Cool", tier_inferred=False)
    elif kind == "snapshot":
        pair.target.take_snapshot("c", name)


@pytest.mark.slow
@RULES
@given(
    first=BATCH, second=BATCH, before=AT_TARGET, after=AT_TARGET, runs=st.integers(1, 2), step=st.integers(1, 3),
    mode=st.sampled_from(["pull", "stream"]), exclude=st.sampled_from([(), EXCLUDING]),
)  # fmt: skip
def test_what_prints_carry_over_the_march_would_have_written(
    first: list[Any], second: list[Any], before: list[Any], after: list[Any], runs: int, step: int, mode: str,
    exclude: tuple[str, ...],
) -> None:  # fmt: skip
    """Breaks when any change at the source or the target can hide behind prints, or a carried row is another one."""

    async def history() -> None:
        pair = RawPair(mode, exclude)
        for change in first:
            do(pair, change)
        for _ in range(runs):
            await pair.run()
        for one in before:
            spoil(pair, one)
        known, prints = list(pair.manifest), await pair.printed(step)
        for change in second:
            do(pair, change)
        for one in after:
            spoil(pair, one)
        same = await pair.same(prints)
        rows = list((await pair.run()).values())
        ends = [*prints.begins[1:], None]
        for is_same, group, end in zip(same, prints.groups, ends, strict=True):
            if is_same:
                here = [row for row in rows if group.begin <= row.name and (end is None or row.name < end)]
                then = [row for row in known if group.begin <= row.name and (end is None or row.name < end)]
                assert here == [carried(row) for row in then]
                reported = sum(row.change in (Change.DELETED, Change.EXTRA) for row in here)
                assert (group.tally.listed, group.tally.deleted) == (len(here) - reported, reported)
                assert group.tally.whole and group.tally.failed == group.tally.copied == 0
                assert group.tally.excluded == sum(row.outcome is Outcome.EXCLUDED for row in here)

    asyncio.run(history())


@pytest.mark.parametrize("exclude", [(), EXCLUDING])
@pytest.mark.parametrize("mode", ["pull", "stream"])
def test_where_nothing_changed_everything_is_carried(mode: str, exclude: tuple[str, ...]) -> None:
    """Breaks when prints are of no use: plain blobs, snapshots, tags, tiers, exclusions, deletions, extras."""

    async def history() -> None:
        pair = RawPair(mode, exclude)
        source = pair.source
        for name in "abcdefgh":
            source.write("c", name, name.encode(), metadata={"k": name}, tags={"t": name}, tier="Cool")
        source.take_snapshot("c", "b")
        source.write("c", "b", b"newer")
        source.write("c", "log", b"line", blob_type=BlobType.APPEND, sealed=True)
        await pair.run()
        source.delete("c", "g")
        pair.target.write("c", "zz", b"a stranger's")
        await pair.run()
        prints = await pair.printed(2)
        assert all(await pair.same(prints)) and len(prints.groups) > 3
        calls = pair.source.calls["list"], pair.target.calls["list"]
        assert all(await pair.same(prints))
        pages = -(-11 // pair.source.page)
        assert (pair.source.calls["list"] - calls[0], pair.target.calls["list"] - calls[1]) <= (pages + 1, pages + 2)
        source.change("c", "e", moves=False, tags={"t": "other"})
        found = await pair.same(prints)
        assert found.count(False) == 1

    asyncio.run(history())


def test_other_rules_have_another_basis() -> None:
    features = asyncio.run(RawPair("pull", ()).writer.features())
    based = basis(CopyRules(), (), features, versions=(False, False))
    assert based == basis(CopyRules(), (), features, versions=(False, False)) != ""
    others = (
        basis(CopyRules(proof=ProofLevel.L3), (), features, versions=(False, False)),
        basis(CopyRules(exclude_blobs=("x",)), (), features, versions=(False, False)),
        basis(CopyRules(), ("filter",), features, versions=(False, False)),
        basis(CopyRules(), (), replace(features, tags=False), versions=(False, False)),
        basis(CopyRules(), (), features, versions=(True, True)),
    )
    assert len({based, *others}) == 6
    assert basis(CopyRules(), (object(),), features, versions=(False, False)) == ""
