"""Whether a cutover may begin: a pure decision over what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition that somebody or some run must have met."""

    name: str
    passed: bool
    detail: str = ""
    """Who, what or how much is missing, in one sentence."""


@dataclass(frozen=True, slots=True)
class CutoverDecision:
    """Whether to cut over; `reasons` is empty only where `allowed`."""

    allowed: bool
    reasons: tuple[str, ...]


NOT_YET = "This version of govlift does not freeze a source or switch its clients, so it refuses every cutover."


def decide_cutover(*, lag: timedelta | None, most_lag: timedelta, gates: Sequence[Gate]) -> CutoverDecision:
    """Refuses, and says everything that stands in the way.

    Args:
        lag: now minus the oldest source change that the target does not have; None where it was never measured.
        most_lag: how much of it the customer accepts at the freeze.
        gates: conditions, in the order in which they are to be read.
    """
    reasons: list[str] = []
    if lag is None:
        reasons.append("The lag is unknown: no re-sync has completed. Run `govlift resync --apply`.")
    elif lag > most_lag:
        reasons.append(f"The target lags {_spoken(lag)} behind the source; at most {_spoken(most_lag)} is accepted.")
    for gate in gates:
        if not gate.passed:
            reasons.append(f"{gate.name}: {gate.detail}" if gate.detail else f"{gate.name}: not met.")
    reasons.append(NOT_YET)
    return CutoverDecision(allowed=False, reasons=tuple(reasons))


def _spoken(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if count]
    return " ".join(parts) or "0 s"
