"""Verification from the manifest: is at the target what the evidence says, and is it what the source held then."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from mappings.delta import MISMATCH, is_mismatch, ours
from mappings.errors import CompareTarget, Corrupted, ObjectError, ObjectGone, ReplanObject
from mappings.evidence import mapping_digest
from mappings.objects import EvidenceRow, ListedObject, Tally
from mappings.plan import CopyShard
from mappings.runs import ObjectNote
from mappings.sampling import Sample
from mappings.states import Change, Outcome, ProofLevel
from tasks.clients import crc64
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.listed import Tee, marched
from tasks.copiers.march import Family
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.printing import PrintMaker
from tasks.copiers.prints import RunHashes
from tasks.copiers.proving import Sum, sum_of
from tasks.copiers.rows import Counts
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress

_THERE = (Outcome.COPIED, Outcome.SAME)
READS = 16
"""Objects whose content is read at once."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verification of one shard found."""

    tally: Tally = field(default_factory=Tally)
    """Objects looked at: `same` those that hold, at the level reached; `failed` the mismatches, and what
    the manifest says had failed; `excluded` what it says was left out."""
    mismatches: list[ObjectNote] = field(default_factory=list)
    changed: int = 0
    """Objects whose source has moved on since the copy: no mismatch, the target holds an older generation."""
    skipped: int = 0
    """Objects that the sample left out."""
    sample: Sample = field(default_factory=lambda: Sample(0, 0, 0))
    """Names: those that the target must hold, those looked at, and those of which something does not hold."""


def chosen(name: str, share: float, seed: str) -> bool:
    """Whether the sample takes this name; the same seed takes the same names, whatever the listing."""
    if share >= 1.0:
        return True
    number = int.from_bytes(hashlib.sha256(f"{seed}\n{name}".encode()).digest()[:8], "big")
    return number < share * 2**64


async def verify_shard(
    shard: CopyShard,
    source: SourceBlobs,
    target: TargetBlobs,
    rows: Iterator[list[EvidenceRow]],
    *,
    level: ProofLevel,
    share: float,
    seed: str,
    progress: Progress,
    maker: PrintMaker | None = None,
    reads: int = READS,
    pace: Pace | None = None,
    budget: ByteBudget | None = None,
) -> Verification:
    """Verify the objects of one shard against its newest manifest.

    L0 and L1 compare the listings of both sides with the manifest (size, ETags, tags, tier); L2 reads the source under
    the recorded ETag and compares its CRC64 with the evidence of the target, or with the target read back; L3 reads
    both sides and compares SHA-256.

    Args:
        rows: of the manifest, in key order, some at a time.
        share: part of the objects looked at, above 0 and up to 1.
        seed: chooses them.
        maker: gets all that is seen, where prints are to be made of it.
        reads: objects whose content is read at once, at L2 and L3.
        pace: of the target account; its hours and caps hold for the requests of both sides. None has none.
        budget: of the bytes that reading holds, shared with other shards; None is one for this shard.

    Raises:
        ObjectError, GovliftError: a listing failed; nothing is verified.
    """
    pace, budget = pace or Pace(target.account), budget or ByteBudget(CopyRules().memory)
    checker = _Checker(shard, source, target, level, progress, pace, budget)
    walked = marched(shard, source, target, _known(rows), turn=pace.turn, tees=_tees(maker))
    try:
        async with asyncio.TaskGroup() as group, walked as batches:
            checker.reads_in(group, reads)
            async for families in batches:
                for family in families:
                    if maker is not None:
                        await maker.look(family)
                    if not chosen(family.name, share, seed):
                        checker.pass_over(family)
                    elif not checker.plainly(family):
                        await checker.look(family)
                checker.tell()
    except BaseExceptionGroup as several:
        raise next((one for one in several.exceptions if isinstance(one, ObjectError)), several.exceptions[0]) from None
    checker.tell()
    checker.mismatches.sort(key=lambda note: note.row.key)
    return Verification(checker.counts.tally(), checker.mismatches, checker.changed, checker.skipped, checker.sample())


async def _known(rows: Iterator[list[EvidenceRow]]) -> AsyncIterator[list[EvidenceRow]]:
    for some in rows:
        yield some


def _tees(maker: PrintMaker | None) -> tuple[Tee | None, Tee | None]:
    def tee(side: RunHashes | None) -> Tee | None:
        return None if maker is None or side is None else partial(maker.feed, side)

    return (tee(maker.source), tee(maker.target)) if maker is not None else (None, None)


class _Checker:
    def __init__(
        self,
        shard: CopyShard,
        source: SourceBlobs,
        target: TargetBlobs,
        level: ProofLevel,
        progress: Progress,
        pace: Pace,
        budget: ByteBudget,
    ) -> None:
        self._shard, self._source, self._target = shard, source, target
        self._level, self._progress = level, progress
        self._pace, self._budget = pace, budget
        self.counts, self.changed, self.skipped = Counts(), 0, 0
        self.mismatches: list[ObjectNote] = []
        self._told = (0, 0)
        self._bytes = self._names = self._passed = 0
        self._group: asyncio.TaskGroup | None = None
        self._gate = asyncio.Semaphore(1)

    def reads_in(self, group: asyncio.TaskGroup, reads: int) -> None:
        """Content is read by tasks of this group, `reads` at once."""
        self._group, self._gate = group, asyncio.Semaphore(reads)

    def tell(self) -> None:
        """Bring the progress up to date; not for each object, which would cost as much as looking at it."""
        done, failed = self.counts.listed, self.counts.failed
        self._progress.add(objects=done - self._told[0], bytes=self._bytes, failed=failed - self._told[1])
        self._told, self._bytes = (done, failed), 0

    def plainly(self, family: Family) -> bool:
        """Look at an ordinary name of which everything holds by the listings; False where that is not so plain."""
        if len(family.source) != 1 or len(family.target) != 1 or len(family.previous) != 1:
            return False
        item, there, row = family.source[0], family.target[0], family.previous[0]
        if (
            self._level >= ProofLevel.L2
            or row.outcome not in _THERE
            or row.change in (Change.DELETED, Change.EXTRA)
            or not (row.is_base and there.is_base and item.is_base)
            or not row.target_etag
            or _by_listing(row, there)
        ):
            return False
        counts = self.counts
        counts.listed += 1
        counts.same += 1
        counts.proof[min(row.proof or 0, ProofLevel.L1)] += 1
        self._bytes += row.size
        self._names += 1
        self.changed += item.etag != row.source_etag
        return True

    def pass_over(self, family: Family) -> None:
        """The sample leaves this name out."""
        self.skipped += len(family.previous)
        self._passed += _held(family)

    def sample(self) -> Sample:
        """What was looked at, by names."""
        wrong = len({note.row.name for note in self.mismatches})
        return Sample(self._names + self._passed, self._names, wrong)

    async def look(self, family: Family) -> None:
        here = {item.key: item for item in family.source}
        self._names += _held(family)
        for row in family.previous:
            if row.change in (Change.DELETED, Change.EXTRA):
                continue
            await self._one(row, here.get(row.key), _at_target(row, family.target))
        known = {row.key for row in family.previous}
        # Written at the source since the copy: nothing about it can be verified yet.
        self.changed += sum(1 for key in here if key not in known)

    async def _one(self, row: EvidenceRow, here: ListedObject | None, there: ListedObject | None) -> None:
        if self._group is None or self._level < ProofLevel.L2:
            await self._row(row, here, there)
            return
        await self._gate.acquire()
        task = self._group.create_task(self._row(row, here, there))
        task.add_done_callback(lambda _: self._gate.release())

    async def _row(self, row: EvidenceRow, here: ListedObject | None, there: ListedObject | None) -> None:
        if row.outcome in (Outcome.EXCLUDED, Outcome.FAILED) or not ours(row):
            self._count(row, Outcome.EXCLUDED if row.outcome is Outcome.EXCLUDED else Outcome.FAILED, row.proof)
            return
        moved = here is None or (here.etag != row.source_etag)
        self.changed += moved
        why, reached = _by_listing(row, there), min(row.proof or ProofLevel.L0, ProofLevel.L1)
        if not why and there is not None and self._level >= ProofLevel.L2:
            try:
                reached = await self._content(row, None if moved else here, there)
            except Corrupted as wrong:
                why = wrong.sentence
            except CompareTarget:
                why = "The target was changed while it was verified."
            except (ReplanObject, ObjectGone):
                self.changed += not moved
            except ObjectError as wrong:
                why = f"It could not be read: {wrong.sentence}"
        if why:
            self._count(replace(row, reason=f"{MISMATCH}{why}"), Outcome.FAILED, row.proof)
        else:
            self._count(row, Outcome.SAME, reached)

    async def _content(self, row: EvidenceRow, here: ListedObject | None, there: ListedObject) -> ProofLevel:
        """Compare content as far as both sides can still be read; the level reached.

        Raises:
            Corrupted: they differ.
        """
        evidence = row.target_crc64 or row.source_crc64
        if self._level is ProofLevel.L2 and here is not None and row.target_crc64:
            found = await self._sum(self._source, here)
            _demand(row.target_crc64, crc64.to_text(found.crc), "CRC64 of the source and of the evidence differ")
            return ProofLevel.L2
        back = await self._sum(self._target, there)
        if evidence:
            _demand(evidence, crc64.to_text(back.crc), "CRC64 of the target and of the evidence differ")
        if row.sha256:
            _demand(row.sha256, back.sha256, "SHA-256 of the target and of the evidence differ")
        if here is None:
            return ProofLevel.L3 if row.sha256 else ProofLevel.L2 if evidence else ProofLevel.L0
        found = await self._sum(self._source, here)
        _demand(found.sha256, back.sha256, "SHA-256 of source and target differ")
        return ProofLevel.L3

    async def _sum(self, side: SourceBlobs | TargetBlobs, item: ListedObject) -> Sum:
        return await sum_of(side.read(self._shard.container, item), item.size, self._pace, self._budget)

    def _count(self, row: EvidenceRow, outcome: Outcome, proof: ProofLevel | None) -> None:
        verdict = replace(row, outcome=outcome, proof=proof, route=None)
        self.counts.add(verdict)
        self._bytes += row.size
        if is_mismatch(verdict):
            self.mismatches.append(ObjectNote(self._shard.source_account, self._shard.container, verdict))


def _at_target(row: EvidenceRow, target: Sequence[ListedObject]) -> ListedObject | None:
    """What the row's generation is at the target; a version may be the current one there."""
    for item in target:
        if row.version:
            found = not item.snapshot and item.version_id == row.target_version
        else:
            found = not item.previous and item.snapshot == row.target_snapshot
        if found:
            return item
    return None


def _held(family: Family) -> bool:
    """Whether the target must hold something under this name, so that it can be verified."""
    return any(
        row.outcome in _THERE and row.target_etag and row.change not in (Change.DELETED, Change.EXTRA)
        for row in family.previous
    )


def _by_listing(row: EvidenceRow, there: ListedObject | None) -> str:
    """What the target's listing says against the evidence; "" where nothing."""
    if there is None:
        return "It is not at the target any more."
    if there.size != row.size:
        return f"The target holds {there.size} bytes, the evidence says {row.size}."
    if there.etag != row.target_etag:
        return "The target was changed after the copy: its ETag is not the one in the evidence."
    if not row.snapshot and mapping_digest(there.tags) != row.tags_digest:
        return "The index tags at the target are not those in the evidence."
    if row.tier and there.tier and there.tier != row.tier:
        return f"The access tier at the target is {there.tier}, the evidence says {row.tier}."
    return ""


def _demand(expected: str, found: str, what: str) -> None:
    if expected != found:
        raise Corrupted(f"{what}: {expected} and {found}.")
