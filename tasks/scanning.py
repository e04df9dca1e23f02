"""Loads the tables of the scanners that ship with govlift."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mappings.nameguard import NameGuard
from mappings.scanning import Scanners, parse_scanners
from mappings.settings import Settings


@cache
def load_scanners() -> Scanners:
    """Words and shapes of the name guard, pairs of endpoints, identities that differ between the clouds."""
    folder = files("mappings") / "catalogue" / "tables"
    return parse_scanners({one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".toml")})


def name_guard(settings: Settings) -> NameGuard:
    """The name guard of one migration: with the customer's own words, and what the customer allows."""
    return load_scanners().names.with_settings(settings.assess.name_words, settings.assess.name_allow)
