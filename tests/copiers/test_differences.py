"""The engine in memory: what stands at the target already, and that only differences travel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappings.states import Change, Outcome, ProofLevel
from tests.copiers.bench_of import Pair, fill, killed_at, outcomes

ROUTES = pytest.mark.parametrize("mode", ["pull", "stream"])


# --- what stands at the target already --------------------------------------------------------------------------------


async def test_a_strangers_blob_is_never_overwritten() -> None:
    """Breaks when content at the target without evidence of ours is overwritten."""
    pair = Pair()
    pair.source.write("c", "same-size", b"ours")
    pair.source.write("c", "other-size", b"ours!")
    for name in ("same-size", "other-size"):
        pair.target.write("c", name, b"hers")
    rows = await pair.run()
    assert set(outcomes(rows).values()) == {Outcome.FAILED}
    assert all("did not write" in row.reason for row in rows.values())
    assert {blob.data for blob in pair.target.containers_["c"].values()} == {b"hers"}
    rows = await pair.run()
    assert set(outcomes(rows).values()) == {Outcome.FAILED}, "a failure is no evidence"


@ROUTES
async def test_a_stranger_who_writes_in_mid_copy_is_not_overwritten(mode: str) -> None:
    """Breaks when a 409 or 412 of the commit is answered by overwriting whatever stands there."""
    pair = Pair(mode=mode)
    pair.source.write("c", "x", b"ours")

    def intrude(operation: str, name: str) -> None:
        if operation.startswith("put_blob") and "x" not in pair.target.containers_["c"]:
            pair.target.write("c", "x", b"hers!", metadata={"by": "her"})

    pair.target.hook = intrude
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.FAILED and row.target_etag == ""
    assert pair.target.containers_["c"]["x"].data == b"hers!"


@ROUTES
@pytest.mark.parametrize("step", range(1, 60, 2))
async def test_killed_at_any_request_the_next_run_neither_loses_nor_doubles(mode: str, step: int) -> None:
    """Breaks when a snapshot that a killed attempt had taken is taken twice, or a half-written blob is not known."""
    pair = Pair(mode=mode)
    fill(pair)
    await killed_at(pair, step)
    rows = await pair.run()
    assert {row.outcome for row in rows.values()} <= {Outcome.COPIED, Outcome.SAME}
    assert all(row.change is not Change.EXTRA for row in rows.values())
    pair.assert_equal()


async def test_equal_content_at_the_target_is_adopted() -> None:
    """Breaks when equal content is copied again, or its other parts are not brought along."""
    pair = Pair()
    pair.source.write("c", "x", b"ours", metadata={"a": "1"}, tags={"t": "1"}, tier="Cool")
    pair.target.write("c", "x", b"ours")
    row = (await pair.run())[("x", "")]
    assert row.proof is ProofLevel.L3 and row.change is Change.NEW and row.route is None
    assert pair.target.calls["put_blob"] + pair.target.calls["put_blob_from_url"] == 0
    pair.assert_equal()
    assert (await pair.run())[("x", "")].change is Change.SAME


async def test_drift_is_reported_and_repaired() -> None:
    """Breaks when a target changed by somebody else counts as same."""
    pair = Pair()
    pair.source.write("c", "x", b"ours", tags={"t": "1"})
    pair.source.write("c", "y", b"ours", tags={"t": "1"})
    pair.source.write("c", "z", b"ours")
    await pair.run()
    pair.target.write("c", "x", b"hers")
    pair.target.change("c", "y", moves=False, tags={})
    pair.target.delete("c", "z")
    rows = await pair.run()
    assert {row.change for row in rows.values()} == {Change.DRIFTED}
    assert rows[("y", "")].route is None
    pair.assert_equal()


async def test_deletions_and_extras_are_reported_and_kept() -> None:
    """Breaks when the engine deletes at the target, or counts a deletion as listed."""
    pair = Pair()
    pair.source.write("c", "x", b"ours")
    await pair.run()
    pair.source.delete("c", "x")
    pair.target.write("c", "stranger", b"hers")
    for _ in range(2):
        rows = await pair.run()
        assert rows[("x", "")].change is Change.DELETED
        assert rows[("stranger", "")].change is Change.EXTRA
        assert (pair.tally.listed, pair.tally.deleted) == (0, 2)
    assert set(pair.target.containers_["c"]) == {"x", "stranger"}


# --- only differences travel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "moves", "change", "calls"),
    [
        ({"metadata": {"a": "2"}}, True, Change.METADATA, {"set_metadata": 1}),
        ({"tags": {"t": "2"}}, False, Change.TAGS, {"set_tags": 1}),
        ({"tier": "Cool", "tier_inferred": False}, False, Change.TIER, {"set_tier": 1}),
        ({"metadata": {}}, True, Change.METADATA, {"set_metadata": 1}),
        ({}, True, Change.SAME, {}),
    ],
)
async def test_changes_beside_the_content_travel_alone(
    parts: dict[str, Any], moves: bool, change: Change, calls: dict[str, int]
) -> None:
    """Breaks when a tag-only or tier-only change is missed, or a metadata change carries the content along."""
    pair = Pair()
    pair.source.write("c", "x", b"content", metadata={"a": "1"}, tags={"t": "1"})
    await pair.run()
    pair.target.calls.clear()
    pair.source.change("c", "x", moves=moves, **parts)
    row = (await pair.run())[("x", "")]
    assert row.change is change and row.route is None
    assert pair.writes() == sum(calls.values()) and all(pair.target.calls[k] == v for k, v in calls.items())
    pair.assert_equal()
    assert (await pair.run())[("x", "")].change is Change.SAME


async def test_a_header_change_travels_alone() -> None:
    """Breaks when Set Blob HTTP Headers at the source re-copies the content."""
    pair = Pair()
    blob = pair.source.write("c", "x", b"content")
    await pair.run()
    pair.target.calls.clear()
    pair.source.change("c", "x", headers=replace(blob.item.headers, cache_control="no-store"))
    row = (await pair.run())[("x", "")]
    assert row.change is Change.PROPERTIES and pair.writes() == pair.target.calls["set_headers"] == 1
    pair.assert_equal()


async def test_same_size_other_bytes_without_label_travel() -> None:
    """Breaks when equal size and equal (absent) Content-MD5 are taken as equal content."""
    pair = Pair()
    pair.source.write("c", "x", b"old bytes", label=False)
    await pair.run()
    pair.source.write("c", "x", b"new bytes", label=False)
    row = (await pair.run())[("x", "")]
    assert row.change is Change.CONTENT and row.route is not None
    pair.assert_equal()


async def test_a_new_snapshot_is_appended_and_older_ones_stay() -> None:
    """Breaks when a re-sync repeats snapshots that the target has, or leaves the base blob at a snapshot."""
    pair = Pair()
    fill(pair)
    await pair.run()
    pair.source.write("c", "h/snap", b"four")
    pair.source.take_snapshot("c", "h/snap")
    pair.source.write("c", "h/snap", b"five")
    rows = await pair.run()
    pair.assert_equal()
    assert pair.target.calls["snapshot"] == 3
    assert [row.change for (name, _), row in rows.items() if name == "h/snap"] == [
        Change.SAME, Change.SAME, Change.NEW, Change.CONTENT,
    ]  # fmt: skip


async def test_a_snapshot_of_an_unchanged_blob_leaves_it_unchanged() -> None:
    """Breaks when the base blob is not written again after a snapshot went through its name."""
    pair = Pair()
    pair.source.write("c", "x", b"one")
    pair.source.take_snapshot("c", "x")
    pair.source.write("c", "x", b"two")
    await pair.run()
    pair.source.take_snapshot("c", "x")
    await pair.run()
    pair.assert_equal()
    assert {row.change for row in (await pair.run()).values()} == {Change.SAME}
