"""What a plan is expected to take: objects and bytes by route, requests, lines of the bill, and time. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

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
    """The expectation of one plan, for a first copy."""

    objects: int
    bytes: int
    at_most: bool
    """Whether filters decide object by object, so that all numbers are upper bounds."""
    routes: tuple[RouteLine, ...]
    source: Requests
    target: Requests
    costs: tuple[CostLine, ...]
    time: Span
    """Seconds."""
    rates: Rates


def expected_of(
    plan: Plan,
    copy: Copy,
    sizes: Sizes,
    rates: Rates,
    *,
    surveys: Iterable[ContainerSurvey] = (),
    learnt: Mapping[tuple[str, str], Learnt] | None = None,
    no_sas: Mapping[str, str] | None = None,
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
    """
    known = {(one.account, one.container): one for one in surveys}
    held = _held(plan.shards, known)
    apart = {(one.account, one.container): list(_apart(one)) for one in held}
    route = route_estimate(
        held, account_names(plan), mode=copy.route, learnt=learnt or {}, apart=apart, no_sas=no_sas or {}
    )
    mixed = {one.account for one in held if set(one.by_type) - {BlobType.BLOCK.value}}
    loads = [
        Load(line.route, line.objects, line.bytes, line.source_account not in mixed)
        for line in route.lines
        if line.route is not None
    ]
    proof = ProofLevel[copy.proof]
    asked, answered = copy_requests(loads, sizes, proof)
    looked, found = listing_requests([shard.objects for shard in plan.shards], len(held))
    at_most = any(getattr(one, part) != getattr(Filters(), part) for one in plan.filters for part in _UNSEEN)
    if at_most:
        asked, answered = _from_none(asked), _from_none(answered)
    written = sum(load.bytes for load in loads)
    twice = sum(load.bytes for load in loads if load.route is Route.PULL and proof >= ProofLevel.L2)
    read = Between(0 if at_most else written + twice, written + twice)
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
    )


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
        found.append(ContainerSurvey(account, container, objects, size, by_type=types, by_tier=tiers))
    return found


def _apart(one: ContainerSurvey) -> Iterable[Apart]:
    archived = min(one.objects, sum(count for tier, count in one.by_tier.items() if tier.lower() == "archive"))
    if archived:
        size = one.bytes if archived == one.objects else 0
        yield Apart("archived: left out until they are rehydrated at the source", None, archived, size)


def _from_none(some: Requests) -> Requests:
    parts = (some.write, some.list, some.read, some.other)
    return Requests(*(Between(0, part.high) for part in parts))


def expectation_lines(expected: Expected) -> list[str]:
    """For the reader of `govlift plan`."""
    most = "at most " if expected.at_most else ""
    lines = ["", f"Expected of a first copy ({most}{expected.objects:,} objects, {_size(expected.bytes)})"]
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
