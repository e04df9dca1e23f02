"""The ordinary object, at hardly more than the price of its requests: a block blob that one write carries whole.

Nothing is decided here that is not decided elsewhere too: `look` asks the same `decide` as `settle`, and takes only
what needs nothing but a copy. Whatever turns out otherwise on the way, any `ObjectError` among it, goes to `deliver`,
which starts over and knows all hard cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from mappings.delta import ARCHIVE, Action, decide
from mappings.errors import Corrupted, ObjectError
from mappings.fidelity import Features
from mappings.objects import BlobType, EvidenceRow, ListedObject, ObjectKey, Written
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers import rows
from tasks.copiers.base import Started
from tasks.copiers.bench import Bench
from tasks.copiers.march import Family
from tasks.copiers.proving import differ
from tasks.copiers.reading import joined
from tasks.copiers.rules import READ_AHEAD, CopyRules, reads
from tasks.copiers.settle import deliver


class Job:
    """One family on its way through the lanes; its place in line is kept until its rows are there."""

    __slots__ = (
        "begun",
        "change",
        "family",
        "fatal",
        "held",
        "if_match",
        "item",
        "known",
        "rows",
        "started",
        "under_way",
        "wait",
        "written",
        "wrong",
    )  # fmt: skip

    def __init__(
        self,
        family: Family,
        item: ListedObject | None = None,
        if_match: str | None = None,
        change: Change = Change.NEW,
        *,
        begun: bool = False,
    ) -> None:
        self.family = family
        self.item = item
        """The object as the target shall hold it, where the family is nothing but a plain copy; else None."""
        self.if_match = if_match
        self.change = change
        self.begun = begun
        """Whether an earlier attempt, whose manifest was never finished, had begun this name."""
        self.known: Mapping[ObjectKey, EvidenceRow] | None = None
        """What that attempt had finished of it."""
        self.rows: list[EvidenceRow] | None = None
        self.under_way: Started | None = None
        """The request that was sent for it, where it went without a coroutine; see `express`."""
        self.held = 0
        """Bytes of the budget that it holds meanwhile."""
        self.wait = 0.0
        """Seconds to wait, as that request was answered, before the ordinary way is taken."""
        self.started: datetime | None = None
        """When that was, where something is at the target by it."""
        self.written: Written | None = None
        """What is at the target by it, and is not proved yet, or could not be."""
        self.wrong: ObjectError | None = None
        """Why."""
        self.fatal: BaseException | None = None
        """What ends the shard."""


class Plain:
    """What is plain about the objects of one shard: finds it, and carries it out."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._pair = bench.source.account, bench.target.account
        rules = bench.rules
        self._sums = rules.proof >= ProofLevel.L2
        self._hashes = rules.proof >= ProofLevel.L3
        self._largest = max(rules.whole_pull, rules.block)

    def look(self, family: Family) -> list[EvidenceRow] | Job:
        """The rows of a family of which nothing has to travel or be read; else the work that it is."""
        source, target, previous = family.source, family.target, family.previous
        if len(source) != 1 or len(target) > 1 or len(previous) > 1:
            return Job(family)
        bench = self._bench
        item = source[0]
        there = target[0] if target else None
        row = previous[0] if previous else None
        if bench.rules.rearchive and row is not None and row.tier == ARCHIVE:
            return Job(family)
        if is_unusual(item) or (there is not None and not there.is_base) or (row is not None and not row.is_base):
            return Job(family)
        if reason := bench.rules.left_out(item):
            return [rows.excluded(item, row, reason)]
        if there is not None and row is not None and unchanged(item, there, row, bench.rules):
            return [rows.kept(row)]
        wanted = fitting(item, bench.features)
        if wanted is None:
            return Job(family)
        decision = decide(wanted, there, row, proof=bench.rules.proof, key=bench.rules.target_key)
        if decision.action is not Action.COPY or item.size > self._largest:
            return Job(family)
        return Job(family, wanted, decision.if_match, decision.change)

    async def carry(self, job: Job, item: ListedObject, started: datetime) -> EvidenceRow:
        """Copy one object, prove it, and give its row; the pace has let it in, and lets the next one in at the end.

        Args:
            started: when its turn came.
        """
        bench = self._bench
        if job.wait:
            await asyncio.sleep(job.wait)
        route, written = Route.PULL, job.written
        if written is None:
            route = bench.routes.route(*self._pair)
            if item.size > self._most(route):
                return await self._hard(job, job.if_match, None)
        elif job.wrong is not None or written.crc64 is None:
            return await self._hard(job, written.etag, job.wrong)
        crc, sha = None, ""
        try:
            if route is Route.STREAM:
                written, crc, sha = await self._stream(item, job.if_match)
            else:
                if written is None:
                    written = await self._pull(item, job.if_match)
                if self._sums and written.crc64 is not None:
                    crc = await self._crc(item)
            if written.crc64 is None and self._sums:
                # Only reading it back can prove it.
                return await self._hard(job, written.etag, None)
            level = proved_level(item, crc, written.crc64, sha)
        except ObjectError as wrong:
            # A label that does not fit its bytes is legal, and `blobs` knows how to bring it over: no failed start.
            first = None if wrong.code == "Md5Mismatch" else wrong
            return await self._hard(job, written.etag if written is not None else job.if_match, first)
        known = "" if crc is None else crc64.to_text(crc)
        started = job.started or started
        return rows.plain(item, job.change, route, written, level, known, sha, started=started, finished=bench.clock())

    def _most(self, route: Route) -> int:
        """Bytes up to which an object is plain on this route: larger ones are read in several ranges at once."""
        if route is Route.PULL and self._hashes:
            return -1
        return self._bench.rules.whole_pull if route is Route.PULL and not self._sums else self._bench.rules.block

    async def _pull(self, item: ListedObject, if_match: str | None) -> Written:
        bench = self._bench
        if bench.pace.capped:
            await bench.spend(item.size)
        url = await bench.source.pull_url(bench.container, item)
        written = await bench.target.put_blob_from_url(bench.container, item, url, if_match=if_match)
        bench.routes.pulled(*self._pair)
        return written

    async def _crc(self, item: ListedObject) -> int:
        """CRC64 of the pinned generation at the source; nothing of it is kept."""
        bench, held = self._bench, min(item.size, READ_AHEAD)
        if bench.pace.capped:
            await bench.spend(item.size, reads(item.size))
        if not bench.budget.try_take(held):
            await bench.budget.take(held)
        crc = size = 0
        try:
            async for part in bench.source.read(bench.container, item):
                crc = crc64.crc64(part, crc)
                size += len(part)
        finally:
            bench.budget.give(held)
        if size != item.size:
            raise Corrupted(f'The source gave {size} bytes of "{item.name}", which is listed with {item.size}.')
        return crc

    async def _stream(self, item: ListedObject, if_match: str | None) -> tuple[Written, int, str]:
        bench, size = self._bench, item.size
        if bench.pace.capped:
            await bench.spend(size, reads(size) + 1)
        if not bench.budget.try_take(size):
            await bench.budget.take(size)
        try:
            data = await joined(bench.source.read(bench.container, item))
            if len(data) != size:
                raise Corrupted(f'Reading "{item.name}" gave {len(data)} bytes of {size}.')
            crc = crc64.crc64(data)
            sha = sha256(data).hexdigest() if self._hashes else ""
            written = await bench.target.put_blob(bench.container, item, data, if_match=if_match, crc=crc)
            return written, crc, sha
        finally:
            bench.budget.give(size)

    async def _hard(self, job: Job, if_match: str | None, first: ObjectError | None) -> EvidenceRow:
        row = job.family.previous[0] if job.family.previous else None
        return await deliver(self._bench, job.family.source[0], if_match, row, job.change, first=first, begun=job.begun)


def proved_level(item: ListedObject, source: int | None, target: bytes | None, sha: str) -> ProofLevel:
    """What is proved: the write succeeded under the pin; and the checksums agree, where both are known.

    Raises:
        Corrupted: they do not.
    """
    if source is None or target is None:
        return ProofLevel.L1
    if crc64.to_bytes(source) != target:
        raise differ(item, crc64.to_text(source), crc64.as_text(target), "CRC64")
    return ProofLevel.L3 if sha else ProofLevel.L2


def is_unusual(item: ListedObject) -> bool:
    """Whether an entry is more than a block blob of its own, or may lose something; `fidelity.adapted` says what."""
    return bool(
        item.blob_type is not BlobType.BLOCK
        or item.snapshot
        or item.previous
        or item.directory
        or item.encryption_scope
        or item.customer_key
        or item.archive_status
        or item.tier == ARCHIVE
        or item.immutable_until
        or item.legal_hold
    )


def fitting(item: ListedObject, features: Features) -> ListedObject | None:
    """An entry that is not unusual, where the target account can hold all of it; None where it would lose something.

    An inferred tier stays in it, unlike in `fidelity.adapted`: writes do not carry it, and rows do not tell it.
    """
    if (item.tags and not features.tags) or (item.tier and not item.tier_inferred and not features.tiers):
        return None
    return item


def unchanged(item: ListedObject, there: ListedObject, row: EvidenceRow, rules: CopyRules) -> bool:
    """Whether `decide` would keep it, told by the cheapest facts first; False means that `decide` has to say.

    A source ETag that has not moved says that content, headers and metadata are those of the row, so their digests are
    not computed again.
    """
    return (
        item.etag == row.source_etag
        and there.etag == row.target_etag
        and row.outcome is not Outcome.FAILED
        and row.proof is not None
        and row.proof >= rules.proof
        and there.key_sha256 == rules.target_key
        and item.blob_type is there.blob_type
        and item.tags == there.tags
        and (item.tier_inferred or not item.tier or (item.tier == there.tier and not there.tier_inferred))
        and (there.sealed or not item.sealed)
    )
