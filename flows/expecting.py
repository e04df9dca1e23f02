"""Gathers from the ledger what the expectation of a plan rests on; no network."""

from __future__ import annotations

from flows.wiring import Bench
from mappings.estimate import rates_of
from mappings.expected import Expected, expected_of
from mappings.plan import Plan
from mappings.requests import Sizes
from mappings.route_estimate import Learnt
from mappings.states import Route
from tasks.copiers.rules import PAGE_WRITE, READ, CopyRules


def expectation(bench: Bench, plan: Plan) -> Expected:
    """What carrying out `plan` is expected to take, by the newest assessment and the runs so far."""
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
    )


def learnt_routes(bench: Bench) -> dict[tuple[str, str], Learnt]:
    """(source, target) account -> what the newest probe or run found of the pair."""
    found: dict[tuple[str, str], Learnt] = {}
    for event in bench.ledger.reader.events("routes.learnt"):
        for one in event.detail["events"]:
            if not one["name"]:
                found[one["source"], one["target"]] = Learnt(Route(one["route"]), one["reason"])
    return found
