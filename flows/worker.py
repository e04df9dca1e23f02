"""The drain: a worker claims shards from the ledger, copies them under a lease, and goes on until none is left."""

from __future__ import annotations

import asyncio

from flows.observe import first_of
from flows.wiring import Bench, now
from mappings.objects import Tally
from tasks.ledger.owners import own_name
from tasks.shardwork import LEASE_SECONDS, ShardWork
from tasks.transfer import copy


async def drain(bench: Bench, run_id: str, work: ShardWork) -> Tally:
    """Copy all shards of a run with as many workers as the settings say; the ledger has the outcome of each.

    Raises:
        GovliftError: nothing further can be done in this run; what was finished stays finished.
    """
    try:
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(_work(bench, run_id, n, work)) for n in range(bench.settings.copy_.workers)]
    except BaseExceptionGroup as several:
        raise first_of(several) or several from None
    return sum((worker.result() for worker in workers), Tally())


async def _work(bench: Bench, run_id: str, worker: int, work: ShardWork) -> Tally:
    total = Tally()
    while claims := bench.ledger.writer.claim(
        run_id, owner=own_name(str(worker)), most=1, lease_seconds=LEASE_SECONDS, now=now()
    ):
        for claim in claims:
            shard = claim.shard
            source, target = bench.source_blobs(shard.source_account), bench.target_blobs(shard.target_account)
            total += await copy(shard.id, claim, work, source, target)
    return total
