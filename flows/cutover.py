"""Flow `cutover`: asks the gates, and obeys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from prefect import flow

from flows.observe import Outcome, reached, recorded
from flows.program_gate import standing_of
from flows.reporting import COPIES
from flows.wiring import Bench, now
from mappings.errors import ExitCode
from mappings.gates import decide_cutover
from mappings.program_check import cutover_gate
from mappings.program_rules import Phase
from mappings.runs import RunKind
from mappings.states import RunState
from tasks.cutover import cutover as obey

MOST_LAG = timedelta(hours=1)


def lag_of(bench: Bench) -> timedelta | None:
    """Upper bound of the lag: everything that changed before the last complete run began is at the target."""
    done = [run for run in bench.ledger.reader.runs() if run.kind in COPIES and run.state is RunState.DONE]
    return now() - max(run.started for run in done) if done else None


@flow(name="cutover", flow_run_name="cutover {config}", persist_result=False)
async def cutover(config: str = "migration.toml", apply: bool = False) -> Outcome:
    """Decide on the cutover and carry it out where every gate is green.

    Raises:
        AskForApproval: a gate is not green; nothing was changed on either side.
    """
    async with Bench(Path(config)) as bench, recorded(bench, RunKind.CUTOVER) as book:
        gate = cutover_gate(standing_of(bench, Phase.BEFORE_CUTOVER))
        reasons = obey(decide_cutover(lag=lag_of(bench), most_lag=MOST_LAG, gates=[gate]))
        return reached(Outcome(book.run_id, ExitCode.OK, {"reasons": list(reasons)}))
