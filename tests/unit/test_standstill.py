"""When a shard stands still: a function of what was seen, by the clock of the test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mappings.azcopy import moved
from mappings.standstill import (
    LIMIT_SECONDS,
    LOOK_SECONDS,
    MOST_TIMES,
    SILENT_SECONDS,
    Sign,
    Stillness,
    after,
    after_signs,
    is_over,
    is_taken_again,
)
from tasks.shardwork import LEASE_SECONDS


def seen(*signs: Sign) -> Stillness:
    still = Stillness()
    for sign in signs:
        still = after(still, sign)
    return still


def still_for(seconds: float, held: bool = False) -> list[Sign]:
    """Looks at something that does not move."""
    return [Sign(at, (1, 2), held) for at in range(0, int(seconds) + 1, int(LOOK_SECONDS))]


def test_what_does_not_move_for_the_whole_limit_is_over() -> None:
    """Breaks when a slow service is taken for a hang, or a hang never ends."""
    assert not is_over(seen(*still_for(LIMIT_SECONDS - LOOK_SECONDS)))
    assert is_over(seen(*still_for(LIMIT_SECONDS)))


@pytest.mark.parametrize("place", range(5))
def test_any_counter_that_moves_counts_from_anew(place: int) -> None:
    """Breaks when only objects count: one large object, or one that is throttled, would be given up."""
    counts = [0] * 5
    counts[place] = 1
    first = [Sign(at, (0,) * 5) for at in range(0, 890, 10)]
    assert seen(*first, Sign(890, tuple(counts))).seconds == 0
    assert seen(*first, Sign(890, tuple(counts)), Sign(900, tuple(counts))).seconds == 10


def test_what_is_held_back_does_not_stand_still_and_counts_from_its_end_on() -> None:
    """Breaks when a night's pause, or a Retry-After, is a standstill; or the time before it counts."""
    assert seen(*still_for(100_000, held=True)).seconds == 0
    assert seen(Sign(0, ()), Sign(800, ()), Sign(810, (), held=True), Sign(820, ()), Sign(830, ())).seconds == 10


def test_a_machine_that_was_held_up_is_no_standstill() -> None:
    """Breaks when the clock alone decides: after a suspended hour everything would be given up at once."""
    assert seen(Sign(0, ()), Sign(3600, ())).seconds == 2 * LOOK_SECONDS


def test_a_shard_is_taken_again_a_bounded_number_of_times() -> None:
    """Breaks when a shard that hangs each time holds the run for ever."""
    assert [is_taken_again(times) for times in range(1, MOST_TIMES + 1)] == [True] * (MOST_TIMES - 1) + [False]


def test_a_worker_is_silent_from_its_last_sign_on_or_from_its_start() -> None:
    """Breaks when one that never gave a sign is waited for, a live one is taken for silent, or a new one inherits."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    silences: dict[int, Stillness] = {}
    looks = int(SILENT_SECONDS / LOOK_SECONDS)
    for look in range(looks + 1):
        at = look * LOOK_SECONDS
        signs = {1: start + timedelta(seconds=at), 2: start, 3: None}
        # Its clock is set back at each look: a sign all the same.
        signs[4] = start - timedelta(seconds=at)
        if look == looks:
            signs[5] = start
        silences = after_signs(silences, signs, at)
        assert [pid for pid in silences if is_over(silences[pid], SILENT_SECONDS)] == ([2, 3] if look == looks else [])
    assert list(after_signs(silences, {1: start}, at + LOOK_SECONDS)) == [1], "who has gone is forgotten"


def test_nobody_is_silent_while_nobody_looked() -> None:
    """Breaks when the times in the signs decide: after a suspended hour every worker would be killed."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert after_signs(after_signs({}, {1: start}, 0), {1: start}, 3600)[1].seconds == 2 * LOOK_SECONDS


def test_a_worker_is_waited_for_until_others_could_long_have_its_shards() -> None:
    assert SILENT_SECONDS == 3 * LEASE_SECONDS


def test_azcopy_moves_on_when_its_own_counts_do() -> None:
    """Breaks when its messages count as movement, which come every two seconds whether anything moves or not."""

    def said(**counts: str) -> str:
        inner = ", ".join(f'\\"{name}\\": \\"{value}\\"' for name, value in counts.items())
        return f'{{"TimeStamp": "x", "MessageType": "Progress", "MessageContent": "{{{inner}}}"}}'

    first = said(TotalTransfers="9", TransfersCompleted="1", TotalBytesTransferred="100")
    assert moved([]) == moved(["INFO: hello", '{"Mess']) == 0
    assert moved([first]) == moved([first, first]) != 0
    assert moved([first, said(TotalTransfers="9", TransfersCompleted="1", TotalBytesTransferred="101")]) != moved(
        [first]
    )
