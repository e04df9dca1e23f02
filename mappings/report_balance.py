"""Section "In equals out": every pair of numbers that must be equal, and a flag for each pair that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mappings.model import Seen
from mappings.report_facts import NOT_LISTED, AccountBook, Facts, without_verdict
from mappings.report_model import Check, Column, Flag, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import counted, counts, make_row
from mappings.runs import RunKind
from mappings.states import Outcome, RunState


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two numbers that must be equal. None where one of them does not exist."""

    what: str
    left_words: str
    left: int | None
    right_words: str
    right: int | None
    pending: bool = False

    @property
    def result(self) -> Check:
        if self.left is None or self.right is None:
            return Check.NOT_COMPARED
        if self.pending:
            return Check.PENDING
        return Check.EQUAL if self.left == self.right else Check.MISMATCH


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
    tables = (_checks(checks), _listers(facts), _objects(facts), _difference_ids(facts))
    return Section("balance", "In equals out", lead, tuple(table for table in tables if table.rows))


def balance_flags(facts: Facts) -> tuple[Flag, ...]:
    """One flag per comparison that fails, per failed shard group and per verification that found a mismatch."""
    flags = [
        Flag(
            f"{check.what}: {check.left:,} {check.left_words}, but {check.right:,} {check.right_words}.",
            Ref("balance", "balance-checks", {"check": check.what}),
        )
        for check in comparisons(facts)
        if check.result is Check.MISMATCH
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


def comparisons(facts: Facts) -> list[Comparison]:
    """Every comparison that this report can make, in reading order."""
    inventory = facts.assessment.inventory
    found = [_verdicts(facts)]
    resources = Counter(judged.resource.subscription_id.lower() for judged in facts.judged)
    for seen in inventory.seen:
        if _listers_agree(seen) is Check.MISMATCH:
            found.append(_unexplained(facts, seen))
        found.append(_listed(facts, seen, resources))
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


def _lister_name(facts: Facts, seen: Seen) -> str:
    return facts.subscriptions.get(seen.subscription_id.lower(), seen.subscription_id)


def _union(seen: Seen) -> int | None:
    """Resources that at least one lister saw; None where neither answered."""
    if seen.graph is not None:
        return seen.graph + len(seen.only_arm)
    return seen.arm


def _unexplained(facts: Facts, seen: Seen) -> Comparison:
    """Counts of the two listers that differ by more than the ids they named."""
    return Comparison(
        f"Listers of {_lister_name(facts, seen)}",
        "by Resource Graph, less those that ARM lacks",
        (seen.graph or 0) - len(seen.only_graph),
        "by ARM, less those that Resource Graph lacks",
        (seen.arm or 0) - len(seen.only_arm),
    )


def _listed(facts: Facts, seen: Seen, resources: Counter[str]) -> Comparison:
    return Comparison(
        f"Resources of {_lister_name(facts, seen)}",
        "seen by either lister",
        _union(seen),
        "in the inventory",
        resources[seen.subscription_id.lower()],
    )


def _listers_agree(seen: Seen) -> Check:
    """Whether both listers saw the same. A difference whose ids are all known loses nothing, and is said."""
    if seen.graph is None or seen.arm is None:
        return Check.NOT_COMPARED
    if seen.graph - len(seen.only_graph) != seen.arm - len(seen.only_arm):
        return Check.MISMATCH
    return Check.EXPLAINED if seen.only_graph or seen.only_arm else Check.EQUAL


def _plan_pair(facts: Facts) -> Comparison:
    plan = facts.plan
    ids = {judged.resource.id.lower() for judged in facts.judged}
    out = {left.resource_id.lower() for left in plan.left_out} if plan else set()
    groups = {step.source_id.lower() for step in facts.planned_groups()}
    told = (set(facts.planned_accounts()) | groups | out) & ids
    return Comparison(
        "Resources and plan", "resources in the inventory", len(ids), "moved or left out by the plan", len(told)
    )


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
    return Comparison(what, "counted by the runs", number, "named in this report", rows, pending=_running(facts))


def _only_at_target(facts: Facts) -> Comparison:
    rows = sum(note.row.change in NOT_LISTED for note in facts.notes)
    number = facts.objects.deleted
    return Comparison(
        "Objects only at the target",
        "counted by the runs",
        number,
        "named in this report",
        rows,
        pending=_running(facts),
    )


def _running(facts: Facts) -> bool:
    return any(run.state is RunState.RUNNING for run in facts.runs)


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


def _listers(facts: Facts) -> Table:
    resources = Counter(judged.resource.subscription_id.lower() for judged in facts.judged)
    judged = Counter(j.resource.subscription_id.lower() for j in facts.judged if j.verdict)
    rows = []
    for seen in facts.assessment.inventory.seen:
        cells: dict[str, Value] = {
            "subscription": _lister_name(facts, seen),
            "id": seen.subscription_id,
            "graph": seen.graph,
            "arm": seen.arm,
            "only_graph": len(seen.only_graph),
            "only_arm": len(seen.only_arm),
            "resources": resources[seen.subscription_id.lower()],
            "verdicts": judged[seen.subscription_id.lower()],
            "result": _listers_agree(seen).value,
        }
        where = {"subscription": seen.subscription_id}
        links = {
            key: Ref("balance", "balance-ids", where | {"side": side})
            for key, side in (("only_graph", _ONLY_GRAPH), ("only_arm", _ONLY_ARM))
        }
        rows.append(make_row(cells, links))
    columns = (
        Column("subscription", "Subscription"),
        Column("id", "Subscription id", Kind.NAME, detail=True),
        *counts(
            ("graph", "Resource Graph"),
            ("arm", "ARM"),
            ("only_graph", "Only by Graph"),
            ("only_arm", "Only by ARM"),
            ("resources", "In the inventory"),
            ("verdicts", "With a verdict"),
        ),
        Column("result", "Result", Kind.STATUS),
    )
    return Table("balance-listers", "Resources seen by two listers", columns, tuple(rows))


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


_ONLY_GRAPH, _ONLY_ARM = "Resource Graph only", "ARM only"
_NO_VERDICT, _NO_RESOURCE = "no verdict", "verdict without resource"


def _difference_ids(facts: Facts) -> Table:
    inventory = facts.assessment.inventory
    missing, extra = without_verdict(facts.assessment)
    found = [(seen.subscription_id, _ONLY_GRAPH, item) for seen in inventory.seen for item in seen.only_graph]
    found += [(seen.subscription_id, _ONLY_ARM, item) for seen in inventory.seen for item in seen.only_arm]
    found += [("", _NO_VERDICT, item) for item in missing] + [("", _NO_RESOURCE, item) for item in extra]
    rows = tuple(make_row({"id": item, "side": side, "subscription": sub}) for sub, side, item in found)
    columns = (
        Column("id", "Resource id", Kind.NAME),
        Column("side", "Found by"),
        Column("subscription", "Subscription id", Kind.NAME),
    )
    return Table("balance-ids", "Ids behind the differences", columns, rows)
