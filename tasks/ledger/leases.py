"""Writes shards: opened, claimed under a lease and a fence, renewed, finished. One claim never has two holders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select, update

from mappings.codec import compact_json, decode
from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.runs import Claim
from mappings.states import ShardState
from tasks.ledger import schema
from tasks.ledger.refusals import LostLease, check_move
from tasks.ledger.transactions import Writing, append


class LeaseWriter(Writing):
    """Shards and their leases."""

    def open_shards(self, run_id: str, shards: Sequence[CopyShard], *, now: datetime | None = None) -> None:
        """Make the shards of a run, pending. Those that it has already keep their state.

        Args:
            run_id: the run.
            shards: of its plan, in order.
            now: for the event; None records none.
        """
        table = schema.shard
        with self._change() as connection:
            query = select(table.c.shard_id).where(table.c.run_id == run_id)
            known = set(connection.execute(query).scalars())
            rows = [_row(run_id, number, shard) for number, shard in enumerate(shards) if shard.id not in known]
            if rows:
                connection.execute(insert(table), rows)
            if now is not None:
                append(connection, "shards.opened", {"run": run_id, "shards": len(rows)}, now=now)

    def claim(self, run_id: str, *, owner: str, most: int, lease_seconds: float, now: datetime) -> list[Claim]:
        """Lease up to `most` shards that nobody holds: pending ones, and those whose lease has run out.

        Args:
            run_id: the run.
            owner: as `tasks.ledger.owners.own_name` gives.
            most: how many at most; [] comes back where none is free.
            lease_seconds: the lease ends so many seconds after `now` unless it is renewed.
            now: the time.
        """
        table = schema.shard
        expires = now + timedelta(seconds=lease_seconds)
        claims = []
        with self._change() as connection:
            for row in connection.execute(free_shards(run_id, most=most, now=now)).all():
                check_move(ShardState(row.state), ShardState.LEASED, f"shard {row.shard_id}")
                if row.state == ShardState.LEASED.value:
                    told = {"run": run_id, "shard": row.shard_id, "from": row.owner, "by": owner}
                    append(connection, "shard.taken-over", told, now=now)
                shard = decode(CopyShard, row.body)
                claim = Claim(run_id, shard, owner, row.fence + 1, row.attempt + 1, expires)
                values = {
                    "state": ShardState.LEASED.value,
                    "owner": owner,
                    "expires": expires,
                    "fence": claim.fence,
                    "attempt": claim.attempt,
                }
                here = (table.c.run_id == run_id) & (table.c.shard_id == row.shard_id)
                connection.execute(update(table).where(here).values(values))
                claims.append(claim)
            _see(connection, run_id, now)
        return claims

    def renew(self, claim: Claim, *, lease_seconds: float, now: datetime) -> Claim:
        """Lengthen a lease; it may have run out, as long as nobody took the shard.

        Raises:
            LostLease: another worker holds the shard now.
        """
        expires = now + timedelta(seconds=lease_seconds)
        with self._change() as connection:
            self._update_held(connection, claim, {"expires": expires})
            _see(connection, claim.run_id, now)
        return Claim(claim.run_id, claim.shard, claim.owner, claim.fence, claim.attempt, expires)

    def finish(self, claim: Claim, *, tally: Tally, manifest: str, manifest_hash: str, now: datetime) -> ShardState:
        """Record a worked-through shard with its evidence.

        Args:
            claim: the lease.
            tally: what the manifest's rows add up to.
            manifest: its path, relative to the migration folder; "" for a shard without one.
            manifest_hash: SHA-256 of that file, hex; goes into the event chain.
            now: the time.

        Returns:
            `DONE`; `FAILED` where objects failed or the tally does not add up. A run that is taken up again works
            through failed shards once more.

        Raises:
            LostLease: another worker holds the shard now; nothing was recorded.
        """
        reason = _why_not_done(tally)
        state = ShardState.FAILED if reason else ShardState.DONE
        self._close(claim, state, tally, reason, manifest, manifest_hash, now)
        return state

    def fail(self, claim: Claim, *, reason: str, tally: Tally, now: datetime) -> None:
        """Record that a shard could not be worked through; `reason` is one sentence without secrets.

        Raises:
            LostLease: another worker holds the shard now; nothing was recorded.
        """
        self._close(claim, ShardState.FAILED, tally, reason, "", "", now)

    def release(self, claim: Claim, *, now: datetime) -> None:
        """Give a shard back unfinished, for anybody to claim at once.

        Raises:
            LostLease: another worker holds it now.
        """
        with self._change() as connection:
            values = {"state": ShardState.PENDING.value, "owner": "", "expires": None}
            self._update_held(connection, claim, values)
            _see(connection, claim.run_id, now)

    def _close(
        self,
        claim: Claim,
        state: ShardState,
        tally: Tally,
        reason: str,
        manifest: str,
        manifest_hash: str,
        now: datetime,
    ) -> None:
        told = {
            "run": claim.run_id,
            "shard": claim.shard.id,
            "attempt": claim.attempt,
            "owner": claim.owner,
            "tally": tally,
            "reason": reason,
            "manifest": manifest,
            "manifest_hash": manifest_hash,
        }
        values: dict[str, Any] = {
            "state": state.value,
            "expires": None,
            "tally": compact_json(tally),
            "reason": reason,
        }
        with self._change() as connection:
            check_move(ShardState.LEASED, state, f"shard {claim.shard.id}")
            if manifest:
                event = append(connection, f"shard.{state.value}", told, now=now)
                values |= {"manifest": manifest, "manifest_hash": manifest_hash, "closed": event.number}
            else:
                append(connection, f"shard.{state.value}", told, now=now)
            self._update_held(connection, claim, values)
            _see(connection, claim.run_id, now)

    @staticmethod
    def _update_held(connection: Connection, claim: Claim, values: dict[str, Any]) -> None:
        """Change a shard only as long as `claim` holds it; raising undoes the whole change."""
        table = schema.shard
        held = update(table).where(
            table.c.run_id == claim.run_id,
            table.c.shard_id == claim.shard.id,
            table.c.state == ShardState.LEASED.value,
            table.c.owner == claim.owner,
            table.c.fence == claim.fence,
        )
        if connection.execute(held.values(values)).rowcount != 1:
            raise LostLease(f"{claim.owner} no longer holds {claim.shard.id} of run {claim.run_id}")


def free_shards(run_id: str, *, most: int, now: datetime) -> Select[Any]:
    """Shards that may be claimed, in order: pending ones, and those whose lease has run out.

    Rows that another transaction holds are passed over (PostgreSQL); SQLite has one writer at a time.
    """
    table = schema.shard
    free = or_(
        table.c.state == ShardState.PENDING.value,
        (table.c.state == ShardState.LEASED.value) & (table.c.expires < now),
    )
    query = select(table).where(table.c.run_id == run_id, free).order_by(table.c.position).limit(most)
    return query.with_for_update(skip_locked=True)


def _why_not_done(tally: Tally) -> str:
    if not tally.whole:
        return (
            f"{tally.listed} objects were listed, but {tally.copied} copied, {tally.same} same, "
            f"{tally.excluded} excluded and {tally.failed} failed do not add up to that."
        )
    if tally.failed:
        return f"{tally.failed} of {tally.listed} objects failed; the manifest names them."
    return ""


def _see(connection: Connection, run_id: str, now: datetime) -> None:
    """The run's sign of life, for machines that cannot look at its process."""
    connection.execute(update(schema.run).where(schema.run.c.id == run_id).values(seen=now))


def _row(run_id: str, position: int, shard: CopyShard) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "shard_id": shard.id,
        "position": position,
        "source_account": shard.source_account,
        "container": shard.container,
        "body": compact_json(shard),
        "state": ShardState.PENDING.value,
        "owner": "",
        "expires": None,
        "fence": 0,
        "attempt": 0,
        "tally": compact_json(Tally()),
        "manifest": "",
        "manifest_hash": "",
        "closed": 0,
        "reason": "",
    }
