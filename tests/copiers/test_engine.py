"""The engine against the two protocols in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mappings.delta import MISMATCH, is_mismatch
from mappings.errors import ObjectRefused, ReviewFindings, SlowDown, SwitchRoute
from mappings.fidelity import Features
from mappings.objects import BlobType, ListedObject, Written
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.copiers.engine import copy_shard
from tasks.progress import Progress, ShardProgress
from tests.copiers.bench_of import SHARD, Pair, fill, outcomes

ROUTES = pytest.mark.parametrize("mode", ["pull", "stream"])


@ROUTES
async def test_every_kind_of_blob_arrives_equal(mode: str) -> None:
    """Breaks when a type, a header, metadata, tags, tier, seal or the order of snapshots is dropped on one route."""
    pair = Pair(mode=mode)
    fill(pair)
    rows = await pair.run()
    pair.assert_equal()
    assert {row.outcome for row in rows.values()} == {Outcome.COPIED}
    assert all((row.proof or 0) >= ProofLevel.L2 for row in rows.values())
    assert {row.route for row in rows.values()} == {Route(mode)}
    assert rows[("b/blocks", "")].source_crc64 == rows[("b/blocks", "")].target_crc64 != ""


@ROUTES
async def test_a_second_run_writes_nothing(mode: str) -> None:
    """Breaks when a digest, an ETag or a snapshot time is recorded other than it is compared."""
    pair = Pair(mode=mode)
    fill(pair)
    await pair.run()
    before, reads = pair.writes(), pair.source.calls["read"]
    rows = await pair.run()
    assert pair.writes() == before
    assert pair.source.calls["read"] == reads
    assert {row.change for row in rows.values()} == {Change.SAME}


@pytest.mark.parametrize(
    ("mode", "wanted", "reached"),
    [
        ("pull", ProofLevel.L1, ProofLevel.L1),
        ("pull", ProofLevel.L2, ProofLevel.L2),
        ("pull", ProofLevel.L3, ProofLevel.L3),
        ("stream", ProofLevel.L1, ProofLevel.L2),
        ("stream", ProofLevel.L3, ProofLevel.L3),
    ],
)
async def test_proof_levels(mode: str, wanted: ProofLevel, reached: ProofLevel) -> None:
    """Breaks when a pull claims more than its pin without reading, or a stream less than it has proved."""
    pair = Pair(mode=mode)
    pair.source.write("c", "x", b"0123456789" * 3)
    row = (await pair.run(proof=wanted))[("x", "")]
    assert row.proof is reached
    assert (pair.source.calls["read"] > 0) is (mode == "stream" or wanted >= ProofLevel.L2)


async def test_a_higher_level_is_reached_later_without_moving_content() -> None:
    """Breaks when a manifest at L1 is taken as good enough for a run that asks for L2."""
    pair = Pair(mode="pull")
    pair.source.write("c", "x", b"0123456789" * 3)
    await pair.run(proof=ProofLevel.L1)
    before = pair.writes()
    row = (await pair.run(proof=ProofLevel.L2))[("x", "")]
    assert row.proof is not None and row.proof >= ProofLevel.L2
    assert pair.writes() == before


async def test_without_crc_from_the_service_the_target_is_read_back() -> None:
    """Breaks when a missing CRC64 counts as an equal one."""
    pair = Pair(mode="pull")
    pair.target.gives_crc = False
    pair.source.write("c", "x", b"0123456789" * 3)
    assert (await pair.run())[("x", "")].proof is ProofLevel.L2
    assert pair.target.calls["read"] > 0


@ROUTES
@pytest.mark.parametrize("kind", list(BlobType))
async def test_a_source_overwritten_in_mid_copy_never_lands_torn(mode: str, kind: BlobType) -> None:
    """Breaks when `source_etag` or `If-Match` is left out of one block, append, page or read."""
    pair = Pair(mode=mode)
    size = 2048 if kind is BlobType.PAGE else 40
    pair.source.write("c", "x", b"A" * size, blob_type=kind, label=False)
    seen = 0

    def overwrite(operation: str, name: str) -> None:
        nonlocal seen
        if operation in ("put_block", "put_block_from_url", "append", "append_from_url", "put_pages"):
            seen += 1
            if seen == 2:
                pair.source.write("c", "x", b"B" * size, blob_type=kind, label=False)

    pair.target.hook = overwrite
    row = (await pair.run())[("x", "")]
    assert pair.target.state("c")[("x", 0)][0] in (b"A" * size, b"B" * size)
    assert row.outcome is Outcome.COPIED
    assert seen >= 2
    assert pair.target.state("c")[("x", 0)][0] == b"B" * size
    assert row.attempts >= 2


@ROUTES
async def test_a_source_that_never_rests_ends_as_failed(mode: str) -> None:
    """Breaks when re-planning has no bound, or its end counts as copied."""
    pair = Pair(mode=mode)
    pair.source.write("c", "x", b"0" * 40, label=False)

    def churn(operation: str, name: str) -> None:
        if operation.startswith("put_block") or operation == "commit":
            pair.source.write("c", "x", b"1" * 40, label=False)

    pair.target.hook = churn
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.FAILED
    assert "kept changing" in row.reason and row.attempts == pair.rules.attempts


async def test_an_object_deleted_in_mid_copy_is_excluded_with_the_reason() -> None:
    """Breaks when a 404 in mid-copy fails the object, or drops it from the count."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"0" * 40, label=False)

    def delete(operation: str, name: str) -> None:
        if operation == "put_block":
            pair.source.delete("c", "x")

    pair.target.hook = delete
    found = []
    tally = await copy_shard(
        SHARD, pair.reader, pair.writer, iter(()), found.append, pair.rules, pair.routes, ShardProgress(Progress())
    )
    assert tally.listed == tally.excluded == 1
    assert "Deleted at the source during the copy" in found[0].reason


async def test_refused_pulls_switch_the_object_then_the_pair() -> None:
    """Breaks when one refusal switches the whole pair, or none ever does, or nothing of it is recorded."""
    pair = Pair()
    pair.writer.refuse_pull = lambda name: name != "ok"
    pair.source.write("c", "a", b"one")
    pair.source.write("c", "ok", b"two")
    rows = await pair.run(concurrency=1)
    assert [rows[(name, "")].route for name in ("a", "ok")] == [Route.STREAM, Route.PULL]
    assert pair.routes.route("src", "dst") is Route.PULL
    for number in range(4):
        pair.source.write("c", f"z{number}", b"more")
    await pair.run(concurrency=1)
    assert pair.routes.route("src", "dst") is Route.STREAM
    pair.assert_equal()
    assert [event.name for event in pair.routes.events] == ["a", "z0", "z1", "z2", ""]


async def test_a_pull_refused_after_the_pair_has_switched_streams_like_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Breaks when an object that was under way as the pair began to stream is taken for one that failed to stream."""
    pair, switched = Pair(), asyncio.Event()
    for name in "abcd":
        pair.source.write("c", name, b"one")

    async def refuse(container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        if item.name == "a":
            await switched.wait()
        raise SwitchRoute("cannot read the source", code="CannotVerifyCopySource", status=403)

    def look(operation: str, name: str) -> None:
        if pair.routes.standing("src", "dst") is Route.STREAM:
            switched.set()

    monkeypatch.setattr(pair.writer, "put_blob_from_url", refuse)
    pair.target.hook = look
    rows = await pair.run(concurrency=4)
    assert {row.route for row in rows.values()} == {Route.STREAM}
    assert pair.tally.copied == 4
    pair.assert_equal()


async def test_a_pull_only_run_does_not_stream() -> None:
    """Breaks when route = "pull" falls back in silence."""
    pair = Pair(mode="pull")
    pair.writer.refuse_pull = lambda name: True
    pair.source.write("c", "a", b"one")
    row = (await pair.run())[("a", "")]
    assert row.outcome is Outcome.FAILED
    assert pair.target.calls["put_blob"] == 0


@ROUTES
async def test_damaged_bytes_are_sent_again_once_then_reported(mode: str) -> None:
    """Breaks when the CRC64 of the target is not compared with that of the source."""
    pair = Pair(mode=mode)
    pair.source.write("c", "x", b"good one", label=False)
    real, times = pair.writer._store, 1

    def damaged(container, item, data, *, label=False):  # type: ignore[no-untyped-def]
        nonlocal times
        times -= 1
        return real(container, item, b"evil one" if times >= 0 else data, label=label)

    pair.writer._store = damaged  # type: ignore[method-assign]
    row = (await pair.run())[("x", "")]
    assert (row.outcome, row.attempts) == (Outcome.COPIED, 2)
    pair.assert_equal()

    pair.source.write("c", "x", b"new byte", label=False)
    times = 2
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.FAILED and row.reason.startswith(MISMATCH) and is_mismatch(row)
    # What it left is known to be ours, so the next run repairs it.
    assert (await pair.run())[("x", "")].outcome is Outcome.COPIED
    pair.assert_equal()


async def test_throttling_slows_down_and_everything_arrives() -> None:
    """Breaks when SlowDown fails an object at once."""
    pair = Pair(mode="stream")
    for number in range(12):
        pair.source.write("c", f"x{number:02}", bytes([number]) * 5)
    left = 6

    def throttle(operation: str, name: str) -> None:
        nonlocal left
        if operation == "put_blob" and left:
            left -= 1
            raise SlowDown("busy", code="ServerBusy", status=503, retry_after=0.0)

    pair.target.hook = throttle
    rows = await pair.run()
    assert set(outcomes(rows).values()) == {Outcome.COPIED}
    pair.assert_equal()


async def test_a_lost_answer_is_settled_by_comparing() -> None:
    """Breaks when 409 after a lost answer counts as failure, or overwrites."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"0123")
    real = pair.writer.put_blob

    async def lossy(container, item, data, **more):  # type: ignore[no-untyped-def]
        await real(container, item, data, **more)
        return await real(container, item, data, **more)  # the retry of a request that had succeeded

    pair.writer.put_blob = lossy  # type: ignore[method-assign]
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.COPIED and row.proof is ProofLevel.L3
    assert pair.target.calls["put_blob"] == 2


# --- left out, cut down -----------------------------------------------------------------------------------------------


async def test_exclusions_are_counted_and_explained() -> None:
    """Breaks when an excluded object vanishes from the count, or is copied."""
    pair = Pair()
    pair.source.write("c", "cold", b"x", tier="Archive")
    pair.source.write("c", "keep", b"x")
    pair.source.write("c", "bad", b"x", metadata={"not-an-identifier": "x"})
    pair.source.write("c", "logs/1.tmp", b"x")
    rows = await pair.run(exclude_blobs=("logs/*",))
    assert outcomes(rows) == {
        "cold": Outcome.EXCLUDED, "keep": Outcome.COPIED, "bad": Outcome.EXCLUDED, "logs/1.tmp": Outcome.EXCLUDED,
    }  # fmt: skip
    assert "Rehydrate" in rows[("cold", "")].reason and "logs/*" in rows[("logs/1.tmp", "")].reason
    assert set(pair.target.containers_["c"]) == {"keep"}


async def test_an_account_without_tags_and_tiers_gets_the_rest_and_the_row_says_so() -> None:
    """Breaks when a loss is silent."""
    pair = Pair()
    pair.target.feature_set = Features(tags=False, tiers=False)
    pair.source.write("c", "x", b"x", tags={"t": "1"}, tier="Cool")
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.COPIED and "index tags" in row.reason and "access tier Cool" in row.reason
    assert (await pair.run())[("x", "")].change is Change.SAME


async def test_a_blob_under_a_customer_key_is_left_out_with_the_remedy() -> None:
    """Breaks when a refusal that no retry changes is retried, or counted as failed without a way out."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"x")

    def locked(operation: str, name: str) -> None:
        if operation == "read":
            raise ObjectRefused("hand over the key", code="BlobUsesCustomerSpecifiedEncryption", status=409)

    pair.source.hook = locked
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.EXCLUDED and row.attempts == 1


# --- listings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_listing_that_breaks_off_marks_nothing_done(side: str) -> None:
    """Breaks when an error in mid-listing ends it as if it were complete."""
    pair = Pair()
    fill(pair)
    pages = 0

    def refuse(operation: str, name: str) -> None:
        nonlocal pages
        if operation == "list" and name == "c":
            pages += 1
            if pages == 2:
                raise ObjectRefused("403", code="AuthorizationFailure", status=403)

    if side == "target":
        await pair.run()
    getattr(pair, side).hook = refuse
    with pytest.raises(ObjectRefused):
        await pair.run(concurrency=1)


async def test_a_listing_out_of_order_is_refused() -> None:
    """Breaks when the march trusts the order of a listing: the blob listed too late would count as deleted."""
    pair = Pair()
    for name in ("a", "b", "c"):
        pair.source.write("c", name, b"x")
    real = pair.reader.objects

    async def shuffled(container, *, begin="", end=None):  # type: ignore[no-untyped-def]
        items = [item async for item in real(container, begin=begin, end=end)]
        for item in (items[0], items[2], items[1]) if len(items) == 3 else items:
            yield item

    pair.reader.objects = shuffled  # type: ignore[method-assign]
    with pytest.raises(ReviewFindings, match="not in order"):
        await pair.run()


async def test_a_shard_touches_only_its_range() -> None:
    """Breaks when `begin` or `end` is ignored on one side: others' blobs would be reported as extra."""
    pair = Pair()
    for name in ("a", "b", "c"):
        pair.source.write("c", name, b"x")
        pair.target.write("c", "a2", b"stranger")
    rows = []
    shard = replace(SHARD, begin="b", end="c")
    await copy_shard(
        shard, pair.reader, pair.writer, iter(()), rows.append, pair.rules, pair.routes, ShardProgress(Progress())
    )
    assert [row.name for row in rows] == ["b"]


# --- resources --------------------------------------------------------------------------------------------------------


async def test_bytes_in_flight_stay_within_the_budget() -> None:
    """Breaks when a block is read before it has a place in the budget."""
    pair = Pair(mode="stream")
    for number in range(10):
        pair.source.write("c", f"x{number}", bytes([number]) * 64, label=False)
    held = peak = 0
    real_put = pair.writer.put_block

    async def counting(container, name, block_id, data, **more):  # type: ignore[no-untyped-def]
        nonlocal held, peak
        held += len(data)
        peak = max(peak, held)
        await asyncio.sleep(0)
        held -= len(data)
        return await real_put(container, name, block_id, data, **more)

    pair.writer.put_block = counting  # type: ignore[method-assign]
    await pair.run(memory=16, concurrency=8)
    assert 0 < peak <= 16
    pair.assert_equal()


async def test_staged_blocks_of_the_same_generation_are_not_sent_again() -> None:
    """Breaks when a resumed large blob starts from its first byte."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", bytes(range(80)), label=False)

    def die(operation: str, name: str) -> None:
        if operation == "commit":
            raise asyncio.CancelledError

    pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await pair.run()
    pair.target.hook = None
    assert pair.target.calls["put_block"] == 10
    row = (await pair.run())[("x", "")]
    assert pair.target.calls["put_block"] == 10 and row.proof is ProofLevel.L2
    pair.assert_equal()


async def test_staged_blocks_of_another_generation_are_not_used() -> None:
    """Breaks when a block's name does not say which generation it is of."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"A" * 40, label=False)

    def die(operation: str, name: str) -> None:
        if operation == "commit":
            raise asyncio.CancelledError

    pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await pair.run()
    pair.target.hook = None
    pair.source.write("c", "x", b"B" * 40, label=False)
    await pair.run()
    pair.assert_equal()


async def test_staged_blocks_that_were_cut_otherwise_are_not_used() -> None:
    """Breaks when a block's name does not say how large its blocks are: the same number holds other bytes then."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", bytes(range(24)), label=False)

    def die(operation: str, name: str) -> None:
        if operation == "commit":
            raise asyncio.CancelledError

    pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await pair.run(block=16)
    pair.target.hook = None
    assert (await pair.run(block=8))[("x", "")].outcome is Outcome.COPIED
    pair.assert_equal()


async def test_cancellation_leaves_no_task_behind() -> None:
    """Breaks when a cancelled shard leaves requests running."""
    pair = Pair(mode="stream")
    for number in range(20):
        pair.source.write("c", f"x{number:02}", bytes(40), label=False)
    before = asyncio.all_tasks()
    started = asyncio.Event()
    pair.target.hook = lambda operation, name: started.set() if operation == "put_block" else None
    task = asyncio.create_task(pair.run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


async def test_a_corrupted_read_is_a_mismatch_not_a_crash() -> None:
    """Breaks when a source that gives fewer bytes than listed is taken at its word."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"0123456789")
    real = pair.reader.read

    async def short(container, item, *, offset=0, length=None):  # type: ignore[no-untyped-def]
        async for part in real(container, item, offset=offset, length=length):
            yield part[:2]

    pair.reader.read = short  # type: ignore[method-assign]
    row = (await pair.run())[("x", "")]
    assert row.outcome is Outcome.FAILED and is_mismatch(row)
    assert ("x", 0) not in pair.target.state("c")


async def test_an_object_that_is_only_throttled_does_not_fail_within_the_patience() -> None:
    """Breaks when throttling uses up an object's starts: a busy account would fail one object after the other."""
    pair = Pair(mode="stream")
    pair.source.write("c", "x", b"small")
    left, lost = 20, 0

    def throttle(operation: str, name: str) -> None:
        nonlocal left, lost
        if operation == "put_blob" and left:
            left -= 1
            raise SlowDown("busy", code="ServerBusy", status=503, retry_after=0.0)
        if operation == "put_blob" and lost:
            lost -= 1
            raise SlowDown("no answer", code="NoAnswer")

    pair.target.hook = throttle
    assert set(outcomes(await pair.run(patience=30.0)).values()) == {Outcome.COPIED}
    left, lost = 20, 3
    pair.source.write("c", "x", b"again")
    assert set(outcomes(await pair.run(patience=30.0)).values()) == {Outcome.COPIED}, "the other starts are still there"
    left = 20
    pair.source.write("c", "x", b"other")
    row = (await pair.run(patience=0.0))[("x", "")]
    assert (row.outcome, row.code) == (Outcome.FAILED, "ServerBusy")
