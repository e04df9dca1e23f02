"""The plan: in = out, deterministic, exact as JSON, and what each source account becomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import DoNotTrust, FixTheInput
from mappings.model import Assessment, ContainerSurvey, Gap, Resource, ResourceGroup, Verdict
from mappings.plan import CopyShard, CreateContainer, CreateResourceGroup, CreateStorageAccount, Plan, Step
from mappings.planning import (
    CANNOT_KEEP,
    GAP,
    account_names,
    accounts_to_move,
    explain,
    extend_plan,
    make_plan,
    plan_from_json,
    plan_to_json,
)
from mappings.states import VerdictKind
from tests.ledger.build import NOW, SUB, account, assessment, classic, later, settings, survey, verdict

TARGET = "Microsoft.Storage/storageAccounts"
VM = Resource(
    id=f"/subscriptions/{SUB}/resourceGroups/rg-app/providers/Microsoft.Compute/virtualMachines/vm1",
    name="vm1",
    type="Microsoft.Compute/virtualMachines",
    location="eastus",
    subscription_id=SUB,
    resource_group="rg-app",
)


def plan_of(
    judged: list[tuple[Resource, Verdict]],
    surveys: list[ContainerSurvey] | None = None,
    gaps: tuple[Gap, ...] = (),
    names: dict[str, str] | None = None,
    **changes: Any,
) -> Plan:
    estate = assessment(judged, surveys, gaps)
    given_names = names or {each.name: each.name for each in accounts_to_move(estate, settings(**changes))}
    return make_plan(estate, settings(**changes), given_names, now=NOW)


def steps_of(plan: Plan, kind: type[Any]) -> list[Any]:
    return [step for step in plan.steps if isinstance(step, kind)]


def only_account(
    resource: Resource, surveys: list[ContainerSurvey] | None = None, **changes: Any
) -> CreateStorageAccount:
    answer = verdict(resource, VerdictKind.REPLACE, target=TARGET) if "Classic" in resource.type else verdict(resource)
    (step,) = steps_of(plan_of([(resource, answer)], surveys, **changes), CreateStorageAccount)
    assert isinstance(step, CreateStorageAccount)
    return step


def test_every_resource_is_moved_or_left_out_with_a_reason() -> None:
    data, old, blocked = account("data"), classic("oldstore"), account("blocked")
    plan = plan_of(
        [
            (data, verdict(data)),
            (old, verdict(old, VerdictKind.REPLACE, target=TARGET)),
            (blocked, verdict(blocked, VerdictKind.BLOCKED)),
            (VM, verdict(VM)),
        ],
        [survey("data", "docs"), survey("blocked", "docs")],
    )
    assert {step.source_id for step in steps_of(plan, CreateStorageAccount)} == {data.id, old.id}
    left = {item.resource_id: item.why for item in plan.left_out}
    assert set(left) == {blocked.id, VM.id}
    assert left[blocked.id].startswith("blocked")
    assert "does not move it" in left[VM.id]
    assert [step.name for step in steps_of(plan, CreateResourceGroup)] == ["Default-Storage-EastUS", "rg-data"]


@pytest.mark.parametrize(
    ("kind", "target", "moved"),
    [
        (VerdictKind.READY, "", True),
        (VerdictKind.READY_WITH_CHANGES, "", True),
        (VerdictKind.REPLACE, "Microsoft.Sql/servers", False),
        (VerdictKind.REPLACE, TARGET.upper(), True),
        (VerdictKind.BLOCKED, "", False),
        (VerdictKind.UNKNOWN, "", False),
    ],
)
def test_only_movable_verdicts_move(kind: VerdictKind, target: str, moved: bool) -> None:
    data = account("data")
    plan = plan_of([(data, verdict(data, kind, target=target))])
    assert bool(steps_of(plan, CreateStorageAccount)) is moved
    assert bool(plan.left_out) is not moved


@pytest.mark.parametrize(
    ("kind", "becomes"),
    [
        ("Storage", "StorageV2"),
        ("StorageV2", "StorageV2"),
        ("BlobStorage", "StorageV2"),
        ("BlockBlobStorage", "BlockBlobStorage"),
        ("FileStorage", "FileStorage"),
    ],
)
def test_kinds(kind: str, becomes: str) -> None:
    resource = account("data", kind=kind)
    assert only_account(resource).kind == becomes
    notes = plan_of([(resource, verdict(resource))]).cannot_keep[len(CANNOT_KEEP) :]
    assert bool(notes) is (kind != becomes)


def test_a_classic_account_becomes_storage_v2_with_its_redundancy() -> None:
    step = only_account(classic("oldstore"))
    assert (step.kind, step.sku, step.region) == ("StorageV2", "Standard_GRS", "usgovvirginia")


def test_unknown_and_rare_redundancy_is_said() -> None:
    unknown = account("data", sku={})
    assert only_account(unknown).sku == "Standard_GRS"
    assert any("redundancy" in line for line in plan_of([(unknown, verdict(unknown))]).cannot_keep)
    zoned = account("data", sku={"name": "Standard_ZRS"})
    assert only_account(zoned).sku == "Standard_ZRS"
    said = plan_of([(zoned, verdict(zoned))], **{"target.region": "usgovtexas"}).cannot_keep
    assert any("usgovtexas" in line for line in said)
    assert not any("refused" in line for line in plan_of([(zoned, verdict(zoned))]).cannot_keep)


@pytest.mark.parametrize(
    ("allowed", "used", "result"),
    [(True, "blob", True), (True, "", False), (False, "blob", False), (None, "container", True), (None, "", False)],
)
def test_public_access_needs_the_source_and_a_container(allowed: bool | None, used: str, result: bool) -> None:
    resource = account("data", properties={"allowBlobPublicAccess": allowed})
    step = only_account(resource, [survey("data", "docs"), survey("data", "site", public_access=used)])
    assert step.allow_public_access is result


def test_security_settings_only_get_stricter() -> None:
    lax = account(
        "data",
        properties={"minimumTlsVersion": "TLS1_0", "supportsHttpsTrafficOnly": False, "allowSharedKeyAccess": False},
    )
    step = only_account(lax)
    assert (step.minimum_tls, step.https_only, step.allow_shared_key) == ("TLS1_2", True, False)
    assert only_account(account("data", properties={"minimumTlsVersion": "TLS1_3"})).minimum_tls == "TLS1_3"
    assert only_account(account("data", properties={})).allow_shared_key is True


def test_a_hierarchical_namespace_is_left_out() -> None:
    lake = account("lake", properties={"isHnsEnabled": True})
    (left,) = plan_of([(lake, verdict(lake))]).left_out
    assert "hierarchical namespace" in left.why


def test_only_chosen_accounts_and_containers() -> None:
    one, two = account("one"), account("two")
    judged = [(one, verdict(one)), (two, verdict(two))]
    surveys = [survey("one", "docs"), survey("one", "tmp-1"), survey("one", "$logs"), survey("two", "docs")]
    plan = plan_of(judged, surveys, **{"copy.accounts": ["ONE"], "copy.exclude_containers": ["one/tmp-*"]})
    assert [step.name for step in steps_of(plan, CreateContainer)] == ["docs"]
    left = {item.resource_id.rpartition("/")[2]: item.why for item in plan.left_out}
    assert set(left) == {"two", "tmp-1", "$logs"}
    assert "one/tmp-*" in left["tmp-1"]
    with pytest.raises(FixTheInput, match="three"):
        plan_of(judged, **{"copy.accounts": ["three"]})


def test_what_was_not_seen_is_left_out_by_name() -> None:
    data = account("data")
    gap = Gap("https://data.blob/", "containers of data", "AuthorizationFailed")
    (left,) = plan_of([(data, verdict(data))], gaps=(gap,)).left_out
    assert (left.resource_id, left.type) == (gap.scope, GAP)
    assert "AuthorizationFailed" in left.why


def test_shards_follow_the_cuts_and_cover_every_name() -> None:
    data = account("data")
    plan = plan_of(
        [(data, verdict(data))],
        [survey("data", "docs"), survey("data", "empty", objects=0, cuts=(), shard_objects=(), shard_bytes=())],
    )
    shards = steps_of(plan, CopyShard)
    assert [(shard.container, shard.begin, shard.end, shard.objects, shard.number) for shard in shards] == [
        ("docs", "", "m", 3, 0),
        ("docs", "m", None, 2, 1),
        ("empty", "", None, 0, 0),
    ]
    assert {(shard.source_account, shard.target_account) for shard in shards} == {("data", "data")}


def test_steps_come_in_the_order_in_which_they_can_be_done() -> None:
    data = account("data")
    order: list[type[Step]] = [CreateResourceGroup, CreateStorageAccount, CreateContainer, CopyShard]
    plan = plan_of([(data, verdict(data))], [survey("data", "b"), survey("data", "a")])
    ranks = [order.index(type(step)) for step in plan.steps]
    assert ranks == sorted(ranks)


def test_groups_keep_tags_take_the_prefix_and_a_mapped_region() -> None:
    data, old = account("data"), classic("oldstore")
    plan = plan_of(
        [(data, verdict(data)), (old, verdict(old, VerdictKind.REPLACE, target=TARGET))],
        **{"target.resource_group_prefix": "gov-", "target.regions": {"West US": "usgovarizona"}},
    )
    groups = {step.name: step for step in steps_of(plan, CreateResourceGroup)}
    assert groups["gov-rg-data"].region == "usgovarizona"
    assert groups["gov-rg-data"].tags == {"a": "b"}
    assert groups["gov-Default-Storage-EastUS"].region == "usgovvirginia", "unread: as its first account"
    assert {step.resource_group for step in steps_of(plan, CreateStorageAccount)} == set(groups)


def test_groups_of_one_name_in_two_subscriptions_stay_two() -> None:
    one = account("one")
    other = replace(account("two"), subscription_id="s2", id=account("two").id.replace(SUB, "s2"))
    plan = plan_of([(one, verdict(one)), (other, verdict(other))])
    names = [step.name for step in steps_of(plan, CreateResourceGroup)]
    assert len(names) == len(set(names)) == 2
    assert "rg-data" in names


def test_an_unknown_region_is_said() -> None:
    lost = account("data", location="moonbase")
    with pytest.raises(FixTheInput, match="moonbase"):
        plan_of([(lost, verdict(lost))])


@pytest.mark.parametrize("names", [{"one": "Bad_Name", "two": "two"}, {"one": "same", "two": "same"}])
def test_target_names_are_checked(names: dict[str, str]) -> None:
    one, two = account("one"), account("two")
    with pytest.raises(FixTheInput, match="one"):
        plan_of([(one, verdict(one)), (two, verdict(two))], names=names)


def shuffled(estate: Assessment, order: list[int]) -> Assessment:
    taken = estate.inventory
    return replace(
        estate,
        verdicts=tuple(estate.verdicts[index] for index in reversed(order)),
        inventory=replace(
            taken,
            resources=tuple(taken.resources[index] for index in order),
            containers=tuple(reversed(taken.containers)),
        ),
    )


@given(order=st.permutations(range(3)))
def test_the_hash_does_not_depend_on_order_or_time(order: list[int]) -> None:
    one, two = account("one"), account("two", group="rg-b")
    judged = [(one, verdict(one)), (two, verdict(two)), (VM, verdict(VM))]
    estate = assessment(judged, [survey("one", "docs"), survey("two", "docs")])
    names = {"one": "one", "two": "two2"}
    plan = make_plan(estate, settings(), names, now=NOW)
    again = make_plan(shuffled(estate, order), settings(), names, now=later(99))
    assert (again.hash, again.steps, again.left_out) == (plan.hash, plan.steps, plan.left_out)
    assert make_plan(estate, settings(), {**names, "two": "two3"}, now=NOW).hash != plan.hash


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    cuts=st.lists(TEXT.filter(bool), unique=True, max_size=4).map(sorted),
    container=TEXT,
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_json_and_back_is_the_same_plan(cuts: list[str], container: str, tags: dict[str, str]) -> None:
    data = account("data", tags=tags)
    shards = tuple(range(len(cuts) + 1))
    plan = plan_of(
        [(data, verdict(data)), (VM, verdict(VM))],
        [survey("data", container, cuts=tuple(cuts), shard_objects=shards, shard_bytes=shards)],
    )
    text = plan_to_json(plan)
    assert plan_from_json(text) == plan
    assert plan_to_json(plan_from_json(text)) == text


@given(st.data())
def test_no_character_of_a_plan_can_change(data: st.DataObject) -> None:
    """Breaks when something of the content is left out of the hash; only the time of making is not in it."""
    resource = account("hollisdata")
    plan = plan_of([(resource, verdict(resource))], [survey("hollisdata", "docs")])
    text = plan_to_json(plan)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from('09azAZ_{}"'))
    try:
        changed = plan_from_json(text[:place] + letter + text[place + 1 :])
    except DoNotTrust:
        return
    assert (changed.id, changed.hash, changed.steps, changed.left_out) == (
        plan.id,
        plan.hash,
        plan.steps,
        plan.left_out,
    )
    assert changed.cannot_keep == plan.cannot_keep


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"steps": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(DoNotTrust):
        plan_from_json(text)


def test_extending_adds_new_containers_only() -> None:
    data = account("data")
    plan = plan_of([(data, verdict(data))], [survey("data", "docs")])
    assert extend_plan(plan, [survey("data", "docs"), survey("elsewhere", "x")], settings(), now=later(1)) is plan
    longer = extend_plan(plan, [survey("data", "docs"), survey("data", "new")], settings(), now=later(1))
    assert [step.name for step in steps_of(longer, CreateContainer)] == ["docs", "new"]
    assert [(shard.container, shard.number) for shard in steps_of(longer, CopyShard)] == [
        ("docs", 0),
        ("docs", 1),
        ("new", 0),
        ("new", 1),
    ]
    assert all(step in longer.steps for step in plan.steps)
    assert longer.id != plan.id
    assert plan_from_json(plan_to_json(longer)) == longer
    excluded = extend_plan(plan, [survey("data", "tmp")], settings(**{"copy.exclude_containers": ["*/tmp"]}), now=NOW)
    assert [item.resource_id.rpartition("/")[2] for item in excluded.left_out] == ["tmp"]


def test_the_reader_sees_names_counts_and_what_is_lost() -> None:
    data = account("data")
    estate = assessment([(data, verdict(data)), (VM, verdict(VM))], [survey("data", "docs", shard_bytes=(2048, 1024))])
    plan = make_plan(estate, settings(), {"data": "datagov"}, now=NOW)
    text = "\n".join(explain(plan))
    for part in ("data -> datagov", "5 objects, 3.0 KiB in 2 shards", "1 storage account", "vm1", *CANNOT_KEEP):
        assert part in text
    assert account_names(plan) == {"data": "datagov"}


def test_resource_group_of_a_group_without_region_follows_its_account() -> None:
    data = account("data")
    estate = assessment([(data, verdict(data))])
    nowhere = ResourceGroup(estate.inventory.groups[0].id, "rg-data", "moonbase", SUB)
    plan = make_plan(
        replace(estate, inventory=replace(estate.inventory, groups=(nowhere,))), settings(), {"data": "data"}, now=NOW
    )
    assert steps_of(plan, CreateResourceGroup)[0].region == "usgovvirginia"
