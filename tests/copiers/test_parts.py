"""The small parts of the copy engine: CRC composition, budget, pace, routes, settings."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.fidelity import Features, adapted, features_of
from mappings.objects import BlobType
from mappings.settings import Copy
from mappings.states import ProofLevel, Route
from tasks.clients import crc64
from tasks.copiers.check import chosen
from tasks.copiers.pace import ByteBudget
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tests.copiers.memory_cloud import Account


def test_crc64_is_the_one_that_azure_storage_uses() -> None:
    """Breaks when another polynomial, start value or byte order is used (check value of CRC-64/NVME)."""
    assert crc64.crc64(b"123456789") == 0xAE8B14860A799888
    assert base64.b64decode(crc64.to_text(1)) == bytes([1, 0, 0, 0, 0, 0, 0, 0])
    assert crc64.from_bytes(crc64.to_bytes(2**63 + 5)) == 2**63 + 5


@given(parts=st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=40)), max_size=8), tail=st.integers(0, 99))
def test_a_composed_crc_is_that_of_the_whole(parts: list[tuple[int, bytes]], tail: int) -> None:
    """Breaks when gaps, empty parts or the tail are composed wrongly."""
    composer, whole = crc64.Composer(), b""
    for gap, data in parts:
        whole += bytes(gap)
        composer.add(crc64.crc64(data), len(data), offset=len(whole))
        whole += data
    whole += bytes(tail)
    assert composer.value(len(whole)) == crc64.crc64(whole)


@pytest.mark.parametrize("length", [0, 1, (1 << 20) + 1, 3 * (1 << 20) + 7])
def test_the_crc_of_zeros(length: int) -> None:
    """Breaks when the halving loses a byte."""
    assert crc64.zeros(length) == crc64.crc64(bytes(length))


async def test_the_byte_budget_is_first_come_first_served_and_survives_cancellation() -> None:
    """Breaks when a small request overtakes a large one for ever, or a cancelled one keeps its bytes."""
    budget, order = ByteBudget(10), []

    async def want(amount: int) -> None:
        await budget.take(amount)
        order.append(amount)

    await budget.take(8)
    large, small = asyncio.create_task(want(9)), asyncio.create_task(want(1))
    await asyncio.sleep(0)
    assert order == []
    large.cancel()
    await asyncio.gather(large, return_exceptions=True)
    budget.give(8)
    await small
    assert order == [1]
    budget.give(1)
    await budget.take(50)
    assert budget.peak == 50


def test_routes() -> None:
    """Breaks when a probe, a mode or a broken row of refusals is not minded."""
    book = RouteBook()
    book.probed("a", "b", ok=False, reason="firewall")
    assert book.route("a", "b") is Route.STREAM and book.route("a", "c") is Route.PULL
    for _ in range(2):
        book.refused("a", "c", "x", "no")
    book.pulled("a", "c")
    book.refused("a", "c", "x", "no")
    assert book.route("a", "c") is Route.PULL
    assert RouteBook("stream").route("a", "b") is Route.STREAM
    assert not RouteBook("pull").may_fall_back


def test_a_pair_that_streams_tries_the_pull_again_with_one_object() -> None:
    """Breaks when a refusal lasts for the whole run, when all objects try at once, or a late success counts."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    book = RouteBook(clock=lambda: now)
    for _ in range(3):
        book.refused("a", "b", "x", "no")
    book.pulled("a", "b")  # It was sent before the pair was known to stream.
    assert book.route("a", "b") is Route.STREAM
    now += timedelta(minutes=11)
    assert [book.route("a", "b") for _ in range(3)] == [Route.PULL, Route.STREAM, Route.STREAM]
    book.refused("a", "b", "y", "still no")
    assert book.route("a", "b") is Route.STREAM
    now += timedelta(minutes=11)
    assert book.standing("a", "b") is Route.STREAM
    assert book.route("a", "b") is Route.PULL
    book.pulled("a", "b")
    assert [book.route("a", "b") for _ in range(3)] == [Route.PULL] * 3
    told = [(event.route, event.reason) for event in book.events if not event.name]
    assert [route for route, _ in told] == [Route.STREAM, Route.PULL]
    assert "10 minutes" in told[0][1]


def test_each_type_of_blob_has_a_route_of_its_own() -> None:
    """Breaks when refused page blobs make the block blobs of the pair stream."""
    book = RouteBook()
    for _ in range(3):
        book.refused("a", "b", "disk", "no", blob_type=BlobType.PAGE)
    assert book.route("a", "b", BlobType.PAGE) is Route.STREAM and book.route("a", "b") is Route.PULL


def test_what_another_worker_learnt_is_taken_over_without_news() -> None:
    """Breaks when workers tell each other the same for ever."""
    book = RouteBook()
    book.heard("a", "b", Route.STREAM)
    assert book.knows("a", "b") and book.standing("a", "b") is Route.STREAM and not book.events
    book.heard("a", "b", Route.PULL)
    assert book.route("a", "b") is Route.PULL


def test_rules_from_settings() -> None:
    """Breaks when a setting is not carried over, or memory grows without bound with concurrency."""
    rules = CopyRules.from_settings(Copy(concurrency=1024, block_mib=16, proof="L3", exclude_blobs=("*.tmp",)))
    assert (rules.concurrency, rules.block, rules.proof) == (1024, 16 << 20, ProofLevel.L3)
    assert rules.memory <= 512 << 20 and rules.exclude_blobs == ("*.tmp",)
    terabytes = 190 * 10**12
    assert terabytes / rules.stream_block(terabytes) <= 50_000


def test_the_sample_is_the_seeds_and_about_its_share() -> None:
    """Breaks when the sample depends on anything but seed and name."""
    names = [f"n{i}" for i in range(2000)]
    taken = [name for name in names if chosen(name, 0.1, "s")]
    assert 130 < len(taken) < 270
    assert taken == [name for name in names if chosen(name, 0.1, "s")]
    assert taken != [name for name in names if chosen(name, 0.1, "t")]
    assert all(chosen(name, 1.0, "s") for name in names)


def test_what_an_account_cannot_hold_is_cut_and_named() -> None:
    """Breaks when a loss is not said."""
    blob = Account("a").write("c", "x", b"", tags={"t": "1"}, tier="Cool").item
    assert adapted(blob, Features()).lost == ()
    poor = adapted(blob, features_of("BlockBlobStorage", "Premium_LRS"))
    assert (dict(poor.item.tags), poor.item.tier, len(poor.lost)) == ({}, "", 2)
    log = Account("a").write("c", "x", b"", blob_type=BlobType.APPEND, tier="Cool").item
    assert adapted(log, features_of("StorageV2", "Standard_LRS")).item.tier == ""
    inferred = Account("a").write("c", "x", b"").item
    assert adapted(inferred, Features()).item.tier == ""
