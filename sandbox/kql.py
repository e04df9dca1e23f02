"""As much of the query language of Resource Graph as an inventory asks: filters, projection, order, limit, counts.

What is not understood is refused, never guessed. Source: Microsoft Learn, "Understanding the Azure Resource Graph query
language".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

TABLES = ("resources", "resourcecontainers", "authorizationresources", "policyresources")
Row = dict[str, Any]
Step = Callable[[list[Row]], list[Row]]

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<text>'[^']*'|"[^"]*")|(?P<number>\d+)|(?P<mark>in~|==|=~|!=|!~|[|(),=])|(?P<name>[A-Za-z_][\w.]*)"""
)


class QueryError(Exception):
    """The query is not one that this service answers.

    Args:
        token: where it was given up.
        position: at which character of the query, from 0.
    """

    def __init__(self, token: str, position: int) -> None:
        super().__init__(f"unexpected '{token}' at {position}")
        self.token = token
        self.position = position


Word = tuple[str, str, int]
"""Kind (`text`, `number`, `name`, `mark`, `end`), content, position."""


def _words(query: str) -> Iterator[Word]:
    at = 0
    while at < len(query):
        found = _TOKEN.match(query, at)
        if found is None:
            raise QueryError(query[at], at)
        if found.lastgroup:
            content = found[0][1:-1] if found.lastgroup == "text" else found[0]
            yield found.lastgroup, content, at
        at = found.end()
    yield "end", "<EOF>", at


def value_at(row: Row, path: str) -> Any:
    """The value of a column, or of a place inside one: `properties.provisioningState`."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Query:
    """A query, understood.

    Attributes:
        table: one of `TABLES`.
        straight: it only projects, and orders by id ascending: every row of the table comes, in the table's own order.
        limited: the query itself says how many rows it wants, so the service does not page it.
    """

    def __init__(self, text: str) -> None:
        self._words = list(_words(text))
        self._at = 0
        self.limited = False
        self.straight = True
        self.table = "resources"
        if self._peek()[0] == "name" and self._peek()[1].lower() in TABLES:
            self.table = self._next()[1].lower()
            self._steps = [self._step() for _ in self._pipes()]
        else:  # The table may be left out: then it is `resources`.
            self._steps = [self._step(), *(self._step() for _ in self._pipes())]

    def run(self, rows: list[Row]) -> list[Row]:
        """What the query answers over the rows of its table."""
        for step in self._steps:
            rows = step(rows)
        return rows

    def _peek(self) -> Word:
        return self._words[self._at]

    def _next(self, kind: str = "", content: str = "") -> Word:
        word = self._words[self._at]
        if (kind and word[0] != kind) or (content and word[1].lower() != content):
            raise QueryError(word[1], word[2])
        self._at += 1
        return word

    def _took(self, *contents: str) -> str:
        """The next word, taken, if it is one of these; else ""."""
        kind, content, _ = self._peek()
        if kind in ("name", "mark") and content.lower() in contents:
            self._at += 1
            return content.lower()
        return ""

    def _pipes(self) -> Iterator[None]:
        while self._took("|"):
            yield
        self._next("end")

    def _step(self) -> Step:
        _, operator, position = self._next("name")
        self.straight = self.straight and operator.lower() in ("project", "order", "sort")
        match operator.lower():
            case "where":
                keeps = self._condition()
                return lambda rows: [row for row in rows if keeps(row)]
            case "project":
                return self._project()
            case "order" | "sort":
                self._next("name", "by")
                return self._order()
            case "limit" | "take":
                self.limited = True
                most = int(self._next("number")[1])
                return lambda rows: rows[:most]
            case "count":
                return lambda rows: [{"Count": len(rows)}]
            case "summarize":
                return self._summarize()
            case _:
                raise QueryError(operator, position)

    def _project(self) -> Step:
        wanted: dict[str, str] = {}
        while True:
            name = self._next("name")[1]
            wanted[name.replace(".", "_")] = self._next("name")[1] if self._took("=") else name
            if not self._took(","):
                break
        return lambda rows: [{name: value_at(row, path) for name, path in wanted.items()} for row in rows]

    def _order(self) -> Step:
        keys: list[tuple[str, bool]] = []
        while True:
            name = self._next("name")[1]
            keys.append((name, self._took("asc", "desc") != "asc"))  # Kusto's default is descending.
            if not self._took(","):
                break
        self.straight = self.straight and keys == [("id", False)]

        def step(rows: list[Row]) -> list[Row]:
            for name, falling in reversed(keys):
                rows = sorted(rows, key=lambda row: str(value_at(row, name) or ""), reverse=falling)
            return rows

        return step

    def _summarize(self) -> Step:
        name = self._next("name")[1]
        label = "count_"
        if self._took("="):
            label, name = name, self._next("name")[1]
        if name != "count":
            raise QueryError(name, self._peek()[2])
        self._next("mark", "(")
        self._next("mark", ")")
        columns: list[str] = []
        if self._took("by"):
            columns.append(self._next("name")[1])
            while self._took(","):
                columns.append(self._next("name")[1])

        def step(rows: list[Row]) -> list[Row]:
            counts = Counter(tuple(value_at(row, column) for column in columns) for row in rows)
            if not columns:
                return [{label: len(rows)}]
            return [{**dict(zip(columns, key, strict=True)), label: number} for key, number in counts.items()]

        return step

    def _condition(self) -> Callable[[Row], bool]:
        """Comparisons joined by `or` of `and`."""
        alternatives = [self._conjunction()]
        while self._took("or"):
            alternatives.append(self._conjunction())
        return lambda row: any(alternative(row) for alternative in alternatives)

    def _conjunction(self) -> Callable[[Row], bool]:
        parts = [self._comparison()]
        while self._took("and"):
            parts.append(self._comparison())
        return lambda row: all(part(row) for part in parts)

    def _comparison(self) -> Callable[[Row], bool]:
        if self._took("("):
            inner = self._condition()
            self._next("mark", ")")
            return inner
        path = self._next("name")[1]
        operator = self._took("==", "=~", "!=", "!~", "in", "in~", "has", "contains", "startswith", "endswith")
        if not operator:
            raise QueryError(*self._peek()[1:])
        values = self._values() if operator in ("in", "in~") else [self._next("text")[1]]
        test = _TESTS[operator]
        return lambda row: test(str(value_at(row, path) or ""), values)

    def _values(self) -> list[str]:
        self._next("mark", "(")
        values = [self._next("text")[1]]
        while self._took(","):
            values.append(self._next("text")[1])
        self._next("mark", ")")
        return values


_TESTS: dict[str, Callable[[str, list[str]], bool]] = {
    "==": lambda have, want: have == want[0],
    "!=": lambda have, want: have != want[0],
    "=~": lambda have, want: have.lower() == want[0].lower(),
    "!~": lambda have, want: have.lower() != want[0].lower(),
    "in": lambda have, want: have in want,
    "in~": lambda have, want: have.lower() in [value.lower() for value in want],
    "has": lambda have, want: bool(re.search(rf"(?<!\w){re.escape(want[0])}(?!\w)", have, re.IGNORECASE)),
    "contains": lambda have, want: want[0].lower() in have.lower(),
    "startswith": lambda have, want: have.lower().startswith(want[0].lower()),
    "endswith": lambda have, want: have.lower().endswith(want[0].lower()),
}
