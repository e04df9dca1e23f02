"""ARM's storage provider: accounts by long-running PUT, keys, names. What is born here is born in the blob service too.

Sources: REST reference of Microsoft.Storage, "Storage Accounts"; recorded traffic in the tests of azure-mgmt-storage (a
PUT answers 202 with no body and only a Location, whose polls end with the account); the refusal of a redundancy as the
service words it (github.com/Azure-Samples/microsoft-foundry-baseline, issue 66, 2025-07-24).
"""

from __future__ import annotations

import base64
import re
import secrets
from datetime import UTC, datetime

from aiohttp import web

from sandbox.arm import Arm, Route, api_version, json_body
from sandbox.armblobs import BlobSettings
from sandbox.armgroups import GROUP, SUBSCRIPTION
from sandbox.armpolicy import Policies
from sandbox.armwire import ArmError, no_resource
from sandbox.holdings import Body, normal
from sandbox.names import CloudNames
from sandbox.operations import RETRY_AFTER
from sandbox.storage.backend import StorageBackend

TYPE = "Microsoft.Storage/storageAccounts"
CLASSIC = "Microsoft.ClassicStorage/storageAccounts"
_NAME = re.compile(r"[a-z0-9]{3,24}")
_PROVIDER = SUBSCRIPTION + "/providers/Microsoft.Storage"
_ACCOUNT = GROUP + f"/providers/{TYPE}/(?P<account>[^/]+)"
_SKUS = re.compile(r"(Standard_(LRS|GRS|RAGRS|ZRS|GZRS|RAGZRS)|Premium_(LRS|ZRS))")


def new_key() -> str:
    """A key as storage accounts have: 64 bytes, in base64."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


def endpoints(names: CloudNames, account: str) -> dict[str, str]:
    """The endpoints of an account, as its ARM resource tells them."""
    return {plane: names.endpoint(account, plane) for plane in ("dfs", "blob", "queue", "table", "file")}


def account_body(names: CloudNames, account_id: str, asked: Body, *, location: str) -> Body:
    """The ARM resource of an account made from a PUT."""
    name, sku = account_id.rpartition("/")[2], str(asked["sku"]["name"])
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    service = {"keyType": "Account", "enabled": True, "lastEnabledTime": now}
    defaults: Body = {
        "privateEndpointConnections": [],
        "minimumTlsVersion": "TLS1_0",
        "allowBlobPublicAccess": False,
        "networkAcls": {
            "bypass": "AzureServices",
            "virtualNetworkRules": [],
            "ipRules": [],
            "defaultAction": "Allow",
        },
        "supportsHttpsTrafficOnly": True,
        "encryption": {"services": {"file": service, "blob": service}, "keySource": "Microsoft.Storage"},
        "accessTier": "Hot",
    }
    made: Body = {
        "provisioningState": "Succeeded",
        "creationTime": now,
        "primaryEndpoints": endpoints(names, name),
        "primaryLocation": location,
        "statusOfPrimary": "available",
    }
    return {
        "sku": {"name": sku, "tier": sku.partition("_")[0]},
        "kind": asked["kind"],
        "id": account_id,
        "name": name,
        "type": TYPE,
        "location": location,
        "tags": asked.get("tags") or {},
        "properties": {**defaults, **(asked.get("properties") or {}), **made},
    }


class Storage:
    """Answers of Microsoft.Storage, and the keys of Microsoft.ClassicStorage.

    Args:
        arm: the cloud's ARM.
        backend: where accounts live on the data plane.
    """

    def __init__(self, arm: Arm, backend: StorageBackend) -> None:
        self._arm = arm
        self._holdings = arm.holdings
        self._backend = backend
        self._policies = Policies(arm.holdings)
        self._unborn: dict[str, str] = {}
        """Accounts being made: name -> id."""

    def routes(self) -> list[Route]:
        """The routes of this provider. Listing and reading accounts is as of any resource."""
        classic = GROUP + f"/providers/{CLASSIC}/(?P<account>[^/]+)/listKeys"
        poll = _PROVIDER + "/locations/[^/]+/asyncoperations/(?P<operation>[^/]+)"
        return [
            Route("POST", _PROVIDER + "/checkNameAvailability", self._check_name),
            Route("GET", poll, self._operation),
            Route("PUT", _ACCOUNT, self._put),
            Route("PATCH", _ACCOUNT, self._patch),
            Route("DELETE", _ACCOUNT, self._delete),
            Route("POST", _ACCOUNT + "/listKeys", self._keys),
            Route("POST", classic, self._classic_keys),
            *BlobSettings(self._arm, self._backend, self._account).routes(),
        ]

    async def load(self) -> None:
        """Fill the data plane: the estate's accounts, and an empty one for each other account that ARM knows."""
        loaded = {account.name for account in self._holdings.spec.accounts}
        for account in self._holdings.spec.accounts:
            await self._backend.load(account)
        for body in self._holdings.storage_accounts():
            properties = dict(body.get("properties") or {})
            body["properties"] = {"primaryEndpoints": endpoints(self._arm.names, body["name"]), **properties}
            if body["name"] not in loaded:
                await self._create(body)

    async def remove(self, names: list[str]) -> None:
        """Take accounts off the data plane."""
        for name in names:
            self._holdings.keys.pop(name, None)
            await self._backend.remove_account(name)

    async def _create(self, body: Body) -> None:
        name, properties = str(body["name"]), body.get("properties") or {}
        key = self._holdings.keys.setdefault(name, new_key())
        await self._backend.create_account(
            name,
            key=key,
            kind=str(body.get("kind") or "Storage"),
            sku=str((body.get("sku") or {}).get("name") or "Standard_LRS"),
            classic=str(body["type"]).lower() == CLASSIC.lower(),
            default_tier=str(properties.get("accessTier") or "Hot"),
            allow_shared_key=properties.get("allowSharedKeyAccess") is not False,
            allow_public_access=properties.get("allowBlobPublicAccess") is True,
        )
        if properties.get("isHnsEnabled") and (model := self._backend.model(name)) is not None:
            model.hierarchical = True

    async def _check_name(self, request: web.Request, subscription: str) -> web.Response:
        self._arm.require_subscription(subscription)
        self._arm.require_version(TYPE, api_version(request))
        name = str((await json_body(request)).get("name", ""))
        if not _NAME.fullmatch(name):
            return web.json_response(
                {"nameAvailable": False, "reason": "AccountNameInvalid", "message": _invalid(name).message}
            )
        if self._holdings.name_taken(name) or name in self._unborn:
            message = f"The storage account named {name} is already taken."
            return web.json_response({"nameAvailable": False, "reason": "AlreadyExists", "message": message})
        return web.json_response({"nameAvailable": True})

    async def _operation(self, request: web.Request, subscription: str, operation: str) -> web.Response:
        return self._arm.operations.poll(request, operation)

    async def _put(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        asked = await json_body(request)
        self._arm.require_subscription(subscription, to_write=True)
        holder = self._arm.require_group(subscription, group)
        self._arm.require_access(request.path, f"{TYPE}/write")
        location = normal(str(asked.get("location") or ""))
        self._arm.require_offer(TYPE, api_version(request), location)
        account_id = f"{holder['id']}/providers/{TYPE}/{account}"
        known = self._holdings.resources.get(account_id.lower())
        self._policies.require({**asked, "id": account_id, "name": account, "type": TYPE, "location": location})
        _check(account, asked, location)
        if known is None or known["sku"]["name"] != asked["sku"]["name"]:
            self._require_sku(str(asked["sku"]["name"]), str(asked["kind"]), location)
        if known is not None:
            return web.json_response(_changed(known, asked, group, location))
        if account in self._unborn or self._holdings.name_taken(account):
            raise self._not_free(account, account_id, subscription)
        self._unborn[account] = account_id
        body = account_body(self._arm.names, account_id, asked, location=location)

        async def work() -> Body:
            try:
                await self._create(body)
                self._holdings.resources[account_id.lower()] = body
            finally:
                del self._unborn[account]
            return body

        operation = self._arm.operations.begin(work)
        place = f"{self._arm.names.arm}/subscriptions/{subscription}/providers/Microsoft.Storage/locations/{location}"
        link = f"{place}/asyncoperations/{operation}?monitor=true&api-version={api_version(request)}"
        return web.Response(status=202, headers={"Location": link, **RETRY_AFTER})

    def _require_sku(self, sku: str, kind: str, location: str) -> None:
        """Refuse a redundancy that this cloud's own SKU list does not have in the region. Without a list all pass."""
        listed = self._holdings.spec.offer.storage_skus
        for one in listed:
            here = (one["name"], one["kind"]) == (sku, kind) and location in map(normal, one["locations"])
            if here and not any(limit.get("type") == "Location" for limit in one.get("restrictions") or ()):
                return
        if listed:
            raise ArmError(
                400,
                "RedundancyConfigurationNotAvailableInRegion",
                f"The storage account failed to create due to redundancy configuration - Sku: {sku}, Kind: {kind} - "
                f"not available in selected Region - {location}. Please make sure the redundancy configuration "
                "selected is available in your region. For more information about redundancy configurations, see "
                "https://docs.microsoft.com/en-us/azure/storage/common/storage-redundancy",
            )

    def _not_free(self, account: str, account_id: str, subscription: str) -> ArmError:
        taken = self._holdings.storage_account(account)
        if self._unborn.get(account) == account_id:
            message = "An operation is currently performing on this storage account that requires exclusive access."
            return ArmError(409, "StorageAccountOperationInProgress", message)
        if taken and str(taken["id"]).lower().startswith(f"/subscriptions/{subscription}/".lower()):
            message = f"The account {account} is already in another resource group in this subscription."
            return ArmError(409, "StorageAccountInAnotherResourceGroup", message)
        message = f"The storage account named {account} is already taken."
        return ArmError(409, "StorageAccountAlreadyTaken", message)

    async def _patch(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body = self._account(request, subscription, group, account, "write")
        return web.json_response(_changed(body, await json_body(request), group, str(body["location"])))

    async def _delete(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        self._arm.require_subscription(subscription, to_write=True)
        self._arm.require_access(request.path, f"{TYPE}/delete")
        self._arm.require_group(subscription, group)
        gone = self._holdings.resources.pop(request.path.rstrip("/").lower(), None)
        if gone is not None:
            await self.remove([account])
        return web.Response(status=204 if gone is None else 200)

    def _account(
        self, request: web.Request, subscription: str, group: str, account: str, verb: str, kind: str = TYPE
    ) -> Body:
        self._arm.require_subscription(subscription)
        account_id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{account}"
        self._arm.require_access(account_id, f"{kind}/{verb}")
        self._arm.require_group(subscription, group)
        self._arm.require_version(kind, api_version(request))
        body = self._holdings.resources.get(account_id.lower())
        if body is None:
            raise no_resource(kind, account, group)
        return body

    async def _keys(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        self._account(request, subscription, group, account, "listKeys/action")
        key = self._holdings.keys[account]
        return web.json_response(
            {"keys": [{"keyName": name, "value": key, "permissions": "FULL"} for name in ("key1", "key2")]}
        )

    async def _classic_keys(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        self._account(request, subscription, group, account, "listKeys/action", CLASSIC)
        key = self._holdings.keys[account]
        return web.json_response({"primaryKey": key, "secondaryKey": key})


def _invalid(name: str) -> ArmError:
    return ArmError(
        400,
        "AccountNameInvalid",
        f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
        "length and use numbers and lower-case letters only.",
    )


def _check(account: str, asked: Body, location: str) -> None:
    if not _NAME.fullmatch(account):
        raise _invalid(account)
    if not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    sku = asked.get("sku")
    if not isinstance(sku, dict) or not _SKUS.fullmatch(str(sku.get("name", ""))):
        raise ArmError(400, "InvalidValuesForRequestParameters", "Values for request parameters are invalid: sku.name.")
    if asked.get("kind") not in ("Storage", "StorageV2", "BlobStorage", "BlockBlobStorage", "FileStorage"):
        raise ArmError(400, "InvalidValuesForRequestParameters", "Values for request parameters are invalid: kind.")


def _changed(known: Body, asked: Body, group: str, location: str) -> Body:
    """The account after a PUT or PATCH on it, which is done at once."""
    if normal(str(known["location"])) != location:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{known['name']}' already exists in location '{known['location']}' in resource group "
            f"'{group}'. A resource with the same name cannot be created in location '{location}'. Please select a new "
            "resource name.",
        )
    known["tags"] = asked["tags"] if asked.get("tags") is not None else known.get("tags") or {}
    known["properties"] = {**(known.get("properties") or {}), **(asked.get("properties") or {})}
    if asked.get("sku"):
        known["sku"] = {"name": asked["sku"]["name"], "tier": str(asked["sku"]["name"]).partition("_")[0]}
    return known
