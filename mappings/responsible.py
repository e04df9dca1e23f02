"""Who has to act: the owner that a resource's own tags name, else the role whose decision it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mappings.states import VerdictKind

_KEYS = (
    "owner",
    "systemowner",
    "serviceowner",
    "applicationowner",
    "appowner",
    "businessowner",
    "productowner",
    "technicalowner",
    "dataowner",
    "ownername",
    "owneremail",
    "ownedby",
    "contact",
    "technicalcontact",
    "pointofcontact",
    "poc",
    "responsible",
    "team",
    "department",
)
"""Tag keys that name an owner, lower-case letters only, the most telling first."""

ROLES = {
    VerdictKind.BLOCKED: "Customer, system owner",
    VerdictKind.UNKNOWN: "Partner, migration lead",
    VerdictKind.REPLACE: "Customer, system owner",
    VerdictKind.READY_WITH_CHANGES: "Partner, migration lead",
    VerdictKind.READY: "Partner, migration lead",
}
"""Verdict -> the role that acts where no tag names anybody: decisions are the customer's, work the partner's."""

_NAMED = 2
"""Owners that are told by name; the rest are counted."""


def owner_by_tag(tags: Mapping[str, str]) -> str:
    """The owner that the tags of one resource name, "" where they name none."""
    if not tags:
        return ""
    plain = {"".join(c for c in key.lower() if "a" <= c <= "z"): value for key, value in tags.items()}
    return next((plain[key].strip() for key in _KEYS if plain.get(key, "").strip()), "")


def owners_told(tags: Iterable[Mapping[str, str]], kind: VerdictKind) -> str:
    """The owners of many resources in a few words, the one of most resources first; a role where none is named."""
    named = Counter(owner for each in tags if (owner := owner_by_tag(each)))
    if not named:
        return ROLES[kind]
    ordered = sorted(named, key=lambda name: (-named[name], name.lower()))
    told = ", ".join(ordered[:_NAMED])
    return f"{told} and {len(ordered) - _NAMED:,} more" if len(ordered) > _NAMED else told
