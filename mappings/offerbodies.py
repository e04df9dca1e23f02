"""ARM's own bodies of SKU and location lists as values of an offer.

Sources: REST reference "Resource Skus - List" (Microsoft.Compute 2021-07-01), "Skus - List" (Microsoft.Storage),
"Subscriptions - List Locations" (2022-12-01).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mappings.offer import Sku, SkuPlace, ZonesAt
from mappings.regions import normal

Body = Mapping[str, Any]


@dataclass(slots=True)
class _Region:
    """What the entries of one SKU say of one region. A disk type has one per size: one that can be had is enough."""

    zones: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    """Per entry, "" where it is not refused."""
    refused_zones: list[set[str]] = field(default_factory=list)


@dataclass(slots=True)
class _Gathered:
    name: str
    tier: str
    family: str
    kind: str
    cores: int
    memory_gb: float
    regions: dict[str, _Region] = field(default_factory=dict)


def skus_of(bodies: Iterable[Body]) -> tuple[Sku, ...]:
    """SKUs of a list, one per type, name and kind; the service gives an entry per region."""
    found: dict[tuple[str, str, str], _Gathered] = {}
    for body in bodies:
        of, name, kind = (str(body.get(key) or "") for key in ("resourceType", "name", "kind"))
        if not name:
            continue
        gathered = found.get((of.lower(), name.lower(), kind.lower()))
        if gathered is None:
            traits = {str(one.get("name")): str(one.get("value")) for one in body.get("capabilities") or ()}
            cores, memory = _number(traits.get("vCPUs")), _number(traits.get("MemoryGB"))
            family, tier = str(body.get("family") or ""), str(body.get("tier") or "")
            gathered = _Gathered(name, tier, family, kind, int(cores), memory)
            found[of.lower(), name.lower(), kind.lower()] = gathered
        _add(gathered.regions, body)
    return tuple(
        Sku(
            of=of,
            name=one.name,
            places=tuple(_place(region, said) for region, said in sorted(one.regions.items())),
            tier=one.tier,
            family=one.family,
            kind=one.kind,
            cores=one.cores,
            memory_gb=one.memory_gb,
        )
        for (of, _, _), one in sorted(found.items(), key=lambda item: item[0])
    )


def zones_of(bodies: Iterable[Body]) -> tuple[ZonesAt, ...]:
    """The logical zones of every region that the subscription lists; none for a region without zones."""
    return tuple(
        ZonesAt(
            normal(str(body.get("name") or "")),
            tuple(sorted(str(one["logicalZone"]) for one in body.get("availabilityZoneMappings") or ())),
        )
        for body in bodies
        if body.get("name")
    )


def _add(regions: dict[str, _Region], body: Body) -> None:
    zones = {normal(str(one.get("location"))): one.get("zones") or () for one in body.get("locationInfo") or ()}
    refused: dict[str, str] = {}
    refused_zones: dict[str, set[str]] = {}
    for restriction in body.get("restrictions") or ():
        info = restriction.get("restrictionInfo") or {}
        reason = str(restriction.get("reasonCode") or "restricted")
        by_zone = str(restriction.get("type") or "").lower() == "zone"
        for place in info.get("locations") or (() if by_zone else restriction.get("values")) or ():
            if by_zone:
                refused_zones.setdefault(normal(str(place)), set()).update(map(str, info.get("zones") or ()))
            else:
                refused[normal(str(place))] = reason
    for place in body.get("locations") or ():
        region = normal(str(place))
        said = regions.setdefault(region, _Region())
        said.zones.update(map(str, zones.get(region, ())))
        said.reasons.append(refused.get(region, ""))
        said.refused_zones.append(refused_zones.get(region, set()))


def _place(region: str, said: _Region) -> SkuPlace:
    return SkuPlace(
        region=region,
        zones=tuple(sorted(said.zones)),
        refused=said.reasons[0] if all(said.reasons) else "",
        refused_zones=tuple(sorted(set.intersection(*said.refused_zones))),
    )


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
