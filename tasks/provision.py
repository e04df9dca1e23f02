"""Stage `provision`: groups, accounts and containers of the plan exist in the target, or a clear refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.plan import CreateContainer, CreateResourceGroup, CreateStorageAccount
from tasks.targets import provision_blobs, provision_step

if TYPE_CHECKING:
    from tasks.clients.arm import TargetArm
    from tasks.copiers.base import SourceBlobs, TargetBlobs


@task(name="provision", task_run_name="provision-{step_id}", cache_policy=NO_CACHE, persist_result=False)
def provision(step_id: str, step: CreateResourceGroup | CreateStorageAccount, arm: TargetArm) -> str:
    """Carry out one control-plane step; idempotent. Returns what was done, for the ledger."""
    return provision_step(step, arm)


@task(name="provision-container", task_run_name="provision-{step_id}", cache_policy=NO_CACHE, persist_result=False)
async def provision_container(step_id: str, step: CreateContainer, source: SourceBlobs, target: TargetBlobs) -> str:
    """Make sure a container exists with the source's metadata, access level and stored policies; idempotent."""
    return await provision_blobs(step, source, target)
