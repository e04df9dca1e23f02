"""Cover, tiles, confidence and the three sentences for a reader who reads nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mappings.changes import Since
from mappings.estimate import days_of
from mappings.report_data import proved
from mappings.report_facts import Facts
from mappings.report_model import Cover, Flag, Kind, Place, Ref, Tile
from mappings.report_program import program_tile
from mappings.report_resources import rows_of_verdict
from mappings.report_words import are, clean, counted, data_size, listing, percent
from mappings.runs import RunKind, RunRecord
from mappings.states import Confidence, VerdictKind

SIGNATURES = (
    "Customer, system owner",
    "Customer, information security",
    "Partner, migration lead",
)


def cover_of(facts: Facts) -> Cover:
    """Who, what, when, by which version and catalogue."""
    head, inventory = facts.head, facts.assessment.inventory
    age = int((facts.made_at - inventory.taken_at).total_seconds() // 3600)
    seen = tuple(sub.id for sub in inventory.subscriptions)
    return Cover(
        title=_title(facts),
        marking=clean(head.marking),
        customer=clean(head.customer or head.name),
        name=clean(head.name),
        source=Place(
            head.source_cloud or inventory.cloud,
            head.source_tenant or inventory.tenant_id,
            head.source_subscriptions or seen,
        ),
        target=Place(
            head.target_cloud, head.target_tenant, (head.target_subscription,) if head.target_subscription else ()
        ),
        scope=clean(inventory.scope),
        made_at=facts.made_at,
        inventory_taken_at=inventory.taken_at,
        data_age_hours=max(age, 0),
        catalogue_date=facts.assessment.catalogue_date,
        version=facts.version,
        plan_id=facts.plan.id if facts.plan else "",
        run_ids=tuple(run.id for run in _newest_of_each(facts.runs)),
    )


def _newest_of_each(runs: Sequence[RunRecord]) -> list[RunRecord]:
    newest = {run.kind: run for run in runs}
    return [newest[kind] for kind in RunKind if kind in newest]


def _title(facts: Facts) -> str:
    return "Migration report" if facts.books else "Readiness report"


def stars(share: float) -> int:
    """1 to 5 stars for the share of data points that are known: up to 20 % is one star, above 80 % is five.

    The rule is Azure Migrate's (Microsoft Learn, "Assessment calculation", confidence rating).
    """
    return min(5, max(1, -int(-share * 100 // 20)))


def known_points(facts: Facts) -> tuple[int, int]:
    """Data points known and in all: three of each resource, three of each gap, none of which is known.

    The three of a resource: a rule answered; the rule was written for it and not inferred; its fact has a date.
    """
    known = 0
    for judged in facts.judged:
        verdict = judged.verdict
        if verdict is not None and verdict.verdict is not VerdictKind.UNKNOWN:
            known += 1 + (verdict.confidence is not Confidence.INFERRED) + (verdict.checked is not None)
    return known, 3 * (len(facts.judged) + len(facts.assessment.inventory.gaps))


def tiles_of(facts: Facts) -> tuple[Tile, ...]:
    """The numbers of the first page, each with what it is made of and where its rows are."""
    return tuple(tile for make in _TILES for tile in make(facts))


def _estate_tiles(facts: Facts) -> tuple[Tile, ...]:
    number = facts.assessment.by_verdict()
    ready, changes = number["ready"], number["ready-with-changes"]
    resources = len(facts.judged)
    share = (ready + changes) / resources if resources else None
    subscriptions = counted(len({judged.subscription for judged in facts.judged}), "subscription")
    gaps = len(facts.assessment.inventory.gaps)
    missed = "places that could not be listed" if gaps else "everything could be listed"
    rest = f"{number['replace']:,} to replace, {number['unknown']:,} unknown"
    able = f"{ready:,} ready, {changes:,} after changes"
    return (
        Tile("resources", "Resources", resources, Kind.COUNT, f"in {subscriptions}", Ref("resources")),
        Tile("ready", "Can move", share, Kind.SHARE, able, Ref("readiness", "readiness-by-verdict")),
        Tile("blocked", "Blocked", number["blocked"], Kind.COUNT, rest, rows_of_verdict(VerdictKind.BLOCKED)),
        Tile("gaps", "Not scanned", gaps, Kind.COUNT, missed, Ref("gaps")),
    )


def _move_tiles(facts: Facts) -> tuple[Tile, ...]:
    """Whether the move may begin, in how many steps, how long, how much."""
    return (program_tile(facts), _waves_tile(facts), _time_tile(facts), _volume_tile(facts))


def _waves_tile(facts: Facts) -> Tile:
    rows = Ref("packages", "wave-rows")
    if facts.moves is None:
        return Tile("waves", "Waves", None, Kind.COUNT, "packages were not made", rows)
    packages = counted(len(facts.moves.packages.packages), "package")
    return Tile("waves", "Waves", len(facts.moves.waves), Kind.COUNT, f"{packages} that move as one each", rows)


def _time_tile(facts: Facts) -> Tile:
    moves, label = facts.moves, "Copy time, P50 to P90"
    rows = Ref("copy-time", "copy-estimate", {"what": "all waves"})
    if moves is None or not moves.figures:
        why = "no resource that holds data" if moves else "packages were not made"
        return Tile("copy-time", label, None, Kind.TEXT, why, rows)
    hours = moves.rates.hours_per_day
    low, high = days_of(moves.copy.p50, hours), days_of(moves.copy.p90, hours)
    unknown = moves.whole.unknown
    note = f"at {hours:g} hours a day" + (f"; {counted(unknown, 'size')} not known" if unknown else "")
    if high < 1:
        return Tile("copy-time", label, f"{low * hours:,.1f} – {high * hours:,.1f} hours", Kind.TEXT, note, rows)
    return Tile("copy-time", label, f"{low:,.1f} – {high:,.1f} days", Kind.TEXT, note, rows)


def _since_tile(facts: Facts) -> tuple[Tile, ...]:
    rows, label = Ref("changes", "since-resources", {"change": Since.WORSE.value}), "Worse than before"
    found = facts.changes
    if found is None:
        return (Tile("since", label, None, Kind.COUNT, "the first assessment", rows),)
    note = f"{found.number(Since.BETTER):,} better, {found.number(Since.NEW):,} new, {found.number(Since.GONE):,} gone"
    return (Tile("since", label, found.number(Since.WORSE), Kind.COUNT, note, rows),)


def _volume_tile(facts: Facts) -> Tile:
    surveys = facts.assessment.inventory.containers
    rows = Ref("data", "data-by-container", column="bytes")
    if facts.moves is not None and facts.moves.whole.bytes:
        listed = data_size(sum(survey.bytes for survey in surveys))
        note = f"{listed} of it counted object by object; the rest measured or provisioned"
        return Tile(
            "bytes", "Data", facts.moves.whole.bytes, Kind.BYTES, note, Ref("copy-time", "volume-rows", column="bytes")
        )
    if not surveys:
        return Tile("bytes", "Data", None, Kind.BYTES, "not surveyed yet", rows)
    note = f"{counted(sum(s.objects for s in surveys), 'object')} in {counted(len(surveys), 'container')}"
    return Tile("bytes", "Data", sum(survey.bytes for survey in surveys), Kind.BYTES, note, rows)


def _object_tiles(facts: Facts) -> tuple[Tile, ...]:
    tally = facts.objects
    there = tally.copied + tally.same
    strong = proved(tally, facts.head.proof)
    note = f"of {tally.listed:,} listed; {tally.failed:,} failed, {tally.excluded:,} left out"
    share = strong / there if there else None
    return (
        Tile(
            "objects",
            "Objects at the target",
            there if facts.books else None,
            Kind.COUNT,
            note if facts.books else "nothing copied yet",
            Ref("results", "results-by-account", column="at_target"),
        ),
        Tile(
            "proof",
            f"Proved at L{facts.head.proof.value} or higher",
            share,
            Kind.SHARE,
            f"{strong:,} of {counted(there, 'object')}" if there else "nothing to prove yet",
            Ref("results", "results-by-proof"),
        ),
    )


def _confidence_tile(facts: Facts) -> tuple[Tile, ...]:
    known, points = known_points(facts)
    return (
        Tile(
            "confidence",
            "Confidence",
            stars(known / points) if points else None,
            Kind.STARS,
            f"{percent(known, points)} of the data points known" if points else "no data points",
            Ref("gaps") if facts.assessment.inventory.gaps else Ref("unknowns"),
        ),
    )


_TILES: tuple[Callable[[Facts], tuple[Tile, ...]], ...] = (
    _estate_tiles,
    _move_tiles,
    _object_tiles,
    _since_tile,
    _confidence_tile,
)
"""Every maker says in its tile's note why a number is missing, so that a tile is never left out."""


def sentences_of(facts: Facts, flags: tuple[Flag, ...]) -> tuple[str, ...]:
    """Where the estate stands, where the data stands, and what happens next."""
    return (_on_estate(facts), _on_data(facts), _on_next(facts, flags))


def _on_estate(facts: Facts) -> str:
    number = facts.assessment.by_verdict()
    total = len(facts.judged)
    if not total:
        return "The inventory holds no resources."
    able = number["ready"] + number["ready-with-changes"]
    rest = {
        "blocked": number["blocked"],
        "to be replaced by another service": number["replace"],
        "not yet answered": number["unknown"],
    }
    told = [f"{count:,} {are(count)} {words}" for words, count in rest.items() if count]
    start = f"{able:,} of {counted(total, 'resource')} ({percent(able, total)}) can move to Azure Government"
    changes = number["ready-with-changes"]
    if changes:
        start += f", {changes:,} of them after changes"
    return f"{start}; {listing(told)}." if told else f"{start}; nothing is blocked or unknown."


def _on_data(facts: Facts) -> str:
    surveys = facts.assessment.inventory.containers
    held = (
        f"The storage accounts hold {counted(sum(s.objects for s in surveys), 'object')}"
        f" ({data_size(sum(s.bytes for s in surveys))})"
    )
    if not facts.books:
        return f"{held}; nothing has been copied yet." if surveys else "No data has been counted or copied yet."
    tally = facts.objects
    there = tally.copied + tally.same
    strong = proved(tally, facts.head.proof)
    start = "So far, " if facts.unfinished or facts.copying else ""
    proof = "all of them" if strong == there else f"{strong:,} of them"
    failed = f"{tally.failed:,}" if tally.failed else "none"
    return (
        f"{start}{there:,} of {counted(tally.listed, 'listed object')} {are(there)} at the target, {proof} proved at"
        f" L{facts.head.proof.value} or higher; {failed} failed and {_left_out(tally.excluded)}."
    )


def _left_out(number: int) -> str:
    if not number:
        return "none was left out"
    return f"{number:,} {'was' if number == 1 else 'were'} left out by the settings"


def _on_next(facts: Facts, flags: tuple[Flag, ...]) -> str:
    if flags:
        verb, them = ("does", "it") if len(flags) == 1 else ("do", "them")
        return f"{counted(len(flags), 'point')} {verb} not add up; settle {them} before anybody signs."
    todo = _todo(facts)
    start = "Every number that can be compared adds up."
    return f"{start} Next: {listing(todo)}." if todo else f"{start} Nothing is open."


def _todo(facts: Facts) -> list[str]:
    number = facts.assessment.by_verdict()
    tally = facts.objects
    gaps = len(facts.assessment.inventory.gaps)
    found = []
    if number["blocked"]:
        found.append(f"decide {counted(number['blocked'], 'blocked resource')}")
    if number["unknown"]:
        found.append(f"find an answer for {counted(number['unknown'], 'unknown')}")
    if gaps:
        found.append(f"get access to {counted(gaps, 'place')} not scanned")
    if facts.plan is None:
        found.append("make the plan")
    elif not facts.books:
        found.append("run the migration")
    elif facts.unfinished:
        found.append(f"finish {counted(facts.unfinished, 'open shard')}")
    if facts.unplanned:
        found.append(f"plan again for {counted(facts.unplanned, 'resource')} that came after the plan")
    if tally.failed:
        found.append(f"copy {counted(tally.failed, 'failed object')}")
    return found
