"""A name that tells too much is listed before anything is created, and stops the run until somebody has decided."""

from __future__ import annotations

import pytest

from tests.e2e.customer import Customer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]


def test_migrate_refuses_a_revealing_name_until_it_is_allowed(customer: Customer) -> None:
    """Mutation that must fail it: asking after the groups and accounts were made."""
    customer.edit_settings('"whistleblower"]', '"documents"]')
    customer.assessed_and_planned()
    told = customer.run("plan").out
    assert told.index("Decide first") < told.index("Resource groups") and "/documents" in told
    refused = customer.run("migrate", "--apply", expect=9)
    assert '"documents"' in refused.err and "assess.name_allow" in refused.err
    assert customer.target_writes() == 0
    assert not customer.control("/accounts")["government"]
    customer.edit_settings('name_allow = ["docket"]', 'name_allow = ["docket", "documents"]')
    assert customer.run("migrate", "--apply", "--json").json["state"] == "done", "no new plan is needed"
