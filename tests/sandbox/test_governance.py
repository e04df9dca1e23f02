"""What governs resources is no resource, management groups nest, and a large estate is the same through every door."""

from __future__ import annotations

import json

import pytest

from sandbox.armgovernance import Tree
from sandbox.estates import large, load_estate
from sandbox.estates.building import Group
from sandbox.estates.model import ManagementGroupSpec
from sandbox.graph import CrowdRows
from sandbox.holdings import Holdings
from sandbox.kql import Query

SUB = "aaaaaaaa-0000-0000-0000-000000000001"
TREE = Tree(
    (
        ManagementGroupSpec("Root", subscriptions=("s0",)),
        ManagementGroupSpec("mid", parent="root", subscriptions=("s1",)),
        ManagementGroupSpec("leaf", parent="mid", subscriptions=("s2",)),
        ManagementGroupSpec("beside", parent="Root"),
    )
)


def test_groups_nest() -> None:
    assert [group.name for group in TREE.below("ROOT")] == ["Root", "mid", "beside", "leaf"]
    assert TREE.above("S2") == {"leaf", "mid", "root"}
    assert TREE.above("nowhere") == set()


def test_a_large_estate_has_what_its_name_says_and_is_the_same_each_time() -> None:
    spec = load_estate("large-2000-20").commercial
    holdings, crowd = Holdings(spec), spec.crowd
    assert crowd is not None
    assert sum(crowd.subscriptions.values()) == 2000
    assert len(spec.denied_subscriptions) == len(spec.unseen_by_graph) == 1
    assert [one.state for one in spec.subscriptions].count("Disabled") >= 1
    below = [sub for group in Tree(spec.management_groups).below(large.ROOT) for sub in group.subscriptions]
    assert sorted(below) == sorted(one.id for one in spec.subscriptions)
    every = [body for sub in crowd.subscriptions for body in holdings.readable(f"/subscriptions/{sub}")]
    assert len({body["id"].lower() for body in every}) == len(every) == 2000
    assert {body["type"] for body in every} == {
        make(Group(SUB, "g", "eastus"), "x", 1)["type"] for make, _ in large.MIX
    }
    assert 1000 < len(json.dumps(every)) / len(every) < 2000
    again = load_estate("large-2000-20").commercial.crowd
    assert again is not None
    assert [again.resources(sub) for sub in crowd.subscriptions] == [
        crowd.resources(sub) for sub in crowd.subscriptions
    ]
    assert holdings.resource(every[77]["id"].upper()) == every[77]
    assert holdings.readable(f"/subscriptions/{spec.denied_subscriptions[0]}") == []


@pytest.mark.parametrize(("start", "stop"), [(0, 7), (6, 9), (13, 100), (20, 30)])
def test_pages_over_many_subscriptions_are_those_of_one_list(start: int, stop: int) -> None:
    rows = {sub: [{"id": f"{sub}{at}"} for at in range(size)] for sub, size in (("a", 7), ("b", 0), ("c", 8), ("d", 3))}
    crowd = CrowdRows(list(rows), {sub: len(found) for sub, found in rows.items()}, rows.__getitem__)
    assert crowd[start:stop] == [row for found in rows.values() for row in found][start:stop]
    assert len(crowd) == 18


def test_only_a_query_that_keeps_every_row_in_order_is_paged_without_making_all() -> None:
    assert Query("resources | project id, name | order by id asc").straight
    for other in ("resources | order by id desc", "resources | where id =~ 'x' | order by id asc", "resources | count"):
        assert not Query(other).straight
