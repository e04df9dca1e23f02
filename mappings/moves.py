"""The move of an estate, decided once for all sections: dependencies, packages, volumes, copy time, losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mappings.dependencies import Dependencies, find_dependencies
from mappings.estimate import NO_TIME, Rates, Span, rates_of, together
from mappings.losses import Loss, losses_of
from mappings.model import Assessment, Inventory
from mappings.movetables import MoveTables
from mappings.packages import Package, Packages, make_packages
from mappings.runs import RunRecord
from mappings.settings import Pace
from mappings.volumes import Figure, Sum, added, figures_of


@dataclass(frozen=True, slots=True)
class WaveTime:
    """One wave on the calendar: waves follow each other, the packages of a wave share the line."""

    number: int
    starts: Span
    """Work before it: P50 and P90, seconds."""
    copy: Span
    longest: str
    """The package whose copy takes longest; "" where none holds data."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Everything that is decided about the move."""

    found: Dependencies
    packages: Packages
    figures: tuple[Figure, ...]
    sums: dict[str, Sum]
    """Package -> its data."""
    rates: Rates
    spans: dict[str, Span]
    """Package -> its copy time, were it copied alone."""
    waves: tuple[WaveTime, ...]
    losses: tuple[Loss, ...]

    @property
    def whole(self) -> Sum:
        return added(self.figures)

    @property
    def copy(self) -> Span:
        """Copy time of the whole estate, wave after wave."""
        return sum((wave.copy for wave in self.waves), NO_TIME)

    def cutover_order(self, wave: int) -> tuple[Package, ...]:
        """The packages of one wave: what others of the wave need first, of the rest the longest copy first."""
        return tuple(
            sorted(self.packages.wave(wave), key=lambda package: (-self.spans[package.name].p50, package.name))
        )


def decide_moves(
    assessment: Assessment,
    tables: MoveTables,
    *,
    pace: Pace | None = None,
    runs: Sequence[RunRecord] = (),
    outlines: Inventory | None = None,
) -> Moves:
    """Decide how an assessed estate moves.

    Args:
        pace: what the estimate assumes; None takes the defaults, as offline.
        runs: earlier runs of this migration; large ones calibrate the estimate.
        outlines: the same inventory without properties, where it is at hand: quicker than one that lies on disk.
    """
    inventory = assessment.inventory
    found = find_dependencies(inventory, tables.coupling)
    packages = make_packages(outlines or inventory, assessment.verdicts, found, tables.coupling)
    figures = figures_of(inventory, tables)
    grouped: defaultdict[str, list[Figure]] = defaultdict(list)
    for figure in figures:
        grouped[packages.package_of[figure.position]].append(figure)
    sums = {package.name: added(grouped[package.name]) for package in packages.packages}
    rates = rates_of(pace or Pace(), runs)
    spans = {name: together([(total.bytes, total.objects)], rates) for name, total in sums.items()}
    return Moves(
        found=found,
        packages=packages,
        figures=figures,
        sums=sums,
        rates=rates,
        spans=spans,
        waves=_waves(packages, sums, spans, rates),
        losses=losses_of([unit.type for unit in packages.units], tables.losses),
    )


def _waves(packages: Packages, sums: dict[str, Sum], spans: dict[str, Span], rates: Rates) -> tuple[WaveTime, ...]:
    starts, out = NO_TIME, []
    for number in packages.waves:
        inside = packages.wave(number)
        copy = together([(sums[one.name].bytes, sums[one.name].objects) for one in inside], rates)
        longest = max(inside, key=lambda one: (spans[one.name].p90, one.name))
        out.append(WaveTime(number, starts, copy, longest.name if spans[longest.name].p90 else ""))
        starts = starts + copy
    return tuple(out)
