"""Writes runs: begun, ended, interrupted, and taken up again under their own id."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mappings.codec import compact_json
from mappings.errors import ExitCode, TryLater
from mappings.objects import Tally
from mappings.runs import RunKind
from mappings.states import RunState, ShardState
from tasks.ledger import schema
from tasks.ledger.owners import SILENCE, is_alive, is_foreign, own_name
from tasks.ledger.refusals import check_move
from tasks.ledger.transactions import Writing, append

_TAKEN_UP = {
    RunState.INTERRUPTED: tuple(RunKind),
    RunState.PARTIAL: (RunKind.MIGRATE,),
    RunState.FAILED: (RunKind.MIGRATE,),
}
"""Which kinds go on from which state. A re-sync or a verification that ended has seen the source of its time: the next
one begins anew, or one shard that always fails would keep all others from being looked at again."""


class RunWriter(Writing):
    """Runs."""

    def begin_run(self, kind: RunKind, *, plan_id: str = "", now: datetime) -> str:
        """Record that this process begins a run; returns the run's id, which sorts by time."""
        stamp = now.astimezone(UTC)
        run_id = f"{stamp:%Y%m%dT%H%M%SZ}-{kind.value}-{secrets.token_hex(3)}"
        row = {
            "id": run_id,
            "kind": kind.value,
            "plan_id": plan_id,
            "state": RunState.RUNNING.value,
            "owner": own_name(),
            "seen": now,
            "started": now,
            "tally": compact_json(Tally()),
            "detail": "",
        }
        with self._change() as connection:
            connection.execute(insert(schema.run).values(row))
            append(connection, "run.begun", {"run": run_id, "kind": kind, "plan": plan_id}, now=now)
        return run_id

    def end_run(
        self, run_id: str, state: RunState, *, tally: Tally, exit_code: int, detail: str = "", now: datetime
    ) -> None:
        """Record how a run ended.

        Raises:
            IllegalMove: it is not running.
            KeyError: no such run.
        """
        with self._change() as connection:
            row = _find(connection, run_id)
            _move(connection, row, state, now, tally=compact_json(tally), exit_code=int(exit_code), detail=detail)
            told = {"run": run_id, "state": state, "tally": tally, "exit_code": int(exit_code), "detail": detail}
            append(connection, "run.ended", told, now=now)

    def resume_run(
        self, plan_id: str, kind: RunKind, *, now: datetime, alive: Callable[[str], bool] = is_alive
    ) -> str | None:
        """Take up the newest run of this plan and kind, where it stopped.

        Its shards left by dead processes and its failed shards are pending again; finished ones stay finished.

        Args:
            plan_id: the plan.
            kind: a run is never taken up as another kind.
            now: the time.
            alive: whether the process of a lease's owner lives.

        Returns:
            The run's id, None where a new run is to be begun: there was none, or the last one is complete.

        Raises:
            TryLater: that run is still at work in another process.
        """
        table = schema.run
        query = select(table).where(table.c.plan_id == plan_id, table.c.kind == kind.value)
        with self._change() as connection:
            row = connection.execute(query.order_by(table.c.number.desc()).limit(1)).one_or_none()
            if row is None:
                return None
            if row.state == RunState.RUNNING.value:
                if not _has_stopped(row, now, alive):
                    raise TryLater(
                        f"Run {row.id} is still at work (process {_spoken_owner(row.owner)}).",
                        next_step="Wait until it ends, or stop that process; then give the same command again.",
                    )
                row = _interrupt(connection, row, now)
            if kind not in _TAKEN_UP.get(RunState(row.state), ()):
                return None
            _move(connection, row, RunState.RUNNING, now, owner=own_name(), exit_code=None, detail="")
            freed = _reopen_shards(connection, row.id, alive, failed=True)
            append(connection, "run.resumed", {"run": row.id, "shards_reopened": freed}, now=now)
            return str(row.id)

    def close_stale_runs(self, now: datetime, *, alive: Callable[[str], bool] = is_alive) -> list[str]:
        """Record runs whose process died as interrupted; returns their ids."""
        with self._change() as connection:
            running = connection.execute(select(schema.run).where(schema.run.c.state == RunState.RUNNING.value)).all()
            stale = [row for row in running if _has_stopped(row, now, alive)]
            for row in stale:
                _interrupt(connection, row, now)
            return [str(row.id) for row in stale]

    def release_dead(self, run_id: str, alive: Callable[[str], bool] = is_alive, *, now: datetime) -> list[str]:
        """Free the leases of dead owners without waiting for their expiry; returns the ids of the shards."""
        with self._change() as connection:
            freed = _reopen_shards(connection, run_id, alive, failed=False)
            if freed:
                append(connection, "shards.freed", {"run": run_id, "shards": freed}, now=now)
            return freed


def _find(connection: Connection, run_id: str) -> Row[Any]:
    row = connection.execute(select(schema.run).where(schema.run.c.id == run_id).with_for_update()).one_or_none()
    if row is None:
        raise KeyError(f"no run {run_id}")
    return row


def _move(connection: Connection, row: Row[Any], state: RunState, now: datetime, **values: Any) -> None:
    check_move(RunState(row.state), state, f"run {row.id}")
    finished = None if state is RunState.RUNNING else now
    changed = update(schema.run).where(schema.run.c.id == row.id)
    connection.execute(changed.values(state=state.value, seen=now, finished=finished, **values))


def _has_stopped(row: Row[Any], now: datetime, alive: Callable[[str], bool]) -> bool:
    """Whether the process of a run will write no more; one of another host, when it has been silent for long."""
    if is_foreign(row.owner) and now - row.seen > SILENCE:
        return True
    return not alive(row.owner)


def _interrupt(connection: Connection, row: Row[Any], now: datetime) -> Row[Any]:
    detail = "The process ended without saying how."
    _move(connection, row, RunState.INTERRUPTED, now, exit_code=int(ExitCode.RESUMABLE), detail=detail)
    append(connection, "run.interrupted", {"run": row.id}, now=now)
    return _find(connection, row.id)


def _reopen_shards(connection: Connection, run_id: str, alive: Callable[[str], bool], *, failed: bool) -> list[str]:
    table = schema.shard
    states = [ShardState.LEASED.value, *([ShardState.FAILED.value] if failed else [])]
    query = select(table.c.shard_id, table.c.state, table.c.owner).where(
        table.c.run_id == run_id, table.c.state.in_(states)
    )
    rows = connection.execute(query.order_by(table.c.position).with_for_update()).all()
    freed = [row for row in rows if row.state == ShardState.FAILED.value or not alive(row.owner)]
    for row in freed:
        check_move(ShardState(row.state), ShardState.PENDING, f"shard {row.shard_id}")
        here = (table.c.run_id == run_id) & (table.c.shard_id == row.shard_id)
        values = {"state": ShardState.PENDING.value, "owner": "", "expires": None}
        connection.execute(update(table).where(here).values(values))
    return [str(row.shard_id) for row in freed]


def _spoken_owner(owner: str) -> str:
    host, process, _ = owner.rsplit(":", 2)
    return f"{process.partition('@')[0]} on {host}"
