"""The inventory: both listers agree, and what either cannot see is a gap, never an empty list."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from mappings.errors import AskForApproval, GrantAccess, TryLater
from mappings.model import Gap, Inventory
from tasks.clients.arm import SourceArm
from tasks.clients.armlist import ArmReader
from tasks.clients.graph import GraphReader
from tasks.clients.management import RESOURCES_API
from tasks.clients.session import Session
from tasks.estate import take_inventory
from tests.controlplane import estate
from tests.controlplane.conftest import Clouds

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MAIN_VISIBLE = 3
GRAPH = "commercial arm POST /providers/Microsoft.ResourceGraph"
FLAT_LIST = r"commercial arm GET /subscriptions/[0-9a-f-]+/resources\?"


def take(arm: SourceArm, graph: GraphReader, *subscriptions: str) -> Inventory:
    return take_inventory(arm, graph, subscriptions or (estate.MAIN,), now=NOW)


def by_scope(found: Inventory) -> dict[str, Gap]:
    return {gap.scope: gap for gap in found.gaps}


def test_every_resource_is_seen_with_its_properties(source_arm: SourceArm, graph: GraphReader) -> None:
    found = take(source_arm, graph)
    assert [one.name for one in found.resources] == ["oldstore", "nic1", "countydata"]
    assert all(one.properties for one in found.resources)
    assert found.seen[0].graph == found.seen[0].arm == MAIN_VISIBLE
    assert found.seen[0].only_arm == found.seen[0].only_graph == ()
    assert found.subscriptions[0].quota_id.startswith("CSP_")
    assert {group.name for group in found.groups} == {"rg-app", "rg-empty", "rg-closed"}


def test_types_and_kinds_are_spelt_as_arm_spells_them(source_arm: SourceArm, graph: GraphReader) -> None:
    """Resource Graph lowers letters; a target account cannot be made of kind `storagev2`."""
    account = take(source_arm, graph).resources[-1]
    assert (account.type, account.kind) == ("Microsoft.Storage/storageAccounts", "StorageV2")


def test_closed_groups_are_gaps_with_the_role_to_ask_for(
    clouds: Clouds, source_arm: SourceArm, graph: GraphReader
) -> None:
    """Mutation: without `_closed_groups` both listers are silent on them and the inventory looks complete.

    One is in the list of groups; the other is only pointed into by a network card, and asked for it ARM says 403.
    """
    clouds.fault("commercial arm GET .*/resourcegroups/rg-hidden/", status=403, code="AuthorizationFailed")
    gaps = by_scope(take(source_arm, graph))
    assert set(gaps) == {estate.CLOSED_GROUP, f"/subscriptions/{estate.MAIN}/resourceGroups/rg-hidden"}
    closed = gaps[estate.CLOSED_GROUP]
    assert closed.code == "AuthorizationFailed"
    assert "rg-closed" in closed.what
    assert "Reader" in closed.remedy


def test_many_pages_are_all_read(source_arm: SourceArm, graph: GraphReader) -> None:
    found = take(source_arm, graph, estate.CROWDED)
    assert len(found.resources) == found.seen[0].graph == found.seen[0].arm == estate.MANY
    assert found.gaps == ()


@pytest.mark.parametrize("refused", ["", GRAPH])
def test_what_governs_resources_is_listed_beside_them(
    clouds: Clouds, source_arm: SourceArm, graph: GraphReader, refused: str
) -> None:
    """By Resource Graph, and where that refuses by ARM's lists: the same, inherited ones once.

    Breaks when an assignment at the management group comes once for each subscription, or as a resource of the estate.
    """
    if refused:
        clouds.fault(refused, status=403, code="AuthorizationFailed")
    found = take_inventory(source_arm, graph, management_group="tenant", now=NOW)
    assert sorted(one.id for one in found.governance) == sorted(str(body["id"]) for body in estate.GOVERNANCE)
    assert all(one.properties for one in found.governance)
    assert not [one for one in found.resources if one.type.startswith("Microsoft.Authorization")]


def test_refused_governance_is_a_gap(clouds: Clouds, source_arm: SourceArm, graph: GraphReader) -> None:
    clouds.fault("commercial arm GET .*/Microsoft.Authorization/", status=403, code="AuthorizationFailed")
    clouds.fault(GRAPH, status=403, code="AuthorizationFailed")
    gaps = take(source_arm, graph, estate.MAIN, estate.CROWDED).gaps
    for words in ("the role assignments of this subscription and of 1 more", "the policy assign", "the locks"):
        assert any(words in gap.what and gap.remedy for gap in gaps), words


@pytest.mark.slow
def test_graph_quota_is_waited_for(source: Session) -> None:
    """18 small pages need more than the 15 queries that one window of five seconds allows.

    Mutation: without `_keep_quota` the 16th query is refused with 429.
    """
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    reader = GraphReader(source, page=70, pause=pause)
    assert len(list(reader.resources(estate.CROWDED))) == estate.MANY
    assert waited and all(0 < seconds <= 60 for seconds in waited)


def test_a_broken_arm_list_is_a_gap_that_says_how_many_were_seen(
    clouds: Clouds, source_arm: SourceArm, graph: GraphReader
) -> None:
    """Mutation: a lister that ends quietly at the failed page gives 100 resources and no gap."""
    clouds.fault(FLAT_LIST + ".*skiptoken", status=403, code="AuthorizationFailed")
    found = take(source_arm, graph, estate.CROWDED)
    assert len(found.resources) == estate.MANY
    assert found.seen[0].arm is None
    [gap] = found.gaps
    assert "broke off after 100 resources" in gap.what


def test_a_refused_arm_list_is_a_gap(clouds: Clouds, source_arm: SourceArm, graph: GraphReader) -> None:
    clouds.fault(FLAT_LIST, status=403, code="AuthorizationFailed")
    found = take(source_arm, graph)
    assert by_scope(found)[f"/subscriptions/{estate.MAIN}"].code == "AuthorizationFailed"
    assert len(found.resources) == MAIN_VISIBLE


def test_arm_stands_in_for_graph_with_properties_read_one_by_one(
    clouds: Clouds, source_arm: SourceArm, graph: GraphReader
) -> None:
    clouds.fault(GRAPH, status=403, code="AuthorizationFailed")
    found = take(source_arm, graph)
    assert len(found.resources) == MAIN_VISIBLE
    assert all(one.properties for one in found.resources)
    assert found.seen[0].graph is None
    assert not [gap for gap in found.gaps if "resourceGroups/" not in gap.scope]


def test_properties_that_cannot_be_read_are_a_gap_and_the_resource_stays(
    clouds: Clouds, source_arm: SourceArm, graph: GraphReader
) -> None:
    clouds.fault(GRAPH, status=403, code="AuthorizationFailed")
    clouds.fault("commercial arm GET .*/networkInterfaces/nic1", status=403, code="AuthorizationFailed")
    found = take(source_arm, graph)
    [gap] = [gap for gap in found.gaps if gap.scope.endswith("/nic1")]
    assert "properties" in gap.what
    assert "nic1" in {one.name for one in found.resources}


def test_two_broken_listers_keep_what_came_and_both_are_gaps(
    clouds: Clouds, source_arm: SourceArm, source: Session
) -> None:
    clouds.fault(FLAT_LIST + ".*skiptoken", status=403, code="AuthorizationFailed")
    clouds.fault(GRAPH, status=403, code="AuthorizationFailed", every=2, times=1)
    found = take(source_arm, GraphReader(source, page=200), estate.CROWDED)
    assert len(found.resources) == 200
    assert [gap.scope.split()[0] for gap in found.gaps][:2] == [f"/subscriptions/{estate.CROWDED}"] * 2
    assert "beyond the 200 seen" in found.gaps[0].what


def test_a_subscription_that_cannot_be_read_is_a_gap_beside_the_others(
    source_arm: SourceArm, graph: GraphReader
) -> None:
    unknown = "cccccccc-0000-0000-0000-000000000009"
    found = take(source_arm, graph, estate.MAIN, unknown)
    assert len(found.resources) == MAIN_VISIBLE
    gap = by_scope(found)[f"/subscriptions/{unknown}"]
    assert gap.code == "SubscriptionNotFound"
    assert "whole subscription" in gap.what


def test_no_subscription_at_all_ends_the_command(source_arm: SourceArm, graph: GraphReader) -> None:
    with pytest.raises(GrantAccess):
        take(source_arm, graph, "cccccccc-0000-0000-0000-000000000009")


@pytest.mark.slow
def test_a_short_throttle_is_waited_out(clouds: Clouds, source_arm: SourceArm, graph: GraphReader) -> None:
    clouds.fault(FLAT_LIST, status=429, code="TooManyRequests", headers={"Retry-After": "1"}, times=2)
    assert take(source_arm, graph).seen[0].arm == MAIN_VISIBLE


def test_resource_graph_is_asked_again_after_the_seconds_it_names(clouds: Clouds, graph: GraphReader) -> None:
    """A query is a POST, which azure-core repeats only where the answer says when."""
    clouds.fault(GRAPH, status=429, code="RateLimiting", headers={"Retry-After": "1"}, times=2)
    began = time.monotonic()
    assert len(list(graph.resources(estate.MAIN))) == MAIN_VISIBLE
    assert time.monotonic() - began >= 2


def test_few_reads_left_slow_the_reader_down(clouds: Clouds, source: Session) -> None:
    waited: list[float] = []
    reader = ArmReader(source, pause=waited.append)
    assert list(reader.listed(f"/subscriptions/{estate.MAIN}/resources", RESOURCES_API))
    assert waited == []
    clouds.fault(FLAT_LIST, headers={"x-ms-ratelimit-remaining-subscription-reads": "7"})
    assert list(reader.listed(f"/subscriptions/{estate.MAIN}/resources", RESOURCES_API))
    assert len(waited) == 1
    reader.close()


def test_a_long_throttle_is_not_waited_for(clouds: Clouds, source_arm: SourceArm) -> None:
    """Mutation: azure-core alone would sleep an hour here."""
    clouds.fault(
        "commercial arm GET /subscriptions/", status=429, code="TooManyRequests", headers={"Retry-After": "3600"}
    )
    with pytest.raises(TryLater) as caught:
        source_arm.groups(estate.MAIN)
    assert "3600 s" in caught.value.next_step


def test_taking_the_inventory_writes_nothing(clouds: Clouds, source_arm: SourceArm, graph: GraphReader) -> None:
    take(source_arm, graph, estate.MAIN, estate.CROWDED)
    assert clouds.writes("commercial") == 0
    assert clouds.writes("government") == 0
    assert clouds.box.counters()["government"]["arm"]["read"] == 0


def test_the_source_has_no_write(clouds: Clouds, source_arm: SourceArm) -> None:
    """Guarantee 5. Mutation: with `reads_only=False` in SourceArm the group is made and counted."""
    assert not [name for name in dir(source_arm) if name.startswith(("ensure", "create", "delete", "update", "set"))]
    groups = source_arm._sdk.resources(estate.MAIN).resource_groups
    with pytest.raises(AskForApproval, match="would write to the source"):
        groups.create_or_update("rg-new", {"location": "eastus"})
    assert clouds.writes("commercial") == 0


def test_storage_accounts_of_both_kinds_are_described(source_arm: SourceArm, graph: GraphReader) -> None:
    found = {
        one.name: source_arm.storage_account(one)
        for one in take(source_arm, graph).resources
        if "storage" in one.type.lower()
    }
    assert found["oldstore"].classic and found["oldstore"].sku == "Standard_GRS"
    assert found["oldstore"].blob_endpoint == "https://oldstore.blob.core.windows.net"
    new = found["countydata"]
    assert (new.kind, new.sku, new.minimum_tls, new.access_tier) == ("StorageV2", "Standard_GRS", "TLS1_2", "Cool")
    assert new.public_access and new.shared_key and new.https_only and not new.classic
