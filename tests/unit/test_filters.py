"""Filters: what they take is what a naive reading takes, and what is not even listed could not have passed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.codec import canonical_json, decode
from mappings.errors import FixTheInput
from mappings.filter_ranges import after_prefix, hull
from mappings.filter_tests import compiled, place_left_out
from mappings.filters import OPTIONS, SETTINGS, Filters, NameList, parse_filters, parse_moment, parse_size
from mappings.objects import BlobType, ListedObject
from tasks.copiers.rules import CopyRules

T0 = datetime(2026, 3, 1, tzinfo=UTC)
TYPES = list(BlobType)
LIST = NameList("0" * 64, 3, "wanted.txt")

names = st.text(alphabet="ab/\ud7ff\U0010ffff", min_size=1, max_size=3)
globs = st.text(alphabet="ab/*?[]!.", min_size=1, max_size=5)


def few(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(inner, max_size=2).map(tuple)


moments = st.integers(-1, 1).map(lambda days: T0 + timedelta(days=days))
tags = st.sampled_from(["k=1", "k=2", "j=", "j=a=b"])
tiers = st.sampled_from(["Hot", "Cool", "cold", ""])

PARTS = {
    "prefixes": few(names),
    "exclude_prefixes": few(names),
    "include": few(globs),
    "exclude": few(globs),
    "min_size": st.integers(0, 3),
    "max_size": st.none() | st.integers(0, 4),
    "modified_after": st.none() | moments,
    "modified_before": st.none() | moments,
    "tags": few(tags),
    "exclude_tags": few(tags),
    "tiers": few(tiers),
    "exclude_tiers": few(tiers),
    "types": few(st.sampled_from(TYPES)),
    "exclude_types": few(st.sampled_from(TYPES)),
    "listed": st.none() | st.just(LIST),
}


@st.composite
def filter_sets(draw: st.DrawFn) -> Filters:
    """Few parts at once: with all of them hardly any object would pass."""
    parts = draw(st.sets(st.sampled_from(sorted(PARTS)), min_size=1, max_size=2))
    return Filters(draw(st.sampled_from([SETTINGS, OPTIONS])), **{part: draw(PARTS[part]) for part in sorted(parts)})


@st.composite
def name_filters(draw: st.DrawFn) -> Filters:
    """Those that cut a listing."""
    parts = ("prefixes", "exclude_prefixes", "include")
    return Filters(**{part: draw(PARTS[part]) for part in parts})


objects = st.builds(
    lambda name, size, when, kind, tier, own: ListedObject(name, "", kind, size, '"1"', when, tags=own, tier=tier),
    names,
    st.integers(0, 4),
    moments,
    st.sampled_from(TYPES),
    tiers,
    st.dictionaries(st.sampled_from(["k", "j"]), st.sampled_from(["1", "2", "", "a=b"]), max_size=2),
)


def naive(filters: Filters, item: ListedObject, listed: set[str]) -> bool:
    """Whether the filters take an object, read word for word from the documentation."""

    def one_of(wanted: tuple[object, ...], fits: list[bool]) -> bool:
        return not wanted or any(fits)

    own = {f"{key}={value}" for key, value in item.tags.items()}
    tier = item.tier.lower()
    return all(
        [
            one_of(filters.prefixes, [item.name[: len(p)] == p for p in filters.prefixes]),
            not any(item.name[: len(p)] == p for p in filters.exclude_prefixes),
            one_of(filters.include, [fnmatchcase(item.name, glob) for glob in filters.include]),
            not any(fnmatchcase(item.name, glob) for glob in filters.exclude),
            item.size >= filters.min_size,
            filters.max_size is None or item.size <= filters.max_size,
            filters.modified_after is None or item.last_modified >= filters.modified_after,
            filters.modified_before is None or item.last_modified < filters.modified_before,
            one_of(filters.tags, [tag in own for tag in filters.tags]),
            not any(tag in own for tag in filters.exclude_tags),
            one_of(filters.tiers, [tier == wanted.lower() for wanted in filters.tiers]),
            not any(tier == wanted.lower() for wanted in filters.exclude_tiers),
            one_of(filters.types, [item.blob_type is wanted for wanted in filters.types]),
            item.blob_type not in filters.exclude_types,
            filters.listed is None or item.name in listed,
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(PARTS))
@given(data=st.data(), item=objects, listed=st.sets(names, max_size=3))
def test_filters_take_what_a_naive_reading_takes(
    part: str, data: st.DataObject, item: ListedObject, listed: set[str]
) -> None:
    """Mutation that must fail it: any comparison turned round, or only the first set of filters asked."""
    several = [Filters(**{part: data.draw(PARTS[part])}), *data.draw(st.lists(filter_sets(), max_size=1))]
    test = compiled(several, "a", "c", lambda _list, name: name in listed)
    why = test(item) if test else ""
    assert (why == "") == all(naive(filters, item, listed) for filters in several)
    if why:
        assert any(name in why for filters in several for name in [line.split(" ")[0] for line in filters.stated()])


@pytest.mark.slow
@settings(max_examples=600)
@given(name_filters(), objects, names, st.none() | names)
def test_what_is_not_listed_could_not_have_passed(
    filters: Filters, item: ListedObject, begin: str, end: str | None
) -> None:
    """Mutation that must fail it: cutting by a glob as if it were a prefix, or by the first of two prefixes only."""
    inside = begin <= item.name and (end is None or item.name < end)
    part = hull(filters, begin, end)
    if inside and naive(filters, item, {item.name}):
        assert part is not None
        assert part[0] <= item.name and (part[1] is None or item.name < part[1])
    if part is not None:
        assert part[0] >= begin and (end is None or (part[1] is not None and part[1] <= end))


@given(names, names)
def test_the_name_behind_a_prefix_is_the_first_behind_it(prefix: str, name: str) -> None:
    stop = after_prefix(prefix)
    inside = name >= prefix and (stop is None or name < stop)
    assert inside == name.startswith(prefix)


@given(filter_sets())
def test_filters_survive_the_ledger(filters: Filters) -> None:
    """They are part of a plan's hash, so they have to come back as they were."""
    assert decode(Filters, canonical_json(filters)) == filters


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("10MiB", 10 << 20), ("1.5 kb", 1500), ("2 GiB", 2 << 30), ("1TB", 10**12)]
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert parse_size(text, where="--min-size") == size


def test_a_date_has_a_zone() -> None:
    assert parse_moment("2026-03-01", where="x") == T0
    assert parse_moment("2026-02-28T19:00:00-05:00", where="x") == T0
    with pytest.raises(FixTheInput, match="no zone"):
        parse_moment("2026-03-01T08:00", where="--modified-after")


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"min_size": "ten"}, '--min-size: "ten" is no size'),
        ({"modified_after": "yesterday"}, '--modified-after: "yesterday" is no date'),
        ({"tags": ["dept"]}, '--tag: "dept" is no tag'),
        ({"types": ["blob"]}, '--type: "blob" is no blob type'),
        ({"min_size": "2MiB", "max_size": "1MiB"}, "no object fits both"),
        ({"modified_after": "2026-03-02", "modified_before": "2026-03-01"}, "no object fits both"),
    ],
)
def test_a_wrong_filter_names_its_option(given_: dict[str, object], expected: str) -> None:
    with pytest.raises(FixTheInput) as wrong:
        parse_filters(given_)
    assert expected in wrong.value.sentence


def test_an_account_or_container_is_left_out_by_name() -> None:
    filters = Filters(accounts=("data*",), exclude_containers=("tmp-*", "data1/logs"))
    assert place_left_out(filters, "other") and not place_left_out(filters, "data1")
    assert place_left_out(filters, "data2", "tmp-1") and place_left_out(filters, "data1", "logs")
    assert not place_left_out(filters, "data2", "logs")


def test_without_filters_the_question_is_three_calls() -> None:
    """It is asked of every object of every listing. Mutation that must fail it: one helper more is asked each time."""
    rules = CopyRules()
    item = ListedObject("a/b.txt", "", BlobType.BLOCK, 10, '"1"', T0, tier="Hot")
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        said = rules.left_out(item)
    finally:
        sys.setprofile(None)
    assert (said, calls) == ("", ["left_out", "exclusion", "is_archived"])
