"""ARM template functions that need nothing but their arguments (Microsoft Learn, "ARM template functions").

Each takes resolved values and raises what Python raises where Azure would refuse the call; the caller takes that for
"cannot be told". Functions that ask the deployment (`resourceId`, `reference`, `uniqueString`, ...) are not here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

LONGEST_TEXT: Final = 10_000
"""Characters of a text that functions still work on."""
_MOST_ITEMS = 10_000
_PLACE = re.compile(r"\{\{|\}\}|\{(\d+)\}|[{}]")


def _text(value: Any) -> str:
    """As `string()` and `format()` print a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    if value is None:
        raise TypeError("null has no text")
    return str(value)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not a whole number")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _same(one: Any, other: Any) -> bool:
    # `equals` compares text by case; a number never equals a text, and 1 is not true.
    return type(one) is type(other) and bool(one == other)


def _concat(*parts: Any) -> Any:
    if parts and all(isinstance(part, list) for part in parts):
        return [item for part in parts for item in part][:_MOST_ITEMS]
    if any(isinstance(part, list | dict) for part in parts):
        raise TypeError("texts and arrays do not mix")
    return "".join(_text(part) for part in parts)


def _format(pattern: Any, *values: Any) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] is not None:
            return _text(values[int(found[1])])
        if found[0] in ("{{", "}}"):
            return found[0][0]
        raise ValueError("a format specification")

    return _PLACE.sub(put, _string(pattern))


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str):
        return _text(part) in whole
    if isinstance(whole, dict):
        return _string(part).lower() in (key.lower() for key in whole)
    return any(_same(item, part) for item in _list(whole))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not an array")
    return value


def _length(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise TypeError("has no length")
    return len(value)


def _empty(value: Any) -> bool:
    return value is None or _length(value) == 0


def _compared(one: Any, other: Any) -> tuple[Any, Any]:
    if isinstance(one, str):
        return one, _string(other)
    return _number(one), _number(other)


def _range(start: Any, count: Any) -> list[int]:
    if not 0 <= _number(count) <= _MOST_ITEMS:
        raise ValueError("too many")
    return list(range(_number(start), _number(start) + count))


def _split(text: Any, marks: Any) -> list[str]:
    choices = [marks] if isinstance(marks, str) else _list(marks)
    return re.split("|".join(re.escape(_string(mark)) for mark in choices), _string(text))


def _substring(text: Any, start: Any, length: Any = None) -> str:
    end = len(_string(text)) if length is None else _number(start) + _number(length)
    if not 0 <= _number(start) <= end <= len(text):
        raise IndexError("outside of the text")
    return str(text[start:end])


def _pad_left(value: Any, width: Any, mark: Any = " ") -> str:
    if not 0 <= _number(width) <= LONGEST_TEXT:
        raise ValueError("too wide")
    return _text(value).rjust(width, _string(mark))


def _union(*parts: Any) -> Any:
    if all(isinstance(part, dict) for part in parts):
        joined: dict[str, Any] = {}
        for part in parts:
            for key, value in part.items():
                known = joined.get(key)
                both = isinstance(known, Mapping) and isinstance(value, Mapping)
                joined[key] = _union(known, value) if both else value
        return joined
    items: list[Any] = []
    for part in parts:
        items += [item for item in _list(part) if not any(_same(item, known) for known in items)]
    return items


def _create_object(*pairs: Any) -> dict[str, Any]:
    return {_string(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, str) else _number(value)


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}[value.lower()]
    return bool(_number(value)) if not isinstance(value, bool) else value


def _not(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return not value


def _numbers(values: tuple[Any, ...]) -> list[int]:
    items = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    return [_number(item) for item in items]


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "add": lambda a, b: _number(a) + _number(b),
    "array": lambda value: value if isinstance(value, list) else [value],
    "bool": _truth,
    "coalesce": lambda *values: next(value for value in values if value is not None),
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": _create_object,
    "div": lambda a, b: int(_number(a) / _number(b)),
    "empty": _empty,
    "endswith": lambda a, b: _string(a).lower().endswith(_string(b).lower()),
    "equals": _same,
    "false": lambda: False,
    "first": lambda value: value[0] if isinstance(value, str | list) else _list(value),
    "format": _format,
    "greater": lambda a, b: (lambda pair: pair[0] > pair[1])(_compared(a, b)),
    "greaterorequals": lambda a, b: (lambda pair: pair[0] >= pair[1])(_compared(a, b)),
    "indexof": lambda a, b: _string(a).lower().find(_string(b).lower()),
    "int": _whole,
    "join": lambda items, mark: _string(mark).join(_text(item) for item in _list(items)),
    "json": lambda text: json.loads(_string(text)),
    "last": lambda value: value[-1] if isinstance(value, str | list) else _list(value),
    "length": _length,
    "less": lambda a, b: (lambda pair: pair[0] < pair[1])(_compared(a, b)),
    "lessorequals": lambda a, b: (lambda pair: pair[0] <= pair[1])(_compared(a, b)),
    "max": lambda *values: max(_numbers(values)),
    "min": lambda *values: min(_numbers(values)),
    "mod": lambda a, b: _number(a) % _number(b),
    "mul": lambda a, b: _number(a) * _number(b),
    "not": _not,
    "null": lambda: None,
    "padleft": _pad_left,
    "range": _range,
    "replace": lambda text, old, new: _string(text).replace(_string(old), _string(new)),
    "skip": lambda value, count: value[max(0, _number(count)) :],
    "split": _split,
    "startswith": lambda a, b: _string(a).lower().startswith(_string(b).lower()),
    "string": _text,
    "sub": lambda a, b: _number(a) - _number(b),
    "substring": _substring,
    "take": lambda value, count: value[: max(0, _number(count))],
    "tolower": lambda text: _string(text).lower(),
    "toupper": lambda text: _string(text).upper(),
    "trim": lambda text: _string(text).strip(),
    "true": lambda: True,
    "union": _union,
}
"""Lower-case name -> function."""
