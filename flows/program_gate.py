"""Asks the CSP program before a run writes to the target, and records the answer; Prefect-free."""

from __future__ import annotations

import tomllib
from pathlib import Path

from flows.wiring import Bench, now
from mappings.errors import AskForApproval, FixTheInput
from mappings.plan import Plan
from mappings.program_check import Admission, ProgramStanding, admit, check_program
from mappings.program_regions import require_segment, reserved_regions
from mappings.program_rules import Phase
from mappings.runs import RunKind
from tasks.program import load_program_rules, read_program

EVENT = "program.decided"
"""Kind of the event that holds an answer: phase, digest of the sheet, gates in the way, overrides."""

RUN_PHASE = Phase.BEFORE_WAVE
"""A run creates the target and copies the plan as one wave, so it asks the gates of both."""


def standing_of(bench: Bench, phase: Phase = Phase.BEFORE_CUTOVER) -> ProgramStanding:
    """Where the program of a migration stands today; every gate is open where there is no sheet.

    Raises:
        FixTheInput: the sheet is wrong.
    """
    sheet = read_program(bench.folder / bench.settings.assess.program)
    return check_program(sheet, load_program_rules(), today=now().date(), phase=phase)


def standing_without_sheet() -> ProgramStanding:
    """For an assessment without a migration folder: every gate is open."""
    return check_program(None, load_program_rules(), today=now().date())


def require_program(bench: Bench, kind: RunKind, *, record: bool = True) -> None:
    """Refuse a run that the program does not allow; the answer goes into the event chain.

    Args:
        bench: the migration.
        kind: `migrate` asks every gate up to the wave; `resync` goes on with what was admitted before.
        record: False records a refusal only, for a question that is asked again by the flow.

    Raises:
        AskForApproval: a gate is in the way.
        FixTheInput: the sheet is wrong.
    """
    answer = _ask(bench, kind)
    if record or not answer.allowed:
        bench.ledger.writer.record(EVENT, answer.detail, now=now())
    if not answer.allowed:
        first, *rest = answer.reasons
        more = f" ({len(rest)} more gates are in the way)" if rest else ""
        raise AskForApproval(f"The CSP program does not allow it yet. {first}{more}", next_step=answer.next_step)


def require_regions(bench: Bench, plan: Plan, purpose: str) -> None:
    """Refuse a plan into a region that is reserved for other customers; a refusal goes into the event chain.

    Args:
        purpose: `plan`, `migrate` or `resync`, for the record.

    Raises:
        AskForApproval: the customer of the program sheet may not use a region of the plan.
        FixTheInput: the sheet is wrong.
    """
    regions = reserved_regions(plan)
    if not regions:
        return
    name = bench.settings.assess.program
    sheet = read_program(bench.folder / name)
    segment = sheet.customer.segment if sheet else None
    try:
        require_segment(regions, segment, sheet_name=name)
    except AskForApproval:
        detail = {"purpose": purpose, "allowed": False, "regions": list(regions), "segment": segment or ""}
        bench.ledger.writer.record(EVENT, detail, now=now())
        raise


def _ask(bench: Bench, kind: RunKind) -> Admission:
    approved = kind is RunKind.RESYNC and any(
        event.detail.get("allowed") for event in bench.ledger.reader.events(EVENT)
    )
    return admit(
        standing_of(bench, RUN_PHASE),
        purpose=kind.value,
        approved=approved,
        sheet_name=bench.settings.assess.program,
    )


def sheet_beside(config: Path) -> Path:
    """Where the program sheet lies, by `[assess] program` of a migration.toml that may not be filled in yet.

    Raises:
        FixTheInput: migration.toml is not TOML.
    """
    name = "program.toml"
    if config.is_file():
        try:
            assess = tomllib.loads(config.read_text(encoding="utf-8-sig")).get("assess", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            raise FixTheInput(
                f"{config.name} is not valid TOML: {wrong}.", next_step="Correct that line and run again."
            ) from None
        name = assess.get("program", name) if isinstance(assess, dict) else name
    return config.resolve().parent / str(name)
