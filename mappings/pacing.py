"""How much may be in flight at one account: a controller as a pure function of what was seen, and hours of the day.

Additive increase while the time per object stays flat, multiplicative decrease where the service throttles. Sources:
"Scalability and performance targets for standard storage accounts" (requests a second of an account: 40,000 in listed
regions, USGov Virginia and USGov Arizona among them, else 20,000), "Scalability targets for Blob storage" (one blob
500 requests a second, one page blob 60 MiB a second); checked 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

MIB = 1024 * 1024
ACCOUNT_REQUESTS = 20_000.0
"""Requests a second that every account takes; more only in listed regions, so more is left to the service's answers."""
BLOB_REQUESTS = 500.0
"""Requests a second to one blob."""
PAGE_BLOB_BYTES = 60.0 * MIB
"""Bytes a second to or from one page blob."""

START = 16
"""Objects in flight before anything was seen."""
AUTO = 1024
"""The most where the settings leave it to govlift."""
SHORTEST_ROUND = 0.02
"""Seconds of one round at least; over less, a rate is chance."""
_STEP = 4
"""Objects that one clean round adds."""
_CUT = 0.7
"""What is left of the limit after a complaint; the first one, which ends the doubling, leaves half."""
_FAULTY = 0.01
"""Share of requests that may be refused by chance, whatever the load: each is retried by itself."""
FEWEST = 32
"""Objects of one round at least; of fewer, a share is chance."""
_FLAT = 1.5
"""Time per object over the shortest seen lately, up to which it counts as flat."""
_WORTH = 1.6
"""Time per object over that of the last round up to which twice as many at once are worth it: a quarter more done."""
_TWICE, _MORE = 0.35, 0.9
"""Shares of the time in which the event loop was at work itself, up to which it surely has time for twice as many at
once, on processors that it shares, and for any more at all. Beyond, more would only open connections."""
_FORGOTTEN = 60.0
"""Seconds in which the shortest time counts twice as long, because small objects may have been followed by large."""
_BELOW_EDGE = 0.9
_EDGE_FORGOTTEN = 30.0
"""Seconds without a complaint after which the place where the service complained last counts no more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the controller may choose from."""

    most: int = AUTO
    least: int = 1
    objects_per_second: float = ACCOUNT_REQUESTS
    """Objects a second that are not to be passed, of this process's share of the account; an object is one request."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen while as many objects ended as were in flight when it began."""

    seconds: float
    finished: int
    took: float
    """Seconds per object: how long it was until all that was in flight had ended, in number."""
    throttled: int
    """Answers that asked to slow down."""
    full: bool
    """Whether an object had to wait for a place; only then does the limit say anything."""
    busy: float = 0.0
    """Share of the time in which the event loop itself was at work, 0 to 1; the rest of it waited for answers."""


@dataclass(frozen=True, slots=True)
class PaceState:
    """The controller between two rounds."""

    limit: int
    doubling: bool = True
    """Until the first complaint, or the first doubling that was not worth it or finds no time: twice as much each
    round."""
    shortest: float = 0.0
    """Seconds per object, the shortest seen lately; 0 before anything was seen."""
    last: float = 0.0
    """Seconds per object in the round before; 0 before the first one."""
    edge: int = 0
    """Limit at which the service complained last; 0 where it never did, or long ago."""
    edge_age: float = 0.0
    """Seconds since then."""

    @property
    def rate_hint(self) -> float:
        """Seconds that one object takes, as a guess for timers."""
        return self.shortest or 0.1


def first_state(bounds: Bounds) -> PaceState:
    """Before anything was seen."""
    return PaceState(limit=max(bounds.least, min(START, bounds.most)))


def by_chance(requests: int) -> float:
    """How many of so many requests are refused, at most, by a service that faults one in a hundred by chance."""
    mean = _FAULTY * requests
    return float(1 + mean + 3 * mean**0.5)


def too_many(throttled: int, finished: int, limit: int) -> bool:
    """Whether that many throttled answers, beside that many finished objects, ask for a lower limit at once."""
    return throttled > 2 * by_chance(max(limit, finished, FEWEST))


def after_complaint(state: PaceState, bounds: Bounds) -> PaceState:
    """The service throttles: less by half at first, later by a third, and never again in doublings."""
    share = 0.5 if state.doubling else _CUT
    return replace(
        state,
        limit=max(bounds.least, int(state.limit * share)),
        doubling=False,
        edge=state.limit,
        edge_age=0.0,
    )


def after_round(state: PaceState, seen: Round, bounds: Bounds) -> PaceState:
    """The limit for the next round.

    Args:
        seen: a round whose complaints, if any, were few (`too_many` is False).
    """
    state = _aged(state, seen.seconds)
    if not seen.full or not seen.finished:
        return state
    took, lately = seen.took, state.shortest * 2 ** (seen.seconds / _FORGOTTEN)
    shortest = min(took, lately) if lately else took
    flat = took <= _FLAT * shortest or bool(seen.throttled)  # Waiting between retries is no sign of a slow service.
    worth = not state.last or took <= _WORTH * state.last or bool(seen.throttled)
    state = replace(state, shortest=shortest, last=took)
    if seen.throttled > by_chance(seen.finished):
        wanted = int(state.limit * _BELOW_EDGE)
        state = replace(state, doubling=False, edge=state.limit, edge_age=0.0)
    elif seen.finished / seen.seconds > bounds.objects_per_second:
        wanted = int(bounds.objects_per_second * took)
        state = replace(state, doubling=False)
    elif state.doubling and seen.busy <= _TWICE:
        wanted = state.limit * 2 if worth else max(START, int(state.limit * 0.75))
        state = replace(state, doubling=worth)
    elif seen.busy > _MORE or state.doubling:
        wanted = state.limit
        state = replace(state, doubling=False)
    elif not flat and state.limit >= START:
        wanted = state.limit
    else:
        wanted = state.limit + _growth(state)
    return replace(state, limit=max(bounds.least, min(wanted, bounds.most)))


def _growth(state: PaceState) -> int:
    """Fast back to just below the edge, then one by one across it."""
    if not state.edge:
        return _STEP
    ceiling = int(state.edge * _BELOW_EDGE)
    if state.limit < ceiling:
        return max(1, (ceiling - state.limit) // 4)
    return 0


def _aged(state: PaceState, seconds: float) -> PaceState:
    if not state.edge:
        return state
    age = state.edge_age + seconds
    return replace(state, edge=0, edge_age=0.0) if age > _EDGE_FORGOTTEN else replace(state, edge_age=age)


# --- hours ------------------------------------------------------------------------------------------------------------

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """A daily window by the clock on the wall; it may run over midnight."""

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read "20:00-06:00".

        Raises:
            ValueError: of another form, or begin and end are the same.
        """
        found = _HOURS.fullmatch(text.strip())
        if found is None:
            raise ValueError(f'"{text}" is no window of hours; one is "20:00-06:00"')
        one, two, three, four = (int(part) for part in found.groups())
        if (one, two) == (three, four):
            raise ValueError(f'"{text}" begins when it ends; leave hours out to work round the clock')
        return cls(time(one, two), time(three, four))

    def holds(self, local: datetime) -> bool:
        """Whether `local` (with the zone that the window is meant in) lies in the window."""
        clock = local.time().replace(tzinfo=None)
        if self.begin < self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end

    def changes_after(self, local: datetime) -> datetime:
        """The next moment at which the window opens or closes, in UTC.

        On the day on which clocks are set forward an edge inside the missing hour comes when that hour is over.
        """
        edges = [
            datetime.combine(local.date() + timedelta(days=day), edge, tzinfo=local.tzinfo).astimezone(UTC)
            for day in (0, 1)
            for edge in (self.begin, self.end)
        ]
        return min(edge for edge in edges if edge > local.astimezone(UTC))

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True)
class Caps:
    """What all workers of a run together may do; 0 is no limit."""

    requests_per_second: float = 0.0
    bytes_per_second: float = 0.0

    @property
    def any(self) -> bool:
        return bool(self.requests_per_second or self.bytes_per_second)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a worker may do at a moment, and until when."""

    caps: Caps = Caps()
    """In force now, over all workers; none where it pauses."""
    paused: bool = False
    """Whether nothing begins, because it is outside of the hours."""
    hours: str = ""
    """Daily window of the run, e.g. "20:00-06:00"; "" is round the clock."""
    zone: str = ""
    """Time zone of the hours."""
    changes: datetime | None = None
    """When the window opens or closes next, in UTC; None round the clock."""
    note: str = ""
    """Why the run pauses or goes slower, for a reader; "" where it does not."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """What is allowed when."""

    inside: Caps = Caps()
    hours: Hours | None = None
    """None is round the clock."""
    outside: Caps | None = None
    """Outside of the hours; None pauses."""

    def caps_at(self, local: datetime) -> Caps | None:
        """The caps in force at `local`; None where the run pauses."""
        return self.inside if self.hours is None or self.hours.holds(local) else self.outside

    def allowed_at(self, local: datetime) -> Allowed:
        """All that holds at `local`."""
        caps = self.caps_at(local)
        if self.hours is None:
            return Allowed(caps or Caps())
        return Allowed(
            caps=caps or Caps(),
            paused=caps is None,
            hours=str(self.hours),
            zone=str(local.tzinfo),
            changes=self.hours.changes_after(local),
            note=self.told_at(local),
        )

    def told_at(self, local: datetime) -> str:
        """What holds at `local`, for `status` and the log; "" inside the hours."""
        if self.hours is None or self.hours.holds(local):
            return ""
        again = self.hours.changes_after(local).astimezone(local.tzinfo)
        what = "paused" if self.outside is None else "slowed down to the caps of outside hours"
        return f"{what}: outside of copy.hours {self.hours} ({local.tzinfo}); goes on at {again:%Y-%m-%d %H:%M}"
