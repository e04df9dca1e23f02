"""Stage `copy`, what comes before it: which way the bytes of each pair of accounts travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.pairs import probe_pair

if TYPE_CHECKING:
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.routes import RouteBook


@task(name="probe", task_run_name="probe-{pair}", cache_policy=NO_CACHE, persist_result=False)
async def probe(pair: str, container: str, routes: RouteBook, source: SourceBlobs, target: TargetBlobs) -> str:
    """Find out whether the target account can pull from the source account; returns the outcome for a reader."""
    return await probe_pair(pair, container, routes, source, target)
