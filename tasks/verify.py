"""Stage `verify`: what the manifests say is at the target is there, at the level asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.proof import ProofWork, Proved, prove_shard

if TYPE_CHECKING:
    from mappings.runs import ShardRecord
    from tasks.copiers.base import SourceBlobs, TargetBlobs


@task(name="verify-shard", task_run_name="verify-{shard_id}", cache_policy=NO_CACHE, persist_result=False)
async def verify(
    shard_id: str, record: ShardRecord, work: ProofWork, source: SourceBlobs, target: TargetBlobs
) -> Proved:
    """Verify one shard from its newest manifest."""
    return await prove_shard(record, work, source, target)
