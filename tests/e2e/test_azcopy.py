"""AzCopy as the mover, through the real command: its program from npm carries, govlift plans, compares and proves."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.wiring import Bench
from mappings.objects import EvidenceRow
from mappings.states import Outcome, ProofLevel, Route
from tasks.manifests import read_manifest
from tests.e2e.customer import Customer
from tests.faults.test_azcopy_mover import azcopy_in

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect, pytest.mark.xdist_group("prefect")]


def evidence(customer: Customer, run: str) -> list[EvidenceRow]:
    """All rows of a run's manifests."""
    bench = Bench(customer.config, environ=customer.environment)
    return [row for record in bench.ledger.reader.shards(run) for row in read_manifest(bench.folder / record.manifest)]


def test_a_migration_that_azcopy_carries_is_proved_object_by_object(customer: Customer, tmp_path: Path) -> None:
    """Mutation that must fail it: a command that copies by itself although AzCopy was asked for, or believes it."""
    program = azcopy_in(tmp_path)
    customer.assessed_and_planned()
    asked = f'mover = "azcopy"\nazcopy = "{program}"\n'
    customer.edit_settings("[copy]", f"[copy]\n{asked}")
    refused = customer.run("migrate", "--apply", expect=2)
    assert "azcopy_sas_in_argv" in refused.err and customer.target_writes() == 0
    customer.edit_settings("[copy]", "[copy]\nazcopy_sas_in_argv = true")

    done = customer.run("migrate", "--apply", "--json").json
    assert done["state"] == "done" and done["objects"]["failed"] == 0
    rows = evidence(customer, done["run"])
    carried = [row for row in rows if row.route is Route.AZCOPY]
    assert carried and all(row.outcome is Outcome.COPIED and (row.proof or 0) >= ProofLevel.L2 for row in carried)
    told = customer.events("azcopy")
    assert sum(one["equal"] for one in told) == len(carried)
    assert sum(one["given"] for one in told) == len(carried) + sum(one["copied_anew"] for one in told)
    largest = max(customer.plan().shards, key=lambda shard: shard.objects)
    assert "0 differences found" in customer.rclone_check(largest)
    assert customer.source_writes() == 0
