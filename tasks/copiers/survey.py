"""What the containers of one source account hold: counts, bytes, and where the shards are cut. A failure is a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mappings.clouds import CLOUDS
from mappings.errors import GovliftError, ObjectError
from mappings.model import ContainerSurvey, Gap
from mappings.objects import ListedObject
from mappings.route_estimate import source_too_long
from mappings.shards import Cutter, Segments, fine_end, shard_size
from mappings.traits import Traits, added
from tasks.copiers.base import SourceBlobs
from tasks.copiers.ranges import fold_listing

AT_ONCE = 4
"""Containers of one account that are listed at once; most are small, and cost one request each."""
_REMEDY = "Give the source identity Storage Blob Data Reader on the account, or let it through the account's firewall."


async def survey_account(
    source: SourceBlobs, account: str, shard_objects: int
) -> tuple[list[ContainerSurvey], list[Gap]]:
    """List every container of `account` once, several at a time, in flat memory.

    A container whose listing fails or breaks off is a gap and has no survey: part of a listing is not one.

    Args:
        shard_objects: entries per shard, about.
    """
    surveys: dict[str, ContainerSurvey] = {}
    gaps: list[Gap] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(container: str) -> None:
        try:
            surveys[container] = await survey_container(source, account, container, shard_objects)
        except (ObjectError, GovliftError) as wrong:
            gaps.append(_gap(f"{account}/{container}", "the blobs of this container", wrong))
        finally:
            gate.release()

    names: list[str] = []
    async with asyncio.TaskGroup() as group:
        try:
            async for container in source.containers():
                await gate.acquire()
                names.append(container)
                group.create_task(one(container))
        except (ObjectError, GovliftError) as wrong:
            gaps.append(_gap(account, "the containers of this account, or those behind the last one surveyed", wrong))
    return [surveys[name] for name in names if name in surveys], sorted(gaps, key=lambda gap: gap.scope)


class _Counted:
    """What is kept of one range of a container's listing."""

    def __init__(self, shard_objects: int, too_long: Callable[[str], bool]) -> None:
        self.segments, self.traits = Segments(shard_objects), Traits(too_long)

    def add(self, entries: list[ListedObject]) -> None:
        self.segments.add(entries)
        for item in entries:
            self.traits.add(item)


async def survey_container(source: SourceBlobs, account: str, container: str, shard_objects: int) -> ContainerSurvey:
    """List one container, large ones by several ranges at once.

    Raises:
        ObjectError, GovliftError: it could not be listed to its end, in order.
    """
    settings = await source.container_settings(container)
    too_long = partial(source_too_long, _host(account), container)
    what = f"{account}/{container}"
    parts = await fold_listing(source, container, what, lambda: _Counted(shard_objects, too_long))
    found = sum(piece.objects for part in parts for piece in part.segments.pieces)
    size = shard_size(shard_objects, found)
    cutter = Cutter(account, container, shard_objects=size, fine=fine_end(size, found))
    for part in parts:
        cutter.take(part.segments)
    survey = cutter.survey(public_access=settings.public_access)
    return replace(survey, traits=added(part.traits.counts() for part in parts))


def _host(account: str) -> str:
    """Host of the account in the cloud of the longer names: which one it is makes six bytes of 2,048."""
    return max((cloud.blob_endpoint(account) for cloud in CLOUDS.values()), key=len).removeprefix("https://")


def _gap(scope: str, what: str, wrong: ObjectError | GovliftError) -> Gap:
    remedy = wrong.next_step if isinstance(wrong, GovliftError) else _REMEDY
    return Gap(scope, what, wrong.sentence, wrong.code or "BrokenListing", remedy)
