"""Whether, and how, the target service can read the source: one block pulled, and never committed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mappings.errors import CompareTarget, ObjectError, ReplanObject
from mappings.objects import ListedObject
from tasks.copiers.base import SourceBlobs, TargetBlobs

NAME = "govlift-probe"
"""Blob name that the probe's block is staged under. It is never committed, so no blob of this name comes to be; the
service discards uncommitted blocks within a week (REST, "Put Block From URL")."""
_MOST = 1024
MEASURED = 8 * 1024 * 1024
"""Bytes of the pull that is timed, where the object has as many."""
_ENOUGH_LOOKED_AT = 2000
"""Objects among which one large enough to time a pull is looked for."""
_NO_ETAG = '"0x0000000000000"'


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe of one account pair found."""

    ok: bool
    reason: str
    """The service's own words where it is not ok."""


async def probe_pull(source: SourceBlobs, target: TargetBlobs, container: str, item: ListedObject) -> Probe:
    """Let the target service pull the first bytes of `item` into an uncommitted block.

    Args:
        container: one that exists on both sides.
        item: any object of it that is not empty, archived or under a customer's key.

    Raises:
        GovliftError: an identity was refused.
    """
    length = min(item.size, _MOST)
    if length == 0:
        return Probe(False, f'"{item.name}" is empty, so it shows nothing; choose another object.')
    try:
        await _stage(source, target, container, container, item, length)
    except ObjectError as wrong:
        return Probe(False, wrong.sentence)
    return Probe(True, "")


@dataclass(frozen=True, slots=True)
class PullFacts:
    """What a thorough probe of one pair showed; each answer decides about the route or the level of proof."""

    pulled: bool
    reason: str
    """Why not, in the service's own words; "" where it pulled."""
    answers_crc: bool = False
    """Whether the answer carries the CRC64 of what arrived."""
    pin_of_pull: bool | None = None
    """Whether a pull under another ETag was refused with 412; None where it could not be asked."""
    pin_of_read: bool | None = None
    """The same for a read of the source under `If-Match`, as the stream route does it."""
    bytes: int = 0
    """Of the pull that was timed."""
    seconds: float = 0.0


async def examine_pull(
    source: SourceBlobs, target: TargetBlobs, container: str, into: str, item: ListedObject
) -> PullFacts:
    """Try everything that the guarantees of a pull rest on, without a blob coming to be.

    Args:
        container: of the source.
        into: container of the target, which need not be of the same name.
        item: of the source, not empty; the larger, the better the throughput is measured, up to 8 MiB.

    Raises:
        GovliftError: an identity was refused.
    """
    read = await _refused_read(source, container, item)
    length = min(item.size, MEASURED)
    began = time.monotonic()
    try:
        crc = await _stage(source, target, container, into, item, length)
    except ObjectError as wrong:
        return PullFacts(False, wrong.sentence, pin_of_read=read)
    seconds = time.monotonic() - began
    try:
        await _stage(source, target, container, into, replace(item, etag=_NO_ETAG), min(length, _MOST))
        pin: bool | None = False
    except ReplanObject:
        pin = True
    except ObjectError:
        pin = None
    return PullFacts(True, "", crc, pin, read, length, seconds)


async def _stage(
    source: SourceBlobs, target: TargetBlobs, container: str, into: str, item: ListedObject, length: int
) -> bool:
    """Stage one block; whether the answer had a CRC64."""
    url = await source.pull_url(container, item)
    written = await target.put_block_from_url(
        into, NAME, "gl1-probe", url, offset=0, length=length, source_etag=item.etag
    )
    return written.crc64 is not None


async def _refused_read(source: SourceBlobs, container: str, item: ListedObject) -> bool | None:
    try:
        async for _ in source.read(container, replace(item, etag=_NO_ETAG), offset=0, length=1):
            pass
    except (ReplanObject, CompareTarget):
        return True
    except ObjectError:
        return None
    return False


async def object_to_probe(source: SourceBlobs, container: str, *, size: int = 1) -> ListedObject | None:
    """The first object of a container that a probe can pull, of `size` bytes or else the largest looked at.

    Returns:
        None where there is none.
    """
    best: ListedObject | None = None
    looked = 0
    async for item in source.objects(container):
        looked += 1
        if item.size and item.tier != "Archive" and not item.customer_key and not item.snapshot:
            best = item if best is None or item.size > best.size else best
        if best is not None and (best.size >= size or looked >= _ENOUGH_LOOKED_AT):
            break
    return best
