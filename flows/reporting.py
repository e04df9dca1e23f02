"""Gathers what the ledger and the manifests know into one `Report`; Prefect-free, so that `govlift report` is quick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from importlib.metadata import version

from flows.program_gate import standing_of
from flows.routes import route_changes
from flows.wiring import Bench, now
from mappings.errors import FixTheInput
from mappings.model import Inventory, Resource
from mappings.prints import carried
from mappings.readiness import Report, build_report, standing_shards
from mappings.runs import ObjectNote, RunKind, RunRecord, ShardRecord
from mappings.settings import Settings
from mappings.states import Change
from tasks.failing import load_causes
from tasks.keeping import rows_that_stand_out
from tasks.movetables import load_move_tables
from tasks.scanning import load_scanners

# Beyond this a report is no longer read by people; the manifests have every row.
NOTES = 200_000

COPIES = (RunKind.MIGRATE, RunKind.RESYNC)
STORAGE_TYPES = frozenset({"microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts"})


def account_of(resource: Resource) -> str:
    """Name of a storage account from its resource."""
    return resource.name.rsplit("/", 1)[-1]


def movable_accounts(seen: Inventory, settings: Settings) -> list[Resource]:
    """Storage accounts of the inventory that the settings do not leave out, by name."""
    only = settings.copy_.accounts
    found = [r for r in seen.resources if r.type.lower() in STORAGE_TYPES]
    return sorted(
        (r for r in found if not only or any(fnmatchcase(account_of(r), glob) for glob in only)), key=account_of
    )


def gather(bench: Bench) -> Report:
    """The report of a migration as far as it has got.

    Raises:
        FixTheInput: nothing has been assessed yet.
    """
    reader = bench.ledger.reader
    assessment = reader.assessment(stored=True)
    if assessment is None:
        raise FixTheInput(
            f"The ledger of {bench.settings.name} holds no assessment yet.", next_step="Run `govlift assess` first."
        )
    runs, plan = reader.runs(), reader.latest_plan()
    copies = [run for run in runs if run.kind in COPIES]
    shards = [record for run in copies for record in reader.shards(run.id)]
    return build_report(
        settings=bench.settings,
        assessment=assessment,
        plan=plan,
        runs=runs,
        shards=shards,
        notes=list(notes_of(bench, standing_shards(shards, runs, plan).values())),
        made_at=now(),
        version=version("govlift"),
        previous=reader.assessment_before(stored=True),
        program=standing_of(bench),
        scanners=load_scanners(),
        moves=load_move_tables(),
        causes=load_causes(),
        route_changes=route_changes(reader, {run.id for run in copies}),
    )


def last_copy(runs: list[RunRecord]) -> RunRecord | None:
    """The newest run that copied."""
    copies = [run for run in runs if run.kind in COPIES]
    return max(copies, key=lambda run: run.started) if copies else None


def notes_of(bench: Bench, records: Iterable[ShardRecord]) -> Iterator[ObjectNote]:
    """What a reader must see of the newest manifests: differences of a re-sync, and what did not simply arrive."""
    told = 0
    for record in records:
        if not record.manifest:
            continue
        quiet = {Change.SAME}
        if record.carried:
            quiet = set(Change) - {Change.DELETED, Change.EXTRA}
        elif bench.ledger.reader.run(record.run_id).kind is RunKind.MIGRATE:
            quiet = set(Change) - STANDS_OUT
        for row in rows_that_stand_out(bench.folder / record.manifest, quiet):
            yield ObjectNote(
                record.shard.source_account, record.shard.container, carried(row) if record.carried else row
            )
            told += 1
            if told >= NOTES:
                return


STANDS_OUT = frozenset({Change.DELETED, Change.EXTRA, Change.DRIFTED})
