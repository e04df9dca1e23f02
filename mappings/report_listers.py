"""What Resource Graph and Azure Resource Manager saw, by subscription: readable for three of them and for thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mappings.model import Seen
from mappings.report_comparison import Comparison
from mappings.report_facts import Facts
from mappings.report_model import Check, Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import counted, counts, make_row
from mappings.states import VerdictKind

MANY = 50
"""Subscriptions beyond which the comparison shows its totals and those that differ; a section of their own has all."""
ONLY_GRAPH, ONLY_ARM = "Resource Graph only", "ARM only"
_ALL = "All subscriptions"


@dataclass(frozen=True, slots=True)
class Lister:
    """The numbers of one subscription."""

    seen: Seen
    name: str
    resources: int
    """In the inventory."""
    verdicts: int
    unknown: int

    @property
    def union(self) -> int | None:
        """Resources that at least one lister saw; None where neither answered."""
        if self.seen.graph is not None:
            return self.seen.graph + len(self.seen.only_arm)
        return self.seen.arm

    @property
    def agree(self) -> Check:
        """Whether both listers saw the same. A difference whose ids are all known loses nothing, and is said."""
        seen = self.seen
        if seen.graph is None or seen.arm is None:
            return Check.NOT_COMPARED
        if seen.graph - len(seen.only_graph) != seen.arm - len(seen.only_arm):
            return Check.MISMATCH
        return Check.EXPLAINED if seen.only_graph or seen.only_arm else Check.EQUAL

    @property
    def whole(self) -> bool:
        """Whether everything that was seen is in the inventory and has a verdict, and the listers agree."""
        kept = self.union is None or self.union == self.resources
        return kept and self.resources == self.verdicts and self.agree is not Check.MISMATCH


def listers_of(facts: Facts) -> list[Lister]:
    """The numbers of every subscription of the inventory, in its order."""
    names = facts.subscriptions
    resources: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for judged in facts.judged:
        key = judged.resource.subscription_id.lower()
        resources[key] += 1
        verdicts[key] += judged.verdict is not None
        unknown[key] += judged.verdict is not None and judged.verdict.verdict is VerdictKind.UNKNOWN
    found = []
    for seen in facts.assessment.inventory.seen:
        key = seen.subscription_id.lower()
        name = names.get(key, seen.subscription_id)
        found.append(Lister(seen, name, resources[key], verdicts[key], unknown[key]))
    return found


def lister_comparisons(listers: Sequence[Lister]) -> list[Comparison]:
    """In = out of the control plane: of each subscription, or of many the total and those that do not add up."""
    if len(listers) <= MANY:
        return [comparison for one in listers for comparison in _of_one(one)]
    whole = sum(one.whole for one in listers)
    unions = [one.union for one in listers if one.union is not None]
    kept = sum(one.resources for one in listers if one.union is not None)
    found = [
        Comparison(f"Resources of {counted(len(listers), 'subscription')}", "seen by either lister", sum(unions),
                   "in the inventory", kept),
        Comparison("Subscriptions", "in the scope", len(listers), "add up by themselves", whole),
    ]  # fmt: skip
    return found + [comparison for one in listers if not one.whole for comparison in _of_one(one)]


def _of_one(one: Lister) -> list[Comparison]:
    seen = one.seen
    found = []
    if one.agree is Check.MISMATCH:
        found.append(
            Comparison(
                f"Listers of {one.name}",
                "by Resource Graph, less those that ARM lacks",
                (seen.graph or 0) - len(seen.only_graph),
                "by ARM, less those that Resource Graph lacks",
                (seen.arm or 0) - len(seen.only_arm),
            )
        )
    kept = Comparison(f"Resources of {one.name}", "seen by either lister", one.union, "in the inventory", one.resources)
    return [*found, kept]


def lister_table(listers: Sequence[Lister]) -> Table:
    """By subscription; of many the sum, and only those in which something differs."""
    title = "Resources seen by two listers"
    if len(listers) <= MANY:
        return Table("balance-listers", title, _COLUMNS, tuple(map(_row, listers)))
    differ = [one for one in listers if one.agree is not Check.EQUAL or not one.whole]
    rows = (_sum(listers), *map(_row, differ))
    note = (
        f"{counted(len(listers) - len(differ), 'subscription')} in which both listers and the inventory are equal"
        ' are not shown here; all of them are in the section "Subscriptions".'
    )
    return Table("balance-listers", title, _COLUMNS, rows, note=note)


def subscriptions_section(facts: Facts) -> Section:
    """Every subscription of the source with its state, and what was seen in it."""
    inventory, listers = facts.assessment.inventory, listers_of(facts)
    known = {one.id.lower(): one for one in inventory.subscriptions}
    groups = Counter(group.subscription_id.lower() for group in inventory.groups)
    rows = []
    for one in listers:
        key = one.seen.subscription_id.lower()
        subscription = known.get(key)
        row = _row(one)
        more: dict[str, Value] = {
            "state": subscription.state if subscription else "not readable",
            "offer": subscription.quota_id if subscription else "",
            "groups": groups[key],
        }
        rows.append(make_row(dict(row.cells) | more, dict(row.links)))
    columns = (*_COLUMNS[:2], Column("state", "State"), Column("offer", "Offer", Kind.NAME, detail=True),
               Column("groups", "Resource groups", Kind.COUNT), *_COLUMNS[2:])  # fmt: skip
    lead = (
        f"{counted(len(rows), 'subscription')} of the source. An offer that begins with CSP_ is under CSP already."
        if rows
        else "The inventory came from files, which do not say what subscriptions there are; `govlift inventory` does."
    )
    table = Table("subscription-rows", "Subscriptions of the source", columns, tuple(rows))
    return Section("subscriptions", "Subscriptions", lead, (table,) if rows else ())


def _row(one: Lister) -> Row:
    seen = one.seen
    where = {"subscription": seen.subscription_id}
    links = {
        key: Ref("balance", "balance-ids", where | {"side": side})
        for key, side in (("only_graph", ONLY_GRAPH), ("only_arm", ONLY_ARM))
        if (seen.only_graph if side is ONLY_GRAPH else seen.only_arm)
    }
    numbers = (seen.graph, seen.arm, len(seen.only_graph), len(seen.only_arm), one.resources, one.verdicts, one.unknown)
    return make_row(_cells(one.name, seen.subscription_id, numbers, one.agree), links)


def _sum(listers: Sequence[Lister]) -> Row:
    graph = [one.seen.graph for one in listers if one.seen.graph is not None]
    arm = [one.seen.arm for one in listers if one.seen.arm is not None]
    numbers = (
        sum(graph) if graph else None,
        sum(arm) if arm else None,
        sum(len(one.seen.only_graph) for one in listers),
        sum(len(one.seen.only_arm) for one in listers),
        sum(one.resources for one in listers),
        sum(one.verdicts for one in listers),
        sum(one.unknown for one in listers),
    )
    return make_row(_cells(_ALL, "", numbers, _worst(one.agree for one in listers)), {})


def _cells(name: str, identifier: str, numbers: Sequence[int | None], result: Check) -> dict[str, Value]:
    return {
        "subscription": name,
        "id": identifier,
        **dict(zip(_NUMBERS, numbers, strict=True)),
        "result": result.value,
    }


def _worst(results: Iterable[Check]) -> Check:
    found = set(results)
    order = (Check.MISMATCH, Check.NOT_COMPARED, Check.EXPLAINED)
    return next((one for one in order if one in found), Check.EQUAL)


_NUMBERS = ("graph", "arm", "only_graph", "only_arm", "resources", "verdicts", "unknown")
_COLUMNS = (
    Column("subscription", "Subscription"),
    Column("id", "Subscription id", Kind.NAME, detail=True),
    *counts(
        ("graph", "Resource Graph"),
        ("arm", "ARM"),
        ("only_graph", "Only by Graph"),
        ("only_arm", "Only by ARM"),
        ("resources", "In the inventory"),
        ("verdicts", "With a verdict"),
        ("unknown", "Of these unknown"),
    ),
    Column("result", "Result", Kind.STATUS),
)
