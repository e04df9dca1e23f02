"""Evidence rows: built in one place, so that each says what its object's digests, proof and reason are."""

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, fields, replace
from datetime import datetime
from typing import Any, cast

from mappings.delta import MISMATCH
from mappings.errors import Corrupted, ObjectError
from mappings.evidence import headers_digest, mapping_digest
from mappings.failures import code_of
from mappings.objects import EvidenceRow, ListedObject, Tally, Written
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers.delivery import Delivered
from tasks.copiers.proving import Proof


def blank(item: ListedObject, outcome: Outcome, change: Change, reason: str = "") -> EvidenceRow:
    """A row for `item` of which nothing is at the target by us."""
    return EvidenceRow(
        name=item.name,
        snapshot=item.snapshot,
        version=item.key.version,
        blob_type=item.blob_type.value,
        size=item.size,
        source_etag=item.etag,
        source_last_modified=item.last_modified,
        outcome=outcome,
        change=change,
        route=None,
        proof=None,
        tier=item.tier,
        headers_digest=headers_digest(item.headers),
        metadata_digest=mapping_digest(item.metadata),
        tags_digest=mapping_digest(item.tags),
        reason=reason,
    )


def delivered(done: Delivered, change: Change, *, attempts: int, started: datetime, finished: datetime) -> EvidenceRow:
    """The row of an object whose content travelled."""
    lost = f"Not kept: {'; '.join(done.lost)}." if done.lost else ""
    return replace(
        _proved(blank(done.item, Outcome.COPIED, change, lost), done.proof),
        route=done.landed.route,
        target_etag=done.landed.etag,
        attempts=attempts,
        started=started,
        finished=finished,
        request_id=done.landed.request_id,
        target_version=done.landed.version_id,
    )


class _Raw:
    """An `EvidenceRow` while it is filled: the same slots without the frozen class's slower way to set them."""

    __slots__ = EvidenceRow.__slots__


_OF_A_PLAIN_COPY = frozenset(
    """
    name snapshot blob_type size source_etag source_last_modified outcome change route proof target_etag source_crc64
    target_crc64 sha256 tier headers_digest metadata_digest tags_digest started finished request_id target_version
    """.split()  # noqa: SIM905
)
_SLOTS = EvidenceRow.__slots__
_REST = tuple((one.name, one.default) for one in fields(EvidenceRow) if one.name not in _OF_A_PLAIN_COPY)
assert all(default is not MISSING for _, default in _REST)


def plain(
    item: ListedObject,
    change: Change,
    route: Route,
    written: Written,
    level: ProofLevel,
    source_crc64: str,
    sha256: str,
    *,
    started: datetime,
    finished: datetime,
) -> EvidenceRow:
    """As `delivered`, for an object of which nothing was lost, at its first start by one request; built in one step."""
    raw: Any = _Raw()
    raw.name = item.name
    raw.snapshot = item.snapshot
    raw.blob_type = item.blob_type.value
    raw.size = item.size
    raw.source_etag = item.etag
    raw.source_last_modified = item.last_modified
    raw.outcome = Outcome.COPIED
    raw.change = change
    raw.route = route
    raw.proof = level
    raw.target_etag = written.etag
    raw.source_crc64 = source_crc64
    if level >= ProofLevel.L2:
        raw.target_crc64 = source_crc64  # That they are equal is what was proved.
    else:
        raw.target_crc64 = "" if written.crc64 is None else crc64.as_text(written.crc64)
    raw.sha256 = sha256
    raw.tier = "" if item.tier_inferred else item.tier
    raw.headers_digest = headers_digest(item.headers)
    raw.metadata_digest = mapping_digest(item.metadata)
    raw.tags_digest = mapping_digest(item.tags)
    raw.started = started
    raw.finished = finished
    raw.request_id = written.request_id
    raw.target_version = written.version_id
    for name, default in _REST:
        setattr(raw, name, default)
    raw.__class__ = EvidenceRow
    return cast("EvidenceRow", raw)


def adopted(item: ListedObject, proof: Proof, etag: str, *, touched: bool) -> EvidenceRow:
    """The row of an object that was at the target without evidence of ours, and is equal by content."""
    outcome = Outcome.COPIED if touched else Outcome.SAME
    reason = "It was at the target already; adopted, because its content is equal."
    return replace(_proved(blank(item, outcome, Change.NEW, reason), proof), target_etag=etag)


def kept(previous: EvidenceRow) -> EvidenceRow:
    """The row of an object of which nothing had to travel."""
    settled = previous.outcome is Outcome.SAME and previous.change is Change.SAME and previous.route is None
    if settled and previous.attempts == 1 and not previous.reason and not previous.code:
        return previous
    raw: Any = _Raw()
    for name in _SLOTS:
        setattr(raw, name, getattr(previous, name))
    raw.outcome = Outcome.SAME
    raw.change = Change.SAME
    raw.route = None
    raw.reason = raw.code = ""
    raw.attempts = 1
    raw.__class__ = EvidenceRow
    return cast("EvidenceRow", raw)


def updated(
    item: ListedObject, previous: EvidenceRow, change: Change, etag: str, proof: Proof | None = None
) -> EvidenceRow:
    """The row of an object whose content is at the target already, and of which at most its other parts travelled."""
    row = blank(item, Outcome.SAME if change is Change.SAME else Outcome.COPIED, change)
    row = replace(
        row,
        target_etag=etag,
        target_snapshot=previous.target_snapshot,
        proof=previous.proof,
        source_crc64=previous.source_crc64,
        target_crc64=previous.target_crc64,
        sha256=previous.sha256,
    )
    if proof is None:
        return row
    return replace(
        row,
        proof=max(previous.proof or ProofLevel.L0, proof.level),
        source_crc64=proof.source_crc64 or previous.source_crc64,
        target_crc64=proof.target_crc64 or previous.target_crc64,
        sha256=proof.sha256 or previous.sha256,
    )


def excluded(item: ListedObject, previous: EvidenceRow | None, reason: str, etag: str = "") -> EvidenceRow:
    """The row of an object that is left out. What an earlier run copied of it stays in evidence."""
    return _not_done(item, previous, Outcome.EXCLUDED, reason, Change.SAME if previous else Change.NEW, etag)


def failed(
    item: ListedObject, previous: EvidenceRow | None, wrong: ObjectError | str, change: Change, etag: str = ""
) -> EvidenceRow:
    """The row of an object that was not copied; `etag` is what a broken-off try of ours left at the target, if any."""
    if isinstance(wrong, str):
        return _not_done(item, previous, Outcome.FAILED, wrong, change, etag)
    sign = MISMATCH if isinstance(wrong, Corrupted) else ""
    row = _not_done(item, previous, Outcome.FAILED, f"{sign}{wrong.sentence}", change, etag)
    return replace(row, code=wrong.code)


def _not_done(
    item: ListedObject, previous: EvidenceRow | None, outcome: Outcome, reason: str, change: Change, etag: str
) -> EvidenceRow:
    if previous is not None and previous.target_etag and not etag:
        # The generation that the target has of it, and what was proved then, is still the evidence.
        return replace(previous, outcome=outcome, change=change, route=None, reason=reason)
    snapshot = previous.target_snapshot if previous else ""
    return replace(blank(item, outcome, change, reason), target_etag=etag, target_snapshot=snapshot)


def gone(previous: EvidenceRow, reason: str) -> EvidenceRow:
    """A reported deletion: we copied it, the source no longer has it."""
    return replace(previous, outcome=Outcome.SAME, change=Change.DELETED, route=None, reason=reason)


def at_target_only(item: ListedObject, change: Change, reason: str) -> EvidenceRow:
    """EXTRA, or DELETED where only an interrupted attempt knows of it. The ETag and time are those of the target."""
    return replace(blank(item, Outcome.SAME, change, reason), source_etag="")


def _proved(row: EvidenceRow, proof: Proof) -> EvidenceRow:
    return replace(
        row, proof=proof.level, source_crc64=proof.source_crc64, target_crc64=proof.target_crc64, sha256=proof.sha256
    )


class Counts:
    """The tally of a shard while it grows: plain numbers, because each of its objects adds to it."""

    __slots__ = (
        "azcopy",
        "bytes",
        "codes",
        "copied",
        "deleted",
        "excluded",
        "failed",
        "listed",
        "proof",
        "pull",
        "same",
        "stream",
    )

    def __init__(self) -> None:
        self.listed = self.copied = self.same = self.excluded = self.failed = self.deleted = 0
        self.bytes = self.pull = self.stream = self.azcopy = 0
        self.proof = [0, 0, 0, 0]
        self.codes: Counter[str] = Counter()
        """What failed, by code."""

    def add(self, row: EvidenceRow) -> None:
        """Count one row."""
        outcome, route = row.outcome, row.route
        if row.change is Change.DELETED or row.change is Change.EXTRA:
            self.deleted += 1
            return
        self.listed += 1
        if outcome is Outcome.COPIED:
            self.copied += 1
        elif outcome is Outcome.SAME:
            self.same += 1
        elif outcome is Outcome.EXCLUDED:
            self.excluded += 1
        else:
            self.failed += 1
            self.codes[code_of(row)] += 1
        if row.proof is not None and (outcome is Outcome.COPIED or outcome is Outcome.SAME):
            self.proof[row.proof] += 1
        if route is not None:
            self.bytes += row.size
            if route is Route.PULL:
                self.pull += 1
            elif route is Route.STREAM:
                self.stream += 1
            else:
                self.azcopy += 1

    def tally(self) -> Tally:
        """The counts so far."""
        return Tally(
            listed=self.listed,
            copied=self.copied,
            same=self.same,
            excluded=self.excluded,
            failed=self.failed,
            deleted=self.deleted,
            bytes=self.bytes,
            pull=self.pull,
            stream=self.stream,
            azcopy=self.azcopy,
            proof=(self.proof[0], self.proof[1], self.proof[2], self.proof[3]),
        )


def tally_of(row: EvidenceRow) -> Tally:
    """What one row adds to the tally of its shard."""
    counts = Counts()
    counts.add(row)
    return counts.tally()
