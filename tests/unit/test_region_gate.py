"""`govlift plan`, `migrate` and `resync` ask the program sheet before a plan into a DoD region is kept or begun."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import flows.migrate
import flows.planning
import flows.resync
from flows.planning import make
from flows.program_gate import EVENT
from flows.wiring import Bench
from mappings.errors import AskForApproval
from mappings.runs import RunKind
from tests.ledger.build import NOW, SUB, account, assessment, survey, verdict

SETTINGS = f"""
name = "hollis-county"
[source]
cloud = "AzureCloud"
tenant_id = "22222222-2222-2222-2222-222222222222"
subscriptions = ["{SUB}"]
credential = {{ kind = "azure-cli" }}
[target]
cloud = "AzureUSGovernment"
tenant_id = "33333333-3333-3333-3333-333333333333"
subscription = "44444444-4444-4444-4444-444444444444"
region = "usdodeast"
credential = {{ kind = "azure-cli" }}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "migration.toml"
    path.write_text(SETTINGS, "utf-8")
    bench = Bench(path)
    run = bench.ledger.writer.begin_run(RunKind.ASSESS, now=NOW)
    resource = account("data")
    bench.ledger.writer.save_assessment(
        run, assessment([(resource, verdict(resource))], [survey("data", "docs")]), now=NOW
    )
    bench.ledger.writer.record("names", {"data": "data"}, now=NOW)
    return path


def sheet(config: Path, segment: str) -> None:
    (config.parent / "program.toml").write_text(f'[customer]\nsegment = "{segment}"\n', "utf-8")


def test_no_plan_is_kept_for_a_customer_that_is_not_dod(config: Path) -> None:
    """Mutation: save the plan before asking, or ask nothing."""
    for segment, says in (("", "names no customer.segment"), ("local", 'customer.segment in program.toml is "local"')):
        sheet(config, segment)
        with pytest.raises(AskForApproval, match=says):
            make(config)
    reader = Bench(config).ledger.reader
    assert reader.latest_plan() is None
    refused = [event.detail for event in reader.events(EVENT)]
    assert [(one["purpose"], one["allowed"], one["regions"]) for one in refused] == [("plan", False, ["usdodeast"])] * 2


@pytest.mark.parametrize("begin", ["command", "migrate", "resync"])
def test_a_plan_of_dod_stops_when_the_sheet_says_another_customer(
    config: Path, monkeypatch: pytest.MonkeyPatch, begin: str
) -> None:
    """Whatever the gates of the sheet say. Mutation: leave `require_regions` out of the command or of a flow."""
    sheet(config, "dod")
    plan, _, _ = make(config)
    sheet(config, "federal")
    for module in (flows.planning, flows.migrate, flows.resync):
        monkeypatch.setattr(module, "require_program", lambda *_args, **_named: None)
    with pytest.raises(AskForApproval, match="reserved for the US Department of Defense"):
        match begin:
            case "command":
                flows.planning.require_program_for(config, plan.id, RunKind.MIGRATE)
            case "migrate":
                asyncio.run(flows.migrate.migrate.fn(str(config), plan.id, apply=True))
            case _:
                asyncio.run(flows.resync.resync.fn(str(config), apply=True))
