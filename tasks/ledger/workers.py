"""Writes the signs of life: of worker processes, with their counters, and of the process that leads a run."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, update

from mappings.codec import compact_json, rebuild
from mappings.pacing import Allowed
from mappings.runs import WorkerRecord
from tasks.ledger import schema
from tasks.ledger.transactions import Writing, append

_COUNTERS = (
    *("objects", "bytes", "failed", "throttled", "requests", "in_flight", "shards", "allowed"),
    *("failing_in", "throttles"),
)


class WorkerWriter(Writing):
    """Worker processes of a run."""

    def worker_seen(self, record: WorkerRecord) -> None:
        """Write a worker's sign of life over the one before. The first, and the one with `ended`, are events too."""
        values = _row(record)
        if record.ended is None:
            with self._change(appends=False) as connection:
                if connection.execute(_SEEN, values).rowcount:
                    return
        told: dict[str, Any] = {"run": record.run_id, "worker": record.owner}
        with self._change() as connection:
            if not connection.execute(_SEEN, values).rowcount:
                row = {name: values[f"new_{name}"] for name in _CHANGES}
                fixed = {"run_id": record.run_id, "owner": record.owner, "host": record.host, "pid": record.pid}
                connection.execute(insert(schema.worker).values(row | fixed | {"started": record.started}))
                append(connection, "worker.joined", told, now=record.seen)
            if record.ended is not None:
                told |= {"objects": record.objects, "bytes": record.bytes, "failed": record.failed}
                append(connection, "worker.left", told, now=record.ended)

    def run_seen(self, run_id: str, *, now: datetime) -> None:
        """The sign of life of a run's leader, for machines that cannot look at its process."""
        with self._change(appends=False) as connection:
            connection.execute(_RUN_SEEN, {"of_run": run_id, "at": now})


_CHANGES = ("seen", "ended", "body")
_SEEN = (
    update(schema.worker)
    .where(schema.worker.c.run_id == bindparam("of_run"), schema.worker.c.owner == bindparam("of_owner"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGES})
)
_RUN_SEEN = update(schema.run).where(schema.run.c.id == bindparam("of_run")).values(seen=bindparam("at"))


def _row(record: WorkerRecord) -> dict[str, Any]:
    return {
        "of_run": record.run_id,
        "of_owner": record.owner,
        "new_seen": record.seen,
        "new_ended": record.ended,
        "new_body": compact_json({name: getattr(record, name) for name in _COUNTERS}),
    }


def worker_of(row: Row[Any]) -> WorkerRecord:
    """The record that a row was made from."""
    # A worker of another version may say more, or less.
    told = {name: value for name, value in json.loads(row.body).items() if name in _COUNTERS}
    told["shards"] = tuple(told["shards"])
    if told.get("allowed"):
        told["allowed"] = rebuild(Allowed, told["allowed"])
    return WorkerRecord(row.run_id, row.owner, row.host, row.pid, row.started, row.seen, row.ended, **told)
