"""What a plan is expected to take: objects and bytes by route, requests, lines of the bill, and time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from mappings import traits
from mappings.estimate import Rates, Span, copy_span, days_of
from mappings.filters import Filters
from mappings.model import ContainerSurvey
from mappings.objects import BlobType
from mappings.plan import CopyShard, Plan
from mappings.plan_text import account_names
from mappings.requests import (
    SOURCES,
    Between,
    CostLine,
    Load,
    Requests,
    Sizes,
    copy_requests,
    cost_lines,
    listing_requests,
)
from mappings.route_estimate import Apart, Learnt, RouteLine, route_estimate
from mappings.settings import Copy
from mappings.states import ProofLevel, Route

_COOL = frozenset({"cool", "cold"})
_UNSEEN: tuple[str, ...] = (
    "include",
    "exclude",
    "min_size",
    "max_size",
    "modified_after",
    "modified_before",
    "tags",
    "exclude_tags",
)
_UNSEEN += ("tiers", "exclude_tiers", "types", "exclude_types", "prefixes", "exclude_prefixes", "listed")


@dataclass(frozen=True, slots=True)
class Expected:
    """The expectation of one plan: for a first copy, or for a re-sync of which both sides were looked at."""

    objects: int
    bytes: int
    at_most: bool
    """Whether filters, or patterns of the settings, decide object by object: all numbers are upper bounds then."""
    routes: tuple[RouteLine, ...]
    source: Requests
    target: Requests
    costs: tuple[CostLine, ...]
    time: Span
    """Seconds."""
    rates: Rates
    looked: bool = False
    """Whether it is of a re-sync."""


def expected_of(
    plan: Plan,
    copy: Copy,
    sizes: Sizes,
    rates: Rates,
    *,
    surveys: Iterable[ContainerSurvey] = (),
    learnt: Mapping[tuple[str, str], Learnt] | None = None,
    no_sas: Mapping[str, str] | None = None,
    travels: Mapping[str, tuple[int, int]] | None = None,
) -> Expected:
    """What a plan takes.

    Args:
        plan: whose shards are copied.
        copy: `[copy]` of the settings.
        sizes: at which requests are cut.
        rates: pace to reckon with.
        surveys: of the containers, for types and tiers; those that the plan does not copy are passed over.
        learnt: what is known of pairs of accounts.
        no_sas: source accounts for which no SAS can be given, with why.
        travels: shard id -> objects and bytes that travel at most, where somebody has looked at both sides; None for a
            first copy, of all that the plan has.
    """
    known = {(one.account, one.container): one for one in surveys}
    shards: Sequence[CopyShard] = plan.shards
    if travels is not None:
        # What is left out does not travel, and what the survey counted of the whole says nothing of so little.
        known = {where: replace(one, traits={}, by_tier=_online(one.by_tier)) for where, one in known.items()}
        shards = [replace(one, objects=some[0], bytes=some[1]) for one in shards if (some := travels.get(one.id))]
    held = _held(shards, known)
    apart = {(one.account, one.container): list(_apart(one, copy)) for one in held}
    route = route_estimate(
        held,
        account_names(plan),
        mode=copy.route,
        learnt=learnt or {},
        apart=apart,
        no_sas=no_sas or {},
        mover=copy.mover,
    )
    mixed = {one.account for one in held if set(one.by_type) - {BlobType.BLOCK.value}}
    loads = [
        Load(line.route, line.objects, line.bytes, line.source_account not in mixed)
        for line in route.lines
        if line.route is not None
    ]
    proof = ProofLevel[copy.proof]
    asked, answered = copy_requests(loads, sizes, proof)
    containers = len({(shard.source_account, shard.container) for shard in plan.shards})
    looked, found = listing_requests([shard.objects for shard in plan.shards], containers, again=travels is not None)
    at_most = travels is not None or bool(copy.exclude_blobs) or _by_object(plan.filters)
    if at_most:
        asked, answered = _from_none(asked), _from_none(answered)
    written = sum(load.bytes for load in loads)
    again = [load for load in loads if _read_again(load.route, proof)]
    # Of page blobs the empty ranges do not travel, so only block blobs make a lower bound.
    least = 0 if at_most else sum(load.bytes for load in (*loads, *again) if load.only_blocks)
    read = Between(least, written + sum(load.bytes for load in again))
    cool = sum(one.bytes for one in held if any(tier.lower() in _COOL for tier in one.by_tier))
    source, target = asked + looked, answered + found
    objects = sum(one.objects for one in held)
    return Expected(
        objects,
        sum(one.bytes for one in held),
        at_most,
        route.lines,
        source,
        target,
        cost_lines(source, target, read_at_source=read, cool=cool, written=written),
        copy_span(written, objects, rates),
        rates,
        looked=travels is not None,
    )


def _by_object(filters: Iterable[Filters]) -> bool:
    """Whether filters decide object by object, so that nobody knows beforehand how many pass."""
    return any(getattr(one, part) != getattr(Filters(), part) for one in filters for part in _UNSEEN)


def _online(by_tier: Mapping[str, int]) -> dict[str, int]:
    return {tier: number for tier, number in by_tier.items() if tier.lower() != "archive"}


def _read_again(route: Route, proof: ProofLevel) -> bool:
    """Whether content that the target service has read is read once more at the source, for its proof."""
    return route is Route.AZCOPY or (route is Route.PULL and proof >= ProofLevel.L2)


def _held(shards: Sequence[CopyShard], known: Mapping[tuple[str, str], ContainerSurvey]) -> list[ContainerSurvey]:
    """What the plan's shards hold, a survey a container; a filter may have cut shards away since it was surveyed."""
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for shard in shards:
        sums[shard.source_account, shard.container][0] += shard.objects
        sums[shard.source_account, shard.container][1] += shard.bytes
    found = []
    for (account, container), (objects, size) in sums.items():
        seen = known.get((account, container))
        types, tiers = (seen.by_type, seen.by_tier) if seen else ({}, {})
        has = _in_proportion(seen, objects, size) if seen else {}
        found.append(ContainerSurvey(account, container, objects, size, by_type=types, by_tier=tiers, traits=has))
    return found


def _in_proportion(seen: ContainerSurvey, objects: int, size: int) -> dict[str, int]:
    """The traits of a part of a container: nobody has counted them by shard, so the part has its share of them."""

    def share(trait: str, number: int) -> int:
        part, whole = (size, seen.bytes) if trait in traits.SIZES else (objects, seen.objects)
        return number if part >= whole else -(-number * part // whole)

    return {trait: share(trait, number) for trait, number in seen.traits.items()}


def _apart(one: ContainerSurvey, copy: Copy) -> Iterable[Apart]:
    """Objects that do not take the pair's route. One that belongs to several kinds is counted under the first of them
    as far as the container's sums tell: no more is set apart than there is."""
    named = any(fnmatchcase(one.account, key.account) for key in copy.customer_keys)
    pulls_only = copy.route == "pull"
    has = one.traits
    key, by_key = (_KEY_NAMED, Route.STREAM) if named else (_KEY_MISSING, None)
    long, by_long = (_LONG_PULLED, None) if pulls_only else (_LONG, Route.STREAM)
    kinds: tuple[tuple[str, Route | None, int, int], ...] = (
        (_ARCHIVED, None, *_archived(one)),
        (key, by_key, has.get(traits.KEYED, 0), has.get(traits.KEYED_BYTES, 0)),
        (long, by_long, has.get(traits.LONG, 0), has.get(traits.LONG_BYTES, 0)),
    )
    objects, size = one.objects, one.bytes
    for why, route, number, amount in kinds:
        number, amount = min(number, objects), min(amount, size)
        if number:
            yield Apart(why, route, number, amount)
        objects, size = objects - number, size - amount


_ARCHIVED = "archived: left out until they are rehydrated at the source"
_KEY_NAMED = "under a customer-provided key, which the target service does not have; left out where no key fits"
_KEY_MISSING = "under a customer-provided key that copy.customer_keys does not name: left out"
_LONG = "the URL is longer than a copy source may be"
_LONG_PULLED = f"{_LONG}, and the settings allow no other route than pull: they fail"


def _archived(one: ContainerSurvey) -> tuple[int, int]:
    """Objects and bytes that are offline, or on their way out of the archive."""
    has = one.traits
    counted = has.get(traits.ARCHIVED, 0) + has.get(traits.COMING, 0)
    if counted:
        return counted, has.get(traits.ARCHIVED_BYTES, 0) + has.get(traits.COMING_BYTES, 0)
    # A survey of an earlier version has counted tiers only; how large they are it tells where all are archived.
    count = sum(number for tier, number in one.by_tier.items() if tier.lower() == "archive")
    return count, one.bytes if count >= one.objects else 0


def _from_none(some: Requests) -> Requests:
    parts = (some.write, some.list, some.read, some.other)
    return Requests(*(Between(0, part.high) for part in parts))


def expectation_lines(expected: Expected) -> list[str]:
    """For the reader of `govlift plan`."""
    most = "at most " if expected.at_most else ""
    what = "this re-sync" if expected.looked else "a first copy"
    lines = ["", f"Expected of {what} ({most}{expected.objects:,} objects, {_size(expected.bytes)})"]
    for line in expected.routes:
        way = line.route.value if line.route else "not copied"
        what = f"{line.objects:,} objects, {_size(line.bytes)}"
        lines.append(f"  {way}: {line.source_account} -> {line.target_account}: {what}: {line.why}")
    for side, asked in (("source", expected.source), ("target", expected.target)):
        parts = [f"{name} {_range(getattr(asked, name))}" for name in ("write", "list", "read", "other")]
        lines.append(f"  requests at the {side}: {', '.join(parts)}")
    lines.append("  on the bill (no prices here; see the contract):")
    lines += [f"    {one.side}: {one.item}: {_amount(one)}" for one in expected.costs]
    time, rates = expected.time, expected.rates
    days = "" if rates.hours_per_day == 24 else f" ({days_of(time.p90, rates.hours_per_day):.1f} days of its hours)"
    lines.append(f"  time: {_duration(time.p50)} (P50), {_duration(time.p90)} (P90){days}")
    lines.append(f"    bandwidth {rates.bandwidth_from}; object rate {rates.objects_from}")
    return lines


def expectation_to_json(expected: Expected) -> dict[str, Any]:
    """For `plan --json` and the dry run's."""
    return {
        "objects": expected.objects,
        "bytes": expected.bytes,
        "at_most": expected.at_most,
        "routes": [asdict(line) | {"route": line.route.value if line.route else None} for line in expected.routes],
        "requests": {"source": asdict(expected.source), "target": asdict(expected.target)},
        "costs": [asdict(line) for line in expected.costs],
        "cost_sources": list(SOURCES),
        "time": {"p50_seconds": round(expected.time.p50), "p90_seconds": round(expected.time.p90)},
        "rates": asdict(expected.rates),
    }


def _range(value: Between) -> str:
    return f"{value.low:,}" if value.low == value.high else f"{value.low:,} to {value.high:,}"


def _amount(line: CostLine) -> str:
    if line.unit == "bytes":
        low, high = _size(line.amount.low), _size(line.amount.high)
        return high if low == high else f"{low} to {high}"
    return f"{_range(line.amount)} {line.unit}"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
