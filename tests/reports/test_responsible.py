"""Who acts: the owner that tags name, else the role whose decision it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.readiness import ReportHead, build_report
from mappings.responsible import ROLES, owner_by_tag, owners_told
from mappings.states import VerdictKind
from tests.reports import sample


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"Owner": " GIS team "}, "GIS team"),
        ({"department": "Courts", "System-Owner": "Clerk"}, "Clerk"),
        ({"owner": "", "poc": "Help desk"}, "Help desk"),
        ({"cost-center": "4711"}, ""),
        ({}, ""),
    ],
)
def test_the_most_telling_tag_names_the_owner(tags: dict[str, str], owner: str) -> None:
    assert owner_by_tag(tags) == owner


def test_of_many_owners_those_of_most_resources_are_told_and_the_rest_counted() -> None:
    tags = [{"owner": name} for name in ("b", "a", "b", "c", "d")]
    assert owners_told(tags, VerdictKind.BLOCKED) == "b, a and 2 more"
    assert owners_told([{}], VerdictKind.UNKNOWN) == ROLES[VerdictKind.UNKNOWN]


def test_the_first_page_names_the_owner_of_a_blocker() -> None:
    known = sample.assessment(60)
    blocked = {one.resource_id for one in known.verdicts if one.verdict is VerdictKind.BLOCKED}
    resources = tuple(
        replace(one, tags={"owner": "Harbor office"}) if one.id in blocked else one for one in known.inventory.resources
    )
    report = build_report(
        settings=ReportHead(name="m"),
        assessment=replace(known, inventory=replace(known.inventory, resources=resources)),
        plan=None,
        runs=[],
        notes=[],
        made_at=sample.NOW,
        version="1",
    )
    assert blocked and {one.owner for one in report.brief.blockers if one.status == "blocked"} == {"Harbor office"}
