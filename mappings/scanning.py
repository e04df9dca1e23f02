"""The tables of the scanners (names, endpoints, identities) as one value, made from texts that are handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mappings.endpoints import EndpointTable, parse_endpoints
from mappings.identity_table import IdentityTable, parse_identities
from mappings.nameguard import NameGuard, parse_names


@dataclass(frozen=True, slots=True)
class Scanners:
    names: NameGuard
    endpoints: EndpointTable
    identities: IdentityTable


def parse_scanners(texts: Mapping[str, str]) -> Scanners:
    """The scanners from `names.toml`, `endpoints.toml` and `identities.toml`.

    Raises:
        FixTheInput: wrong data in one of them.
        KeyError: one of them is not there.
    """
    return Scanners(
        names=parse_names(texts["names.toml"], origin="catalogue/tables/names.toml"),
        endpoints=parse_endpoints(texts["endpoints.toml"], origin="catalogue/tables/endpoints.toml"),
        identities=parse_identities(texts["identities.toml"], origin="catalogue/tables/identities.toml"),
    )
