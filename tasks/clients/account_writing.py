"""Sets what storage accounts of the target carry besides containers and blobs, through azure-mgmt-storage. Idempotent.

Sources: REST reference of Microsoft.Storage, "Blob Services - Set Service Properties", "Encryption Scopes - Put",
"Management Policies - Create Or Update", "Blob Containers - Create Or Update Immutability Policy", "- Lock Immutability
Policy" (needs If-Match), "- Set Legal Hold" (adds tags to those that are there).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mappings.plan import FinishAccount, ProtectContainer, SetAccount
from tasks.clients.errors import translated

if TYPE_CHECKING:
    from tasks.clients.management import Management

_DEFAULT = "default"


class AccountWriter:
    """Writes to accounts of one subscription; each method leaves alone what is as wanted already."""

    def __init__(self, sdk: Management, subscription_id: str) -> None:
        self._sdk, self._subscription = sdk, subscription_id

    @property
    def _storage(self) -> Any:
        return self._sdk.storage(self._subscription)

    def service(self, step: SetAccount) -> list[str]:
        """Versioning, change feed, last access tracking, default version, CORS; what was set, for a reader.

        Raises:
            GovliftError: the target refused.
        """
        wanted: dict[str, Any] = {}
        if step.versioning:
            wanted["isVersioningEnabled"] = True
        if step.change_feed:
            days = {"retentionInDays": step.change_feed_days} if step.change_feed_days else {}
            wanted["changeFeed"] = {"enabled": True, **days}
        if step.last_access:
            wanted["lastAccessTimeTrackingPolicy"] = {
                "enable": True,
                "name": "AccessTimeTracking",
                "trackingGranularityInDays": 1,
                "blobType": ["blockBlob"],
            }
        if step.default_version:
            wanted["defaultServiceVersion"] = step.default_version
        if step.cors:
            wanted["cors"] = {"corsRules": json.loads(step.cors)}
        return self._put_service(step.resource_group, step.account, wanted)

    def deletion(self, step: FinishAccount) -> list[str]:
        """Soft delete of blobs and containers. Raises GovliftError."""
        wanted: dict[str, Any] = {}
        if step.soft_delete_days:
            wanted["deleteRetentionPolicy"] = {"enabled": True, "days": step.soft_delete_days}
        if step.container_soft_delete_days:
            wanted["containerDeleteRetentionPolicy"] = {"enabled": True, "days": step.container_soft_delete_days}
        return self._put_service(step.resource_group, step.account, wanted)

    def _put_service(self, group: str, account: str, wanted: dict[str, Any]) -> list[str]:
        if not wanted:
            return []
        services = self._storage.blob_services
        with translated(f"set up the blob service of {account}", cloud=self._sdk.session.cloud):
            known = dict(services.get_service_properties(group, account).as_dict().get("properties") or {})
            changed = {name: value for name, value in wanted.items() if not _covers(known.get(name), value)}
            if changed:
                # A PUT replaces the whole: what is there goes along.
                services.set_service_properties(group, account, {"properties": {**known, **changed}})
        return sorted(changed)

    def scope(self, group: str, account: str, name: str) -> bool:
        """Make sure that an encryption scope under a key of Microsoft exists; whether it had to be made.

        Raises:
            GovliftError: the target refused.
        """
        scopes = self._storage.encryption_scopes
        with translated(f"make encryption scope {name} of {account}", cloud=self._sdk.session.cloud):
            if any(one.as_dict()["name"] == name for one in scopes.list(group, account)):
                return False
            scopes.put(group, account, name, {"properties": {"source": "Microsoft.Storage", "state": "Enabled"}})
        return True

    def lifecycle(self, step: FinishAccount) -> bool:
        """Set the lifecycle policy; whether it was another one before. Raises GovliftError."""
        from azure.core.exceptions import ResourceNotFoundError

        policies, wanted = self._storage.management_policies, json.loads(step.lifecycle)
        with translated(f"set the lifecycle policy of {step.account}", cloud=self._sdk.session.cloud):
            try:
                found = policies.get(step.resource_group, step.account, _DEFAULT).as_dict()
                if dict(found.get("properties") or {}).get("policy") == wanted:
                    return False
            except ResourceNotFoundError:
                pass
            body = {"properties": {"policy": wanted}}
            policies.create_or_update(step.resource_group, step.account, _DEFAULT, body)
        return True

    def retention(self, step: ProtectContainer) -> str:
        """Set the time-based policy, and lock it where the step says so; "set", "locked" or "as it was".

        A policy that is there and keeps at least as long stays. Raises GovliftError.
        """
        from azure.core import MatchConditions

        containers, place = self._storage.blob_containers, (step.resource_group, step.account, step.container)
        with translated(f"set the retention policy of {step.account}/{step.container}", cloud=self._sdk.session.cloud):
            found = containers.get(*place).as_dict()
            policy = dict(dict(found.get("properties") or {}).get("immutabilityPolicy") or {})
            known, etag = dict(policy.get("properties") or {}), str(policy.get("etag") or "")
            done = "as it was"
            if int(known.get("immutabilityPeriodSinceCreationInDays") or 0) < step.days:
                wanted = {"immutabilityPeriodSinceCreationInDays": step.days}
                appends = {"allowProtectedAppendWrites": True} if step.allow_appends else {}
                appends = {"allowProtectedAppendWritesAll": True} if step.allow_all_appends else appends
                made = containers.create_or_update_immutability_policy(*place, {"properties": {**wanted, **appends}})
                known, etag, done = {}, str(made.as_dict().get("etag") or ""), "set"
            if step.lock and known.get("state") != "Locked":
                containers.lock_immutability_policy(*place, etag=etag, match_condition=MatchConditions.IfNotModified)
                done = "locked"
        return done

    def holds(self, step: ProtectContainer) -> bool:
        """Set the tags of the legal hold that are not there yet; whether there were any. Raises GovliftError."""
        containers, place = self._storage.blob_containers, (step.resource_group, step.account, step.container)
        with translated(f"set the legal hold of {step.account}/{step.container}", cloud=self._sdk.session.cloud):
            found = dict(containers.get(*place).as_dict().get("properties") or {})
            have = {str(one.get("tag")) for one in dict(found.get("legalHold") or {}).get("tags") or ()}
            missing = [tag for tag in step.holds if tag not in have]
            if missing:
                more = {"allowProtectedAppendWritesAll": True} if step.holds_allow_appends else {}
                containers.set_legal_hold(*place, {"tags": missing, **more})
        return bool(missing)


def _covers(known: Any, wanted: Any) -> bool:
    """Whether `known` has all that `wanted` says."""
    if isinstance(wanted, dict):
        return isinstance(known, dict) and all(_covers(known.get(name), value) for name, value in wanted.items())
    return bool(known == wanted)
