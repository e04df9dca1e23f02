"""Where resources name the size or SKU that the target's SKU lists decide about: a table of paths, one row a place.

Sources: ARM template reference of each type (learn.microsoft.com/azure/templates, read 2026-11-22); which SKU list
answers: REST reference "Resource Skus - List" (`resourceType`) and Microsoft.Storage "Skus - List".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.model import Resource
from mappings.rule import is_expression

VM_SIZES = "virtualmachines"
DISKS = "disks"
SNAPSHOTS = "snapshots"
STORAGE = "storageaccounts"
OWN = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a type where a SKU is named."""

    of: str
    """The SKU list that answers, as in `mappings.offer.Sku.of`."""
    path: str
    """Dotted path from the resource; a list on the way is walked item by item."""
    zones: str = ""
    """Sibling of the last part that names availability zones; "" where the zones of the resource count."""
    kind: str = ""
    """The kind by which the list tells SKUs of one name apart: `OWN` for that of the resource; "" for none."""


_MACHINE_DISKS = (
    Place(DISKS, "properties.storageProfile.osDisk.managedDisk.storageAccountType"),
    Place(DISKS, "properties.storageProfile.dataDisks.managedDisk.storageAccountType"),
)
_PROFILE = "properties.virtualMachineProfile.storageProfile"

PLACES: Mapping[str, tuple[Place, ...]] = {
    "microsoft.compute/virtualmachines": (Place(VM_SIZES, "properties.hardwareProfile.vmSize"), *_MACHINE_DISKS),
    "microsoft.compute/virtualmachinescalesets": (
        Place(VM_SIZES, "sku.name"),
        Place(VM_SIZES, "properties.skuProfile.vmSizes.name"),
        Place(DISKS, f"{_PROFILE}.osDisk.managedDisk.storageAccountType"),
        Place(DISKS, f"{_PROFILE}.dataDisks.managedDisk.storageAccountType"),
    ),
    "microsoft.compute/virtualmachinescalesets/virtualmachines": (Place(VM_SIZES, "sku.name"), *_MACHINE_DISKS),
    "microsoft.compute/cloudservices": (Place(VM_SIZES, "properties.roleProfile.roles.sku.name"),),
    "microsoft.compute/disks": (Place(DISKS, "sku.name"),),
    "microsoft.compute/snapshots": (Place(SNAPSHOTS, "sku.name"),),
    "microsoft.compute/availabilitysets": (Place("availabilitysets", "sku.name"),),
    "microsoft.compute/hostgroups/hosts": (Place("hostgroups/hosts", "sku.name"),),
    "microsoft.containerservice/managedclusters": (
        Place(VM_SIZES, "properties.agentPoolProfiles.vmSize", zones="availabilityZones"),
    ),
    "microsoft.containerservice/managedclusters/agentpools": (
        Place(VM_SIZES, "properties.vmSize", zones="availabilityZones"),
    ),
    "microsoft.containerservice/containerservices": (
        Place(VM_SIZES, "properties.agentPoolProfiles.vmSize"),
        Place(VM_SIZES, "properties.masterProfile.vmSize"),
    ),
    "microsoft.servicefabric/managedclusters/nodetypes": (Place(VM_SIZES, "properties.vmSize"),),
    "microsoft.batch/batchaccounts/pools": (Place(VM_SIZES, "properties.vmSize"),),
    "microsoft.hdinsight/clusters": (Place(VM_SIZES, "properties.computeProfile.roles.hardwareProfile.vmSize"),),
    "microsoft.machinelearningservices/workspaces/computes": (Place(VM_SIZES, "properties.properties.vmSize"),),
    "microsoft.datafactory/factories/integrationruntimes": (
        Place(VM_SIZES, "properties.typeProperties.computeProperties.nodeSize"),
    ),
    "microsoft.devtestlab/labs/virtualmachines": (Place(VM_SIZES, "properties.size"),),
    "microsoft.storage/storageaccounts": (Place(STORAGE, "sku.name", kind=OWN),),
    "microsoft.classicstorage/storageaccounts": (Place(STORAGE, "properties.accountType", kind="StorageV2"),),
}
"""Lower-case type -> where it names SKUs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One SKU that a resource asks for."""

    of: str
    name: str
    kind: str = ""
    zones: tuple[str, ...] = ()


def wanted_skus(resource: Resource) -> tuple[Wanted, ...]:
    """The SKUs that `resource` names, each once. Template expressions are left out: they tell nothing."""
    places = PLACES.get(resource.type.lower())
    if places is None:
        return ()
    found: dict[Wanted, None] = {}
    for place in places:
        first, _, rest = place.path.partition(".")
        root: Any = resource.sku if first == "sku" else resource.properties
        for holder, name in _named(root, tuple(rest.split("."))):
            if is_expression(name):
                continue
            zones = plain_zones(holder.get(place.zones) or ()) if place.zones else plain_zones(resource.zones)
            kind = resource.kind if place.kind == OWN else place.kind
            # Classic accounts spell it "Standard-LRS".
            found[
                Wanted(place.of, name.replace("Standard-", "Standard_"), "" if is_expression(kind) else kind, zones)
            ] = None
    return tuple(found)


def plain_zones(zones: Any) -> tuple[str, ...]:
    """The zone numbers among `zones`, without template expressions."""
    if not isinstance(zones, list | tuple):
        return ()
    return tuple(text for zone in zones if (text := str(zone)) and not is_expression(text))


def _named(part: Any, path: tuple[str, ...]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each text at the end of `path`, with the object that holds it; keys in any case."""
    if isinstance(part, list | tuple):
        for item in part:
            yield from _named(item, path)
        return
    if not isinstance(part, Mapping):
        return
    value = part.get(path[0])
    if value is None:
        wanted = path[0].lower()
        value = next((inner for key, inner in part.items() if str(key).lower() == wanted), None)
    if len(path) > 1:
        yield from _named(value, path[1:])
    elif isinstance(value, str) and value:
        yield part, value
