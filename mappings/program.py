"""`program.toml`, the CSP program sheet of a migration, as a frozen value and back to text. The text is handed in."""

from __future__ import annotations

import difflib
import re
import tomllib
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mappings.errors import FixTheInput
from mappings.program_rules import ProgramRules, Regime, Role, Segment

_NOTHING = frozenset(
    ("", "-", "--", "?", "...", "tbd", "tba", "todo", "to do", "open", "fill-in", "n/a", "na", "none", "x")
)


def given(text: str) -> str:
    """`text` without blanks around it; "" where it is a placeholder (TBD, n/a, FILL-IN, ...) and says nothing."""
    kept = text.strip()
    return "" if kept.lower().strip(" .") in _NOTHING or kept.lower() in _NOTHING else kept


class Status(StrEnum):
    """What the sheet says of a gate. Whether it is believed is decided in `mappings.program_check`."""

    OPEN = "open"
    DONE = "done"
    NOT_APPLICABLE = "not-applicable"


def _day(value: object) -> object:
    if isinstance(value, datetime):
        raise ValueError("must be a day such as 2026-07-20, without a time")
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f'"{value}" is not a date such as 2026-07-20') from None
    if value is not None and not isinstance(value, date):
        raise ValueError("must be a date such as 2026-07-20")
    return value


_Day = Annotated[date | None, BeforeValidator(_day)]


def _or_nothing(value: object) -> object:
    return None if value == "" else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Customer(_Part):
    segment: Annotated[Segment | None, BeforeValidator(_or_nothing)] = None


class Partner(_Part):
    name: str = ""
    role: Annotated[Role | None, BeforeValidator(_or_nothing)] = None


class Data(_Part):
    regimes: tuple[Regime, ...] = ()
    """Empty where the customer has not answered; `none` where it was asked and there is none."""

    @model_validator(mode="after")
    def _none_alone(self) -> Data:
        if Regime.NONE in self.regimes and len(self.regimes) > 1:
            raise ValueError('data.regimes names "none" beside others; it is one or the other')
        return self


class Services(_Part):
    seat_based: tuple[str, ...] = ()
    """Seat-based services in use, by name: Office 365, Dynamics 365, ..."""


class Entry(_Part):
    """What the sheet says of one gate."""

    status: Status = Status.OPEN
    owner: str = ""
    date: _Day = None
    """Day of the evidence, of a gate that is done; day of the decision, of one that does not apply."""
    due: _Day = None
    """Day on which an open gate should be done."""
    evidence: str = ""
    """Reference to the evidence: a contract number, a document and where it is kept. Not the evidence itself."""
    note: str = ""


class Override(_Part):
    """A named person lets the work begin although a gate is not green."""

    gate: str
    by: str
    reason: str
    date: Annotated[date, BeforeValidator(_day)]

    @model_validator(mode="after")
    def _whole(self) -> Override:
        if not given(self.reason):
            raise ValueError(f'the override of "{self.gate}" has no reason')
        if not re.search(r"\w[\w.'-]*\s+\w|\w@\w", given(self.by)):
            raise ValueError(f'"by" of the override of "{self.gate}" is "{self.by}"; it must name a person in full')
        return self


class ProgramSheet(_Part):
    """One customer's sheet."""

    customer: Customer = Field(default_factory=Customer)
    partner: Partner = Field(default_factory=Partner)
    data: Data = Field(default_factory=Data)
    services: Services = Field(default_factory=Services)
    gate: dict[str, Entry] = Field(default_factory=dict)
    """By id of the gate."""
    override: tuple[Override, ...] = ()
    origin: str = ""
    """Name of the file."""
    digest: str = ""
    """SHA-256 of its text."""

    def entry(self, gate_id: str) -> Entry:
        """What it says of a gate; an open entry where it says nothing."""
        return self.gate.get(gate_id) or Entry()

    def override_of(self, gate_id: str) -> Override | None:
        return next((one for one in self.override if one.gate == gate_id), None)


_OWN = ("origin", "digest")
"""Fields of the value that no file may set."""


def parse_program(text: str, *, origin: str, rules: ProgramRules) -> ProgramSheet:
    """Read a program sheet.

    Args:
        text: the file's content.
        origin: its name, for messages.
        rules: the gates that exist.

    Raises:
        FixTheInput: not TOML, a key, gate or date that is wrong; names file, line, key and what would be right.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise _wrong(origin, f"not valid TOML: {wrong}") from None
    for key in data.keys() & set(_OWN):
        raise _wrong(_place(text, origin, (key,)), f'the key "{key}" is unknown')
    try:
        sheet = ProgramSheet.model_validate(data)
    except ValidationError as failed:
        raise _from(failed, text, origin) from None
    known = [gate.id for gate in rules.gates]
    for name in sheet.gate:
        if name not in known:
            raise _wrong(_place(text, origin, ("gate", name)), f'there is no gate "{name}"{_near(name, known)}')
    seen: set[str] = set()
    for number, override in enumerate(sheet.override):
        place = _place(text, origin, ("override", number, "gate"))
        if override.gate not in known:
            raise _wrong(place, f'the override names a gate "{override.gate}"{_near(override.gate, known)}')
        if override.gate in seen:
            raise _wrong(place, f'the gate "{override.gate}" is overridden twice')
        seen.add(override.gate)
    return sheet.model_copy(update={"origin": origin, "digest": sha256(text.encode()).hexdigest()})


def _wrong(place: str, what: str) -> FixTheInput:
    return FixTheInput(f"{place}: {what}.", next_step="Correct the program sheet and run again.")


def _near(word: str, words: list[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f'; did you mean "{close[0]}"' if close else ""


def _from(failed: ValidationError, text: str, origin: str) -> FixTheInput:
    # An unknown key first: it is most often the misspelling of what is missing.
    errors = sorted(failed.errors(), key=lambda error: error["type"] != "extra_forbidden")
    first, loc = errors[0], errors[0]["loc"]
    name = ".".join(str(part) for part in loc)
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = f'the key "{name}" is unknown{_near(str(loc[-1]), _keys_beside(loc))}'
    elif first["type"] == "missing":
        what = f'the key "{name}" is missing'
    elif first["type"] == "enum":
        words = str(first.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
        what = (
            f'"{name}" is "{first["input"]}"; it must be one of {", ".join(words)}{_near(str(first["input"]), words)}'
        )
    elif loc and isinstance(loc[-1], str):
        what = f'"{name}": {what}'
    return _wrong(_place(text, origin, loc), what)


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "customer": Customer,
        "partner": Partner,
        "data": Data,
        "services": Services,
        "gate": Entry,
        "override": Override,
    }
    if len(loc) == 1:
        return [*parts]
    return [*parts[str(loc[0])].model_fields]


def _place(text: str, origin: str, loc: tuple[int | str, ...]) -> str:
    """`file, line N` of a key; the line of its table where the key is not written; the file where neither is."""
    lines = text.splitlines()
    tables = [str(part) for part in loc if not isinstance(part, int)]
    number = next((part for part in loc if isinstance(part, int)), 0)
    start = None
    for depth in range(len(tables), 0, -1):
        header = re.compile(r"\s*\[+\s*" + r"\s*\.\s*".join(f'"?{re.escape(t)}"?' for t in tables[:depth]) + r"\s*\]+")
        found = [index for index, line in enumerate(lines) if header.match(line)]
        if found:
            start = found[number if number < len(found) and loc[0] == "override" else 0]
            break
    if start is None:
        start = -1
    for index in range(start + 1, len(lines)):
        if start >= 0 and lines[index].lstrip().startswith("["):
            break
        if tables and re.match(rf'\s*"?{re.escape(tables[-1])}"?\s*[=.]', lines[index]):
            return f"{origin}, line {index + 1}"
    return f"{origin}, line {start + 1}" if start >= 0 else origin
