"""Flow `cutover`: asks the gates, and obeys."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.observe import Outcome, recorded
from flows.wiring import Bench
from mappings.errors import ExitCode
from mappings.gates import decide_cutover
from mappings.runs import RunKind
from tasks.cutover import cutover as obey


@flow(name="cutover", flow_run_name="cutover {config}", persist_result=False)
async def cutover(config: str = "migration.toml", apply: bool = False) -> Outcome:
    """Decide on the cutover and carry it out where every gate is green.

    Raises:
        AskForApproval: a gate is not green; nothing was changed on either side.
    """
    async with Bench(Path(config)) as bench, recorded(bench, RunKind.CUTOVER) as book:
        reasons = obey(decide_cutover(bench.ledger.reader.runs()))
        return Outcome(book.run_id, ExitCode.OK, {"reasons": list(reasons)})
