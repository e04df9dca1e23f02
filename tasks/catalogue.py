"""Loads the catalogue that ships with govlift; the mappings themselves read no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from mappings.errors import FixTheInput
from mappings.retirements import Retirement, check_retirements, parse_retirements
from mappings.rulebook import Rulebook
from mappings.settings import Settings
from mappings.typefacts import TypeFacts, parse_type_facts


def load_catalogue(overlay: Mapping[str, str] | None = None) -> Rulebook:
    """The catalogue of this release.

    Args:
        overlay: further rule files of the customer, name -> TOML text; their rules add to the catalogue or override
            its rules by name.

    Raises:
        FixTheInput: wrong data in a rule file, with file and line.
    """
    return Rulebook.parse({**catalogue_texts(), **(overlay or {})})


RULE_FILES = (
    "ai", "analytics", "classic", "compute", "data", "identity", "integration", "iot", "management", "network",
    "references", "saas", "security", "sources", "storage", "web",
)  # fmt: skip
"""Rule files in `mappings/catalogue`; other tables lie beside them."""


def catalogue_texts() -> dict[str, str]:
    """File name -> TOML text of the shipped rule files."""
    folder = files("mappings") / "catalogue"
    texts = {}
    for name in RULE_FILES:
        if (file := folder / f"{name}.toml").is_file():
            texts[f"catalogue/{name}.toml"] = file.read_text("utf-8")
    return texts


@cache
def load_type_facts() -> TypeFacts:
    """What is known of each ARM resource type: names, service, data, status."""
    table = files("mappings") / "catalogue" / "types.csv"
    return parse_type_facts(table.read_text("utf-8"), name="catalogue/types.csv")


def load_retirements() -> tuple[Retirement, ...]:
    """Every announced retirement that the catalogue knows of."""
    table = files("mappings") / "catalogue" / "retirements.csv"
    return parse_retirements(table.read_text("utf-8"), name="catalogue/retirements.csv")


def check_retirement_table(book: Rulebook) -> list[str]:
    """Where the table of retirements and the rules contradict each other."""
    return check_retirements(load_retirements(), book)


def overlays_of(settings: Settings, folder: Path) -> list[Path]:
    """The rule files that `[assess] overlays` names, beside migration.toml in `folder`."""
    return [folder / name for name in settings.assess.overlays]


def read_overlays(paths: Iterable[Path]) -> dict[str, str]:
    """The rule files of a customer, name -> TOML text, for `load_catalogue`.

    Raises:
        FixTheInput: a file cannot be read.
    """
    texts = {}
    for path in paths:
        try:
            texts[str(path)] = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as wrong:
            why = wrong.strerror if isinstance(wrong, OSError) else "it is not UTF-8 text"
            raise FixTheInput(
                f"The rule file {path} cannot be read: {why}.",
                next_step="Correct its name under [assess] overlays, or give the file that is meant.",
            ) from None
    return texts
