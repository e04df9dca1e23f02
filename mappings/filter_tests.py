"""The one question that the engine asks of the filters: why an object is left out. Made once a container. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase, translate

from mappings.filters import Filters, NameList
from mappings.objects import ListedObject

Test = Callable[[ListedObject], str]
"""Why an object is left out, "" where it is not."""


def place_left_out(filters: Filters, account: str, container: str = "") -> str:
    """Why a whole account (`container` "") or container is left out; "" where it is not. Then it is not even listed."""
    if filters.accounts and not any(fnmatchcase(account, glob) for glob in filters.accounts):
        return f"Left out: the account fits no {filters.called('accounts')}."
    for glob in filters.exclude_accounts:
        if fnmatchcase(account, glob):
            return f'Left out by {filters.called("exclude_accounts")} "{glob}".'
    if not container:
        return ""
    if filters.containers and not any(_fits_container(account, container, glob) for glob in filters.containers):
        return f"Left out: the container fits no {filters.called('containers')}."
    for glob in filters.exclude_containers:
        if _fits_container(account, container, glob):
            return f'Left out by {filters.called("exclude_containers")} "{glob}".'
    return ""


def _fits_container(account: str, container: str, glob: str) -> bool:
    return fnmatchcase(f"{account}/{container}" if "/" in glob else container, glob)


def compiled(
    several: Sequence[Filters], account: str, container: str, on_list: Callable[[NameList, str], bool] | None = None
) -> Test | None:
    """The question for the objects of one container; None where nothing is filtered.

    Args:
        several: sets of filters, of which each has to let an object pass.
        account: of the source.
        container: of that account.
        on_list: whether a list has an object of this container, by name; needed where a set has a list.

    Raises:
        ValueError: a set has a list, and `on_list` is missing.
    """
    tests: list[Test] = []
    for filters in several:
        if why := place_left_out(filters, account, container):
            return _always(why)
        tests += _tests(filters, on_list)
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]

    def every(item: ListedObject) -> str:
        for test in tests:
            if why := test(item):
                return why
        return ""

    return every


def _tests(filters: Filters, on_list: Callable[[NameList, str], bool] | None) -> list[Test]:
    """One test per part that filters, the cheapest first."""
    tests = [*_size_tests(filters), *_time_tests(filters), *_name_tests(filters), *_kind_tests(filters)]
    listed = filters.listed
    if listed is not None:
        if on_list is None:
            raise ValueError("filters with a list need somebody who reads it")
        why = f"Left out: not on the list {listed.file} ({filters.called('listed')})."
        tests.append(lambda item: "" if on_list(listed, item.name) else why)
    return tests


def _size_tests(filters: Filters) -> list[Test]:
    least, most = filters.min_size, filters.max_size
    tests: list[Test] = []
    if least:
        small = f"Left out: smaller than {filters.called('min_size')} {least:,} bytes."
        tests.append(lambda item: small if item.size < least else "")
    if most is not None:
        large = f"Left out: larger than {filters.called('max_size')} {most:,} bytes."
        tests.append(lambda item: large if item.size > most else "")
    return tests


def _time_tests(filters: Filters) -> list[Test]:
    after, before = filters.modified_after, filters.modified_before
    tests: list[Test] = []
    if after is not None:
        old = f"Left out: last modified before {filters.called('modified_after')} {after.isoformat()}."
        tests.append(lambda item: old if item.last_modified < after else "")
    if before is not None:
        young = f"Left out: not last modified before {filters.called('modified_before')} {before.isoformat()}."
        tests.append(lambda item: young if item.last_modified >= before else "")
    return tests


def _name_tests(filters: Filters) -> list[Test]:
    tests: list[Test] = []
    if prefixes := filters.prefixes:
        other = f"Left out: the name begins with no {filters.called('prefixes')}."
        tests.append(lambda item: "" if item.name.startswith(prefixes) else other)
    if bad := filters.exclude_prefixes:
        by_prefix = filters.called("exclude_prefixes")
        tests.append(
            lambda item: _named(by_prefix, item.name, bad, str.startswith) if item.name.startswith(bad) else ""
        )
    if filters.include:
        fits, none = _any_glob(filters.include), f"Left out: the name fits no {filters.called('include')}."
        tests.append(lambda item: "" if fits(item.name) else none)
    if globs := filters.exclude:
        hits, by_glob = _any_glob(globs), filters.called("exclude")
        tests.append(lambda item: _named(by_glob, item.name, globs, fnmatchcase) if hits(item.name) else "")
    return tests


def _any_glob(globs: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(translate(glob) for glob in globs)).match


def _named(called: str, name: str, values: tuple[str, ...], fits: Callable[[str, str], bool]) -> str:
    value = next(value for value in values if fits(name, value))
    return f'Left out by {called} "{value}".'


def _kind_tests(filters: Filters) -> list[Test]:
    tests: list[Test] = []
    tiers, not_tiers = _lower(filters.tiers), _lower(filters.exclude_tiers)
    if tiers:
        other = f"Left out: its tier is no {filters.called('tiers')}."
        tests.append(lambda item: "" if item.tier.lower() in tiers else other)
    if not_tiers:
        by = filters.called("exclude_tiers")
        tests.append(lambda item: f'Left out by {by} "{item.tier}".' if item.tier.lower() in not_tiers else "")
    if types := frozenset(filters.types):
        no_type = f"Left out: its type is no {filters.called('types')}."
        tests.append(lambda item: "" if item.blob_type in types else no_type)
    if not_types := frozenset(filters.exclude_types):
        by_type = filters.called("exclude_types")
        tests.append(lambda item: f'Left out by {by_type} "{item.blob_type}".' if item.blob_type in not_types else "")
    if tags := _pairs(filters.tags):
        untagged = f"Left out: it has no index tag of {filters.called('tags')}."
        tests.append(lambda item: "" if any(item.tags.get(k) == v for k, v in tags) else untagged)
    if not_tags := _pairs(filters.exclude_tags):
        by_tag = filters.called("exclude_tags")
        tests.append(lambda item: _by_tag(item, not_tags, by_tag))
    return tests


def _by_tag(item: ListedObject, pairs: Sequence[tuple[str, str]], called: str) -> str:
    found = next((f"{k}={v}" for k, v in pairs if item.tags.get(k) == v), "")
    return f'Left out by {called} "{found}".' if found else ""


def _lower(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(value.lower() for value in values)


def _pairs(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (text.partition("=") for text in texts)]


def _always(why: str) -> Test:
    return lambda _item: why
