"""Dependencies, packages and waves: what must hold for any estate, and the shapes that real estates have."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.dependencies import Dependencies, find_dependencies
from mappings.model import Inventory, Resource, TargetChoice, Verdict
from mappings.ordering import ordered
from mappings.packages import Packages, Stage, Standing, make_packages
from mappings.states import VerdictKind
from tasks.movetables import load_move_tables

SUB = "/subscriptions/00000000-0000-0000-0000-000000000001"
COUPLING = load_move_tables().coupling


def rid(group: str, kind: str, name: str) -> str:
    return f"{SUB}/resourceGroups/{group}/providers/{kind}/{name}"


def res(group: str, kind: str, name: str, **properties: Any) -> Resource:
    return Resource(
        rid(group, kind, name), name, kind, "eastus", properties=properties,
        subscription_id=SUB.rpartition("/")[2], resource_group=group,
    )  # fmt: skip


def inv(*resources: Resource) -> Inventory:
    return Inventory("AzureCloud", "t", "test", datetime(2026, 11, 22, tzinfo=UTC), resources)


def edges(inventory: Inventory) -> set[tuple[str, str, str]]:
    names = [resource.name for resource in inventory.resources]
    return {(names[e.source], names[e.target], e.kind.value) for e in find_dependencies(inventory, COUPLING).edges}


def packed(*resources: Resource, blocked: str = "") -> Packages:
    inventory = inv(*resources)
    verdicts = [
        Verdict(
            one.id, one.type, "", VerdictKind.BLOCKED if one.name == blocked else VerdictKind.READY,
            "r", "", "", date(2026, 1, 1), "", TargetChoice(),
        )
        for one in resources
    ]  # fmt: skip
    return make_packages(inventory, verdicts, find_dependencies(inventory, COUPLING), COUPLING)


NET, VM, NIC, DISK = (
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Compute/disks",
)
STORE, SITE, PLAN, VAULT = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Web/sites",
    "Microsoft.Web/serverFarms",
    "Microsoft.KeyVault/vaults",
)


# --- dependencies ---


def test_ids_are_found_wherever_they_stand_and_in_any_case() -> None:
    vault, net, identity = (
        res("g", VAULT, "kv"),
        res("G", NET, "v"),
        res("g", "Microsoft.ManagedIdentity/userAssignedIdentities", "id1"),
    )
    subnet = f"{net.id.upper()}/subnets/s1"
    user = replace(
        res("h", SITE, "app", deep=[{"list": [{"subnet": {"id": subnet}}]}], text=f"see '{vault.id}/secrets/x' there"),
        identity={"userAssignedIdentities": {identity.id.lower(): {"clientId": "x"}}},
        tags={f"hidden-link:{vault.id}": "Resource"},
    )
    assert edges(inv(vault, net, identity, user)) == {
        ("app", "kv", "uses"),
        ("app", "v", "uses"),
        ("app", "id1", "uses"),
    }


def test_a_child_needs_its_parent_and_nobody_needs_itself() -> None:
    server = res("g", "Microsoft.Sql/servers", "sql", self_=rid("g", "Microsoft.Sql/servers", "sql") + "/databases/db")
    base = res("g", "Microsoft.Sql/servers", "sql")
    child = replace(base, id=f"{base.id}/databases/db", name="sql/db", type="Microsoft.Sql/servers/databases")
    assert edges(inv(server, child)) == {("sql/db", "sql", "contains")}


def test_a_list_of_users_is_read_the_other_way_round() -> None:
    nic = res("g", NIC, "nic")
    net = res("hub", NET, "v", subnets=[{"properties": {"ipConfigurations": [{"id": f"{nic.id}/ipConfigurations/i"}]}}])
    assert edges(inv(nic, net)) == {("nic", "v", "uses")}


def test_a_host_name_leads_to_its_account_even_without_its_properties() -> None:
    account = res("g", STORE, "countylogs")
    vm = res("h", VM, "vm", diagnosticsProfile={"storageUri": "https://CountyLogs.blob.core.windows.net/"})
    near = res("h", VM, "near", uri="https://countylogs2.blob.core.windows.net/ and xcountylogs.blob.core.windows.net")
    assert edges(inv(account, vm, near)) == {("vm", "countylogs", "names")}


def test_what_is_outside_is_named_with_its_reason_and_definitions_are_not() -> None:
    there = rid("x", NET, "w").replace("000001/", "000009/")
    gone = rid("g", NET, "gone")
    role = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleDefinitions/1"
    found = find_dependencies(
        inv(res("g", NIC, "nic", a=f"{there}/subnets/s", b=gone, c=role, d=SUB, e=f"{SUB}/resourceGroups/z")), COUPLING
    )
    told = {one.target_id: one.hint for one in found.dangling}
    assert told.keys() == {there.lower(), gone.lower()}
    assert "not part of this inventory" in told[there.lower()] and "deleted" in told[gone.lower()]


# --- packages ---


def spokes(number: int) -> list[Resource]:
    hub = [res("hub", NET, "net"), res("hub", VM, "jump")]
    out = list(hub)
    for n in range(number):
        group = f"app{n}"
        out += [
            res(group, NIC, f"nic{n}", subnet=f"{hub[0].id}/subnets/s"),
            res(group, VM, f"vm{n}", nics=[rid(group, NIC, f"nic{n}")]),
        ]
    return out


def test_one_hub_does_not_glue_the_estate_together() -> None:
    made = packed(*spokes(5))
    assert {p.name for p in made.packages} == {"hub", "shared of hub", "app0", "app1", "app2", "app3", "app4"}
    shared = next(p for p in made.packages if p.name == "shared of hub")
    assert (shared.stage, shared.wave) == (Stage.FOUNDATION, 1)
    assert all(p.wave > shared.wave and p.needs == ("shared of hub",) for p in made.packages if p.name[:3] == "app")


def test_a_machine_and_its_disk_in_another_group_move_together() -> None:
    made = packed(res("vms", VM, "vm", disk=rid("disks", DISK, "d")), res("disks", DISK, "d"), res("else", SITE, "s"))
    assert sorted(p.groups for p in made.packages) == [("disks", "vms"), ("else",)]
    assert "starts only with its disks" in next(p for p in made.packages if len(p.groups) == 2).why


def test_a_group_that_a_service_manages_goes_with_it() -> None:
    cluster = res("aks", "Microsoft.ContainerService/managedClusters", "k", nodeResourceGroup="MC_aks_k")
    made = packed(cluster, res("mc_AKS_k", "Microsoft.Compute/virtualMachineScaleSets", "pool"))
    assert [p.groups for p in made.packages] == [("aks", "mc_AKS_k")]


def test_data_comes_before_the_applications_that_use_it() -> None:
    made = packed(res("web", SITE, "app", uri="https://dbstore.blob.core.windows.net"), res("data", STORE, "dbstore"))
    assert [(p.name, p.stage) for p in made.packages] == [("data", Stage.DATA), ("web", Stage.APPLICATIONS)]


def test_a_watcher_does_not_come_before_what_it_watches() -> None:
    alert = res("net", "Microsoft.Insights/metricAlerts", "alert", scopes=[rid("web", SITE, "app")])
    made = packed(alert, res("net", NET, "v"), res("web", SITE, "app", subnet=f"{rid('net', NET, 'v')}/subnets/s"))
    assert not made.cuts and all("web" not in p.needs for p in made.packages)


def test_a_circle_is_cut_and_the_cut_is_told() -> None:
    one = res("a", SITE, "one", other=rid("b", SITE, "two"), again=rid("b", STORE, "st"))
    two = res("b", SITE, "two", other=rid("a", SITE, "one"))
    made = packed(one, two, res("b", STORE, "st"))
    (cut,) = made.cuts
    assert (cut.package, cut.needs, cut.references) == ("b", "a", 1), "the heavier need was cut"
    assert "sites two names sites one" in cut.example


def test_a_package_waits_only_for_what_it_uses_itself() -> None:
    parts = [res("a", SITE, "bad"), res("b", SITE, "user", id2=rid("a", SITE, "bad")), res("c", SITE, "free")]
    made = packed(*parts, blocked="bad")
    assert {p.name: p.standing for p in made.packages} == {
        "a": Standing.BLOCKED, "b": Standing.WAITS, "c": Standing.CLEAR,
    }  # fmt: skip


def test_a_tag_names_a_package_only_where_most_of_it_bears_it() -> None:
    tagged = [replace(res("rg-x", SITE, f"s{n}"), tags={"Application-Name": "Permits"}) for n in range(2)]
    assert packed(*tagged, res("rg-x", PLAN, "p")).packages[0].name == "Permits"
    assert packed(tagged[0], res("rg-x", PLAN, "p"), res("rg-x", PLAN, "q")).packages[0].name == "rg-x"


GROUPS = ("a", "b", "c", "d")
KINDS = (NET, VM, DISK, SITE, PLAN, STORE, VAULT, "Microsoft.Network/virtualNetworkGateways")


@st.composite
def estates(draw: st.DrawFn) -> list[Resource]:
    places = draw(st.lists(st.tuples(st.sampled_from(GROUPS), st.sampled_from(KINDS)), min_size=1, max_size=14))
    ids = [rid(group, kind, f"r{n}") for n, (group, kind) in enumerate(places)]
    targets = st.lists(st.sampled_from(ids), max_size=4)
    return [res(group, kind, f"r{n}", refs=draw(targets)) for n, (group, kind) in enumerate(places)]


@settings(max_examples=150)
@given(estates(), st.randoms(use_true_random=False))
def test_any_estate_every_resource_once_in_an_order_that_holds(estate: list[Resource], dice: random.Random) -> None:
    made = packed(*estate)
    assert sorted(n for p in made.packages for n in p.members) == list(range(len(estate))), "not exactly once"
    assert all(made.package_of[n] == p.name for p in made.packages for n in p.members)
    wave = {p.name: p.wave for p in made.packages}
    assert len(wave) == len(made.packages), "two packages of one name"
    for package in made.packages:
        assert all(wave[needed] < package.wave for needed in package.needs)
    assert set(wave.values()) == set(range(1, max(wave.values()) + 1)), "an empty wave"
    shuffled = list(estate)
    dice.shuffle(shuffled)
    again = packed(*shuffled)
    told = [(p.name, p.wave, p.stage, p.needs, [estate[n].id for n in p.members]) for p in made.packages]
    assert told == [(p.name, p.wave, p.stage, p.needs, [shuffled[n].id for n in p.members]) for p in again.packages]
    assert made.cuts == again.cuts


names = st.sampled_from([f"n{i}" for i in range(8)])


@given(st.dictionaries(st.tuples(names, names), st.integers(1, 9), max_size=30))
def test_any_graph_is_ordered_and_only_circles_are_cut(needs: dict[tuple[str, str], int]) -> None:
    everyone = {name for pair in needs for name in pair} or {"n0"}
    order = ordered(everyone, needs, {})
    place = {name: n for n, name in enumerate(order.names)}
    assert place.keys() == everyone
    for one, other in needs:
        if one != other and (one, other) not in order.cut:
            assert place[other] < place[one]
    for one, other in order.cut:
        assert reaches(other, one, needs), "a need was cut that is in no circle"


def reaches(start: str, goal: str, needs: dict[tuple[str, str], int]) -> bool:
    seen, open_ = {start}, [start]
    while open_:
        name = open_.pop()
        for one, other in needs:
            if one == name and other not in seen:
                seen.add(other)
                open_.append(other)
    return goal in seen


def test_a_long_text_is_gone_through_once() -> None:
    """A long text without an id or a host must not be searched again and again from each of its letters."""
    blob = res("g", SITE, "s", packed="A" * 400_000, dotted="a." * 200_000)
    began = time.process_time()
    assert find_dependencies(inv(blob, res("g", STORE, "st")), COUPLING) == Dependencies((), ())
    assert time.process_time() - began < 2
