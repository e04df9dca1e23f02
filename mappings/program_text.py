"""The program sheet as a file to fill in: every gate with its question, the evidence that is asked for, its source."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date

from mappings.program import Customer as SheetCustomer
from mappings.program import Data, Entry, Override, Partner, ProgramSheet, Services
from mappings.program_rules import GateRule, Phase, ProgramRules, Regime, Role, Segment

_WIDTH = 118

_HEAD = """\
CSP program sheet. `govlift migrate --apply` asks these gates before anything is created in Azure Government, and the
cutover asks all of them. `govlift program check` shows where they stand.

status    open, done, or not-applicable. Done needs owner, date and evidence.
date      day of the evidence, such as 2026-07-20; never in the future.
due       day on which an open gate should be done; after it the gate is overdue.
evidence  a reference: contract number, document and where it is kept. Never the document itself, never a secret."""

_OVERRIDE = """\
A named person may let the work begin although a gate is open. The report shows every override. The gate "itar" cannot
be overridden.

[[override]]
gate = "names-reviewed"
by = "Given and family name"
reason = "Why the work may begin all the same"
date = 2026-07-20"""

_PHASES = {
    Phase.BEFORE_TARGET_WORK: "Before anything is created in the target",
    Phase.BEFORE_WAVE: "Before the data of a wave is copied",
    Phase.BEFORE_CUTOVER: "Before the cutover",
}


def render_sheet(rules: ProgramRules, sheet: ProgramSheet | None = None, *, preface: str = "") -> str:
    """The text of a program sheet; `parse_program` reads it back to the same value.

    Args:
        rules: every gate of them is written.
        sheet: what is filled in; None writes an empty sheet.
        preface: comment before everything else.
    """
    sheet = sheet or ProgramSheet()
    parts = [_comment(preface)] if preface else []
    parts += [_comment(_HEAD), *_top(sheet.customer, sheet.partner, sheet.data, sheet.services)]
    for phase in Phase:
        parts.append(f"# ---- {_PHASES[phase]} ----")
        parts += [_gate(gate, sheet.entry(gate.id)) for gate in rules.gates if gate.phase is phase]
    parts.append(_comment(_OVERRIDE))
    parts += [_override(one) for one in sheet.override]
    return "\n\n".join(parts) + "\n"


def _top(customer: SheetCustomer, partner: Partner, data: Data, services: Services) -> list[str]:
    regimes = json.dumps([regime.value for regime in data.regimes])
    return [
        f"[customer]\nsegment = {_quoted(customer.segment or '')}   # {_words(Segment)}",
        f"[partner]\nname = {_quoted(partner.name)}\nrole = {_quoted(partner.role or '')}   # {_words(Role)}",
        f"[data]\n# {_words(Regime)}.\n"
        '# ["none"] only where the customer was asked and has no such data; [] is no answer.\n'
        f"regimes = {regimes}",
        "[services]\n"
        f"seat_based = {json.dumps(list(services.seat_based), ensure_ascii=False)}   # in use: Office 365, ...",
    ]


def _words(kind: type[Segment] | type[Role] | type[Regime]) -> str:
    return ", ".join(kind)


def _gate(gate: GateRule, entry: Entry) -> str:
    lines = [gate.title, *_wrapped(gate.question), *_wrapped(f"Why: {gate.consequence}")]
    lines += [*_wrapped(f"Evidence: {gate.evidence}"), *_wrapped(f"Source: {gate.source}")]
    if condition := condition_of(gate):
        lines += _wrapped(f"Applies only where {condition}.")
    values: Mapping[str, str] = {
        "status": _quoted(entry.status.value),
        "owner": _quoted(entry.owner) + f"   # usually: {gate.asked_of}",
        "date": _day(entry.date),
        "due": _day(entry.due),
        "evidence": _quoted(entry.evidence),
        "note": _quoted(entry.note),
    }
    body = [f"{key} = {value}" for key, value in values.items()]
    return "\n".join([*(f"# {line}".rstrip() for line in lines), f"[gate.{gate.id}]", *body])


def condition_of(gate: GateRule) -> str:
    """For whom the gate applies, in words; "" for everybody."""
    told: list[str] = []
    for what, words in (
        ("the partner's role is", gate.when.role),
        ("the declared data regimes hold", gate.when.regimes),
        ("the customer's segment is", gate.when.segment),
    ):
        if words:
            told.append(f"{what} {' or '.join(sorted(words))}")
    if gate.when.seat_based:
        told.append("seat-based services are in use")
    return " and ".join(told)


def _override(one: Override) -> str:
    values = (("gate", one.gate), ("by", one.by), ("reason", one.reason))
    return "\n".join(["[[override]]", *(f"{key} = {_quoted(value)}" for key, value in values), f"date = {one.date}"])


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for the DEL character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _day(day: date | None) -> str:
    return day.isoformat() if day else '""'


def _wrapped(text: str) -> Sequence[str]:
    return textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
