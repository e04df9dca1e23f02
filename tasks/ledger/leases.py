"""Writes shards: opened, claimed under a lease and a fence, renewed, finished. One claim never has two holders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

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
        """Lease up to `most` shards that nobody holds: pending ones; where none is, those whose lease has run out.

        Args:
            run_id: the run.
            owner: as `tasks.ledger.owners.own_name` gives.
            most: how many at most; [] comes back where none is free.
            lease_seconds: the lease ends so many seconds after `now` unless it is renewed.
            now: the time.
        """
        taken = partial(_lease, run_id=run_id, owner=owner, expires=now + timedelta(seconds=lease_seconds))
        asked = {"of_run": run_id, "most": most, "at": now}
        with self._change(appends=False) as connection:
            rows = connection.execute(FREE, asked).all()
            if rows:
                return taken(connection, rows)
        with self._change() as connection:
            rows = connection.execute(RUN_OUT, asked).all()
            for row in rows:
                told = {"run": run_id, "shard": row.shard_id, "from": row.owner, "by": owner}
                append(connection, "shard.taken-over", told, now=now)
            return taken(connection, rows)

    def renew(self, claim: Claim, *, lease_seconds: float, now: datetime) -> Claim:
        """Lengthen a lease; it may have run out, as long as nobody took the shard.

        Raises:
            LostLease: another worker holds the shard now.
        """
        expires = now + timedelta(seconds=lease_seconds)
        with self._change(appends=False) as connection:
            if not connection.execute(_RENEW, _held(claim) | {"until": expires}).rowcount:
                raise _lost(claim)
        return replace(claim, expires=expires)

    def finish(
        self, claim: Claim, *, tally: Tally, manifest: str, manifest_hash: str, now: datetime, carried: bool = False
    ) -> ShardState:
        """Record a worked-through shard with its evidence.

        Args:
            claim: the lease.
            tally: what the manifest's rows add up to.
            manifest: its path, relative to the migration folder; "" for a shard without one.
            manifest_hash: SHA-256 of that file, hex; goes into the event chain.
            now: the time.
            carried: the manifest is that of an earlier run, because nothing has changed since; the event says so.

        Returns:
            `DONE`; `FAILED` where objects failed or the tally does not add up. A run that is taken up again works
            through failed shards once more.

        Raises:
            LostLease: another worker holds the shard now; nothing was recorded.
        """
        reason = _why_not_done(tally)
        state = ShardState.FAILED if reason else ShardState.DONE
        self._close(claim, state, tally, reason, manifest, manifest_hash, now, carried=carried)
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
        with self._change(appends=False) as connection:
            if not connection.execute(_RELEASE, _held(claim)).rowcount:
                raise _lost(claim)

    def _close(
        self,
        claim: Claim,
        state: ShardState,
        tally: Tally,
        reason: str,
        manifest: str,
        manifest_hash: str,
        now: datetime,
        *,
        carried: bool = False,
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
        } | ({"carried": True} if carried else {})
        values = _held(claim) | {"new_state": state.value, "new_tally": compact_json(tally), "new_reason": reason}
        check_move(ShardState.LEASED, state, f"shard {claim.shard.id}")
        with self._change() as connection:
            event = append(connection, f"shard.{state.value}", told, now=now)
            if manifest:
                values |= {"new_manifest": manifest, "new_hash": manifest_hash, "event": event.number}
            if connection.execute(_CLOSE_WITH if manifest else _CLOSE, values).rowcount != 1:
                # Raising undoes the whole change, the event too.
                raise _lost(claim)


_TABLE = schema.shard
_THIS = (_TABLE.c.run_id == bindparam("of_run")) & (_TABLE.c.shard_id == bindparam("of_shard"))
_HELD = update(_TABLE).where(
    _THIS,
    _TABLE.c.state == ShardState.LEASED.value,
    _TABLE.c.owner == bindparam("by"),
    _TABLE.c.fence == bindparam("at_fence"),
)
"""Changes a shard only as long as a claim holds it."""

# Statements are made once: putting one together costs SQLAlchemy more than SQLite takes to carry it out.
FREE = (
    select(_TABLE)
    .where(_TABLE.c.run_id == bindparam("of_run"), _TABLE.c.state == ShardState.PENDING.value)
    .order_by(_TABLE.c.position)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
"""Pending shards, in order. Rows that another transaction holds are passed over (PostgreSQL); SQLite has one writer."""
RUN_OUT = (
    select(_TABLE)
    .where(
        _TABLE.c.run_id == bindparam("of_run"),
        _TABLE.c.state == ShardState.LEASED.value,
        _TABLE.c.expires < bindparam("at"),
    )
    .order_by(_TABLE.c.position)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
"""Likewise the shards whose lease has run out."""
_LEASE = (
    update(_TABLE)
    .where(_THIS)
    .values(
        state=ShardState.LEASED.value,
        owner=bindparam("by"),
        expires=bindparam("until"),
        fence=bindparam("new_fence"),
        attempt=bindparam("new_attempt"),
    )
)
_RENEW = _HELD.values(expires=bindparam("until"))
_RELEASE = _HELD.values(state=ShardState.PENDING.value, owner="", expires=None)
_CLOSE = _HELD.values(
    state=bindparam("new_state"), expires=None, tally=bindparam("new_tally"), reason=bindparam("new_reason")
)
_CLOSE_WITH = _CLOSE.values(
    manifest=bindparam("new_manifest"), manifest_hash=bindparam("new_hash"), closed=bindparam("event")
)


def _lease(
    connection: Connection, rows: Sequence[Row[Any]], *, run_id: str, owner: str, expires: datetime
) -> list[Claim]:
    claims = []
    for row in rows:
        check_move(ShardState(row.state), ShardState.LEASED, f"shard {row.shard_id}")
        claims.append(Claim(run_id, decode(CopyShard, row.body), owner, row.fence + 1, row.attempt + 1, expires))
    if claims:
        connection.execute(_LEASE, [_leased(claim) for claim in claims])
    return claims


def _leased(claim: Claim) -> dict[str, Any]:
    return {
        "of_run": claim.run_id,
        "of_shard": claim.shard.id,
        "by": claim.owner,
        "until": claim.expires,
        "new_fence": claim.fence,
        "new_attempt": claim.attempt,
    }


def _held(claim: Claim) -> dict[str, Any]:
    return {"of_run": claim.run_id, "of_shard": claim.shard.id, "by": claim.owner, "at_fence": claim.fence}


def _lost(claim: Claim) -> LostLease:
    return LostLease(f"{claim.owner} no longer holds {claim.shard.id} of run {claim.run_id}")


def _why_not_done(tally: Tally) -> str:
    if not tally.whole:
        return (
            f"{tally.listed} objects were listed, but {tally.copied} copied, {tally.same} same, "
            f"{tally.excluded} excluded and {tally.failed} failed do not add up to that."
        )
    if tally.failed:
        return f"{tally.failed} of {tally.listed} objects failed; the manifest names them."
    return ""


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
