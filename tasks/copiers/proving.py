"""How strongly one transfer is proved, raised to the level that the rules ask for. A difference is `Corrupted`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from mappings.errors import Corrupted
from mappings.objects import ListedObject
from mappings.states import ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers.bench import Bench
from tasks.copiers.blobs import Landed
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.rules import READ_AHEAD, reads


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of one object's content on both sides; "" where it is not known."""

    level: ProofLevel
    source_crc64: str = ""
    """Base64."""
    target_crc64: str = ""
    sha256: str = ""
    """Hex."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Checksums of one whole object, read once."""

    crc: int
    sha256: str
    size: int


async def sum_of(chunks: AsyncGenerator[bytes, None], size: int, pace: Pace, budget: ByteBudget) -> Sum:
    """Read to the end, keeping nothing.

    Args:
        chunks: read from an account, at most `READ` bytes each.
        size: bytes expected.
    """
    if pace.capped:
        await pace.spend(reads(size), size)
    async with budget.hold(min(size, READ_AHEAD)):
        return await _sum_of(chunks)


async def _sum_of(chunks: AsyncGenerator[bytes, None]) -> Sum:
    crc, size, sha = 0, 0, hashlib.sha256()
    async with aclosing(chunks):
        async for chunk in chunks:
            crc = crc64.crc64(chunk, crc)
            size += len(chunk)
            if len(chunk) >= 1 << 20:
                await asyncio.to_thread(sha.update, chunk)
            else:
                sha.update(chunk)
    return Sum(crc, sha.hexdigest(), size)


async def source_sum(bench: Bench, item: ListedObject) -> Sum:
    """Checksums of the pinned generation at the source.

    Raises:
        ReplanObject: it has changed.
        Corrupted: it gave another number of bytes than listed.
    """
    found = await sum_of(bench.source.read(bench.container, item), item.size, bench.pace, bench.budget)
    if found.size != item.size:
        raise Corrupted(f'The source gave {found.size} bytes of "{item.name}", which is listed with {item.size}.')
    return found


async def target_sum(bench: Bench, item: ListedObject, etag: str) -> Sum:
    """Checksums of that generation at the target, read back."""
    # `item` is the source's, and so is the key that it may be under. Snapshots and previous versions are written to the
    # base blob, too, and are proved before they become history.
    key = bench.rules.target_key
    at_target = replace(
        item, etag=etag, snapshot="", version_id="", previous=False, customer_key=bool(key), key_sha256=key
    )
    found = await sum_of(bench.target.read(bench.container, at_target), item.size, bench.pace, bench.budget)
    if found.size != item.size:
        raise Corrupted(f'The target holds {found.size} bytes of "{item.name}", the source {item.size}.')
    return found


async def prove(bench: Bench, item: ListedObject, landed: Landed) -> Proof:
    """Raise the proof of a transfer to `rules.proof`, as far as it has not got there by itself.

    Streamed content is proved by the way (L3 where the service's CRC64 came along). Pulled content is L1, without a
    request of its own: the write was answered with success, and its size is compared by the listing that verifies the
    run. For more, the source is read once more under the pin, and nothing of it is kept.

    Raises:
        Corrupted: source and target differ.
        ReplanObject: the source changed before it could be read for the proof.
    """
    wanted = bench.rules.proof
    source, target, sha = landed.source_crc, landed.target_crc, landed.sha256
    if landed.route is Route.PULL and wanted <= ProofLevel.L1:
        return Proof(ProofLevel.L1, target_crc64=_text(target))
    if source is None or (wanted is ProofLevel.L3 and not sha):
        read = await source_sum(bench, item)
        source, sha = read.crc, read.sha256 if wanted is ProofLevel.L3 else ""
    by_read_back = target is None or (wanted is ProofLevel.L3 and landed.route is Route.PULL)
    if by_read_back and wanted <= ProofLevel.L1:
        return Proof(ProofLevel.L1, source_crc64=_text(source), sha256=sha)
    if by_read_back:
        back = await target_sum(bench, item, landed.etag)
        target = back.crc
        if sha and sha != back.sha256:
            raise differ(item, sha, back.sha256, "SHA-256")
    if source != target:
        raise differ(item, _text(source), _text(target), "CRC64")
    return Proof(ProofLevel.L3 if sha else ProofLevel.L2, _text(source), _text(target), sha)


async def compare(bench: Bench, item: ListedObject, at_target: ListedObject) -> Proof | None:
    """Read both sides and compare them; None where they differ. For what is at the target without evidence of ours.

    Raises:
        ReplanObject: the source changed meanwhile.
        CompareTarget: the target did.
    """
    if at_target.size != item.size or at_target.blob_type is not item.blob_type:
        return None
    source = await source_sum(bench, item)
    target = await sum_of(bench.target.read(bench.container, at_target), item.size, bench.pace, bench.budget)
    if source != target:
        return None
    return Proof(ProofLevel.L3, _text(source.crc), _text(target.crc), source.sha256)


def _text(crc: int | None) -> str:
    return "" if crc is None else crc64.to_text(crc)


def differ(item: ListedObject, source: str, target: str, what: str) -> Corrupted:
    """The error that says that both sides do not hold the same."""
    return Corrupted(f'{what} of "{item.name}" is {source} at the source and {target} at the target.')
