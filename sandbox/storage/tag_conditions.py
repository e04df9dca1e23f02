"""The little language of `x-ms-if-tags`: `"name" <op> 'value'` joined with AND and OR.

REST: "Specifying conditional headers for Blob service operations" (conditions on tags), "Find Blobs by Tags".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sandbox.storage.errors import bad_header

_TERM = re.compile(r"""\s*(?:"([^"]*)"|(\w+))\s*(<>|>=|<=|=|>|<)\s*'([^']*)'\s*""")
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

Term = tuple[str, str, str]
"""Tag name, operator, value."""


def tags_match(header: str, where: str, tags: Mapping[str, str]) -> bool:
    """Whether `tags` meet `where`; a missing tag meets no comparison but `<>`.

    Raises:
        AzureError: 400 InvalidHeaderValue.
    """
    groups = _parsed(where)
    if groups is None:
        raise bad_header(header, where)
    return any(all(_holds(term, tags) for term in group) for group in groups)


def _holds(term: Term, tags: Mapping[str, str]) -> bool:
    name, sign, value = term
    return _OPERATORS[sign](tags[name], value) if name in tags else sign == "<>"


@lru_cache(maxsize=256)
def _parsed(where: str) -> tuple[tuple[Term, ...], ...] | None:
    """Alternatives of conjunctions; None where the text is not of the language."""
    groups: list[list[Term]] = [[]]
    at = 0
    while True:
        term = _TERM.match(where, at)
        if term is None:
            return None
        groups[-1].append((term[1] if term[1] is not None else term[2], term[3], term[4]))
        at = term.end()
        if at == len(where):
            return tuple(tuple(group) for group in groups)
        join = _JOIN.match(where, at)
        if join is None:
            return None
        if join[1].upper() == "OR":
            groups.append([])
        at = join.end()
