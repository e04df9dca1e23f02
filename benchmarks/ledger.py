"""Claims and finishes a second that the ledger takes, on SQLite and on PostgreSQL, by how many processes ask.

    .venv/bin/python -m benchmarks.ledger [--write]

Each process claims shards of one run and finishes each, as workers do, with nothing copied in between: what it costs to
hand out work and to record that it is done. Every commit is on disk before the next one begins, as in a migration.
`--write` puts the table into docs/scale-out.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.runs import RunKind
from sandbox.postgres import NoPostgres, postgres_server
from tasks.ledger import ledger_url, open_ledger

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale-out.md"
BEGIN, END = "<!-- ledger: begin -->", "<!-- ledger: end -->"
SHARDS = 1_000
PROCESSES = (1, 2, 8)
AT_ONCE = (1, 32)
"""Shards of one claim: where few are left, and the most that a worker asks for."""
LEASE_SECONDS = 120.0
WHOLE = Tally(listed=10_000, copied=10_000, bytes=10**9, pull=10_000, proof=(0, 0, 10_000, 0))


@dataclass(frozen=True)
class Figure:
    """One run of one database."""

    database: str
    processes: int
    at_once: int
    seconds: float
    claims: list[float]
    """Seconds that each took that got something."""
    finishes: list[float]

    def row(self) -> str:
        """As a row of the table."""
        return (
            f"| {self.database} | {self.processes} | {self.at_once} | {SHARDS / self.seconds:,.0f} "
            f"| {1000 * median(self.claims):.1f} ms | {1000 * median(self.finishes):.1f} ms |"
        )


def work(
    url: str, run_id: str, number: int, at_once: int, start: Barrier
) -> tuple[float, float, list[float], list[float]]:
    """One process: claim and finish until nothing is left. Returns when it began and ended, and what each took."""
    claims, finishes = [], []
    with open_ledger(url) as ledger:
        start.wait()
        began = time.time()
        while True:
            asked = time.perf_counter()
            got = ledger.writer.claim(
                run_id, owner=f"here:1:{number}", most=at_once, lease_seconds=LEASE_SECONDS, now=datetime.now(UTC)
            )
            if not got:
                return began, time.time(), claims, finishes
            claims.append(time.perf_counter() - asked)
            for claim in got:
                asked = time.perf_counter()
                ledger.writer.finish(
                    claim, tally=WHOLE, manifest=f"evidence/{claim.shard.id}.parquet", manifest_hash="0" * 64,
                    now=datetime.now(UTC),
                )  # fmt: skip
                finishes.append(time.perf_counter() - asked)


def measure(database: str, url: str, processes: int, at_once: int) -> Figure:
    """A run of `SHARDS` shards, worked through."""
    with open_ledger(url) as ledger:
        run_id = ledger.writer.begin_run(RunKind.MIGRATE, plan_id="measured", now=datetime.now(UTC))
        shards = [CopyShard("source", "target", f"c{n:05}", "", None, 10_000, 10**9, n) for n in range(SHARDS)]
        ledger.writer.open_shards(run_id, shards, now=datetime.now(UTC))
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(processes) as pool:
        start = manager.Barrier(processes)
        told = pool.starmap(work, [(url, run_id, number, at_once, start) for number in range(processes)], chunksize=1)
    claims = [seconds for _, _, claims, _ in told for seconds in claims]
    finishes = [seconds for _, _, _, finishes in told for seconds in finishes]
    if len(finishes) != SHARDS:
        raise RuntimeError(f"{len(finishes)} of {SHARDS} shards were finished")
    lasted = max(ended for _, ended, *_ in told) - min(began for began, *_ in told)
    return Figure(database, processes, at_once, lasted, claims, finishes)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Callable[[int], str]]]:
    """Name -> a function that gives the URL of the n-th fresh ledger there."""

    def file(number: int) -> str:
        (folder / str(number)).mkdir()
        return ledger_url(folder / str(number))

    try:
        with postgres_server() as server:
            os.environ |= server.environment()

            def database(number: int) -> str:
                server.create(f"ledger{number}")
                return server.url(f"ledger{number}")

            yield {"SQLite": file, "PostgreSQL": database}
    except NoPostgres as missing:
        print(missing)  # noqa: T201
        yield {"SQLite": file}


def table(figures: list[Figure]) -> list[str]:
    """The figures as a table in Markdown."""
    head = "| ledger | processes | shards of a claim | claimed and finished a second | a claim | a finish |"
    return [head, "|---|--:|--:|--:|--:|--:|", *(figure.row() for figure in figures)]


def write(lines: list[str]) -> None:
    """Put the table into docs/scale-out.md, in place of the one that is there."""
    cpus = os.cpu_count() or 0
    told = [
        BEGIN,
        f"`.venv/bin/python -m benchmarks.ledger`, {datetime.now(UTC):%Y-%m-%d}, {cpus} {platform.machine()} cores,",
        f"the database server on the same machine; {SHARDS:,} shards, times are medians, every commit on disk.",
        "",
        *lines,
        END,
    ]
    text = PAGE.read_text("utf-8")
    old = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not old.search(text):
        raise RuntimeError(f"{PAGE} has no place for the table")
    PAGE.write_text(old.sub(lambda _: "\n".join(told), text), "utf-8")


def main() -> None:
    """Measure, print, and write where that is asked for."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--write", action="store_true", help="put the table into docs/scale-out.md")
    given = asked.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder, databases(Path(folder)) as found:
        for name, fresh in found.items():
            for processes in PROCESSES:
                for at_once in AT_ONCE:
                    figures.append(measure(name, fresh(len(figures)), processes, at_once))
                    print(figures[-1].row(), flush=True)  # noqa: T201
    lines = table(figures)
    print("\n".join(lines))  # noqa: T201
    if given.write:
        write(lines)


if __name__ == "__main__":
    main()
