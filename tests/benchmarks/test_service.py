"""What the benchmarks rely on beside the protocol: the check at the end, faults, latency, and a whole measured run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import AzureError

from benchmarks import copying
from benchmarks.blobd import Service
from benchmarks.cases import Case
from benchmarks.copying import CALM, Bench, goals, heading, tables
from benchmarks.measuring import Cost, Failed
from benchmarks.tools import Missing, Place, Ran, Tool, counted
from tests.benchmarks.conftest import FastStage
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.stage import ACCOUNTS

pytestmark = pytest.mark.slow
HERE, THERE = ACCOUNTS["commercial"][0], ACCOUNTS["government"][0]
NAMES = [f"d0000/f{number:08}.bin" for number in range(4)]


@pytest.fixture
def pair(stage: FastStage, service: Service) -> Iterator[tuple[Any, Any]]:
    """A source of four loaded blobs, and an empty target of the same container name."""
    name = new_name()
    service.ask("load", side="commercial", account=HERE, container=name, n=4, size=20_000)
    yield stage.client().get_container_client(name), stage.client("government").create_container(name)
    service.ask("settings", **CALM)


def compared(service: Service, name: str) -> dict[str, Any]:
    told: dict[str, Any] = service.ask("compare", account=HERE, container=name, to_account=THERE, to_container=name)
    return told


def test_the_check_at_the_end_sees_every_kind_of_difference(service: Service, pair: tuple[Any, Any]) -> None:
    """Breaks when blobs are compared by size or label, or when a byte that differs is taken for the loaded one."""
    source, target = pair
    data = [source.download_blob(name).readall() for name in NAMES]
    assert len(set(data)) == 4
    target.upload_blob(NAMES[0], data[0])
    target.upload_blob(NAMES[1], data[0])
    target.upload_blob(NAMES[2], data[2][:-1] + bytes([data[2][-1] ^ 1]))
    target.upload_blob("stray", b"")
    found = compared(service, source.container_name)
    assert {key: found[key] for key in ("equal", "different", "missing", "extra")} == {
        "equal": 1, "different": 2, "missing": 1, "extra": 1,
    }  # fmt: skip
    assert target.download_blob(NAMES[2]).readall() == data[2][:-1] + bytes([data[2][-1] ^ 1])
    for name, content in zip(NAMES, data, strict=True):
        blob = target.get_blob_client(name)
        blob.stage_block("MDE=", content[8000:])
        blob.stage_block("MDA=", content[:8000])
        blob.commit_block_list(["MDA=", "MDE="])
    found = compared(service, source.container_name)
    assert (found["equal"], found["different"], found["missing"]) == (4, 0, 0)


def test_faults_come_as_often_as_asked_and_are_counted(service: Service, pair: tuple[Any, Any]) -> None:
    """Breaks when a rate is not a rate, or a fault is not counted."""
    source, _ = pair
    service.ask("settings", busy=0.2, truncate=0.2)
    service.ask("counters/reset")
    failed = 0
    for _round in range(40):
        try:
            source.download_blob(NAMES[0]).readall()
        except AzureError:
            failed += 1
    told = service.ask("counters")["commercial"]
    assert 4 <= told["faulted"] <= 32
    assert told["kinds"]["GetBlob"] >= 24
    assert failed >= 2


def test_latency_is_a_timer_and_not_a_queue(service: Service, pair: tuple[Any, Any]) -> None:
    """Breaks when one waiting request holds up another."""
    from concurrent.futures import ThreadPoolExecutor

    source, _ = pair
    source.download_blob(NAMES[0]).readall()
    service.ask("settings", latency_ms=500)
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: source.download_blob(NAMES[0]).readall(), range(16)))
    taken = time.perf_counter() - began
    assert 1.0 <= taken < 3.0


@pytest.mark.parametrize("tool", ["govlift-pull", "govlift-stream"])
def test_a_whole_case_runs_and_is_reported(service: Service, tmp_path: Path, tool: str) -> None:
    """Breaks when the product cannot be prepared and driven any more, or a lost object is not told."""
    bench = Bench(tmp_path, service)
    bench.carry_out(Case("small-pull", "300 x 16 KiB", 300, 16 * 1024, (tool,)), (tool,), 1)
    assert bench.skipped == bench.failed == {}
    row = bench.rows["small-pull", tool]
    assert row.lost == 0
    assert row.cpu > 0.1
    assert row.start > 0 and row.whole > row.wall > 0
    assert row.target_requests < 1.5
    assert 0 < row.service_cores < 2
    text = "\n".join([*tables(bench), *goals(bench)])
    assert "300 x 16 KiB" in text
    assert "objects lost or different, all rows of govlift | <= 0 | 0.00 | met" in text


def test_a_listing_is_counted_and_one_that_is_short_fails(service: Service, tmp_path: Path) -> None:
    """Breaks when a tool that lists only a part of the container is praised for its speed."""
    bench = Bench(tmp_path, service)
    case = Case("list-100k", "listing", 7_321, 10, ("govlift-list",), kind="list")
    bench.carry_out(case, case.tools, 1)
    assert bench.failed == {} and bench.rows["list-100k", "govlift-list"].wall > 0
    log = tmp_path / "list-100k" / "survey.log"
    with pytest.raises(Failed, match="7322 objects were to be counted"):
        counted(Cost(1, 1, 1), replace(case, count=7_322), log)


def test_a_tool_that_is_not_installed_is_skipped_by_name_and_one_that_breaks_is_no_skip(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks when a missing witness ends the run, or a failed one vanishes from the report together with its goals."""

    def missing(_: Case, __: Place) -> Ran:
        raise Missing("AzCopy is not installed: npm ci --prefix tests/oracle")

    def failing(_: Case, __: Place) -> Ran:
        raise Failed("first line\nlast line")

    calls = []

    def fine(case: Case, place: Place) -> Ran:
        calls.append(case.name)
        place.ready()
        return Ran(Cost(2.0, 1.0, 10.0))

    tools = {"azcopy": missing, "rclone-pull": failing, "govlift-pull": fine}
    monkeypatch.setattr(copying, "TOOLS", {name: Tool(name, run, lambda: "") for name, run in tools.items()})
    bench = Bench(tmp_path, service)
    bench.carry_out(Case("small-pull", "one", 1, 1, tuple(tools), kind="list"), tuple(tools), 2)
    assert calls == ["small-pull", "small-pull"]
    assert list(bench.skipped) == ["azcopy"]
    told = "\n".join([*heading(bench), *goals(bench)])
    assert "Skipped: azcopy: AzCopy is not installed: npm ci" in told
    assert "**Failed**: small-pull: rclone-pull: last line" in told
    assert "| 16 KiB by pull: times as fast as rclone | >= 2x | not measured | |" in told
