"""Frozen values to JSON text and back, exactly: for the ledger, the plan file and everything that is hashed.

Nothing is validated on the way back: the text was written by `compact_json` or `canonical_json` from the same value,
and what ARM put into free-form fields (a tag that is null, a number where a string is usual) returns as it was.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_Rebuild = Callable[[Any], Any]


def compact_json(value: object) -> str:
    """`value` as JSON in its own key order, ASCII only, no blanks. Takes dataclasses, enums, times and mappings.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: a float that is not a number, or a time without a zone.
    """
    return json.dumps(value, default=_plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_json(value: object) -> str:
    """As `compact_json`, with sorted keys: equal values give equal text, so it can be hashed."""
    return json.dumps(value, default=_plain, separators=(",", ":"), ensure_ascii=True, allow_nan=False, sort_keys=True)


def utc_text(moment: datetime) -> str:
    """`moment` as UTC text of one width, so that text order is time order.

    Raises:
        ValueError: `moment` has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    # isoformat and not strftime: the latter writes a year before 1000 with fewer digits.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def decode(kind: type[T], text: str) -> T:
    """The value of type `kind` that `text` was made from."""
    return rebuild(kind, json.loads(text))


def rebuild(kind: type[T], plain: Any) -> T:
    """As `decode`, from JSON that is already parsed, which is used up."""
    hashable: Any = kind
    result: T = _rebuild(hashable)(plain)
    return result


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    match value:
        case datetime():
            return utc_text(value)
        case date():
            return value.isoformat()
        case Mapping():
            return dict(value)
        case Enum():
            return value.value
        case frozenset() | set():
            return sorted(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _rebuild(kind: Any) -> _Rebuild:
    """What makes a `kind` of its JSON form."""
    if is_dataclass(kind) and isinstance(kind, type):
        return _rebuild_dataclass(kind)
    if isinstance(kind, type):
        if issubclass(kind, Enum):
            return kind
        if issubclass(kind, datetime):
            return datetime.fromisoformat
        if issubclass(kind, date):
            return date.fromisoformat
        return _as_is
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _rebuild_tuple(parts)
    if origin in (Union, types.UnionType):
        (inner,) = [part for part in parts if part is not type(None)]
        make = _rebuild(inner)
        return lambda plain: None if plain is None else make(plain)
    return _as_is


def _rebuild_dataclass(kind: Any) -> _Rebuild:
    hints = get_type_hints(kind)
    makers = {field.name: _rebuild(hints[field.name]) for field in fields(kind)}
    changed = [(name, make) for name, make in makers.items() if make is not _as_is]

    def make(plain: dict[str, Any]) -> Any:
        for name, inner in changed:
            if name in plain:
                plain[name] = inner(plain[name])
        return kind(**plain)

    return make


def _rebuild_tuple(parts: tuple[Any, ...]) -> _Rebuild:
    inner = _rebuild(parts[0])
    if inner is _as_is:
        return tuple
    return lambda plain: tuple(inner(item) for item in plain)


def _as_is(plain: Any) -> Any:
    return plain
