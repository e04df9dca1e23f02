"""One object from decision to evidence row. Object errors end here, as rows; only a `GovliftError` goes further up."""

from __future__ import annotations

from dataclasses import replace

from mappings.delta import NOT_OURS, Action, Decision, Part, change_of, decide, differing, ours
from mappings.errors import CompareTarget, ObjectError, ObjectGone, ReplanObject
from mappings.fidelity import adapted
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Change, ProofLevel
from tasks.clients import crc64
from tasks.copiers import rows
from tasks.copiers.bench import Bench
from tasks.copiers.delivery import Delivery, LeftOut
from tasks.copiers.growing import goes_on
from tasks.copiers.proving import Proof, compare, source_sum

_LEFT_OUT_CODES = frozenset({"BlobUsesCustomerSpecifiedEncryption", "BlobArchived", "BlobBeingRehydrated"})
"""Refusals that say what the object is, and that no other try would change."""
_CHANGED = "It changed at the source while it was compared with what the target holds; run again."


async def settle(
    bench: Bench,
    source: ListedObject,
    target: ListedObject | None,
    previous: EvidenceRow | None,
    *,
    begun: bool = False,
) -> EvidenceRow:
    """Do for one base blob what its state asks for, and say what became of it.

    Args:
        begun: an interrupted attempt of ours had begun to write this name.
    """
    if reason := bench.rules.left_out(source):
        return rows.excluded(source, previous, reason)
    wanted = adapted(source, bench.features).item
    decision = decide(wanted, target, previous, begun=begun, proof=bench.rules.proof, key=bench.rules.target_key)
    if begun and target is not None and goes_on(bench.journal, source, target.etag):
        return await deliver(bench, source, target.etag, previous, decision.change, begun=begun)
    try:
        return await _act(bench, source, target, previous, decision, begun)
    except ObjectGone:
        return rows.excluded(source, previous, "Deleted at the source during the copy.")
    except ReplanObject:
        fresh = await bench.at_source(source.name)
        if fresh is None:
            return rows.excluded(source, previous, "Deleted at the source during the copy.")
        # Only reads were under way; the object is taken as changed.
        unknown = decision.action is Action.COMPARE
        if target is None or (unknown and not begun):
            return rows.failed(source, previous, _CHANGED, Change.NEW)
        change = Change.NEW if unknown else Change.CONTENT
        return await deliver(bench, fresh, target.etag, previous, change, begun=begun)
    except ObjectError as wrong:
        # The journal ends with this attempt: that what stands there is ours stays known by the row alone.
        left = target.etag if begun and target is not None and not ours(previous) else ""
        return rows.failed(source, previous, wrong, decision.change, left)


async def _act(
    bench: Bench,
    source: ListedObject,
    target: ListedObject | None,
    previous: EvidenceRow | None,
    decision: Decision,
    begun: bool,
) -> EvidenceRow:
    match decision.action:
        case Action.COPY:
            return await deliver(bench, source, decision.if_match, previous, decision.change, begun=begun)
        case Action.REFUSE if bench.rules.overwrite_unknown:
            return await deliver(bench, source, decision.if_match, previous, decision.change)
        case Action.REFUSE:
            return rows.failed(source, previous, decision.reason, decision.change)
        case Action.COMPARE if target is not None:
            return await _adopt(bench, source, target, previous, begun)
        case Action.KEEP if previous is not None:
            return rows.kept(previous)
        case Action.APPLY if previous is not None and target is not None:
            item = adapted(source, bench.features).item
            etag = await apply(bench, item, target.etag, decision.parts)
            return rows.updated(item, previous, decision.change, etag)
        case Action.PROVE if previous is not None and target is not None:
            return await _prove_again(bench, source, target, previous, decision)
        case _:
            raise AssertionError(f"{decision.action} is not for a listed object")


async def deliver(
    bench: Bench,
    source: ListedObject,
    if_match: str | None,
    previous: EvidenceRow | None,
    change: Change,
    *,
    first: ObjectError | None = None,
    begun: bool = False,
) -> EvidenceRow:
    """Copy content and all; a failure says what it left at the target.

    Args:
        first: how a first start, made elsewhere, went wrong; it counts as one.
        begun: an interrupted attempt of ours had begun to write this name.
    """
    started = bench.clock()
    bench.begin(source.name)
    delivery = Delivery(bench, source, if_match, begun=begun)
    try:
        done = await delivery.run(first)
    except ObjectError as wrong:
        left = await _left_behind(bench, delivery)
        if isinstance(wrong, LeftOut) or wrong.code in _LEFT_OUT_CODES:
            return rows.excluded(delivery.item, previous, wrong.sentence, left)
        row = rows.failed(delivery.item, previous, wrong, change, left)
        return replace(row, attempts=delivery.attempts, started=started, finished=bench.clock())
    return rows.delivered(done, change, attempts=delivery.attempts, started=started, finished=bench.clock())


async def _left_behind(bench: Bench, delivery: Delivery) -> str:
    """ETag of what a failed copy left at the target, "" where nothing new; so that the next run knows it as ours."""
    if not delivery.wrote:
        return ""
    try:
        found = await bench.at_target(delivery.item.name)
    except ObjectError:
        # The service answers nothing at all; the next run compares by content.
        return ""
    return found.etag if found is not None and delivery.left(found) else ""


async def _adopt(
    bench: Bench, source: ListedObject, target: ListedObject, previous: EvidenceRow | None, begun: bool
) -> EvidenceRow:
    item, key = adapted(source, bench.features).item, bench.rules.target_key
    target = await bench.whole(target)
    proof = await compare(bench, item, target)
    if proof is None:
        if begun or bench.rules.overwrite_unknown:
            return await deliver(bench, source, target.etag, previous, Change.NEW, begun=begun)
        return rows.failed(source, previous, NOT_OURS, Change.NEW)
    parts = differing(item, target)
    if target.key_sha256 != key or (key and parts):
        # Equal in content, so nothing is lost when it is written again, under the key and with all that belongs to it.
        return await deliver(bench, source, target.etag, previous, Change.NEW)
    if parts:
        bench.begin(item.name)
    etag = await apply(bench, item, target.etag, parts)
    return rows.adopted(item, proof, etag, touched=bool(parts))


async def _prove_again(
    bench: Bench, source: ListedObject, target: ListedObject, previous: EvidenceRow, decision: Decision
) -> EvidenceRow:
    """Read the source under its new pin. Equal to what was copied: the rest is applied; else it is copied anew."""
    item = adapted(source, bench.features).item
    read = await source_sum(bench, item)
    known = previous.target_crc64 or previous.source_crc64
    if known and known != crc64.to_text(read.crc):
        return await deliver(bench, source, target.etag, previous, Change.CONTENT)
    level = ProofLevel.L2 if previous.target_crc64 else ProofLevel.L1
    proof: Proof | None = Proof(level, crc64.to_text(read.crc), previous.target_crc64)
    if max(previous.proof or ProofLevel.L0, level) < bench.rules.proof:
        proof = await compare(bench, item, target)
        if proof is None:
            return await deliver(bench, source, target.etag, previous, Change.DRIFTED)
    etag = await apply(bench, item, target.etag, decision.parts)
    return rows.updated(item, previous, change_of(decision.parts), etag, proof)


async def apply(bench: Bench, item: ListedObject, etag: str, parts: tuple[Part, ...]) -> str:
    """Bring `parts` to the target; each write demands the generation that the one before left. Returns the last ETag.

    Raises:
        Corrupted, ObjectRefused, ...: as the client says; CompareTarget where somebody else writes at the same time.
    """
    for part in parts:
        try:
            etag = await _apply(bench, item, etag, part)
        except CompareTarget:
            found = await bench.at_target(item.name)
            if found is None or part in differing(item, found):
                raise
            etag = found.etag
    return etag


async def _apply(bench: Bench, item: ListedObject, etag: str, part: Part) -> str:
    target, container, name = bench.target, bench.container, item.name
    await bench.spend()
    match part:
        case Part.HEADERS:
            return (await target.set_headers(container, name, item.headers, if_match=etag)).etag
        case Part.METADATA:
            return (await target.set_metadata(container, name, item.metadata, if_match=etag)).etag
        case Part.TAGS:
            await target.set_tags(container, name, item.tags)
            return etag
        case Part.TIER:
            await target.set_tier(container, name, item.tier, item.blob_type)
            return etag
        case Part.SEAL:
            return (await target.seal(container, name)).etag
