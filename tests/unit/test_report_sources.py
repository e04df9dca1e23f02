"""Section "Sources and their age": its numbers are those of the register, and nothing about a source stays quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from mappings.assess import assess, assessment_to_json
from mappings.codec import compact_json, decode
from mappings.model import Assessment, Inventory, Resource
from mappings.readiness import Report, ReportHead, build_report
from mappings.report_model import Section, Table
from tasks.catalogue import load_catalogue

GUIDE = (Path(__file__).parents[2] / "docs" / "adding-a-rule.md").read_text("utf-8")
OVERLAY = GUIDE.partition("```toml\n")[2].partition("```")[0]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RESOURCES = tuple(
    Resource(f"/subscriptions/s/r/{number}", f"r{number}", name, "eastus", subscription_id="s", **given)
    for number, (name, given) in enumerate(
        [
            ("Microsoft.Network/virtualNetworks", {}),
            ("Microsoft.Search/searchServices", {}),
            ("Microsoft.Search/searchServices", {}),
            ("Microsoft.ApiCenter/services", {}),
            ("Microsoft.Compute/virtualMachines", {"plan": {"name": "p"}}),
            ("Microsoft.Logic/workflows", {"properties": {"a": "/providers/Microsoft.ClassicStorage/x"}}),
            ("Contoso.Odd/things", {}),
        ]
    )
)


@cache
def assessed() -> Assessment:
    inventory = Inventory("AzureCloud", "", "test", NOW, RESOURCES)
    return assess(inventory, load_catalogue({"county.toml": OVERLAY}))


def reported(assessment: Assessment, now: datetime = NOW) -> Report:
    return build_report(
        settings=ReportHead("county"), assessment=assessment, plan=None, runs=(), notes=(), made_at=now, version="1"
    )


def table(section: Section, table_id: str) -> Table:
    return next(table for table in section.tables if table.id == table_id)


def test_every_number_is_that_of_the_rows_behind_it() -> None:
    report = reported(assessed())
    linked = [
        (row.cells[key], report.number_behind(ref))
        for one in report.section("sources").tables
        for row in one.rows
        for key, ref in row.links.items()
    ]
    assert len(linked) > 20
    assert all(shown == behind for shown, behind in linked), linked


def test_a_source_says_where_it_stands_how_old_it_is_and_how_much_rests_on_it() -> None:
    rows = {
        row.cells["source"]: row.cells for row in table(reported(assessed()).section("sources"), "source-rows").rows
    }
    tags = rows["Service tags of Azure Government"]
    assert (tags["dated"], tags["state"]) == ("2026-07-20", "current")
    assert "AzureServiceTagsJson" in str(tags["where"])
    assert rows["Partner Center: services available in Azure CSP"]["state"] == "older than 365 days"
    assert rows["Letter of the Microsoft account team"]["resources"] == 1


def test_what_rests_on_old_rules_is_said_first() -> None:
    """The hidden classic reference leads one verdict by a rule of 2022; the plan is a finding and leads none."""
    lead = reported(assessed()).section("sources").lead
    assert "The verdict of 1 resource rests on 2 rules checked more than 365 days ago" in lead
    later = reported(assessed(), NOW.replace(year=2028)).section("sources").lead
    assert "The verdicts of 6 resources rest on " in later


def test_disagreeing_sources_and_overriding_rules_are_listed() -> None:
    section = reported(assessed()).section("sources")
    torn = {row.cells["rule"]: row.cells for row in table(section, "source-conflicts").rows}["azure-ai-search"]
    assert torn["resources"] == 2
    assert "search.windows.us" in str(torn["says"])
    assert "search.azure.us" in str(torn["says"])
    (own,) = table(section, "source-overrides").rows
    assert (own.cells["rule"], own.cells["overrides"], own.cells["said"], own.cells["resources"]) == (
        "county-api-center", "api-center", "unknown", 1,
    )  # fmt: skip
    assert own.cells["because"] == "The letter is newer than the sources of the catalogue."


def test_an_assessment_without_provenance_says_what_makes_one() -> None:
    section = reported(replace(assessed(), rules=())).section("sources")
    assert section.tables == ()
    assert "govlift assess" in section.lead


def test_the_provenance_survives_storage_and_is_in_the_json_contract() -> None:
    assessment = assessed()
    assert decode(Assessment, compact_json(assessment)).rules == assessment.rules
    rules = {rule["id"]: rule for rule in assessment_to_json(assessment)["rules"]}
    assert rules["county-api-center"]["overrides"] == "api-center"
    assert rules["azure-ai-search"]["conflicts"]
    assert set(rules) >= {"hidden-classic-reference", "marketplace-plan"}


@pytest.mark.parametrize("verdict", assessed().verdicts, ids=lambda verdict: verdict.type)
def test_every_rule_named_in_a_verdict_is_among_the_sources(verdict: object) -> None:
    known = {rule.id for rule in assessed().rules}
    named = {verdict.rule, *(finding.rule for finding in verdict.findings)}  # type: ignore[attr-defined]
    assert named - {"no-rule"} <= known
