"""How long a run that goes on will still take: P50 and P90 from its own recent pace and how much that varies. Pure.

time = what is left / mean rate. The interval has two parts: the pace of the windows to come varies as that of the
windows seen, and the mean itself is known from a few windows only. Of objects and bytes the slower one decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

from mappings.estimate import ASSUMED_SPREAD, LEAST_SPREAD, Span

_P90 = 1.2816
"""Standard deviations from the median to the 90th percentile of a normal distribution."""
MOST_WINDOWS = 20
LEAST_WINDOWS = 3
"""Fewer windows tell nothing of how the pace varies."""
RECENT_SECONDS = 900.0
"""What is older says little of the pace to come: other objects, another hour."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a run: counters since it began."""

    at: float
    """Seconds, of any clock."""
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Rates over a time."""

    seconds: float
    objects_per_second: float
    bytes_per_second: float


def pace_over(samples: Sequence[Sample], seconds: float) -> Pace | None:
    """The rates over the last `seconds` that the samples reach back; None where they do not show any time.

    Args:
        samples: ascending in time.
    """
    if len(samples) < 2:
        return None
    last = samples[-1]
    first = next((one for one in samples if one.at >= last.at - seconds), last)
    span = last.at - first.at
    if span <= 0:
        return None
    return Pace(span, (last.objects - first.objects) / span, (last.bytes - first.bytes) / span)


def time_left(samples: Sequence[Sample], *, objects: int, bytes: int) -> Span | None:
    """Seconds until so many objects and bytes more are done; None where the samples do not tell.

    Args:
        samples: ascending in time; only the recent ones count.
        objects: left; 0 for none.
        bytes: left; 0 for none, or where nobody knows.
    """
    if objects <= 0 and bytes <= 0:
        return Span(0.0, 0.0)
    recent = [one for one in samples if one.at >= samples[-1].at - RECENT_SECONDS]
    if len(recent) < 2 or recent[-1].at <= recent[0].at:
        return None
    count = max(1, min(MOST_WINDOWS, len(recent) - 1))
    width = (recent[-1].at - recent[0].at) / count
    edges = [_at(recent, recent[0].at + n * width) for n in range(count + 1)]
    spans = []
    for left, series in ((objects, [e[0] for e in edges]), (bytes, [e[1] for e in edges])):
        if left <= 0:
            continue
        span = _span(left, [(b - a) / width for a, b in pairwise(series)], width)
        if span is None:
            return None
        spans.append(span)
    return Span(max(one.p50 for one in spans), max(one.p90 for one in spans))


def _span(left: int, rates: Sequence[float], width: float) -> Span | None:
    mean = fmean(rates)
    if mean <= 0:
        return None
    seconds = left / mean
    if len(rates) < LEAST_WINDOWS:
        return Span(seconds, seconds * ASSUMED_SPREAD)
    windows = max(1.0, seconds / width)
    spread = stdev(rates) / mean * math.sqrt(1 / len(rates) + 1 / windows)
    return Span(seconds, seconds * max(LEAST_SPREAD, 1 + _P90 * spread))


def _at(samples: Sequence[Sample], moment: float) -> tuple[float, float]:
    """Counters at a moment, on the straight line between the samples around it."""
    before = samples[0]
    for one in samples:
        if one.at >= moment:
            share = (moment - before.at) / (one.at - before.at) if one.at > before.at else 1.0
            return (
                before.objects + share * (one.objects - before.objects),
                before.bytes + share * (one.bytes - before.bytes),
            )
        before = one
    return float(before.objects), float(before.bytes)
