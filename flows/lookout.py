"""What the leader's line tells besides the counters: hours, accounts, and why objects fail. From the ledger alone."""

from __future__ import annotations

from flows.failing import failures_of_run
from flows.wiring import Bench, now
from mappings.failures import causes_to_json, failing_to_json
from mappings.live import Aside, allowed_now, failing_now, in_flight, throttles
from mappings.states import ShardState
from tasks.failing import load_causes


class Lookout:
    """Looks at one run again and again; it may look from another thread.

    Args:
        bench: of the migration.
        run_id: the run.
    """

    def __init__(self, bench: Bench, run_id: str) -> None:
        self._bench, self._run_id = bench, run_id
        self._failed = 0
        self._settled: dict[str, int] = {}
        """Title of a cause -> objects and key ranges that failed in shards that have ended."""

    def look(self) -> Aside:
        """What the signs of life say now.

        Raises:
            GovliftError: the ledger could not be read.
        """
        reader, moment = self._bench.ledger.reader, now()
        workers = reader.workers(self._run_id)
        leases = {lease.shard_id: lease.owner for lease in reader.leases(self._run_id)}
        self._count_settled(reader.shard_states(self._run_id)[ShardState.FAILED])
        causes = dict(self._settled)
        for one in failing_to_json(failing_now(workers, leases), load_causes()):
            causes[one["title"]] = causes.get(one["title"], 0) + one["objects"]
        top = max(causes.items(), key=lambda cause: cause[1], default=("", 0))
        return Aside(in_flight(workers, moment), throttles(workers), top, allowed_now(workers, moment))

    def _count_settled(self, failed: int) -> None:
        """Manifests are read only where another shard has failed."""
        if failed != self._failed:
            told = causes_to_json(failures_of_run(self._bench, self._run_id))
            self._failed, self._settled = failed, {one["title"]: one["objects"] + one["shards"] for one in told}
