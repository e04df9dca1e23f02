"""How long the copy takes: P50 and P90 in seconds, with every input that the number rests on.

time = max(bytes / bandwidth, objects / rate) * (1 + retried). Large objects are limited by bandwidth, many small ones
by requests; both run at once, so the slower one decides. P90 multiplies by a spread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, stdev

from mappings.runs import RunKind, RunRecord
from mappings.settings import Pace

MIB = 1024 * 1024
_COPYING = frozenset({RunKind.MIGRATE, RunKind.RESYNC})

RETRIED = 0.05
"""Share of the work that is done twice, where no run tells: one in twenty."""
ASSUMED_SPREAD = 1.6
"""P90 over P50 where no three runs were measured. Throttling and shared lines slow a copy down far more often than they
speed it up; a factor of 1.6 lets a third of the bandwidth be missing for the whole time."""
LEAST_SPREAD = 1.1
"""Three runs on three quiet nights say little of a bad one."""
_P90 = 1.2816
"""Standard deviations from the median to the 90th percentile of a normal distribution."""
ENOUGH_RUNS = 3
LEAST_SECONDS = 60.0
LEAST_BYTES = 1024 * MIB
LEAST_OBJECTS = 10_000
"""A run below these is over before it has found its pace, and tells nothing about a large one."""

LISTED_PER_SECOND = 2_000.0
"""Objects listed and compared in a second at the last delta and at the final check: pages of 5,000, a page in 2.5 s."""
DNS_TTL_SECONDS = 3_600
"""Time to live of the records that applications are found by, where the customer has not lowered it."""
START_SECONDS = 900
"""Time for the applications to start in the target and to be looked at."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What the copy is reckoned with."""

    bytes_per_second: float
    objects_per_second: float
    retried: float
    spread: float
    """P90 = P50 times this."""
    hours_per_day: float
    churn_per_day: float
    """Share of the data that changes in a day."""
    bandwidth_from: str
    """Where each input comes from, for a reader."""
    objects_from: str
    spread_from: str


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds of work."""

    p50: float
    p90: float

    def __add__(self, other: Span) -> Span:
        return Span(self.p50 + other.p50, self.p90 + other.p90)


NO_TIME = Span(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Cutover:
    """How long applications are down at a cutover, and whether the deltas before it catch up."""

    last_delta: Span
    verify: Span
    dns_seconds: int
    start_seconds: int
    catches_up: bool
    """False where a day's changes take longer to copy than a day's window has."""

    @property
    def downtime(self) -> Span:
        fixed = float(self.dns_seconds + self.start_seconds)
        return self.last_delta + self.verify + Span(fixed, fixed)


def rates_of(pace: Pace, runs: Sequence[RunRecord]) -> Rates:
    """What to reckon with: measured by own runs where they are large enough, else as the settings assume.

    A run tells only of the limit that it ran into: one whose bytes would have taken longer than its objects (at the
    assumed rates) tells of the bandwidth, any other of the object rate.
    """
    bandwidths, paces = [], []
    for run in runs:
        seconds = (run.finished - run.started).total_seconds() if run.finished else 0.0
        moved = run.tally.copied
        if run.kind not in _COPYING or seconds < LEAST_SECONDS:
            continue
        if run.tally.bytes < LEAST_BYTES and moved < LEAST_OBJECTS:
            continue
        by_bytes = run.tally.bytes / (pace.mib_per_second * MIB)
        if by_bytes >= moved / pace.objects_per_second:
            bandwidths.append(run.tally.bytes / seconds)
        else:
            paces.append(moved / seconds)
    spread, spread_from = _spread(bandwidths, paces)
    assumed = "assumed: [pace] of the settings, or its default"
    return Rates(
        bytes_per_second=median(bandwidths) if bandwidths else pace.mib_per_second * MIB,
        objects_per_second=median(paces) if paces else pace.objects_per_second,
        retried=RETRIED,
        spread=spread,
        hours_per_day=pace.hours_per_day,
        churn_per_day=pace.churn_per_day,
        bandwidth_from=_measured(len(bandwidths)) if bandwidths else assumed,
        objects_from=_measured(len(paces)) if paces else assumed,
        spread_from=spread_from,
    )


def copy_span(size: int, objects: int, rates: Rates) -> Span:
    """Seconds of copying for so many bytes in so many objects."""
    seconds = max(size / rates.bytes_per_second, objects / rates.objects_per_second) * (1 + rates.retried)
    return Span(seconds, seconds * rates.spread)


def together(sizes: Iterable[tuple[int, int]], rates: Rates) -> Span:
    """Seconds for several copies that share the line: large and small objects travel at once."""
    pairs = list(sizes)
    return copy_span(sum(size for size, _ in pairs), sum(number for _, number in pairs), rates)


def days_of(seconds: float, hours_per_day: float) -> float:
    """Days that so many seconds of work take in a daily window of so many hours."""
    return seconds / (hours_per_day * 3600)


def cutover_of(size: int, objects: int, rates: Rates) -> Cutover:
    """The downtime of a cutover of so much data: last delta, final check, names, start.

    The last delta is taken a day after the one before it. Every object has to be listed and compared once for the delta
    and once more for the final check; without a change feed there is no other way to know what changed.
    """
    churned = copy_span(math.ceil(size * rates.churn_per_day), math.ceil(objects * rates.churn_per_day), rates)
    listing = objects / LISTED_PER_SECOND
    look = Span(listing, listing * rates.spread)
    window = rates.hours_per_day * 3600
    return Cutover(
        last_delta=churned + look,
        verify=look,
        dns_seconds=DNS_TTL_SECONDS,
        start_seconds=START_SECONDS,
        catches_up=(churned + look).p90 < window,
    )


def _spread(bandwidths: Sequence[float], paces: Sequence[float]) -> tuple[float, str]:
    """From how far measured runs lie apart; of the two series the one that varies more."""
    measured = [
        math.exp(_P90 * stdev(math.log(value) for value in series))
        for series in (bandwidths, paces)
        if len(series) >= ENOUGH_RUNS
    ]
    if not measured:
        return ASSUMED_SPREAD, f"assumed, since fewer than {ENOUGH_RUNS} runs of this migration were large enough"
    number = max(len(bandwidths), len(paces))
    return max(LEAST_SPREAD, *measured), f"spread of {number} runs of this migration, at least {LEAST_SPREAD}"


def _measured(number: int) -> str:
    return f"measured: median of {number} {'run' if number == 1 else 'runs'} of this migration"
