"""The commands of a kill test, as processes without Prefect: `python -m tests.kills.plain WORD CONFIG`.

What decides, provisions, copies, verifies and settles is the product's; only the window is missing.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from flows.console import command, run_flow
from flows.crew import work_together
from flows.observe import Outcome, recorded, start_logging
from flows.reporting import account_of, movable_accounts
from flows.running import Stages, run_plan
from flows.wiring import Bench, now
from mappings.assess import assess as judge
from mappings.model import ContainerSurvey
from mappings.runs import RunKind
from mappings.standstill import SILENT_SECONDS
from tasks.catalogue import load_catalogue
from tasks.copiers.survey import survey_account
from tasks.estate import take_inventory
from tasks.pairs import probe_pair
from tasks.proof import prove_shard
from tasks.spool import NAME, Spool, scope_text
from tasks.targets import provision_blobs, provision_step

PATIENCE = "GOVLIFT_TEST_PATIENCE"
"""Names how many seconds the leader waits for a sign of life, where that is less than the product's."""


async def _quiet(*_told: Any) -> None:
    return None


PLAIN = Stages(
    provision=lambda _id, step, arm: provision_step(step, arm),
    provision_container=lambda _id, step, source, target: provision_blobs(step, source, target),
    probe=probe_pair,
    copy=lambda run_id, bench, workers, progress: work_together(
        bench, run_id, workers, progress, patience=float(os.environ.get(PATIENCE, SILENT_SECONDS))
    ),
    verify=lambda _id, record, work, source, target: prove_shard(record, work, source, target),
    report=_quiet,
    publish=_quiet,
)


async def assess(config: Path) -> Outcome:
    """Inventory and survey, as the flow `assess` does them."""
    async with Bench(config) as bench, recorded(bench, RunKind.ASSESS) as book:
        source = bench.settings.source
        bench.source_session.prove()
        scope = scope_text(source.cloud, source.tenant_id, source.subscriptions, source.management_group)
        kept = Spool(bench.folder / NAME, scope, now=now())
        try:
            taken = take_inventory(
                bench.source_arm(), bench.graph(), source.subscriptions, management_group="", now=now(), spool=kept
            )
            found: list[ContainerSurvey] = []
            for resource in movable_accounts(taken, bench.settings):
                account = account_of(resource)
                surveys, gaps = await survey_account(
                    bench.source_blobs(account), account, bench.settings.copy_.shard_objects
                )
                assert not gaps, gaps
                found += surveys
            judged = judge(replace(taken, containers=tuple(found)), load_catalogue())
            bench.ledger.writer.save_assessment(book.run_id, judged, now=now())
            kept.discard()
        finally:
            kept.close()
        return Outcome(book.run_id, book.exit_code, {"run": book.run_id})


async def carry_out(config: Path, kind: RunKind) -> Outcome:
    """The newest plan, as a first copy or as a re-sync."""
    async with Bench(config) as bench:
        plan = bench.ledger.reader.latest_plan()
        assert plan is not None
        return await run_plan(bench, plan, kind, PLAIN)


@command
def main() -> None:
    """One command, with the exit codes of `govlift`."""
    word, config = sys.argv[1], Path(sys.argv[2])
    start_logging(verbose=False)
    outcome = run_flow(lambda: assess(config) if word == "assess" else carry_out(config, RunKind(word)))
    sys.stdout.write(json.dumps(outcome.summary, default=str) + "\n")
    sys.exit(int(outcome.exit_code))


if __name__ == "__main__":
    try:
        main()
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
