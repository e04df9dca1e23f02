"""What the containers of one source account hold: counts, bytes, and where the shards are cut. A failure is a gap."""

from __future__ import annotations

from dataclasses import replace

from mappings.errors import GovliftError, ObjectError
from mappings.model import ContainerSurvey, Gap
from mappings.shards import Cutter
from mappings.traits import Traits
from tasks.copiers.base import SourceBlobs
from tasks.copiers.march import ascending

_REMEDY = "Give the source identity Storage Blob Data Reader on the account, or let it through the account's firewall."


async def survey_account(
    source: SourceBlobs, account: str, shard_objects: int
) -> tuple[list[ContainerSurvey], list[Gap]]:
    """List every container of `account` once, in flat memory.

    A container whose listing fails or breaks off is a gap and has no survey: part of a listing is not one.

    Args:
        shard_objects: entries per shard, about.
    """
    surveys: list[ContainerSurvey] = []
    gaps: list[Gap] = []
    try:
        async for container in source.containers():
            try:
                surveys.append(await survey_container(source, account, container, shard_objects))
            except (ObjectError, GovliftError) as wrong:
                gaps.append(_gap(f"{account}/{container}", "the blobs of this container", wrong))
    except (ObjectError, GovliftError) as wrong:
        gaps.append(_gap(account, "the containers of this account, or those behind the last one surveyed", wrong))
    return surveys, gaps


async def survey_container(source: SourceBlobs, account: str, container: str, shard_objects: int) -> ContainerSurvey:
    """List one container.

    Raises:
        ObjectError, GovliftError: it could not be listed to its end, in order.
    """
    settings = await source.container_settings(container)
    cutter, kinds = Cutter(account, container, shard_objects=shard_objects), Traits()
    async for item in ascending(source.objects(container), f"{account}/{container}"):
        kinds.add(item)
        cutter.add(item.name, item.size, item.blob_type.value, item.tier, bool(item.snapshot))
    return replace(cutter.survey(public_access=settings.public_access), traits=kinds.counts())


def _gap(scope: str, what: str, wrong: ObjectError | GovliftError) -> Gap:
    remedy = wrong.next_step if isinstance(wrong, GovliftError) else _REMEDY
    return Gap(scope, what, wrong.sentence, wrong.code or "BrokenListing", remedy)
