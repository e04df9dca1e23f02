"""Stage `copy`: one leased shard of the plan, from the source container to the target container, with its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.objects import Tally
from tasks.shardwork import ShardWork, carry_out

if TYPE_CHECKING:
    from mappings.runs import Claim
    from tasks.copiers.base import SourceBlobs, TargetBlobs


@task(name="copy-shard", task_run_name="copy-{shard_id}", cache_policy=NO_CACHE, persist_result=False)
async def copy(shard_id: str, claim: Claim, work: ShardWork, source: SourceBlobs, target: TargetBlobs) -> Tally:
    """Copy one shard under its lease. A shard that failed says so in its record; it never fails the others."""
    return await carry_out(claim, work, source, target)
