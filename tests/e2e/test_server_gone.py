"""The Prefect server dies while a command works: the work is done all the same, and says so."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from flows.demo import prefect_server
from flows.observe import PREFECT_ENVIRONMENT
from tests.e2e.customer import Customer, ambient
from tests.e2e.servers import server_at

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]


def test_a_copy_whose_server_dies_ends_whole_and_soon(customer: Customer, tmp_path: Path) -> None:
    """Mutations that must fail it: the summary for Prefect, or the end of its flow run, deciding how the command ends;
    an end that waits until Prefect has tried each of its events.
    """
    customer.assessed_and_planned()
    environment = ambient() | PREFECT_ENVIRONMENT | {"PREFECT_HOME": str(tmp_path)}
    with prefect_server(tmp_path, environment) as wait:
        wait()
        api = environment["PREFECT_API_URL"]
        customer.control("/faults", post=[{"match": "government blob PUT", "delay": 0.3}])
        running = customer.begin("migrate", "--apply", "--json", PREFECT_API_URL=api, PREFECT_CLIENT_MAX_RETRIES="1")
        until = time.monotonic() + 240
        while customer.target_writes() < 8:
            assert running.poll() is None and time.monotonic() < until, "the migration ended too soon"
            time.sleep(0.05)
        os.kill(server_at(api), signal.SIGKILL)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert json.loads(out)["objects"]["copied"] == 43 and customer.folder.joinpath("report.html").exists()
    assert "shows no summary" in err and "does not know how this run ended" in err, err
    assert "Traceback" not in err and "EventsWorker" not in err, err
    assert customer.run("status", "--json").json["runs"][-1]["state"] == "done"
