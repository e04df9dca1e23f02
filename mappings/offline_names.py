"""ARM types by the name that the Azure portal shows: from the type facts, and from a table of further names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mappings.typefacts import TypeFacts


@dataclass(frozen=True, slots=True)
class NamedType:
    type: str


@dataclass(frozen=True, slots=True)
class PortalNames:
    """Finds types by portal name. A name of several types gives them all, so that none is taken by chance."""

    facts: TypeFacts
    further: Mapping[str, str]
    """Name in lower case -> type, for names that the facts do not have."""

    def by_portal_name(self, name: str) -> Sequence[NamedType]:
        """Every type that the portal calls `name`, in any case: none, one or several."""
        known = tuple(NamedType(fact.type) for fact in self.facts.by_portal_name(name))
        other = self.further.get(" ".join(name.split()).casefold())
        if other is None or known:
            return known
        return (NamedType(other),)


def parse_portal_names(text: str, facts: TypeFacts) -> PortalNames:
    """The names of `catalogue/tables/portal_names.toml` on top of `facts`.

    Raises:
        ValueError: the text is not TOML.
        KeyError: it has no table of names.
    """
    return PortalNames(facts, {name.casefold(): kind for name, kind in tomllib.loads(text)["names"].items()})
