"""The product beside AzCopy and rclone on the same service in one run: `make bench`.

    python -m benchmarks.copying                                       # everything: about an hour on two cores
    python -m benchmarks.copying --cases small --repeats 1             # minutes
    python -m benchmarks.copying --cases small-pull --tools govlift-pull,azcopy

Tools take turns within each round, every run is compared with the source by content, and medians of the rounds are
printed. `--write` puts the tables into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.blobd import BUILT, ROOT, CompilerMissing, Service
from benchmarks.cases import Case, chosen
from benchmarks.goals import GOALS, PULL, STREAM, Row, Rows, Run
from benchmarks.limits import limits
from benchmarks.measuring import Cost, Failed, leave_when_told
from benchmarks.tools import SOURCE, TARGET, TOOLS, Missing, Place, govlift

CALM = {"latency_ms": 0, "busy": 0, "reset_before": 0, "reset_after": 0, "truncate": 0, "retry_after": -1}
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"


class Bench:
    """One service and what was measured on it."""

    def __init__(self, folder: Path, service: Service, pull: str = "") -> None:
        self.folder, self.service, self.pull = folder, service, pull
        self.runs: dict[tuple[str, str], list[Run]] = {}
        self.cases: dict[str, Case] = {}
        self.skipped: dict[str, str] = {}
        """Tool -> how to have it."""
        self.failed: dict[str, str] = {}
        """Case and tool -> what it said."""
        self._before: Mapping[str, Any] = {}
        """Counters of the service when the run began."""
        self.starts: dict[str, list[Run]] = {PULL: [], STREAM: []}
        """What one of govlift's workers costs by each route where there is nothing to copy, once before each case."""
        environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ
        }
        self.environment = {**environment, **service.environment()}

    def carry_out(self, case: Case, tools: tuple[str, ...], repeats: int) -> None:
        """All rounds of one case."""
        self.cases[case.name] = case
        self._load(case)
        for number in range(repeats):
            for tool in tools:
                if tool in self.skipped or f"{case.name}: {tool}" in self.failed:
                    continue
                try:
                    run = self._one(case, tool)
                except Missing as missing:
                    self.skipped[tool] = str(missing)
                    say(f"  {tool}: skipped: {missing}")
                    continue
                except Failed as failed:
                    self.failed[f"{case.name}: {tool}"] = str(failed).strip().splitlines()[-1]
                    say(f"  {tool}: FAILED: {failed}")
                    continue
                self.runs.setdefault((case.name, tool), []).append(run)
                say(f"  round {number + 1}: {tool}: {run.wall:.2f} s, CPU {run.cpu:.2f} s, {run.peak_mib:.0f} MiB")
        for container in case.containers:
            self.service.ask("drop", side="commercial", account=SOURCE, container=container, whole=1)
            self.service.ask("drop", side="government", account=TARGET, container=container, whole=1)

    def measure_start(self) -> None:
        """One more run over an empty container by each route."""
        case = Case("start", "an empty container", 0, 0, tuple(self.starts))
        self._load(case)
        for tool, runs in self.starts.items():
            runs.append(self._one(case, tool))

    def _start_cpu(self, tool: str) -> float:
        runs = self.starts[STREAM if tool.startswith(STREAM) else PULL] if tool.startswith("govlift") else []
        return median(run.cpu for run in runs) if runs else 0.0

    def _load(self, case: Case) -> None:
        ask = self.service.ask
        ask("settings", **CALM, pull=self.pull or case.pull)
        ask("account", side="government", name=TARGET)
        each = case.count // case.spread
        for number, container in enumerate(case.containers):
            held = {"side": "commercial", "account": SOURCE, "container": container}
            ask("drop", **held)
            ask("load", **held, n=each, size=case.size, **{"from": number * each})
        self._empty(case)
        shutil.rmtree(self._folder(case), ignore_errors=True)
        if case.kind == "resync":
            say("  the first copy, by govlift")
            govlift(case, self._place(case), route="pull", proof="L1")

    def _empty(self, case: Case) -> None:
        for container in case.containers:
            held = {"side": "government", "account": TARGET, "container": container}
            self.service.ask("load", **held, n=0)
            self.service.ask("drop", **held)

    def _folder(self, case: Case) -> Path:
        return self.folder / case.name

    def _place(self, case: Case, conditions: dict[str, float] | None = None) -> Place:
        def ready() -> None:
            self.service.ask("settings", **(conditions or {}))
            self.service.ask("counters/reset")
            self._before = self.service.ask("counters")

        return Place(self._folder(case), self.environment, ready, case.containers)

    def _one(self, case: Case, tool: str) -> Run:
        if case.kind != "resync":
            self._empty(case)
            shutil.rmtree(self._folder(case), ignore_errors=True)
        place = self._place(case, {"latency_ms": case.latency_ms, **case.faults})
        if case.kind == "resync" and not tool.startswith("govlift"):
            place = replace(place, folder=self._folder(case) / tool)
        try:
            ran = TOOLS[tool].run(case, place)
        finally:
            counted = self.service.ask("counters")
            self.service.ask("settings", **CALM)
        if case.kind == "list":
            return self._run(ran.cost, counted, 0)
        lost = 0
        for container in case.containers:
            here = {"account": SOURCE, "container": container}
            found = self.service.ask("compare", **here, to_account=TARGET, to_container=container)
            wrong = int(found["missing"]) + int(found["different"]) + int(found["extra"])
            if wrong:
                say(f"  {tool}: WRONG at the destination: {container}: {found}")
            lost += wrong
        return self._run(ran.cost, counted, lost)

    def _run(self, cost: Cost, counted: Mapping[str, Any], lost: int) -> Run:
        here, there, before = counted["commercial"], counted["government"], self._before
        used = sum(float(counted[name]) - float(before[name]) for name in ("cpu_user", "cpu_system"))
        # Lines that the service keeps to itself, for copy sources over HTTPS, may be open from before.
        connections = counted["peak_connections"] - before["connections"]
        return Run(
            cost.wall, cost.start, cost.cpu, cost.peak_mib, here["requests"], there["requests"],
            connections, lost, used, cost.processes,
        )  # fmt: skip

    @property
    def rows(self) -> Rows:
        return {
            (case, tool): Row(
                self.cases[case].count,
                self.cases[case].size,
                tuple(runs),
                self._start_cpu(tool),
            )
            for (case, tool), runs in self.runs.items()
        }


def tables(bench: Bench) -> Iterator[str]:
    """The report as Markdown lines."""
    for name, case in bench.cases.items():
        rows = {tool: row for (of, tool), row in bench.rows.items() if of == name}
        if not rows:
            continue
        rounds = max(len(row.runs) for row in rows.values())
        fetches = (bench.pull or case.pull) == "fetch"
        told = f"medians of {rounds} rounds" if rounds > 1 else "one round"
        yield f"\n### {case.title[0].upper()}{case.title[1:]}: {told}\n"
        if any("pull" in tool or "azcopy" in tool for tool in rows) and case.kind == "copy":
            how = "over HTTPS, on the same cores" if fetches else "in memory"
            yield f"The service read the copy sources {how}.\n"
        yield (
            "| tool | time | with start | objects/s | MB/s | CPU | CPU per object | peak memory "
            "| requests per object, source + target | connections | processors busy with the service |"
        )
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        for tool, row in rows.items():
            whole = f"{row.whole:.2f} s" if row.start else ""
            source = row.requests - row.target_requests
            connections = "" if fetches else f"{row.of(lambda run: run.connections):,.0f}"
            note = f" ({TOOLS[tool].note})" if TOOLS[tool].note else ""
            wrong = f" **{row.lost} wrong**" if row.lost else ""
            yield (
                f"| {TOOLS[tool].title}{note}{wrong} | {row.wall:.2f} s | {whole} "
                f"| {row.count / row.wall:,.0f} "
                f"| {row.count * row.size / row.wall / 1e6:,.0f} | {row.cpu:.2f} s "
                f"| {row.cpu / row.count * 1e6:,.0f} us "
                f"| {row.peak:,.0f} MiB | {source:.2f} + {row.target_requests:.2f} "
                f"| {connections} | {row.service_cores:.2f} |"
            )


def goals(bench: Bench) -> Iterator[str]:
    yield "\n### What must be reached\n"
    yield "| goal | wanted | reached | |\n|---|--:|--:|---|"
    for goal in GOALS:
        told = goal.told(bench.rows)
        if told is None and bench.failed:
            yield f"| {goal.words} | {'>=' if goal.at_least else '<='} {goal.bound:g}{goal.unit} | not measured | |"
        elif told is not None:
            sign = ">=" if goal.at_least else "<="
            met = "met" if told[1] else "**not met**"
            yield f"| {goal.words} | {sign} {goal.bound:g}{goal.unit} | {told[0]} | {met} |"


def heading(bench: Bench) -> Iterator[str]:
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    used = {tool for _, tool in bench.runs}
    versions = sorted({TOOLS[tool].version() for tool in used} - {""})
    machine = f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, {datetime.now(UTC):%F}"
    yield f"{machine}; {', '.join(versions)}."
    pulls, streams = bench.starts[PULL], bench.starts[STREAM]
    if pulls:
        ready = [median(run.start for run in runs) for runs in (pulls, streams)]
        cpu = [median(run.cpu for run in runs) for runs in (pulls, streams)]
        yield (
            f"A worker of govlift takes {ready[0]:.2f} s to be ready where it may pull and {ready[1]:.2f} s where it "
            f"streams, and {cpu[0]:.2f} and {cpu[1]:.2f} s of CPU where nothing is to be copied. "
            "In brackets: ratios of time with the former, of CPU without the latter."
        )
    for tool, why in bench.skipped.items():
        yield f"Skipped: {tool}: {why}"
    for tool, why in bench.failed.items():
        yield f"**Failed**: {tool}: {why}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write(text: str) -> None:
    """Put the tables into docs/performance.md, between its two marks."""
    path = ROOT / "docs" / "performance.md"
    before, rest = path.read_text(encoding="utf-8").split(BEGIN, 1)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


@contextmanager
def opened(folder: Path, threads: int) -> Iterator[Service]:
    try:
        with Service(folder / "service", threads=threads) as service:
            yield service
    except CompilerMissing as missing:
        sys.exit(str(missing))


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument(
        "--cases",
        default="",
        help="groups (small, hundred, mid, big, containers, resync, list, million) or names; all by default",
    )
    reader.add_argument("--tools", default="", help="only these")
    reader.add_argument("--repeats", type=int, default=0, help="rounds, at most; 5 by default, fewer of large ones")
    reader.add_argument("--threads", type=int, default=2, help="of the service")
    reader.add_argument(
        "--pull", choices=("fetch", "ref"), default="", help="how the service reads a copy source, in every case"
    )
    reader.add_argument("--keep", action="store_true", help="leave the migration folders where they are")
    reader.add_argument("--no-limits", action="store_true", help="do not measure the service itself")
    reader.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    asked = reader.parse_args()
    leave_when_told()
    try:
        cases = chosen(asked.cases)
    except ValueError as wrong:
        sys.exit(str(wrong))
    wanted = set(asked.tools.split(",")) if asked.tools else set(TOOLS)
    folder = Path(tempfile.mkdtemp(prefix="govlift-bench-"))
    with opened(folder, asked.threads) as service:
        bench = Bench(folder, service, asked.pull)
        limit = "" if asked.no_limits else limits(service)
        for case in cases:
            if any(tool.startswith("govlift") for tool in wanted):
                bench.measure_start()
            say(f"{case.name}: {case.title}")
            rounds = min(asked.repeats or case.repeats, case.repeats)
            bench.carry_out(case, tuple(tool for tool in case.tools if tool in wanted), rounds)
    text = "\n".join([*heading(bench), limit, *tables(bench), *goals(bench)])
    say("\n" + text)
    told = {f"{case} {tool}": [asdict(run) for run in runs] for (case, tool), runs in bench.runs.items()}
    (BUILT / "results.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    if asked.write:
        write(text)
    if asked.keep:
        say(f"\nkept: {folder}")
    else:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
