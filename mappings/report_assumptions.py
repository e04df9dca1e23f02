"""Section "Assumptions, and what is not in this report": no number is made up where an input is missing."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.report_facts import Facts
from mappings.report_model import Column, Section, Table
from mappings.report_words import make_row

_NOT_COMPUTED = (
    (
        "Difference in monthly cost",
        "Prices in Azure Government differ by meter and region, and a CSP partner sells by its own price sheet.",
        "The Azure Government price sheet from Partner Center, and the usage of the last full month.",
    ),
    (
        "One-off cost of the move",
        "Egress, transactions and the months in which both clouds run are billed at the customer's own rates.",
        "The rates of the subscription's offer, and the dates of the waves.",
    ),
    (
        "Effort by role",
        "It follows the team, the change windows and the approvals, none of which an inventory shows.",
        "An estimate by the partner for each migration package.",
    ),
    (
        "Size of machines by measured load",
        "Each machine is judged in its present size.",
        "Thirty days of Azure Monitor metrics.",
    ),
    (
        "Software inside machines and containers",
        "Only what Azure Resource Manager describes was read; nothing was opened that runs in the estate.",
        "A software inventory, and the vendors' support statements for Azure Government.",
    ),
    (
        "Eligibility and authorization",
        "Whether the customer may use Azure Government, and whether the new system may operate, is decided by people.",
        "Microsoft's validation of eligibility, and the authorizing official's decision.",
    ),
)
"""What is not computed, why, and what would be needed."""


def assumptions_section(facts: Facts) -> Section:
    """What the numbers rest on, and which questions this report does not answer."""
    rows = tuple(make_row({"what": what, "why": why, "needed": needed}) for what, why, needed in _NOT_COMPUTED)
    columns = (Column("what", "Not in this report"), Column("why", "Why"), Column("needed", "What it would take"))
    lead = "What the numbers rest on, and which questions they do not answer. No number here is a guess."
    table = Table("not-computed", "Not computed", columns, rows)
    return Section(
        "assumptions", "Assumptions, and what is not in this report", lead, (table,), tuple(_rests_on(facts))
    )


def _rests_on(facts: Facts) -> Iterator[str]:
    inventory = facts.assessment.inventory
    taken = inventory.taken_at.strftime("%Y-%m-%d %H:%M UTC")
    yield f"The estate is the one of {taken}; what was made, changed or deleted since then is not in any number."
    if facts.assessment.catalogue_date:
        yield (
            "A verdict says what the named source said on the day it was checked; the newest of these days is"
            f" {facts.assessment.catalogue_date.isoformat()}."
        )
    if not inventory.seen:
        yield "The inventory came from files; nobody could check that they hold all of the estate."
    if not inventory.containers:
        yield "No storage account was surveyed, so the volume of data is not known."
    yield "A verdict is on one resource; that resources work together in the target has to be tested."
