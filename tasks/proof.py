"""Verification of shards from their manifests; plain, so that `govlift verify` runs it without Prefect."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.objects import Tally
from mappings.prints import cut_names
from mappings.runs import ObjectNote
from mappings.sampling import Sample
from mappings.states import ProofLevel
from tasks.carry import PrintStore
from tasks.copiers.base import ListsRaw
from tasks.copiers.check import READS, verify_shard
from tasks.copiers.pace import ByteBudget, PaceBook
from tasks.copiers.printing import PrintMaker, basis
from tasks.copiers.rules import CopyRules
from tasks.keeping import names, rows
from tasks.manifests import manifest_hash
from tasks.selection import Selection

if TYPE_CHECKING:
    from mappings.runs import ShardRecord
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.ledger.writer import LedgerWriter
    from tasks.progress import Progress

log = logging.getLogger("govlift")
MOST_NOTES = 10_000
"""Mismatches that are told by name; the others are counted. The manifests and a second `verify` have them all."""
AT_ONCE = 2
"""Shards that are verified at once: each holds a few pages, so memory stays flat."""


@dataclass
class Printing:
    """What it takes to leave prints behind, by which the next run knows what has not changed."""

    store: PrintStore
    selection: Selection
    rules: CopyRules
    """Of the run, without its filters."""
    writer: LedgerWriter
    clock: Callable[[], datetime]


@dataclass
class ProofWork:
    """What the verification of all shards shares."""

    folder: Path
    level: ProofLevel
    share: float
    """Part of the objects looked at, above 0 and up to 1."""
    seed: str
    """Chooses the sample; the same seed chooses the same objects."""
    progress: Progress
    printing: Printing | None = None
    reads: int = READS
    """Objects of one shard whose content is read at once."""
    paces: PaceBook = field(default_factory=PaceBook)
    """The hours and caps that it keeps to."""
    budget: ByteBudget = field(default_factory=lambda: ByteBudget(CopyRules().memory))
    """Content bytes that it holds at once, over all shards."""


@dataclass(frozen=True)
class Proved:
    """What the verification of one shard, or of several added up, found."""

    tally: Tally = field(default_factory=Tally)
    mismatches: Sequence[ObjectNote] = ()
    """At most `MOST_NOTES`."""
    changed: int = 0
    """Objects whose source has moved on since the copy; the next re-sync takes them."""
    mismatched: int = 0
    """All mismatches."""
    sample: Sample = field(default_factory=lambda: Sample(0, 0, 0))

    def __add__(self, other: Proved) -> Proved:
        left = MOST_NOTES - len(self.mismatches)
        return Proved(
            self.tally + other.tally,
            (*self.mismatches, *other.mismatches[:left]) if left else self.mismatches,
            self.changed + other.changed,
            self.mismatched + other.mismatched,
            self.sample + other.sample,
        )


async def prove_all(
    records: Iterable[ShardRecord], prove: Callable[[ShardRecord], Awaitable[Proved]], *, at_once: int = AT_ONCE
) -> Proved:
    """Verify shards, several at once.

    Raises:
        GovliftError, ObjectError: the first that a shard raised; the others are cancelled and awaited.
    """
    with _few_collections():
        return await _prove_all(records, prove, at_once)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Pages of objects come and go without cycles; looking through all of them for some took a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _prove_all(
    records: Iterable[ShardRecord], prove: Callable[[ShardRecord], Awaitable[Proved]], at_once: int
) -> Proved:
    total = Proved()
    gate = asyncio.Semaphore(at_once)
    done: dict[int, Proved] = {}

    async def one(number: int, record: ShardRecord) -> None:
        try:
            done[number] = await prove(record)
        finally:
            gate.release()

    try:
        async with asyncio.TaskGroup() as group:
            added = 0
            for number, record in enumerate(records):
                await gate.acquire()
                group.create_task(one(number, record))
                while added in done:
                    total += done.pop(added)
                    added += 1
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return sum((done[number] for number in sorted(done)), total)


async def prove_shard(record: ShardRecord, work: ProofWork, source: SourceBlobs, target: TargetBlobs) -> Proved:
    """Verify one shard from its newest manifest, and leave prints of it behind where that is asked for.

    Raises:
        GovliftError: the shard could not be verified.
    """
    path = work.folder / record.manifest
    maker = await _maker(record, work, source, target)
    result = await verify_shard(
        record.shard,
        source,
        target,
        rows(path, record.shard.begin, record.shard.end, brief=True),
        level=work.level,
        share=work.share,
        seed=work.seed,
        progress=work.progress,
        maker=maker,
        reads=work.reads,
        pace=work.paces.of(target.account),
        budget=work.budget,
    )
    if maker is not None and work.printing is not None:
        prints = maker.prints(await asyncio.to_thread(manifest_hash, path))
        if prints is not None:
            printing = work.printing
            printing.store.save(record.manifest, prints, printing.writer, now=printing.clock())
    return Proved(result.tally, result.mismatches[:MOST_NOTES], result.changed, len(result.mismatches), result.sample)


async def _maker(record: ShardRecord, work: ProofWork, source: SourceBlobs, target: TargetBlobs) -> PrintMaker | None:
    """None where there is nothing to print from, or nobody to print for."""
    printing = work.printing
    if printing is None or not (isinstance(source, ListsRaw) and isinstance(target, ListsRaw)):
        return None
    filters = printing.selection.filters(record.run_id)
    rules = printing.selection.rules(printing.rules, record)
    features = await target.features()
    versions = (source.versions, target.versions)
    based = basis(rules, filters, features, versions=versions)
    begins = [record.shard.begin, *cut_names(names(work.folder / record.manifest))]
    return PrintMaker(begins, record.shard.end, rules, features, based, versions=versions)
