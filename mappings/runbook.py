"""Cutover and rollback of each wave as steps, derived from its packages and data. The commands are govlift's own."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.estimate import cutover_of
from mappings.moves import Moves
from mappings.packages import Stage, Standing


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a wave."""

    wave: int
    phase: str
    """Before, Cutover, After or Rollback."""
    what: str
    done: str
    """How one knows that it is done."""
    owner: str
    """Role, not a person."""


def runbook_of(moves: Moves, wave: int) -> tuple[Step, ...]:
    """The steps of one wave, in order; the rollback last."""
    inside = moves.cutover_order(wave)
    sums = [moves.sums[package.name] for package in inside]
    size, objects = sum(one.bytes for one in sums), sum(one.objects for one in sums)
    stuck = [package.name for package in inside if package.standing in (Standing.BLOCKED, Standing.WAITS)]
    stage = inside[0].stage
    steps: list[tuple[str, str, str, str]] = []
    if stuck:
        steps.append(
            ("Before", f"Clear or leave out: {_few(stuck)}.", "Each is free or taken out in writing", "Project manager")
        )
    holds = bool(size or objects)
    steps += _before(moves, wave, stage, holds)
    steps += _cutover(moves, stage, size, objects, [package.name for package in inside])
    steps += _after(holds)
    steps += _rollback(stage, holds)
    return tuple(Step(wave, phase, what, done, owner) for phase, what, done, owner in steps)


def _before(moves: Moves, wave: int, stage: Stage, holds: bool) -> list[tuple[str, str, str, str]]:
    steps = [
        (
            "Before",
            "Name who decides on going on or back, and until when.",
            "Names and time are written",
            "Project manager",
        )
    ]
    made = {
        Stage.FOUNDATION: "Make networks, names, identities, vaults and registries in the target; grant roles.",
        Stage.DATA: "Make accounts and servers in the target with their network rules.",
        Stage.APPLICATIONS: "Deploy applications in the target with rewritten endpoints, switched off for users.",
    }
    steps.append(("Before", made[stage], "A test from inside the target network reaches each of them", "Engineer"))
    if holds:
        steps.append(("Before", "Copy: govlift migrate --apply, then govlift resync daily.", "Exit code 0", "Engineer"))
        steps.append(
            (
                "Before",
                "Lower the DNS time to live a day ahead.",
                "Resolvers answer with the low value",
                "Network owner",
            )
        )
    own = {package.name for package in moves.packages.wave(wave)}
    if any(cut.package in own for cut in moves.packages.cuts):
        steps.append(
            ("Before", "Provide a path to what comes later (see the cut needs).", "The path was tried", "Network owner")
        )
    return steps


def _cutover(moves: Moves, stage: Stage, size: int, objects: int, order: list[str]) -> list[tuple[str, str, str, str]]:
    steps = [
        ("Cutover", f"Take the packages in this order: {_few(order)}.", "Each is reported done", "Project manager")
    ]
    if size or objects:
        cut = cutover_of(size, objects, moves.rates)
        hours = cut.downtime.p90 / 3600
        steps += [
            (
                "Cutover",
                f"Stop writing in the source: applications read-only or off (reckon with {hours:,.1f} hours at P90).",
                "No write arrives for ten minutes",
                "Application owner",
            ),
            ("Cutover", "Last delta: govlift resync --apply.", "Exit code 0, lag 0", "Engineer"),
            ("Cutover", "Prove it: govlift verify --level L2.", "Exit code 0; in equals out", "Engineer"),
        ]
    if stage is not Stage.FOUNDATION:
        steps += [
            ("Cutover", "Switch applications, names and connection strings.", "New names resolve", "Network owner"),
            ("Cutover", "Start in the target and try it.", "The owner signs", "Application owner"),
        ]
    return steps


def _after(holds: bool) -> list[tuple[str, str, str, str]]:
    steps = [("After", "Set backup, alerts and locks in the target.", "A first backup exists", "Engineer")]
    if holds:
        steps.append(
            ("After", "Keep the source read-only until the agreed day.", "The day is written", "Project manager")
        )
        steps.append(
            ("After", "Put report and evidence in the file: govlift evidence verify.", "Exit code 0", "Engineer")
        )
    return steps


def _rollback(stage: Stage, holds: bool) -> list[tuple[str, str, str, str]]:
    if stage is Stage.FOUNDATION:
        return [("Rollback", "Nothing was switched: leave the source as it is.", "Users notice nothing", "Engineer")]
    steps = [("Rollback", "Stop the applications in the target.", "No user reaches them", "Application owner")]
    if holds:
        what = "List what was written in the target since the switch; no copy back is made by itself."
        steps.append(("Rollback", what, "The owner has decided on each item", "Application owner"))
    steps += [
        ("Rollback", "Point names and connection strings at the source.", "Old names resolve", "Network owner"),
        ("Rollback", "Let the source write again.", "The owner signs", "Application owner"),
    ]
    return steps


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
