"""Gathers from the ledger what the expectation of a plan rests on; no network."""

from __future__ import annotations

from collections.abc import Mapping

from flows.reporting import STORAGE_TYPES
from flows.wiring import Bench
from mappings.estimate import rates_of
from mappings.expected import Expected, expected_of
from mappings.plan import Plan
from mappings.requests import Sizes
from mappings.route_changes import EVENT
from mappings.route_estimate import Learnt, no_sas_of
from mappings.states import Route
from tasks.copiers.rules import PAGE_WRITE, READ, CopyRules


def expectation(bench: Bench, plan: Plan, travels: Mapping[str, tuple[int, int]] | None = None) -> Expected:
    """What carrying out `plan` is expected to take, by the newest assessment and the runs so far.

    Args:
        travels: as in `expected_of`.
    """
    reader, settings = bench.ledger.reader, bench.settings
    rules = CopyRules.from_settings(settings.copy_)
    assessment = reader.assessment(stored=True)
    return expected_of(
        plan,
        settings.copy_,
        Sizes(rules.block, rules.whole_pull, rules.pull_block, READ, PAGE_WRITE),
        rates_of(settings.pace, reader.runs()),
        surveys=assessment.inventory.containers if assessment else (),
        learnt=learnt_routes(bench),
        travels=travels,
        no_sas=no_sas_of(reader.resources(STORAGE_TYPES), {one.account for one in settings.source.shared_keys}),
    )


def learnt_routes(bench: Bench) -> dict[tuple[str, str], Learnt]:
    """(source, target) account -> what the newest probe or run found of the pair."""
    found: dict[tuple[str, str], Learnt] = {}
    for event in bench.ledger.reader.events(EVENT):
        for one in event.detail["events"]:
            if not one["name"]:
                found[one["source"], one["target"]] = Learnt(Route(one["route"]), one["reason"])
    return found
