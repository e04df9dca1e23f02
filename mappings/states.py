"""Closed sets of states and the one table that says which state may follow which."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class VerdictKind(StrEnum):
    """What Azure Government under CSP makes of one resource."""

    READY = "ready"
    READY_WITH_CHANGES = "ready-with-changes"
    REPLACE = "replace"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How close the source of a verdict is to the resource judged."""

    NAMED = "named"
    INHERITED = "inherited"
    INFERRED = "inferred"


class Route(StrEnum):
    """How the bytes of one object travel."""

    PULL = "pull"
    STREAM = "stream"
    AZCOPY = "azcopy"
    """By AzCopy as an external mover; the content was read and compared afterwards."""


class ProofLevel(IntEnum):
    """How strongly one copied object is proved; each level includes the ones below it."""

    L0 = 0
    """Size at the target equals size at the source."""
    L1 = 1
    """Every read of the copy was under one source ETag (the pin)."""
    L2 = 2
    """CRC64 computed by the target service equals the CRC64 of the source bytes."""
    L3 = 3
    """SHA-256 of the bytes that went through the mover, or that were read back."""


class Outcome(StrEnum):
    """What became of one listed object in one run; listed = the sum of these."""

    COPIED = "copied"
    SAME = "same"
    EXCLUDED = "excluded"
    FAILED = "failed"


class Change(StrEnum):
    """What the march found between source, target and the last manifest for one object."""

    NEW = "new"
    CONTENT = "content"
    SUSPECT = "suspect"
    """The source ETag moved but size and Content-MD5 did not: content is read under the pin and compared by CRC64."""
    PROPERTIES = "properties"
    METADATA = "metadata"
    TAGS = "tags"
    TIER = "tier"
    SAME = "same"
    DELETED = "deleted"
    """We copied it, the source no longer has it: reported, never deleted unasked."""
    EXTRA = "extra"
    """At the target only, and not by us."""
    DRIFTED = "drifted"
    """The target no longer has what we wrote."""


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ShardState(StrEnum):
    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


State = RunState | StepState | ShardState

MOVES: dict[type[StrEnum], dict[State, frozenset[State]]] = {
    # By type first: "running" of a run equals "running" of a step as a dictionary key.
    RunState: {
        RunState.RUNNING: frozenset({RunState.DONE, RunState.PARTIAL, RunState.FAILED, RunState.INTERRUPTED}),
        RunState.DONE: frozenset(),
        # ... -> running: the same command was given again, and the run goes on under its id.
        RunState.PARTIAL: frozenset({RunState.RUNNING}),
        RunState.FAILED: frozenset({RunState.RUNNING}),
        RunState.INTERRUPTED: frozenset({RunState.RUNNING}),
    },
    StepState: {
        StepState.PENDING: frozenset({StepState.RUNNING}),
        # running -> running: a resumed run takes up a step that a killed one left behind.
        StepState.RUNNING: frozenset({StepState.RUNNING, StepState.DONE, StepState.FAILED}),
        StepState.FAILED: frozenset({StepState.RUNNING}),
        StepState.DONE: frozenset(),
    },
    ShardState: {
        ShardState.PENDING: frozenset({ShardState.LEASED}),
        # leased -> leased: another worker takes over after the lease has run out.
        ShardState.LEASED: frozenset({ShardState.LEASED, ShardState.DONE, ShardState.FAILED, ShardState.PENDING}),
        # failed -> pending: its run was taken up again.
        ShardState.FAILED: frozenset({ShardState.PENDING}),
        ShardState.DONE: frozenset(),
    },
}


def may_move(now: State, then: State) -> bool:
    """Whether a record in state `now` may be written as `then`; never into a state of another kind of record."""
    return type(now) is type(then) and then in MOVES[type(now)][now]
