"""What Hollis County still runs from before Resource Manager, and the backup items that lean on it.

Shapes of the classic bodies: recorded lists of Microsoft.Classic* resources. Azure CSP takes none of these
(Partner Center, "Azure in CSP": classic compute, networking, storage and cloud services do not work in it).
"""

from __future__ import annotations

from sandbox.estates.building import Body, public_ip
from sandbox.estates.hollis_county import subscriptions as in_

VM = "Microsoft.ClassicCompute/virtualMachines"
SERVICE = "Microsoft.ClassicCompute/domainNames"
VNET = "Microsoft.ClassicNetwork/virtualNetworks"
STORAGE = "Microsoft.ClassicStorage/storageAccounts"
BACKUP_ITEM = "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"


def _service(name: str, roles: int) -> Body:
    slot = {"slot": "production", "roles": [f"Role{number}" for number in range(roles)]}
    properties = {
        "label": name,
        "hostName": f"{name}.cloudapp.net",
        "status": "Created",
        "virtualIPs": [public_ip(name)],
        **({"deployments": [slot]} if roles else {}),
    }
    return in_.CLASSIC.put(SERVICE, name, properties)


def _machine(name: str, service: str, vhd: str) -> Body:
    storage = {"id": in_.CLASSIC_STORAGE.id_of(STORAGE, "hollisclassic")}
    disk = {
        "diskName": f"{name}-os-20150212",
        "caching": "ReadWrite",
        "operatingSystem": "Windows",
        "vhdUri": f"https://hollisclassic.blob.core.windows.net/vhds/{vhd}",
        "storageAccount": storage,
    }
    network = {
        "inputEndpoints": [{"endpointName": "RDP", "privatePort": 3389, "publicPort": 53389, "protocol": "tcp"}],
        "virtualNetwork": {"subnetNames": ["Subnet-1"], "id": in_.CLASSIC.id_of(VNET, "vnet-classic")},
    }
    properties = {
        "hardwareProfile": {"platformGuestAgent": True, "size": "Basic_A2"},
        "domainName": {"id": in_.CLASSIC.id_of(SERVICE, service)},
        "storageProfile": {"operatingSystemDisk": disk},
        "networkProfile": network,
    }
    return in_.CLASSIC.put(VM, name, properties)


def _backup_item(machine: str) -> Body:
    """A vault's item for a classic machine. Resource Graph has these in its table `recoveryservicesresources`."""
    container = f"IaasVMContainer;iaasvmcontainer;{machine};{machine}"
    return in_.BACKUP.put(
        BACKUP_ITEM,
        f"rsv-hollis/Azure/{container}/VM;iaasvmcontainer;{machine};{machine}",
        {
            "protectedItemType": "Microsoft.ClassicCompute/virtualMachines",
            "sourceResourceId": in_.CLASSIC.id_of(VM, machine),
            "policyId": f"{in_.BACKUP.id_of('Microsoft.RecoveryServices/vaults', 'rsv-hollis')}/backupPolicies/Daily",
            "protectionState": "Protected",
        },
        tags={},
    )


def resources() -> list[Body]:
    """Classic cloud services and machines, and the backup items of the machines."""
    return [
        _service("hollispermits", roles=2),
        _service("hollis-payments", roles=1),
        _service("perm-app", roles=0),
        _machine("perm-app01", "perm-app", "perm-app01-os.vhd"),
        _machine("perm-app02", "perm-app", "perm-app02-os.vhd"),
        _backup_item("perm-app01"),
        _backup_item("perm-app02"),
    ]
