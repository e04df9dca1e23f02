"""`govlift packages`: packages and waves of the newest assessment in the terminal; Prefect-free, no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.wiring import Bench
from mappings.errors import FixTheInput

if TYPE_CHECKING:
    from mappings.moves import Moves


def moves_of(config: Path) -> Moves:
    """How the estate of the newest assessment moves.

    Raises:
        FixTheInput: nothing has been assessed yet.
    """
    from mappings.moves import decide_moves
    from tasks.movetables import load_move_tables

    bench = Bench(config)
    reader = bench.ledger.reader
    assessment = reader.assessment()
    if assessment is None:
        raise FixTheInput(
            f"The ledger of {bench.settings.name} holds no assessment yet.", next_step="Run `govlift assess` first."
        )
    return decide_moves(assessment, load_move_tables(), pace=bench.settings.pace, runs=reader.runs())


def packages_to_json(moves: Moves) -> dict[str, Any]:
    """Waves, packages, cuts and every reference, for a program."""
    units = moves.packages.units
    return {
        "packages": [
            {
                "name": package.name,
                "wave": package.wave,
                "stage": package.stage.value,
                "standing": package.standing.value,
                "why": package.why,
                "needs": list(package.needs),
                "resources": [units[n].id for n in package.members],
                "blocked": [units[n].id for n in package.blocked],
                "waits_for": [units[n].id for n in package.waits_for],
                "bytes": moves.sums[package.name].bytes,
                "objects": moves.sums[package.name].objects,
                "unknown_sizes": moves.sums[package.name].unknown,
                "copy_seconds": {"p50": moves.spans[package.name].p50, "p90": moves.spans[package.name].p90},
            }
            for wave in moves.packages.waves
            for package in moves.cutover_order(wave)
        ],
        "cuts": [
            {"package": c.package, "needs": c.needs, "references": c.references, "example": c.example}
            for c in moves.packages.cuts
        ],
        "dependencies": [
            {"from": units[e.source].id, "to": units[e.target].id, "kind": e.kind.value, "via": e.via}
            for e in moves.found.edges
        ],
        "outside": [
            {"from": units[d.source].id, "to": d.target_id, "via": d.via, "hint": d.hint} for d in moves.found.dangling
        ],
    }
