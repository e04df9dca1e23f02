"""How many shards a worker has in hand at once. Pure.

A shard begins with two listings and ends with a manifest and the ledger; meanwhile few of its objects, or none, are
under way. One after the other, a thousand small containers would be a thousand such waits. So the next shard begins
while what is in hand is not enough to go on with; a large one is in hand alone but for its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_IN_HAND = 16
"""Shards at once; each has a journal, a manifest and its listings open."""
_AHEAD = 4
"""Objects in hand, in multiples of those that may be in flight: listings take as long as the objects do."""
_BYTES = 256 * 1024
"""Bytes that count as one object more: a shard of few large ones is no small one."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A shard that is worked on: what it was expected to hold, and what of it is settled."""

    objects: int
    bytes: int
    settled: int

    @property
    def left(self) -> float:
        """What is left of it, in objects, about."""
        share = 1 - self.settled / self.objects if self.objects else 1.0
        return max(0.0, share) * (self.objects + self.bytes / _BYTES)


def takes_another(hand: Iterable[InHand], in_flight: int, *, most: int = MOST_IN_HAND) -> bool:
    """Whether a worker with `hand` begins one more shard.

    Args:
        in_flight: objects that may be in flight now; 0 while an account rests.
        most: shards at once.
    """
    held = list(hand)
    return not held or (len(held) < most and sum(one.left for one in held) < _AHEAD * in_flight)
