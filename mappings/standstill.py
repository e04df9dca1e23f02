"""When a shard stands still, or a worker process hangs, and what becomes of it then.

Pure; `tasks.standstill` looks after shards, and `flows.crew` after processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

LIMIT_SECONDS = 900.0
"""So long nothing may move. Every request has a time-out far below it, so this is a hang and no slow service."""
LOOK_SECONDS = 10.0
"""Between two looks."""
MOST_TIMES = 3
"""Times that one run gives a shard up and takes it again; the last one fails it by name."""
CODE = "StoodStill"
SILENT_SECONDS = 360.0
"""So long a worker process may give no sign of life to whoever started it: three times a lease, so that its shards have
long been free to others."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One look at a shard that is worked on."""

    at: float
    """Seconds by a clock that only goes forward."""
    counts: tuple[int, ...]
    """Counters that move while anything does: objects, bytes, failures, requests, answers that asked to slow down."""
    held: bool = False
    """Whether it may stand still: outside of the hours, at rest as the service asked, or waiting for its share of a
    cap."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """How long nothing has moved, as of the last look."""

    last: Sign | None = None
    seconds: float = 0.0


def after(still: Stillness, sign: Sign) -> Stillness:
    """The stillness at a further look.

    Two looks that lie far apart say that the looking itself was held up (a busy or suspended machine), so no gap counts
    for more than two ordinary ones.
    """
    before = still.last
    if before is None or before.held or sign.held or sign.counts != before.counts:
        return Stillness(sign)
    return Stillness(sign, still.seconds + min(sign.at - before.at, 2 * LOOK_SECONDS))


def is_over(still: Stillness, limit: float = LIMIT_SECONDS) -> bool:
    """Whether the shard is to be given up."""
    return still.seconds >= limit


def is_taken_again(times: int) -> bool:
    """Whether a shard that has stood still so many times in this run is free to be claimed again."""
    return times < MOST_TIMES


def after_signs(
    before: Mapping[int, Stillness], seen: Mapping[int, datetime | None], at: float
) -> dict[int, Stillness]:
    """The silence of each worker process at a further look at what the ledger has of them.

    It is counted by whoever looks, not by the times in the signs: while the machine sleeps, or the looking is held up,
    nobody is silent.

    Args:
        before: process id -> its silence at the look before; processes that are new are not in it.
        seen: process id -> its last sign of life, None where it has given none yet.
        at: seconds, as in `Sign`.
    """
    return {
        pid: after(before.get(pid, Stillness()), Sign(at, (0 if sign is None else int(sign.timestamp() * 1e6),)))
        for pid, sign in seen.items()
    }
