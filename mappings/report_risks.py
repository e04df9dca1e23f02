"""Section "Risk register": likelihood, impact and mitigation; the owner is for the customer to fill in."""

from __future__ import annotations

from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Section, Table
from mappings.report_packages import NOT_MADE
from mappings.report_words import counted, make_row
from mappings.risks import risks_of_moves

_HIGH = 12


def risks_section(facts: Facts) -> Section:
    """The register, the highest score first."""
    title = "Risk register"
    if facts.moves is None:
        return Section("risks", title, NOT_MADE)
    gates = len(facts.program.hindering) if facts.program else None
    risks = risks_of_moves(facts.assessment, facts.moves, today=facts.made_at.date(), open_gates=gates)
    if not risks:
        return Section("risks", title, "The assessment gives no evidence of a risk of its own.")
    columns = (
        Column("risk", "Risk"),
        Column("score", "Score", Kind.COUNT),
        Column("likelihood", "Likelihood (1-5)", Kind.COUNT),
        Column("impact", "Impact (1-5)", Kind.COUNT),
        Column("evidence", "Evidence"),
        Column("mitigation", "What lowers it"),
        Column("owner", "Owner (to be named)"),
        Column("id", "Id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "risk": risk.risk,
                "score": risk.score,
                "likelihood": risk.likelihood,
                "impact": risk.impact,
                "evidence": risk.evidence,
                "mitigation": risk.mitigation,
                "owner": "",
                "id": risk.id,
            },
            {"evidence": Ref(risk.section)},
        )
        for risk in risks
    )
    high = sum(risk.score >= _HIGH for risk in risks)
    lead = (
        f"{counted(len(risks), 'risk')} with evidence in this estate, {high:,} of them high (score {_HIGH} or more)."
        " Likelihood and impact are proposals by rule; the customer confirms them and names the owners."
    )
    return Section("risks", title, lead, (Table("risk-rows", "Risks, the highest score first", columns, rows),))
