"""`govlift program`: the CSP program sheet checked, and a partner's integration scanned; Prefect-free."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.console import command, hint, leave, say, say_json, say_table, start
from mappings.errors import ExitCode, FixTheInput
from mappings.program_rules import Phase

program_app = typer.Typer(no_args_is_help=True, help="The CSP program: its gates, and a partner's own integration.")

Config = Annotated[Path, typer.Option("--config", "-c", help="migration.toml of the migration.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


@program_app.command("check")
@command
def program_check(
    config: Config = Path("migration.toml"),
    sheet: Annotated[Path | None, typer.Option(help="Another program sheet than that of migration.toml.")] = None,
    phase: Annotated[Phase, typer.Option(help="Only the gates that must be green in this phase.")] = (
        Phase.BEFORE_CUTOVER
    ),
    json_: Json = False,
) -> None:
    """Show every gate of the CSP program; exit 9 where one is not green."""
    from flows.program_gate import sheet_beside
    from flows.wiring import now
    from mappings.program_check import check_program, standing_to_json
    from tasks.program import load_program_rules, read_program

    start()
    path = sheet or sheet_beside(config)
    found = read_program(path)
    if found is None:
        raise FixTheInput(
            f"There is no program sheet {path}.",
            next_step="Make one with `govlift init --program-only`, or name one with --sheet.",
        )
    standing = check_program(found, load_program_rules(), today=now().date(), phase=phase)
    if json_:
        say_json(standing_to_json(standing))
    else:
        shown = [gate for gate in standing.gates if phase.asks(gate.rule.phase)]
        say_table(
            ("gate", "state", "owner", "date", "phase"),
            [(g.rule.id, g.state.value, g.entry.owner, g.entry.date or "", g.rule.phase.value) for g in shown],
        )
        say()
        for gate in (*standing.hindering, *standing.overridden):
            say(f"{gate.state.value}: {gate.sentence}")
        green = len(standing.asked) - len(standing.hindering)
        say(f"{green} of {len(standing.asked)} gates to be met {_spoken(phase)} are green or overridden.")
    if standing.hindering:
        hint(f"govlift: gates that must be green {_spoken(phase)} are not: {len(standing.hindering)}.")
        hint(f"  next: fill in {path.name} with owner, date and evidence for each, then check again.")
        leave(ExitCode.REFUSED)


def _spoken(phase: Phase) -> str:
    return phase.value.replace("-", " ")
