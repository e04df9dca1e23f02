"""The pace: against simulated services, by the clock of the test; caps, hours, and what a throttled object costs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mappings.pacing import START, Bounds, Caps, Hours, PaceState, Round, Timetable, after_round
from tasks.copiers.allowance import Allowance, of_one_blob
from tasks.copiers.pace import Pace, PaceBook


@dataclass
class Service:
    """Takes `edge` objects at once in `seconds` each; what comes beyond is refused and tried again by the client."""

    edge: int = 10_000
    seconds: float = 0.04
    workers: int = 10_000
    """Objects that are worked on at once; more wait for each other, so everything takes longer."""
    chance: float = 0.0
    """Share of requests that are refused whatever the load."""
    own: float = 0.0
    """Seconds that the event loop itself works for each object."""
    now: float = 0.0
    served: int = 0
    refused: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)
    inside: int = 0
    events: list[tuple[float, int, int]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=itertools.count)
    draw: random.Random = field(default_factory=lambda: random.Random(7))

    def run(self, pace: Pace, until: float) -> None:
        """An engine that always has another object, until the clock says `until`."""
        draw, order, events, tries = self.draw, self.order, self.events, [0.2, 0.4, 0.8, 1.6]

        def ask(attempt: int) -> None:
            if self.inside >= self.edge or draw.random() < self.chance:
                self.refused += 1
                pace.slow()
                later = tries[min(attempt, 3)] * (0.5 + draw.random() / 2)
                heapq.heappush(events, (self.now + later, next(order), attempt + 1))
                return
            self.inside += 1
            took = self.seconds * max(1.0, self.inside / self.workers) * (0.9 + draw.random() / 5)
            heapq.heappush(events, (self.now + took, next(order), -1))

        while self.now < until:
            while pace.try_enter():
                ask(0)
            self.now, _, attempt = heapq.heappop(events)
            if attempt >= 0:
                ask(attempt)
            else:
                self.inside -= 1
                self.served += 1
                pace.leave()
                self.limits.append((self.now, pace.limit))


def simulated(service: Service, most: int = 512, **bounds: float) -> Pace:
    bounded = Bounds(most=most, **bounds)  # type: ignore[arg-type]
    return Pace("account", bounded, clock=lambda: service.now, work=lambda: service.own * service.served)


def test_it_grows_to_the_maximum_where_nothing_complains() -> None:
    """Breaks when growth is too slow for a run of seconds: 10,000 small objects at 40 ms are over in two."""
    service = Service()
    pace = simulated(service)
    service.run(pace, 1.0)
    assert pace.limit == 512
    reached = next(at for at, limit in service.limits if limit == 512)
    assert reached < 0.5
    assert service.served > 8_000


@pytest.mark.slow
@pytest.mark.parametrize("edge", [8, 100, 300])
def test_it_converges_below_the_edge_of_a_service_that_throttles(edge: int) -> None:
    """Breaks when it oscillates across the edge, hammers it, or stays far below it."""
    service = Service(edge=edge)
    pace = simulated(service)
    service.run(pace, 10.0)
    served, refused = service.served, service.refused
    service.limits.clear()
    service.run(pace, 40.0)
    calm = [limit for _, limit in service.limits]
    # Objects that wait for their next try are in flight too, so the limit may lie a little above.
    assert sum(limit <= 1.1 * edge + 6 for limit in calm) / len(calm) > 0.9
    assert (service.refused - refused) / (service.served - served) < 0.03
    assert (service.served - served) / 30 > 0.7 * edge / service.seconds


@pytest.mark.slow
def test_it_recovers_when_the_service_does() -> None:
    """Breaks when throttling once is throttling for good."""
    service = Service(edge=20)
    pace = simulated(service)
    service.run(pace, 10.0)
    assert pace.limit <= 25
    service.edge = 10_000
    service.run(pace, 60.0)
    assert pace.limit > 200


def test_faults_by_chance_are_no_throttling() -> None:
    """Breaks when one request in a hundred that fails drives the limit down: the run would take many times as long."""
    clean, faulty = Service(), Service(chance=0.01)
    for service in (clean, faulty):
        service.run(simulated(service), 10.0)
    assert faulty.served > 0.6 * clean.served
    assert sum(limit >= 256 for _, limit in faulty.limits) / len(faulty.limits) > 0.9


def test_it_does_not_grow_where_more_in_flight_only_waits_longer() -> None:
    """Breaks when the time per object is not looked at."""
    service = Service(workers=64)
    pace = simulated(service)
    service.run(pace, 3.0)
    assert pace.limit <= 2 * 64


@pytest.mark.parametrize("seconds", [0.001, 0.04])
def test_it_opens_no_more_than_the_event_loop_has_time_for(seconds: float) -> None:
    """Breaks when it doubles while its own process is the bottleneck, which shows in no time per object: what comes of
    it is connections, each as dear as ten objects. Breaks, too, when a distant service is left half idle."""
    service = Service(seconds=seconds, own=0.0001)
    pace = simulated(service)
    service.run(pace, 1.0)
    keeps_busy = seconds / service.own
    assert pace.limit <= max(START, keeps_busy)
    assert pace.limit >= min(START, keeps_busy / 2)
    assert pace.limit > 0.3 * keeps_busy


def test_a_loop_without_any_time_left_grows_by_no_step() -> None:
    state = PaceState(limit=100, doubling=False)
    rounds = {busy: Round(1.0, 200, 0.1, 0, True, busy) for busy in (0.0, 0.5, 0.95)}
    assert [after_round(state, seen, Bounds()).limit for seen in rounds.values()] == [104, 104, 100]


def test_who_gives_a_place_back_unused_says_nothing_about_the_service() -> None:
    """Breaks when objects that were handed on at once count as the quickest ever seen: nothing is flat beside them."""
    seconds = [0.0]
    pace = Pace("a", Bounds(most=512), clock=lambda: seconds[0], work=lambda: 0.0)
    for _ in range(START):
        assert pace.try_enter()
        pace.withdraw()
    assert pace.busy == 0
    for _ in range(12):
        entered = 0
        while pace.try_enter():
            entered += 1
        seconds[0] += 0.04
        for _ in range(entered):
            pace.leave()
    assert pace.limit == 512


def test_those_that_open_connections_first_say_nothing_about_the_limit() -> None:
    """Breaks when the first objects after a growth, which wait for a handshake, end the doubling."""
    seconds, known = [0.0], START
    pace = Pace("a", Bounds(most=512), clock=lambda: seconds[0], work=lambda: 0.0)
    for _ in range(16):
        entered = 0
        while pace.try_enter():
            entered += 1
        seconds[0] += 0.04 if entered <= known else 0.4
        known = max(known, entered)
        for _ in range(entered):
            pace.leave()
    assert pace.limit == 512


def test_the_rate_of_an_account_bounds_it() -> None:
    """Breaks when a process takes more than its share of the requests that an account serves."""
    service = Service()
    pace = simulated(service, objects_per_second=1_000.0)
    service.run(pace, 5.0)
    before = service.served
    service.run(pace, 15.0)
    assert 700 < (service.served - before) / 10 < 1_200


def test_an_account_that_throttles_leaves_the_others_alone() -> None:
    """Breaks when the limit is of the process and not of the account."""
    slow, fast = Service(edge=10), Service()
    first, second = simulated(slow), simulated(fast)
    slow.run(first, 5.0)
    fast.run(second, 5.0)
    assert first.limit <= 17 and second.limit == 512


async def test_retry_after_holds_the_whole_account_and_lets_it_go_on() -> None:
    """Breaks when only the object that was told waits, or when nobody wakes the others."""
    pace = Pace("account", Bounds(most=4))
    pace.slow(0.1)
    assert not pace.try_enter() and pace.resting
    began = asyncio.get_running_loop().time()
    await asyncio.wait_for(asyncio.gather(*(pace.enter() for _ in range(4))), 2)
    assert asyncio.get_running_loop().time() - began >= 0.09
    assert pace.busy == 4 and not pace.try_enter()


async def test_places_go_first_come_first_served_and_survive_cancellation() -> None:
    """Breaks when a cancelled waiter keeps a place: the run would stop after as many as there are places."""
    pace = Pace("account", Bounds(most=1))
    await pace.enter()
    order: list[int] = []

    async def one(number: int) -> None:
        await pace.enter()
        order.append(number)

    waiters = [asyncio.create_task(one(number)) for number in range(3)]
    await asyncio.sleep(0)
    pace.leave()
    waiters[0].cancel()  # It has been given the place, and never got to know.
    await asyncio.gather(waiters[0], return_exceptions=True)
    await asyncio.sleep(0)
    assert order == [1] and pace.busy == 1
    waiters.append(asyncio.create_task(one(3)))
    await asyncio.sleep(0)
    waiters[2].cancel()  # It still waits.
    await asyncio.gather(waiters[2], return_exceptions=True)
    pace.leave()
    await asyncio.wait_for(waiters[3], 1)
    pace.leave()
    assert order == [1, 3] and pace.busy == 0


async def timed(work: Awaitable[object]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work
    return loop.time() - began


async def test_caps_hold_over_all_accounts_and_none_takes_all() -> None:
    """Breaks when a cap is per account, or when an account with more in flight starves the other."""
    allowance = Allowance()
    allowance.allow(400.0, 0.0)
    count = {"a": 0, "b": 0}

    async def worker(account: str) -> None:
        while True:
            await allowance.spend(account, 1, 1000)
            count[account] += 1

    tasks = [asyncio.create_task(worker(account)) for account in ("a",) * 16 + ("b",) * 2]
    await asyncio.sleep(0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert 150 < count["a"] + count["b"] < 290
    assert 0.4 < count["b"] / (count["a"] + count["b"]) < 0.6


async def test_bytes_are_capped_and_one_larger_than_the_cap_passes() -> None:
    """Breaks when large requests are not counted, or never get through."""
    allowance = Allowance()
    allowance.allow(0.0, 10_000.0)
    assert await timed(allowance.spend("a", 1, 3_000)) < 0.05
    assert 0.1 < await timed(allowance.spend("a", 1, 1)) < 0.4


async def test_each_process_takes_its_share_of_a_cap() -> None:
    """Breaks when four workers together do four times what the customer allowed."""
    book = PaceBook(timetable=Timetable(inside=Caps(400.0)))
    pace = book.of("account")
    assert pace.capped
    book.share(4)

    async def spend() -> None:
        for _ in range(60):
            await pace.spend(1)

    assert 0.35 < await timed(spend()) < 0.9
    assert not PaceBook().of("account").capped


EASTERN = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "local", "open_", "changes"),
    [
        ("20:00-06:00", datetime(2026, 11, 3, 19, 59, tzinfo=EASTERN), False, datetime(2026, 11, 4, 1, 0, tzinfo=UTC)),
        ("20:00-06:00", datetime(2026, 11, 3, 20, 0, tzinfo=EASTERN), True, datetime(2026, 11, 4, 11, 0, tzinfo=UTC)),
        ("20:00-06:00", datetime(2026, 11, 4, 5, 59, tzinfo=EASTERN), True, datetime(2026, 11, 4, 11, 0, tzinfo=UTC)),
        ("08:00-17:30", datetime(2026, 11, 4, 17, 30, tzinfo=EASTERN), False, datetime(2026, 11, 5, 13, 0, tzinfo=UTC)),
        # Clocks go back on 1 November 2026 at 02:00: the night has an hour more.
        ("20:00-06:00", datetime(2026, 10, 31, 23, 0, tzinfo=EASTERN), True, datetime(2026, 11, 1, 11, 0, tzinfo=UTC)),
        # Clocks go forward on 8 March 2026 at 02:00.
        ("20:00-06:00", datetime(2026, 3, 7, 23, 0, tzinfo=EASTERN), True, datetime(2026, 3, 8, 10, 0, tzinfo=UTC)),
    ],
)
def test_hours(text: str, local: datetime, open_: bool, changes: datetime) -> None:
    """Breaks when midnight or a change of the clocks is not minded."""
    hours = Hours.parse(text)
    assert hours.holds(local) is open_
    assert hours.changes_after(local) == changes


@pytest.mark.parametrize("text", ["20-06", "25:00-06:00", "20:00-20:00", "nights"])
def test_wrong_hours_are_refused(text: str) -> None:
    """Breaks when a window that never opens is taken."""
    with pytest.raises(ValueError, match=r"hours"):
        Hours.parse(text)


async def test_outside_of_the_hours_it_pauses_says_so_and_goes_on_by_itself() -> None:
    """Breaks when work begins outside of the window, or stays paused when it opens."""
    evening = datetime(2026, 11, 3, 19, 59, 59, 800_000, tzinfo=EASTERN)
    loop = asyncio.get_running_loop()
    began = loop.time()

    def now() -> datetime:
        return (evening.astimezone(UTC)) + timedelta(seconds=loop.time() - began)

    book = PaceBook(timetable=Timetable(hours=Hours.parse("20:00-06:00")), zone=EASTERN, now=now)
    pace = book.of("account")
    assert not pace.try_enter() and book.in_flight() == {"account": 0}
    assert "paused" in book.note and "goes on at 2026-11-03 20:00" in book.note
    assert book.allowed().paused and book.allowed().note == book.note
    await asyncio.wait_for(pace.enter(), 2)
    assert book.note == "" and book.in_flight() == {"account": START} and not book.allowed().paused
    book.close()


async def test_outside_of_the_hours_a_second_cap_slows_down() -> None:
    """Breaks when the second cap pauses the run, or is not applied."""
    noon = datetime(2026, 11, 3, 12, 0, tzinfo=EASTERN)
    table = Timetable(hours=Hours.parse("20:00-06:00"), outside=Caps(10.0))
    book = PaceBook(timetable=table, zone=EASTERN, now=lambda: noon)
    pace = book.of("account")
    assert pace.try_enter() and pace.capped and "slowed down" in book.note
    book.close()


async def test_a_page_blob_keeps_to_its_own_limit_and_leaves_the_account_alone() -> None:
    """Breaks when one disk takes more than 60 MiB a second: the whole account would slow down."""
    disk, log = of_one_blob(page=True), of_one_blob(page=False)

    async def write(gate: Allowance) -> None:
        for _ in range(8):
            await gate.spend("", 1, 4 << 20)

    assert 0.25 < await timed(write(disk)) < 1.5, "32 MiB, of which 6 are free at the start"
    assert await timed(write(log)) < 0.2
