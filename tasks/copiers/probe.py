"""Whether the target service can read the source: one block pulled, and never committed."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.errors import ObjectError
from mappings.objects import ListedObject
from tasks.copiers.base import SourceBlobs, TargetBlobs

NAME = "govlift-probe"
"""Blob name that the probe's block is staged under. It is never committed, so no blob of this name comes to be; the
service discards uncommitted blocks within a week (REST, "Put Block From URL")."""
_MOST = 1024


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
        url = await source.pull_url(container, item)
        await target.put_block_from_url(
            container, NAME, "gl1-probe", url, offset=0, length=length, source_etag=item.etag
        )
    except ObjectError as wrong:
        return Probe(False, wrong.sentence)
    return Probe(True, "")


async def object_to_probe(source: SourceBlobs, container: str) -> ListedObject | None:
    """The first object of a container that a probe can pull; None where there is none."""
    async for item in source.objects(container):
        if item.size and item.tier != "Archive" and not item.customer_key and not item.snapshot:
            return item
    return None
