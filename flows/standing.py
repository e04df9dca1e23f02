"""Where a migration stands, from its ledger: `status`, `report`, `evidence verify`; no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.reporting import gather, last_copy
from flows.wiring import Bench
from mappings.states import ShardState


def standing(config: Path) -> dict[str, Any]:
    """Identity, runs, and the shards of the newest copy run."""
    bench = Bench(config)
    reader = bench.ledger.reader
    runs = reader.runs()
    last = last_copy(runs)
    shards = reader.shards(last.id) if last else []
    plan = reader.latest_plan()
    return {
        "name": bench.settings.name,
        "source": f"{bench.settings.source.cloud} {bench.settings.source.tenant_id}",
        "target": f"{bench.settings.target.cloud} {bench.settings.target.tenant_id}",
        "plan": plan.id if plan else None,
        "runs": [
            {
                "id": run.id,
                "kind": run.kind.value,
                "state": run.state.value,
                "started": run.started.isoformat(timespec="seconds"),
                "finished": run.finished.isoformat(timespec="seconds") if run.finished else None,
                "listed": run.tally.listed,
                "copied": run.tally.copied,
                "same": run.tally.same,
                "excluded": run.tally.excluded,
                "failed": run.tally.failed,
                "exit_code": run.exit_code,
                "detail": run.detail,
            }
            for run in runs
        ],
        "shards": {state.value: sum(1 for shard in shards if shard.state is state) for state in ShardState},
        "failed_shards": [
            {"shard": shard.shard.id, "reason": shard.reason} for shard in shards if shard.state is ShardState.FAILED
        ],
    }


def rewrite_report(config: Path, formats: str = "") -> dict[str, Path]:
    """Write the report anew.

    Args:
        formats: comma-separated names of `tasks.reports.FORMATS`, "" for all.
    """
    from tasks.reports import formats_of, write_reports

    wanted = formats_of(formats)
    bench = Bench(config)
    return write_reports(gather(bench), bench.folder, wanted)


def check_evidence_of(config: Path) -> tuple[list[str], int, str]:
    """Problems found between manifests and hash chain, how many manifests were checked, and the head of the chain."""
    from tasks.manifests import check_evidence

    bench = Bench(config)
    reader = bench.ledger.reader
    problems = check_evidence(bench.folder, reader)
    return problems, len(list(bench.evidence.rglob("*.parquet"))), reader.head().hash
