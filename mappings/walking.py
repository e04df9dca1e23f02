"""Walks what ARM told of a resource: every string in it, with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mappings.model import Resource

Path = tuple[str, ...]
"""Keys from the outside in. An item of a list is `[name]` where it has a name, else `[number]`, so that a reader finds
an app setting by its name."""

_DEEPEST = 60
"""ARM nests far less; a file that was made to be deep is cut here."""


def strings_of(resource: Resource) -> Iterator[tuple[Path, str]]:
    """Every string in the properties, tags and identity of `resource`, with its path."""
    yield from strings_in(resource.properties, ("properties",))
    if resource.tags:
        yield from strings_in(resource.tags, ("tags",))
    if resource.identity:
        yield from strings_in(resource.identity, ("identity",))


def strings_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string below `value`, in order."""
    stack: list[tuple[Path, Any]] = [(path, value)]
    while stack:
        place, found = stack.pop()
        kind = type(found)
        # The exact types first: a check against an abstract class costs more than the rest of the walk.
        if isinstance(found, str):
            yield place, found
        elif kind in _LEAVES or len(place) >= _DEEPEST:
            continue
        elif kind is dict or isinstance(found, Mapping):
            stack += [((*place, str(key)), item) for key, item in found.items() if item][::-1]
        elif isinstance(found, list | tuple):
            stack += [((*place, _item(number, item)), item) for number, item in enumerate(found)][::-1]


_LEAVES = frozenset({int, float, bool, type(None)})
"""What JSON has besides texts, lists and objects."""


def shown_path(path: Path) -> str:
    """`properties.siteConfig.appSettings[AzureWebJobsStorage].value`."""
    text = ""
    for word in path:
        text += word if word.startswith("[") or not text else f".{word}"
    return text


def _item(number: int, item: Any) -> str:
    kind = type(item)
    name = item.get("name") if kind is dict or (kind is not str and isinstance(item, Mapping)) else None
    return f"[{name}]" if isinstance(name, str) and name else f"[{number}]"
