"""Section "In equals out": every pair of numbers that must be equal, and a flag for each pair that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mappings.report_comparison import Comparison
from mappings.report_facts import NOT_LISTED, AccountBook, Facts, without_verdict
from mappings.report_listers import ONLY_ARM, ONLY_GRAPH, lister_comparisons, lister_table, listers_of
from mappings.report_model import Check, Column, Flag, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import counted, counts, make_row
from mappings.runs import RunKind
from mappings.states import Outcome, RunState

_MOST_TOLD = 10
"""Comparisons of one kind that a flag each is made of."""


def balance_section(facts: Facts) -> Section:
    """All comparisons, the listers by subscription, objects by account, and the ids behind any difference."""
    checks = comparisons(facts)
    wrong = sum(check.result is Check.MISMATCH for check in checks)
    lead = (
        f"{counted(wrong, 'comparison')} of {len(checks)} {'does' if wrong == 1 else 'do'} not add up; nobody should"
        " sign before the difference is explained."
        if wrong
        else "What went in is what came out, in every comparison that can be made so far."
    )
    tables = (_checks(checks), lister_table(listers_of(facts)), _objects(facts), _difference_ids(facts))
    return Section("balance", "In equals out", lead, tuple(table for table in tables if table.rows))


def balance_flags(facts: Facts) -> tuple[Flag, ...]:
    """One flag per comparison that fails, per failed shard group and per verification that found a mismatch."""
    flags = [
        Flag(
            f"{check.what}: {check.left:,} {check.left_words}, but {check.right:,} {check.right_words}.",
            Ref("balance", "balance-checks", {"check": check.what}),
        )
        for check in _told(comparisons(facts))
    ]
    failed = sum(book.failed for book in facts.books)
    if failed:
        sentence = f"{counted(failed, 'shard')} failed, so {'its' if failed == 1 else 'their'} objects are not proved."
        flags.append(Flag(sentence, Ref("balance", "balance-objects", column="failed_shards")))
    verified = [run for run in facts.runs if run.kind is RunKind.VERIFY and run.state is not RunState.RUNNING]
    if verified and verified[-1].tally.failed:
        last = verified[-1]
        sentence = f"The last verification found {counted(last.tally.failed, 'object')} that differ from the evidence."
        flags.append(Flag(sentence, Ref("runs", "run-rows", {"id": last.id}, "failed")))
    return tuple(flags)


def _told(checks: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons that fail; of many of one kind ("Resources of ...") the first ones, the table has all."""
    kinds: Counter[str] = Counter()
    found = []
    for check in checks:
        if check.result is Check.MISMATCH:
            kind = check.what.partition(" of ")[0]
            kinds[kind] += 1
            if kinds[kind] <= _MOST_TOLD:
                found.append(check)
    return found


def comparisons(facts: Facts) -> list[Comparison]:
    """Every comparison that this report can make, in reading order."""
    found = [_verdicts(facts)]
    found += lister_comparisons(listers_of(facts))
    if facts.plan is not None:
        found.append(_plan_pair(facts))
    found += [_object_pair(book) for book in facts.books]
    if facts.books:
        found.append(_named(facts, Outcome.FAILED, "Failed objects", facts.objects.failed))
        found.append(_named(facts, Outcome.EXCLUDED, "Objects left out", facts.objects.excluded))
        found.append(_only_at_target(facts))
    return found


def _verdicts(facts: Facts) -> Comparison:
    missing, _ = without_verdict(facts.assessment)
    seen = len(facts.assessment.inventory.resources)
    # A verdict too many must not hide a missing one: only resources that have theirs are counted, and all verdicts.
    judged = len(facts.assessment.verdicts) if not missing else seen - len(missing)
    return Comparison("Resources and verdicts", "resources in the inventory", seen, "have a verdict", judged)


def _plan_pair(facts: Facts) -> Comparison:
    plan = facts.plan
    ids = {judged.resource.id.lower() for judged in facts.judged}
    out = {left.resource_id.lower() for left in plan.left_out} if plan else set()
    groups = {step.source_id.lower() for step in facts.planned_groups()}
    told = (set(facts.planned_accounts()) | groups | out) & ids
    # What came after the plan is work to do, not a number that does not add up.
    pending = len(ids) - len(told) == facts.unplanned > 0
    words = "moved or left out by the plan"
    return Comparison("Resources and plan", "resources in the inventory", len(ids), words, len(told), pending)


def _object_pair(book: AccountBook) -> Comparison:
    tally = book.tally
    told = tally.copied + tally.same + tally.excluded + tally.failed
    return Comparison(
        f"Objects of {book.account}",
        "listed at the source",
        tally.listed,
        "copied, unchanged, left out or failed",
        told,
        pending=bool(book.unfinished) and tally.listed == told,
    )


def _named(facts: Facts, outcome: Outcome, what: str, number: int) -> Comparison:
    rows = len(facts.exceptions(outcome))
    return Comparison(what, "counted by the runs", number, "named in this report", rows, pending=facts.copying)


def _only_at_target(facts: Facts) -> Comparison:
    rows = sum(note.row.change in NOT_LISTED for note in facts.notes)
    number = facts.objects.deleted
    return Comparison(
        "Objects only at the target",
        "counted by the runs",
        number,
        "named in this report",
        rows,
        pending=facts.copying,
    )


def _checks(checks: Iterable[Comparison]) -> Table:
    rows = tuple(
        make_row(
            {
                "check": check.what,
                "left_words": check.left_words,
                "left": check.left,
                "right_words": check.right_words,
                "right": check.right,
                "result": check.result.value,
            }
        )
        for check in checks
    )
    columns = (
        Column("check", "What is compared"),
        Column("left", "In", Kind.COUNT),
        Column("left_words", "In: what is counted"),
        Column("right", "Out", Kind.COUNT),
        Column("right_words", "Out: what is counted"),
        Column("result", "Result", Kind.STATUS),
    )
    return Table("balance-checks", "Every comparison", columns, rows)


def _objects(facts: Facts) -> Table:
    rows = tuple(_object_row(book) for book in facts.books)
    columns = (
        Column("account", "Source account", Kind.NAME),
        *counts(
            ("surveyed", "At the survey"),
            ("listed", "Listed"),
            ("copied", "Copied"),
            ("same", "Unchanged"),
            ("excluded", "Left out"),
            ("failed", "Failed"),
            ("difference", "Difference"),
            ("open", "Shards not done"),
        ),
        Column("result", "Result", Kind.STATUS),
        Column("shards", "Shards", Kind.COUNT, detail=True),
        Column("failed_shards", "Shards failed", Kind.COUNT, detail=True),
    )
    note = "Listed = copied + unchanged + left out + failed, or the account is not proved."
    return Table("balance-objects", "Objects by account", columns, rows, note=note)


def _object_row(book: AccountBook) -> Row:
    tally = book.tally
    cells: dict[str, Value] = {
        "account": book.account,
        "surveyed": book.surveyed,
        "listed": tally.listed,
        "copied": tally.copied,
        "same": tally.same,
        "excluded": tally.excluded,
        "failed": tally.failed,
        "difference": tally.listed - tally.copied - tally.same - tally.excluded - tally.failed,
        "open": book.unfinished,
        "result": _object_pair(book).result.value,
        "shards": book.shards,
        "failed_shards": book.failed,
    }
    where = {"account": book.account} if book.target else {}
    return make_row(
        cells,
        {
            "excluded": Ref("exceptions", "excluded-objects", where),
            "failed": Ref("exceptions", "failed-objects", where),
            "surveyed": Ref("data", "data-by-container", {"account": book.account}, "objects"),
        },
    )


_NO_VERDICT, _NO_RESOURCE = "no verdict", "verdict without resource"


def _difference_ids(facts: Facts) -> Table:
    inventory = facts.assessment.inventory
    missing, extra = without_verdict(facts.assessment)
    found = [(seen.subscription_id, ONLY_GRAPH, item) for seen in inventory.seen for item in seen.only_graph]
    found += [(seen.subscription_id, ONLY_ARM, item) for seen in inventory.seen for item in seen.only_arm]
    found += [("", _NO_VERDICT, item) for item in missing] + [("", _NO_RESOURCE, item) for item in extra]
    rows = tuple(make_row({"id": item, "side": side, "subscription": sub}) for sub, side, item in found)
    columns = (
        Column("id", "Resource id", Kind.NAME),
        Column("side", "Found by"),
        Column("subscription", "Subscription id", Kind.NAME),
    )
    return Table("balance-ids", "Ids behind the differences", columns, rows)
