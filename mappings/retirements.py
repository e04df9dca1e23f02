"""Announced retirements: which rules carry them, and which no property of a resource can show."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mappings.errors import FixTheInput
from mappings.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Retirement:
    """One announced retirement: one row of `catalogue/retirements.csv`.

    Source: microsoft/ARI Support.json, last present 2026-05.
    """

    service: str
    feature: str
    day: date
    rules: tuple[str, ...]
    """Ids of the rules that find it in an inventory; empty where none can."""
    types: tuple[str, ...]
    """Where no rule finds it: the types whose owners must look by hand."""
    untested: str
    """Why no rule finds it."""
    link: str

    def concerns(self, type_name: str) -> bool:
        """Whether owners of resources of this type must look by hand."""
        return type_name.lower() in (name.lower() for name in self.types)


def parse_retirements(text: str, *, name: str = "retirements.csv") -> tuple[Retirement, ...]:
    """Read the table of retirements.

    Raises:
        FixTheInput: a date is no date, or a row has neither a rule nor a reason why there is none; with file and line.
    """
    rows = csv.DictReader(io.StringIO(text))
    found = []
    for row in rows:
        try:
            day = date.fromisoformat(row["date"])
        except ValueError:
            raise _wrong(name, rows.line_num, f'date is "{row["date"]}", not a date') from None
        rules = tuple(word for word in row["rules"].split(";") if word)
        if bool(rules) == bool(row["untested"]):
            raise _wrong(name, rows.line_num, "a row needs either rules, or in untested the reason why there are none")
        types = tuple(word for word in row["types"].split(";") if word)
        found.append(Retirement(row["service"], row["feature"], day, rules, types, row["untested"], row["link"]))
    return tuple(found)


def check_retirements(retirements: Sequence[Retirement], book: Rulebook) -> list[str]:
    """Where the table and the rules contradict each other; overridden rules are the customer's decision."""
    rules = {rule.id: rule for rule in book.rules}
    rules |= {old.id: old for old in book.overridden.values()}
    problems = []
    for one in retirements:
        what = f"{one.service}, {one.feature}"
        for rule_id in one.rules:
            if rule_id not in rules:
                problems.append(f'retirement of {what}: there is no rule "{rule_id}"')
            elif rules[rule_id].retires != one.day:
                problems.append(f'retirement of {what}: {one.day}, but rule "{rule_id}" says {rules[rule_id].retires}')
    return problems


def _wrong(name: str, line: int, what: str) -> FixTheInput:
    return FixTheInput(f"{name}, line {line}: {what}.", next_step="Correct the table and run again.")
