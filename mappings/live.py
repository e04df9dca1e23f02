"""A run that goes on, as one value made from its shards and its workers' signs of life; and as lines and JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mappings.estimate import Span
from mappings.failures import CauseTable, failing_to_json
from mappings.forecast import Pace, Sample, pace_over, time_left
from mappings.pacing import Allowed
from mappings.runs import RunKind, RunRecord, ShardRecord, WorkerRecord
from mappings.states import ShardState

MIB = 1024 * 1024
WINDOW_SECONDS = 60.0
SILENT_SECONDS = 15.0
"""A worker that was not seen for so long is called silent; each gives a sign of life every few seconds."""
_SETTLED = (ShardState.DONE, ShardState.FAILED)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process as a reader sees it."""

    owner: str
    state: str
    """"alive", "silent" or "ended"."""
    seen_seconds_ago: float
    objects: int
    bytes: int
    failed: int
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """One look at a run."""

    run: str
    kind: str
    seconds: float
    """Since it began."""
    objects: int
    bytes: int
    """That reached the target."""
    failed: int
    throttled: int
    requests: int
    total_objects: int
    total_bytes: int | None
    """None where nobody knows before it has looked (a re-sync)."""
    window: Pace | None
    """Over the last minute."""
    mean: Pace | None
    """Over the time in which workers worked."""
    requests_per_object: float | None
    in_flight: Mapping[str, int]
    """Target account -> objects in flight that its pace allows, over all workers that live."""
    workers: tuple[Worker, ...]
    shards: Mapping[str, int]
    left: Span | None
    """Seconds, P50 and P90; None while nothing tells."""
    allowed: Allowed
    """Hours and caps that hold now."""
    failing: Mapping[str, int]
    """Code -> objects that have failed in shards that are open; those of other shards stand in their manifests."""
    throttles: Mapping[str, int]
    """Target account -> answers that asked to slow down."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What the leader of a run tells of it besides its counters."""

    in_flight: Mapping[str, int] = field(default_factory=dict)
    """As in `Live`."""
    throttles: Mapping[str, int] = field(default_factory=dict)
    top: tuple[str, int] = ("", 0)
    """The most frequent cause of failures, and how many objects and key ranges it has; "" for none."""
    allowed: Allowed | None = None
    """Hours and caps that hold now, None where no worker has said."""


def look(
    run: RunRecord,
    shards: Sequence[ShardRecord],
    workers: Sequence[WorkerRecord],
    samples: Sequence[Sample],
    *,
    now: datetime,
    settings: Allowed | None = None,
) -> Live:
    """What is known of a run now.

    Args:
        run: it.
        shards: its shards.
        workers: the signs of life of all its worker processes, past ones too.
        samples: earlier looks at it (`sample_of`) or its finished shards, ascending; at least the rates rest on them.
        now: the time.
        settings: what `[copy]` allows now; told while no worker that lives has said what it keeps to.
    """
    here = sample_of(shards, workers, now=now)
    series = [*(one for one in samples if one.at < here.at), here]
    resync = run.kind is RunKind.RESYNC
    total_objects = max(here.objects, sum(_expected(record) for record in shards))
    total_bytes = None if resync else max(here.bytes, sum(record.shard.bytes for record in shards))
    requests = sum(worker.requests for worker in workers)
    counted = sum(worker.objects for worker in workers)
    return Live(
        run=run.id,
        kind=run.kind.value,
        seconds=(now - run.started).total_seconds(),
        objects=here.objects,
        bytes=here.bytes,
        failed=max(sum(worker.failed for worker in workers), sum(record.tally.failed for record in shards)),
        throttled=sum(worker.throttled for worker in workers),
        requests=requests,
        total_objects=total_objects,
        total_bytes=total_bytes,
        window=pace_over(series, WINDOW_SECONDS),
        mean=_mean(workers, now),
        requests_per_object=round(requests / counted, 3) if counted and requests else None,
        in_flight=in_flight(workers, now),
        workers=tuple(_worker(worker, now) for worker in sorted(workers, key=lambda one: (one.started, one.owner))),
        shards={state.value: sum(record.state is state for record in shards) for state in ShardState},
        left=time_left(
            series,
            objects=total_objects - here.objects,
            bytes=0 if total_bytes is None else total_bytes - here.bytes,
        ),
        allowed=allowed_now(workers, now) or settings or Allowed(),
        failing=failing_now(workers, {one.shard.id: one.owner for one in shards if one.state is ShardState.LEASED}),
        throttles=throttles(workers),
    )


def in_flight(workers: Iterable[WorkerRecord], now: datetime) -> dict[str, int]:
    """Target account -> objects in flight that its pace allows, over all workers that live."""
    found: Counter[str] = Counter()
    for worker in workers:
        if _state(worker, now) == "alive":
            found.update(worker.in_flight)
    return dict(sorted(found.items()))


def throttles(workers: Iterable[WorkerRecord]) -> dict[str, int]:
    """Target account -> answers that asked to slow down, over all workers that there were."""
    found: Counter[str] = Counter()
    for worker in workers:
        found.update(worker.throttles)
    return dict(sorted(found.items()))


def failing_now(workers: Iterable[WorkerRecord], leased: Mapping[str, str]) -> dict[str, int]:
    """Code -> objects that have failed in shards that are open.

    Args:
        leased: shards that somebody holds -> who. What a worker says of a shard that has ended since, or that another
            has now, is passed over: the manifest tells it, or the other finds it again.
    """
    found: Counter[str] = Counter()
    for worker in workers:
        for shard, codes in worker.failing_in.items():
            if leased.get(shard) == worker.owner:
                found.update(codes)
    return dict(sorted(found.items()))


def allowed_now(workers: Sequence[WorkerRecord], now: datetime) -> Allowed | None:
    """What the workers that live keep to. Each keeps to the settings that it was started with: the run pauses only
    where all of them do, and of several the one that was started last tells."""
    told = [one for one in workers if one.allowed is not None and _state(one, now) == "alive"]
    newest = max(told, key=lambda one: (not (one.allowed and one.allowed.paused), one.started), default=None)
    return newest.allowed if newest else None


def _expected(record: ShardRecord) -> int:
    """Objects of a shard: counted where it was worked through, else as surveyed."""
    return record.tally.listed if record.state in _SETTLED and record.tally.listed else record.shard.objects


def sample_of(shards: Sequence[ShardRecord], workers: Iterable[WorkerRecord], *, now: datetime) -> Sample:
    """The counters of a run now. What settled shards say is exact; workers also know of shards under way.

    A worker's counters hold what it did twice, too, so they never count beyond what the shards can hold.
    """
    settled = [record for record in shards if record.state in _SETTLED]
    done = sum(record.tally.listed for record in settled)
    moved = sum(record.tally.bytes for record in settled)
    by_workers = [(worker.objects, worker.bytes) for worker in workers]
    most = sum(_expected(record) for record in shards)
    objects = max(done, min(most, sum(one[0] for one in by_workers)))
    return Sample(now.timestamp(), objects, max(moved, sum(one[1] for one in by_workers)))


def samples_of(ends: Iterable[tuple[datetime, int, int]], begun: datetime) -> list[Sample]:
    """Looks at a run after the fact, from its finished shards.

    Args:
        ends: (when, objects, bytes) of each, in any order.
        begun: when the run began.
    """
    samples = [Sample(begun.timestamp(), 0, 0)]
    for when, objects, size in sorted(ends):
        last = samples[-1]
        samples.append(Sample(when.timestamp(), last.objects + objects, last.bytes + size))
    return samples


def _mean(workers: Sequence[WorkerRecord], now: datetime) -> Pace | None:
    """Rates over the time in which at least one worker worked."""
    seconds, until = 0.0, 0.0
    for begin, end in sorted((one.started.timestamp(), min(now, one.ended or one.seen).timestamp()) for one in workers):
        seconds += max(0.0, end - max(begin, until))
        until = max(until, end)
    if seconds <= 0:
        return None
    objects, size = sum(one.objects for one in workers), sum(one.bytes for one in workers)
    return Pace(seconds, objects / seconds, size / seconds)


def _state(worker: WorkerRecord, now: datetime) -> str:
    if worker.ended is not None:
        return "ended"
    return "alive" if (now - worker.seen).total_seconds() <= SILENT_SECONDS else "silent"


def _worker(worker: WorkerRecord, now: datetime) -> Worker:
    ago = max(0.0, (now - worker.seen).total_seconds())
    state = _state(worker, now)
    return Worker(worker.owner, state, round(ago, 1), worker.objects, worker.bytes, worker.failed, tuple(worker.shards))


def live_to_json(live: Live, causes: CauseTable) -> dict[str, Any]:
    """As `running` of `status --json` (docs/status.schema.json)."""
    return {
        "run": live.run,
        "kind": live.kind,
        "seconds": round(live.seconds, 1),
        "objects": {"done": live.objects, "total": live.total_objects, "failed": live.failed},
        "bytes": {"done": live.bytes, "total": live.total_bytes},
        "throttled": live.throttled,
        "requests": live.requests,
        "requests_per_object": live.requests_per_object,
        "window": _pace_to_json(live.window),
        "mean": _pace_to_json(live.mean),
        "in_flight": dict(live.in_flight),
        "shards": dict(live.shards),
        "workers": [
            {
                "owner": one.owner,
                "state": one.state,
                "seen_seconds_ago": one.seen_seconds_ago,
                "objects": one.objects,
                "bytes": one.bytes,
                "failed": one.failed,
                "shards": list(one.shards),
            }
            for one in live.workers
        ],
        "eta": {"p50_seconds": round(live.left.p50), "p90_seconds": round(live.left.p90)} if live.left else None,
        "allowed": allowed_to_json(live.allowed),
        "failing": failing_to_json(live.failing, causes),
        "throttled_by": dict(live.throttles),
    }


def allowed_to_json(allowed: Allowed) -> dict[str, Any]:
    """Hours and caps as `status --json` has them; null is no window, or no cap."""
    return {
        "paused": allowed.paused,
        "hours": allowed.hours or None,
        "zone": allowed.zone or None,
        "changes_at": allowed.changes.isoformat(timespec="seconds") if allowed.changes else None,
        "requests_per_second": allowed.caps.requests_per_second or None,
        "mib_per_second": round(allowed.caps.bytes_per_second / MIB, 3) or None,
        "note": allowed.note,
    }


def _pace_to_json(pace: Pace | None) -> dict[str, float] | None:
    if pace is None:
        return None
    return {
        "seconds": round(pace.seconds, 1),
        "objects_per_second": round(pace.objects_per_second, 2),
        "mib_per_second": round(pace.bytes_per_second / MIB, 3),
    }
