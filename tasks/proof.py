"""Verification of shards from their manifests; plain, so that `govlift verify` runs it without Prefect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.objects import Tally
from mappings.runs import ObjectNote
from mappings.states import ProofLevel
from tasks.copiers.check import verify_shard
from tasks.manifests import read_manifest

if TYPE_CHECKING:
    from mappings.runs import ShardRecord
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.progress import Progress


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


@dataclass(frozen=True)
class Proved:
    """What the verification of one shard, or of several added up, found."""

    tally: Tally = field(default_factory=Tally)
    mismatches: Sequence[ObjectNote] = ()
    changed: int = 0
    """Objects whose source has moved on since the copy; the next re-sync takes them."""

    def __add__(self, other: Proved) -> Proved:
        return Proved(self.tally + other.tally, (*self.mismatches, *other.mismatches), self.changed + other.changed)


async def prove_shard(record: ShardRecord, work: ProofWork, source: SourceBlobs, target: TargetBlobs) -> Proved:
    """Verify one shard from its newest manifest.

    Raises:
        GovliftError: the shard could not be verified.
    """
    result = await verify_shard(
        record.shard,
        source,
        target,
        read_manifest(work.folder / record.manifest),
        level=work.level,
        share=work.share,
        seed=work.seed,
        progress=work.progress,
    )
    return Proved(result.tally, tuple(result.mismatches), result.changed)
