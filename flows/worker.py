"""The copy as Prefect shows it: one task per run with its progress, and the flow `drain` that another machine runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.cache_policies import NO_CACHE

from flows.crew import crew_size, work_together
from flows.draining import run_at_work
from flows.observe import line, listen_for_sigterm
from flows.wiring import Bench
from tasks.progress import Progress

log = logging.getLogger("govlift")

SHOW_SECONDS = 10.0
"""Between two looks of Prefect's at the progress; each is a request."""


@task(name="copy", task_run_name="copy-{run_id}", cache_policy=NO_CACHE, persist_result=False)
async def copy(run_id: str, bench: Bench, workers: int, progress: Progress) -> None:
    """Copy the open shards of a run with the worker processes of this machine; others may join them."""
    async with _in_prefect(f"copy-{bench.settings.name}", progress):
        await work_together(bench, run_id, workers, progress)


@flow(name="drain", flow_run_name="drain {config}", persist_result=False)
async def drain(config: str = "migration.toml", run: str = "", workers: int = 0) -> None:
    """Help a run that another machine leads: copy its shards until none is left.

    Args:
        config: path of migration.toml, in the folder that all machines of the run share.
        run: id of the run; "" takes the one that is copying now.
        workers: processes on this machine; 0 does as the settings say.

    Raises:
        FixTheInput: no run is copying, or this machine sees another folder than the run's leader.
        ResumeLater: the run was stopped.
    """
    listen_for_sigterm()
    async with Bench(Path(config)) as bench:
        found = run_at_work(bench.ledger.reader, run)
        shards = [record.shard for record in bench.ledger.reader.shards(found.id)]
        objects = sum(shard.objects for shard in shards)
        # In a process of its own even where there is little: the flow's own event loop belongs to Prefect.
        crew = workers or max(1, crew_size(bench.settings.copy_, shards=len(shards), objects=objects, size=0))
        log.info("drain: %s worker processes join run %s", crew, found.id)
        await work_together(bench, found.id, crew, first=crew)


@asynccontextmanager
async def _in_prefect(key: str, progress: Progress) -> AsyncIterator[None]:
    """Keep a progress artifact up to date while the block runs. What Prefect cannot show is no error of the copy."""

    async def show() -> None:
        made = None
        while True:
            at = progress.snapshot()
            part = 100 * at.objects / at.total_objects if at.total_objects else 0.0
            part, told = min(100.0, part), line("copy", at)
            try:
                if made is None:
                    made = await acreate_progress_artifact(part, key=key, description=told)
                else:
                    await aupdate_progress_artifact(made, part, description=told)
            except Exception as wrong:
                log.debug("the progress could not be shown: %s", type(wrong).__name__)
            await asyncio.sleep(SHOW_SECONDS)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
