"""Which objects a plan takes: filters as a value, and their texts parsed. Pure.

Several sets of filters stand in a row (those of migration.toml, those of a command's options); each can only narrow. A
filter reads nothing but the listing: no request is made to decide about an object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta

from mappings.errors import FixTheInput
from mappings.objects import BlobType

SETTINGS = "migration.toml"
OPTIONS = "options"


@dataclass(frozen=True, slots=True)
class NameList:
    """A list of objects in a file, kept by content in the migration folder."""

    sha256: str
    """Of the file as it was given, and of the column that was read; names the copy in the migration folder."""
    entries: int
    """Different objects on it."""
    file: str
    """Name of the file as it was given, for a reader."""


@dataclass(frozen=True, slots=True)
class Filters:
    """One set of filters; empty parts let everything pass. Of several values in one part, one has to fit."""

    origin: str = OPTIONS
    """`SETTINGS` or `OPTIONS`: how a reason names a filter."""
    accounts: tuple[str, ...] = ()
    """Globs on the source account; the `exclude_...` of each part works the other way round."""
    exclude_accounts: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    """Globs on `account/container`; one without a slash is on the container's name alone."""
    exclude_containers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """Beginnings of names, exact."""
    exclude_prefixes: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    """Globs on the name; `*` also matches a slash."""
    exclude: tuple[str, ...] = ()
    min_size: int = 0
    """Bytes, inclusive."""
    max_size: int | None = None
    """Bytes, inclusive; None is no limit."""
    modified_after: datetime | None = None
    """Last-Modified from this moment on."""
    modified_before: datetime | None = None
    """Last-Modified before this moment."""
    tags: tuple[str, ...] = ()
    """Index tags as `key=value`, exact."""
    exclude_tags: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    """Access tiers, e.g. "Cool"."""
    exclude_tiers: tuple[str, ...] = ()
    types: tuple[BlobType, ...] = ()
    exclude_types: tuple[BlobType, ...] = ()
    listed: NameList | None = None
    """Only what stands on this list."""

    def __bool__(self) -> bool:
        """Whether anything is filtered at all."""
        return any(getattr(self, field.name) != field.default for field in fields(self) if field.name != "origin")

    def called(self, part: str) -> str:
        """How a reader knows a part: by its option, or by its key in migration.toml."""
        if self.origin == SETTINGS:
            return f"copy.filter.{'from_list' if part == 'listed' else part}"
        return _OPTIONS.get(part) or f"--{part.removesuffix('s').replace('_', '-')}"

    def stated(self) -> list[str]:
        """Each part that filters, as a reader would write it."""
        lines = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "origin" or value == field.default:
                continue
            lines.append(f"{self.called(field.name)} {_shown(value)}")
        return lines


_OPTIONS = {
    "include": "--include",
    "exclude": "--exclude",
    "prefixes": "--prefix",
    "exclude_prefixes": "--exclude-prefix",
    "listed": "--from-list",
}


def _shown(value: object) -> str:
    match value:
        case tuple():
            return ", ".join(f'"{one}"' for one in value)
        case datetime():
            return value.isoformat()
        case NameList():
            return f"{value.file} ({value.entries:,} objects)"
        case int():
            return f"{value:,} bytes"
        case _:
            return str(value)


# --- texts ------------------------------------------------------------------------------------------------------------

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_UNITS |= {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def parse_size(text: str | int, *, where: str) -> int:
    """Bytes from "10MiB", "1.5 GB" or "4096". 1 MiB is 1,048,576 bytes, 1 MB is 1,000,000.

    Args:
        where: the option or key, for the sentence.

    Raises:
        FixTheInput: it is no size.
    """
    found = _SIZE.fullmatch(str(text))
    if found is None or found[2].lower() not in _UNITS:
        raise FixTheInput(f'{where}: "{text}" is no size.', next_step='Write it as "10MiB", "1.5GB" or "4096".')
    return round(float(found[1]) * _UNITS[found[2].lower()])


def parse_moment(text: str | datetime, *, where: str) -> datetime:
    """A moment, UTC, from "2026-11-01", "2026-11-01T08:00:00Z" or "2026-11-01T08:00-05:00".

    A bare date is midnight UTC.

    Args:
        where: the option or key, for the sentence.

    Raises:
        FixTheInput: it is no date, or has a time of day without a zone.
    """
    form = 'Write it as "2026-11-01" (midnight UTC) or "2026-11-01T08:00:00-05:00".'
    try:
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text.strip())
    except ValueError:
        raise FixTheInput(f'{where}: "{text}" is no date.', next_step=form) from None
    if moment.tzinfo is None:
        if moment.time() != time() or "T" in str(text):
            raise FixTheInput(f'{where}: "{text}" has a time of day and no zone.', next_step=form)
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def parse_tag(text: str, *, where: str) -> str:
    """`key=value` as it was given.

    Raises:
        FixTheInput: it is not of this form.
    """
    key, sign, _ = text.partition("=")
    if not key or not sign:
        raise FixTheInput(f'{where}: "{text}" is no tag.', next_step='Write it as "key=value".')
    return text


_TYPES = {"block": BlobType.BLOCK, "append": BlobType.APPEND, "page": BlobType.PAGE}
_TYPES |= {kind.value.lower(): kind for kind in BlobType}


def parse_type(text: str, *, where: str) -> BlobType:
    """A blob type from `block`, `append`, `page` or the service's own name.

    Raises:
        FixTheInput: it is none.
    """
    if text.lower() not in _TYPES:
        raise FixTheInput(f'{where}: "{text}" is no blob type.', next_step="Write block, append or page.")
    return _TYPES[text.lower()]


def parse_filters(given: Mapping[str, object], *, origin: str = OPTIONS, listed: NameList | None = None) -> Filters:
    """Filters from texts, as options or settings hold them; absent and empty values filter nothing.

    Args:
        given: by field of `Filters`; lists of texts, and single texts for sizes and dates. Others are passed over.
        origin: `SETTINGS` or `OPTIONS`.
        listed: the list, which is read elsewhere.

    Raises:
        FixTheInput: a text is wrong; the sentence names its option or key.
    """
    name = Filters(origin).called

    def texts(part: str) -> tuple[str, ...]:
        value = given.get(part) or ()
        if isinstance(value, str):
            return (value,)
        assert isinstance(value, (tuple, list))
        return tuple(value)

    def one(part: str) -> str:
        return str(given.get(part) or "")

    plain = ("accounts", "containers", "prefixes", "tiers")
    made = Filters(
        origin,
        **{part: texts(part) for part in (*plain, *(f"exclude_{part}" for part in plain), "include", "exclude")},
        min_size=parse_size(one("min_size"), where=name("min_size")) if one("min_size") else 0,
        max_size=parse_size(one("max_size"), where=name("max_size")) if one("max_size") else None,
        modified_after=_moment(one("modified_after"), name("modified_after")),
        modified_before=_moment(one("modified_before"), name("modified_before")),
        tags=tuple(parse_tag(text, where=name("tags")) for text in texts("tags")),
        exclude_tags=tuple(parse_tag(text, where=name("exclude_tags")) for text in texts("exclude_tags")),
        types=tuple(parse_type(text, where=name("types")) for text in texts("types")),
        exclude_types=tuple(parse_type(text, where=name("exclude_types")) for text in texts("exclude_types")),
        listed=listed,
    )
    _require_sense(made)
    return made


def _moment(text: str, where: str) -> datetime | None:
    return parse_moment(text, where=where) if text else None


def _require_sense(made: Filters) -> None:
    """A range that nothing can be in is a slip, and would leave everything out in silence."""
    if made.max_size is not None and made.max_size < made.min_size:
        raise FixTheInput(
            f"{made.called('min_size')} is {made.min_size:,} bytes and {made.called('max_size')} {made.max_size:,}: "
            "no object fits both.",
            next_step="Exchange the two.",
        )
    after, before = made.modified_after, made.modified_before
    if after is not None and before is not None and before - after <= timedelta(0):
        raise FixTheInput(
            f"{made.called('modified_after')} {after.isoformat()} does not come before "
            f"{made.called('modified_before')} {before.isoformat()}: no object fits both.",
            next_step="Exchange the two.",
        )
