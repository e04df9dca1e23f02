"""A plan cut down by filters, a list, or to what failed: what is cut away is named, and the rest is as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mappings.errors import DoNotTrust, FixTheInput
from mappings.filters import OPTIONS, SETTINGS, Filters, NameList
from mappings.narrowing import CONTAINER, NAMES, narrowed, only_shards, settled_containers
from mappings.plan import AFTER_COPY, CopyShard, CreateContainer, CreateResourceGroup, CreateStorageAccount, Plan
from mappings.plan_text import explain, plan_from_json, plan_to_json
from mappings.planning import extend_plan, make_plan
from mappings.runs import RunKind
from tasks.ledger import ledger_url, open_ledger
from tasks.objectlist import KeptList, take_list
from tasks.selection import Selection, list_extent
from tests.ledger.build import NOW, account, assessment, later, settings, survey, verdict


def whole_plan() -> Plan:
    one, two = account("one"), account("two")
    docs = survey("one", "docs", cuts=("g", "p"), shard_objects=(5, 5, 5), shard_bytes=(50, 50, 50))
    estate = assessment(
        [(one, verdict(one)), (two, verdict(two))], [docs, survey("one", "logs"), survey("two", "docs")]
    )
    return make_plan(estate, settings(), {"one": "onegov", "two": "twogov"}, now=NOW)


def spans(plan: Plan) -> list[tuple[str, str, str, str | None]]:
    return [(one.source_account, one.container, one.begin, one.end) for one in plan.shards]


def test_filters_are_a_part_of_the_plans_hash() -> None:
    """Dry run and run make the same plan of the same options, and another of others.

    Mutation that must fail it: leaving the filters out of the hashed content.
    """
    plan = whole_plan()
    first = narrowed(plan, Filters(exclude=("*.tmp",)), now=NOW)
    assert first.id != plan.id
    assert narrowed(plan, Filters(exclude=("*.tmp",)), now=later(9)).id == first.id
    assert narrowed(plan, Filters(exclude=("*.log",)), now=NOW).id != first.id
    assert narrowed(plan, Filters(SETTINGS), now=NOW) is plan
    assert plan_from_json(plan_to_json(first)) == first
    forged = plan_to_json(first).replace("*.tmp", "*.tmq")
    with pytest.raises(DoNotTrust):
        plan_from_json(forged)
    assert any("*.tmp" in line for line in explain(first))


def test_an_account_that_is_left_out_is_neither_made_nor_copied() -> None:
    plan = narrowed(whole_plan(), Filters(accounts=("one",), exclude_containers=("logs",)), now=NOW)
    assert {step.name for step in plan.steps if isinstance(step, CreateStorageAccount)} == {"onegov"}
    assert {(s.source_account, s.name) for s in plan.steps if isinstance(s, CreateContainer)} == {("one", "docs")}
    assert len([step for step in plan.steps if isinstance(step, CreateResourceGroup)]) == 1
    why = {item.resource_id.rpartition("/")[2]: item.why for item in plan.left_out}
    assert "--account" in why["two"] and '--exclude-container "logs"' in why["logs"]
    assert settled_containers(plan) == {("one", "docs"), ("one", "logs")}


def test_a_prefix_cuts_the_listing_and_the_plan_says_so() -> None:
    """Mutation that must fail it: keeping the shards whole, or cutting between two prefixes."""
    plan = narrowed(whole_plan(), Filters(prefixes=("d", "h", "k/")), now=NOW)
    assert spans(plan)[:2] == [("one", "docs", "d", "e"), ("one", "docs", "h", "k0")]
    assert [shard.number for shard in plan.shards if shard.container == "docs"][:2] == [0, 1]
    assert {item.type for item in plan.left_out} == {NAMES}
    gone = narrowed(whole_plan(), Filters(exclude_prefixes=("g",)), now=NOW)
    assert len(gone.shards) == len(whole_plan().shards), "an excluded prefix within a shard is decided object by object"


def test_new_containers_of_a_resync_obey_the_plans_filters() -> None:
    """Mutation that must fail it: extending a plan without its filters."""
    plan = narrowed(whole_plan(), Filters(exclude_containers=("tmp",), prefixes=("x",)), now=NOW)
    wider = extend_plan(plan, [survey("one", "tmp"), survey("one", "new")], settings(), now=NOW)
    assert wider.filters == plan.filters
    assert ("one", "new", "x", "y") in spans(wider) and not any(span[1] == "tmp" for span in spans(wider))
    assert ("one", "tmp") in settled_containers(wider), "it is not surveyed again at the next re-sync"
    assert extend_plan(wider, [survey("one", "tmp")], settings(), now=NOW) is wider


def test_what_failed_is_a_part_of_the_plan_for_one_run(tmp_path: Path) -> None:
    """Mutation that must fail it: `latest_plan` answering a plan that is a part of another."""
    plan, ledger = whole_plan(), open_ledger(ledger_url(tmp_path))
    ledger.writer.save_plan(plan, now=NOW)
    part = only_shards(plan, {plan.shards[1].id}, "the shards that failed in run r", now=NOW)
    assert spans(part) == [spans(plan)[1]] and part.narrows == plan.id
    assert [s.name for s in part.steps if isinstance(s, CreateContainer)] == ["docs"]
    assert not any(isinstance(step, AFTER_COPY) for step in part.steps)
    again = only_shards(part, {plan.shards[1].id}, "the shards that failed in run s", now=NOW)
    assert again.narrows == plan.id and again.id != part.id
    ledger.writer.save_plan(part, now=NOW)
    latest = ledger.reader.latest_plan()
    assert latest is not None and latest.id == plan.id
    assert ledger.reader.plan(part.id) == part
    assert ledger.writer.resume_run(part.id, RunKind.MIGRATE, now=NOW) is None
    ledger.close()


LISTS: dict[str, tuple[str, str]] = {
    "text": ("wanted.txt", "one/docs/h/1\none/docs/k\n\ntwo/docs/a b\none/docs/h/1\n"),
    "csv": ("wanted.csv", "account,size,container,name\none,1,docs,h/1\none,1,docs,k\ntwo,1,docs,a b\n"),
    "jsonl": ("wanted.jsonl", '{"path": "one/docs/h/1"}\n"one/docs/k"\n{"path": "two/docs/a b"}\n'),
    "urls": ("urls.csv", "url\nhttps://one.blob.example/docs/h/1\nhttps://one.blob.example/docs/k\n"
                         "https://two.blob.example/docs/a%20b?sv=1\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_is_read_in_each_form_and_cuts_the_listing(kind: str, tmp_path: Path) -> None:
    name, text = LISTS[kind]
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    listed = take_list(tmp_path, file)
    assert (listed.entries, listed.file) == (3, name)
    assert take_list(tmp_path, file) == listed, "the same file is the same list, and is not read again"
    kept = KeptList.open(tmp_path, listed)
    assert kept.has("two", "docs", "a b") and not kept.has("two", "docs", "h/1")
    assert list(kept.names("one", "docs")) == ["h/1", "k"]
    plan = narrowed(whole_plan(), Filters(OPTIONS, listed=listed), now=NOW, extent=extent_of(tmp_path))
    assert spans(plan) == [("one", "docs", "h/1", "k\0"), ("two", "docs", "a b", "a b\0")]
    assert {item.type for item in plan.left_out} == {NAMES, CONTAINER}


def extent_of(folder: Path) -> Callable[[NameList, str, str, str, str | None], tuple[str, str] | None]:
    return lambda *asked: list_extent(folder, *asked)


@pytest.mark.parametrize(
    ("name", "text", "column", "expected"),
    [
        ("a.txt", "one/docs\n", "", 'line 1: "one/docs" names no object'),
        ("a.csv", "x,y\n1,2\n", "", "None of the columns"),
        ("a.csv", "x,y\n1,2\n", "z", 'no column "z"'),
        ("a.csv", "account,container,name\none,,x\n", "", "line 2, has an empty account"),
        ("a.jsonl", "[1]\n", "", "line 1, is no JSON object"),
        ("a.txt", "\n", "", "names no object"),
        ("a.txt", None, "", "cannot be read"),
    ],
)
def test_a_wrong_list_is_one_sentence(name: str, text: str | None, column: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(FixTheInput) as wrong:
        take_list(tmp_path, file, column)
    assert expected in wrong.value.sentence
    assert not list(tmp_path.rglob("*.partial"))


def test_a_list_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(DoNotTrust, match="is gone"):
        KeptList.open(tmp_path, NameList("f" * 64, 1, "x"))


def test_shards_of_a_part_stay_shards_of_the_plan() -> None:
    """Their numbers name the folder of their evidence, so a part must not count them anew."""
    part = narrowed(whole_plan(), Filters(prefixes=("q",)), now=NOW, for_one_run=True)
    (docs,) = [shard for shard in part.shards if (shard.source_account, shard.container) == ("one", "docs")]
    assert isinstance(docs, CopyShard) and docs.number == 2 and part.narrows == whole_plan().id


def test_a_run_knows_what_its_plan_takes_and_whether_it_is_a_part(tmp_path: Path) -> None:
    """A part leaves the journals of a killed attempt at the whole shard alone.

    Mutation that must fail it: taking every plan for a whole one.
    """
    plan, ledger = whole_plan(), open_ledger(ledger_url(tmp_path))
    part = narrowed(plan, Filters(exclude=("*.tmp",)), now=NOW, for_one_run=True)
    runs = {}
    for one in (plan, part):
        ledger.writer.save_plan(one, now=NOW)
        runs[one.id] = ledger.writer.begin_run(RunKind.MIGRATE, plan_id=one.id, now=NOW)
    selection = Selection(tmp_path, ledger.reader)
    assert selection.is_part(runs[part.id]) and not selection.is_part(runs[plan.id])
    assert selection.filters(runs[part.id]) == part.filters and selection.filters(runs[plan.id]) == ()
    ledger.close()
