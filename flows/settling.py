"""Account and container settings of a migration: read at the source for a plan, set at the target around the copy."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flows.wiring import VERSIONS, Bench, now
from mappings.account_settings import AccountDetails
from mappings.archive import archive_lines
from mappings.codec import compact_json, decode
from mappings.errors import GovliftError
from mappings.plan import CreateContainer, FinishAccount, Plan, ProtectContainer, SetAccount
from mappings.states import StepState
from tasks.account_settings import finish_account, read_account, set_account
from tasks.clients.blobs_account import BlobAccount

if TYPE_CHECKING:
    from mappings.model import Resource

log = logging.getLogger("govlift")
EVENT = "account-settings"


async def learn_details(bench: Bench, accounts: Iterable[Resource]) -> dict[str, AccountDetails]:
    """Read the settings of these source accounts and keep them in the ledger for `govlift plan`.

    Classic accounts have none of these settings.
    """
    found: dict[str, AccountDetails] = {}
    arm = bench.source_arm()
    try:
        for resource in accounts:
            if resource.type.lower().startswith("microsoft.classicstorage/"):
                continue
            key = bench.source_key(resource.name)
            side = BlobAccount(
                None if key else bench.source_session,
                bench.settings.source.in_cloud,
                resource.name,
                key=key,
                concurrency=1,
                reads_only=True,
            )
            try:
                found[resource.name] = await read_account(arm, resource.id, resource.name, side)
            finally:
                await side.aclose()
    finally:
        arm.close()
    bench.ledger.writer.record(EVENT, {name: compact_json(one) for name, one in found.items()}, now=now())
    return found


def known_details(bench: Bench) -> Mapping[str, AccountDetails]:
    """What `learn_details` found last, by source account."""
    found: dict[str, AccountDetails] = {}
    for event in bench.ledger.reader.events(EVENT):
        found = {name: decode(AccountDetails, str(text)) for name, text in event.detail.items()}
    return found


async def set_up(bench: Bench, step: SetAccount) -> str:
    """Carry out a step before the copy; returns what was done."""
    arm = bench.target_arm()
    side = BlobAccount(
        bench.target_session, bench.target_session.cloud, step.account, key="", concurrency=1, reads_only=False
    )
    try:
        return await set_account(step, arm.account_settings(), side)
    finally:
        await side.aclose()
        arm.close()


def finish_all(bench: Bench, plan: Plan) -> list[str]:
    """Carry out what comes after verification and is not done yet, in the plan's order.

    Returns:
        what was refused, one sentence each; the next run tries it again.
    """
    writer, states = bench.ledger.writer, bench.ledger.reader.steps(plan.id)
    arm = bench.target_arm()
    refused: list[str] = []
    try:
        for step in plan.steps:
            if not isinstance(step, (FinishAccount, ProtectContainer)) or states.get(step.id) is StepState.DONE:
                continue
            writer.move_step(plan.id, step.id, StepState.RUNNING, now=now())
            try:
                done = finish_account(step, arm.account_settings())
            except GovliftError as wrong:
                writer.move_step(plan.id, step.id, StepState.FAILED, detail=wrong.sentence, now=now())
                log.warning("settings: %s", wrong.sentence)
                refused.append(wrong.sentence)
                continue
            writer.move_step(plan.id, step.id, StepState.DONE, detail=done, now=now())
            log.info("settings: %s", done)
    finally:
        arm.close()
    return refused


def keep_replayed(bench: Bench, plan: Plan) -> None:
    """Tell the workers, by the ledger, which accounts have their previous versions copied."""
    steps = [step for step in plan.steps if isinstance(step, SetAccount) and step.replay_versions]
    bench.ledger.writer.record(VERSIONS, {step.source_account: step.account for step in steps}, now=now())


def archived(bench: Bench, plan: Plan) -> list[str]:
    """What the plan's reader has to know of archived blobs in the containers that it copies."""
    assessment = bench.ledger.reader.assessment()
    if assessment is None:
        return list[str]()
    copied = {(step.source_account, step.name) for step in plan.steps if isinstance(step, CreateContainer)}
    surveys = [one for one in assessment.inventory.containers if (one.account, one.container) in copied]
    return archive_lines(surveys, bench.settings.copy_.archive)
