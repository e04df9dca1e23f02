"""Flow `assess`: inventory -> survey -> verdicts -> readiness report."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from flows.asking import target_offer
from flows.observe import Outcome, reached, recorded, shown_in_prefect
from flows.reporting import account_of, gather, movable_accounts
from flows.settling import learn_details
from flows.wiring import Bench, now
from mappings.assess import assess as judge
from mappings.assess import assessment_to_json
from mappings.errors import ExitCode, GovliftError
from mappings.model import ContainerSurvey, Gap, Inventory
from mappings.runs import RunKind
from tasks.catalogue import load_catalogue, overlays_of, read_overlays
from tasks.inventory import inventory as list_estate
from tasks.inventory import open_spool, survey
from tasks.publish import TABLE_ROWS, publish, report
from tasks.volumes import measured

if TYPE_CHECKING:
    from tasks.spool import Spool

log = logging.getLogger("govlift")


ITEMS_AT_ONCE = 50_000
"""Resources up to which each verdict is in the JSON on standard output; of more, the report has them."""


@flow(name="assess", flow_run_name="assess {config}", persist_result=False)
async def assess(config: str = "migration.toml", survey_data: bool = True) -> Outcome:
    """Inventory the source, judge every resource, write the readiness report.

    Args:
        config: path of migration.toml.
        survey_data: also count objects and bytes of every container (needed before a plan).

    Raises:
        GovliftError: nothing could be assessed. Findings do not raise; they are in the outcome's exit code.
    """
    async with Bench(Path(config)) as bench, recorded(bench, RunKind.ASSESS) as book, _spool(bench) as kept:
        # Wrong rule files are told before anything is asked.
        rulebook = load_catalogue(read_overlays(overlays_of(bench.settings, bench.folder)))
        bench.source_session.prove()
        arm, graph, source = bench.source_arm(), bench.graph(), bench.settings.source
        group = source.management_group
        seen = list_estate(arm, graph, source.subscriptions, now(), management_group=group, spool=kept)
        log.info("inventory: %s resources, %s gaps", f"{len(seen.resources):,}", len(seen.gaps))
        if survey_data:
            seen = measured(bench.metrics(), await _surveyed(bench, seen), now())
        offer, unasked = target_offer(bench, seen)
        seen = replace(seen, gaps=(*seen.gaps, *unasked))
        target = bench.settings.target
        assessment = judge(seen, rulebook, region_overrides=target.regions, default_region=target.region, offer=offer)
        bench.ledger.writer.save_assessment(book.run_id, assessment, now=now())
        kept.discard()
        number = len(assessment.verdicts)
        await report(gather(bench), bench.folder)
        counts = assessment.by_verdict()
        await shown_in_prefect(
            publish(
                f"readiness-{bench.settings.name}",
                f"Readiness of {bench.settings.customer or bench.settings.name}",
                [f"{len(assessment.verdicts):,} resources", *(f"{kind}: {n:,}" for kind, n in counts.items())],
                [
                    {"id": v.resource_id, "verdict": v.verdict.value, "rule": v.rule}
                    for v in assessment.verdicts[:TABLE_ROWS]
                ],
                total=len(assessment.verdicts),
            )
        )
        findings = bool(assessment.inventory.gaps or counts["blocked"] or counts["unknown"] or counts["replace"])
        book.exit_code = ExitCode.FINDINGS if findings else ExitCode.OK
        book.detail = f"{len(assessment.verdicts)} resources judged, {len(assessment.inventory.gaps)} gaps."
        summary = assessment_to_json(assessment, items=number <= ITEMS_AT_ONCE)
        return reached(Outcome(book.run_id, book.exit_code, summary))


@asynccontextmanager
async def _spool(bench: Bench) -> AsyncIterator[Spool]:
    """Where the inventory lies until the ledger has it; what an interrupted run leaves there is gone on with."""
    kept = open_spool(bench.folder, bench.settings.source, now())
    try:
        yield kept
    finally:
        kept.close()


_ROLE = "Give the source identity Reader on the account, then assess again."


async def _surveyed(bench: Bench, seen: Inventory) -> Inventory:
    """The inventory with what the storage accounts hold; an account that cannot be read is a gap."""
    containers: list[ContainerSurvey] = []
    gaps: list[Gap] = []
    movable = movable_accounts(seen, bench.settings)
    details = await learn_details(bench, movable)
    for resource in movable:
        account = account_of(resource)
        try:
            source = bench.source_blobs(account)
            if (known := details.get(account)) is not None:
                source.versions = known.versioning and bench.settings.copy_.versions == "all"
                gaps += [Gap(resource.id, "settings of the account", why, "NotRead", _ROLE) for why in known.unread]
            found, missing = await survey(account, source, bench.settings.copy_.shard_objects)
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
