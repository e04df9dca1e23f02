"""When a worker begins one more shard."""

from __future__ import annotations

from mappings.inhand import MOST_IN_HAND, InHand, takes_another

SMALL = InHand(20, 20 * 16_384, 0)
LARGE = InHand(50_000, 50_000 * 16_384, 0)


def test_a_worker_always_has_something_in_hand() -> None:
    """Mutation that must fail it: waiting for an account that rests, or that nothing was begun for yet."""
    assert takes_another([], 0)


def test_small_shards_are_taken_until_there_is_enough_to_go_on_with() -> None:
    """Mutations that must fail it: one at a time; as many as there are."""
    enough = next(number for number in range(1, 50) if not takes_another([SMALL] * number, 16))
    assert 3 <= enough < MOST_IN_HAND
    assert takes_another([SMALL] * enough, 64), "more may be in flight now"
    assert not takes_another([SMALL] * MOST_IN_HAND, 10_000)
    assert not takes_another([SMALL], 16, most=1)


def test_behind_a_large_shard_the_next_begins_at_its_end() -> None:
    """Mutation that must fail it: beginning two large ones at once, which another worker could have had."""
    assert not takes_another([LARGE], 256)
    assert not takes_another([InHand(50_000, LARGE.bytes, 40_000)], 256)
    assert takes_another([InHand(50_000, LARGE.bytes, 49_500)], 256)
    assert takes_another([InHand(50_000, LARGE.bytes, 60_000)], 256), "it has grown since it was surveyed"


def test_a_few_large_objects_are_no_small_shard() -> None:
    """Mutation that must fail it: counting objects only."""
    eight = InHand(8, 8 * 256 * 1024**2, 0)
    assert not takes_another([eight], 256)
    assert takes_another([InHand(8, eight.bytes, 7)], 512)


def test_while_an_account_rests_nothing_more_begins() -> None:
    assert not takes_another([SMALL], 0)


def test_what_was_surveyed_as_empty_counts_for_nothing() -> None:
    assert takes_another([InHand(0, 0, 0)] * 3, 16)
