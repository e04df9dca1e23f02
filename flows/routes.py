"""What the workers of a run have recorded about routes; from the ledger alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from mappings.route_changes import EVENT, RouteChange, changes_in, fall_backs, fall_backs_to_json, learnt_in

if TYPE_CHECKING:
    from tasks.ledger.reader import LedgerReader


def route_changes(reader: LedgerReader, runs: Collection[str]) -> list[RouteChange]:
    """What changed its route in these runs, in the order of time."""
    return changes_in(one for event in reader.events(EVENT) for one in learnt_in(event.detail) if one.run in runs)


def fell_back(reader: LedgerReader, run_id: str) -> list[dict[str, Any]]:
    """The same of one run, by pair and reason, for `--json` and the terminal."""
    return fall_backs_to_json(fall_backs(route_changes(reader, {run_id})))


def routes_told(reader: LedgerReader, run_id: str) -> list[str]:
    """All that the workers of a run learnt about routes, a line each."""
    found = [event.detail for event in reader.events(EVENT) if event.detail["run"] == run_id]
    return [
        f"{e['source']} -> {e['target']}: {e['route']} {e['name']}: {e['reason']}"
        for detail in found
        for e in detail["events"]
    ]
