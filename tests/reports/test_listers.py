"""In equals out for thousands of subscriptions: totals and differences in front, all of them in a section."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappings.model import Assessment, Seen, Subscription
from mappings.readiness import Report, build_report
from mappings.report_listers import MANY
from mappings.report_model import Check, Ref
from tests.reports import sample

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WHOLE = sample.assessment(60)


def crowd(subscriptions: int, **odd: Seen) -> Assessment:
    """The sample's resources in one subscription, and empty ones beside it."""
    inventory = WHOLE.inventory
    resources = tuple(replace(one, subscription_id="s0000") for one in inventory.resources)
    ids = [f"s{at:04d}" for at in range(subscriptions)]
    seen = [Seen(one, 0, 0) if at else Seen(one, len(resources), len(resources)) for at, one in enumerate(ids)]
    told = tuple(odd.get(one.subscription_id, one) for one in seen)
    names = tuple(Subscription(one, f"Department {one}", "t", "CSP_2015-05-01") for one in ids[:-1])
    return replace(WHOLE, inventory=replace(inventory, resources=resources, seen=told, subscriptions=names))


def made(assessment: Assessment) -> Report:
    return build_report(
        settings=sample.HEAD, assessment=assessment, plan=None, runs=[], notes=[], made_at=NOW, version="1"
    )


def test_of_many_only_the_sum_and_those_that_differ_are_in_front() -> None:
    report = made(crowd(2000, s0007=Seen("s0007", None, 0), s0009=Seen("s0009", 0, 0, (), ())))
    rows = list(report.rows_behind(Ref("balance", "balance-listers")))
    assert [row.cells["subscription"] for row in rows] == ["All subscriptions", "Department s0007"]
    assert (rows[0].cells["graph"], rows[0].cells["arm"], rows[0].cells["verdicts"]) == (60, 60, 60)
    assert rows[0].cells["result"] == Check.NOT_COMPARED.value
    every = list(report.rows_behind(Ref("subscriptions", "subscription-rows")))
    assert len(every) == 2000
    assert (every[-1].cells["state"], every[0].cells["state"]) == ("not readable", "Enabled")
    assert report.flags == ()


@pytest.mark.parametrize("subscriptions", [MANY, MANY + 1])
def test_a_resource_that_did_not_arrive_is_a_flag_however_many_subscriptions_there_are(subscriptions: int) -> None:
    """Breaks when only the sum is compared: what one subscription lacks another has too much."""
    report = made(crowd(subscriptions, s0000=Seen("s0000", 61, 61), s0003=Seen("s0003", 0, 1, (), ())))
    sentences = " ".join(flag.sentence for flag in report.flags)
    assert "Resources of Department s0000: 61 seen by either lister, but 60 in the inventory." in sentences
    assert "Listers of Department s0003" in sentences
    if subscriptions > MANY:
        assert (
            f"Subscriptions: {subscriptions} in the scope, but {subscriptions - 2} add up by themselves." in sentences
        )


def test_thousands_of_differences_do_not_make_thousands_of_flags() -> None:
    odd = {f"s{at:04d}": Seen(f"s{at:04d}", 1, 1) for at in range(1, 900)}
    report = made(crowd(1000, **odd))
    assert len(report.flags) < 20
    assert len(list(report.rows_behind(Ref("balance", "balance-checks")))) > 890
