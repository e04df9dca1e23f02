"""What need not even be listed because of filters: ranges of names that no object in them could pass. Pure."""

from __future__ import annotations

import re

from mappings.filters import Filters

_WILD = re.compile(r"[*?\[]")


def after_prefix(prefix: str) -> str | None:
    """The first name, by code point, behind all that begin with `prefix`; None where there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[at])
        if point < 0x10FFFF:
            # Surrogates are no characters and stand in no name.
            return prefix[:at] + chr(0xE000 if point == 0xD7FF else point + 1)
    return None


def ranges(filters: Filters) -> list[tuple[str, str | None]]:
    """Ranges of names, `begin <= name < end`, outside of which the filters let nothing pass; ascending, may overlap."""
    beginnings: list[tuple[str, ...]] = []
    if filters.prefixes:
        beginnings.append(filters.prefixes)
    if filters.include:
        beginnings.append(tuple(_WILD.split(glob, maxsplit=1)[0] for glob in filters.include))
    found: list[tuple[str, str | None]] = [("", None)]
    for several in beginnings:
        spans = [(prefix, after_prefix(prefix)) for prefix in several]
        found = [span for one in found for other in spans if (span := overlap(one, other)) is not None]
    return sorted(found, key=lambda span: span[0])


def overlap(one: tuple[str, str | None], other: tuple[str, str | None]) -> tuple[str, str | None] | None:
    """What two ranges of names have in common; None where that is nothing."""
    begin = max(one[0], other[0])
    ends = [end for end in (one[1], other[1]) if end is not None]
    end = min(ends) if ends else None
    return (begin, end) if end is None or begin < end else None


def hull(filters: Filters, begin: str, end: str | None) -> tuple[str, str | None] | None:
    """The part of a shard's range that has to be listed, in one piece; None where nothing of it passes the filters."""
    parts = [part for span in ranges(filters) if (part := overlap((begin, end), span)) is not None]
    if not parts:
        return None
    ends = [stop for _, stop in parts]
    low, high = min(start for start, _ in parts), None if None in ends else max(stop for stop in ends if stop)
    covered = any(
        low >= prefix and (stop := after_prefix(prefix)) is not None and high is not None and high <= stop
        for prefix in filters.exclude_prefixes
    )
    return None if covered else (low, high)
