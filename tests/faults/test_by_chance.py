"""Requests go wrong by chance, in every way at once, on both routes: nothing is lost, nothing arrives damaged."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.states import Outcome, ProofLevel
from tasks.copiers.routes import RouteBook
from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover

BLOBS = 48
WAYS: dict[str, dict[str, Any]] = {
    "busy": {"status": 503, "code": "ServerBusy"},
    "broken before the work": {"reset": "before"},
    "answer lost": {"reset": "after"},
    "body cut short": {"truncate": 100},
    "bit flipped": {"corrupt": True},
}
"""The service's faults, the network's, and those of the bytes."""
SHARE = 0.03
"""Of all requests. One in a hundred has to be borne; three show more in a short test."""


def faults(runs: int) -> list[dict[str, Any]]:
    """All ways at once, on every request of both accounts; together `SHARE`, drawn anew for each run."""
    rules = []
    for seed, (way, rule) in enumerate(WAYS.items()):
        # Only content is cut short or damaged: XML that is damaged in one bit may still be XML, as on any wire.
        match = (
            r"blob GET /copysource/many/n" if way in ("body cut short", "bit flipped") else r"blob \w+ /copy\w+/many"
        )
        rules.append({"match": match, "probability": SHARE / len(WAYS), "seed": 97 * runs + seed, **rule})
    return rules


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("route", ["pull", "stream"])
async def test_with_faults_of_every_kind_nothing_is_lost(copies: RunningSandbox, mover: Mover, route: str) -> None:
    """Breaks when a fault fails an object, doubles one, or lets damaged bytes through, in any of several runs."""
    mover.routes = RouteBook(route)  # type: ignore[arg-type]
    struck = 0
    for run in range(2):
        # Without a manifest the engine looks at every object, whatever stands at the target.
        mover.manifest.clear()
        copies.break_with(*faults(run))
        rows = await mover.run("many", overwrite_unknown=True)
        struck += sum(rule["struck"] for rule in copies.ask("GET", "/faults"))
        copies.ask("DELETE", "/faults")
        assert len(rows) == BLOBS == mover.tally.listed
        wrong = {name: row.reason for (name, _), row in rows.items() if row.outcome is Outcome.FAILED}
        assert not wrong
        assert all((row.proof or 0) >= ProofLevel.L2 for row in rows.values() if row.outcome is Outcome.COPIED)
        await mover.assert_equal("many")
    assert struck >= 3, "enough went wrong to show something"
