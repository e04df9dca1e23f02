"""The adversary: sources that are overwritten all the time while they are copied. Nothing at the target is torn.

Some hundreds of overwrites a route by default; GOVLIFT_TORN_OVERWRITES=10000 for the long run of both routes.
"""

from __future__ import annotations

import os

import pytest
from azure.storage.blob import BlobServiceClient

from mappings.states import Outcome, ProofLevel
from tasks.copiers.routes import RouteBook
from tests.conftest import RunningSandbox
from tests.faults.adversary import BLOCK, SIZES, Adversary, contents
from tests.faults.conftest import Mover
from tests.sandbox.tiny_estate import key_of

OVERWRITES = int(os.environ.get("GOVLIFT_TORN_OVERWRITES", "400"))


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("route", ["pull", "stream"])
async def test_nothing_is_torn_whatever_the_writers_do(copies: RunningSandbox, mover: Mover, route: str) -> None:
    """Breaks when one request of one object's copy goes without the pin, on either route."""
    mover.routes = RouteBook(route)  # type: ignore[arg-type]
    container = f"torn-{route}"
    # At L1 nothing but the pin stands between a copy and the writers; at L2 the comparison would find it as well.
    blocks = {"proof": ProofLevel.L1, "block": BLOCK, "whole_pull": BLOCK, "pull_block": BLOCK, "pause": 0.0}
    with (
        BlobServiceClient(
            "https://copysource.blob.core.windows.net", key_of("copysource"), **copies.client_options
        ) as a,
        BlobServiceClient(
            "https://copytarget.blob.core.usgovcloudapi.net", key_of("copytarget"), **copies.client_options
        ) as b,
    ):
        writers = Adversary(a, container)
        writers.prepare()
        # Every other block comes late, so that a copy takes long enough for the writers to come in between.
        late = (
            rf"PUT /copytarget/{container}/.*comp=block&" if route == "pull" else rf"GET /copysource/{container}/blocks"
        )
        copies.break_with({"match": late, "delay": 0.2, "probability": 0.5})
        writers.begin(OVERWRITES // 2)
        checked = restarted = 0
        try:
            while writers.busy or checked < len(SIZES):
                rows = await mover.run(container, **blocks)
                restarted += sum(row.attempts > 1 for row in rows.values())
                # Read by the SDK and not by our clients; what they wrote is what stands there.
                arrived = contents(b, container)
                assert writers.torn(arrived) == []
                checked += len(arrived)
                copied = [row for row in rows.values() if row.outcome is Outcome.COPIED]
                assert all((row.proof or 0) >= ProofLevel.L1 for row in copied)
        finally:
            writers.end()
        rows = await mover.run(container, **blocks)
        assert {row.outcome for row in rows.values()} <= {Outcome.COPIED, Outcome.SAME}
        assert contents(b, container) == contents(a, container)
    assert writers.overwrites == OVERWRITES // 2 and checked >= len(SIZES)
    assert restarted > OVERWRITES // 100, "the writers came between the requests of a copy"
