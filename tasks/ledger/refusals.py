"""What the ledger raises to its callers besides the errors that end a command."""

from __future__ import annotations

from mappings.states import State, may_move


class LostLease(Exception):
    """Another worker has taken the shard over, or the lease was given back: stop, and write nothing for it.

    What this worker copied stays at the target; who holds the shard now compares it and goes on.
    """


class IllegalMove(RuntimeError):
    """A mistake in the program: a record was to go into a state that may not follow its own."""


def check_move(now: State, then: State, what: str) -> None:
    """Refuse a move that `mappings.states.MOVES` does not have.

    Raises:
        IllegalMove: it does not.
    """
    if not may_move(now, then):
        raise IllegalMove(f"{what} may not go from {now.value} to {then.value}")
