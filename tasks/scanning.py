"""Loads the tables of the scanners that ship with govlift."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mappings.scanning import Scanners, parse_scanners


@cache
def load_scanners() -> Scanners:
    """Words and shapes of the name guard, pairs of endpoints, identities that differ between the clouds."""
    folder = files("mappings") / "catalogue" / "tables"
    return parse_scanners({one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".toml")})
