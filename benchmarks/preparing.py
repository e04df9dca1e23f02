"""A migration folder made ready for one measured run, by the product's own code; a process of its own.

    python -m benchmarks.preparing FOLDER migrate SETTINGS.json     # a new folder: survey, container, shards, run
    python -m benchmarks.preparing FOLDER resync                    # the same shards again, over what is there
    python -m benchmarks.preparing FOLDER survey                    # only counts what the container holds

Prints the id of the run and the number of workers; they do the rest, and they are what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from flows.crew import at_first
from flows.mover import run_loop
from flows.running import workers_for
from flows.wiring import Bench, now
from flows.word import Word, word_for
from mappings.model import ContainerSurvey
from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.runs import RunKind, ShardRecord
from mappings.states import ProofLevel, RunState
from tasks.carry import PrintStore
from tasks.copiers.rules import CopyRules
from tasks.copiers.survey import survey_container
from tasks.evidence_folder import mark_folder
from tasks.progress import Progress
from tasks.proof import Printing, ProofWork, Proved, prove_all, prove_shard
from tasks.selection import Selection

SOURCE_TENANT = "11111111-1111-4111-8111-111111111111"
TARGET_TENANT = "22222222-2222-4222-8222-222222222222"
SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"
CLIENT = "44444444-4444-4444-8444-444444444444"
SECRET_ENV = "GOVLIFT_BENCHMARK_SECRET"


def settings_text(copy: dict[str, Any]) -> str:
    """`migration.toml` with these values of `[copy]`."""
    sides = []
    for side, cloud, tenant, more in (
        ("source", "AzureCloud", SOURCE_TENANT, f'subscriptions = ["{SUBSCRIPTION}"]'),
        ("target", "AzureUSGovernment", TARGET_TENANT, f'subscription = "{SUBSCRIPTION}"\nregion = "usgovvirginia"'),
    ):
        sides.append(
            f'[{side}]\ncloud = "{cloud}"\ntenant_id = "{tenant}"\n{more}\n'
            f'[{side}.credential]\nclient_id = "{CLIENT}"\nsecret_env = "{SECRET_ENV}"\n'
        )
    chosen = "".join(f"{name} = {json.dumps(value)}\n" for name, value in copy.items())
    return f'name = "benchmark"\n\n{"".join(sides)}\n[copy]\n{chosen}'


def shards_of(survey: ContainerSurvey, target: str) -> list[CopyShard]:
    """The shards that a plan makes of a survey."""
    begins, ends = ("", *survey.cuts), (*survey.cuts, None)
    ranges = zip(begins, ends, survey.shard_objects, survey.shard_bytes, strict=True)
    return [
        CopyShard(survey.account, target, survey.container, begin, end, count, size, number)
        for number, (begin, end, count, size) in enumerate(ranges)
    ]


async def prepare(config: Path, kind: RunKind, source: str, target: str, containers: list[str]) -> tuple[Word, int]:
    """Everything that comes before the workers. Returns the word for them, and how many a command would start."""
    async with Bench(config) as bench:
        writer, reader = bench.ledger.writer, bench.ledger.reader
        shards: list[CopyShard] = []
        for run in reader.runs():
            # A re-sync follows the plan of the copy before it.
            shards = [record.shard for record in reader.shards(run.id)]
            if run.state is RunState.RUNNING:
                # What a run does when its shards are copied, and before a re-sync may follow.
                await verified(bench, run.id)
                writer.end_run(run.id, RunState.DONE, tally=Tally(), exit_code=0, now=now())
        reading, writing = bench.source_blobs(source), bench.target_blobs(target)
        if kind is RunKind.MIGRATE:
            mark_folder(bench.folder, reader, writer, now=now())
            for container in containers:
                await writing.create_container(await reading.container_settings(container))
                survey = await survey_container(reading, source, container, bench.settings.copy_.shard_objects)
                shards += shards_of(survey, target)
        run_id = writer.begin_run(kind, now=now())
        writer.open_shards(run_id, shards, now=now())
        workers = max(1, at_first(bench.settings.copy_, kind, workers_for(bench, shards, kind)))
        return await word_for(bench, run_id), workers


async def verified(bench: Bench, run_id: str) -> None:
    """Verify the copied shards of a run, and leave prints for the next one."""
    reader, folder = bench.ledger.reader, bench.folder
    records = [record for record in reader.shards(run_id) if record.manifest and not record.carried]
    rules = CopyRules.from_settings(bench.settings.copy_)
    printing = Printing(PrintStore(folder, reader), Selection(folder, reader), rules, bench.ledger.writer, now)
    work = ProofWork(folder=folder, level=ProofLevel.L0, share=1.0, seed=run_id, progress=Progress(), printing=printing)

    async def verify(record: ShardRecord) -> Proved:
        shard = record.shard
        source, target = bench.source_blobs(shard.source_account), bench.target_blobs(shard.target_account)
        return await prove_shard(record, work, source, target)

    proved = await prove_all(records, verify)
    if proved.mismatches:
        raise SystemExit(f"the copy before the re-sync is not whole: {proved.mismatches[0]}")


async def counted(config: Path, source: str, container: str) -> int:
    """Survey a container, as `assess` does."""
    async with Bench(config) as bench:
        survey = await survey_container(
            bench.source_blobs(source), source, container, bench.settings.copy_.shard_objects
        )
        return survey.objects


def main() -> None:
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    config = folder / "migration.toml"
    if not config.exists():
        config.write_text(settings_text(asked["copy"]), encoding="utf-8")
    if sys.argv[2] == "survey":
        sys.stdout.write(f"{run_loop(counted(config, asked['source'], asked['containers'][0]))}\n")
        return
    kind = RunKind(sys.argv[2])
    word, workers = asyncio.run(prepare(config, kind, asked["source"], asked["target"], asked["containers"]))
    sys.stdout.write(f"{workers}\n{word.line}\n")


if __name__ == "__main__":
    main()
