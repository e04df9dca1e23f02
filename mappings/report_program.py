"""Section "CSP program": the gates with owner, date and evidence, the overrides, and what everybody must know."""

from __future__ import annotations

from mappings.program import given
from mappings.program_check import GateStanding, GateState, ProgramStanding
from mappings.program_rules import Notice
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Section, Table, Tile, Value
from mappings.report_words import are, counted, make_row

_ID, _TITLE = "program", "CSP program"
_GATES = "program-gates"

_GATE_COLUMNS = (
    Column("gate", "Gate"),
    Column("state", "State", Kind.STATUS),
    Column("owner", "Owner"),
    Column("date", "Date", Kind.DATE),
    Column("evidence", "Evidence"),
    Column("phase", "Must be green"),
    Column("why", "What is missing"),
    Column("source", "Source", Kind.SOURCE),
    Column("id", "Id in program.toml", Kind.NAME, detail=True),
    Column("applies_to", "Concerns", detail=True),
    Column("due", "Due", Kind.DATE, detail=True),
    Column("asked", "Evidence that is asked for", detail=True),
    Column("consequence", "Why it is asked", detail=True),
    Column("note", "Note", detail=True),
    Column("where", "Where the source stands", Kind.SOURCE, detail=True),
)
_OVERRIDE_COLUMNS = (
    Column("gate", "Gate"),
    Column("by", "Overridden by"),
    Column("date", "Date", Kind.DATE),
    Column("reason", "Reason"),
    Column("in_force", "In force"),
)
_NOTICE_COLUMNS = (
    Column("notice", "Notice"),
    Column("text", "What it means"),
    Column("agreed", "Sources"),
    Column("source", "Source", Kind.SOURCE),
    Column("applies_to", "Concerns", detail=True),
    Column("where", "Where the source stands", Kind.SOURCE, detail=True),
)
_STATEMENT_COLUMNS = (
    Column("about", "Gate or notice"),
    Column("rule", "What the source says"),
    Column("follows", "What follows"),
    Column("source", "Source", Kind.SOURCE),
)


def program_section(facts: Facts) -> Section:
    """Every gate and notice; with no program sheet every gate is open."""
    standing = facts.program
    if standing is None:
        lead = "`govlift init` writes the program sheet, `govlift program check` judges it, and this section shows it."
        return Section(_ID, _TITLE, lead)
    tables = (
        Table(_GATES, "Gates", _GATE_COLUMNS, tuple(make_row(_gate_cells(gate)) for gate in standing.gates)),
        _overrides(standing),
        Table(
            "program-notices",
            "What everybody must know",
            _NOTICE_COLUMNS,
            tuple(make_row(_notice_cells(one)) for one in standing.notices),
            note="Statements that contradict each other are shown side by side in the next table.",
        ),
        _conflicts(standing),
    )
    return Section(_ID, _TITLE, _lead(standing), tuple(table for table in tables if table.rows))


def program_tile(facts: Facts) -> Tile:
    """How many gates are green, of those that apply."""
    ref = Ref(_ID, _GATES, {"state": GateState.GREEN.value})
    standing = facts.program
    if standing is None:
        return Tile(_ID, "Program gates green", None, Kind.COUNT, "the program sheet was not read", ref)
    green, applying = _green_of(standing)
    note = f"of {applying} that apply"
    if standing.overridden:
        note += f"; {len(standing.overridden)} overridden by name"
    if standing.sheet is None:
        note += "; there is no program sheet yet"
    if standing.blocked:
        note += f"; {len(standing.blocked)} blocked for good"
    return Tile(_ID, "Program gates green", green, Kind.COUNT, note, ref)


def _green_of(standing: ProgramStanding) -> tuple[int, int]:
    applying = sum(gate.state is not GateState.NOT_APPLICABLE for gate in standing.gates)
    return standing.count(GateState.GREEN), applying


def _lead(standing: ProgramStanding) -> str:
    green, applying = _green_of(standing)
    start = "" if standing.sheet else "There is no program sheet, so every gate is open. "
    told = [f"{start}{green} of {counted(applying, 'gate')} that apply {are(green)} green."]
    if standing.overridden:
        number = len(standing.overridden)
        told.append(f"{number} {are(number)} overridden by a named person.")
    if standing.blocked:
        told.append("A blocked gate closes the CSP route; neither evidence nor an override opens it.")
    elif standing.hindering:
        told.append("Nothing is created in Azure Government before the gates of its phase are green or overridden.")
    return " ".join(told)


def _gate_cells(gate: GateStanding) -> dict[str, Value]:
    rule, entry = gate.rule, gate.entry
    return {
        "gate": rule.title,
        "state": gate.state.value,
        "owner": given(entry.owner),
        "date": entry.date.isoformat() if entry.date else None,
        "evidence": given(entry.evidence),
        "phase": rule.phase.value.replace("-", " "),
        "why": gate.why,
        "source": rule.source,
        "id": rule.id,
        "applies_to": ", ".join(rule.applies_to),
        "due": entry.due.isoformat() if entry.due else None,
        "asked": rule.evidence,
        "consequence": rule.consequence,
        "note": entry.note,
        "where": rule.where,
    }


def _overrides(standing: ProgramStanding) -> Table:
    titles = {gate.rule.id: (gate.rule.title, gate.state) for gate in standing.gates}
    rows = []
    for one in standing.sheet.override if standing.sheet else ():
        title, state = titles[one.gate]
        in_force = "yes" if state is GateState.OVERRIDDEN else f"no: the gate is {state.value}"
        cells: dict[str, Value] = {"gate": title, "by": one.by, "date": one.date.isoformat(), "reason": one.reason}
        rows.append(make_row(cells | {"in_force": in_force}, {"gate": Ref(_ID, _GATES, {"gate": title})}))
    return Table("program-overrides", "Overrides", _OVERRIDE_COLUMNS, tuple(rows))


def _notice_cells(notice: Notice) -> dict[str, Value]:
    return {
        "notice": notice.title,
        "text": notice.text,
        "agreed": "contradict each other" if notice.conflict else "agree" if len(notice.says) > 1 else "one",
        "source": notice.source,
        "applies_to": ", ".join(notice.applies_to),
        "where": notice.where,
    }


def _conflicts(standing: ProgramStanding) -> Table:
    rows = [
        make_row({"about": notice.title, "rule": said.rule, "follows": said.follows, "source": said.source})
        for notice in standing.notices
        if notice.conflict
        for said in notice.says
    ]
    return Table("program-conflicts", "Statements that contradict each other", _STATEMENT_COLUMNS, tuple(rows))
