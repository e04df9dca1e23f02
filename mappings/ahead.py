"""What a re-sync would find and do, counted by a look at both sides that writes nothing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mappings.delta import Action, Decision, change_of
from mappings.objects import EvidenceRow, Tally
from mappings.states import Change, Outcome

_REPORTED = (Change.DELETED, Change.EXTRA)
EXCLUDED, REFUSED, ONLY_AT_TARGET = "excluded", "refused", "only_at_target"
"""Kinds besides the changes: left out by the settings; would fail as it stands; not at the source."""

_MEANS: tuple[tuple[str, str], ...] = (
    (Change.NEW, "new at the source, or at the target without evidence"),
    (Change.CONTENT, "content changed"),
    (Change.SUSPECT, "ETag moved, content to be compared"),
    (Change.DRIFTED, "changed at the target since the copy"),
    (Change.PROPERTIES, "HTTP headers only, as far as the listing tells"),
    (Change.METADATA, "metadata only, as far as the listing tells"),
    (Change.TAGS, "index tags only"),
    (Change.TIER, "access tier only"),
    (Change.SAME, "unchanged"),
    (EXCLUDED, "left out"),
    (REFUSED, "would fail as it stands"),
    (ONLY_AT_TARGET, "only at the target; reported, never deleted"),
)
KINDS = tuple(str(kind) for kind, _ in _MEANS)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a look found. Every listed object is of one kind, and so is every one that only the target has."""

    objects: Mapping[str, int] = field(default_factory=dict)
    """Kind -> objects."""
    bytes: Mapping[str, int] = field(default_factory=dict)
    """Kind -> bytes of these objects; those of what nobody has to touch are not counted."""
    copied: tuple[int, int] = (0, 0)
    """Objects and bytes that would be copied."""
    compared: tuple[int, int] = (0, 0)
    """Objects and bytes that would be read and compared first, and copied where they differ."""

    def __add__(self, other: Ahead) -> Ahead:
        return Ahead(
            dict(Counter(self.objects) + Counter(other.objects)),
            dict(Counter(self.bytes) + Counter(other.bytes)),
            (self.copied[0] + other.copied[0], self.copied[1] + other.copied[1]),
            (self.compared[0] + other.compared[0], self.compared[1] + other.compared[1]),
        )

    @property
    def listed(self) -> int:
        """Objects at the source."""
        return sum(self.objects.values()) - self.objects.get(ONLY_AT_TARGET, 0)

    @property
    def at_most(self) -> tuple[int, int]:
        """Objects and bytes that travel if all that is compared differs."""
        return self.copied[0] + self.compared[0], self.copied[1] + self.compared[1]


def of_tally(tally: Tally) -> Ahead:
    """Rows that are known to be as they were."""
    kinds = {Change.SAME.value: tally.same, EXCLUDED: tally.excluded, ONLY_AT_TARGET: tally.deleted}
    return Ahead({kind: number for kind, number in kinds.items() if number})


class Look:
    """Counts what a look finds, object by object. Memory does not grow."""

    def __init__(self) -> None:
        self._objects: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._copied, self._compared = [0, 0], [0, 0]

    def settled(self, rows: Iterable[EvidenceRow]) -> None:
        """Rows for which nothing has to travel or be read."""
        for row in rows:
            if row.change in _REPORTED:
                self._objects[ONLY_AT_TARGET] += 1
            elif row.outcome is Outcome.EXCLUDED:
                self._objects[EXCLUDED] += 1
            elif row.outcome is Outcome.FAILED:
                self._objects[REFUSED] += 1
                self._bytes[REFUSED] += row.size
            else:
                self._objects[row.change.value] += 1

    def work(self, decision: Decision, size: int) -> None:
        """One object for which something has to be done."""
        kind = decision.change.value
        if decision.action is Action.PROVE and decision.parts:
            # What the row will say where the content turns out to be the same, as it does after Set Blob Metadata.
            kind = change_of(decision.parts).value
        self._objects[kind] += 1
        self._bytes[kind] += size
        sums = {Action.COPY: self._copied, Action.PROVE: self._compared, Action.COMPARE: self._compared}
        if (found := sums.get(decision.action)) is not None:
            found[0] += 1
            found[1] += size

    def found(self) -> Ahead:
        """What was counted so far."""
        copied, compared = (self._copied[0], self._copied[1]), (self._compared[0], self._compared[1])
        return Ahead(dict(self._objects), dict(self._bytes), copied, compared)


def ahead_to_json(ahead: Ahead) -> dict[str, Any]:
    """As `resync --json` without `--apply` has it."""
    sums = {"copied": ahead.copied, "compared": ahead.compared}
    return {
        "listed": ahead.listed,
        "objects": {kind: ahead.objects.get(kind, 0) for kind in KINDS},
        "bytes": {kind: ahead.bytes.get(kind, 0) for kind in KINDS if kind in ahead.bytes},
    } | {name: {"objects": objects, "bytes": size} for name, (objects, size) in sums.items()}


def ahead_rows(ahead: Ahead) -> list[tuple[str, int, int | None, str]]:
    """Kind, objects, bytes (None where they are not counted) and what it means, of every kind that was found."""
    return [
        (str(kind), ahead.objects[kind], ahead.bytes.get(kind), means)
        for kind, means in _MEANS
        if ahead.objects.get(kind)
    ]
