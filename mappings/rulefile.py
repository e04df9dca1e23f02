"""Catalogue text (TOML) to rules. Wrong data is refused with file, line and what would be right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from mappings.errors import FixTheInput
from mappings.regions import normal
from mappings.rule import Conflict, Match, PropertyTest, Rule, Source
from mappings.states import Confidence, VerdictKind

_PLAIN_KEYS = ("id", "match", "verdict", "reason", "remedy", "sources", "checked", "confidence", "target", "note")
_MORE_KEYS = ("differences", "conflicts", "retires", "finding", "final", "overrides", "because", "good", "bad")
RULE_KEYS = frozenset((*_PLAIN_KEYS, *_MORE_KEYS))
_WORDY = ("type", "not_type", "kind", "sku", "tier", "region", "target_region", "plan_product", "anywhere", "except")
MATCH_KEYS = frozenset((*_WORDY, "plan", "zones", "sku_absent", "properties"))
TEST_KEYS = frozenset(("path", "equals", "starts_with", "contains", "exists"))
CONFLICT_KEYS = frozenset(("source", "says"))
EXAMPLE_KEYS = frozenset(
    ("type", "location", "kind", "sku", "tags", "properties", "plan", "zones", "identity", "target_region")
)
SOURCE_KEYS = frozenset(("title", "where", "dated"))
FILE_KEYS = frozenset(("rule", "source"))

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TYPE = re.compile(r"\*|[a-z][a-z0-9.]*\*|[a-z][a-z0-9.-]*/([\w.$-]+/)*([\w.$-]+|\*)", re.IGNORECASE)
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule and where it stands, for messages."""

    rule: Rule
    reader: _Reader

    @property
    def place(self) -> str:
        """`file, line N`; counted only when a message needs it."""
        return self.reader.place()


def parse_files(files: Mapping[str, str]) -> tuple[dict[str, Source], list[Placed]]:
    """Read every `[source.<key>]` and `[[rule]]` of the files.

    Args:
        files: file name -> TOML text.

    Raises:
        FixTheInput: not TOML, a key unknown, missing or of the wrong type, a source that does not exist.
    """
    parsed = {name: _toml(name, text) for name, text in files.items()}
    sources: dict[str, Source] = {}
    for name, data in parsed.items():
        for key, table in data.get("source", {}).items():
            sources[key] = _source(_Reader(name, files[name], table, -1), key, sources)
    placed = []
    for name, data in parsed.items():
        for number, table in enumerate(data.get("rule", [])):
            reader = _Reader(name, files[name], table, number)
            placed.append(Placed(_rule(reader, sources), reader))
    return sources, placed


def wrong_at(place: str, what: str) -> FixTheInput:
    """The error for wrong catalogue data at `place`."""
    return FixTheInput(f"{place}: {what}.", next_step="Correct the rule file and run again.")


def _toml(name: str, text: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise wrong_at(name, f"not valid TOML: {wrong}") from None
    for key in data.keys() - FILE_KEYS:
        raise wrong_at(f"{name}, line {_line_of(text, 0, key)}", f'the key "{key}" is unknown; a rule is [[rule]]')
    if not isinstance(data.get("rule", []), list) or not isinstance(data.get("source", {}), dict):
        raise wrong_at(name, "rules are [[rule]] and sources are [source.<key>]")
    return data


class _Reader:
    """Takes typed values out of one table and knows where it stands."""

    def __init__(self, name: str, text: str, table: Any, number: int, inside: str = "") -> None:
        self.name, self.text, self.number, self.inside = name, text, number, inside
        if not isinstance(table, dict):
            self.table: dict[str, Any] = {}
            self.wrong(f"{inside or 'a rule'} must be a table")
        self.table = table

    def place(self, key: str = "") -> str:
        """`file, line N` of `key`, or of the table where the key is not written there."""
        start = _header(self.text, self.number)
        return f"{self.name}, line {_line_of(self.text, start, key) if key else start + 1}"

    def wrong(self, what: str, key: str = "") -> NoReturn:
        name = self.table.get("id")
        whose = f'rule "{name}": ' if isinstance(name, str) else ""
        raise wrong_at(self.place(key), whose + what)

    def known(self, keys: frozenset[str]) -> None:
        for key in self.table.keys() - keys:
            self.wrong(f'the key "{self.inside}{key}" is unknown{_near(key, keys)}', key)

    def text_of(self, key: str, *, needed: bool = False) -> str:
        value = self.table.get(key, "")
        if not isinstance(value, str):
            self.wrong(f'"{self.inside}{key}" must be a string', key)
        if needed and not value.strip():
            self.wrong(f'the key "{self.inside}{key}" is missing or empty', key)
        return value

    def flag(self, key: str) -> bool:
        value = self.table.get(key, False)
        if not isinstance(value, bool):
            self.wrong(f'"{self.inside}{key}" must be true or false', key)
        return value

    def words(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        value = self.table.get(key, [])
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            self.wrong(f'"{self.inside}{key}" must be a string or a list of strings', key)
        if needed and not words:
            self.wrong(f'the key "{self.inside}{key}" is missing or empty', key)
        return tuple(words)

    def lower(self, key: str) -> frozenset[str]:
        return frozenset(word.lower() for word in self.words(key))

    def day(self, key: str) -> date:
        value = self.table.get(key)
        if value is None:
            self.wrong(f'the date "{key}" is missing')
        if not isinstance(value, date) or isinstance(value, datetime):
            self.wrong(f'"{key}" must be a date such as 2026-07-20, without quotes', key)
        return value

    def one_of(self, key: str, kind: type[_Word]) -> _Word:
        word = self.text_of(key, needed=True)
        if word not in list(kind):
            self.wrong(f'"{key}" is "{word}"; it must be one of {", ".join(kind)}', key)
        return kind(word)

    def inner(self, key: str, table: Any, inside: str) -> _Reader:
        if not isinstance(table, dict):
            self.wrong(f'"{inside.rstrip(".")}" must be a table', key)
        return _Reader(self.name, self.text, {"id": self.table.get("id"), **table}, self.number, inside)


def _source(reader: _Reader, key: str, known: Mapping[str, Source]) -> Source:
    place = f"{reader.name}, line {_line_of(reader.text, 0, rf'[source.{key}]')}"
    if key in known:
        raise wrong_at(place, f'the source "{key}" is there twice')
    for name in reader.table.keys() - SOURCE_KEYS:
        raise wrong_at(place, f'source "{key}": the key "{name}" is unknown{_near(name, SOURCE_KEYS)}')
    for name in ("title", "where"):
        if name not in reader.table:
            raise wrong_at(place, f'source "{key}": the key "{name}" is missing')
    dated = reader.day("dated") if "dated" in reader.table else None
    return Source(key, reader.text_of("title", needed=True), reader.text_of("where", needed=True), dated)


def _rule(reader: _Reader, sources: Mapping[str, Source]) -> Rule:
    reader.known(RULE_KEYS)
    cited = tuple(_named(reader, key, sources) for key in reader.words("sources", needed=True))
    rule = Rule(
        id=reader.text_of("id", needed=True),
        match=_match(reader.inner("match", reader.table.get("match"), "match.")),
        verdict=reader.one_of("verdict", VerdictKind),
        reason=reader.text_of("reason", needed=True),
        remedy=reader.text_of("remedy"),
        sources=cited,
        source="; ".join(map(str, cited)),
        checked=reader.day("checked"),
        confidence=reader.one_of("confidence", Confidence),
        target=reader.text_of("target"),
        note=reader.text_of("note"),
        differences=reader.text_of("differences"),
        conflicts=_conflicts(reader, sources),
        retires=reader.day("retires") if "retires" in reader.table else None,
        finding=reader.flag("finding"),
        final=reader.flag("final"),
        overrides=reader.text_of("overrides"),
        because=reader.text_of("because"),
        file=reader.name,
    )
    _whole(reader, rule)
    return replace(rule, examples=_examples(reader)) if reader.table.keys() & {"good", "bad"} else rule


def _examples(reader: _Reader) -> dict[str, Mapping[str, Any]]:
    examples: dict[str, Mapping[str, Any]] = {}
    for key in ("good", "bad"):
        if key in reader.table:
            example = reader.inner(key, reader.table[key], f"{key}.")
            example.known(EXAMPLE_KEYS | {"id"})
            example.text_of("type", needed=True)
            examples[key] = reader.table[key]
    return examples


def _conflicts(reader: _Reader, sources: Mapping[str, Source]) -> tuple[Conflict, ...]:
    tables = reader.table.get("conflicts", [])
    if not isinstance(tables, list):
        reader.wrong('"conflicts" must be a list of { source = ..., says = ... }', "conflicts")
    if len(tables) == 1:
        reader.wrong('"conflicts" needs at least two sources: one cannot contradict itself', "conflicts")
    found = []
    for table in tables:
        one = reader.inner("conflicts", table, "conflicts.")
        one.known(CONFLICT_KEYS | {"id"})
        key = one.text_of("source", needed=True)
        if key not in sources:
            reader.wrong(f'there is no source "{key}"{_near(key, sources)}', "conflicts")
        found.append(Conflict(sources[key], one.text_of("says", needed=True)))
    return tuple(found)


def _whole(reader: _Reader, rule: Rule) -> None:
    """Refuse what is well-formed but says nothing."""
    if not _ID.fullmatch(rule.id):
        reader.wrong(f'"{rule.id}" is not kebab-case', "id")
    if rule.verdict is not VerdictKind.READY and not rule.remedy:
        reader.wrong(f'a rule that says "{rule.verdict}" needs a remedy: who does what next')
    if rule.verdict is VerdictKind.REPLACE and not (rule.target or rule.note):
        reader.wrong('a rule that says "replace" needs a target or a note that names what takes its place')
    if rule.match.types == ("*",) and not rule.finding:
        reader.wrong('a rule for every type ("*") can only be a finding', "match.type")
    if bool(rule.overrides) != bool(rule.because):
        reader.wrong('"overrides" and "because" go together: name the rule and say why')


def _named(reader: _Reader, key: str, sources: Mapping[str, Source]) -> Source:
    if key not in sources:
        reader.wrong(f'there is no source "{key}"{_near(key, sources)}', "sources")
    return sources[key]


def _match(reader: _Reader) -> Match:
    reader.known(MATCH_KEYS | {"id"})
    types = tuple(word.lower() for word in reader.words("type", needed=True))
    for word in (*types, *reader.words("not_type")):
        if not _TYPE.fullmatch(word):
            reader.wrong(f'"{word}" is not a resource type, nor a prefix ending in *', "match.type")
    tests = reader.table.get("properties", [])
    if not isinstance(tests, list):
        reader.wrong('"match.properties" must be a list of tables', "match.properties")
    return Match(
        types=types,
        not_types=tuple(word.lower() for word in reader.words("not_type")),
        kinds=reader.lower("kind"),
        skus=reader.lower("sku"),
        tiers=reader.lower("tier"),
        regions=frozenset(map(normal, reader.words("region"))),
        target_regions=frozenset(map(normal, reader.words("target_region"))),
        plan=reader.flag("plan") if "plan" in reader.table else None,
        plan_products=reader.lower("plan_product"),
        zones=reader.flag("zones") if "zones" in reader.table else None,
        sku_absent=reader.flag("sku_absent"),
        properties=tuple(_test(reader.inner("match.properties", test, "match.properties.")) for test in tests),
        anywhere=tuple(word.lower() for word in reader.words("anywhere")),
        except_for=tuple(word.lower() for word in reader.words("except")),
    )


def _test(reader: _Reader) -> PropertyTest:
    reader.known(TEST_KEYS | {"id"})
    path = tuple(reader.text_of("path", needed=True).split("."))
    operations = reader.table.keys() & (TEST_KEYS - {"path"})
    if len(operations) != 1:
        reader.wrong("a property test needs exactly one of equals, starts_with, contains, exists", "match.properties")
    operation = operations.pop()
    if operation == "exists":
        if not reader.flag("exists"):
            reader.wrong('"exists" can only be true', "match.properties")
        return PropertyTest(path, operation)
    return PropertyTest(path, operation, frozenset(word.lower() for word in reader.words(operation, needed=True)))


def _near(word: str, words: Iterable[str]) -> str:
    close = get_close_matches(word, words, n=1)
    return f'; did you mean "{close[0]}"' if close else ""


def _header(text: str, number: int) -> int:
    """Index of the line of the `number`-th `[[rule]]`; 0 where there is none."""
    lines = [index for index, line in enumerate(text.splitlines()) if line.strip().startswith("[[rule]]")]
    return lines[number] if 0 <= number < len(lines) else 0


def _line_of(text: str, start: int, key: str) -> int:
    """1-based line on which `key` is written at or after line index `start`, within one rule; else `start + 1`."""
    lines = text.splitlines()
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if re.match(rf"\[*(\w+\.)?{re.escape(key)}(\W|$)", line) or line == key:
            return index + 1
        if index > start and line.startswith("[["):
            break
    return start + 1
