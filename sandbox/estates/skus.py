"""SKUs, zones and policies of the two clouds, made from `providers_skus.toml` as ARM's own bodies."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources as package_files
from typing import Any

from sandbox.estates.model import OfferSpec
from sandbox.estates.providers import GOVERNMENT, PLACES, US, normal

Body = dict[str, Any]
COMMERCIAL_SKUS = ("2021-07-01", "2019-04-01", "2017-09-01")
GOVERNMENT_SKUS = ("2019-04-01", "2017-09-01")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(package_files.files("sandbox.estates").joinpath("providers_skus.toml").read_text("utf-8"))


def _zones(location: str) -> list[str]:
    return [str(number + 1) for number in range(_table()["zones"].get(location, 0))]


def _restrictions(name: str, location: str) -> Iterator[Body]:
    for one in _table()["restricted"]:
        if (one["sku"], one["location"]) != (name, location):
            continue
        info: Body = {"locations": [normal(location)], "zones": one.get("zones", [])}
        kind, values = ("Zone", one["zones"]) if one.get("zones") else ("Location", [normal(location)])
        yield {"type": kind, "values": values, "restrictionInfo": info, "reasonCode": one["reason"]}


def _entry(of: str, name: str, location: str, **more: Any) -> Body:
    """One entry of "Resource Skus - List": a SKU in one location."""
    # Places are spelt as the service does: "eastus2" here, display names in GET /providers.
    place = normal(location)
    return {
        "resourceType": of,
        "name": name,
        "tier": name.partition("_")[0],
        "locations": [place],
        "locationInfo": [{"location": place, "zones": _zones(location), "zoneDetails": []}],
        "capabilities": [],
        "restrictions": list(_restrictions(name, location)),
        **more,
    }


def _where(words: str, commercial: bool) -> tuple[str, ...]:
    return US if commercial else tuple(name for word in words.split() for name in PLACES[word])


def _compute(commercial: bool) -> Iterator[Body]:
    for pattern, (numbers, memory, family, cores, places) in _table()["sizes"].items():
        for number in numbers.split():
            name, count = pattern.replace("#", number), int(number) * cores
            traits = {"vCPUs": str(count), "MemoryGB": str(count * memory), "MaxResourceVolumeMB": "16384"}
            capabilities = [{"name": key, "value": value} for key, value in traits.items()]
            size = name.partition("_")[2]
            for location in _where(places, commercial):
                yield _entry("virtualMachines", name, location, size=size, family=family, capabilities=capabilities)
    for name, (kinds, places) in _table()["disks"].items():
        for kind in kinds.split():
            for location in _where(places, commercial):
                # A disk type has an entry for each size of disk; two are enough to show it.
                for size in ("P10", "P20") if kind == "disks" else ("",):
                    yield _entry(kind, name, location, size=size)


def _storage(commercial: bool) -> Iterator[Body]:
    every = US if commercial else PLACES["dod"]
    for kind, (plain, zonal) in _table()["storage"].items():
        for words, places in (
            (plain, every),
            (zonal, US if commercial else [name for name in GOVERNMENT if _zones(name)]),
        ):
            for name in words.split():
                for location in places:
                    yield {
                        "resourceType": "storageAccounts",
                        "name": name,
                        "tier": name.partition("_")[0],
                        "kind": kind,
                        "locations": [normal(location)],
                        "capabilities": [{"name": "supportsnetworkacls", "value": "true"}],
                        "restrictions": [],
                    }


def _offer(commercial: bool, unregistered: Iterable[str], definitions: Iterable[Body] = ()) -> OfferSpec:
    locations = US if commercial else PLACES["dod"]
    return OfferSpec(
        compute_skus=tuple(_compute(commercial)),
        compute_versions=COMMERCIAL_SKUS if commercial else GOVERNMENT_SKUS,
        storage_skus=tuple(_storage(commercial)),
        zones={name: tuple(_zones(name)) for name in locations},
        zonal_types=frozenset(name.lower() for name in _table()["zonal"]["types"]),
        unregistered=frozenset(name.lower() for name in unregistered),
        definitions=tuple(definitions),
    )


def commercial() -> OfferSpec:
    """What the commercial cloud tells; nobody has assigned policies there."""
    return _offer(True, ())


def government(subscription: str) -> OfferSpec:
    """What the Government cloud tells a subscription."""
    return _offer(False, _table()["unregistered"]["government"], _definitions(subscription))


def _filled(part: Any, subscription: str, group: str = "") -> Any:
    text = json.dumps(part).replace("$SUBSCRIPTION", f"/subscriptions/{subscription}")
    return json.loads(text.replace("$GROUP", f"/providers/Microsoft.Management/managementGroups/{group}"))


def assignments(subscription: str, group: str) -> tuple[Body, ...]:
    """The policy assignments at a subscription and at the management group above it, as ARM bodies."""
    return tuple(
        {
            "id": f"{one['scope']}/providers/Microsoft.Authorization/policyAssignments/{one['name']}",
            "name": one["name"],
            "type": "Microsoft.Authorization/policyAssignments",
            "properties": {
                "displayName": one["title"],
                "policyDefinitionId": one["definition"],
                "scope": one["scope"],
                "notScopes": [],
                "parameters": {name: {"value": value} for name, value in one["parameters"].items()},
                "enforcementMode": "Default",
            },
        }
        for one in _filled(_table()["assignments"], subscription, group)
    )


def _definitions(subscription: str) -> Iterator[Body]:
    for one in _filled(_table()["definitions"], subscription):
        built_in = one["id"].startswith("/providers/")
        properties = {
            "displayName": one["title"],
            "policyType": "BuiltIn" if built_in else "Custom",
            "parameters": one["parameters"],
        }
        if "members" in one:
            properties |= {"policyDefinitions": one["members"]}
        else:
            properties |= {"mode": "Indexed", "policyRule": one["rule"]}
        kind = "policySetDefinitions" if "members" in one else "policyDefinitions"
        name = one["id"].rpartition("/")[2]
        yield {"id": one["id"], "name": name, "type": f"Microsoft.Authorization/{kind}", "properties": properties}
