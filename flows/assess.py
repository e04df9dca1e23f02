"""Flow `assess`: inventory -> survey -> verdicts -> readiness report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from flows.observe import Outcome, recorded
from flows.reporting import account_of, gather, movable_accounts
from flows.wiring import Bench, now
from mappings.assess import assess as judge
from mappings.assess import assessment_to_json
from mappings.errors import ExitCode, FixTheInput, GovliftError, GrantAccess, TryLater
from mappings.model import ContainerSurvey, Gap, Inventory
from mappings.naming import candidates
from mappings.runs import RunKind
from tasks.catalogue import load_catalogue
from tasks.inventory import inventory as list_estate
from tasks.inventory import survey
from tasks.publish import publish, report
from tasks.targets import check_names

if TYPE_CHECKING:
    from tasks.clients.arm import TargetArm
    from tasks.clients.management import ProviderType

log = logging.getLogger("govlift")


@flow(name="assess", flow_run_name="assess {config}", persist_result=False)
async def assess(config: str = "migration.toml", survey_data: bool = True) -> Outcome:
    """Inventory the source, judge every resource, write the readiness report.

    Args:
        config: path of migration.toml.
        survey_data: also count objects and bytes of every container (needed before a plan).

    Raises:
        GovliftError: nothing could be assessed. Findings do not raise; they are in the outcome's exit code.
    """
    async with Bench(Path(config)) as bench, recorded(bench, RunKind.ASSESS) as book:
        bench.source_session.prove()
        seen = list_estate(bench.source_arm(), bench.graph(), bench.settings.source.subscriptions, now())
        log.info("inventory: %s resources, %s gaps", f"{len(seen.resources):,}", len(seen.gaps))
        if survey_data:
            seen = await _surveyed(bench, seen)
        seen, live = _asked(bench, seen)
        target = bench.settings.target
        assessment = judge(
            seen, load_catalogue(), region_overrides=target.regions, default_region=target.region, live=live
        )
        bench.ledger.writer.save_assessment(book.run_id, assessment, now=now())
        value = gather(bench)
        await report(value, bench.folder)
        counts = assessment.by_verdict()
        await publish(
            f"readiness-{bench.settings.name}",
            f"Readiness of {bench.settings.customer or bench.settings.name}",
            [f"{len(assessment.verdicts):,} resources", *(f"{kind}: {n:,}" for kind, n in counts.items())],
            [{"id": v.resource_id, "verdict": v.verdict.value, "rule": v.rule} for v in assessment.verdicts],
        )
        findings = bool(assessment.inventory.gaps or counts["blocked"] or counts["unknown"] or counts["replace"])
        book.exit_code = ExitCode.FINDINGS if findings else ExitCode.OK
        book.detail = f"{len(assessment.verdicts)} resources judged, {len(assessment.inventory.gaps)} gaps."
        return Outcome(book.run_id, book.exit_code, assessment_to_json(assessment))


async def _surveyed(bench: Bench, seen: Inventory) -> Inventory:
    """The inventory with what the storage accounts hold; an account that cannot be read is a gap."""
    containers: list[ContainerSurvey] = []
    gaps: list[Gap] = []
    for resource in movable_accounts(seen, bench.settings):
        account = account_of(resource)
        try:
            found, missing = await survey(account, bench.source_blobs(account), bench.settings.copy_.shard_objects)
        except GovliftError as wrong:
            gaps.append(
                Gap(
                    resource.id,
                    f"containers and blobs of {account}",
                    wrong.sentence,
                    type(wrong).__name__,
                    wrong.next_step,
                )
            )
            continue
        containers.extend(found)
        gaps.extend(missing)
    objects, size = sum(c.objects for c in containers), sum(c.bytes for c in containers)
    log.info("survey: %s objects, %s bytes in %s containers", f"{objects:,}", f"{size:,}", len(containers))
    return replace(seen, containers=tuple(containers), gaps=(*seen.gaps, *gaps))


def _asked(bench: Bench, seen: Inventory) -> tuple[Inventory, Mapping[str, ProviderType] | None]:
    """What the target offers, and which names are free there; a target that does not answer yet is a gap."""
    accounts = [account_of(r) for r in movable_accounts(seen, bench.settings)]
    try:
        bench.target_session.prove()
        arm = bench.target_arm()
        live = arm.providers()
        bench.ledger.writer.record("names", _free_names(bench, arm, accounts), now=now())
    except (GrantAccess, TryLater, FixTheInput) as wrong:
        log.warning("the target was not asked: %s", wrong.sentence)
        gap = Gap(
            f"/subscriptions/{bench.settings.target.subscription}",
            "what the target offers and which account names are free there; verdicts rest on the catalogue only",
            wrong.sentence,
            type(wrong).__name__,
            wrong.next_step,
        )
        return replace(seen, gaps=(*seen.gaps, gap)), None
    return seen, live


def _free_names(bench: Bench, arm: TargetArm, accounts: list[str]) -> dict[str, str]:
    """A free name in the target for every source account, its own where that is free."""
    chosen: dict[str, str] = {}
    # A name that is ours already was made by an earlier run of this migration.
    own = {info.name for info in arm.accounts()}
    for account in accounts:
        wanted = bench.settings.target.account_names.get(account)
        for name in [wanted] if wanted else candidates(account):
            if name not in chosen.values() and (name in own or check_names(arm, [name])[name].free):
                chosen[account] = name
                break
        else:
            raise FixTheInput(
                f'The name "{wanted or account}" is not free in the target.',
                next_step=f"Choose another name for {account} in target.account_names.",
            )
    return chosen
