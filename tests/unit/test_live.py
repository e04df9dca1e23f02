"""A run as it goes on: pace, time left with its interval, workers; one look, many ways to show it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from flows.lookout import Lookout
from flows.standing import standing, standing_lines
from flows.watching import looks
from flows.wiring import Bench
from mappings.forecast import Sample, pace_over, time_left
from mappings.live import Live, live_to_json, look, samples_of
from mappings.live_lines import one_line, screen
from mappings.objects import Tally
from mappings.pacing import Allowed, Caps, Hours, Timetable
from mappings.plan import CopyShard
from mappings.runs import RunKind, RunRecord, ShardRecord, WorkerRecord
from mappings.states import RunState, ShardState
from tasks.failing import load_causes
from tests.unit.test_console import GOOD

T0 = datetime(2026, 3, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "status.schema.json").read_text("utf-8"))


def steady(rate: float, seconds: int = 100, noise: float = 0.0, seed: int = 1) -> list[Sample]:
    """Looks a second apart at a run of this rate."""
    drawn, done, series = random.Random(seed), 0.0, [Sample(0.0, 0, 0)]
    for second in range(1, seconds + 1):
        done += rate * max(0.0, 1 + noise * drawn.gauss(0, 1))
        series.append(Sample(float(second), round(done), round(done) * 1000))
    return series


def test_the_time_left_follows_the_rate_and_its_interval_the_noise() -> None:
    """Mutation that must fail it: an interval that does not depend on how much the pace varies."""
    calm = time_left(steady(50), objects=5000, bytes=0)
    wild = time_left(steady(50, noise=0.8), objects=5000, bytes=0)
    assert calm is not None and wild is not None
    assert calm.p50 == pytest.approx(100) and calm.p90 == pytest.approx(110), "never narrower than a tenth"
    assert wild.p90 / wild.p50 > calm.p90 / calm.p50


def test_nine_of_ten_runs_end_within_the_interval() -> None:
    """The P90 means what it says, for a pace whose windows vary independently (200 simulated runs)."""
    within = 0
    for seed in range(200):
        whole = steady(50, seconds=400, noise=1.0, seed=seed)
        left = time_left(whole[:101], objects=whole[-1].objects - whole[100].objects, bytes=0)
        assert left is not None
        within += left.p90 >= 300
    assert within >= 170


def test_of_objects_and_bytes_the_slower_decides() -> None:
    both = time_left(steady(50), objects=50, bytes=50 * 1000 * 30)
    assert both is not None and both.p50 == pytest.approx(30)


def test_nothing_is_told_where_nothing_is_known() -> None:
    assert time_left([Sample(0, 0, 0)], objects=1, bytes=0) is None
    assert time_left([Sample(0, 5, 0), Sample(9, 5, 0)], objects=1, bytes=0) is None, "nothing moved"
    done = time_left([Sample(0, 5, 0)], objects=0, bytes=0)
    assert done is not None and done.p90 == 0
    assert pace_over([Sample(3, 1, 1)], 60) is None


def test_the_window_is_the_last_minute_only() -> None:
    series = [Sample(0, 0, 0), Sample(1000, 10, 0), Sample(1030, 40, 3000), Sample(1060, 70, 6000)]
    recent = pace_over(series, 60)
    assert recent is not None and (recent.seconds, recent.objects_per_second) == (60, 1.0)


def shard(number: int, state: ShardState, listed: int = 0, failed: int = 0) -> ShardRecord:
    one = CopyShard("src", "dst", "c", "", None, 100, 1000, number)
    return ShardRecord(
        "r", one, state, 1, Tally(listed=listed, copied=listed - failed, failed=failed, bytes=listed * 10)
    )


def worker(number: int, seen: float, **changes: Any) -> WorkerRecord:
    told = WorkerRecord("r", f"host:{number}@x:0", "host", number, T0, T0 + timedelta(seconds=seen), objects=60,
                        bytes=600, requests=66, in_flight={"dst": 8}, shards=("shard/src/c/00001",))  # fmt: skip
    return replace(told, **changes)


def sight(kind: RunKind = RunKind.MIGRATE) -> Live:
    run = RunRecord("r", kind, "p", RunState.RUNNING, T0, None)
    shards = [shard(0, ShardState.DONE, 90, 2), shard(1, ShardState.LEASED), shard(2, ShardState.PENDING)]
    workers = [worker(1, 98), worker(2, 40), worker(3, 20, ended=T0 + timedelta(seconds=20), objects=10, bytes=100)]
    series = samples_of([(T0 + timedelta(seconds=50), 90, 900)], T0)
    return look(run, shards, workers, series, now=T0 + timedelta(seconds=100))


def test_a_look_adds_up_shards_and_workers() -> None:
    """Mutation that must fail it: taking a silent worker for alive, or its places in flight for taken."""
    live = sight()
    assert (live.objects, live.total_objects, live.failed) == (130, 290, 2)
    assert (live.bytes, live.total_bytes) == (1300, 3000)
    assert [one.state for one in live.workers] == ["alive", "silent", "ended"]
    assert live.in_flight == {"dst": 8}
    assert live.requests_per_object == pytest.approx(198 / 130, abs=1e-3)
    assert live.mean is not None and live.mean.seconds == 98
    assert live.left is not None and live.left.p50 > 0
    assert sight(RunKind.RESYNC).total_bytes is None


def test_a_look_is_a_line_a_screen_and_json_as_documented() -> None:
    told = live_to_json(sight(), load_causes())
    jsonschema.validate(told, SCHEMA | {"$ref": "#/$defs/running", "properties": {}, "required": [],
                                        "additionalProperties": True})  # fmt: skip
    line = one_line(told)
    for part in ("130/290 objects (44.8%)", "1.3 KiB/2.9 KiB", "1 of 3 workers alive", "left (P50 to P90)", "2 failed"):
        assert part in line
    cause = {"title": "Slow", "objects": 2, "shards": 0, "remedy": "Wait."}
    shown = "\n".join(screen(told, [cause]))
    assert "silent, seen 60 s ago" in shown and "do: Wait." in shown and "host:3@x:0" not in shown


def open_shard(owner: str) -> ShardRecord:
    return replace(shard(1, ShardState.LEASED), owner=owner)


def test_what_fails_in_a_shard_that_is_open_is_told_by_cause_and_once() -> None:
    """Mutation that must fail it: adding what a worker said of a shard that has ended since, or that another has now:
    its manifest, or the other worker, tells it too."""
    first, second = "host:1@x:0", "host:2@x:0"
    held = open_shard(first).shard.id
    slow = worker(1, 98, shards=(held, "later"), failing_in={held: {"ServerBusy": 3, "OperationTimedOut": 1, "": 1}})
    run = RunRecord("r", RunKind.MIGRATE, "p", RunState.RUNNING, T0, None)

    def failing(owner: str, *workers: WorkerRecord, state: ShardState = ShardState.LEASED) -> list[dict[str, Any]]:
        shards = [replace(open_shard(owner), state=state)]
        told: list[dict[str, Any]] = live_to_json(look(run, shards, workers, [], now=T0), load_causes())["failing"]
        return told

    told = failing(first, slow)
    table = load_causes()
    assert sum(one["objects"] for one in told) == 5 and told[0]["cause"] == table.of("ServerBusy").id
    assert {code for one in told for code in one["codes"]} == {"ServerBusy", "OperationTimedOut", ""}
    assert failing(second, slow) == [], "another has the shard now"
    assert failing(first, slow, state=ShardState.FAILED) == [], "its manifest tells it"
    both = replace(slow, failing_in={"ended": {"Gone": 9}, **slow.failing_in})
    assert failing(first, both) == told, "of several in hand, those count that are still open"
    shown = "\n".join(screen(live_to_json(look(run, [open_shard(first)], [slow], [], now=T0), table), []))
    assert f"failing in open shards: {told[0]['title']}: {told[0]['objects']}" in shown
    assert f"do: {told[0]['remedy']}" in shown


def test_throttles_are_told_by_account_and_of_workers_that_have_left_too() -> None:
    """Mutation that must fail it: counting those that live only, or one account for all."""
    gone = worker(2, 20, ended=T0 + timedelta(seconds=20), throttles={"a": 5})
    live = sight_with(worker(1, 98, throttles={"a": 2, "b": 1}), gone)
    told = live_to_json(live, load_causes())
    assert told["throttled_by"] == {"a": 7, "b": 1}
    assert "  throttled:   a 7, b 1" in screen(told, [])


NIGHTS = Timetable(Caps(400.0), Hours.parse("20:00-06:00"))
EASTERN = ZoneInfo("America/New_York")
AT_TWO = datetime(2026, 3, 2, 14, 0, tzinfo=EASTERN)


def sight_with(*workers: WorkerRecord, settings: Allowed | None = None) -> Live:
    run = RunRecord("r", RunKind.MIGRATE, "p", RunState.RUNNING, T0, None)
    return look(run, [shard(0, ShardState.LEASED)], workers, [], now=T0 + timedelta(seconds=100), settings=settings)


def test_a_pause_is_told_with_its_reason_and_its_end() -> None:
    """At two in the afternoon a reader sees why nothing moves, and when it goes on.

    Mutation that must fail it: leaving the note out of the line, or telling a time left while nothing moves.
    """
    paused = NIGHTS.allowed_at(AT_TWO)
    told = live_to_json(sight_with(worker(1, 98, allowed=paused, in_flight={"dst": 0})), load_causes())
    jsonschema.validate(told, SCHEMA | {"$ref": "#/$defs/running", "properties": {}, "required": [],
                                        "additionalProperties": True})  # fmt: skip
    assert told["allowed"] == {
        "paused": True,
        "hours": "20:00-06:00",
        "zone": "America/New_York",
        "changes_at": "2026-03-03T01:00:00+00:00",
        "requests_per_second": None,
        "mib_per_second": None,
        "note": "paused: outside of copy.hours 20:00-06:00 (America/New_York); goes on at 2026-03-02 20:00",
    }
    assert told["allowed"]["note"] in one_line(told) and told["allowed"]["note"] in "\n".join(screen(told, []))
    assert "left (P50" not in one_line(told | {"eta": {"p50_seconds": 9, "p90_seconds": 9}})
    assert "in flight:   dst 0\n" in "\n".join(screen(told, []))


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (Timetable(), "round the clock, no cap"),
        (Timetable(Caps(400.0, 2.5 * 1024 * 1024)), "round the clock, at most 400 requests/s and 2.5 MiB/s"),
        (Timetable(Caps(400.0), Hours.parse("08:00-18:00")), "08:00-18:00 (America/New_York), at most 400 requests/s"),
        (replace(NIGHTS, outside=Caps(10.0)), "goes on at 2026-03-02 20:00, with at most 10 requests/s"),
    ],
)
def test_hours_and_caps_in_force_are_shown(table: Timetable, shown: str) -> None:
    """Mutation that must fail it: telling the caps of the hours while those of outside are in force."""
    told = live_to_json(sight_with(worker(1, 98, allowed=table.allowed_at(AT_TWO))), load_causes())
    (line,) = [line for line in screen(told, []) if "allowed:" in line]
    assert line.endswith(shown) and not told["allowed"]["paused"]


def test_what_is_allowed_is_what_living_workers_keep_to() -> None:
    """Mutation that must fail it: believing migration.toml, or a worker that died, more than one that works."""
    paused, free = NIGHTS.allowed_at(AT_TWO), Timetable().allowed_at(AT_TWO)
    assert sight_with(settings=paused).allowed == paused, "nobody has said anything yet"
    assert sight_with(worker(1, 98, allowed=free), settings=paused).allowed == free
    late = worker(2, 98, allowed=paused, started=T0 + timedelta(seconds=50))
    assert sight_with(worker(1, 98, allowed=free), late).allowed == free, "one of them works"
    assert sight_with(worker(1, 40, allowed=free), late).allowed == paused, "the other is silent"
    assert live_to_json(sight_with(worker(1, 98, allowed=free, in_flight={"dst": 0})), load_causes())["in_flight"] == {
        "dst": 0
    }
    resting = screen(live_to_json(sight_with(worker(1, 98, allowed=free, in_flight={"dst": 0})), load_causes()), [])
    assert "  in flight:   dst 0 (the service asked to wait)" in resting


def test_status_is_documented_json_before_during_and_after_a_run(tmp_path: Path) -> None:
    """Mutation that must fail it: a key that the schema does not have, or `running` of a run that ended."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    jsonschema.validate(standing(config), SCHEMA)
    writer, now = Bench(config).ledger.writer, datetime.now(UTC)
    run = writer.begin_run(RunKind.RESYNC, now=now)
    writer.open_shards(run, [CopyShard("src", "dst", "c", "", None, 5, 50, 0)], now=now)
    writer.worker_seen(replace(worker(1, 0), run_id=run, started=now, seen=now))
    during = standing(config)
    jsonschema.validate(during, SCHEMA)
    assert during["running"]["objects"]["total"] == 60 or during["running"]["objects"]["total"] == 5
    assert any("worker host:1@x:0: alive" in line for line in standing_lines(during))
    assert any("allowed:     round the clock, no cap" in line for line in standing_lines(during))
    views = looks(Bench(config), 0.0)
    assert next(views)[0]["run"] == run
    (claim,) = writer.claim(run, owner="host:1@x:0", most=1, lease_seconds=60, now=now)
    failing = replace(
        worker(1, 0),
        run_id=run,
        started=now,
        seen=now,
        shards=(claim.shard.id,),
        failing_in={claim.shard.id: {"Gone": 2}},
    )
    writer.worker_seen(replace(failing, throttles={"dst": 4}))
    open_shards = standing(config)
    jsonschema.validate(open_shards, SCHEMA)
    assert [one["objects"] for one in open_shards["running"]["failing"]] == [2]
    assert open_shards["running"]["throttled_by"] == {"dst": 4}
    lookout = Lookout(Bench(config), run)
    assert lookout.look().top == (load_causes().of("Gone").title, 2)
    writer.fail(claim, reason="src/c: gone (ContainerNotFound).", tally=Tally(), now=now)
    assert next(views)[1][0]["cause"] == "gone"
    aside = lookout.look()
    assert (aside.top, aside.throttles) == ((load_causes().of("ContainerNotFound").title, 1), {"dst": 4})
    writer.end_run(run, RunState.PARTIAL, tally=Tally(), exit_code=4, detail="", now=now)
    assert next(views, None) is None
    after = standing(config)
    jsonschema.validate(after, SCHEMA)
    assert after["running"] is None and after["failures"][0]["shards"] == 1
    assert any("--retry-failed" in line for line in standing_lines(after))
