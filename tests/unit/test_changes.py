"""What has changed since the assessment before: each change once, under its right name, with its cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from mappings.changes import Cause, Changes, Since, compare
from mappings.model import (
    Assessment,
    ContainerSurvey,
    Gap,
    Inventory,
    Resource,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.readiness import ReportHead, build_report, report_from_json, report_to_json
from mappings.report_earlier import assessment_of
from mappings.states import VerdictKind

V = VerdictKind
NOW = datetime(2026, 10, 12, tzinfo=UTC)
SUB = "/subscriptions/s1"


def one(
    name: str, verdict: V = V.READY, *, sku: str = "S1", group: str = "rg", sub: str = "s1"
) -> tuple[Resource, Verdict]:
    identity = f"/subscriptions/{sub}/resourceGroups/{group}/providers/A.B/c/{name}"
    resource = Resource(identity, name, "A.B/c", "eastus", sku={"name": sku}, subscription_id=sub, resource_group=group)
    rule = f"rule-{verdict.value}"
    day = None if verdict is V.UNKNOWN else date(2026, 1, 1)
    return resource, Verdict(identity, "A.B/c", "eastus", verdict, rule, "why", "book", day, "do", TargetChoice())


def known(
    *pairs: tuple[Resource, Verdict],
    gaps: tuple[Gap, ...] = (),
    data: tuple[ContainerSurvey, ...] = (),
    subs: tuple[str, ...] = ("s1",),
) -> Assessment:
    resources = tuple(resource for resource, _ in pairs)
    subscriptions = tuple(Subscription(sub, sub, "t") for sub in subs)
    inventory = Inventory("AzureCloud", "t", "all", NOW, resources, gaps, (), subscriptions, (), data)
    return Assessment(inventory, tuple(verdict for _, verdict in pairs), date(2026, 1, 1))


def told(found: Changes) -> dict[str, Since]:
    return {moved.resource.name: moved.since for moved in found.moved}


def test_each_resource_gets_the_word_for_what_happened() -> None:
    before = known(
        one("same"), one("gone"), one("fixed", V.BLOCKED), one("worse"), one("lost"), one("asked", V.UNKNOWN)
    )
    now = known(
        one("same"), one("new"), one("fixed", V.READY_WITH_CHANGES), one("worse", V.REPLACE), one("lost", V.UNKNOWN),
        one("asked", V.BLOCKED),
    )  # fmt: skip
    found = compare(before, now)
    assert told(found) == {
        "new": Since.NEW,
        "gone": Since.GONE,
        "fixed": Since.BETTER,
        "worse": Since.WORSE,
        "lost": Since.WORSE,
        "asked": Since.ANSWERED,
    }
    assert found.same == 1
    assert [moved.since for moved in found.moved][:2] == [Since.WORSE, Since.WORSE]


def test_what_a_gap_or_another_scope_hides_is_not_gone() -> None:
    """Mutation: calling every missing id gone; or taking "/…/rg" for a prefix of "/…/rg2"."""
    before = known(one("a", group="rg"), one("b", group="rg2"), one("c", sub="s2"), subs=("s1", "s2"))
    gap = Gap(f"{SUB}/resourceGroups/RG", "everything in it", "403")
    found = compare(before, known(gaps=(gap,)))
    assert told(found) == {"a": Since.UNSEEN, "b": Since.GONE, "c": Since.UNSEEN}
    assert found.gaps_new == (gap,)
    assert compare(known(gaps=(gap,)), before).gaps_closed == (gap,)


def test_the_cause_tells_the_resource_from_the_rules() -> None:
    before = known(one("rules"), one("resource", sku="Basic"))
    found = compare(before, known(one("rules", V.BLOCKED), one("resource", V.BLOCKED, sku="Standard")))
    assert {m.resource.name: m.cause for m in found.moved} == {"rules": Cause.RULES, "resource": Cause.RESOURCE}


def test_growth_needs_both_surveys() -> None:
    before = known(data=(ContainerSurvey("a", "x", 10, 100), ContainerSurvey("old", "x", 1, 1)))
    now = known(
        data=(ContainerSurvey("a", "x", 8, 70), ContainerSurvey("a", "y", 5, 90), ContainerSurvey("new", "x", 1, 9))
    )
    growth = {item.account: (item.objects, item.bytes) for item in compare(before, now).growth}
    assert growth == {"a": (3, 60), "old": (None, None), "new": (None, None)}


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True), st.data())
def test_every_resource_of_both_is_counted_once(left: list[str], right: list[str], data: st.DataObject) -> None:
    """In = out of the comparison."""
    kinds = st.sampled_from(VerdictKind)
    before = known(*(one(name, data.draw(kinds)) for name in left))
    found = compare(before, known(*(one(name.upper(), data.draw(kinds)) for name in right)))
    assert found.same + len(found.moved) == len({*left, *right})
    assert len({moved.resource.id.lower() for moved in found.moved}) == len(found.moved)


def test_an_earlier_report_is_enough_to_compare_with() -> None:
    """Mutation: a register that drops a column which `assessment_of` needs."""
    gap = Gap(f"{SUB}/resourceGroups/rg9", "all", "403", "Denied", "ask")
    earlier = known(one("a"), one("b", V.BLOCKED), gaps=(gap,), data=(ContainerSurvey("acct", "c", 4, 44),))
    text = report_to_json(_report(earlier))
    read = assessment_of(report_from_json(text))
    found = compare(read, known(one("a", V.BLOCKED), one("b", V.BLOCKED)))
    assert told(found) == {"a": Since.WORSE}
    assert found.moved[0].cause is Cause.UNKNOWN
    assert found.gaps_closed == (gap,)
    unchanged = compare(read, earlier)
    assert (unchanged.moved, unchanged.same) == ((), 2)
    assert [(item.objects, item.bytes) for item in unchanged.growth] == [(0, 0)]


def test_the_section_says_first_run_and_counts_what_it_lists() -> None:
    first = _report(known(one("a"))).section("changes")
    assert first.tables == ()
    assert "first assessment" in first.lead
    report = _report(known(one("a", V.BLOCKED), one("n")), previous=known(one("a"), one("g")))
    section = report.section("changes")
    assert "1 new, 1 gone and 1 worse" in section.lead
    kinds = section.tables[0]
    for row in kinds.rows:
        for ref in row.links.values():
            assert report.number_behind(ref) == row.cells["resources"]
    assert any("judged worse" in risk.sentence for risk in report.risks)


def _report(assessment: Assessment, previous: Assessment | None = None):  # type: ignore[no-untyped-def]
    return build_report(
        settings=ReportHead("n"),
        assessment=replace(assessment),
        plan=None,
        runs=[],
        notes=[],
        made_at=NOW,
        version="1",
        previous=previous,
    )
