"""From run to run: a shard of which nothing changed keeps its manifest; of another only what differs is marched."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.objects import EvidenceRow, ListedObject, Tally
from mappings.plan import CopyShard
from mappings.prints import carried
from mappings.runs import RunKind, ShardRecord
from mappings.states import Change, Outcome, ProofLevel, Route, RunState
from tasks.carry import PrintStore
from tasks.copiers.check import verify_shard
from tasks.copiers.prints import hash_runs
from tasks.copiers.routes import RouteBook
from tasks.keeping import carried_tables, part_rows, rows, rows_that_stand_out
from tasks.ledger import Ledger, ledger_url, open_ledger
from tasks.manifests import ManifestWriter, changes_in, check_evidence, read_manifest
from tasks.progress import Progress
from tasks.proof import Printing, ProofWork, prove_shard
from tasks.selection import Selection
from tasks.shardwork import ShardWork, carry_out
from tests.copiers.bench_of import RULES
from tests.copiers.memory_cloud import Account
from tests.copiers.raw_pages import RawSource, RawTarget, entry_of, page_of

SHARD = CopyShard("src", "dst", "c", "", None, 0, 0, 0)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Migration:
    """A folder with a ledger, and two accounts."""

    folder: Path
    ledger: Ledger
    runs: int = 0

    def __post_init__(self) -> None:
        self.source, self.target = Account("src"), Account("dst")
        self.source.containers_["c"] = {}
        self.target.containers_["c"] = {}
        self.reading = RawSource(self.source)
        self.writing = RawTarget(self.target, {"src": self.reading})

    async def run(self, kind: RunKind = RunKind.RESYNC) -> ShardRecord:
        """Copy and verify the one shard, as a run does, and return what the ledger has of it."""
        reader, writer = self.ledger.reader, self.ledger.writer
        self.runs += 1
        now = NOW + timedelta(days=self.runs)
        run_id = writer.begin_run(kind, now=now)
        writer.open_shards(run_id, [SHARD], now=now)
        (claim,) = writer.claim(run_id, owner="me", most=1, lease_seconds=60, now=now)
        work = ShardWork(
            folder=self.folder, reader=reader, writer=writer, rules=RULES, routes=RouteBook("pull"),
            progress=Progress(), clock=lambda: now, tool_version="1",
        )  # fmt: skip
        await carry_out(claim, work, self.reading, self.writing)
        (record,) = reader.shards(run_id)
        if not record.carried:
            printing = Printing(
                PrintStore(self.folder, reader), Selection(self.folder, reader), RULES, writer, lambda: now
            )
            proof = ProofWork(self.folder, ProofLevel.L0, 1.0, "s", Progress(), printing)
            proved = await prove_shard(record, proof, self.reading, self.writing)
            assert proved.mismatched == 0 and proved.sample.whole
        writer.end_run(run_id, RunState.DONE, tally=record.tally, exit_code=0, now=now)
        return record

    def rows(self, record: ShardRecord) -> list[EvidenceRow]:
        return list(read_manifest(self.folder / record.manifest))


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Migration]:
    # Small groups, so that a few objects make several.
    monkeypatch.setattr("mappings.prints.cut_names.__defaults__", (3,))
    with open_ledger(ledger_url(tmp_path)) as ledger:
        found = Migration(tmp_path, ledger)
        for number in range(20):
            found.source.write("c", f"n{number:02}", b"x" * number, metadata={"k": "v"}, tags={"t": "v"})
        yield found


def test_an_unchanged_shard_keeps_its_manifest(migration: Migration) -> None:
    """Breaks when a no-op run writes, marches, verifies or reports anything as moved."""

    async def history() -> None:
        first = await migration.run(RunKind.MIGRATE)
        for _ in range(2):
            calls = migration.source.calls["list"], migration.target.calls["list"]
            again = await migration.run()
            assert again.carried and not first.carried
            assert again.manifest == first.manifest
            assert again.tally == Tally(listed=20, same=20, proof=first.tally.proof)
            # Each side is listed once: pages of three names, and the listing's own start.
            assert migration.source.calls["list"] - calls[0] == migration.target.calls["list"] - calls[1] == 7
        assert changes_in(migration.folder / again.manifest, carried=True) == {"same": 20}
        marked = [event.detail.get("carried") for event in migration.ledger.reader.events("shard.done")]
        assert marked == [None, True, True]
        assert check_evidence(migration.folder, migration.ledger.reader) == []

    asyncio.run(history())


def test_only_the_groups_that_differ_are_marched(migration: Migration) -> None:
    """Breaks when a change is overlooked, an unchanged row is not what it was, or the march takes more than it must."""

    async def history() -> None:
        first = await migration.run(RunKind.MIGRATE)
        before = {row.name: row for row in migration.rows(first)}
        migration.source.change("c", "n07", moves=False, tags={"t": "new"})
        migration.source.write("c", "n13x", b"new")
        migration.target.change("c", "n19", moves=False, tags={})
        again = await migration.run()
        found = {row.name: row for row in migration.rows(again)}
        assert not again.carried and list(found) == sorted([*before, "n13x"])
        moved = {name: row.change for name, row in found.items() if row.change is not Change.SAME}
        assert moved == {"n07": Change.TAGS, "n13x": Change.NEW, "n19": Change.DRIFTED}
        assert all(found[name] == carried(row) for name, row in before.items() if name not in moved)
        assert again.tally.whole and (again.tally.listed, again.tally.copied, again.tally.same) == (21, 3, 18)
        assert (await migration.run()).carried

    asyncio.run(history())


def test_prints_that_somebody_changed_are_not_believed(migration: Migration) -> None:
    """Breaks when a changed object can be made to pass for an unchanged one by writing into the folder."""

    async def history() -> None:
        record = await migration.run(RunKind.MIGRATE)
        path = migration.folder / f"{record.manifest}.prints"
        path.write_text(path.read_text(encoding="ascii").replace('"settled":true', '"settled": true'), encoding="ascii")
        assert any("prints" in problem for problem in check_evidence(migration.folder, migration.ledger.reader))
        assert not (await migration.run()).carried
        path.unlink()
        assert (await migration.run()).carried

    asyncio.run(history())


def test_a_killed_attempt_takes_the_ordinary_way(migration: Migration) -> None:
    """Breaks when what a killed attempt may have begun is carried over unseen."""

    async def history() -> None:
        record = await migration.run(RunKind.MIGRATE)
        (migration.folder / record.manifest).with_name("dead-1.journal").write_bytes(b"")
        assert not (await migration.run()).carried

    asyncio.run(history())


# --- columns ----------------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.builds(
        EvidenceRow,
        name=st.just(""),
        snapshot=st.just(""),
        blob_type=st.just("BlockBlob"),
        size=st.integers(0, 2**40),
        source_etag=st.text(max_size=3),
        source_last_modified=st.just(NOW),
        outcome=st.sampled_from([Outcome.COPIED, Outcome.SAME, Outcome.EXCLUDED]),
        change=st.sampled_from(Change),
        route=st.none() | st.sampled_from(Route),
        proof=st.none() | st.sampled_from(ProofLevel),
        target_etag=st.text(max_size=3),
        reason=st.sampled_from(["", "why"]),
        code=st.sampled_from(["", "Code"]),
        attempts=st.integers(1, 5),
        started=st.none() | st.just(NOW),
    ),
    max_size=12,
).map(lambda several: [replace(row, name=f"é{n:03}") for n, row in enumerate(several)])


@settings(max_examples=25)
@given(ROWS, st.integers(0, 12), st.integers(0, 12))
def test_columns_say_what_rows_say(
    tmp_path_factory: pytest.TempPathFactory, every: list[EvidenceRow], low: int, high: int
) -> None:
    """Breaks when a row that is kept by column is another than the one that the engine would write."""
    folder = tmp_path_factory.mktemp("columns")
    old, new = folder / "old.parquet", folder / "new.parquet"
    writer = ManifestWriter(old, meta={})
    for row in every:
        writer.write(row)
    writer.close()
    begin, end = f"é{low:03}", f"é{high:03}"
    here = [row for row in every if begin <= row.name < end]
    assert [row for batch in rows(old, begin, end) for row in batch] == here
    assert list(part_rows(folder, [], begin, end)) == []
    kept = ManifestWriter(new, meta={})
    for table in carried_tables(old, begin, end):
        kept.keep(table)
    kept.close()
    assert list(read_manifest(new)) == [carried(row) for row in here]
    loud = [row for row in every if row.change is not Change.SAME or row.outcome is Outcome.EXCLUDED]
    assert list(rows_that_stand_out(old, {Change.SAME})) == loud


# --- size -------------------------------------------------------------------------------------------------------------


class Generated:
    """A listing of `count` objects, made page by page; nothing of it is held."""

    versions = False

    def __init__(self, account: str, count: int) -> None:
        self.account, self.count, self.requests = account, count, 0
        item = replace(Account("a").write("c", "x", b"x").item, name="NAME", etag='"ETAG"')
        self.entry = entry_of(item)

    async def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        first = int(begin[1:]) if begin else 0
        for start in range(first, self.count, 5000):
            self.requests += 1
            stop = min(start + 5000, self.count)
            entries = [
                self.entry.replace("NAME", f"n{n:09}").replace("ETAG", f"{self.account}{n:x}")
                for n in range(start, stop)
            ]
            yield page_of(entries, "more" if stop < self.count else "")


def evidence(count: int, item: ListedObject) -> Iterator[list[EvidenceRow]]:
    for start in range(0, count, 5000):
        yield [
            EvidenceRow(
                f"n{n:09}", "", "BlockBlob", item.size, f'"src{n:x}"', item.last_modified, Outcome.COPIED, Change.NEW,
                Route.PULL, ProofLevel.L2, target_etag=f'"dst{n:x}"',
            )
            for n in range(start, min(start + 5000, count))
        ]  # fmt: skip


async def verify(count: int) -> None:
    item = Account("a").write("c", "x", b"x").item
    left, right = Generated("src", count), Generated("dst", count)
    found = await verify_shard(
        SHARD, left, right, evidence(count, item), level=ProofLevel.L0, share=1.0, seed="", progress=Progress(),  # type: ignore[arg-type]
    )  # fmt: skip
    assert (found.tally.listed, found.tally.same, found.changed, found.mismatches) == (count, count, 0, [])
    assert left.requests == right.requests == -(-count // 5000)


async def look(count: int) -> None:
    begins = ["", *(f"n{n:09}" for n in range(2500, count, 2500))]
    generated = Generated("src", count)
    digests = await hash_runs(generated, "c", begins, None, "c", [""] * len(begins))
    assert len(set(digests)) == len(begins)
    first = (generated.entry.replace("NAME", f"n{n:09}").replace("ETAG", f"src{n:x}") for n in range(2500))
    assert digests[0] == hashlib.sha256("".join(first).encode()).hexdigest()


def peak_of(work: str, count: int) -> int:
    """Most memory of a process of its own that does this, in KiB."""
    lines = f"import asyncio; from tests.copiers import test_carry as t; asyncio.run(t.{work}({count}))"
    asked = f"{lines}; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    return int(subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
@pytest.mark.parametrize("work", ["verify", "look"])
def test_memory_does_not_grow_with_the_number_of_objects(work: str) -> None:
    """Breaks when a verification, or the look at both listings, holds what it has passed; in = out all the same."""
    assert peak_of(work, 200_000) < 1.2 * peak_of(work, 40_000)
