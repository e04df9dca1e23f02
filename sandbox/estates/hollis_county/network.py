"""Networks of Hollis County: hub and spokes, Basic and Standard addresses and balancers, v1 and v2 gateways."""

from __future__ import annotations

from typing import Any

from sandbox.estates.building import Body, Group, guid, public_ip, sku
from sandbox.estates.hollis_county import subscriptions as in_

VNET = "Microsoft.Network/virtualNetworks"
NSG = "Microsoft.Network/networkSecurityGroups"
PUBLIC_IP = "Microsoft.Network/publicIPAddresses"
BALANCER = "Microsoft.Network/loadBalancers"
APP_GATEWAY = "Microsoft.Network/applicationGateways"
VPN_GATEWAY = "Microsoft.Network/virtualNetworkGateways"


def subnet(group: Group, vnet: str, name: str) -> str:
    """The id of a subnet."""
    return f"{group.id_of(VNET, vnet)}/subnets/{name}"


def _vnet(group: Group, name: str, second: int, subnets: tuple[str, ...], **more: Any) -> Body:
    listed = [
        {
            "name": one,
            "id": subnet(group, name, one),
            "properties": {"addressPrefix": f"10.{second}.{number}.0/24", "provisioningState": "Succeeded"},
        }
        for number, one in enumerate(subnets)
    ]
    space = {"addressPrefixes": [f"10.{second}.0.0/16"]}
    return group.put(VNET, name, {"addressSpace": space, "subnets": listed, **more})


def _nsg(group: Group, name: str, *service_tags: str) -> Body:
    rules = [
        {
            "name": f"allow-{tag.lower().replace('.', '-')}",
            "properties": {
                "access": "Allow",
                "direction": "Outbound",
                "priority": 100 + 10 * number,
                "protocol": "Tcp",
                "sourceAddressPrefix": "VirtualNetwork",
                "destinationAddressPrefix": tag,
                "destinationPortRange": "443",
            },
        }
        for number, tag in enumerate(service_tags)
    ]
    return group.put(NSG, name, {"resourceGuid": guid("nsg", name), "securityRules": rules})


def _ip(group: Group, name: str, size: str, label: str = "", region: str = "", **more: Any) -> Body:
    dns = {"domainNameLabel": label, "fqdn": f"{label}.{region}.cloudapp.azure.com"}
    properties = {
        "ipAddress": public_ip(name),
        "publicIPAllocationMethod": "Dynamic" if size == "Basic" else "Static",
        "publicIPAddressVersion": "IPv4",
        **({"dnsSettings": dns} if label else {}),
    }
    return group.put(PUBLIC_IP, name, properties, sku=sku(size, "Regional"), **more)


def _balancer(group: Group, name: str, size: str, ip: str, shouted: bool = False) -> Body:
    own = group.id_of(BALANCER, name)
    front = {"name": "front", "properties": {"publicIPAddress": {"id": group.id_of(PUBLIC_IP, ip)}}}
    rule = {
        "frontendIPConfiguration": {"id": f"{own}/frontendIPConfigurations/front"},
        "protocol": "Tcp",
        "frontendPort": 443,
        "backendPort": 443,
    }
    properties = {
        "frontendIPConfigurations": [front],
        "backendAddressPools": [{"name": "pool", "id": f"{own}/backendAddressPools/pool"}],
        "loadBalancingRules": [{"name": "https", "properties": rule}],
    }
    return group.put(BALANCER, name, properties, sku=sku(size, "Regional"), shouted=shouted)


def _app_gateway(group: Group, name: str, size: str, tier: str, ip: str, backend: str) -> Body:
    pool = {"name": "pool", "properties": {"backendAddresses": [{"fqdn": backend}]}}
    properties = {
        "sku": sku(size, tier, 2),
        "operationalState": "Running",
        "gatewayIPConfigurations": [
            {"name": "ip", "properties": {"subnet": {"id": subnet(in_.HUB, "vnet-hub", "appgateway")}}}
        ],
        "frontendIPConfigurations": [
            {"name": "public", "properties": {"publicIPAddress": {"id": group.id_of(PUBLIC_IP, ip)}}}
        ],
        "backendAddressPools": [pool],
        **(
            {"webApplicationFirewallConfiguration": {"enabled": True, "ruleSetVersion": "3.0"}} if "WAF" in tier else {}
        ),
    }
    return group.put(APP_GATEWAY, name, properties)


def _vpn(group: Group, name: str, size: str, ip: str, vpn: str = "Vpn") -> Body:
    address = {"publicIPAddress": {"id": group.id_of(PUBLIC_IP, ip)}}
    properties = {
        "gatewayType": vpn,
        "vpnType": "RouteBased",
        "enableBgp": False,
        "sku": sku(size, size, 2),
        "ipConfigurations": [{"name": "default", "properties": address}],
    }
    return group.put(VPN_GATEWAY, name, properties)


def _vnets() -> list[Body]:
    peer = {"peeringState": "Connected", "remoteVirtualNetwork": {"id": in_.GIS.id_of(VNET, "vnet-gis")}}
    hub = ("GatewaySubnet", "AzureFirewallSubnet", "AzureBastionSubnet", "appgateway", "endpoints", "servers")
    return [
        _vnet(in_.HUB, "vnet-hub", 0, hub, virtualNetworkPeerings=[{"name": "to-gis", "properties": peer}]),
        _vnet(in_.GIS, "vnet-gis", 4, ("servers", "tiles")),
        _vnet(in_.PUBLIC, "vnet-public", 8, ("aks", "apps")),
        _vnet(in_.COURTS, "vnet-courts", 12, ("servers", "data"), enableDdosProtection=True),
        _vnet(in_.LAB_APPS, "vnet-lab", 40, ("GatewaySubnet", "default")),
        _nsg(in_.HUB, "nsg-servers", "Storage.EastUS2", "AzureKeyVault", "AzureActiveDirectory"),
        _nsg(in_.GIS, "nsg-gis", "Sql.EastUS2", "AzureMonitor"),
        _nsg(in_.PUBLIC, "nsg-aks", "AzureDevOps", "AzureContainerRegistry"),
        _nsg(in_.COURTS, "nsg-courts", "AzureCloud.southcentralus"),
    ]


def _addresses() -> list[Body]:
    return [
        _ip(in_.HUB, "pip-vpn", "Basic"),
        _ip(in_.HUB, "pip-firewall", "Standard", zones=["1", "2", "3"]),
        _ip(in_.HUB, "pip-bastion", "Standard"),
        _ip(in_.HUB, "pip-appgw-v1", "Basic", "hollis-portal", "eastus2"),
        _ip(in_.HUB, "pip-appgw-v2", "Standard", "hollis-records", "eastus2"),
        _ip(in_.GIS, "pip-tiles", "Basic", "hollis-tiles", "eastus2"),
        _ip(in_.PUBLIC, "pip-aks", "Standard"),
        _ip(in_.LAB_APPS, "pip-lab-vpn", "Basic"),
    ]


def resources() -> list[Body]:
    """Networks, addresses, balancers and gateways."""
    return [
        *_vnets(),
        *_addresses(),
        _balancer(in_.GIS, "lb-tiles", "Basic", "pip-tiles", shouted=True),
        _balancer(in_.PUBLIC, "lb-services", "Standard", "pip-aks"),
        _app_gateway(in_.HUB, "agw-portal", "WAF_Medium", "WAF", "pip-appgw-v1", "hollis-portal.azurewebsites.net"),
        _app_gateway(in_.HUB, "agw-records", "WAF_v2", "WAF_v2", "pip-appgw-v2", "hollis-records.azurewebsites.net"),
        _vpn(in_.HUB, "vgw-hub", "VpnGw1", "pip-vpn"),
        _vpn(in_.LAB_APPS, "vgw-lab", "HighPerformance", "pip-lab-vpn"),
    ]
