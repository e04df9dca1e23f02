"""The work on one leased shard: renew the lease, run the engine, write the manifest, settle with the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.errors import GovliftError, ObjectError
from mappings.objects import EvidenceRow, Tally
from mappings.runs import Claim
from tasks.copiers import COPIERS
from tasks.manifests import ManifestWriter, read_manifest

if TYPE_CHECKING:
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.engine import CopyRules
    from tasks.copiers.routes import RouteBook
    from tasks.ledger.reader import LedgerReader
    from tasks.ledger.writer import LedgerWriter
    from tasks.progress import Progress

log = logging.getLogger("govlift")

LEASE_SECONDS = 120.0


@dataclass
class ShardWork:
    """What all shards of one run share. Not frozen, so that Prefect does not walk through it copy by copy."""

    folder: Path
    """The migration folder; manifests lie below `evidence/`."""
    reader: LedgerReader
    writer: LedgerWriter
    rules: CopyRules
    routes: RouteBook
    progress: Progress
    clock: Callable[[], datetime]
    meta: dict[str, str]


async def carry_out(claim: Claim, work: ShardWork, source: SourceBlobs, target: TargetBlobs) -> Tally:
    """Copy one shard. The ledger says afterwards what became of it.

    Raises:
        GovliftError: nothing further can be done in this run (disk full, credentials refused, ledger gone).
    """
    relative = manifest_path(claim)
    manifest = ManifestWriter(work.folder / relative, meta=work.meta | {"shard": claim.shard.id, "run": claim.run_id})
    try:
        async with _leased(claim, work):
            tally = await COPIERS["blobs"](
                claim.shard,
                source,
                target,
                _previous(claim, work),
                manifest.write,
                work.rules,
                work.routes,
                work.progress,
            )
        digest = manifest.close()
    except ObjectError as wrong:
        manifest.abort()
        work.writer.fail(claim, reason=wrong.sentence, tally=Tally(), now=work.clock())
        log.warning("shard %s failed: %s", claim.shard.id, wrong.sentence)
        return Tally()
    except BaseException as wrong:
        manifest.abort()
        if isinstance(wrong, GovliftError):
            work.writer.fail(claim, reason=wrong.sentence, tally=Tally(), now=work.clock())
        else:
            work.writer.release(claim, now=work.clock())
        raise
    work.writer.finish(claim, tally=tally, manifest=relative.as_posix(), manifest_hash=digest, now=work.clock())
    return tally


def manifest_path(claim: Claim) -> Path:
    """Where the manifest of this attempt lies, relative to the migration folder."""
    shard = claim.shard
    name = f"{claim.run_id}-{claim.attempt}.parquet"
    return Path("evidence") / shard.source_account / shard.container / f"{shard.number:05d}" / name


def _previous(claim: Claim, work: ShardWork) -> Iterator[EvidenceRow]:
    last = work.reader.last_manifest(claim.shard.id)
    return read_manifest(work.folder / last) if last else iter(())


@asynccontextmanager
async def _leased(claim: Claim, work: ShardWork) -> AsyncIterator[None]:
    """Keep the lease alive while the block runs; when it is lost the block is cancelled: another worker has it."""
    holder = asyncio.current_task()

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                work.writer.renew(claim, lease_seconds=LEASE_SECONDS, now=work.clock())
            except ObjectError as lost:
                log.warning("shard %s: %s", claim.shard.id, lost.sentence)
                if holder is not None:
                    holder.cancel()
                return

    renewal = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
