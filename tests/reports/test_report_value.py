"""The report as a value: its numbers are those of its rows, and nothing that does not add up stays quiet."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.errors import FixTheInput
from mappings.failures import Failure, by_cause, failure_of
from mappings.model import (
    Assessment,
    ContainerSurvey,
    Finding,
    Gap,
    Inventory,
    Resource,
    Seen,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.objects import EvidenceRow, Tally
from mappings.plan import CopyShard
from mappings.readiness import ReportHead, build_report, report_digest, report_from_json, report_to_json
from mappings.report_model import Check, Kind, Ref, Report, Tile
from mappings.report_summary import stars
from mappings.report_words import data_size, percent
from mappings.runs import ObjectNote, RunKind, RunRecord, ShardRecord
from mappings.states import Change, Confidence, Outcome, ProofLevel, RunState, ShardState, VerdictKind
from tasks.failing import load_causes
from tests.reports import sample

NOW = datetime(2026, 10, 12, tzinfo=UTC)
TYPES = (
    "Microsoft.Storage/storageAccounts",
    "microsoft.storage/storageaccounts",
    "Microsoft.Sql/servers",
    "Odd.Type/x",
)
CODES = st.sampled_from(("", "ServerBusy", "BlobArchived", "NeverHeardOf"))
TEXT = st.text(st.characters(codec=None), max_size=12)


@st.composite
def verdicts(draw: st.DrawFn, number: int) -> tuple[Resource, Verdict]:
    kind, sub = draw(st.sampled_from(TYPES)), draw(st.sampled_from(("s1", "s2", "S2", "s3")))
    resource = Resource(f"/subscriptions/{sub}/r/{number}", draw(TEXT), kind, "eastus", subscription_id=sub)
    finding = Finding("f", draw(st.sampled_from(VerdictKind)), draw(st.sampled_from("ab")), "book", date(2026, 1, 1))
    verdict = Verdict(
        resource.id,
        kind,
        "eastus",
        draw(st.sampled_from(VerdictKind)),
        draw(st.sampled_from(("r1", "r2"))),
        draw(TEXT),
        "book",
        draw(st.none() | st.just(date(2026, 1, 1))),
        draw(st.sampled_from(("", "fix"))),
        TargetChoice(kind, "usgovvirginia"),
        draw(st.sampled_from(Confidence)),
        draw(st.sampled_from(((), (finding,)))),
    )
    return resource, verdict


@st.composite
def assessments(draw: st.DrawFn) -> Assessment:
    pairs = [draw(verdicts(n)) for n in range(draw(st.integers(0, 12)))]
    resources = tuple(resource for resource, _ in pairs)
    gaps = tuple(Gap(draw(TEXT), "w", "y") for _ in range(draw(st.integers(0, 3))))
    surveys = tuple(
        ContainerSurvey(draw(st.sampled_from(("acct1", "acct2"))), f"c{n}", draw(st.integers(0, 99)), n * 1000)
        for n in range(draw(st.integers(0, 4)))
    )
    subscriptions = (Subscription("s1", "One", "t"), Subscription("s2", "Same", "t"), Subscription("s3", "Same", "t"))
    inventory = Inventory("AzureCloud", "t", "scope", NOW, resources, gaps, (), subscriptions, (), surveys)
    return Assessment(inventory, tuple(verdict for _, verdict in pairs), None)


ROW = EvidenceRow("name", "", "BlockBlob", 5, '"e"', NOW, Outcome.COPIED, Change.NEW, None, ProofLevel.L2, finished=NOW)


@st.composite
def copies(draw: st.DrawFn, unlisted: int = 0) -> tuple[list[ShardRecord], list[ObjectNote]]:
    """Shard records of one re-sync and the notes that belong to them; their counts agree.

    Up to `unlisted` shards failed before anything was listed.
    """
    records, notes = [], []
    for n in range(draw(st.integers(0, 4))):
        account = draw(st.sampled_from(("acct1", "acct2")))
        kinds = draw(st.lists(st.tuples(st.sampled_from(Outcome), st.sampled_from(Change)), max_size=6))
        rows = [
            replace(ROW, name=f"n{i}", outcome=o, change=c, reason=draw(TEXT), code=draw(CODES))
            for i, (o, c) in enumerate(kinds)
        ]
        here = [row for row in rows if row.change not in (Change.DELETED, Change.EXTRA)]
        number = Counter(row.outcome for row in here)
        copied, same = number[Outcome.COPIED], number[Outcome.SAME]
        failed, excluded = number[Outcome.FAILED], number[Outcome.EXCLUDED]
        proof = (0, copied, same, 0)
        tally = Tally(len(here), copied, same, excluded, failed, len(rows) - len(here), 5 * copied, copied, 0, proof)
        shard = CopyShard(account, f"{account}x", f"c{n}", "", None, 1, 1, 0)
        records.append(ShardRecord("run", shard, ShardState.DONE, 1, tally))
        notes += [ObjectNote(account, f"c{n}", row) for row in rows]
    for n in range(draw(st.integers(0, unlisted))):
        shard, reason = CopyShard("acct1", "acct1x", f"z{n}", "", None, 1, 1, 0), draw(TEXT)
        records.append(ShardRecord("run", shard, ShardState.FAILED, 1, Tally(), reason=reason))
    return records, notes


def made(assessment: Assessment, records: list[ShardRecord], notes: list[ObjectNote]) -> Report:
    tally = sum((record.tally for record in records), Tally())
    run = RunRecord("run", RunKind.RESYNC, "", RunState.DONE, NOW, NOW + timedelta(hours=1), tally)
    runs = [run] if records else []
    notes = notes if records else []
    head = ReportHead("gen", marking="M")
    return build_report(
        settings=head,
        assessment=assessment,
        plan=None,
        runs=runs,
        notes=notes,
        shards=records,
        made_at=NOW,
        version="1",
        causes=load_causes(),
    )


def linked(report: Report) -> list[tuple[str, int, Ref]]:
    """Every whole number of the report that says which rows it counts."""
    counting = (Kind.COUNT, Kind.BYTES)
    found = [(t.key, t.value, t.ref) for t in report.tiles if isinstance(t.value, int) and t.kind in counting]
    for section in report.sections:
        for table in section.tables:
            for row in table.rows:
                for key, ref in row.links.items():
                    value = row.cells[key]
                    if isinstance(value, int):
                        found.append((f"{table.id}.{key}", value, ref))
                    else:
                        assert next(report.rows_behind(ref), None) is not None, (table.id, key)
    return found


def tile(report: Report, key: str) -> Tile:
    return next(tile for tile in report.tiles if tile.key == key)


@pytest.mark.slow
@settings(max_examples=50)
@given(assessments(), copies(unlisted=2))
def test_every_number_equals_the_rows_that_it_links_to(
    assessment: Assessment, copied: tuple[list[ShardRecord], list[ObjectNote]]
) -> None:
    """Breaks when a table drops or doubles a row, or a number is counted elsewhere than in its rows."""
    report = made(assessment, *copied)
    for where, value, ref in linked(report):
        assert report.number_behind(ref) == value, (where, ref)


@settings(max_examples=30)
@given(assessments(), copies())
def test_tiles_count_the_input(assessment: Assessment, copied: tuple[list[ShardRecord], list[ObjectNote]]) -> None:
    """Breaks when the tiles and the tables are wrong together: here the counts are taken from what went in."""
    records, _ = copied
    report = made(assessment, *copied)
    kinds = Counter(verdict.verdict for verdict in assessment.verdicts)
    assert tile(report, "resources").value == len(assessment.inventory.resources)
    assert tile(report, "blocked").value == kinds[VerdictKind.BLOCKED]
    assert tile(report, "gaps").value == len(assessment.inventory.gaps)
    there = sum(record.tally.copied + record.tally.same for record in records)
    assert tile(report, "objects").value == (there if records else None)
    if assessment.verdicts:
        able = kinds[VerdictKind.READY] + kinds[VerdictKind.READY_WITH_CHANGES]
        assert tile(report, "ready").value == able / len(assessment.verdicts)


@pytest.mark.slow
@settings(max_examples=30)
@given(assessments(), copies())
def test_json_round_trip_and_no_false_alarm(
    assessment: Assessment, copied: tuple[list[ShardRecord], list[ObjectNote]]
) -> None:
    """Whatever text the data holds, the JSON is ASCII, canonical, and reads back as the same report."""
    report = made(assessment, *copied)
    text = report_to_json(report)
    assert text.isascii()
    assert report_from_json(text) == report
    assert report_to_json(report_from_json(text)) == text
    assert report.flags == ()


@pytest.mark.parametrize("name", sample.STAGES)
def test_ids_are_unique(name: str) -> None:
    report = sample.stage(name)
    ids = [section.id for section in report.sections]
    ids += [table.id for section in report.sections for table in section.tables]
    assert [word for word, times in Counter(ids).items() if times > 1] == []
    for section in report.sections:
        for table in section.tables:
            keys = {column.key for column in table.columns}
            assert all(set(row.cells) == keys for row in table.rows), table.id


@pytest.mark.parametrize("name", sample.STAGES)
def test_links_hold_at_every_stage(name: str) -> None:
    report = sample.stage(name)
    for where, value, ref in linked(report):
        assert report.number_behind(ref) == value, (where, ref)


def test_an_assessment_alone_reads_well() -> None:
    """Sections without data say what produces it, in words, and hold no table with made-up zeros."""
    report = sample.stage("assessed")
    for section_id, command in (
        ("results", "govlift migrate"),
        ("exceptions", "govlift migrate"),
        ("differences", "govlift resync"),
        ("limits", "govlift plan"),
    ):
        section = report.section(section_id)
        assert command in section.lead
        assert section.tables == ()
    assert tile(report, "objects").value is None
    assert report.cover.title == "Readiness report"
    assert len(report.sentences) == 3
    assert report.sentences[1].endswith("nothing has been copied yet.")


def test_an_empty_inventory_makes_a_report() -> None:
    nothing = Assessment(Inventory("AzureCloud", "t", "files", NOW, ()), (), None)
    report = made(nothing, [], [])
    assert tile(report, "resources").value == 0
    assert tile(report, "ready").value is None
    assert "no resources" in report.section("readiness").lead


def test_a_missing_verdict_is_a_flag() -> None:
    """Mutation: counting verdicts only. A verdict too many must not hide one that is missing."""
    whole = sample.assessment(60)
    lost = whole.verdicts[5]
    twice = replace(whole, verdicts=(*whole.verdicts[:5], *whole.verdicts[6:], whole.verdicts[0]))
    report = made(twice, [], [])
    assert [flag.sentence for flag in report.flags] == [
        "Resources and verdicts: 60 resources in the inventory, but 59 have a verdict."
    ]
    ids = [row.cells["id"] for row in report.rows_behind(Ref("balance", "balance-ids"))]
    assert lost.resource_id.lower() in ids
    assert any(row.cells["verdict"] == "no-verdict" for row in report.rows_behind(Ref("resources")))


def test_objects_that_do_not_add_up_are_flags() -> None:
    """Mutation: leaving out one of the outcomes on the right-hand side, or not building flags from comparisons."""
    report = sample.stage("broken")
    assert any("162 listed at the source, but 160" in flag.sentence for flag in report.flags)
    assert "settle" in report.sentences[2]
    checks = {row.cells["check"]: row.cells["result"] for row in report.rows_behind(Ref("balance", "balance-checks"))}
    assert checks["Objects of hcfinancearchive"] == Check.MISMATCH.value
    assert checks["Objects of hcgistiles"] == Check.EQUAL.value
    for flag in report.flags:
        assert list(report.rows_behind(flag.ref))


def test_a_failure_without_a_name_is_a_flag() -> None:
    """Mutation: trusting the tally. A failed object that no row names must not pass in silence."""
    plan = sample.plan_of(sample.assessment())
    records, notes = sample.shard_records(plan, "run")
    named = [note for note in notes if note.row.name != "held/case-0091.dcm"]
    report = made(sample.assessment(), records, named)
    assert [flag.sentence for flag in report.flags] == [
        "Failed objects: 4 counted by the runs, but 3 named in this report."
    ]


def test_listers_that_differ_by_unnamed_resources_are_a_flag() -> None:
    whole = sample.assessment(60)
    seen = whole.inventory.seen[0]
    unnamed = Seen(seen.subscription_id, 3, seen.arm)
    report = made(replace(whole, inventory=replace(whole.inventory, seen=(unnamed,))), [], [])
    assert any(flag.sentence.startswith("Listers of Hollis County Production") for flag in report.flags)


def test_named_lister_differences_are_said_and_are_no_flag() -> None:
    report = sample.stage("assessed")
    results = Counter(row.cells["result"] for row in report.rows_behind(Ref("balance", "balance-listers")))
    assert results[Check.EXPLAINED.value] >= 1
    assert report.flags == ()


def test_failures_stand_by_cause_with_their_remedy_and_every_count_leads_to_its_rows() -> None:
    """What `govlift failed` counts from manifests and the report from its notes is one and the same.

    Mutation that must fail it: linking to all failed objects, or leaving out shards that could not be listed.
    """
    plan = sample.plan_of(sample.assessment())
    records, notes = sample.shard_records(plan, "run")
    gone = next(n for n, record in enumerate(records) if record.shard.container == "$web")
    reason = "hcgistiles/$web: The container does not exist (ContainerNotFound)."
    records[gone] = replace(records[gone], state=ShardState.FAILED, tally=Tally(), manifest="", reason=reason)
    report = made(sample.assessment(), records, notes)
    rows = {str(row.cells["id"]): row for row in report.rows_behind(Ref("exceptions", "failure-causes"))}

    failed = [failure_of(n.account, n.container, n.row) for n in notes if n.row.outcome is Outcome.FAILED]
    counted = by_cause([*failed, Failure("hcgistiles", "$web", "", "", 0, "ContainerNotFound", reason)], load_causes())
    assert {one.cause.id for one in counted} == {"archive", "role", "gone"} == set(rows)
    for one in counted:
        row = rows[one.cause.id]
        told = (row.cells["objects"], row.cells["ranges"], row.cells["bytes"], row.cells["remedy"])
        assert told == (one.objects, one.shards, one.bytes, one.cause.remedy)
        assert row.cells["examples"] == ", ".join(one.examples)
        for key in ("objects", "ranges", "bytes"):
            assert not row.cells[key] or report.number_behind(row.links[key]) == row.cells[key]
    behind = list(report.rows_behind(rows["archive"].links["objects"]))
    assert {row.cells["code"] for row in behind} == {"BlobArchived"} and len(behind) == 3
    assert [row.cells["container"] for row in report.rows_behind(rows["gone"].links["ranges"])] == ["$web"]
    assert "1 key range could not be listed" in report.section("exceptions").lead


def test_a_container_that_could_not_be_listed_is_an_exception_even_where_no_object_failed() -> None:
    """Mutation: saying that nothing failed where nothing was listed."""
    shard = CopyShard("acct1", "acct1x", "c", "", None, 1, 1, 0)
    gone = ShardRecord("run", shard, ShardState.FAILED, 1, Tally(), reason="acct1/c: gone (ContainerNotFound).")
    report = made(sample.assessment(60), [gone], [])
    assert "1 key range could not be listed" in report.section("exceptions").lead
    (row,) = report.rows_behind(Ref("exceptions", "failed-ranges"))
    assert row.cells["range"] == shard.id and row.cells["code"] == "ContainerNotFound"


def test_the_newest_record_of_each_shard_counts_once() -> None:
    """Mutation: adding up the shards of all runs, which would count every object once per re-sync."""
    assert tile(sample.stage("migrated"), "objects").value == 3085
    assert tile(sample.stage("resynced"), "objects").value == 3109


def test_unfinished_shards_are_pending_and_failed_ones_a_flag() -> None:
    known = sample.assessment()
    plan = sample.plan_of(known)
    records, notes = sample.shard_records(plan, "run")
    part = [replace(records[0], state=ShardState.FAILED, reason="throttled"), *records[1:-1]]
    run = RunRecord("run", RunKind.MIGRATE, plan.id, RunState.PARTIAL, NOW, NOW, Tally())
    report = build_report(
        settings=sample.HEAD,
        assessment=known,
        plan=plan,
        runs=[run],
        notes=notes,
        shards=part,
        made_at=NOW,
        version="1",
    )
    checks = {row.cells["check"]: row.cells["result"] for row in report.rows_behind(Ref("balance", "balance-checks"))}
    assert checks["Objects of hcpermitdocs"] == Check.PENDING.value
    assert checks["Objects of hcgistiles"] == Check.EQUAL.value
    assert any("1 shard failed" in flag.sentence for flag in report.flags)
    assert report.sentences[1].startswith("So far, ")


def test_deletions_are_reported_and_not_exceptions() -> None:
    report = sample.stage("resynced")
    deleted = list(report.rows_behind(Ref("differences", "change-deleted")))
    assert len(deleted) == 3
    assert {row.cells["outcome"] for row in deleted} == {"reported"}
    left_out = report.rows_behind(Ref("exceptions", "excluded-objects"))
    assert not any(str(row.cells["name"]).startswith("2024-01/") for row in left_out)
    assert "deletes nothing" in report.section("differences").lead


def test_weak_proof_and_shared_keys_are_findings() -> None:
    known = sample.assessment()
    plan = sample.plan_of(known)
    records, notes = sample.shard_records(plan, "run")
    weak = [replace(r, tally=replace(r.tally, proof=(0, r.tally.copied, 0, 0))) for r in records]
    run = RunRecord("run", RunKind.MIGRATE, plan.id, RunState.DONE, NOW, NOW, Tally())
    report = build_report(
        settings=sample.HEAD,
        assessment=known,
        plan=plan,
        runs=[run],
        notes=notes,
        shards=weak,
        made_at=NOW,
        version="1",
    )
    findings = [str(row.cells["finding"]) for row in report.rows_behind(Ref("findings", "own-findings"))]
    assert "Account hcfinancearchive is read with its shared key" in findings
    assert any("proved below L2" in finding for finding in findings)
    assert tile(report, "proof").value == 0


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.2, 1), (0.21, 2), (0.4, 2), (0.8, 4), (0.81, 5), (1.0, 5)]
)
def test_stars_follow_the_rule_of_azure_migrate(share: float, expected: int) -> None:
    assert stars(share) == expected


def test_percent_never_rounds_up_to_all() -> None:
    assert percent(999, 1000) == "99 %"
    assert percent(1, 1000) == "<1 %"
    assert percent(1000, 1000) == "100 %"
    assert percent(0, 0) == "0 %"


def test_sizes_stay_below_the_next_unit() -> None:
    assert data_size(1) == "1 byte"
    assert data_size(1023) == "1,023 bytes"
    assert data_size(1024**2 - 1) == "1.0 MiB"
    assert data_size(16_106_127_360) == "15.0 GiB"


def test_json_is_keyed_and_versioned() -> None:
    report = sample.stage("resynced")
    data = json.loads(report_to_json(report))
    assert data["schema_version"] == "1.1"
    blocked = next(t for s in data["sections"] for t in s["tables"] if t["id"] == "blocked")
    assert blocked["rows"][0]["cells"]["verdict"] == "blocked"
    assert len(report_digest(report)) == 64


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"a": 1}', '{"schema_version": "2.0"}', '{"schema_version": "1.0"}', '{"schema_version": 1}'],
)
def test_wrong_json_is_refused_with_a_next_step(text: str) -> None:
    with pytest.raises(FixTheInput, match=r"report\.json") as refused:
        report_from_json(text)
    assert refused.value.next_step


def test_a_cutover_run_copies_nothing_itself() -> None:
    """Mutation: counting the cutover among the copying runs, whose empty tally would then stand for the data."""
    report = made(sample.assessment(60), *sample.shard_records(sample.plan_of(sample.assessment(60)), "run"))
    known, plan = sample.assessment(60), sample.plan_of(sample.assessment(60))
    records, notes = sample.shard_records(plan, "run")
    tally = sum((record.tally for record in records), Tally())
    runs = [
        RunRecord("run", RunKind.MIGRATE, plan.id, RunState.DONE, NOW, NOW, tally),
        RunRecord("cut", RunKind.CUTOVER, plan.id, RunState.DONE, NOW + timedelta(hours=1), None, Tally()),
    ]
    after = build_report(
        settings=sample.HEAD, assessment=known, plan=plan, runs=runs, notes=notes, made_at=NOW, version="1"
    )
    assert tile(after, "objects").value == tile(report, "objects").value == 3085
    assert "No re-sync has run" in after.section("differences").lead


def test_what_came_after_the_plan_is_work_and_no_contradiction() -> None:
    known = sample.assessment(20)
    plan = replace(sample.plan_of(known), created_at=known.inventory.taken_at - timedelta(hours=1))
    resource, verdict = known.inventory.resources[0], known.verdicts[0]
    late, judged = replace(resource, id="/late", name="late"), replace(verdict, resource_id="/late")
    inventory = replace(known.inventory, resources=(*known.inventory.resources, late), seen=())
    now = replace(known, inventory=inventory, verdicts=(*known.verdicts, judged))

    def told(plan_at: datetime) -> Report:
        head = ReportHead(name="m")
        made = replace(plan, created_at=plan_at)
        return build_report(
            settings=head, assessment=now, plan=made, runs=[], notes=[], made_at=NOW, version="1", shards=[]
        )

    before, after = told(plan.created_at), told(known.inventory.taken_at + timedelta(hours=1))
    assert not before.flags and "plan again for 1 resource" in before.sentences[2]
    assert any("Resources and plan" in flag.sentence for flag in after.flags)


def test_the_assessment_that_writes_the_report_does_not_leave_the_copy_unfinished() -> None:
    known = sample.assessment(20)
    plan = sample.plan_of(known)
    copied = sample.run("copy", RunKind.MIGRATE, 5, Tally(), RunState.DONE, plan.id)
    shards, notes = sample.shard_records(plan, copied.id)
    for kind, start in ((RunKind.ASSESS, ""), (RunKind.RESYNC, "So far, ")):
        under_way = replace(copied, id="now", kind=kind, state=RunState.RUNNING, started=copied.started, finished=None)
        report = build_report(
            settings=ReportHead(name="m"),
            assessment=known,
            plan=plan,
            runs=[copied, under_way],
            notes=notes,
            made_at=NOW,
            version="1",
            shards=shards,
        )
        assert report.sentences[1].startswith("So far, ") is bool(start)
