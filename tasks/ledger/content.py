"""Writes what a migration is and means to do: its identity, assessments, plans, and the state of plan steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from mappings.codec import canonical_json
from mappings.errors import AskForApproval
from mappings.evidence import digest
from mappings.model import Assessment
from mappings.plan import CopyShard, Plan
from mappings.plan_text import plan_to_json
from mappings.settings import Settings
from mappings.states import StepState
from tasks.ledger import schema
from tasks.ledger.assessments import store_assessment
from tasks.ledger.refusals import check_move
from tasks.ledger.transactions import Writing, append

_WORDS = {
    "name": "name",
    "source_cloud": "source.cloud",
    "source_tenant": "source.tenant_id",
    "source_subscriptions": "source.subscriptions",
    "source_management_group": "source.management_group",
    "target_cloud": "target.cloud",
    "target_tenant": "target.tenant_id",
    "target_subscription": "target.subscription",
}


class ContentWriter(Writing):
    """Identity, assessments, plans and steps."""

    def claim_identity(self, settings: Settings, *, now: datetime) -> None:
        """Store whose migration this is, or check that it still is the same.

        Only name, clouds, tenants and subscriptions count; a change of any other setting is recorded and accepted.

        Raises:
            AskForApproval: the settings are those of another migration; names each difference.
        """
        identity = _identity(settings)
        content = settings_hash(settings)
        table = schema.migration
        with self._change() as connection:
            row = connection.execute(select(table)).one_or_none()
            if row is None:
                text = canonical_json(identity)
                connection.execute(insert(table).values(one=1, identity=text, settings_hash=content, claimed=now))
                append(connection, "identity.claimed", {**identity, "settings_hash": content}, now=now)
                return
            _require_same(json.loads(row.identity), identity, self._place)
            if row.settings_hash != content:
                connection.execute(update(table).values(settings_hash=content))
                detail = {"before": row.settings_hash, "after": content}
                append(connection, "identity.settings-changed", detail, now=now)

    def save_assessment(self, run_id: str, assessment: Assessment, *, now: datetime | None = None) -> None:
        """Store the assessment of a run, whole.

        Args:
            run_id: the run that made it; one assessment a run.
            assessment: with its inventory.
            now: for the event; None takes the time of the inventory.
        """
        taken = assessment.inventory
        detail = {
            "run": run_id,
            "taken_at": taken.taken_at,
            "resources": len(taken.resources),
            "gaps": len(taken.gaps),
            "verdicts": assessment.by_verdict(),
            "catalogue_date": assessment.catalogue_date,
        }
        with self._change() as connection:
            store_assessment(connection, run_id, assessment)
            append(connection, "assessment.saved", detail, now=now or taken.taken_at)

    def save_plan(self, plan: Plan, *, now: datetime | None = None) -> None:
        """Store a plan and its steps; it is the latest plan from now on. Saving one again keeps its steps' states.

        Args:
            plan: as made by `mappings.planning`.
            now: for the event; None takes the time at which the plan was made.
        """
        table = schema.plan
        with self._change() as connection:
            order = (connection.execute(select(func.max(table.c.saved))).scalar() or 0) + 1
            known = connection.execute(update(table).where(table.c.id == plan.id).values(saved=order)).rowcount
            if not known:
                row = {"id": plan.id, "saved": order, "created_at": plan.created_at, "body": plan_to_json(plan)}
                connection.execute(insert(table).values(row))
                _insert_steps(connection, plan)
            detail = {"plan": plan.id, "hash": plan.hash, "steps": len(plan.steps), "left_out": len(plan.left_out)}
            append(connection, "plan.saved", detail, now=now or plan.created_at)

    def move_step(self, plan_id: str, step_id: str, state: StepState, *, detail: str = "", now: datetime) -> None:
        """Record that a step goes into `state`.

        Raises:
            IllegalMove: `state` may not follow the step's own.
            KeyError: the plan has no such step.
        """
        table = schema.step
        here = (table.c.plan_id == plan_id) & (table.c.step_id == step_id)
        with self._change() as connection:
            row = connection.execute(select(table.c.state).where(here).with_for_update()).one_or_none()
            if row is None:
                raise KeyError(f"plan {plan_id} has no step {step_id}")
            check_move(StepState(row.state), state, f"step {step_id}")
            connection.execute(update(table).where(here).values(state=state.value, detail=detail, moved=now))
            told = {"plan": plan_id, "step": step_id, "state": state, "detail": detail}
            append(connection, "step.moved", told, now=now)


def settings_hash(settings: Settings) -> str:
    """Digest of the settings without `ledger`, whose URL may hold a password."""
    return digest(settings.model_dump(mode="json", by_alias=True, exclude={"ledger"}))


def _identity(settings: Settings) -> dict[str, Any]:
    return {
        "name": settings.name,
        "source_cloud": settings.source.cloud,
        "source_tenant": settings.source.tenant_id,
        "source_subscriptions": sorted(set(settings.source.subscriptions)),
        "source_management_group": settings.source.management_group.lower(),
        "target_cloud": settings.target.cloud,
        "target_tenant": settings.target.tenant_id,
        "target_subscription": settings.target.subscription,
    }


def _require_same(stored: Mapping[str, Any], given: Mapping[str, Any], place: str) -> None:
    # A ledger from before there were management groups does not name one.
    different = [key for key in _WORDS if stored.get(key, "") != given[key]]
    if not different:
        return
    told = "; ".join(f"{_WORDS[key]} was {_shown(stored[key])}, is {_shown(given[key])}" for key in different)
    raise AskForApproval(
        f"The settings are those of another migration than the ledger {place}: {told}.",
        next_step="Put the old values back, or make a new folder for another migration with `govlift init`.",
    )


def _shown(value: Any) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value)) or "empty"


def _insert_steps(connection: Connection, plan: Plan) -> None:
    rows = [
        {
            "plan_id": plan.id,
            "step_id": step.id,
            "position": position,
            "state": StepState.PENDING.value,
            "detail": "",
            "moved": None,
        }
        for position, step in enumerate(plan.steps)
        if not isinstance(step, CopyShard)
    ]
    if rows:
        connection.execute(insert(schema.step), rows)
