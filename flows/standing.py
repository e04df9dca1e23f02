"""Where a migration stands, from its ledger: `status`, `report`, `evidence verify`; no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.console import table_lines
from flows.failing import standing_failures
from flows.reporting import gather, last_copy
from flows.routes import fell_back
from flows.wiring import Bench, now
from mappings.failures import by_cause, causes_to_json
from mappings.forecast import Sample
from mappings.live import Live, live_to_json, look, samples_of
from mappings.live_lines import screen
from mappings.route_changes import fall_back_lines
from mappings.runs import RunRecord
from mappings.states import RunState, ShardState
from tasks.copiers.pace import zone_named
from tasks.failing import load_causes

SCHEMA_VERSION = 1
"""Of `status --json`, described by docs/status.schema.json; a key that goes or changes its meaning makes the next."""


def standing(config: Path) -> dict[str, Any]:
    """Identity, runs, failures by cause, and the shards of the newest copy run; a run that goes on in more detail."""
    bench = Bench(config)
    reader = bench.ledger.reader
    runs = reader.runs()
    last = last_copy(runs)
    shards = reader.shards(last.id) if last else []
    plan = reader.latest_plan()
    running = last is not None and last.state is RunState.RUNNING
    return {
        "schema_version": SCHEMA_VERSION,
        "taken_at": now().isoformat(timespec="seconds"),
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
        "fell_back": fell_back(reader, last.id) if last else [],
        "failures": causes_to_json(by_cause(standing_failures(bench), load_causes())),
        "running": live_to_json(seen(bench, last, earlier(bench, last)), load_causes()) if last and running else None,
    }


def seen(bench: Bench, run: RunRecord, samples: Sequence[Sample]) -> Live:
    """A look at a run that goes on.

    Args:
        samples: earlier looks.
    """
    reader = bench.ledger.reader
    moment, copy = now(), bench.settings.copy_
    allowed = copy.timetable.allowed_at(moment.astimezone(zone_named(copy.hours_zone)))
    return look(run, reader.shards(run.id), reader.workers(run.id), samples, now=moment, settings=allowed)


def earlier(bench: Bench, run: RunRecord) -> list[Sample]:
    """Looks at a run after the fact, from the shards that it has finished."""
    ends = []
    for kind in ("shard.done", "shard.failed"):
        for event in bench.ledger.reader.events(kind):
            if event.detail["run"] == run.id:
                tally = event.detail["tally"]
                ends.append((event.at, int(tally["listed"]), int(tally["bytes"])))
    return samples_of(ends, run.started)


def standing_lines(value: Mapping[str, Any]) -> list[str]:
    """`status` for a reader of the terminal."""
    lines = [f"{value['name']}: {value['source']} -> {value['target']}"]
    head = ("run", "kind", "state", "started", "listed", "copied", "same", "failed")
    keys = ("id", *head[1:])
    lines += table_lines(head, [tuple(run[key] for key in keys) for run in value["runs"]])
    lines += [f"failed: {failure['shard']}: {failure['reason']}" for failure in value["failed_shards"]]
    lines += fall_back_lines(value["fell_back"])
    if value["running"]:
        return [*lines, "", *screen(value["running"], value["failures"])]
    for cause in value["failures"]:
        counted = [f"{cause[what]:,} {what}" for what in ("objects", "shards") if cause[what]]
        lines += [f"{cause['title']}: {' and '.join(counted)}", f"  do: {cause['remedy']}"]
    if value["failures"]:
        lines.append("each of them: govlift failed; once more: govlift migrate --retry-failed --apply")
    return lines


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
