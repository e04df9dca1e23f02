"""Prints of a finished shard: by which bytes of both listings a later run knows that nothing has changed. Pure.

A group is a run of names. Its print is the SHA-256 of its entries in the source's listing and in the target's, as they
came. It is *settled* where the engine, given exactly these entries and the group's rows, would keep every row without
a request. The decision depends on nothing else but the rules of the run, whose digest is the *basis*. So where basis
and both hashes are equal again, the same decision would come out again, and nobody has to ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mappings.codec import compact_json, decode
from mappings.evidence import digest
from mappings.objects import EvidenceRow, Tally
from mappings.states import Change, Outcome

VERSION = 1
"""Of the form of prints and of what is hashed; others are passed over."""
GROUP_ROWS = 2500
"""Rows of one group, about: one changed object makes so many others go through the ordinary march."""
_REPORTED = (Change.DELETED, Change.EXTRA)


@dataclass(frozen=True, slots=True)
class Group:
    """One run of names: from `begin` to the `begin` of the next group, or to the end of the shard."""

    begin: str
    source: str
    """SHA-256, hex, of the entries of the source's listing."""
    target: str
    settled: bool
    tally: Tally = field(default_factory=Tally)
    """What its rows add up to when they are carried over."""


@dataclass(frozen=True, slots=True)
class Prints:
    """Of one manifest."""

    manifest_hash: str
    begin: str
    end: str | None
    basis: str
    groups: tuple[Group, ...]
    version: int = VERSION

    @property
    def begins(self) -> list[str]:
        """Where its groups begin, ascending."""
        return [group.begin for group in self.groups]


def prints_to_text(prints: Prints) -> str:
    """As it is stored beside the manifest."""
    return compact_json(prints)


def prints_from_text(text: str) -> Prints | None:
    """What `prints_to_text` gave; None where another version of govlift wrote it."""
    try:
        prints = decode(Prints, text)
    except (ValueError, KeyError, TypeError):
        return None
    return prints if prints.version == VERSION else None


def basis_of(rules: Mapping[str, Any], features: object) -> str:
    """Digest of all that a decision depends on besides listings and rows; "" where the rules cannot tell.

    Args:
        rules: every field of the run's rules, also those that no decision asks for: better too many.
        features: what the target account can hold.
    """
    try:
        return digest({"version": VERSION, "rules": dict(rules), "features": features, "row": _ROW})
    except (TypeError, ValueError):
        return ""


_ROW = [one.name for one in fields(EvidenceRow)]


def carried(row: EvidenceRow) -> EvidenceRow:
    """The row that a run writes for an object of which it finds everything as this row says."""
    if row.change in _REPORTED:
        return row
    if row.outcome is Outcome.EXCLUDED:
        return replace(row, change=Change.SAME, route=None)
    return replace(row, outcome=Outcome.SAME, change=Change.SAME, route=None, reason="", code="", attempts=1)


def cut_names(names: Iterable[str], step: int = GROUP_ROWS) -> Iterator[str]:
    """Where groups begin behind the first one: every `step` rows, but never inside a name's own rows.

    Args:
        names: of the rows, ascending; a name stands once for each of its snapshots and versions.
    """
    held, last = 0, None
    for name in names:
        if held >= step and name != last:
            yield name
            held = 0
        held += 1
        last = name
