"""Stage `copy`: one leased shard of the plan, from the source container to the target container, with its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.objects import Tally
from tasks.copiers.probe import object_to_probe, probe_pull
from tasks.shardwork import ShardWork, carry_out

if TYPE_CHECKING:
    from mappings.runs import Claim
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.routes import RouteBook


@task(name="probe", task_run_name="probe-{pair}", cache_policy=NO_CACHE, persist_result=False)
async def probe(pair: str, container: str, routes: RouteBook, source: SourceBlobs, target: TargetBlobs) -> str:
    """Find out whether the target account can pull from the source account; returns the outcome for a reader."""
    item = await object_to_probe(source, container)
    if item is None:
        return f"{pair}: nothing to probe with in {container}"
    found = await probe_pull(source, target, container, item)
    routes.probed(source.account, target.account, ok=found.ok, reason=found.reason)
    return f"{pair}: {'pull' if found.ok else f'stream ({found.reason})'}"


@task(name="copy-shard", task_run_name="copy-{shard_id}", cache_policy=NO_CACHE, persist_result=False)
async def copy(shard_id: str, claim: Claim, work: ShardWork, source: SourceBlobs, target: TargetBlobs) -> Tally:
    """Copy one shard under its lease. A shard that failed says so in its record; it never fails the others."""
    return await carry_out(claim, work, source, target)
