"""Resources of several files to one estate: every resource once, and a word where two files say different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mappings.model import Resource
from mappings.offline_reading import Reading
from mappings.regions import normal

_WORDS = ("location", "kind", "subscription_id", "resource_group")
_PARTS = ("sku", "plan", "properties", "tags", "identity", "zones")
_REMEDY = "Ask the customer which of the files is right, and export anew what is old."


def once(readings: Sequence[Reading]) -> list[Resource]:
    """Every resource of all files once, in the order in which they were first seen; the files keep what they gave.

    The first entry of a resource stands; what it leaves empty (`az resource list` has no properties) is taken from the
    next one that has it. Where both say something and it differs, a gap of the later file names it. Two types under
    one id are two resources.
    """
    places: dict[str, int] = {}
    found: list[Resource] = []
    origin: list[Reading] = []
    for reading in readings:
        kept: list[int] = []
        for resource in reading.resources:
            key = resource.id.lower()
            at = places.get(key)
            if at is None:
                places[key] = len(found)
            elif found[at].type.lower() == resource.type.lower():
                reading.duplicates += 1
                found[at] = _joined(found[at], resource, origin[at], reading)
                continue
            else:
                resource = _renamed(resource, found[at], len(found), origin[at], reading)
            kept.append(len(found))
            found.append(resource)
            origin.append(reading)
        reading.resources = [found[at] for at in kept]
    return found


def _joined(first: Resource, second: Resource, where: Reading, reading: Reading) -> Resource:
    if first == second:
        return first
    more = {}
    for name in (*_WORDS, *_PARTS):
        known, new = getattr(first, name), getattr(second, name)
        if new and not known:
            more[name] = new
        elif new and known != new and _differs(name, known, new):
            _tell(name, first, where, reading)
    return replace(first, **more) if more else first


def _differs(name: str, known: object, new: object) -> bool:
    if isinstance(known, str) and isinstance(new, str):
        same = normal(known) == normal(new) if name == "location" else known.lower() == new.lower()
        return not same
    if isinstance(known, dict) and isinstance(new, dict):
        # One export may say more than the other; only what both say can be in conflict.
        return any(known[key] != new[key] and new[key] is not None for key in known.keys() & new.keys())
    return True


def _tell(name: str, first: Resource, where: Reading, reading: Reading) -> None:
    word = name.replace("_", " ")
    other = "an earlier entry" if where is reading else where.file
    reading.alike(
        first.id,
        f"Which {word} is right; what {other} says stands.",
        f"the {word} of the same resource differs here",
        "Conflict",
        _REMEDY,
    )


def _renamed(resource: Resource, first: Resource, number: int, where: Reading, reading: Reading) -> Resource:
    reading.gap(
        first.id,
        "Which of two resources is right; both are in the inventory.",
        f"{where.file} gives this id to a {first.type}, and this file to a {resource.type}",
        "Conflict",
        _REMEDY,
    )
    return replace(resource, id=f"{resource.id}#{number}")
