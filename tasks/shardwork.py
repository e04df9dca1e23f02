"""The work on one leased shard: renew the lease, run the engine, write the manifest, settle with the ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.errors import GovliftError, ObjectError
from mappings.objects import Tally
from mappings.runs import Claim
from mappings.standstill import CODE, MOST_TIMES, is_taken_again
from tasks.carry import Looked, Piece, PrintStore, look
from tasks.copiers import COPIERS
from tasks.copiers.journal import FileJournal, Journal, NoJournal
from tasks.copiers.pace import ByteBudget, PaceBook
from tasks.external import AzCopy, Handed, Marking
from tasks.keeping import carried_tables, part_rows
from tasks.ledger.refusals import LostLease
from tasks.loglines import about, told
from tasks.manifests import ManifestWriter, manifest_meta, manifest_path
from tasks.progress import ShardProgress
from tasks.selection import Selection
from tasks.standstill import EVENT, Flight, StoodStill, Watch, times_still, watched

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
    tool_version: str
    paces: PaceBook = field(default_factory=PaceBook)
    """How much may be in flight at each target account."""
    azcopy: AzCopy | None = None
    """Carries new objects, where the settings ask for it."""
    requests: Callable[[], int] = lambda: 0
    """Requests that this process has sent to the accounts so far."""
    watch: Watch = field(default_factory=Watch)
    """How long a shard may stand still."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits so many seconds between two renewals of a lease."""
    budget: ByteBudget = field(init=False)
    """Bytes of objects held in memory, by all shards in hand together."""
    selection: Selection = field(init=False)
    """What the plans of its runs take."""
    prints: PrintStore = field(init=False)
    """By what it is known that nothing has changed."""

    def counts(self) -> tuple[int, ...]:
        """What moves while a shard does."""
        at = self.progress.snapshot()
        carried = self.azcopy.moved() if self.azcopy is not None else 0
        return at.objects, at.bytes, at.failed, self.paces.throttled(), self.requests(), carried

    def __post_init__(self) -> None:
        self.budget = ByteBudget(self.rules.memory)
        self.prints = PrintStore(self.folder, self.reader)
        self.selection = Selection(self.folder, self.reader)


async def carry_out(
    claim: Claim, work: ShardWork, source: SourceBlobs, target: TargetBlobs, counted: ShardProgress | None = None
) -> Tally:
    """Copy one shard. The ledger says afterwards what became of it.

    Args:
        counted: counts what is settled of it; a new one where nobody else wants to know.

    Raises:
        GovliftError: nothing further can be done in this run (disk full, identity refused, ledger gone).
    """
    shard = claim.shard
    counted = counted or ShardProgress(work.progress)
    with about(run=claim.run_id, shard=shard.id, account=shard.source_account, container=shard.container):
        tally = await _carry_out(claim, work, source, target, counted)
        counts = {name: getattr(tally, name) for name in ("listed", "copied", "same", "excluded", "failed", "bytes")}
        log.debug("shard %s: %s listed", shard.id, tally.listed, extra=told("shard.done", counts=counts))
    return tally


async def _carry_out(
    claim: Claim, work: ShardWork, source: SourceBlobs, target: TargetBlobs, counted: ShardProgress
) -> Tally:
    relative = manifest_path(claim)
    path = work.folder / relative
    rules = work.selection.rules(work.rules, claim)
    pace = work.paces.of(target.account)
    # What the source throttles slows the account down that its bytes go to.
    source.listen(pace.slow)
    target.listen(pace.slow)
    journal: FileJournal | None = None
    manifest: ManifestWriter | None = None
    flight = Flight(NoJournal())
    try:
        async with _leased(claim, work), watched(work.watch, pace, work.counts, lambda busy: flight.told(busy)):
            looked = await _look(claim, work, rules, source, target)
            if looked is not None and looked.all_same:
                return _carried(claim, work, looked, counted)
            journal = FileJournal(path.parent, f"{claim.run_id}-{claim.attempt}")
            flight = Flight(journal)
            manifest = ManifestWriter(path, meta=manifest_meta(claim, tool_version=work.tool_version))
            tally = await _copy(claim, work, looked, manifest, flight, rules, source, target, counted)
        digest = manifest.close()
    except BaseException as wrong:
        if manifest is not None:
            manifest.abort()
        if journal is not None:
            journal.close()
        return _give_up(claim, work, wrong)
    work.writer.finish(claim, tally=tally, manifest=relative, manifest_hash=digest, now=work.clock())
    if work.selection.is_part(claim.run_id):
        # What a killed attempt at the whole shard had begun outside of this part stands in no manifest yet.
        journal.close()
    else:
        journal.clear()
    return tally


async def _look(
    claim: Claim, work: ShardWork, rules: CopyRules, source: SourceBlobs, target: TargetBlobs
) -> Looked | None:
    filters, pace = work.selection.filters(claim.run_id), work.paces.of(target.account)
    return await look(claim.shard, work.folder, work.reader, work.prints, rules, filters, source, target, pace.turn)


def _carried(claim: Claim, work: ShardWork, looked: Looked, counted: ShardProgress) -> Tally:
    """Nothing of the shard has changed: its last manifest is the evidence of this run too."""
    tally = looked.tally
    work.writer.finish(
        claim, tally=tally, manifest=looked.manifest, manifest_hash=looked.manifest_hash, now=work.clock(), carried=True
    )
    counted.add(objects=tally.listed)
    return tally


async def _copy(
    claim: Claim,
    work: ShardWork,
    looked: Looked | None,
    manifest: ManifestWriter,
    journal: Journal,
    rules: CopyRules,
    source: SourceBlobs,
    target: TargetBlobs,
    counted: ShardProgress,
) -> Tally:
    """Bring the shard over, in order; what is known to be unchanged goes from the last manifest into this one."""
    parts = work.reader.previous_manifests(claim.shard)
    total = Tally()
    for piece in looked.pieces if looked is not None else (Piece(claim.shard, False, Tally()),):
        shard = piece.shard
        if piece.same and looked is not None:
            for table in carried_tables(work.folder / looked.manifest, shard.begin, shard.end):
                manifest.keep(table)
            counted.add(objects=piece.tally.listed)
            total += piece.tally
            continue
        pace, handed = work.paces.of(target.account), frozenset[str]()
        if work.azcopy is not None:
            # Its requests are its own; this worker's part of the cap on bytes, the hours of the day at its start, and
            # a rest that the service asked for hold for it too.
            await pace.enter()
            pace.withdraw()
            handed = await work.azcopy.carry(
                *(shard, source, target, rules, journal),
                turn=pace.turn,
                bytes_per_second=lambda: work.paces.shared().bytes_per_second,
            )
        mark = Marking(handed, manifest.write)
        done = await COPIERS["blobs"](
            shard,
            source,
            target,
            part_rows(work.folder, parts, shard.begin, shard.end),
            mark if handed else manifest.write,
            rules,
            work.routes,
            counted,
            journal=Handed(journal, handed) if handed else journal,
            pace=pace,
            budget=work.budget,
        )
        total += mark.counted(done)
        if handed:
            told = {"run": claim.run_id, "shard": shard.id, "given": len(handed), "equal": mark.carried}
            work.writer.record("azcopy", told | {"copied_anew": mark.recopied}, now=work.clock())
    return total


def _give_up(claim: Claim, work: ShardWork, wrong: BaseException) -> Tally:
    """Settle a shard that ended without a manifest; what concerns more than this shard goes on to the caller."""
    shard = claim.shard
    match wrong:
        case ObjectError():
            reason = f"{shard.source_account}/{shard.container}: {wrong.sentence}"
            log.warning("shard %s failed: %s", shard.id, wrong.sentence, extra=told("shard.failed", code=wrong.code))
            work.writer.fail(claim, reason=reason, tally=Tally(), now=work.clock())
            return Tally()
        case StoodStill():
            return _stood_still(claim, work, wrong)
        case LostLease():
            log.warning("shard %s: another worker has it now", shard.id, extra=told("shard.lost"))
            return Tally()
        case _:
            # The lease goes back, whatever happened; where even that cannot be written, it runs out by itself.
            with suppress(GovliftError, LostLease):
                work.writer.release(claim, now=work.clock())
            raise wrong


def _stood_still(claim: Claim, work: ShardWork, wrong: StoodStill) -> Tally:
    """Give the shard back, for whoever claims it next; the last time of a run it fails by name."""
    shard, now = claim.shard, work.clock()
    times = times_still(work.reader, claim.run_id, shard.id) + 1
    again = is_taken_again(times)
    detail = {"run": claim.run_id, "shard": shard.id, "attempt": claim.attempt, "owner": claim.owner}
    work.writer.record(EVENT, detail | {"times": times, "why": wrong.sentence, "claimed_again": again}, now=now)
    then = "it is free to be claimed again" if again else "it failed"
    words = (shard.id, wrong.sentence, then, times, MOST_TIMES)
    log.warning("shard %s: %s; %s (%s of %s)", *words, extra=told("shard.stood-still", counts={"times": times}))
    with suppress(LostLease):  # Then another worker has it already, which is as good.
        if again:
            work.writer.release(claim, now=now)
        else:
            place = f"{shard.source_account}/{shard.container}"
            reason = f"{place}: {wrong.sentence}, {times} times in this run ({CODE})."
            work.writer.fail(claim, reason=reason, tally=Tally(), now=now)
    return Tally()


@asynccontextmanager
async def _leased(claim: Claim, work: ShardWork) -> AsyncIterator[None]:
    """Keep the lease alive while the block runs; when it is lost the block is cancelled: another worker has it."""
    holder = asyncio.current_task()
    lost: list[bool] = []

    async def renew() -> None:
        while True:
            await work.sleep(LEASE_SECONDS / 3)
            try:
                work.writer.renew(claim, lease_seconds=LEASE_SECONDS, now=work.clock())
            except LostLease:
                lost.append(True)
                if holder is not None:
                    holder.cancel()
                return

    renewal = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost and holder is not None:
            holder.uncancel()
            raise LostLease(f"The lease on {claim.shard.id} went to another worker.") from None
        raise
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
