"""Cuts of a listing, the cover of ranges by older manifests, and names in the target."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import FixTheInput, ObjectError
from mappings.naming import candidates, is_account_name, resource_group_names, target_account_name
from mappings.objects import BlobType, ListedObject
from mappings.shards import Cutter, Segments, Span, asked_for, fine_end, newest_cover, shard_size

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
LISTING = st.lists(st.tuples(NAMES, st.integers(0, 50), st.integers(1, 3)), unique_by=lambda each: each[0]).map(sorted)


def listed(name: str) -> ListedObject:
    return ListedObject(name, "", BlobType.BLOCK, 1, '"e"', datetime(2026, 1, 1, tzinfo=UTC))


def fed(listing: list[tuple[str, int, int]], objects: int, size: int) -> Cutter:
    cutter = Cutter("acct", "docs", shard_objects=objects, shard_bytes=size)
    for name, length, copies in listing:
        for copy in range(copies):
            cutter.add(name, length, "BlockBlob", "Hot", copy < copies - 1)
    return cutter


@given(listing=LISTING, objects=st.integers(1, 7), size=st.integers(1, 200))
def test_ranges_cover_every_name_exactly_once(listing: list[tuple[str, int, int]], objects: int, size: int) -> None:
    """Breaks when a cut falls between two snapshots of one name, or a count goes to the shard beside."""
    survey = fed(listing, objects, size).survey()
    begins, ends = ("", *survey.cuts), (*survey.cuts, None)
    assert list(survey.cuts) == sorted(set(survey.cuts))
    assert len(survey.shard_objects) == len(survey.shard_bytes) == len(begins)
    for begin, end, count, total in zip(begins, ends, survey.shard_objects, survey.shard_bytes, strict=True):
        inside = [entry for entry in listing if begin <= entry[0] and (end is None or entry[0] < end)]
        assert count == sum(copies for _, _, copies in inside)
        assert total == sum(length * copies for _, length, copies in inside)
        before_last = inside[:-1]
        most = objects if end is not None else objects * 5 / 4
        assert sum(copies for _, _, copies in before_last) < most, "a full shard takes no further name"
        assert sum(length * copies for _, length, copies in before_last) < size
    assert survey.objects == sum(copies for _, _, copies in listing)
    assert survey.snapshots == survey.objects - len(listing)
    assert survey.by_type == ({"BlockBlob": survey.objects} if listing else {})


def test_a_small_rest_goes_with_the_shard_before_it() -> None:
    """A worker of its own for a handful of objects costs more than it saves."""
    listing = [(f"{number:03}", 1, 1) for number in range(102)]
    assert fed(listing, 50, 1000).survey().shard_objects == (50, 52)
    assert fed(listing, 40, 1000).survey().shard_objects == (40, 40, 22)
    assert fed(listing, 50, 52).survey().shard_objects == (50, 50, 2), "the bytes of a shard are bounded, too"


def test_shards_of_a_small_container_are_smaller_and_end_before_a_page_does() -> None:
    assert [shard_size(50_000, objects) for objects in (0, 10_000, 100_000, 10**7)] == [4_900, 4_900, 9_900, 49_900]
    assert shard_size(5_000, 10**7) == 4_900
    assert shard_size(300, 10**7) == 300, "what the settings ask for"


@pytest.mark.slow
@given(
    counts=st.lists(st.integers(1, 400), max_size=60), most=st.sampled_from([40, 400, 5_000, 50_000]),
)  # fmt: skip
def test_the_end_of_a_container_is_cut_finer_and_nothing_is_cut_away(counts: list[int], most: int) -> None:
    """Mutation that must fail it: an entry in two shards or in none; full shards to the end."""
    segments = Segments(most)
    names = [f"{number:04}" for number in range(len(counts))]
    for name, count in zip(names, counts, strict=True):
        segments.add([replace(listed(name), snapshot=f"s{copy}") for copy in range(count)])
    found = sum(counts)
    size = shard_size(most, found)
    cutter = Cutter("a", "c", shard_objects=size, fine=fine_end(size, found))
    cutter.take(segments)
    survey = cutter.survey()
    assert sum(survey.shard_objects) == found and list(survey.cuts) == sorted(set(survey.cuts))
    bounds = [*(bisect_left(names, cut) for cut in survey.cuts), len(names)]
    for first, last, held in zip([0, *bounds], bounds, survey.shard_objects, strict=False):
        assert sum(counts[first:last]) == held
    after, fine = fine_end(size, found)
    behind = 0
    for held in survey.shard_objects:
        if behind > after:
            assert held <= max(fine * 5 / 4, fine + 600), "a name, or a small rest, may come on top"
        behind += held


def test_all_workers_have_something_to_do_until_the_end() -> None:
    """Mutation that must fail it: shards of one size, of which the last is begun when the other worker has ended."""

    def shards(objects: int) -> tuple[int, ...]:
        segments = Segments(50_000)
        segments.add([listed(f"{number:07}") for number in range(objects)])
        size = shard_size(50_000, objects)
        cutter = Cutter("a", "c", shard_objects=size, fine=fine_end(size, objects))
        cutter.take(segments)
        return cutter.survey().shard_objects

    assert shards(3_000) == (3_000,), "one request lists them all"
    assert shards(10_000) == (4_800, 2_800, 600, 600, 600, 600)
    assert shards(12_000) == (4_800, 4_800, 600, 600, 600, 600), "no leftover between the full ones and the finer"
    assert shards(100_000)[-5:] == (7_000, 1_200, 1_200, 1_200, 1_200)
    assert fine_end(300, 10_000) == (10_000, 300), "shards that the settings make small stay as they are"


def test_an_empty_container_is_one_shard() -> None:
    survey = Cutter("acct", "docs", shard_objects=5).survey(public_access="blob")
    assert (survey.cuts, survey.shard_objects, survey.shard_bytes, survey.public_access) == ((), (0,), (0,), "blob")


def test_a_listing_out_of_order_is_refused() -> None:
    cutter = Cutter("acct", "docs", shard_objects=5)
    cutter.add("b", 1)
    with pytest.raises(ObjectError) as told:
        cutter.add("a", 1)
    assert told.value.code == "BrokenListing"


SPAN = st.tuples(NAMES | st.just(""), st.none() | NAMES)


@given(wanted=SPAN, spans=st.lists(SPAN, max_size=5), name=NAMES)
def test_each_name_is_covered_by_the_newest_span_that_has_it(
    wanted: tuple[str, str | None], spans: list[tuple[str, str | None]], name: str
) -> None:
    numbered = [Span(begin, end, number) for number, (begin, end) in enumerate(spans)]
    parts = newest_cover(*wanted, numbered)
    expected = [span.covered_by for span in numbered if span.holds(name)][:1] if Span(*wanted, 0).holds(name) else []
    assert [part.covered_by for part in parts if part.holds(name)] == expected
    for one, other in itertools.pairwise(parts):
        assert one.end is not None
        assert one.end <= other.begin


@given(source=st.text(max_size=40), source_id=st.text(max_size=40))
def test_candidates_are_valid_distinct_and_the_same_each_time(source: str, source_id: str) -> None:
    first = list(itertools.islice(candidates(source, source_id), 30))
    assert all(is_account_name(name) for name in first)
    assert len(set(first)) == 30
    assert first == list(itertools.islice(candidates(source, source_id), 30))


def test_the_first_candidates_can_be_read() -> None:
    assert list(itertools.islice(candidates("hollisdata", "/x"), 2)) == ["hollisdata", "hollisdatagov"]
    long = "a" * 24
    names = list(itertools.islice(candidates(long, "/x"), 3))
    assert names[:2] == [long, "a" * 21 + "gov"]
    assert names[2].startswith("a" * 18)
    assert next(candidates("ab", "/x")) == "abgov", "two letters are no name"


def test_two_accounts_of_like_names_get_different_hashes() -> None:
    one, two = (list(itertools.islice(candidates("a" * 24, source_id), 3))[2] for source_id in ("/x", "/y"))
    assert one != two


def test_the_first_free_name_is_taken_and_no_endless_search() -> None:
    assert target_account_name("data", "/x", lambda name: name != "data") == "datagov"
    asked: list[str] = []
    with pytest.raises(FixTheInput, match="data"):
        target_account_name("data", "/x", lambda name: bool(asked.append(name)))
    assert len(asked) == 25


@given(
    groups=st.lists(
        st.tuples(st.text(min_size=1, max_size=9), st.text(max_size=99)), unique_by=lambda each: each[0].lower()
    ),
    prefix=st.sampled_from(["", "gov-", "x" * 89]),
)
def test_group_names_are_valid_and_distinct(groups: list[tuple[str, str]], prefix: str) -> None:
    names = resource_group_names(groups, prefix)
    assert set(names) == {group_id for group_id, _ in groups}
    assert len({name.lower() for name in names.values()}) == len(groups)
    assert all(0 < len(name) <= 90 and not name.endswith(".") for name in names.values())


@pytest.mark.parametrize(
    ("begin", "end", "asked"),
    [
        ("", None, ("", "")),
        ("a/b", None, ("", "a/b")),
        ("a/b", "a/c", ("a/", "a/b")),
        ("name", "name\0", ("name", "name")),
        ("a/last\0", "a/x", ("a/", "a/last")),
        ("a\x01b", "a\x01c", ("a", "a")),
        ("a\ufffeb", None, ("", "a")),
        ("tab\there", "tab\there\0", ("tab\there", "tab\there")),
    ],
)
def test_a_listing_is_asked_for_what_it_can_repeat(begin: str, end: str | None, asked: tuple[str, str]) -> None:
    """Breaks when a character that XML cannot carry is sent, or a name of the range could be left out."""
    assert asked_for(begin, end) == asked
    prefix, start = asked
    assert start <= begin and begin.startswith(start) and start.startswith(prefix)
