"""Section "Cutover and rollback": the steps of each wave."""

from __future__ import annotations

from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Section, Table
from mappings.report_packages import NOT_MADE
from mappings.report_words import counted, make_row
from mappings.runbook import runbook_of


def runbook_section(facts: Facts) -> Section:
    """One table with the steps of every wave."""
    title = "Cutover and rollback"
    moves = facts.moves
    if moves is None:
        return Section("runbook", title, NOT_MADE)
    columns = (
        Column("wave", "Wave", Kind.NAME),
        Column("step", "Step", Kind.NAME),
        Column("phase", "Phase"),
        Column("what", "What to do"),
        Column("done", "Done when"),
        Column("owner", "Who (role)"),
    )
    rows = []
    for wave in moves.packages.waves:
        for number, step in enumerate(runbook_of(moves, wave), start=1):
            rows.append(
                make_row(
                    {
                        "wave": str(wave),
                        "step": f"{wave}.{number}",
                        "phase": step.phase,
                        "what": step.what,
                        "done": step.done,
                        "owner": step.owner,
                    }
                )
            )
    if not rows:
        return Section("runbook", title, "There is nothing to cut over.")
    lead = (
        f"{counted(len(moves.packages.waves), 'wave')}, each with its way back. Until the switch nothing changes for"
        " users; after it, a rollback loses what was written in the target, which is why that is listed first."
    )
    return Section("runbook", title, lead, (Table("runbook-rows", "Steps by wave", columns, tuple(rows)),))
