"""The risk register: what may go wrong, how likely and how bad, from what the assessment found. Nothing is invented:
a risk is in the register only where its evidence is in the estate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from mappings.estimate import cutover_of
from mappings.model import Assessment
from mappings.moves import Moves
from mappings.packages import Standing
from mappings.report_words import are, counted

SOON_DAYS = 365
"""A retirement nearer than this may come before the migration is over."""
HUB = 10
"""A resource that so many others need is a single point."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One row of the register."""

    id: str
    risk: str
    likelihood: int
    """1 (rare) to 5 (nearly certain)."""
    impact: int
    """1 (small) to 5 (the migration fails or stops)."""
    evidence: str
    mitigation: str
    section: str
    """Id of the section of the report that shows the evidence."""

    @property
    def score(self) -> int:
        return self.likelihood * self.impact


def risks_of_moves(assessment: Assessment, moves: Moves, *, today: date, open_gates: int | None) -> tuple[Risk, ...]:
    """The register, the highest score first.

    Args:
        open_gates: gates of the CSP program that hinder the work; None where nobody judged them.
    """
    found = [
        *_of_verdicts(assessment),
        *_of_program(open_gates),
        *_of_retirements(assessment, today),
        *_of_order(moves),
        *_of_data(moves),
        *_of_losses(moves),
    ]
    return tuple(sorted(found, key=lambda risk: (-risk.score, risk.id)))


def _of_verdicts(assessment: Assessment) -> Iterator[Risk]:
    counts, whole = assessment.by_verdict(), max(1, len(assessment.verdicts))
    if blocked := counts["blocked"]:
        yield Risk(
            "blocked-resources",
            "Blocked resources hold up the packages that use them.",
            5,
            4,
            f"{counted(blocked, 'resource')} {are(blocked)} blocked.",
            "Decide on each blocker with its owner before the wave is planned; the remedy stands with the blocker.",
            "blockers",
        )
    if unknown := counts["unknown"]:
        yield Risk(
            "unknown-resources",
            "A service turns out not to be offered after work on its package has begun.",
            4 if unknown * 10 > whole else 3,
            4,
            f"{counted(unknown, 'resource')} without an answer.",
            "Ask for each type as its row says, and take the live answer of the target subscription.",
            "unknowns",
        )
    if gaps := len(assessment.inventory.gaps):
        yield Risk(
            "unseen-resources",
            "Something that nobody listed is needed by what moves.",
            3,
            4,
            f"{counted(gaps, 'place')} could not be listed.",
            "Have the missing roles granted and take the inventory again before the first cutover.",
            "gaps",
        )


def _of_program(open_gates: int | None) -> Iterator[Risk]:
    if open_gates is None or open_gates:
        what = "Nobody has judged the gates yet."
        if open_gates is not None:
            what = f"{counted(open_gates, 'gate')} {are(open_gates)} neither green nor overridden."
        yield Risk(
            "program-gates",
            "The CSP program stops the next phase of the work.",
            4,
            5,
            what,
            "Bring each gate to green with owner, date and evidence, beginning with eligibility and the agreement.",
            "program",
        )


def _of_retirements(assessment: Assessment, today: date) -> Iterator[Risk]:
    days = {rule.id: rule.retires for rule in assessment.rules if rule.retires is not None}
    near: set[str] = set()
    first = date.max
    for verdict in assessment.verdicts:
        for rule in (verdict.rule, *(finding.rule for finding in verdict.findings)):
            day = days.get(rule)
            if day is not None and (day - today).days <= SOON_DAYS:
                near.add(verdict.resource_id)
                first = min(first, day)
    if near:
        what = "have retired or retire soon" if first <= today else "retire soon"
        yield Risk(
            "retirements",
            "A service is switched off before its package has moved.",
            5 if first <= today else 4,
            4,
            f"{len(near):,} resources are of services that {what}; the first on {first.isoformat()}.",
            "Move or replace these packages first, or replace the service in the source.",
            "findings",
        )


def _of_order(moves: Moves) -> Iterator[Risk]:
    waiting = sum(package.standing is Standing.WAITS for package in moves.packages.packages)
    if waiting:
        yield Risk(
            "waiting-packages",
            "Packages cannot be cut over because something that they use is blocked elsewhere.",
            4,
            3,
            f"{waiting:,} packages wait for blocked resources of others.",
            "Clear those blockers first; they free more than their own package.",
            "packages",
        )
    if moves.packages.cuts:
        yield Risk(
            "circles",
            "Applications that need each other are in two clouds for a time.",
            3,
            3,
            f"{len(moves.packages.cuts):,} needs run in a circle and are not kept by the order.",
            "Move the packages of a circle on one night, or provide a connection between the clouds for that time.",
            "packages",
        )
    if moves.found.dangling:
        outside = len({one.target_id for one in moves.found.dangling})
        yield Risk(
            "references-outside",
            "Something outside the inventory is needed and is not there after the cutover.",
            3,
            3,
            f"{outside:,} resources outside the inventory are named.",
            "Add the missing subscriptions to the scope, or decide for each whether it is still used.",
            "packages",
        )
    needed: dict[int, int] = {}
    for edge in moves.found.edges:
        if edge.kind != "contains":
            needed[edge.target] = needed.get(edge.target, 0) + 1
    hubs = sorted((n for n, users in needed.items() if users >= HUB), key=lambda n: (-needed[n], n))
    if hubs:
        first = moves.packages.units[hubs[0]]
        yield Risk(
            "single-points",
            "One shared resource that is late or wrong holds up all that use it.",
            2,
            4,
            f"{len(hubs):,} resources are used by {HUB} or more; {first.short} by {needed[hubs[0]]:,}.",
            "Make these first, try them with one package, and keep them unchanged during the waves.",
            "packages",
        )


def _of_data(moves: Moves) -> Iterator[Risk]:
    whole = moves.whole
    if whole.unknown:
        yield Risk(
            "unknown-volume",
            "The copy takes longer than planned because data was not counted.",
            3,
            3,
            f"{whole.unknown:,} data resources are of unknown size.",
            "Measure them: give the identity the role Monitoring Reader, or ask their owners.",
            "copy-time",
        )
    slow = []
    for wave in moves.packages.waves:
        sums = [moves.sums[package.name] for package in moves.packages.wave(wave)]
        cut = cutover_of(sum(one.bytes for one in sums), sum(one.objects for one in sums), moves.rates)
        if not cut.catches_up:
            slow.append(str(wave))
    if slow:
        yield Risk(
            "delta-falls-behind",
            "The re-sync never catches up, so there is no cutover within a window.",
            4,
            5,
            f"In wave {', '.join(slow)} a day's changes take longer than a day's window.",
            "Widen the window or the line, split the wave, or use the change feed.",
            "copy-time",
        )
    if moves.rates.bandwidth_from.startswith("assumed") and whole.bytes:
        yield Risk(
            "unmeasured-pace",
            "The dates rest on an assumed bandwidth.",
            3,
            2,
            "No run of this migration was large enough to measure the pace.",
            "Copy one large account early and take the estimate again.",
            "copy-time",
        )


def _of_losses(moves: Moves) -> Iterator[Risk]:
    lost = [loss for loss in moves.losses if loss.entry.way == "lost" and loss.members]
    if lost:
        number = sum(len(loss.members) for loss in lost)
        yield Risk(
            "losses-not-accepted",
            "Somebody misses after the move what could not be moved.",
            3,
            4,
            f"{number:,} resources are of services of which nothing moves: {lost[0].entry.service} and others."
            if len(lost) > 1
            else f"{number:,} resources of {lost[0].entry.service}: nothing of them moves.",
            "Have each row of the losses accepted in writing, and keep the source until the retention ends.",
            "losses",
        )
