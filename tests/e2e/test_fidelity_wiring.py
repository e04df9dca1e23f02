"""What travels besides bytes, by the product as it is wired: nothing is set by hand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flows.observe import Outcome, Unfinished
from flows.running import run_plan
from flows.wiring import Bench
from mappings.errors import ExitCode, FixTheInput
from mappings.plan import FinishAccount, ProtectContainer, SetAccount
from mappings.runs import RunKind
from mappings.states import StepState
from tasks.clients.customer_keys import customer_key
from tests.conftest import ROOT, start_sandbox
from tests.e2e.customer import Customer
from tests.e2e.kept_estate import ACCOUNT
from tests.faults.history_estate import CUSTOMER_KEY, LIFECYCLE, TARGET_KEY
from tests.kills.plain import PLAIN

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

KEYS = f'''
[[copy.customer_keys]]
account = "{ACCOUNT}"
key_env = "KEY_OF_THE_CLERK"

[[copy.target_keys]]
container = "{ACCOUNT}/keyed"
key_env = "KEY_OF_THE_NEW_PLACE"
'''


@pytest.fixture
def keeper(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Customer]:
    """A customer whose settings name the key of some blobs; this process is led into the clouds as the commands are."""
    estate = f"{ROOT / 'tests' / 'e2e' / 'kept_estate.py'}:ESTATE"
    for box in start_sandbox(tmp_path / "sandbox", estate):
        for name, value in box.environment().items():
            monkeypatch.setenv(name, value)
        customer = Customer(tmp_path / "migration", box.state, prefect_api)
        customer.write_settings(customer.config.read_text("utf-8") + KEYS)
        customer.environment |= {"KEY_OF_THE_CLERK": CUSTOMER_KEY, "KEY_OF_THE_NEW_PLACE": TARGET_KEY}
        yield customer


def carried_out(customer: Customer) -> Outcome:
    """The newest plan, carried out by the functions below the flow `migrate`."""

    async def run() -> Outcome:
        async with Bench(customer.config, environ=customer.environment) as bench:
            plan = bench.ledger.reader.latest_plan()
            assert plan is not None
            try:
                return await run_plan(bench, plan, RunKind.MIGRATE, PLAIN)
            except Unfinished as wrong:
                return wrong.outcome

    return asyncio.run(run())


def policies(customer: Customer, step: SetAccount) -> dict[str, Any]:
    """What ARM says of the target account."""
    bench = Bench(customer.config, environ=customer.environment)
    arm = bench.target_arm()
    try:
        storage: Any = arm.account_settings()._storage
        place = (step.resource_group, step.account)
        held = storage.blob_containers.get(*place, "vault").as_dict()["properties"]
        service = storage.blob_services.get_service_properties(*place).as_dict()["properties"]
        return {"service": service, "vault": held}
    finally:
        arm.close()
        bench.target_session.close()


def generations(customer: Customer, cloud: str, account: str, container: str) -> dict[str, list[bytes]]:
    """Content of every generation of each name, oldest first; with the key of the target where that is named."""
    key = customer_key(TARGET_KEY) if container == "keyed" else None
    found: dict[str, list[bytes]] = {}
    with customer.storage(cloud, account) as service:
        room = service.get_container_client(container)
        for one in room.list_blobs(include=["versions"]):
            blob = room.get_blob_client(one.name, version_id=one.version_id)
            data = blob.download_blob(cpk=key).readall()
            found.setdefault(one.name, []).append(data)
    return found


def at(lines: Sequence[str], pattern: str) -> list[int]:
    """Where in the order of requests those that fit stand."""
    return [number for number, line in enumerate(lines) if re.search(pattern, line)]


def writes(customer: Customer) -> list[str]:
    """Every write to the target that succeeded, in the order of the answers."""
    told = customer.control("/journal")
    return [line for _, _, line, status in told if line.startswith("government ") and 200 <= status < 300]


POLICIES = r"government arm (PUT|POST) .*/(managementPolicies|immutabilityPolicies|setLegalHold)\b"


def test_what_travels_besides_bytes_is_wired_and_policies_wait_until_nothing_fails(keeper: Customer) -> None:
    """Versions, keys and settings arrive with nothing set by hand; policies last, and not while one object fails.

    Mutation that must fail it: leaving out `keep_replayed`, `set_up`, `finish_all` or the keys of `Bench`; setting the
    policies of a run in which an object failed; settings after the containers.
    """
    keeper.run("assess", "--json", expect=None)
    keeper.run("plan", "--json")
    plan = keeper.plan()
    (settings,) = (step for step in plan.steps if isinstance(step, SetAccount))
    last = [step for step in plan.steps if isinstance(step, (FinishAccount, ProtectContainer))]
    assert [type(step) for step in last] == [FinishAccount, ProtectContainer]
    account = settings.account

    keeper.control("/journal", post={})
    key = keeper.environment.pop("KEY_OF_THE_NEW_PLACE")
    with pytest.raises(FixTheInput, match="KEY_OF_THE_NEW_PLACE"):
        carried_out(keeper)
    assert writes(keeper) == [], "a key that is not there is told before anything is written"
    keeper.environment["KEY_OF_THE_NEW_PLACE"] = key

    fault = {"match": r"government blob PUT /[^ ]*/files/b/plain\.txt", "status": 403, "code": "AuthorizationFailure"}
    keeper.control("/faults", post=[fault])
    first = carried_out(keeper)
    assert first.exit_code is ExitCode.PARTIAL_COPY and first.summary["objects"]["failed"] == 1
    assert at(writes(keeper), POLICIES) == []
    told = policies(keeper, settings)
    assert "immutabilityPolicy" not in told["vault"] and not told["vault"].get("legalHold", {}).get("tags")
    assert told["service"]["isVersioningEnabled"] and not told["service"]["deleteRetentionPolicy"]["enabled"]

    keeper.control("/faults", method="DELETE")
    second = carried_out(keeper)
    assert second.exit_code is ExitCode.OK, second.summary
    lines = writes(keeper)
    made = at(lines, rf"government blob PUT /{account}/\w+\?restype=container")
    assert at(lines, rf"government arm PUT .*/{account}/blobServices/default\?")[0] < made[0]
    closing = at(lines, POLICIES)
    assert len(closing) == 3 and closing[0] > at(lines, rf"government blob PUT /{account}/")[-1]

    told = policies(keeper, settings)
    service, vault = told["service"], told["vault"]
    assert service["cors"]["corsRules"] and service["changeFeed"]["enabled"]
    assert service["deleteRetentionPolicy"]["days"] == 14
    assert vault["immutabilityPolicy"]["properties"]["immutabilityPeriodSinceCreationInDays"] == 30
    assert [one["tag"] for one in vault["legalHold"]["tags"]] == ["case2026"]

    here, there = (generations(keeper, cloud, name, "files") for cloud, name in
                   (("commercial", ACCOUNT), ("government", account)))  # fmt: skip
    assert len(here.pop("c/deleted.txt")) == 2 and there == here and len(there["a/report.txt"]) == 3
    keyed = generations(keeper, "government", account, "keyed")
    assert keyed["history"][-1] == b"now" and len(keyed["in blocks"][0]) == 5 * 1024 * 1024
    assert "other" not in keyed, "nobody named its key"
    with keeper.storage("government", account) as service:
        blob = service.get_blob_client("keyed", "open/plain")
        assert blob.get_blob_properties(cpk=customer_key(TARGET_KEY)).metadata == {"n": "1"}
    told_ = json.dumps(second.summary, default=str)
    assert second.summary["objects"]["excluded"] == 3 and not any(key in told_ for key in (CUSTOMER_KEY, TARGET_KEY))

    states = Bench(keeper.config, environ=keeper.environment).ledger.reader.steps(plan.id)
    assert {states[step.id] for step in last} == {StepState.DONE}
    assert LIFECYCLE["rules"][0]["name"] in next(step for step in last if isinstance(step, FinishAccount)).lifecycle
