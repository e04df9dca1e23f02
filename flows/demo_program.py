"""The CSP program sheet of the demo's sample customer: filled in, so that the sample migration may begin."""

from __future__ import annotations

from datetime import date, timedelta

from mappings.program import Customer, Data, Entry, Override, Partner, ProgramSheet, Status
from mappings.program_rules import Phase, Regime, Role, Segment
from mappings.program_text import render_sheet
from tasks.program import load_program_rules

_PREFACE = """\
SAMPLE. The customer, the partner, the people and every reference below are invented for the demo.
"""


def sample_sheet(today: date) -> str:
    """Text of the sample customer's program.toml: the gates of the target work and of the wave are green, one of them
    overridden; those of the cutover are still open.

    Args:
        today: the evidence is dated a month before it.
    """
    rules, dated = load_program_rules(), today - timedelta(days=30)
    done = {
        gate.id: Entry(
            status=Status.DONE,
            owner=f"Sample person ({gate.asked_of})",
            date=dated,
            evidence=f"SAMPLE-{number:02d}, not a real document",
        )
        for number, gate in enumerate(rules.gates, start=1)
        if gate.phase is not Phase.BEFORE_CUTOVER and gate.id not in ("itar", "mcda-addendum", "single-partner")
    }
    still_open = {
        "single-partner": Entry(owner="Sample person (partner, account manager)", due=today + timedelta(days=30)),
        "support-requirements": Entry(owner="Sample person (partner, support)", due=today + timedelta(days=45)),
    }
    sheet = ProgramSheet(
        customer=Customer(segment=Segment.LOCAL),
        partner=Partner(name="Sample Partner", role=Role.DIRECT),
        data=Data(regimes=(Regime.CJIS,)),
        gate=done | still_open,
        override=(
            Override(
                gate="single-partner",
                by="Sam Sample",
                reason="Sample: the second partner leaves at the end of the month.",
                date=dated,
            ),
        ),
    )
    return render_sheet(rules, sheet, preface=_PREFACE)
