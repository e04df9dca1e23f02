"""What an engineer sees and steers, by the real command: filters, a list of objects, failures by cause, status."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flows.standing import standing
from mappings.plan import CopyShard
from mappings.readiness import report_from_json
from mappings.report_model import Ref
from tests.e2e.customer import Customer, repository

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

SCHEMA = json.loads((repository() / "docs" / "status.schema.json").read_text("utf-8"))


def at_target(customer: Customer, account: str = "tinyrecords") -> set[str]:
    """`container/name` of every blob at the target account of a source account."""
    target = next(s.target_account for s in customer.plan().steps if getattr(s, "source_account", "") == account
                  and isinstance(s, CopyShard))  # fmt: skip
    service = customer.storage("government", target)
    return {f"{c.name}/{b.name}" for c in service.list_containers() for b in
            service.get_container_client(c.name).list_blobs()}  # fmt: skip


def status(customer: Customer) -> Any:
    value = customer.run("status", "--json").json
    jsonschema.validate(value, SCHEMA)
    return value


def test_filters_a_list_and_only_what_failed(customer: Customer, tmp_path: Path) -> None:
    """Filters leave out by name, a list names what is missing, and a retry takes only the shards that failed.

    Mutation that must fail it: leaving the filters of the plan out of the rules, calling a listed object found that is
    not there, or retrying every shard.
    """
    customer.assessed_and_planned()
    plan = customer.run("plan", "--exclude", "docs/00*", "--exclude-account", "tinyclassic", "--json").json
    assert plan["expected"]["requests"]["target"]["write"]["high"] > 0 and plan["expected"]["at_most"]
    assert not any(step["with"].get("source_account") == "tinyclassic" for step in plan["steps"])

    # One blob fails for good: the target's firewall.
    customer.control("/faults", post=[{"match": r"government blob PUT /[^ ]*/docs/013\.txt", "status": 403,
                                       "code": "AuthorizationFailure"}])  # fmt: skip
    first = customer.run("migrate", "--apply", "--json", expect=4).json
    assert first["objects"]["listed"] == sum(first["objects"][p] for p in ("copied", "same", "excluded", "failed"))
    (failure,) = first["failures"]
    assert (failure["cause"], failure["objects"]) == ("network-rules", 1)
    assert failure["examples"][0].endswith("/docs/013.txt") and "firewall" in failure["remedy"]
    there = at_target(customer)
    assert there and not any("/docs/00" in name or name.endswith("docs/013.txt") for name in there)

    sheet = tmp_path / "failed.csv"
    ran = customer.run("failed", "--csv", str(sheet), expect=4)
    assert "do: " in ran.out
    with sheet.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["code"], row["cause"]) == ("docs/013.txt", "AuthorizationFailure", "network-rules")
    assert [one["cause"] for one in status(customer)["failures"]] == ["network-rules"]
    told = report_from_json((customer.folder / "report.json").read_text("utf-8"))
    (cause,) = told.rows_behind(Ref("exceptions", "failure-causes"))
    assert (cause.cells["id"], cause.cells["objects"]) == ("network-rules", 1)
    assert [one.cells["name"] for one in told.rows_behind(cause.links["objects"])] == ["docs/013.txt"]

    customer.control("/faults", method="DELETE")
    dry = customer.run("migrate", "--retry-failed", "--json").json
    shards = [step["with"] for step in dry["steps"] if step["step"] == "shard"]
    assert dry["narrows"] == plan["id"] and len(shards) == 1 and shards[0]["container"] == row["container"]
    again = customer.run("migrate", "--retry-failed", "--apply", "--json").json
    assert again["objects"]["failed"] == 0 and again["objects"]["copied"] == 1
    assert again["objects"]["listed"] == sum(again["objects"][p] for p in ("copied", "same", "excluded", "failed"))
    assert f"{row['container']}/docs/013.txt" in at_target(customer)
    assert customer.run("failed", "--json").json["objects"] == [] and not status(customer)["failures"]
    assert "Nothing failed" in customer.run("migrate", "--retry-failed", "--apply").out
    assert customer.plan().id == plan["id"], "a part of a plan is never the newest plan"

    names = tmp_path / "wanted.csv"
    names.write_text(
        f"account,container,name\ntinyrecords,{row['container']},docs/012.txt\n"
        f"tinyrecords,{row['container']},docs/no-such.txt\ntinyrecords,no-such-container,x\n",
        encoding="utf-8",
    )
    listed = customer.run("resync", "--from-list", str(names), "--apply", "--json").json
    assert listed["objects"]["same"] == 1, "the only object on the list that is there, and it did not change"
    (told,) = listed["lists"]
    assert (told["entries"], told["not_found"]) == (3, 2)
    whole = (customer.folder / told["file"]).read_text("utf-8")
    assert "docs/no-such.txt,not at the source" in whole and "no such container" in whole
    assert not customer.run("verify", "--level", "L1", "--json").json["mismatches"]


def test_a_run_is_watched_from_another_terminal_and_logs_as_json(customer: Customer) -> None:
    """`status` tells of a run that goes on, and every line of its log is JSON without secrets.

    Mutation that must fail it: writing plain text to standard error with --log-format json.
    """
    customer.assessed_and_planned()
    # One object takes so long that there is time to look.
    customer.control("/faults", post=[{"match": r"government blob PUT /[^ ]*/docs/025\.txt", "delay": 20}])
    run = customer.begin("migrate", "--apply", "--json", "--log-format", "json", "--verbose")
    try:
        live = None
        until = time.monotonic() + 240
        while live is None or not live["workers"]:
            assert run.poll() is None and time.monotonic() < until, "it ended before anybody saw it"
            time.sleep(0.2)
            live = standing(customer.config)["running"]
        looks = customer.run("status", "--watch", "--every", "0.5", "--json").out.splitlines()
        assert live["objects"]["total"] >= live["objects"]["done"]
        assert looks and all(json.loads(line)["running"]["run"] == live["run"] for line in looks)
    finally:
        customer.control("/faults", method="DELETE")
        out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert {"run.begun", "progress", "run.ended"} <= {line["event"] for line in lines}
    assert all({"time", "level", "event", "message"} <= set(line) for line in lines)
    for secret in (customer.state["commercial"]["client_secret"], "sig="):
        assert secret not in err
    assert status(customer)["running"] is None
    assert json.loads(out)["run"] == live["run"]
