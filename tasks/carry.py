"""What of a shard is as it was at the last run: told by the prints of its manifest, before anything is looked at.

Prints lie beside the manifest, `<manifest>.prints`; their SHA-256 is in the event chain, so that nobody can make a
changed object pass for an unchanged one. Without prints everything goes through the ordinary march.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.prints import Prints, prints_from_text, prints_to_text
from tasks.copiers.base import ListsRaw
from tasks.copiers.journal import SUFFIX
from tasks.copiers.printing import basis
from tasks.copiers.prints import Turn, Unreadable, at_once, unchanged_runs
from tasks.disk import writing
from tasks.manifests import manifest_hash

if TYPE_CHECKING:
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.rules import CopyRules
    from tasks.ledger.reader import LedgerReader
    from tasks.ledger.writer import LedgerWriter

log = logging.getLogger("govlift")
EVENT = "shard.printed"


class PrintStore:
    """The prints of a migration's manifests.

    Args:
        folder: the migration folder.
        reader: of its ledger.
    """

    def __init__(self, folder: Path, reader: LedgerReader) -> None:
        self._folder, self._reader = folder, reader
        self._hashes: dict[str, str] = {}
        self._heard = 0

    def of(self, manifest: str) -> Prints | None:
        """The prints of a manifest; None where it has none, or they are not those that were recorded.

        Args:
            manifest: its path, relative to the folder.
        """
        for event in self._reader.events(EVENT, after=self._heard):
            self._hashes[str(event.detail["manifest"])] = str(event.detail["prints_hash"])
            self._heard = event.number
        expected = self._hashes.get(manifest)
        if expected is None:
            return None
        try:
            data = self._path(manifest).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != expected:
            log.warning("%s is not what was recorded; every object of its shard is looked at", self._path(manifest))
            return None
        return prints_from_text(data.decode("ascii"))

    def save(self, manifest: str, prints: Prints, writer: LedgerWriter, *, now: datetime) -> None:
        """Keep the prints of a manifest and record them. Raises as `tasks.disk.writing`."""
        data = prints_to_text(prints).encode("ascii")
        path = self._path(manifest)
        with writing(path, "prints"):
            partial = path.with_name(path.name + ".partial")
            partial.write_bytes(data)
            partial.replace(path)
        detail = {"manifest": manifest, "prints_hash": hashlib.sha256(data).hexdigest(), "groups": len(prints.groups)}
        writer.record(EVENT, detail, now=now)

    def _path(self, manifest: str) -> Path:
        return self._folder / f"{manifest}.prints"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of names of one shard."""

    shard: CopyShard
    """The shard, cut to this range."""
    same: bool
    """Every row of it is carried over; otherwise it goes through the ordinary march."""
    tally: Tally
    """Of the rows carried over."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at both listings said about one shard."""

    manifest: str
    manifest_hash: str
    pieces: tuple[Piece, ...]

    @property
    def all_same(self) -> bool:
        return all(piece.same for piece in self.pieces)

    @property
    def tally(self) -> Tally:
        return sum((piece.tally for piece in self.pieces), Tally())


async def look(
    shard: CopyShard,
    folder: Path,
    reader: LedgerReader,
    store: PrintStore,
    rules: CopyRules,
    filters: tuple[object, ...],
    source: SourceBlobs,
    target: TargetBlobs,
    turn: Turn = at_once,
) -> Looked | None:
    """Compare both listings of a shard with the prints of its last manifest; each is listed once.

    Args:
        rules: of the run.
        filters: of the run's plan.
        turn: awaited before each page of a listing.

    Returns:
        None where there is nothing to compare with: everything goes through the ordinary march.

    Raises:
        ObjectError, GovliftError: a listing failed, or is out of order.
    """
    if not (isinstance(source, ListsRaw) and isinstance(target, ListsRaw)):
        return None
    parts = reader.previous_manifests(shard)
    if len(parts) != 1 or (parts[0].begin, parts[0].end) != (shard.begin, shard.end):
        return None
    manifest = parts[0].covered_by
    path = folder / manifest
    # An attempt that was killed may have written anything since.
    if any(path.parent.glob(f"*{SUFFIX}")):
        return None
    prints = store.of(manifest)
    if prints is None or (prints.begin, prints.end) != (shard.begin, shard.end) or not prints.basis:
        return None
    versions = (source.versions, target.versions)
    if prints.basis != basis(rules, filters, await target.features(), versions=versions):
        return None
    if not path.exists() or manifest_hash(path) != prints.manifest_hash:
        return None
    expected = [group.source for group in prints.groups], [group.target for group in prints.groups]
    called = f"{source.account}/{shard.container}", f"{target.account}/{shard.container}"
    try:
        same = await unchanged_runs(
            *((source, target), shard.container, prints.begins, shard.end), expected, called, turn, shard.objects
        )
    except Unreadable:
        return None
    return Looked(manifest, prints.manifest_hash, tuple(_pieces(shard, prints, same)))


def _pieces(shard: CopyShard, prints: Prints, same: list[bool]) -> Iterator[Piece]:
    """Neighbouring groups of the same kind are one piece."""
    begin, tally, kind = shard.begin, Tally(), None
    for group, equal in zip(prints.groups, same, strict=True):
        here = equal and group.settled
        if kind is not None and here != kind:
            yield Piece(replace(shard, begin=begin, end=group.begin), kind, tally)
            begin, tally = group.begin, Tally()
        kind = here
        tally += group.tally if here else Tally()
    if kind is not None:
        yield Piece(replace(shard, begin=begin, end=shard.end), kind, tally)
