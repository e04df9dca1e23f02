"""A real Prefect server and a process worker run the `resync` deployment of prefect.yaml against the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Migrated
from tests.e2e.customer import Customer, repository

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]


def prefect(customer: Customer, *words: str, timeout: float = 180) -> str:
    told = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        env=customer.environment | {"PREFECT_LOGGING_LEVEL": "INFO"},
        cwd=repository(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_the_scheduled_resync_runs_on_a_worker(migrated: Migrated, tmp_path: Path) -> None:
    """The night job: deployed from prefect.yaml, picked up by a worker, completed, with its run in the ledger.

    Mutation that must fail it: an entry point that loads only where flows/ is the working folder.
    """
    customer = migrated.customer.twin(tmp_path / "twin")
    customer.environment |= {
        "GOVLIFT_HOME": str(repository()),
        "GOVLIFT_CONFIG": str(customer.config),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    prefect(customer, "work-pool", "create", "govlift", "--type", "process", "--overwrite")
    prefect(customer, "deploy", "--all")
    log = (tmp_path / "worker.log").open("w", encoding="utf-8")
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "govlift", "--type", "process"],
        env=customer.environment | {"PREFECT_LOGGING_LEVEL": "INFO"},
        cwd=tmp_path,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        prefect(customer, "deployment", "run", "resync/resync", "--watch", "--watch-timeout", "150", timeout=200)
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        log.close()
    runs = json.loads(customer.run("status", "--json").out)["runs"]
    resyncs = [run for run in runs if run["kind"] == "resync"]
    assert [run["state"] for run in resyncs] == ["done"], (tmp_path / "worker.log").read_text(encoding="utf-8")[-3000:]
    assert resyncs[0]["listed"] == resyncs[0]["same"] + resyncs[0]["excluded"]
