"""Loads the tables behind packages, volumes and losses, which ship with govlift; the mappings read no files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mappings.movetables import FILES, MoveTables, parse_move_tables
from tasks.catalogue import load_type_facts


@cache
def load_move_tables() -> MoveTables:
    """The tables of this release."""
    folder = files("mappings") / "catalogue" / "moves"
    facts = load_type_facts()
    holding = frozenset(fact.type.lower() for fact in facts if fact.data_bearing)
    return parse_move_tables({name: (folder / name).read_text("utf-8") for name in FILES}, holding)
