"""The rules of the CSP program as values: gates that must be green, notices that are told. The text is handed in.

The data is `mappings/csp/program.toml`; every statement in it has its source and the date of that source.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mappings.errors import FixTheInput


class Phase(StrEnum):
    """When a gate must be green, in order; a later phase asks the gates of the earlier ones too."""

    BEFORE_TARGET_WORK = "before-target-work"
    """Before anything is created in the target."""
    BEFORE_WAVE = "before-wave"
    """Before the data of a wave is copied."""
    BEFORE_CUTOVER = "before-cutover"

    def asks(self, other: Phase) -> bool:
        """Whether a gate of phase `other` must be green in this phase."""
        order = list(Phase)
        return order.index(other) <= order.index(self)


class Segment(StrEnum):
    """What kind of customer it is. Federal, state, local and tribal bodies are named by Microsoft's pages on CSP."""

    FEDERAL = "federal"
    STATE = "state"
    LOCAL = "local"
    TRIBAL = "tribal"
    DOD = "dod"
    OTHER_ELIGIBLE = "other-eligible"


class Role(StrEnum):
    """In which role the partner sells."""

    DIRECT = "direct"
    INDIRECT_RESELLER = "indirect-reseller"
    DISTRIBUTOR = "distributor"


class Regime(StrEnum):
    """Rules that the customer's data stands under."""

    NONE = "none"
    """The customer was asked, and there is none."""
    ITAR = "itar"
    EAR = "ear"
    CJIS = "cjis"
    IRS1075 = "irs1075"
    CUI = "cui"
    HIPAA = "hipaa"
    FEDRAMP_HIGH = "fedramp-high"
    IL2 = "il2"
    IL4 = "il4"
    IL5 = "il5"


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """A text that statements come from."""

    title: str
    where: str
    """Repository, commit and path of the copy that was read, or what is known of the place."""
    dated: date | None
    """Date of the text, or of the copy; None where it has none."""

    def __str__(self) -> str:
        return f"{self.title} ({self.dated or 'undated'})"


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a source, and what follows from it."""

    rule: str
    follows: str
    sources: tuple[ProgramSource, ...]

    @property
    def source(self) -> str:
        """Title and date of each source."""
        return "; ".join(map(str, self.sources))


@dataclass(frozen=True, slots=True)
class When:
    """For whom a gate applies; empty parts say nothing, so an empty `When` is everybody."""

    role: frozenset[Role] = frozenset()
    regimes: frozenset[Regime] = frozenset()
    segment: frozenset[Segment] = frozenset()
    seat_based: bool = False
    """Only where seat-based services are in use."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """A condition that somebody must have met, with evidence, before a phase begins."""

    id: str
    title: str
    phase: Phase
    applies_to: tuple[str, ...]
    question: str
    consequence: str
    evidence: str
    """What is accepted as evidence."""
    asked_of: str
    """The role that usually has the answer."""
    says: tuple[Statement, ...]
    needs: tuple[str, ...] = ()
    """Keys of the sheet (`customer.segment`) without which the gate cannot be done."""
    when: When = When()
    final: bool = False
    """True where neither evidence nor an override opens the gate once it applies."""
    renew_days: int = 0
    """Evidence older than this is asked for anew; 0 for never. A limit of govlift, not of Microsoft."""

    @property
    def source(self) -> str:
        """Title and date of every source of its statements."""
        return _cited(self.says)

    @property
    def where(self) -> str:
        """Where these sources stand."""
        return _places(self.says)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that everybody on the migration must know and nobody has to prove."""

    id: str
    title: str
    applies_to: tuple[str, ...]
    text: str
    says: tuple[Statement, ...]
    conflict: bool = False
    """True where its statements contradict each other."""

    @property
    def source(self) -> str:
        """Title and date of every source of its statements."""
        return _cited(self.says)

    @property
    def where(self) -> str:
        """Where these sources stand."""
        return _places(self.says)


@dataclass(frozen=True, slots=True)
class ProgramRules:
    """All gates and notices of this release."""

    gates: tuple[GateRule, ...]
    notices: tuple[Notice, ...]
    checked: date
    """When the sources were last read."""

    def gate(self, gate_id: str) -> GateRule:
        """The gate with this id.

        Raises:
            KeyError: there is none.
        """
        return {gate.id: gate for gate in self.gates}[gate_id]


def _cited(says: tuple[Statement, ...]) -> str:
    return "; ".join(dict.fromkeys(str(source) for statement in says for source in statement.sources))


def _places(says: tuple[Statement, ...]) -> str:
    return "; ".join(dict.fromkeys(source.where for statement in says for source in statement.sources))


_Text = Annotated[str, StringConstraints(min_length=1)]
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Part):
    title: _Text
    where: _Text
    dated: date | None = None


class _Says(_Part):
    rule: _Text
    follows: _Text
    source: str | tuple[str, ...]


class _When(_Part):
    role: frozenset[Role] = frozenset()
    regimes: frozenset[Regime] = frozenset()
    segment: frozenset[Segment] = frozenset()
    seat_based: bool = False


class _Item(_Part):
    id: _Id
    title: _Text
    applies_to: tuple[_Text, ...]
    says: tuple[_Says, ...] = Field(min_length=1)


class _Gate(_Item):
    phase: Phase
    question: _Text
    consequence: _Text
    evidence: _Text
    asked_of: _Text
    needs: tuple[str, ...] = ()
    when: _When = Field(default_factory=_When)
    final: bool = False
    renew_days: int = Field(default=0, ge=0)


class _Notice(_Item):
    text: _Text
    conflict: bool = False


class _File(_Part):
    statements: int
    checked: date
    source: dict[str, _Source]
    gate: tuple[_Gate, ...]
    notice: tuple[_Notice, ...]


def parse_program_rules(text: str, *, origin: str) -> ProgramRules:
    """The rules from TOML.

    Args:
        text: content of the rule file.
        origin: its name, for messages.

    Raises:
        FixTheInput: a key is missing, unknown or wrong, an id is there twice, a source is not defined, or the number
            of different statements is not the one that the file declares.
    """
    try:
        data = _File.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as wrong:
        raise _wrong(origin, _first(wrong)) from None
    items: list[_Item] = [*data.gate, *data.notice]
    ids = [item.id for item in items]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise _wrong(origin, f'the id "{twice[0]}" is there twice')
    different = {says.rule for item in items for says in item.says}
    if len(different) != data.statements:
        raise _wrong(origin, f"{len(different)} different statements, and the file declares {data.statements}")
    return ProgramRules(
        gates=tuple(_gate(gate, data.source, origin) for gate in data.gate),
        notices=tuple(
            Notice(one.id, one.title, one.applies_to, one.text, _said(one, data.source, origin), one.conflict)
            for one in data.notice
        ),
        checked=data.checked,
    )


def _gate(gate: _Gate, sources: dict[str, _Source], origin: str) -> GateRule:
    return GateRule(
        id=gate.id,
        title=gate.title,
        phase=gate.phase,
        applies_to=gate.applies_to,
        question=gate.question,
        consequence=gate.consequence,
        evidence=gate.evidence,
        asked_of=gate.asked_of,
        says=_said(gate, sources, origin),
        needs=gate.needs,
        when=When(gate.when.role, gate.when.regimes, gate.when.segment, gate.when.seat_based),
        final=gate.final,
        renew_days=gate.renew_days,
    )


def _said(item: _Item, sources: dict[str, _Source], origin: str) -> tuple[Statement, ...]:
    found = []
    for says in item.says:
        keys = (says.source,) if isinstance(says.source, str) else says.source
        for key in keys:
            if key not in sources:
                raise _wrong(origin, f'"{item.id}" cites the source "{key}", which is not defined')
        cited = tuple(ProgramSource(sources[key].title, sources[key].where, sources[key].dated) for key in keys)
        found.append(Statement(says.rule, says.follows, cited))
    return tuple(found)


def _first(wrong: Any) -> str:
    if not isinstance(wrong, ValidationError):
        return f"not valid TOML: {wrong}"
    first = wrong.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _wrong(origin: str, what: str) -> FixTheInput:
    return FixTheInput(f"{origin}: {what}.", next_step="Correct the rule file and run again.")
