"""Stage `inventory`: what exists in the source, control plane and data plane, with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.model import ContainerSurvey, Gap, Inventory
from tasks.copiers.survey import survey_account
from tasks.estate import take_inventory

if TYPE_CHECKING:
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader
    from tasks.copiers.base import SourceBlobs


@task(name="inventory", cache_policy=NO_CACHE, persist_result=False)
def inventory(arm: SourceArm, graph: GraphReader, subscriptions: Sequence[str], now: datetime) -> Inventory:
    """List everything in the subscriptions by Resource Graph, cross-checked by the ARM lists."""
    return take_inventory(arm, graph, subscriptions, now=now)


@task(name="survey", task_run_name="survey-{account}", cache_policy=NO_CACHE, persist_result=False)
async def survey(account: str, source: SourceBlobs, shard_objects: int) -> tuple[list[ContainerSurvey], list[Gap]]:
    """Count objects and bytes of every container of one account, and find where its shards begin."""
    return await survey_account(source, account, shard_objects)
