"""Guarantee 3 by the real command: what could not be listed is said, never a shorter list."""

from __future__ import annotations

import pytest

from mappings.plan import CopyShard
from tests.e2e.customer import Customer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]

LISTING = "commercial blob GET /tinyrecords/[^?]+\\?.*comp=list"


@pytest.mark.parametrize(
    "fault",
    [{"status": 403, "code": "AuthorizationPermissionMismatch"}, {"truncate": 200}],
    ids=["refused", "cut-in-the-middle"],
)
def test_a_container_that_cannot_be_listed_is_a_gap_and_exit_3(guest: Customer, fault: dict[str, object]) -> None:
    """Mutation that must fail it: catching the error of a page in the survey and returning what came so far."""
    guest.control("/faults", post=[{"match": LISTING, **fault}])
    assessed = guest.run("assess", "--json", expect=3).json
    gaps = [gap for gap in assessed["gaps"] if "tinyrecords" in gap["scope"]]
    assert gaps, assessed["gaps"]
    assert all(gap["why"] and gap["remedy"] for gap in gaps)


@pytest.mark.parametrize(
    "fault",
    [{"status": 403, "code": "AuthorizationPermissionMismatch"}, {"truncate": 200}],
    ids=["refused", "cut-in-the-middle"],
)
def test_a_listing_that_fails_while_copying_leaves_its_shard_open_and_exit_4(
    customer: Customer, fault: dict[str, object]
) -> None:
    """Mutation that must fail it: taking the end of a broken listing for the end of the container."""
    customer.assessed_and_planned()
    shard = max((s for s in customer.plan().steps if isinstance(s, CopyShard)), key=lambda s: s.objects)
    place = f"commercial blob GET /{shard.source_account}/{shard.container}\\?"
    customer.control("/faults", post=[{"match": place + ".*comp=list", **fault}])
    broken = customer.run("migrate", "--apply", "--json", expect=4).json
    assert broken["state"] == "partial"
    assert customer.newest_flow_run("migrate") == "FAILED", "or nobody is alerted of a night that did not finish"
    assert customer.run("status", "--json").json["failed_shards"][0]["shard"] == shard.id
    customer.control("/faults", method="DELETE")
    whole = customer.run("migrate", "--apply", "--json").json
    assert whole["state"] == "done" and whole["objects"]["failed"] == 0
    assert customer.newest_flow_run("migrate") == "COMPLETED"
