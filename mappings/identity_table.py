"""The table of identities: where resources name principals, and application ids of Microsoft that differ by cloud."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mappings.errors import FixTheInput


@dataclass(frozen=True, slots=True)
class Place:
    """Where resources of one type name a principal."""

    type: str
    path: tuple[str, ...]
    use: str
    id: str
    """"object", "application", "tenant" or "name"."""
    name: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppPair:
    name: str
    commercial: str
    government: str
    source: str


@dataclass(frozen=True, slots=True)
class IdentityTable:
    places: Mapping[str, tuple[Place, ...]]
    """Type in lower case -> its places."""
    apps: Mapping[str, AppPair]
    """Commercial application id -> its pair."""
    application_keys: frozenset[str]
    tenant_keys: frozenset[str]
    roles: Mapping[str, str]


def parse_identities(text: str, *, origin: str) -> IdentityTable:
    """Read the table.

    Args:
        text: TOML.
        origin: its file, for messages.

    Raises:
        FixTheInput: not TOML, a key missing, or a source that the file does not have.
    """
    try:
        data = tomllib.loads(text)
        places: dict[str, tuple[Place, ...]] = {}
        for one in data["principals"]:
            name = tuple(one["name"].split(".")) if "name" in one else ()
            place = Place(one["type"], tuple(one["path"].split(".")), one["use"], one["id"], name)
            places[place.type] = (*places.get(place.type, ()), place)
        apps = {
            one["commercial"]: AppPair(
                one["name"], one["commercial"], one["government"], _shown(data["source"][one["source"]])
            )
            for one in data["first_party"]
        }
        return IdentityTable(
            places,
            apps,
            frozenset(data["application_keys"]),
            frozenset(data["tenant_keys"]),
            data["builtin_roles"],
        )
    except tomllib.TOMLDecodeError as wrong:
        raise FixTheInput(f"{origin} is not valid TOML: {wrong}.", next_step="Correct that line.") from None
    except KeyError as wrong:
        raise FixTheInput(f"{origin}: {wrong} is missing.", next_step="Add it, or correct its spelling.") from None


def _shown(source: Mapping[str, Any]) -> str:
    dated = f", {source['dated']}" if "dated" in source else ""
    return f"{source['title']} ({source['where']}{dated})"
