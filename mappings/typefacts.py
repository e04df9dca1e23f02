"""What is known of each ARM resource type, from the shipped table: names, family, data, Government and CSP status.

Rules decide; these facts describe. A rule may be more precise than the fact of its type (kind, SKU, property), never
kinder than it: a test holds the two against each other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from mappings.errors import FixTheInput
from mappings.states import Confidence


class GovStatus(StrEnum):
    """What the sources say of a type in Azure Government."""

    AVAILABLE = "available"
    AVAILABLE_WITH_DIFFERENCES = "available-with-differences"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class CspStatus(StrEnum):
    """What the sources say of a type in CSP for US Government."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """How close to the type itself its best source stands."""

    TYPE = "type"
    """The type is named in a built-in policy of Azure Government."""
    SERVICE = "service"
    """The service is named and is this one type."""
    PROVIDER = "provider"
    """The service of the resource provider is named; said of its types by inheritance."""
    PARENT = "parent"
    RETIRED = "retired"
    """Retired or legacy (classic) everywhere."""
    ABSENCE = "absence"
    """Inferred: listed for commercial Azure and not for Government."""
    NONE = "none"
    """No source says anything of it in Government."""

    @property
    def confidence(self) -> Confidence:
        """The highest confidence that a rule on this basis may claim."""
        if self in (Basis.TYPE, Basis.SERVICE, Basis.RETIRED):
            return Confidence.NAMED
        return Confidence.INHERITED if self in (Basis.PROVIDER, Basis.PARENT) else Confidence.INFERRED


@dataclass(frozen=True, slots=True)
class TypeFact:
    """One ARM resource type: one row of `catalogue/types.csv`."""

    type: str
    """In Microsoft's spelling; compare case-insensitively."""
    service: str
    portal_name: str
    """What the Azure portal calls one of them ("Storage account"); "" where no source says. Not unique."""
    family: str
    """Name of the rule file: "storage", "network", "classic", ..."""
    gov_status: GovStatus
    csp_status: CspStatus
    csp_basis: str
    """Why `csp_status`: ticked, iaas, arm-platform, arm-not-ticked, explicit, legacy, not-in-government,
    no-government-evidence."""
    basis: Basis
    gov_regions: tuple[str, ...]
    """Government regions that a source names; empty where none does, which says nothing about the others."""
    il5_scope_2023: bool
    """In the DoD Impact Level 5 audit scope of 2023."""
    data_bearing: bool
    """Holds customer data that must be copied, exported or knowingly left behind."""
    commercial_suffix: str
    gov_suffix: str
    replacement: str
    """ARM type (or words) that takes its place in Government; "" where none is known."""
    retirement: str
    """ISO date, year, or date with a remark in brackets; "" where none is known."""
    retirement_verified: bool
    """Whether `retirement` has a stored source; otherwise it is from general knowledge and to be verified."""
    differences: str
    """What differs in Government, as one or more sentences."""
    evidence: str
    """The marks found in the sources, e.g. "audit scope Feb 2026: Event Hubs=F456" (FedRAMP High, IL4, IL5, IL6)."""
    sources: tuple[str, ...]
    """Keys of `sources.toml`."""
    source_date: date
    """Date of the newest of the sources."""

    @property
    def retirement_date(self) -> date | None:
        """The day of retirement, where a whole date is known."""
        try:
            return date.fromisoformat(self.retirement[:10])
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """Every type fact, found by type or by the name that the portal shows."""

    _by_type: Mapping[str, TypeFact] = field(repr=False)
    _by_portal_name: Mapping[str, tuple[TypeFact, ...]] = field(repr=False)

    @classmethod
    def of(cls, facts: list[TypeFact]) -> TypeFacts:
        """Index `facts`."""
        named: dict[str, tuple[TypeFact, ...]] = {}
        for fact in facts:
            if fact.portal_name:
                name = fact.portal_name.casefold()
                named[name] = (*named.get(name, ()), fact)
        return cls({fact.type.lower(): fact for fact in facts}, named)

    def __iter__(self) -> Iterator[TypeFact]:
        return iter(self._by_type.values())

    def __len__(self) -> int:
        return len(self._by_type)

    def get(self, type_name: str) -> TypeFact | None:
        """The fact of exactly this type, in any case; None where the table does not have it."""
        return self._by_type.get(type_name.lower())

    def nearest(self, type_name: str) -> TypeFact | None:
        """The fact of the type, or of the nearest parent type that the table has."""
        name = type_name.lower()
        while name.count("/") >= 1:
            if name in self._by_type:
                return self._by_type[name]
            name = name.rpartition("/")[0]
        return None

    def by_portal_name(self, name: str) -> tuple[TypeFact, ...]:
        """Every type that the portal calls `name`, in any case: none, one, or several (names are ambiguous)."""
        return self._by_portal_name.get(" ".join(name.split()).casefold(), ())

    def data_bearing(self, type_name: str) -> bool:
        """Whether the type itself holds customer data; False for types that the table does not have."""
        fact = self.get(type_name)
        return fact is not None and fact.data_bearing

    def service(self, type_name: str) -> str:
        """The service that the type belongs to, by its nearest known parent; "" where the table has neither."""
        fact = self.nearest(type_name)
        return fact.service if fact else ""

    def like(self, type_name: str) -> str:
        """The known type that is spelt most alike, for "did you mean"; "" where none is close."""
        close = get_close_matches(type_name.lower(), self._by_type, n=1, cutoff=0.8)
        return self._by_type[close[0]].type if close else ""


def parse_type_facts(text: str, *, name: str = "types.csv") -> TypeFacts:
    """Read the table of type facts.

    Args:
        text: CSV with a header line.
        name: file name for messages.

    Raises:
        FixTheInput: a column or value is wrong, or a type is there twice; with file and line.
    """
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise _wrong(name, 1, f"the column {missing[0]} is missing")
    facts: list[TypeFact] = []
    seen: set[str] = set()
    for cells in rows:
        if len(cells) != len(header):
            raise _wrong(name, rows.line_num, f"the line has {len(cells)} cells, not {len(header)}")
        fact = _fact(dict(zip(header, cells, strict=True)), name, rows.line_num)
        if fact.type.lower() in seen:
            raise _wrong(name, rows.line_num, f'the type "{fact.type}" is there twice')
        seen.add(fact.type.lower())
        facts.append(fact)
    return TypeFacts.of(facts)


_COLUMNS = (
    "type", "service", "portal_name", "family", "gov_status", "csp_status", "csp_basis", "basis", "gov_regions",
    "il5_scope_2023", "data_bearing", "commercial_suffix", "gov_suffix", "replacement", "retirement",
    "retirement_basis", "differences", "evidence", "sources", "source_date",
)  # fmt: skip
_Word = TypeVar("_Word", bound=StrEnum)


def _fact(row: Mapping[str, str], name: str, line: int) -> TypeFact:
    def one_of(column: str, kind: type[_Word]) -> _Word:
        if row[column] not in list(kind):
            raise _wrong(name, line, f'{column} is "{row[column]}"; it must be one of {", ".join(kind)}')
        return kind(row[column])

    try:
        dated = date.fromisoformat(row["source_date"])
    except ValueError:
        raise _wrong(name, line, f'source_date is "{row["source_date"]}", not a date') from None
    return TypeFact(
        type=row["type"],
        service=row["service"],
        portal_name=row["portal_name"],
        family=row["family"],
        gov_status=one_of("gov_status", GovStatus),
        csp_status=one_of("csp_status", CspStatus),
        csp_basis=row["csp_basis"],
        basis=one_of("basis", Basis),
        gov_regions=_words(row["gov_regions"]),
        il5_scope_2023=row["il5_scope_2023"] == "yes",
        data_bearing=row["data_bearing"] == "yes",
        commercial_suffix=row["commercial_suffix"],
        gov_suffix=row["gov_suffix"],
        replacement=row["replacement"],
        retirement=row["retirement"],
        retirement_verified=row["retirement_basis"] == "listed",
        differences=row["differences"],
        evidence=row["evidence"],
        sources=_words(row["sources"]),
        source_date=dated,
    )


def _words(cell: str) -> tuple[str, ...]:
    return tuple(word for word in cell.split(";") if word)


def _wrong(name: str, line: int, what: str) -> FixTheInput:
    return FixTheInput(f"{name}, line {line}: {what}.", next_step="Correct the table and run again.")
