"""How much data there is: per resource the best figure that can be had, each with what it rests on.

Order of trust: what the survey listed, then what Azure Monitor measured, then what was provisioned (an upper bound),
then nothing. Unknown is never zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mappings.model import Gap, Inventory, Resource, Volume
from mappings.movetables import Metric, MoveTables, Provisioned

_STORAGE = frozenset({"microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts"})
_BLOB = "blob"


class Basis(StrEnum):
    """What a figure rests on, the best first."""

    LISTED = "listed"
    """Every object was listed and counted."""
    MEASURED = "measured"
    """A metric of Azure Monitor."""
    PROVISIONED = "provisioned"
    """A configured size: an upper bound of what is there."""
    ELSEWHERE = "counted-elsewhere"
    """Counted with other resources of the estate."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Figure:
    """The size of one part of one resource."""

    position: int
    """In `Inventory.resources`."""
    part: str
    """"blob", "file", "table" or "queue" of a storage account; "" for the whole."""
    bytes: int | None
    """None where nothing tells."""
    objects: int | None
    basis: Basis
    source: str
    """Where the figure comes from, for a reader."""

    @property
    def counts(self) -> bool:
        """Whether the resource itself holds data of known or unknown size, i.e. is not counted elsewhere."""
        return self.basis is not Basis.ELSEWHERE


@dataclass(frozen=True, slots=True)
class Sum:
    """Figures added up."""

    bytes: int = 0
    objects: int = 0
    provisioned: int = 0
    """Of the bytes, those that are an upper bound."""
    unknown: int = 0
    """Resources (or parts) whose size nothing tells."""
    figures: int = 0


def added(figures: Iterable[Figure]) -> Sum:
    """The sum of figures; those counted elsewhere add nothing."""
    size = objects = provisioned = unknown = number = 0
    for figure in figures:
        if not figure.counts:
            continue
        number += 1
        unknown += figure.basis is Basis.UNKNOWN
        size += figure.bytes or 0
        objects += figure.objects or 0
        provisioned += (figure.bytes or 0) if figure.basis is Basis.PROVISIONED else 0
    return Sum(size, objects, provisioned, unknown, number)


def figures_of(inventory: Inventory, tables: MoveTables) -> tuple[Figure, ...]:
    """The best figures of every resource that holds data, in order of the inventory."""
    listed = _listed(inventory)
    measured: defaultdict[str, list[Volume]] = defaultdict(list)
    for volume in inventory.volumes:
        measured[volume.resource_id.lower()].append(volume)
    provisioned: defaultdict[str, list[Provisioned]] = defaultdict(list)
    for entry in tables.volumes.provisioned:
        provisioned[entry.type].append(entry)
    elsewhere = {entry.type: entry.where for entry in tables.volumes.counted_elsewhere}
    wanted = tables.data_types | provisioned.keys() | {metric.type for metric in tables.volumes.metric} | _STORAGE
    out: list[Figure] = []
    for n, resource in enumerate(inventory.resources):
        kind = resource.type.lower()
        if kind not in wanted and kind not in elsewhere:
            continue
        found: list[Figure] = []
        if kind in _STORAGE and (account := resource.name.rpartition("/")[2].lower()) in listed:
            size, objects = listed[account]
            found.append(Figure(n, _BLOB, size, objects, Basis.LISTED, "every blob listed"))
        have = {figure.part for figure in found}
        for volume in measured.get(resource.id.lower(), ()):
            if volume.part not in have and volume.bytes is not None:
                found.append(
                    Figure(n, volume.part, volume.bytes, volume.objects, Basis.MEASURED, f"metric {volume.metric}")
                )
        out += found or [_configured(n, resource, provisioned.get(kind, ()), elsewhere.get(kind, ""))]
    return tuple(out)


def metrics_for(inventory: Inventory, tables: MoveTables) -> dict[str, tuple[Metric, ...]]:
    """Resource id -> the metrics to ask for; blobs that the survey has listed are not asked for again."""
    by_type: defaultdict[str, list[Metric]] = defaultdict(list)
    for metric in tables.volumes.metric:
        by_type[metric.type].append(metric)
    listed = _listed(inventory)
    wanted: dict[str, tuple[Metric, ...]] = {}
    for resource in inventory.resources:
        metrics = by_type.get(resource.type.lower(), ())
        surveyed = resource.type.lower() in _STORAGE and resource.name.rpartition("/")[2].lower() in listed
        services = _services(resource) if resource.type.lower() in _STORAGE else frozenset()
        chosen = tuple(
            metric
            for metric in metrics
            if not (surveyed and metric.part == _BLOB) and (not services or metric.part in services)
        )
        if chosen:
            wanted[resource.id] = chosen
    return wanted


def _services(resource: Resource) -> frozenset[str]:
    """The services that an account has by its endpoints; empty where it tells none, and then all are asked."""
    endpoints = resource.properties.get("primaryEndpoints")
    return frozenset(str(one).lower() for one in endpoints) if isinstance(endpoints, Mapping) else frozenset()


def _listed(inventory: Inventory) -> dict[str, tuple[int, int]]:
    """Account -> bytes and objects of all its surveyed containers; an account with a container that failed has none."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for survey in inventory.containers:
        sums[survey.account.lower()][0] += survey.bytes
        sums[survey.account.lower()][1] += survey.objects
    broken = {gap.scope.lower() for gap in inventory.gaps if "://" in gap.scope}
    hosts = {scope.partition("://")[2].partition(".")[0] for scope in broken}
    return {account: (size, number) for account, (size, number) in sums.items() if account not in hosts}


def _configured(n: int, resource: Resource, entries: Iterable[Provisioned], elsewhere: str) -> Figure:
    for entry in entries:
        size = _number_at(resource.properties, entry.path.split("."))
        if size is not None:
            return Figure(n, "", int(size * entry.factor), None, Basis.PROVISIONED, f"property {entry.path}")
    if elsewhere:
        return Figure(n, "", None, None, Basis.ELSEWHERE, elsewhere)
    return Figure(n, "", None, None, Basis.UNKNOWN, "neither listed nor measured, and no configured size")


def _number_at(node: Any, path: list[str]) -> float | None:
    for step in path:
        if not isinstance(node, Mapping):
            return None
        node = next((value for key, value in node.items() if str(key).lower() == step), None)
    if isinstance(node, bool) or node is None:
        return None
    try:
        # Some providers write their sizes as text.
        number = float(node)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


_NAMED = 5
"""Resources that a gap names; the volume table has the others as unknown."""


def gap_of_refused(scope: str, code: str, resource_ids: Iterable[str], sentence: str, next_step: str) -> Gap:
    """The gap for metrics that one subscription refused for one reason, as the service gave it for the first."""
    ids = list(dict.fromkeys(resource_ids))
    names = ", ".join(one.rpartition("/")[2] for one in ids[:_NAMED])
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return Gap(
        scope=scope,
        what=f"measured data volume of {names}{more}",
        why=sentence,
        code=code,
        remedy=next_step,
    )
