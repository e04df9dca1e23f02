"""Where the CSP program stands: what a program sheet proves, gate by gate, and whether work may begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from mappings.gates import Gate
from mappings.program import Entry, Override, ProgramSheet, Status, given
from mappings.program_rules import GateRule, Notice, Phase, ProgramRules
from mappings.program_text import condition_of


class GateState(StrEnum):
    """What is true of a gate, whatever the sheet says of it."""

    GREEN = "green"
    OPEN = "open"
    OVERDUE = "overdue"
    """Open, and its due day has passed, or its evidence is too old."""
    OVERRIDDEN = "overridden"
    NOT_APPLICABLE = "not-applicable"
    BLOCKED = "blocked"
    """Neither evidence nor an override opens it."""


HINDERS = frozenset({GateState.OPEN, GateState.OVERDUE, GateState.BLOCKED})


@dataclass(frozen=True, slots=True)
class GateStanding:
    """One gate, judged."""

    rule: GateRule
    state: GateState
    why: str
    """One sentence: what is missing, or why it is as it is; "" for a plain green gate."""
    entry: Entry
    override: Override | None = None

    @property
    def sentence(self) -> str:
        return f"{self.rule.id}: {self.why}" if self.why else self.rule.id


@dataclass(frozen=True, slots=True)
class ProgramStanding:
    """All gates and notices on one day."""

    gates: tuple[GateStanding, ...]
    notices: tuple[Notice, ...]
    phase: Phase
    """The phase that is asked about."""
    today: date
    sheet: ProgramSheet | None
    """None where there is no sheet; every gate is open then."""

    @property
    def asked(self) -> tuple[GateStanding, ...]:
        """The gates that must be green in `phase` and that apply."""
        return tuple(
            gate
            for gate in self.gates
            if self.phase.asks(gate.rule.phase) and gate.state is not GateState.NOT_APPLICABLE
        )

    @property
    def hindering(self) -> tuple[GateStanding, ...]:
        """The gates that stand in the way of `phase`."""
        return tuple(gate for gate in self.asked if gate.state in HINDERS)

    @property
    def blocked(self) -> tuple[GateStanding, ...]:
        """The gates that nothing opens, of any phase."""
        return tuple(gate for gate in self.gates if gate.state is GateState.BLOCKED)

    @property
    def overridden(self) -> tuple[GateStanding, ...]:
        return tuple(gate for gate in self.gates if gate.state is GateState.OVERRIDDEN)

    def count(self, state: GateState) -> int:
        return sum(gate.state is state for gate in self.gates)


def check_program(
    sheet: ProgramSheet | None, rules: ProgramRules, *, today: date, phase: Phase = Phase.BEFORE_CUTOVER
) -> ProgramStanding:
    """Judge every gate.

    Args:
        sheet: what is filled in; None where there is no sheet.
        rules: the gates and notices that exist.
        today: the day of judgement; dates after it prove nothing.
        phase: the phase that is asked about.
    """
    gates = tuple(_judge(rule, sheet, today) for rule in rules.gates)
    return ProgramStanding(gates, rules.notices, phase, today, sheet)


def _judge(rule: GateRule, sheet: ProgramSheet | None, today: date) -> GateStanding:
    if sheet is None:
        return GateStanding(rule, GateState.OPEN, "There is no program sheet.", Entry())
    entry, override = sheet.entry(rule.id), sheet.override_of(rule.id)
    unknown, applies = _applies(rule, sheet)
    if not applies and not unknown:
        return GateStanding(rule, GateState.NOT_APPLICABLE, f"Applies only where {condition_of(rule)}.", entry)
    if rule.final:
        if unknown:
            return GateStanding(rule, GateState.OPEN, f"{unknown} is not filled in.", entry)
        return GateStanding(rule, GateState.BLOCKED, rule.consequence, entry)
    state, why = (GateState.OPEN, f"{unknown} is not filled in.") if unknown else _proved(rule, entry, sheet, today)
    if state is GateState.GREEN or override is None:
        return GateStanding(rule, state, why, entry)
    if override.date > today:
        return GateStanding(rule, state, f"{why} The override is dated {override.date}, after today.", entry)
    told = f"Overridden by {override.by} on {override.date}: {override.reason} Without it: {why}"
    return GateStanding(rule, GateState.OVERRIDDEN, told, entry, override)


def _applies(rule: GateRule, sheet: ProgramSheet) -> tuple[str, bool]:
    """Key of the sheet that must be filled in before it can be said, and whether the gate applies."""
    when = rule.when
    role, segment, regimes = sheet.partner.role, sheet.customer.segment, sheet.data.regimes
    if when.role and role is None:
        return "partner.role", False
    if when.segment and segment is None:
        return "customer.segment", False
    if when.regimes and not regimes:
        return "data.regimes", False
    fits = (
        (not when.role or role in when.role)
        and (not when.segment or segment in when.segment)
        and (not when.regimes or bool(when.regimes & set(regimes)))
        and (not when.seat_based or bool(sheet.services.seat_based))
    )
    return "", fits


def _proved(rule: GateRule, entry: Entry, sheet: ProgramSheet, today: date) -> tuple[GateState, str]:
    late = entry.due is not None and entry.due < today
    open_state = GateState.OVERDUE if late else GateState.OPEN
    overdue = f" It was due on {entry.due}." if late else ""
    match entry.status:
        case Status.OPEN:
            return open_state, f"{rule.question}{overdue}"
        case Status.NOT_APPLICABLE:
            return open_state, f"The sheet says not-applicable, and this gate applies.{overdue}"
        case Status.DONE:
            missing = _missing(rule, entry, sheet)
            if missing:
                return open_state, f"The sheet says done, and {_listed(missing)} missing.{overdue}"
    done = entry.date
    assert done is not None  # it would be missing
    if done > today:
        return open_state, f"The evidence is dated {done}, after today.{overdue}"
    age = (today - done).days
    if rule.renew_days and age > rule.renew_days:
        return GateState.OVERDUE, f"The evidence is {age} days old; after {rule.renew_days} days it is asked for anew."
    return GateState.GREEN, ""


def _missing(rule: GateRule, entry: Entry, sheet: ProgramSheet) -> list[str]:
    top: Mapping[str, object] = {
        "customer.segment": sheet.customer.segment,
        "partner.role": sheet.partner.role,
        "data.regimes": sheet.data.regimes,
    }
    own = {"owner": given(entry.owner), "date": entry.date, "evidence": given(entry.evidence)}
    return [name for name, value in own.items() if not value] + [key for key in rule.needs if not top[key]]


def _listed(words: Sequence[str]) -> str:
    if len(words) == 1:
        return f"{words[0]} is"
    return f"{', '.join(words[:-1])} and {words[-1]} are"


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a run may write to the target, as the program allows it."""

    allowed: bool
    reasons: tuple[str, ...]
    """One sentence per gate in the way; empty where allowed."""
    next_step: str
    detail: Mapping[str, Any]
    """For the event chain: phase, digest of the sheet, gates in the way, overrides with name and reason."""


def admit(standing: ProgramStanding, *, purpose: str, approved: bool, sheet_name: str) -> Admission:
    """Decide whether a run may begin to write.

    A re-sync goes on with a migration that was admitted before, so of all gates only the blocked ones stop it.

    Args:
        standing: for the phase of the run.
        purpose: `migrate` or `resync`, for the record.
        approved: whether this migration was admitted before and only goes on.
        sheet_name: of the file, for the sentence.
    """
    hindering = standing.blocked if approved and standing.sheet else standing.hindering
    if standing.sheet is None:
        reasons: tuple[str, ...] = (f"There is no program sheet {sheet_name}.",)
        step = "Make one with `govlift init --program-only`, fill it in, then look with `govlift program check`."
    elif any(gate.state is GateState.BLOCKED for gate in hindering):
        reasons = tuple(gate.sentence for gate in hindering if gate.state is GateState.BLOCKED)
        step = "No override opens this; the customer decides on another contract route or leaves the workload out."
    else:
        reasons = tuple(gate.sentence for gate in hindering)
        step = f"Fill in {sheet_name} with owner, date and evidence; `govlift program check` shows every gate."
    detail = {
        "purpose": purpose,
        "phase": standing.phase.value,
        "allowed": not reasons,
        "sheet": standing.sheet.digest if standing.sheet else "",
        "in_the_way": [gate.rule.id for gate in hindering],
        "overrides": [
            {"gate": one.gate, "by": one.by, "reason": one.reason, "date": one.date.isoformat()}
            for gate in standing.overridden
            if (one := gate.override)
        ],
    }
    return Admission(not reasons, reasons, step if reasons else "", detail)


def cutover_gate(standing: ProgramStanding) -> Gate:
    """The program as one gate of the cutover."""
    hindering = standing.hindering
    if standing.sheet is None:
        return Gate("CSP program", False, "There is no program sheet.")
    names = ", ".join(gate.rule.id for gate in hindering)
    return Gate("CSP program", not hindering, f"not green: {names}." if hindering else "")


def standing_to_json(standing: ProgramStanding) -> dict[str, Any]:
    """The published form of `govlift program check --json`."""
    return {
        "phase": standing.phase.value,
        "date": standing.today.isoformat(),
        "sheet": standing.sheet.origin if standing.sheet else None,
        "sheet_sha256": standing.sheet.digest if standing.sheet else None,
        "green": not standing.hindering,
        "gates": [
            {
                "id": gate.rule.id,
                "title": gate.rule.title,
                "phase": gate.rule.phase.value,
                "state": gate.state.value,
                "in_the_way": gate in standing.hindering,
                "why": gate.why,
                "owner": given(gate.entry.owner),
                "date": gate.entry.date.isoformat() if gate.entry.date else None,
                "due": gate.entry.due.isoformat() if gate.entry.due else None,
                "evidence": given(gate.entry.evidence),
                "note": gate.entry.note,
                "source": gate.rule.source,
                "where": gate.rule.where,
            }
            for gate in standing.gates
        ],
        "notices": [
            {
                "id": one.id,
                "title": one.title,
                "text": one.text,
                "conflict": one.conflict,
                "says": [{"rule": said.rule, "source": said.source} for said in one.says],
            }
            for one in standing.notices
        ],
    }
