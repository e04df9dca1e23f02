"""The order in which the sections of a report are read, in parts; and the first page besides tiles and sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from mappings.changes import Since
from mappings.model import Verdict
from mappings.report_facts import Facts, Judged, without_verdict
from mappings.report_model import Brief, Check, Flag, Kind, Priority, Ref, Section, Tile
from mappings.report_resources import rows_of_verdict
from mappings.report_words import are, counted
from mappings.responsible import owners_told
from mappings.states import VerdictKind

STORY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Where it stands", ("balance", "gaps", "files", "readiness", "changes", "live-target")),
    ("What stands in the way", ("blockers", "unknowns", "program", "risks", "findings")),
    ("What moves, and when", ("targets", "packages", "data", "copy-time", "runbook")),
    ("What to change by hand", ("identities", "endpoints", "names", "losses", "limits", "governance")),
    ("What was done", ("results", "exceptions", "differences", "runs")),
    ("For the record", ("assumptions", "sources", "subscriptions", "resources")),
)
"""Part -> ids of its sections in reading order. A section that stands nowhere comes before "For the record"."""

_UNTOLD = "Further"
_TOP = 5
"""Blockers on the first page."""
_TOP_GAPS = 4
_DISAGREE, _CATALOGUE = " Sources disagree: ", " The catalogue ("
"""Where a second voice begins in a reason (`Rulebook`, `assess`)."""


def in_order(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The sections in reading order, each with its part."""
    place = {section: (number, at, part) for number, (part, ids) in enumerate(STORY) for at, section in enumerate(ids)}
    before_record = (len(STORY) - 1.5, 0, _UNTOLD)
    placed = [(place.get(section.id, before_record), section) for section in sections]
    return tuple(replace(section, part=where[2]) for where, section in sorted(placed, key=lambda item: item[0][:2]))


def brief_of(facts: Facts) -> Brief:
    """The first page: what blocks and who acts, whether in equals out, what was not seen."""
    found = _priorities(facts)
    gaps = facts.assessment.inventory.gaps
    unseen = tuple(
        Priority(
            "not-scanned", gap.what, gap.remedy or gap.why, gap.scope, 0, Ref("gaps", "gap-rows", {"scope": gap.scope})
        )
        for gap in gaps[:_TOP_GAPS]
    )
    tiles, result = _in_out(facts)
    return Brief(
        blockers=tuple(found[:_TOP]),
        more=len(found[_TOP:]),
        in_out=tiles,
        in_out_result=result,
        unseen=unseen,
        more_unseen=len(gaps[_TOP_GAPS:]),
    )


_WEIGHTY = (VerdictKind.BLOCKED, VerdictKind.UNKNOWN, VerdictKind.REPLACE)
"""Verdicts that somebody has to decide about, the worst first."""


def _priorities(facts: Facts) -> list[Priority]:
    """One per verdict, rule and reason; what is unknown by whom to ask, since one question answers many types."""
    groups: defaultdict[tuple[str, str, str, str], list[tuple[Judged, Verdict]]] = defaultdict(list)
    for judged in facts.judged:
        verdict = judged.verdict
        if verdict is None or verdict.verdict not in _WEIGHTY:
            continue
        rule, reason = ("", "") if verdict.verdict is VerdictKind.UNKNOWN else (verdict.rule, verdict.reason)
        groups[verdict.verdict, rule, reason, verdict.remedy].append((judged, verdict))
    rank = {kind.value: n for n, kind in enumerate(_WEIGHTY)}
    ordered = sorted(groups.items(), key=lambda item: (rank[item[0][0]], -len(item[1]), item[0]))
    return [_priority(members) for _, members in ordered]


def _priority(members: list[tuple[Judged, Verdict]]) -> Priority:
    first = members[0][1]
    same = {"rule": first.rule, "reason": first.reason} if first.verdict is not VerdictKind.UNKNOWN else {}
    return Priority(
        status=first.verdict.value,
        what=_what(members),
        remedy=first.remedy,
        owner=owners_told((judged.resource.tags for judged, _ in members), first.verdict),
        resources=len(members),
        ref=rows_of_verdict(first.verdict, remedy=first.remedy, **same),
    )


def _what(members: list[tuple[Judged, Verdict]]) -> str:
    """The reason; of several that are unknown, their types."""
    first = members[0][1]
    types = sorted({judged.type for judged, _ in members}, key=str.lower)
    if first.verdict is not VerdictKind.UNKNOWN:
        return _first_voice(first.reason)
    if len({verdict.reason for _, verdict in members}) == 1 and len(types) == 1:
        return first.reason if types[0].lower() in first.reason.lower() else f"{types[0]}: {first.reason}"
    more = f" and {len(types) - 2:,} more" if len(types) > 2 else ""
    return f"What Azure Government offers is not known of {counted(len(types), 'type')}: {', '.join(types[:2])}{more}."


def _first_voice(reason: str) -> str:
    """What decides; what the catalogue and other sources say besides stands in the rows that the number links to."""
    decides, disagree, _ = reason.partition(_DISAGREE)
    return decides.partition(_CATALOGUE)[0] + (" Sources disagree." if disagree else "")


def _in_out(facts: Facts) -> tuple[tuple[Tile, ...], Check]:
    """The control-plane half of in = out in five numbers, and what they say together."""
    inventory = facts.assessment.inventory
    graph = [seen.graph for seen in inventory.seen if seen.graph is not None]
    arm = [seen.arm for seen in inventory.seen if seen.arm is not None]
    apart = sum(len(seen.only_graph) + len(seen.only_arm) for seen in inventory.seen)
    missing, _ = without_verdict(facts.assessment)
    judged = len(inventory.resources) - len(missing)
    unknown = facts.assessment.by_verdict()["unknown"]
    by_lister = Ref("balance")
    tiles = (
        Tile("graph", "Seen by Resource Graph", sum(graph) if graph else None, Kind.COUNT, _asked(graph), by_lister),
        Tile("arm", "Seen by Azure Resource Manager", sum(arm) if arm else None, Kind.COUNT, _asked(arm), by_lister),
        Tile("listed", "In the inventory", len(inventory.resources), Kind.COUNT, "", Ref("resources")),
        Tile("judged", "With a verdict", judged, Kind.COUNT, f"{unknown:,} of them unknown", Ref("resources")),
        Tile("apart", "Seen by one lister only", apart, Kind.COUNT, "each id is listed" if apart else "", by_lister),
    )
    if missing:
        return tiles, Check.MISMATCH
    if not graph and not arm:
        return tiles, Check.NOT_COMPARED
    return tiles, Check.EXPLAINED if apart else Check.EQUAL


def _asked(numbers: list[int]) -> str:
    return f"in {counted(len(numbers), 'subscription')}" if numbers else "not asked: the inventory came from files"


def risks_of(facts: Facts, flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    """What a signature accepts while it stands, as sentences with their rows."""
    number = facts.assessment.by_verdict()
    gaps, tally = len(facts.assessment.inventory.gaps), facts.objects
    blocked, unknown, replaced = number["blocked"], number["unknown"], number["replace"]
    found = [Flag(flag.sentence, flag.ref) for flag in flags]
    told = (
        (blocked, f"{counted(blocked, 'resource')} {are(blocked)} blocked.", rows_of_verdict(VerdictKind.BLOCKED)),
        (unknown, f"{counted(unknown, 'resource')} {_has(unknown)} no answer.", rows_of_verdict(VerdictKind.UNKNOWN)),
        (
            replaced,
            f"{counted(replaced, 'resource')} {_has(replaced)} to be replaced by another service.",
            rows_of_verdict(VerdictKind.REPLACE),
        ),
        (gaps, f"{counted(gaps, 'place')} could not be listed; what is there is not known.", Ref("gaps", "gap-rows")),
        (tally.failed, f"{counted(tally.failed, 'object')} {are(tally.failed)} not at the target.", Ref("exceptions")),
        (
            tally.excluded,
            f"{counted(tally.excluded, 'object')} {are(tally.excluded)} left out by the settings.",
            Ref("exceptions"),
        ),
    )
    found += [Flag(sentence, ref) for amount, sentence, ref in told if amount]
    kept = len(facts.plan.cannot_keep) if facts.plan else 0
    if kept:
        found.append(Flag(f"{counted(kept, 'property', 'properties')} of the data cannot be kept.", Ref("limits")))
    if facts.changes is not None:
        worse = facts.changes.number(Since.WORSE)
        if worse:
            sentence = f"{counted(worse, 'resource')} {are(worse)} judged worse than at the assessment before."
            found.append(Flag(sentence, Ref("changes", "since-resources", {"change": Since.WORSE.value})))
    return tuple(found)


def _has(number: int) -> str:
    return "has" if number == 1 else "have"
