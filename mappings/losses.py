"""What is lost: per service of the estate what no way across the clouds keeps, with the resources behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mappings.movetables import LossEntry, LossTable


@dataclass(frozen=True, slots=True)
class Loss:
    """One entry of the table that concerns the estate."""

    entry: LossEntry
    members: tuple[int, ...]
    """Positions in the inventory; empty where the entry concerns every subscription."""


def losses_of(types: Sequence[str], table: LossTable) -> tuple[Loss, ...]:
    """The losses that concern these resources: lost for good first, then by number of resources.

    Args:
        types: ARM type of every resource, by position in the inventory.
    """
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for n, kind in enumerate(types):
        positions[kind.lower()].append(n)
    found = []
    for entry in table.loss:
        members = sorted(n for kind in entry.types for n in positions.get(kind, ()))
        if members or (types and "*" in entry.types):
            found.append(Loss(entry, tuple(members)))
    return tuple(sorted(found, key=lambda loss: (loss.entry.way != "lost", -len(loss.members), loss.entry.id)))
