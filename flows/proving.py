"""`govlift verify`: the newest manifests against both sides, without Prefect."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.closing import counts
from flows.failing import standing_records
from flows.observe import Outcome, reached, recorded, shown
from flows.reporting import COPIES
from flows.wiring import Bench, now
from mappings.errors import ExitCode, FixTheInput
from mappings.runs import RunKind, ShardRecord
from mappings.sampling import CONFIDENCE, Sample, at_most, said
from mappings.states import ProofLevel, RunState
from tasks.copiers.pace import ByteBudget, paces_of
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress
from tasks.proof import ProofWork, Proved, prove_all, prove_shard


async def prove(config: Path, *, level: str, share: float, seed: str) -> Outcome:
    """Verify what the runs so far left, by the newest evidence of each shard.

    Raises:
        FixTheInput: no such level, or nothing was copied yet.
    """
    wanted = level_named(level)
    async with Bench(config) as bench:
        records = _newest(bench)
        async with recorded(bench, RunKind.VERIFY) as book:
            bench.source_session.prove()
            bench.target_session.prove()
            progress = Progress(total_objects=sum(r.tally.listed for r in records) if share == 1 else 0)
            copy = bench.settings.copy_
            paces, budget = paces_of(copy), ByteBudget(CopyRules.from_settings(copy).memory)
            work = ProofWork(
                bench.folder, level=wanted, share=share, seed=seed, progress=progress, paces=paces, budget=budget
            )

            async def one(record: ShardRecord) -> Proved:
                shard = record.shard
                source, target = bench.sides_of(shard)
                return await prove_shard(record, work, source, target)

            with closing(paces):
                async with shown("verify", progress):
                    total = await prove_all(records, one)
            book.tally = total.tally
            book.detail = (
                f"{total.tally.listed:,} objects looked at, {total.mismatched:,} mismatches, "
                f"{total.changed:,} changed at the source since. {said(total.sample)}"
            )
            if total.mismatched:
                book.state, book.exit_code = RunState.FAILED, ExitCode.MISMATCH
        run = bench.ledger.reader.run(book.run_id)
        seconds = ((run.finished or now()) - run.started).total_seconds()
        summary = {"run": book.run_id, "state": book.state.value, "detail": book.detail} | counts(book.tally, seconds)
        summary["sample"] = sample_of(total.sample, share, seed)
        summary["mismatches"] = [f"{n.account}/{n.container}/{n.row.name}: {n.row.reason}" for n in total.mismatches]
        return reached(Outcome(book.run_id, book.exit_code, summary))


def sample_of(sample: Sample, share: float, seed: str) -> dict[str, Any]:
    """What was looked at and what it says, for --json; a name counts once, with its snapshots and versions."""
    most = at_most(sample)
    return {
        "share": share,
        "seed": seed,
        "objects": sample.population,
        "looked_at": sample.looked_at,
        "wrong": sample.wrong,
        "confidence": CONFIDENCE,
        "at_most_wrong": most,
        "at_most_share": most / sample.population if sample.population else 0.0,
        "said": said(sample),
    }


def level_named(name: str) -> ProofLevel:
    """The proof level called `name`.

    Raises:
        FixTheInput: there is none.
    """
    if name.upper() not in ProofLevel.__members__:
        raise FixTheInput(f'There is no proof level "{name}".', next_step="Use L0, L1, L2 or L3.")
    return ProofLevel[name.upper()]


def _newest(bench: Bench) -> list[ShardRecord]:
    """Of each shard the newest record with a manifest; where a run looked at a part of its names only, part by part."""
    records = [record for record in standing_records(bench) if record.manifest]
    if not records:
        raise FixTheInput("Nothing was copied yet.", next_step="Run `govlift migrate --apply` first.")
    reader = bench.ledger.reader
    whole = {record.shard.id: (record.shard.begin, record.shard.end) for record in records}
    every = (one for run in reader.runs() if run.kind in COPIES for one in reader.shards(run.id))
    cut = {
        one.shard.id for one in every if one.manifest and whole.get(one.shard.id) != (one.shard.begin, one.shard.end)
    }
    return [part for record in records for part in (_parts(bench, record) if record.shard.id in cut else [record])]


def _parts(bench: Bench, record: ShardRecord) -> list[ShardRecord]:
    """The newest evidence of each part of a shard's names."""
    return [
        replace(record, shard=replace(record.shard, begin=part.begin, end=part.end), manifest=part.covered_by)
        for part in bench.ledger.reader.previous_manifests(record.shard)
    ]
