"""A report of resources that stay in the ledger is, byte for byte, the report of the same resources in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.assess import assess
from mappings.clouds import COMMERCIAL
from mappings.model import Assessment, Inventory
from mappings.readiness import ReportHead, build_report, report_to_json
from mappings.runs import RunKind
from sandbox.estates import load_estate
from tasks.catalogue import load_catalogue
from tasks.clients.accounts import resource_of
from tasks.ledger import Ledger, assessments
from tasks.movetables import load_move_tables
from tasks.scanning import load_scanners
from tests.ledger.build import NOW, later

pytestmark = pytest.mark.slow


def county() -> Assessment:
    """The sample county, whose resources carry hosts, identities, keys and references to each other."""
    rows = [dict(body) for body in load_estate("hollis-county").commercial.resources]
    rows = [row for row in rows if not row["type"].lower().startswith("microsoft.authorization/")]
    resources = tuple(sorted(map(resource_of, rows), key=lambda one: one.id.lower()))
    return assess(Inventory(COMMERCIAL.name, "t", "the county", NOW, resources), load_catalogue())


def report_of(assessment: Assessment, previous: Assessment | None) -> str:
    value = build_report(
        settings=ReportHead(name="county"),
        assessment=assessment,
        plan=None,
        runs=[],
        notes=[],
        made_at=later(60),
        version="1",
        previous=previous,
        scanners=load_scanners(),
        moves=load_move_tables(),
    )
    return report_to_json(value)


def test_a_report_is_the_same_whether_resources_are_in_memory_or_in_the_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutation that must fail it: the last page of the ledger skipped."""
    monkeypatch.setattr(assessments, "_PAGE", 7)
    now = county()
    before = replace(
        now, inventory=replace(now.inventory, resources=now.inventory.resources[3:]), verdicts=now.verdicts[3:]
    )
    for number, one in enumerate((before, now)):
        run = ledger.writer.begin_run(RunKind.ASSESS, now=later(number))
        ledger.writer.save_assessment(run, one, now=later(number))
    kept, older = ledger.reader.assessment(stored=True), ledger.reader.assessment_before(stored=True)
    assert kept is not None and older is not None and not isinstance(kept.inventory.resources, tuple)
    assert (len(kept.inventory.resources), kept.inventory.resources[-1]) == (
        len(now.verdicts),
        now.inventory.resources[-1],
    )
    told = report_of(kept, older)
    assert told == report_of(now, before)
    assert '"change":"since-new"' in told and "usgovcloudapi.net" in told
