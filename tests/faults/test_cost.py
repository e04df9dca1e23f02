"""What a copy costs in requests, counted by the sandbox, with the real clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings

from mappings.objects import EvidenceRow
from mappings.states import Change, ProofLevel, Route
from tasks.copiers.routes import RouteBook
from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover
from tests.sandbox.tiny_estate import key_of

pytestmark = pytest.mark.sandbox
OBJECTS = 48


@dataclass
class Spent:
    """Requests of one run, by account and kind, listings and container requests taken away."""

    rows: dict[tuple[str, str], EvidenceRow]
    source_reads: int
    target_reads: int
    target_writes: int


def counted(box: RunningSandbox) -> tuple[dict[str, int], dict[str, int]]:
    seen = box.counters()
    return (
        dict(seen["commercial"]["blob"]["by_account"]["copysource"]),
        dict(seen["government"]["blob"]["by_account"]["copytarget"]),
    )


async def spent(box: RunningSandbox, mover: Mover, **rules: Any) -> Spent:
    """One run over `many`; a run that finds nothing to do is the price of looking, and is taken away."""
    here, there = counted(box)
    rows = await mover.run("many", **rules)
    left, right = counted(box)
    before = counted(box)
    await mover.run("many", **rules)
    after = counted(box)
    looking = [
        {key: new.get(key, 0) - old.get(key, 0) for key in ("read", "write")}
        for old, new in zip(before, after, strict=True)
    ]
    return Spent(
        rows,
        left["read"] - here["read"] - looking[0]["read"],
        right.get("read", 0) - there.get("read", 0) - looking[1]["read"],
        right["write"] - there.get("write", 0) - looking[1]["write"],
    )


@pytest.mark.parametrize(
    ("route", "proof", "source_reads"),
    [
        # A pull is served by the source as one read.
        (Route.PULL, ProofLevel.L1, 1),
        (Route.PULL, ProofLevel.L2, 2),
        (Route.STREAM, ProofLevel.L2, 1),
        (Route.STREAM, ProofLevel.L3, 1),
    ],
)
async def test_an_ordinary_object_costs_what_the_guarantees_say(
    copies: RunningSandbox, mover: Mover, route: Route, proof: ProofLevel, source_reads: int
) -> None:
    """Breaks when a HEAD, a second read or a second write comes in for each object."""
    await mover.run("empty")  # Signs in, and asks what the account can do.
    mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
    cost = await spent(copies, mover, proof=proof)
    assert all((row.proof or 0) >= proof and row.target_crc64 for row in cost.rows.values())
    assert cost.source_reads <= OBJECTS * source_reads + 2
    assert abs(cost.target_writes - OBJECTS) <= 1 and cost.target_reads <= 2
    await mover.assert_equal("many")
    # An inferred tier is the account's default and is not sent.
    assert all([one.tier_inferred async for one in mover.target.objects("many")])


@pytest.mark.parametrize(
    ("change", "source_reads"),
    [(Change.TAGS, 0), (Change.TIER, 0), (Change.METADATA, 1), (Change.PROPERTIES, 1)],
)
async def test_what_changes_beside_the_content_costs_one_write_and_moves_no_content(
    copies: RunningSandbox, mover: Mover, change: Change, source_reads: int
) -> None:
    """Breaks when a change of tags, tier, metadata or headers carries content along, or is not seen."""
    await mover.run("many")
    url = "https://copysource.blob.core.windows.net"
    with BlobServiceClient(url, key_of("copysource"), **copies.client_options) as service:
        blob = service.get_blob_client("many", "n/0007")
        kept = blob.get_blob_properties()
        match change:
            case Change.TAGS:
                blob.set_blob_tags({"team": "permits"})
            case Change.TIER:
                blob.set_standard_blob_tier("Cool")
            case Change.METADATA:
                blob.set_blob_metadata({"team": "permits"})
            case _:
                kept.content_settings.cache_control = "no-store"
                blob.set_http_headers(kept.content_settings)
        try:
            cost = await spent(copies, mover)
            row = cost.rows[("n/0007", "")]
            assert (row.change, row.route) == (change, None)
            assert (cost.target_writes, cost.source_reads) == (1, source_reads)
            await mover.assert_equal("many")
        finally:
            blob.upload_blob(blob.download_blob().readall(), overwrite=True, content_settings=ContentSettings())
