"""What each cloud of the sandbox offers: resource providers with regions and API versions, from `providers.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources as package_files

from sandbox.estates.model import ProviderSpec

US = (
    "East US",
    "East US 2",
    "Central US",
    "North Central US",
    "South Central US",
    "West Central US",
    "West US",
    "West US 2",
    "West US 3",
)
GOVERNMENT = ("USGov Virginia", "USGov Texas", "USGov Arizona")
DOD = ("USDoD East", "USDoD Central")
PLACES: Mapping[str, tuple[str, ...]] = {
    "us": US,
    "gov": GOVERNMENT,
    "dod": (*GOVERNMENT, *DOD),
    "va": ("USGov Virginia",),
    "va-az": ("USGov Virginia", "USGov Arizona"),
    "global": ("global",),
    "geography": ("United States",),
}
"""Words of `providers.toml` -> display names of regions; no word: not bound to a region."""

_Types = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


def normal(location: str) -> str:
    """A region's name from any spelling: `East US 2` -> `eastus2`."""
    return location.replace(" ", "").lower()


def _table() -> Mapping[str, Mapping[str, list[str]]]:
    text = package_files.files("sandbox.estates").joinpath("providers.toml").read_text("utf-8")
    return tomllib.loads(text)


def _offer(places: str, versions: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(name for word in places.split() for name in PLACES[word]), tuple(versions.split())


def _providers(column: int) -> tuple[ProviderSpec, ...]:
    found: list[ProviderSpec] = []
    for namespace, lines in _table().items():
        types: _Types = {
            name: _offer(*offers[column : column + 2])
            for names, offers in lines.items()
            if len(offers) > column
            for name in names.split()
        }
        if types:
            found.append(ProviderSpec(namespace, types))
    return tuple(found)


def commercial() -> tuple[ProviderSpec, ...]:
    """The providers of the commercial cloud."""
    return _providers(0)


def government() -> tuple[ProviderSpec, ...]:
    """The providers of the Government cloud: fewer, older, in fewer regions."""
    return _providers(2)


def with_types(providers: Iterable[ProviderSpec], wanted: Iterable[str]) -> tuple[ProviderSpec, ...]:
    """`providers` and an invented US-wide offer for each `Namespace/type` of `wanted` that they lack."""
    all_types = {one.namespace.lower(): (one.namespace, dict(one.types)) for one in providers}
    for full in wanted:
        namespace, _, name = full.partition("/")
        _, types = all_types.setdefault(namespace.lower(), (namespace, {}))
        if name.lower() not in {known.lower() for known in types}:
            types[name] = ((*US, "global"), ("2024-01-01", "2022-01-01"))
    return tuple(ProviderSpec(namespace, types) for namespace, types in all_types.values())
