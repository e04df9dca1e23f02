"""When a wave may begin and when it is done, from what is known of its packages."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.moves import Moves
from mappings.packages import Standing


@dataclass(frozen=True, slots=True)
class Criterion:
    """One condition of a wave."""

    entry: bool
    """True for the beginning, False for the end."""
    sentence: str
    now: str
    """How it stands, in a few words."""
    met: bool | None
    """None where only the work itself can tell."""


def criteria_of(moves: Moves, wave: int) -> tuple[Criterion, ...]:
    """The conditions of one wave."""
    inside = moves.packages.wave(wave)
    blocked = sum(len(package.blocked) for package in inside)
    unknown = sum(len(package.unknown) for package in inside)
    waiting = sum(package.standing is Standing.WAITS for package in inside)
    unsized = sum(moves.sums[package.name].unknown for package in inside)
    needed = sorted({needed for package in inside for needed in package.needs})
    found = [
        _count("Every resource of the wave is free to move.", blocked, "blocked"),
        _count("Every resource of the wave has a verdict.", unknown, "unknown"),
        _count("No package waits for a blocked resource elsewhere.", waiting, "waiting"),
        _count("The size of all data is known.", unsized, "of unknown size"),
    ]
    if needed:
        names = ", ".join(needed[:4]) + (f" and {len(needed) - 4} more" if len(needed) > 4 else "")
        found.insert(0, Criterion(True, f"Cut over and signed: {names}.", f"{len(needed)} before it", None))
    else:
        found.insert(0, Criterion(True, "It needs no package before it.", "met", True))
    own = {package.name for package in inside}
    circles = sum(cut.package in own or cut.needs in own for cut in moves.packages.cuts)
    size = sum(moves.sums[package.name].objects for package in inside)
    found += [
        Criterion(
            False, "In equals out for every object, at the proof level of the settings.", f"{size:,} known", None
        ),
        Criterion(
            False, "Each owner has tried the application in the target and signs.", f"{len(inside)} owners", None
        ),
    ]
    if circles:
        found.append(Criterion(False, "References that run in a circle are set again.", f"{circles} to set", None))
    return tuple(found)


def _count(sentence: str, number: int, word: str) -> Criterion:
    return Criterion(True, sentence, f"{number:,} {word}" if number else "met", not number)
