"""`govlift program`: the CSP program sheet checked, and a partner's integration scanned; Prefect-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.console import command, hint, leave, say, say_json, say_table, start
from mappings.errors import ExitCode, FixTheInput
from mappings.program_rules import Phase

if TYPE_CHECKING:
    from mappings.partner_scan import Found

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


@program_app.command("scan-api")
@command
def program_scan_api(
    paths: Annotated[list[Path], typer.Argument(help="Code and HTTP logs of a partner: files and folders.")],
    json_: Json = False,
) -> None:
    """Find calls to Partner Center that do not exist for US Government, each with what takes its place."""
    from mappings.partner_scan import found_to_json, scan_texts
    from tasks.partner_files import load_partner_calls, read_files

    start()
    read = read_files(paths)
    if not read.texts:
        why = f" ({read.skipped[0].path}: {read.skipped[0].why})" if read.skipped else ""
        raise FixTheInput(f"No readable text file was named{why}.", next_step="Name source code or HTTP logs.")
    found = scan_texts(read.texts, load_partner_calls())
    unseen = [one for one in read.skipped if one.text]
    if json_:
        skipped = [{"path": one.path, "why": one.why, "may_hold_calls": one.text} for one in read.skipped]
        say_json({"files": len(read.texts), "findings": [found_to_json(one) for one in found], "skipped": skipped})
    else:
        _tell_findings(found, len(read.texts))
    for one in read.skipped:
        hint(f"not looked at: {one.path}: {one.why}")
    if found or unseen:
        hint("govlift: there are findings." if found else "govlift: not every file could be looked at.")
        hint("  next: replace each call as it says, and scan again." if found else "  next: name those files again.")
        leave(ExitCode.FINDINGS)


_MOST_PLACES = 20
"""Places of one kind of call that a person is shown; a log may have a million."""


def _tell_findings(found: Sequence[Found], files: int) -> None:
    for kind in dict.fromkeys(one.call.id for one in found):
        of_kind = [one for one in found if one.call.id == kind]
        call = of_kind[0].call
        say(call.title)
        for one in of_kind[:_MOST_PLACES]:
            say(f"  {one.place}: {one.text}" + ("" if one.sureness == "certain" else "   (likely)"))
        if len(of_kind) > _MOST_PLACES:
            say(f"  and {len(of_kind) - _MOST_PLACES:,} more places; --json lists them all")
        say(f"  why: {call.why}")
        say(f"  instead: {call.workaround}")
        say(f"  source: {call.source}; how the call is written: {call.shape}")
        say()
    say(f"{len(found):,} calls that do not exist for US Government, in {files} files.")
