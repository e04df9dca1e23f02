"""When something is killed, and what: drawn from a seed. Where that falls in a run is the machine's affair."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.kills.requests_seen import DELAY
from tests.kills.town import BEGUN, RUNNING, Town

SLOWED = (
    {"match": "government blob PUT", "delay": DELAY},
    {"match": "government arm PUT", "delay": 0.2},
    {"match": "commercial arm|commercial blob GET .*comp=list", "delay": 0.1},
)
"""Provisioning, listing and copying take long enough to be hit: waiting costs no processor time."""


@dataclass(frozen=True)
class Moment:
    """A point of a command at which something is killed."""

    name: str
    reached: Callable[[Town], bool]
    spread: float
    """Seconds after it, at random, in which the kill comes."""


def _going(query: str) -> Callable[[Town], bool]:
    """Whether the last command has begun its run, and there is a row like that in it."""
    return lambda town: town.count(BEGUN) > town.runs and bool(town.asked(f"{query} and run_id = {RUNNING}"))


STARTING = Moment("starting", lambda town: True, 2.0)
LISTING = Moment("listing", lambda town: town.count(BEGUN) > town.runs, 1.0)
PROVISIONING = Moment(
    "provisioning",
    lambda town: town.count(BEGUN) > town.runs and bool(town.asked("select 1 from step where state != 'pending'")),
    1.0,
)
COPYING = Moment("copying", _going("select 1 from shard where state = 'leased'"), 2.0)
FINISHING = Moment("finishing", _going("select 1 from shard where state = 'done'"), 1.5)
VERIFYING = Moment(
    "verifying",
    _going(
        "select 1 from (select run_id, sum(state != 'done') as left_over from shard group by run_id) "
        "where left_over = 0"
    ),
    0.5,
)
MOMENTS = (STARTING, PROVISIONING, COPYING, COPYING, COPYING, FINISHING, FINISHING, VERIFYING)
VICTIMS = {"worker": 10, "workers": 3, "leader": 4, "all": 2, "asked": 1}
"""What is killed, and how often of twenty times: one worker, all workers, the leader, it with all workers; or it is
only asked to leave. What costs the least processor time to start again comes most often."""


def wait_for(moment: Moment, town: Town, running: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Wait for a moment, and a while longer; returns whether the command still runs."""
    until = time.monotonic() + 240
    while running.poll() is None and not moment.reached(town):
        assert time.monotonic() < until, f"{moment.name} was never reached\n{town.log()}"
        time.sleep(0.02)
    time.sleep(chance.uniform(0, moment.spread))
    return running.poll() is None


def strike(town: Town, running: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Wait for a moment of the command and kill something; returns whether the command has ended with that."""
    moment = chance.choice(MOMENTS)
    victim = chance.choices([*VICTIMS], [*VICTIMS.values()])[0]
    if not wait_for(moment, town, running, chance):
        return True
    movers = sorted(town.movers())
    if victim == "asked":
        town.dismiss(running)
        return True
    if not movers and victim in ("worker", "workers"):
        victim = "leader"
    hit = {"worker": [chance.choice(movers)] if movers else [], "leader": []}.get(victim, movers)
    leader = victim in ("leader", "all")
    town.strike(running, hit, leader=leader)
    return leader


def carry(town: Town, word: str, chance: random.Random, kills: int, *, busy: bool) -> None:
    """Give a command again and again, with kills in between, until it has come to its end.

    Args:
        busy: the source is written to, so that an object may fail for having changed too often.
    """
    good = (0, 4) if busy else (0,)
    for _ in range(kills + 1):
        start = time.time()
        running = town.begin(word)
        ended = False
        while kills and not ended:
            kills -= 1
            ended = strike(town, running, chance)
        code = running.wait(timeout=300)
        town.ended(start, code)
        if code in good:
            town.must_be_gone()
            town.must_hold_whole_generations()
            return
        # 8: asked to leave, or the workers died too often for the leader's patience.
        assert code in (8, -9, -15), (code, town.log())
    raise AssertionError(town.log())
