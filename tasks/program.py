"""Reads the CSP program rules that ship with govlift, and the program sheet of a migration; Prefect-free."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from mappings.errors import FixTheInput
from mappings.program import ProgramSheet, parse_program
from mappings.program_rules import ProgramRules, parse_program_rules

RULES_FILE = "csp/program.toml"


@cache
def load_program_rules() -> ProgramRules:
    """The gates and notices of this release."""
    return parse_program_rules((files("mappings") / "csp" / "program.toml").read_text("utf-8"), origin=RULES_FILE)


def read_program(path: Path) -> ProgramSheet | None:
    """The program sheet at `path`; None where there is no such file.

    Raises:
        FixTheInput: it cannot be read, or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not UTF-8 text"
        raise FixTheInput(
            f"The program sheet {path} cannot be read: {why}.", next_step="Correct the file and run again."
        ) from None
    return parse_program(text, origin=path.name, rules=load_program_rules())
