"""Verification from the manifest: is at the target what the evidence says, and is it what the source held then."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mappings.delta import MISMATCH, is_mismatch, ours
from mappings.errors import CompareTarget, Corrupted, ObjectError, ObjectGone, ReplanObject
from mappings.evidence import mapping_digest
from mappings.objects import EvidenceRow, ListedObject, Tally
from mappings.plan import CopyShard
from mappings.runs import ObjectNote
from mappings.states import Change, Outcome, ProofLevel
from tasks.clients import crc64
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.march import Family, ascending, march
from tasks.copiers.proving import sum_of
from tasks.copiers.rows import tally_of
from tasks.progress import Progress


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
    rows: Iterator[EvidenceRow],
    *,
    level: ProofLevel,
    share: float,
    seed: str,
    progress: Progress,
) -> Verification:
    """Verify the objects of one shard against its newest manifest.

    L0 and L1 compare the listings of both sides with the manifest (size, ETags, tags, tier); L2 reads the source under
    the recorded ETag and compares its CRC64 with the evidence of the target, or with the target read back; L3 reads
    both sides and compares SHA-256.

    Args:
        share: part of the objects looked at, above 0 and up to 1.
        seed: chooses them.

    Raises:
        ObjectError, GovliftError: a listing failed; nothing is verified.
    """
    checker = _Checker(shard, source, target, level, progress)
    families = march(
        ascending(source.objects(shard.container, begin=shard.begin, end=shard.end), f"{source.account}"),
        ascending(target.objects(shard.container, begin=shard.begin, end=shard.end), f"{target.account}"),
        rows,
    )
    async for family in families:
        if chosen(family.name, share, seed):
            await checker.look(family)
        else:
            checker.skipped += len(family.previous)
    return Verification(checker.tally, checker.mismatches, checker.changed, checker.skipped)


class _Checker:
    def __init__(
        self, shard: CopyShard, source: SourceBlobs, target: TargetBlobs, level: ProofLevel, progress: Progress
    ) -> None:
        self._shard, self._source, self._target = shard, source, target
        self._level, self._progress = level, progress
        self.tally, self.changed, self.skipped = Tally(), 0, 0
        self.mismatches: list[ObjectNote] = []

    async def look(self, family: Family) -> None:
        here = {item.key: item for item in family.source}
        for row in family.previous:
            if row.change in (Change.DELETED, Change.EXTRA):
                continue
            await self._row(row, here.get(row.key), _at_target(row, family.target))
        known = {row.key for row in family.previous}
        # Written at the source since the copy: nothing about it can be verified yet.
        self.changed += sum(1 for key in here if key not in known)

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
            found = await sum_of(self._source.read(self._shard.container, here))
            _demand(row.target_crc64, crc64.to_text(found.crc), "CRC64 of the source and of the evidence differ")
            return ProofLevel.L2
        back = await sum_of(self._read_target(there))
        if evidence:
            _demand(evidence, crc64.to_text(back.crc), "CRC64 of the target and of the evidence differ")
        if row.sha256:
            _demand(row.sha256, back.sha256, "SHA-256 of the target and of the evidence differ")
        if here is None:
            return ProofLevel.L3 if row.sha256 else ProofLevel.L2 if evidence else ProofLevel.L0
        found = await sum_of(self._source.read(self._shard.container, here))
        _demand(found.sha256, back.sha256, "SHA-256 of source and target differ")
        return ProofLevel.L3

    def _read_target(self, there: ListedObject) -> AsyncIterator[bytes]:
        return self._target.read(self._shard.container, there)

    def _count(self, row: EvidenceRow, outcome: Outcome, proof: ProofLevel | None) -> None:
        verdict = replace(row, outcome=outcome, proof=proof, route=None)
        added = tally_of(verdict)
        self.tally += added
        self._progress.add(objects=1, bytes=row.size, failed=outcome is Outcome.FAILED)
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
