"""ARM's view of one account's blob service: settings, containers with their policies, encryption scopes, lifecycle.

Sources: REST reference of Microsoft.Storage, "Blob Services - Set Service Properties", "Blob Containers - List",
"- Get", "- Create Or Update Immutability Policy", "- Lock Immutability Policy", "- Set Legal Hold",
"Encryption Scopes - Put", "Management Policies - Create Or Update"; shapes by the models of azure-mgmt-storage. A
locked policy can only be extended (409 otherwise); If-Match on a policy is honoured where given, and needed to lock.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from aiohttp import web

from sandbox.arm import Arm, Route, json_body
from sandbox.armgroups import GROUP
from sandbox.armwire import ArmError, no_resource
from sandbox.holdings import Body
from sandbox.storage.backend import StorageBackend
from sandbox.storage.model import Account, Container, Immutability

TYPE = "Microsoft.Storage/storageAccounts"
_ACCOUNT = GROUP + f"/providers/{TYPE}/(?P<account>[^/]+)"
_SERVICE = _ACCOUNT + "/blobServices/default"
_CONTAINER = _SERVICE + "/containers/(?P<container>[^/]+)"
_POLICY = _CONTAINER + "/immutabilityPolicies/default"
_SCOPE = _ACCOUNT + "/encryptionScopes/(?P<scope>[^/]+)"
_MAX_TAGS = 10


class BlobSettings:
    """Answers below a storage account that are about blobs.

    Args:
        arm: the cloud's ARM.
        backend: where accounts live on the data plane.
        account_of: the account's ARM resource, or the refusal.
    """

    def __init__(self, arm: Arm, backend: StorageBackend, account_of: Callable[..., Body]) -> None:
        self._arm, self._backend, self._account_of = arm, backend, account_of
        self._kept: dict[str, Body] = {}
        """Bodies that were put, by id in lower case."""
        self._etags: dict[str, str] = {}

    def routes(self) -> list[Route]:
        return [
            Route("GET", _SERVICE, self._get_service),
            Route("PUT", _SERVICE, self._put_service),
            Route("GET", _SERVICE + "/containers", self._list_containers),
            Route("GET", _CONTAINER, self._get_container),
            Route("GET", _POLICY, self._get_policy),
            Route("PUT", _POLICY, self._put_policy),
            Route("DELETE", _POLICY, self._delete_policy),
            Route("POST", _POLICY + "/lock", self._lock_policy),
            Route("POST", _CONTAINER + "/setLegalHold", self._set_hold),
            Route("POST", _CONTAINER + "/clearLegalHold", self._clear_hold),
            Route("GET", _ACCOUNT + "/encryptionScopes", self._list_scopes),
            Route("GET", _SCOPE, self._get_scope),
            Route("PUT", _SCOPE, self._put_scope),
            Route("GET", _ACCOUNT + "/managementPolicies/default", self._get_lifecycle),
            Route("PUT", _ACCOUNT + "/managementPolicies/default", self._put_lifecycle),
            Route("GET", _ACCOUNT + "/inventoryPolicies", self._list_kept),
            Route("GET", _ACCOUNT + "/objectReplicationPolicies", self._list_kept),
        ]

    # --- helpers ---

    def _account(self, request: web.Request, place: tuple[str, str, str], action: str) -> tuple[Body, Account]:
        body = self._account_of(request, *place, action)
        model = self._backend.model(place[2])
        if model is None and request.method == "GET":
            return body, Account(place[2], b"")
        if model is None:
            raise ArmError(501, "NotModelled", "This storage backend does not model the settings of blob services.")
        return body, model

    def _container(self, model: Account, group: str, name: str) -> Container:
        found = model.containers.get(name)
        if found is None:
            raise ArmError(404, "ContainerNotFound", "The specified container does not exist.")
        return found

    def _estate(self, resource_id: str) -> Body | None:
        """What was put, else what the estate brought."""
        return self._kept.get(resource_id.lower()) or self._arm.holdings.resources.get(resource_id.lower())

    # --- blob service ---

    async def _get_service(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "blobServices/read")
        return web.json_response(self._service_body(body, model))

    def _service_body(self, body: Body, model: Account) -> Body:
        service_id = f"{body['id']}/blobServices/default"
        kept = dict((self._estate(service_id) or {}).get("properties") or {})
        off = {"allowPermanentDelete": False, "enabled": False}
        properties: Body = {"cors": {"corsRules": []}, "deleteRetentionPolicy": off, **kept}
        if model.versioning:
            properties["isVersioningEnabled"] = True
        return {
            "sku": body.get("sku"),
            "id": service_id,
            "name": "default",
            "type": f"{TYPE}/blobServices",
            "properties": properties,
        }

    async def _put_service(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "blobServices/write")
        asked = dict((await json_body(request)).get("properties") or {})
        known = self._service_body(body, model)
        merged = {**known["properties"], **{name: value for name, value in asked.items() if value is not None}}
        if merged.get("isVersioningEnabled") and model.hierarchical:
            raise _invalid("Blob versioning is not supported with a hierarchical namespace.")
        if dict(merged.get("restorePolicy") or {}).get("enabled") and not merged.get("isVersioningEnabled"):
            raise _invalid("Point-in-time restore needs versioning, change feed and soft delete.")
        for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            policy = dict(merged.get(name) or {})
            if policy.get("enabled") and not 1 <= int(policy.get("days") or 0) <= 365:
                raise _invalid(f"{name}.days must be from 1 to 365.")
        model.versioning = bool(merged.get("isVersioningEnabled"))
        deletion = dict(merged.get("deleteRetentionPolicy") or {})
        days = f"<Days>{deletion['days']}</Days>" if deletion.get("enabled") else ""
        told = str(bool(deletion.get("enabled"))).lower()
        model.settings["DeleteRetentionPolicy"] = (
            f"<DeleteRetentionPolicy><Enabled>{told}</Enabled>{days}</DeleteRetentionPolicy>"
        )
        if version := merged.get("defaultServiceVersion"):
            model.settings["DefaultServiceVersion"] = (
                f"<DefaultServiceVersion>{escape(version)}</DefaultServiceVersion>"
            )
        self._kept[known["id"].lower()] = {"properties": merged}
        return web.json_response(self._service_body(body, model))

    # --- containers ---

    async def _list_containers(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "blobServices/containers/read")
        found = [self._container_body(body, one, whole=False) for one in model.containers.values()]
        return web.json_response({"value": found})

    async def _get_container(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "blobServices/containers/read")
        return web.json_response(self._container_body(body, self._container(model, group, container), whole=True))

    def _container_body(self, account: Body, container: Container, *, whole: bool) -> Body:
        """As Get tells it; a list has the flags, not what is behind them."""
        container_id = f"{account['id']}/blobServices/default/containers/{container.name}"
        properties: Body = {
            "publicAccess": {"": "None", "blob": "Blob", "container": "Container"}[container.public_access],
            "leaseStatus": "Unlocked",
            "leaseState": "Available",
            "lastModifiedTime": datetime.fromtimestamp(container.last_modified, UTC).isoformat(),
            "hasImmutabilityPolicy": container.immutability is not None,
            "hasLegalHold": bool(container.legal_holds),
            "defaultEncryptionScope": container.default_encryption_scope or "$account-encryption-key",
            "denyEncryptionScopeOverride": container.deny_encryption_scope_override,
            "immutableStorageWithVersioning": {"enabled": container.version_level_immutability},
        }
        if whole and container.immutability is not None:
            policy = self._policy_body(container_id, container.immutability)
            properties["immutabilityPolicy"] = {"properties": policy["properties"], "etag": policy["etag"]}
        if whole:
            properties["legalHold"] = _hold_body(container)
            properties["metadata"] = dict(container.metadata)
        return {"id": container_id, "name": container.name, "type": f"{TYPE}/blobServices/containers",
                "etag": container.etag, "properties": properties}  # fmt: skip

    # --- immutability ---

    def _policy_body(self, container_id: str, policy: Immutability) -> Body:
        place = f"{container_id}/immutabilityPolicies/default"
        return {
            "id": place,
            "name": "default",
            "type": f"{TYPE}/blobServices/containers/immutabilityPolicies",
            "etag": self._etags.setdefault(place.lower(), f'"{secrets.token_hex(8)}"'),
            "properties": {
                "immutabilityPeriodSinceCreationInDays": policy.days,
                "state": "Locked" if policy.locked else "Unlocked",
                "allowProtectedAppendWrites": policy.allow_appends,
                "allowProtectedAppendWritesAll": policy.allow_all_appends,
            },
        }

    def _policy_place(
        self, request: web.Request, place: tuple[str, str, str], container: str, action: str
    ) -> tuple[str, Container]:
        body, model = self._account(request, place, f"blobServices/containers/immutabilityPolicies/{action}")
        found = self._container(model, place[1], container)
        return f"{body['id']}/blobServices/default/containers/{container}", found

    async def _get_policy(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        place, found = self._policy_place(request, (subscription, group, account), container, "read")
        return self._answer_policy(place, found.immutability or Immutability(0))

    async def _put_policy(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        place, found = self._policy_place(request, (subscription, group, account), container, "write")
        asked = dict((await json_body(request)).get("properties") or {})
        self._require_etag(request, place, needed=False)
        if found.immutability is not None and found.immutability.locked:
            raise ArmError(409, "ContainerImmutabilityPolicyFailure", "A locked policy can only be extended.")
        days = int(asked.get("immutabilityPeriodSinceCreationInDays") or 0)
        if not 1 <= days <= 146_000:
            raise _invalid("immutabilityPeriodSinceCreationInDays must be from 1 to 146000.")
        appends, all_appends = asked.get("allowProtectedAppendWrites"), asked.get("allowProtectedAppendWritesAll")
        if appends and all_appends:
            raise _invalid("allowProtectedAppendWrites and allowProtectedAppendWritesAll exclude each other.")
        found.immutability = Immutability(days, False, bool(appends), bool(all_appends))
        self._etags.pop(f"{place}/immutabilityPolicies/default".lower(), None)
        return self._answer_policy(place, found.immutability)

    async def _delete_policy(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        place, found = self._policy_place(request, (subscription, group, account), container, "delete")
        self._require_etag(request, place, needed=True)
        if found.immutability is not None and found.immutability.locked:
            raise ArmError(409, "ContainerImmutabilityPolicyFailure", "A locked policy cannot be deleted.")
        found.immutability = None
        return self._answer_policy(place, Immutability(0))

    async def _lock_policy(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        place, found = self._policy_place(request, (subscription, group, account), container, "lock/action")
        self._require_etag(request, place, needed=True)
        if found.immutability is None:
            raise ArmError(404, "ContainerImmutabilityPolicyFailure", "There is no policy to lock.")
        found.immutability.locked = True
        self._etags.pop(f"{place}/immutabilityPolicies/default".lower(), None)
        return self._answer_policy(place, found.immutability)

    def _require_etag(self, request: web.Request, place: str, *, needed: bool) -> None:
        given = request.headers.get("If-Match", "")
        known = self._etags.get(f"{place}/immutabilityPolicies/default".lower())
        if needed and not given:
            raise ArmError(400, "MissingRequiredHeader", "If-Match is required for this operation.")
        if given and given != "*" and given != known:
            raise ArmError(412, "PreconditionFailed", "The condition specified by If-Match is not met.")

    def _answer_policy(self, place: str, policy: Immutability) -> web.Response:
        body = self._policy_body(place, policy)
        return web.json_response(body, headers={"ETag": body["etag"]})

    async def _set_hold(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        return await self._hold(request, (subscription, group, account), container, "setLegalHold")

    async def _clear_hold(
        self, request: web.Request, subscription: str, group: str, account: str, container: str
    ) -> web.Response:
        return await self._hold(request, (subscription, group, account), container, "clearLegalHold")

    async def _hold(self, request: web.Request, place: tuple[str, str, str], container: str, what: str) -> web.Response:
        _, model = self._account(request, place, f"blobServices/containers/{what}/action")
        found = self._container(model, place[1], container)
        asked = await json_body(request)
        tags = [str(tag) for tag in asked.get("tags") or ()]
        if not tags or any(not (3 <= len(tag) <= 23 and tag.isalnum()) for tag in tags):
            raise _invalid("Each tag is of 3 to 23 alphanumeric characters.")
        if what == "setLegalHold":
            found.legal_holds = tuple(dict.fromkeys([*found.legal_holds, *(tag.lower() for tag in tags)]))
            found.holds_allow_appends = bool(asked.get("allowProtectedAppendWritesAll"))
            if len(found.legal_holds) > _MAX_TAGS:
                raise _invalid(f"A container has at most {_MAX_TAGS} legal hold tags.")
        else:
            found.legal_holds = tuple(tag for tag in found.legal_holds if tag not in {one.lower() for one in tags})
        return web.json_response({"hasLegalHold": bool(found.legal_holds), "tags": list(found.legal_holds)})

    # --- encryption scopes, lifecycle, the rest ---

    async def _list_scopes(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "encryptionScopes/read")
        return web.json_response({"value": [self._scope_body(body, model, name) for name in sorted(model.scopes)]})

    def _scope_body(self, account: Body, model: Account, name: str) -> Body:
        place = f"{account['id']}/encryptionScopes/{name}"
        state = "Enabled" if model.scopes[name] else "Disabled"
        kept = dict((self._estate(place) or {}).get("properties") or {})
        return {"id": place, "name": name, "type": f"{TYPE}/encryptionScopes",
                "properties": {"source": "Microsoft.Storage", **kept, "state": state}}  # fmt: skip

    async def _get_scope(
        self, request: web.Request, subscription: str, group: str, account: str, scope: str
    ) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "encryptionScopes/read")
        if scope not in model.scopes:
            raise no_resource(f"{TYPE}/encryptionScopes", f"{account}/{scope}", group)
        return web.json_response(self._scope_body(body, model, scope))

    async def _put_scope(
        self, request: web.Request, subscription: str, group: str, account: str, scope: str
    ) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "encryptionScopes/write")
        asked = dict((await json_body(request)).get("properties") or {})
        if asked.get("source") == "Microsoft.KeyVault" and not asked.get("keyVaultProperties"):
            raise _invalid("keyVaultProperties is required for the source Microsoft.KeyVault.")
        made = scope not in model.scopes
        model.scopes[scope] = asked.get("state", "Enabled") == "Enabled"
        self._kept[f"{body['id']}/encryptionScopes/{scope}".lower()] = {"properties": asked}
        return web.json_response(self._scope_body(body, model, scope), status=201 if made else 200)

    async def _get_lifecycle(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body = self._account_of(request, subscription, group, account, "managementPolicies/read")
        kept = self._estate(f"{body['id']}/managementPolicies/default")
        if kept is None:
            raise ArmError(404, "ManagementPolicyNotFound", f"No ManagementPolicy found for account {account}")
        return web.json_response(kept)

    async def _put_lifecycle(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        body, model = self._account(request, (subscription, group, account), "managementPolicies/write")
        asked = dict((await json_body(request)).get("properties") or {})
        rules = dict(asked.get("policy") or {}).get("rules") or []
        if not rules or any(not rule.get("name") or not rule.get("definition") for rule in rules):
            raise _invalid("A policy needs at least one rule, each with name and definition.")
        service = self._service_body(body, model)["properties"]
        if "LastAccessTime" in json.dumps(rules) and not dict(
            service.get("lastAccessTimeTrackingPolicy") or {}
        ).get("enable"):  # fmt: skip
            raise _invalid("Rules on the last access time need last access time tracking.")
        place = f"{body['id']}/managementPolicies/default"
        self._kept[place.lower()] = {"id": place, "name": "DefaultManagementPolicy",
                                     "type": f"{TYPE}/managementPolicies", "properties": asked}  # fmt: skip
        return web.json_response(self._kept[place.lower()])

    async def _list_kept(self, request: web.Request, subscription: str, group: str, account: str) -> web.Response:
        kind = request.path.rstrip("/").rpartition("/")[2]
        body = self._account_of(request, subscription, group, account, f"{kind}/read")
        start = f"{body['id']}/{kind}/".lower()
        found = [one for place, one in self._arm.holdings.resources.items() if place.startswith(start)]
        return web.json_response({"value": found})


def _hold_body(container: Container) -> Body:
    return {
        "hasLegalHold": bool(container.legal_holds),
        "tags": [{"tag": tag} for tag in container.legal_holds],
        "protectedAppendWritesHistory": {"allowProtectedAppendWritesAll": container.holds_allow_appends},
    }


def _invalid(message: str) -> ArmError:
    return ArmError(400, "InvalidValuesForRequestParameters", f"Values for request parameters are invalid: {message}")
