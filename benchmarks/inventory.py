"""Measures the inventory: rows a second, requests and memory at 20,000 and 200,000 resources, and what a kill costs.

    python -m benchmarks.inventory                      # both sizes, about ten minutes
    python -m benchmarks.inventory 5000:50              # RESOURCES:SUBSCRIPTIONS, any number of them

The sandbox answers as one process beside it, with Resource Graph's quota on (15 queries in 5 s, 1,000 rows each, so
3,000 rows a second at most). The line "pages only" reads the same pages and keeps nothing: what is between it and the
inventory is govlift; what is between it and 3,000 is the sandbox and the machine. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import launcher
from sandbox.estates import large

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((20_000, 200), (200_000, 2_000))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a child process."""

    rows: int
    seconds: float
    cpu: float
    peak_mib: int
    requests: int

    def line(self, words: str) -> str:
        speed = self.rows / self.seconds if self.seconds else 0
        return (
            f"| {words} | {self.rows:,} | {self.seconds:,.0f} s | {speed:,.0f} | {self.requests:,} "
            f"| {self.cpu:,.0f} s | {self.peak_mib:,} MiB |"
        )


class Box:
    """A sandbox with a large estate."""

    def __init__(self, folder: Path, resources: int, subscriptions: int) -> None:
        self.folder = folder / "sandbox"
        self.state = launcher.up(self.folder, estate=f"large-{resources}-{subscriptions}")

    def ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.state['control']}{path}", data=None, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def requests(self) -> int:
        return int(self.ask("GET", "/counters")["commercial"]["arm"]["read"])

    def environment(self) -> Mapping[str, str]:
        told = {"GOVLIFT_BENCHMARK": json.dumps(self.state["commercial"]), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **launcher.environment_of(self.state), **told}

    def child(self, what: str, spool: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.inventory", "--child", what, str(spool)]
        return subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def run(self, what: str, spool: Path) -> Measured:
        """One child, to its end."""
        before = self.requests()
        said, _ = self.child(what, spool).communicate()
        told = json.loads(said.splitlines()[-1])
        return Measured(**told, requests=self.requests() - before)

    def kill_after(self, requests: int, spool: Path) -> int:
        """Begin an inventory and kill it after so many requests; how many it had made."""
        before = self.requests()
        child = self.child("inventory", spool)
        while child.poll() is None and self.requests() - before < requests:
            time.sleep(0.1)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        return self.requests() - before


def measure(resources: int, subscriptions: int) -> list[str]:
    """The lines of one size."""
    folder = Path(tempfile.mkdtemp(prefix="govlift-benchmark-"))
    box = Box(folder, resources, subscriptions)
    try:
        size = f"{resources:,} resources, {subscriptions:,} subscriptions"
        pages = box.run("pages", folder / "none.db")
        whole = box.run("inventory", folder / "whole.db")
        spent = box.kill_after(whole.requests // 2, folder / "killed.db")
        rest = box.run("inventory", folder / "killed.db")
        again = spent + rest.requests - whole.requests
        return [
            pages.line(f"{size}: pages only"),
            whole.line(f"{size}: inventory"),
            rest.line(f"{size}: resumed after kill -9 at half; {again:,} requests repeated"),
        ]
    finally:
        launcher.down(box.folder)
        shutil.rmtree(folder)


def _child(what: str, spool: Path) -> None:
    """What is measured, in a process of its own."""
    from mappings.clouds import COMMERCIAL
    from mappings.settings import Credential
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader
    from tasks.clients.session import open_session
    from tasks.estate import BATCH, take_inventory
    from tasks.spool import Spool

    cloud = json.loads(os.environ["GOVLIFT_BENCHMARK"])
    credential = Credential(client_id=cloud["client_id"], secret_env="SECRET")
    session = open_session(
        COMMERCIAL, cloud["tenant_id"], credential, {"SECRET": cloud["client_secret"]}, reads_only=True
    )
    arm, graph = SourceArm(session), GraphReader(session)
    began, now = time.perf_counter(), datetime.now(UTC)
    if what == "pages":
        ids = arm.below(large.ROOT)
        parts = (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
        rows = sum(len(page.rows) for part in parts for page in graph.pages(subscriptions=part))
    else:
        kept = Spool(spool, "benchmark", now=now)
        rows = len(take_inventory(arm, graph, management_group=large.ROOT, now=now, spool=kept).resources)
        kept.close()
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    told = {"rows": rows, "seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss >> 10}
    say(json.dumps(told))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("sizes", nargs="*", help="RESOURCES:SUBSCRIPTIONS")
    reader.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.child:
        _child(asked.child[0], Path(asked.child[1]))
        return
    sizes = [tuple(map(int, one.split(":"))) for one in asked.sizes] or SIZES
    say(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, {datetime.now(UTC):%F}.\n")
    say("| what | rows | time | rows a second | requests | CPU of the process | peak memory |")
    say("|---|--:|--:|--:|--:|--:|--:|")
    for resources, subscriptions in sizes:
        for line in measure(resources, subscriptions):
            say(line)


if __name__ == "__main__":
    main()
