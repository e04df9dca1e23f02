"""What a run waits for, by the real command: a role that was just given, and the hours of the day."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.standing import standing
from mappings.plan import CreateContainer
from tests.e2e.by_clock import keep_time
from tests.e2e.customer import Customer
from tests.e2e.test_operator import at_target
from tests.e2e.warm import Warm

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.xdist_group("prefect")]

NO_ROLE_YET = {"status": 403, "code": "AuthorizationPermissionMismatch"}


def test_doctor_waits_for_a_role_that_was_just_given(lone_customer: Customer) -> None:
    """Mutation that must fail it: `--wait` that does not reach the checks of the data plane."""
    rule = NO_ROLE_YET | {"match": r"commercial blob GET /tinyrecords\b.*comp=list", "times": 1}
    lone_customer.control("/faults", post=[rule])
    ran = lone_customer.run("doctor", expect=None)
    assert ran.code != 0 and "AuthorizationPermissionMismatch" in ran.out + ran.err

    lone_customer.control("/faults", method="DELETE")
    lone_customer.control("/faults", post=[rule])
    ran = lone_customer.run("doctor", "--wait")
    assert "waiting for the role on tinyrecords" in ran.err and "containers listed" in ran.out


@pytest.mark.prefect
def test_a_run_waits_for_a_role_that_was_just_given_and_remembers_where_it_works(customer: Customer) -> None:
    """Mutation that must fail it: provisioning containers without the patience, or forgetting where a role works."""
    customer.assessed_and_planned()
    rule = NO_ROLE_YET | {"match": r"government blob PUT /[^/]+/[^/]+\?restype=container", "times": 1}
    customer.control("/faults", post=[rule])
    ran = customer.run("migrate", "--apply", "--json")
    assert ran.json["state"] == "done" and ran.json["objects"]["failed"] == 0
    assert ran.err.count("waiting for the role on") == 1
    accounts = {step.account for step in customer.plan().steps if isinstance(step, CreateContainer)}
    assert accounts <= {told["account"] for told in customer.events("access")}


def paused(customer: Customer, run: subprocess.Popen[str] | Warm) -> dict[str, Any]:
    """`running` of `status --json` as soon as a worker tells that it pauses."""
    until = time.monotonic() + 240
    while True:
        assert run.poll() is None and time.monotonic() < until, run.communicate()[1] if run.poll() else "no pause"
        live: dict[str, Any] | None = standing(customer.config)["running"]
        if live is not None and live["in_flight"] and live["allowed"]["paused"]:
            return live
        time.sleep(0.2)


@pytest.mark.prefect
def test_a_run_pauses_outside_of_its_hours_says_so_and_goes_on_when_they_begin(
    customer: Customer, tmp_path: Path
) -> None:
    """Paused, stopped, taken up again still outside of the hours, and done when they begin.

    Mutation that must fail it: a pace that copies outside of the hours or does not look at the clock again; a status
    that does not tell.
    """
    customer.assessed_and_planned()
    customer.edit_settings("[copy]", '[copy]\nhours = "20:00-06:00"')
    gate = tmp_path / "eight"

    def begun() -> subprocess.Popen[str] | Warm:
        return customer.begin("migrate", "--apply", "--json", first=partial(keep_time, gate))

    first = begun()
    try:
        live = paused(customer, first)
    finally:
        first.terminate()
        _, err = first.communicate(timeout=60)
    assert first.returncode == 8, err
    assert "paused: outside of copy.hours 20:00-06:00 (UTC); goes on at 2026-11-03 20:00" in err
    assert live["objects"]["done"] == 0 and not at_target(customer)

    second = begun()
    try:
        live = paused(customer, second)
        shown = customer.run("status").out
        assert "paused: outside of copy.hours 20:00-06:00 (UTC); goes on at 2026-11-03 20:00" in shown
        assert set(live["in_flight"].values()) == {0} and not at_target(customer)
        gate.touch()
        out, err = second.communicate(timeout=120)
    finally:
        second.kill()
    assert second.returncode == 0, err
    assert live["run"] in out and "inside of copy.hours; going on" in err and at_target(customer)
    assert [run["state"] for run in standing(customer.config)["runs"] if run["kind"] == "migrate"] == ["done"]
