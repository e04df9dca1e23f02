"""Asks the target subscription what it offers and which account names are free; Prefect-free, for flow and command."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.reporting import account_of, movable_accounts
from flows.wiring import Bench, now
from mappings.assess import gaps_of
from mappings.errors import FixTheInput, GovliftError, GrantAccess, TryLater
from mappings.model import Gap, Inventory
from mappings.naming import candidates
from mappings.offer import NameAnswer, NewestVersion, Offer, Unasked, offer_to_json
from tasks.offers import ask_target, newest_versions

if TYPE_CHECKING:
    from tasks.clients.arm import TargetArm

log = logging.getLogger("govlift")

CATALOGUE_ONLY = "what the target offers and which account names are free there; verdicts rest on the catalogue only"


def target_offer(bench: Bench, seen: Inventory) -> tuple[Offer | None, tuple[Gap, ...]]:
    """What the target offers for an inventory, and what of it could not be asked.

    Returns:
        The offer, None where the target does not answer at all; gaps, among them one that says so. The free names are
        recorded in the ledger, for the plan.
    """
    scope = f"/subscriptions/{bench.settings.target.subscription}"
    try:
        bench.target_session.prove()
        arm = bench.target_arm()
        arm.providers()
        names = _free_names(bench, arm, [account_of(r) for r in movable_accounts(seen, bench.settings)])
        versions, unasked = _source_versions(bench, seen)
        offer = ask_target(
            arm,
            asked_at=now(),
            names=names.answers,
            source_versions=versions,
            unasked=[*([names.missing] if names.missing else ()), *unasked],
        )
    except (GrantAccess, TryLater, FixTheInput) as wrong:
        log.warning("the target was not asked: %s", wrong.sentence)
        return None, (Gap(scope, CATALOGUE_ONLY, wrong.sentence, type(wrong).__name__, wrong.next_step),)
    for one in offer.unasked:
        log.warning("the target did not say: %s (%s)", one.what, one.why)
    return offer, gaps_of(offer)


async def export_offer(config: Path, out: Path | None) -> tuple[Offer, str]:
    """Ask the target of a migration; returns the offer and its JSON text, which is also written to `out`.

    Raises:
        GovliftError: the target does not answer, or `out` cannot be written.
    """
    async with Bench(config) as bench:
        bench.target_session.prove()
        offer = ask_target(bench.target_arm(), asked_at=now())
    text = offer_to_json(offer)
    if out is not None:
        try:
            out.write_text(text, "utf-8")
        except OSError as wrong:
            raise FixTheInput(
                f"{out} cannot be written: {wrong.strerror}.", next_step="Name another file with --out."
            ) from None
    return offer, text


@dataclass
class _Names:
    chosen: dict[str, str] = field(default_factory=dict)
    answers: list[NameAnswer] = field(default_factory=list)
    missing: Unasked | None = None


def _free_names(bench: Bench, arm: TargetArm, accounts: Sequence[str]) -> _Names:
    """A free name in the target for every source account, its own where that is free; recorded for the plan.

    A name that cannot be had is no reason to do without everything else that the target says.
    """
    names = _Names()
    try:
        # A name that is ours already was made by an earlier run of this migration.
        own = {info.name for info in arm.accounts()}
        for account in accounts:
            _choose(bench, arm, account, own, names)
    except GovliftError as wrong:
        scope = f"/subscriptions/{bench.settings.target.subscription}"
        names.missing = Unasked(
            scope,
            "free names for storage accounts",
            wrong.sentence,
            wrong.code or type(wrong).__name__,
            wrong.next_step,
        )
        return names
    bench.ledger.writer.record("names", names.chosen, now=now())
    return names


def _choose(bench: Bench, arm: TargetArm, account: str, own: set[str], names: _Names) -> None:
    wanted = bench.settings.target.account_names.get(account)
    for name in [wanted] if wanted else candidates(account):
        if name in names.chosen.values():
            continue
        if name in own:
            names.answers.append(NameAnswer(account, name, True, "ours", "This subscription has it already."))
            names.chosen[account] = name
            return
        said = arm.name_free(name)
        names.answers.append(NameAnswer(account, name, said.free, said.reason, said.message))
        if said.free:
            names.chosen[account] = name
            return
    raise FixTheInput(
        f'The name "{wanted or account}" is not free in the target.',
        next_step=f"Choose another name for {account} in target.account_names.",
    )


def _source_versions(bench: Bench, seen: Inventory) -> tuple[tuple[NewestVersion, ...], tuple[Unasked, ...]]:
    """The newest API version that the source cloud has of each type of the inventory."""
    with_resources = next((r.subscription_id for r in seen.resources if r.subscription_id), "")
    if not with_resources:
        return (), ()
    try:
        return newest_versions(bench.source_arm(), with_resources, {r.type for r in seen.resources}), ()
    except GovliftError as wrong:
        scope = f"/subscriptions/{with_resources}"
        what = "API versions of the source, to compare with those of the target"
        return (), (Unasked(scope, what, wrong.sentence, wrong.code or type(wrong).__name__, wrong.next_step),)
