"""Machines of Hollis County: managed and unmanaged disks, marketplace plans, disks under a key of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.estates.building import Body, Group, guid, sku
from sandbox.estates.hollis_county import subscriptions as in_
from sandbox.estates.hollis_county.network import subnet

VM = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
NIC = "Microsoft.Network/networkInterfaces"
SET = "Microsoft.Compute/diskEncryptionSets"
WINDOWS = {
    "publisher": "MicrosoftWindowsServer",
    "offer": "WindowsServer",
    "sku": "2022-datacenter-g2",
    "version": "latest",
}
UBUNTU = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}


@dataclass(frozen=True)
class Machine:
    """One virtual machine in a word: where, how big, from which image, with which disks."""

    group: Group
    name: str
    size: str
    place: tuple[Group, str, str]
    """Group, network and subnet."""
    image: dict[str, str]
    os: str = "Linux"
    data_disks: int = 0
    plan: dict[str, str] | None = None
    zone: str = ""
    own_key: bool = False


MACHINES = (
    Machine(in_.HUB, "vm-dc01", "Standard_D2s_v5", (in_.HUB, "vnet-hub", "servers"), WINDOWS, "Windows", zone="1"),
    Machine(in_.HUB, "vm-dc02", "Standard_D2s_v5", (in_.HUB, "vnet-hub", "servers"), WINDOWS, "Windows", zone="2"),
    Machine(
        in_.GIS, "vm-arcgis", "Standard_E8s_v4", (in_.GIS, "vnet-gis", "servers"), WINDOWS, "Windows", data_disks=2
    ),
    Machine(in_.GIS, "vm-gpu", "Standard_NC6s_v3", (in_.GIS, "vnet-gis", "servers"), UBUNTU),
    Machine(
        in_.COURTS,
        "vm-docket",
        "Standard_D4s_v3",
        (in_.COURTS, "vnet-courts", "servers"),
        WINDOWS,
        "Windows",
        1,
        own_key=True,
    ),
    Machine(in_.COURTS, "vm-jury", "Standard_A2_v2", (in_.COURTS, "vnet-courts", "servers"), UBUNTU),
    Machine(
        in_.HUB,
        "vm-waf",
        "Standard_D2_v2",
        (in_.HUB, "vnet-hub", "servers"),
        {"publisher": "barracudanetworks", "offer": "waf", "sku": "hourly", "version": "latest"},
        plan={"publisher": "barracudanetworks", "product": "waf", "name": "hourly"},
    ),
    Machine(
        in_.PUBLIC,
        "vm-f5",
        "Standard_DS3_v2",
        (in_.PUBLIC, "vnet-public", "apps"),
        {
            "publisher": "f5-networks",
            "offer": "f5-big-ip-best",
            "sku": "f5-bigip-virtual-edition-1g-best-hourly",
            "version": "latest",
        },
        plan={
            "publisher": "f5-networks",
            "product": "f5-big-ip-best",
            "name": "f5-bigip-virtual-edition-1g-best-hourly",
        },
    ),
)


def _nic(group: Group, machine: str, place: tuple[Group, str, str]) -> Body:
    ip = {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": subnet(*place)}}
    properties = {
        "ipConfigurations": [{"name": "ipconfig1", "properties": ip}],
        "virtualMachine": {"id": group.id_of(VM, machine)},
    }
    return group.put(NIC, f"{machine}-nic", properties)


def _disk(one: Machine, name: str, gigabytes: int, kind: str) -> Body:
    encryption = (
        {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": in_.COURTS.id_of(SET, "des-courts")}
        if one.own_key
        else {"type": "EncryptionAtRestWithPlatformKey"}
    )
    properties = {
        "osType": one.os,
        "creationData": {"createOption": "FromImage" if kind == "os" else "Empty"},
        "diskSizeGB": gigabytes,
        "encryption": encryption,
        "diskState": "Attached",
    }
    more: dict[str, Any] = {"zones": [one.zone]} if one.zone else {}
    owner = one.group.id_of(VM, one.name)
    size = sku("Premium_LRS", "Premium")
    return one.group.put(DISK, name, properties, sku=size, managedBy=owner, shouted=True, **more)


def _machine(one: Machine) -> list[Body]:
    os_disk = f"{one.name}_OsDisk_1_{guid('os', one.name).replace('-', '')}"
    data = [f"{one.name}_data{number}" for number in range(one.data_disks)]
    properties = {
        "vmId": guid("vm", one.name),
        "hardwareProfile": {"vmSize": one.size},
        "storageProfile": {
            "imageReference": one.image,
            "osDisk": {
                "osType": one.os,
                "name": os_disk,
                "createOption": "FromImage",
                "managedDisk": {"id": one.group.id_of(DISK, os_disk, shouted=True)},
            },
            "dataDisks": [
                {"lun": lun, "name": name, "managedDisk": {"id": one.group.id_of(DISK, name, shouted=True)}}
                for lun, name in enumerate(data)
            ],
        },
        "osProfile": {"computerName": one.name, "adminUsername": "hcadmin"},
        "networkProfile": {"networkInterfaces": [{"id": one.group.id_of(NIC, f"{one.name}-nic")}]},
        "diagnosticsProfile": {
            "bootDiagnostics": {"enabled": True, "storageUri": "https://hollisgis.blob.core.windows.net/"}
        },
    }
    more: dict[str, Any] = {"plan": one.plan} if one.plan else {}
    more |= {"zones": [one.zone]} if one.zone else {}
    return [
        one.group.put(VM, one.name, properties, **more),
        _nic(one.group, one.name, one.place),
        _disk(one, os_disk, 127, "os"),
        *(_disk(one, name, 512, "data") for name in data),
    ]


def _unmanaged(name: str, vhd: str) -> list[Body]:
    """A machine whose disk is a page blob in a general-purpose v1 account."""
    group = in_.GIS
    properties = {
        "vmId": guid("vm", name),
        "hardwareProfile": {"vmSize": "Standard_A1"},
        "storageProfile": {
            "osDisk": {
                "osType": "Linux",
                "name": f"{name}-os",
                "createOption": "FromImage",
                "vhd": {"uri": f"https://hollisgis.blob.core.windows.net/vhds/{vhd}"},
            },
            "dataDisks": [],
        },
        "networkProfile": {"networkInterfaces": [{"id": group.id_of(NIC, f"{name}-nic")}]},
    }
    return [group.put(VM, name, properties), _nic(group, name, (in_.GIS, "vnet-gis", "tiles"))]


def _extension(group: Group, machine: str, publisher: str, kind: str, settings: dict[str, str]) -> Body:
    properties = {"publisher": publisher, "type": kind, "typeHandlerVersion": "1.0", "settings": settings}
    return group.put(f"{VM}/extensions", f"{machine}/{kind}", properties)


def _extensions() -> list[Body]:
    monitoring, security = "Microsoft.EnterpriseCloud.Monitoring", "Microsoft.Azure.Security"
    workspace = {"workspaceId": guid("workspace", "log-hollis")}
    vault = {"KeyVaultURL": "https://kv-hollis-courts.vault.azure.net/", "VolumeType": "All"}
    return [
        _extension(in_.HUB, "vm-dc01", monitoring, "MicrosoftMonitoringAgent", workspace),
        _extension(in_.GIS, "vm-arcgis", "Microsoft.Azure.Monitor", "AzureMonitorWindowsAgent", {}),
        _extension(in_.COURTS, "vm-jury", security, "AzureDiskEncryptionForLinux", vault),
    ]


def resources() -> list[Body]:
    """Machines with their disks, interfaces and extensions."""
    return [
        *(body for machine in MACHINES for body in _machine(machine)),
        *_unmanaged("vm-plotter", "vm-plotter-os.vhd"),
        *_unmanaged("vm-scanner", "vm-scanner-os.vhd"),
        *_extensions(),
    ]
