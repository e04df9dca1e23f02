"""Stage `inventory`: what exists in the source, control plane and data plane, with gaps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.model import ContainerSurvey, Gap, Inventory
from tasks.copiers.survey import survey_account
from tasks.estate import take_inventory
from tasks.spool import NAME, Spool, scope_text

log = logging.getLogger("govlift")

if TYPE_CHECKING:
    from mappings.settings import Source
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader
    from tasks.copiers.base import SourceBlobs


@task(name="inventory", cache_policy=NO_CACHE, persist_result=False)
def inventory(
    arm: SourceArm,
    graph: GraphReader,
    subscriptions: Sequence[str],
    now: datetime,
    *,
    management_group: str = "",
    spool: Spool | None = None,
) -> Inventory:
    """List everything in the scope by Resource Graph, cross-checked by the ARM lists. As `take_inventory`."""
    return take_inventory(arm, graph, subscriptions, management_group=management_group, now=now, spool=spool)


def open_spool(folder: Path, source: Source, now: datetime) -> Spool:
    """Where the inventory of a migration is kept while it is taken; one that was interrupted lately is gone on with.

    Raises as `tasks.spool.Spool`.
    """
    scope = scope_text(source.cloud, source.tenant_id, source.subscriptions, source.management_group)
    kept = Spool(folder / NAME, scope, now=now)
    if kept.listed:
        done = sum(one.done for one in kept.listed)
        log.info(
            "inventory: goes on with the one begun at %s, %s of %s subscriptions done; to begin anew, delete %s",
            f"{kept.begun:%Y-%m-%d %H:%M} UTC",
            f"{done:,}",
            f"{len(kept.listed):,}",
            kept.path,
        )
    return kept


@task(name="survey", task_run_name="survey-{account}", cache_policy=NO_CACHE, persist_result=False)
async def survey(account: str, source: SourceBlobs, shard_objects: int) -> tuple[list[ContainerSurvey], list[Gap]]:
    """Count objects and bytes of every container of one account, and find where its shards begin."""
    return await survey_account(source, account, shard_objects)
