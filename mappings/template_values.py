"""Values of ARM template expressions, as far as the template alone tells them.

What depends on the deployment (`resourceGroup()`, `uniqueString`, `reference`, `resourceId`, ...) stays as written: a
text that begins with "[" and ends with "]", which no rule takes for a value. Functions: Microsoft Learn, "ARM template
functions"; syntax: "Syntax and expressions in ARM templates".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from mappings.rule import is_expression
from mappings.template_functions import FUNCTIONS, LONGEST_TEXT

MOST_VALUES: Final = 1_000_000
"""Values that one template may come to; one that refers to itself in a doubling way would never end."""
MOST_COPIES: Final = 800
"""Azure's own limit for a copy loop ("ARM template limits")."""
_DEEPEST = 60


class _Unresolved:
    """Stands for a value that the template alone does not tell."""


UNRESOLVED: Final = _Unresolved()

Node = tuple[Any, ...]
"""`("value", v)`, `("call", name, arguments)`, `("member", node, key node)`."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>\.\?|\[\?|[()\[\],.]))"
)


class _Unreadable(Exception):
    """The expression has a form that is not understood."""


@lru_cache(maxsize=20_000)
def parse(text: str) -> Node | None:
    """The tree of an expression without its outer brackets; None where its form is not understood."""
    try:
        tokens = _tokens(text)
        node, at = _node(tokens, 0, 0)
        return node if at == len(tokens) else None
    except (_Unreadable, IndexError):
        return None


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _Unreadable
        name = found[found.lastgroup]
        at = found.end()
        # A call of an own namespace has a dot in its name; elsewhere a dot leads to a property.
        if found.lastgroup == "name" and "." in name and not text[at:].lstrip().startswith("("):
            name = name.partition(".")[0]
            at = found.start(found.lastgroup) + len(name)
        tokens.append((found.lastgroup, name))
    return tokens


def _node(tokens: Sequence[tuple[str, str]], at: int, depth: int) -> tuple[Node, int]:
    if depth > _DEEPEST:
        raise _Unreadable
    kind, word = tokens[at]
    at += 1
    if kind == "text":
        node: Node = ("value", word[1:-1].replace("''", "'"))
    elif kind == "number":
        node = ("value", int(word[:19]))
    elif kind == "name" and tokens[at] == ("mark", "("):
        arguments, at = _arguments(tokens, at + 1, depth)
        node = ("call", word.lower(), arguments)
    else:
        raise _Unreadable
    while at < len(tokens) and tokens[at][0] == "mark" and tokens[at][1] in (".", ".?", "[", "[?"):
        if tokens[at][1] in (".", ".?"):
            if tokens[at + 1][0] != "name":
                raise _Unreadable
            node, at = ("member", node, ("value", tokens[at + 1][1])), at + 2
        else:
            key, at = _node(tokens, at + 1, depth + 1)
            if tokens[at] != ("mark", "]"):
                raise _Unreadable
            node, at = ("member", node, key), at + 1
    return node, at


def _arguments(tokens: Sequence[tuple[str, str]], at: int, depth: int) -> tuple[tuple[Node, ...], int]:
    arguments: list[Node] = []
    while tokens[at] != ("mark", ")"):
        node, at = _node(tokens, at, depth + 1)
        arguments.append(node)
        if tokens[at] == ("mark", ","):
            at += 1
        elif tokens[at] != ("mark", ")"):
            raise _Unreadable
    return tuple(arguments), at + 1


@dataclass(slots=True)
class Budget:
    """Values that a template may still come to; shared by all its levels."""

    left: int = MOST_VALUES

    def spend(self, values: int) -> bool:
        self.left -= values
        return self.left >= 0


@dataclass(slots=True)
class Scope:
    """What expressions of one template level may refer to."""

    declared: Mapping[str, Any]
    """Lower-case parameter name -> its default, an expression of this level."""
    given: Mapping[str, Any]
    """Lower-case parameter name -> value from outside; taken as it is."""
    variables: Mapping[str, Any]
    budget: Budget
    copies: Mapping[str, int] = field(default_factory=dict)
    """Lower-case loop name -> index; "" is the innermost loop."""
    _known: dict[tuple[str, str], Any] = field(default_factory=dict)
    _busy: set[tuple[str, str]] = field(default_factory=set)

    def in_copy(self, name: str, index: int) -> Scope:
        """This level in one turn of a copy loop."""
        copies = {**self.copies, name.lower(): index, "": index}
        return Scope(self.declared, self.given, self.variables, self.budget, copies, self._known, self._busy)

    def resolve(self, value: Any, depth: int = 0) -> Any:
        """`value` with every expression replaced that can be told, at any depth; the others stay as written."""
        if depth > _DEEPEST or not self.budget.spend(1):
            return value
        if isinstance(value, str):
            if not is_expression(value):
                return value
            found = self.evaluate(value)
            return value if found is UNRESOLVED else found
        if isinstance(value, list):
            return [self.resolve(inner, depth + 1) for inner in value]
        if isinstance(value, dict):
            return self._object(value, depth)
        return value

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        resolved: dict[str, Any] = {}
        for key, inner in value.items():
            if key == "copy" and isinstance(inner, list) and all(isinstance(one, dict) for one in inner):
                for loop in inner:
                    self._repeated(loop, resolved, depth)
            else:
                resolved[self._key(key)] = self.resolve(inner, depth + 1)
        return resolved

    def _key(self, key: str) -> str:
        name = self.evaluate(key) if is_expression(key) else key
        return name if isinstance(name, str) else key

    def _repeated(self, loop: Mapping[str, Any], into: dict[str, Any], depth: int) -> None:
        """One property that a loop makes a list of: `{"name", "count", "input"}`."""
        name, count = loop.get("name"), self.resolve(loop.get("count"))
        if not isinstance(name, str) or not isinstance(count, int) or not 0 <= count <= MOST_COPIES:
            into.setdefault("copy", []).append(dict(loop))
        else:
            into[name] = [self.in_copy(name, n).resolve(loop.get("input"), depth + 1) for n in range(count)]

    def evaluate(self, text: str) -> Any:
        """The value of an expression with its brackets; `UNRESOLVED` where it cannot be told."""
        node = parse(text[1:-1].strip()) if len(text) <= LONGEST_TEXT else None
        return UNRESOLVED if node is None else self._value(node)

    def _value(self, node: Node) -> Any:
        if not self.budget.spend(1):
            return UNRESOLVED
        if node[0] == "value":
            return node[1]
        if node[0] == "member":
            return _member(self._value(node[1]), self._value(node[2]))
        return self._call(node[1], node[2])

    def _call(self, name: str, nodes: tuple[Node, ...]) -> Any:
        if name == "if" and len(nodes) == 3:
            chosen = self._value(nodes[0])
            return self._value(nodes[1] if chosen else nodes[2]) if isinstance(chosen, bool) else UNRESOLVED
        arguments = [self._value(node) for node in nodes]
        if name in ("and", "or"):
            # One false (or one true) part decides, whatever the unknown ones are.
            if any(one is (name == "or") for one in arguments):
                return name == "or"
            return name == "and" if all(isinstance(one, bool) for one in arguments) else UNRESOLVED
        if any(_unknown(one) for one in arguments):
            return UNRESOLVED
        if name in ("parameters", "variables") and len(arguments) == 1:
            return self._named(name, str(arguments[0]).lower())
        if name == "copyindex":
            return self._copy_index(arguments)
        function = FUNCTIONS.get(name)
        return UNRESOLVED if function is None else _applied(function, arguments)

    def _named(self, table: str, name: str) -> Any:
        if table == "parameters" and name in self.given:
            value = self.given[name]
            return value if self.budget.spend(size_of(value)) else UNRESOLVED
        held = self.declared if table == "parameters" else self.variables
        mark = (table, name)
        if name not in held or mark in self._busy or len(self._busy) > _DEEPEST:
            return UNRESOLVED
        if mark not in self._known:
            self._busy.add(mark)
            value = self.resolve(held[name])
            self._busy.discard(mark)
            self._known[mark] = (value, size_of(value))
        value, size = self._known[mark]
        return value if self.budget.spend(size) else UNRESOLVED

    def _copy_index(self, arguments: list[Any]) -> Any:
        name = arguments[0].lower() if arguments and isinstance(arguments[0], str) else ""
        offset = arguments[-1] if arguments and isinstance(arguments[-1], int) else 0
        return self.copies[name] + offset if name in self.copies else UNRESOLVED


def size_of(value: Any) -> int:
    """How many values `value` holds, itself included; counted up to the most that a template may hold."""
    count, stack = 0, [value]
    while stack and count <= MOST_VALUES:
        part = stack.pop()
        count += 1
        if isinstance(part, dict):
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
    return count


def _unknown(value: Any) -> bool:
    """Whether a function cannot work on `value`: not told, an expression that stayed, or beyond all reason."""
    return value is UNRESOLVED or (isinstance(value, str) and (len(value) > LONGEST_TEXT or is_expression(value)))


def _member(whole: Any, key: Any) -> Any:
    if isinstance(whole, dict) and isinstance(key, str):
        for name, value in whole.items():
            if name.lower() == key.lower():
                return value
        return UNRESOLVED
    if isinstance(whole, list) and isinstance(key, int) and not isinstance(key, bool) and 0 <= key < len(whole):
        return whole[key]
    return UNRESOLVED


def _applied(function: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        value = function(*arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, json.JSONDecodeError):
        # What Azure would refuse at the deployment has no value here either.
        return UNRESOLVED
    if value is None and function is not FUNCTIONS["null"]:
        return UNRESOLVED
    too_big = isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63
    return UNRESOLVED if too_big else value
