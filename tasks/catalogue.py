"""Loads the catalogue that ships with govlift; the mappings themselves read no files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from mappings.rulebook import Rulebook


def load_catalogue(overlay: Mapping[str, str] | None = None) -> Rulebook:
    """The catalogue of this release.

    Args:
        overlay: further rule files of the customer, name -> TOML text; their rules add to the catalogue or override
            its rules by name.

    Raises:
        FixTheInput: wrong data in a rule file, with file and line.
    """
    return Rulebook.parse({**catalogue_texts(), **(overlay or {})})


def catalogue_texts() -> dict[str, str]:
    """File name -> TOML text of the shipped catalogue."""
    folder = files("mappings") / "catalogue"
    return {f"catalogue/{one.name}": one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".toml")}
