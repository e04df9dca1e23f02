"""Web and function apps of Hollis County, with commercial hosts in their settings.

App settings stand in `siteConfig` as in ARM templates and `az webapp` exports; values are invented and open nothing.
"""

from __future__ import annotations

from sandbox.estates.building import Body, Group, sku, system_identity
from sandbox.estates.hollis_county import subscriptions as in_

SITE = "Microsoft.Web/sites"
PLAN = "Microsoft.Web/serverfarms"
_REDACTED = "AccountKey=REDACTED"


def _plan(group: Group, name: str, size: str, tier: str, kind: str = "app") -> Body:
    return group.put(PLAN, name, {"numberOfWorkers": 1, "status": "Ready"}, sku=sku(size, tier, 1), kind=kind)


def _site(
    group: Group, name: str, plan: str, settings: dict[str, str], kind: str = "app", *, slot: str = "", **config: object
) -> Body:
    listed = [{"name": key, "value": value} for key, value in settings.items()]
    host = f"{name}-{slot}" if slot else name
    properties = {
        "state": "Running",
        "hostNames": [f"{host}.azurewebsites.net"],
        "enabledHostNames": [f"{host}.azurewebsites.net", f"{host}.scm.azurewebsites.net"],
        "serverFarmId": group.id_of(PLAN, plan),
        "httpsOnly": True,
        "siteConfig": {"appSettings": listed, **config},
    }
    whole = f"{name}/{slot}" if slot else name
    identity = system_identity(in_.TENANT, whole)
    if name == "hollis-portal":
        used = in_.WEB.id_of("Microsoft.ManagedIdentity/userAssignedIdentities", "id-portal")
        identity |= {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {used: {}}}
    return group.put(f"{SITE}/slots" if slot else SITE, whole, properties, kind=kind, identity=identity)


_STORAGE = f"DefaultEndpointsProtocol=https;AccountName=hollisrecords;{_REDACTED};EndpointSuffix=core.windows.net"
_SQL = "Server=tcp:sql-hollis-records.database.windows.net,1433;Database=deeds;Authentication=Active Directory Default"
_DEEDS = [{"name": "Deeds", "connectionString": _SQL, "type": "SQLAzure"}]
_PORTAL = {
    "AzureWebJobsStorage": _STORAGE,
    "KEYVAULT_URI": "https://kv-hollis-web.vault.azure.net/",
    "AUTHORITY": f"https://login.microsoftonline.com/{in_.TENANT}",
    "GRAPH": "https://graph.microsoft.com/v1.0",
    "REDIS_HOST": "redis-portal.redis.cache.windows.net:6380",
    "PERMITS_API": "https://hollispermits.cloudapp.net/api",
    "PUBLIC_SITE": "https://www.holliscounty.example",
    "PERMITS_DB": "@Microsoft.KeyVault(SecretUri=https://kv-hollis-web.vault.azure.net/secrets/PermitsDb/)",
    "PAYMENTS": "https://checkout.payments.example/v2",
    "VAULT_APP_ID": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
}
_RECORDS = {
    "BLOB_ENDPOINT": "https://hollisrecords.blob.core.windows.net/",
    "SEARCH": "https://srch-ordinances.search.windows.net",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": (
        "InstrumentationKey=00000000-0000-0000-0000-000000000000;"
        "IngestionEndpoint=https://eastus-0.in.applicationinsights.azure.com/"
    ),
}
_REQUESTS_311 = {
    "AzureWebJobsStorage": _STORAGE.replace("hollisrecords", "hollisingest"),
    "SERVICEBUS": "Endpoint=sb://sb-hollis.servicebus.windows.net/;Authentication=ManagedIdentity",
    "COSMOS": "https://cosmos-311.documents.azure.com:443/",
    "FUNCTIONS_EXTENSION_VERSION": "~4",
}
_VIDEO = {
    "WEBSITE_NODE_DEFAULT_VERSION": "10.14",
    "MEDIA": "https://hollismedia.restv2.eastus.media.azure.net/api/",
}


def resources() -> list[Body]:
    """Plans, sites and slots."""
    staging = {**_PORTAL, "ENVIRONMENT": "staging"}
    return [
        _plan(in_.WEB, "plan-portal", "P1v3", "PremiumV3"),
        _plan(in_.PUBLIC, "plan-311", "Y1", "Dynamic", "functionapp"),
        _plan(in_.LAB_APPS, "plan-lab", "F1", "Free", "linux"),
        _site(in_.WEB, "hollis-portal", "plan-portal", _PORTAL, connectionStrings=_DEEDS),
        _site(in_.WEB, "hollis-portal", "plan-portal", staging, slot="staging"),
        _site(in_.WEB, "hollis-records", "plan-portal", _RECORDS, connectionStrings=_DEEDS),
        _site(in_.PUBLIC, "func-311", "plan-311", _REQUESTS_311, "functionapp,linux", linuxFxVersion="Python|3.9"),
        _site(in_.LAB_APPS, "hollis-video", "plan-lab", _VIDEO, "app,linux", linuxFxVersion="PHP|8.1"),
    ]
