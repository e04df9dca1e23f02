"""Azure Resource Manager, seen from the two sides: the source can only be read, the target is also written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mappings.errors import AskForApproval, GovliftError, TryLater
from mappings.model import Resource, ResourceGroup, Subscription
from mappings.plan import CreateResourceGroup, CreateStorageAccount
from tasks.clients.account_writing import AccountWriter
from tasks.clients.accounts import (
    AccountInfo,
    NameCheck,
    StorageAccountFacts,
    account_of,
    creation_body,
    facts_of,
    fixed_differences,
    group_of,
    part_of,
    resource_of,
    subscription_of,
    type_in,
)
from tasks.clients.armlist import ArmReader
from tasks.clients.errors import translated
from tasks.clients.management import (
    PERMISSIONS_API,
    RESOURCES_API,
    STORAGE_API_RANGE,
    SUBSCRIPTIONS_API,
    Management,
    ProviderType,
    permitted,
)
from tasks.clients.offerlists import OfferLists

if TYPE_CHECKING:
    from tasks.clients.session import Session

__all__ = ["AccountInfo", "NameCheck", "ProviderType", "SourceArm", "StorageAccountFacts", "TargetArm"]

MANAGEMENT_GROUPS_API = "2020-05-01"
GOVERNANCE_API: Mapping[str, str] = {
    "locks": "2016-09-01",
    "roleAssignments": "2022-04-01",
    "policyAssignments": "2022-06-01",
}
"""What governs resources -> API version that both clouds have."""

_IN_A_PATH = "/-._~!$&'()*+,;=:@"
"""What may stand in a path as it is (RFC 3986)."""
_MOST_PROVISIONING = 900
"""Seconds that a storage account may take to be made; usually it is half a minute."""
_MOST_UNSEEN = 20
"""Seconds for which an account under way may be taken, yet not shown, before it counts as somebody else's."""
_POLL = 2
"""Seconds between two looks at an account under way."""


class _Reads:
    """The reads that both sides have."""

    def __init__(self, session: Session, *, reads_only: bool) -> None:
        self.session = session
        self.cloud = session.cloud
        self._sdk = Management(session, reads_only=reads_only)

    @property
    def api_versions_used(self) -> Mapping[str, str]:
        """Resource type -> API version of the calls made so far, for evidence."""
        return dict(self._sdk.api_versions_used)

    def close(self) -> None:
        self._sdk.close()

    def _subscription(self, subscription_id: str) -> Subscription:
        with translated(f"read subscription {subscription_id}", cloud=self.cloud):
            return subscription_of(self._sdk.subscriptions().subscriptions.get(subscription_id).as_dict())

    def _clock_skew(self, subscription_id: str) -> timedelta:
        """How far this machine's clock is ahead of the cloud's, to about a second."""
        heard: list[str] = []

        def listen(answer: Any) -> None:
            heard.append(str(answer.http_response.headers.get("Date", "")))

        with translated(f"read subscription {subscription_id}", cloud=self.cloud):
            self._sdk.subscriptions().subscriptions.get(subscription_id, raw_response_hook=listen)
        return datetime.now(UTC) - parsedate_to_datetime(heard[-1])


class SourceArm(_Reads):
    """The source's ARM. There is no method that writes, and its clients refuse to send anything that could.

    Its lists may be read from several threads at once.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, reads_only=True)
        self._lists = ArmReader(session)
        self._versions_of = ""
        """The subscription whose list of providers tells the API versions; the first that was asked."""

    def subscription(self, subscription_id: str) -> Subscription:
        """One subscription. Raises GrantAccess where it does not exist or is not visible."""
        return self._subscription(subscription_id)

    def subscriptions(self, ids: Sequence[str]) -> tuple[Subscription, ...]:
        """These subscriptions, in this order. Raises at the first that cannot be read."""
        return tuple(self._subscription(one) for one in ids)

    def visible(self) -> tuple[Subscription, ...]:
        """Every subscription that the identity may see, disabled ones too."""
        with translated("list the subscriptions", cloud=self.cloud):
            return tuple(subscription_of(one) for one in self._lists.listed("/subscriptions", SUBSCRIPTIONS_API))

    def below(self, management_group: str) -> tuple[str, ...]:
        """Ids of all subscriptions below a management group, in groups below it too, in order; visible or not.

        Source: REST "Management Groups - Get Descendants". Raises GrantAccess where the group cannot be read.
        """
        path = f"/providers/Microsoft.Management/managementGroups/{quote(management_group, safe='')}/descendants"
        with translated(f"list what is below management group {management_group}", cloud=self.cloud):
            found = [str(one["id"]) for one in self._lists.listed(path, MANAGEMENT_GROUPS_API)]
        return tuple(sorted(part_of(one, "subscriptions").lower() for one in found if part_of(one, "subscriptions")))

    def groups(self, subscription_id: str) -> tuple[ResourceGroup, ...]:
        """All resource groups that the identity may see."""
        path = f"/subscriptions/{subscription_id}/resourcegroups"
        with translated(f"list the resource groups of subscription {subscription_id}", cloud=self.cloud):
            return tuple(group_of(one) for one in self._lists.listed(path, RESOURCES_API))

    def resources(self, subscription_id: str) -> Iterator[Resource]:
        """All resources, page by page, without properties: ARM's list does not carry them.

        A page that cannot be had raises; what came before it was yielded.
        """
        path = f"/subscriptions/{subscription_id}/resources"
        with translated(f"list the resources of subscription {subscription_id}", cloud=self.cloud):
            yield from map(resource_of, self._lists.listed(path, RESOURCES_API, top="1000"))

    def resources_of_group(self, subscription_id: str, group: str) -> tuple[Resource, ...]:
        """All resources of one group, without properties."""
        path = f"/subscriptions/{subscription_id}/resourcegroups/{quote(group, safe='')}/resources"
        with translated(f"list the resources of resource group {group}", cloud=self.cloud):
            return tuple(map(resource_of, self._lists.listed(path, RESOURCES_API)))

    def governance(self, subscription_id: str, kind: str) -> tuple[Resource, ...]:
        """Locks, role assignments or policy assignments (`kind`: a key of `GOVERNANCE_API`) that a subscription has.

        Role and policy assignments: with those that it inherits. Locks: of its groups and resources too.
        """
        path = f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/{kind}"
        with translated(f"list the {kind} of subscription {subscription_id}", cloud=self.cloud):
            return tuple(map(resource_of, self._lists.listed(path, GOVERNANCE_API[kind])))

    def close(self) -> None:
        self._lists.close()
        super().close()

    def get(self, resource_id: str) -> Resource:
        """One resource with its properties, at the newest API version that its cloud offers for the type."""
        # Which versions there are is the cloud's affair and not the subscription's, and the list is long.
        asked = self._versions_of or part_of(resource_id, "subscriptions")
        version = self._sdk.version_for(asked, type_in(resource_id))
        self._versions_of = asked
        url = f"{self.cloud.arm.rstrip('/')}{quote(resource_id, safe=_IN_A_PATH)}"
        with translated(f"read {resource_id}", cloud=self.cloud):
            return resource_of(self._lists.ask("GET", url, params={"api-version": version})[0])

    def storage_account(self, resource: Resource) -> StorageAccountFacts:
        """What matters of a storage account, ARM or classic; read anew where `resource` came without properties."""
        return facts_of(resource if resource.properties else self.get(resource.id))

    def part_of_account(self, account_id: str, path: str) -> Mapping[str, Any]:
        """What ARM tells below a storage account, e.g. at `blobServices/default`.

        Raises GovliftError; its `status` is 404 where there is no such part.
        """
        place = f"{account_id}/{path}"
        url = f"{self.cloud.arm.rstrip('/')}{quote(place, safe=_IN_A_PATH)}"
        with translated(f"read {place}", cloud=self.cloud):
            return self._lists.ask("GET", url, params={"api-version": self._storage_version(account_id)})[0]

    def parts_of_account(self, account_id: str, path: str) -> tuple[Mapping[str, Any], ...]:
        """A list below a storage account, e.g. at `encryptionScopes`, whole. Raises GovliftError."""
        place = f"{account_id}/{path}"
        with translated(f"list {place}", cloud=self.cloud):
            return tuple(self._lists.listed(quote(place, safe=_IN_A_PATH), self._storage_version(account_id)))

    def _storage_version(self, account_id: str) -> str:
        asked = self._versions_of or part_of(account_id, "subscriptions")
        oldest, newest = STORAGE_API_RANGE
        version = self._sdk.version_for(asked, "Microsoft.Storage/storageAccounts", oldest=oldest, newest=newest)
        self._versions_of = asked
        return version

    def providers(self, subscription_id: str) -> Mapping[str, ProviderType]:
        """Every resource type of the source, by `namespace/type` in lower case."""
        return self._sdk.providers(subscription_id)

    def clock_skew(self, subscription_id: str) -> timedelta:
        """How far this machine's clock is ahead of the cloud's, to about a second."""
        return self._clock_skew(subscription_id)


class TargetArm(_Reads):
    """The target's ARM, for one subscription. Everything that writes here is named `ensure_...` and is idempotent."""

    def __init__(self, session: Session, subscription_id: str) -> None:
        super().__init__(session, reads_only=False)
        self.subscription_id = subscription_id.lower()

    def subscription(self) -> Subscription:
        """The target subscription. Raises GrantAccess where it does not exist or is not visible."""
        return self._subscription(self.subscription_id)

    def providers(self) -> Mapping[str, ProviderType]:
        """Every resource type that this subscription offers, by `namespace/type` in lower case."""
        return self._sdk.providers(self.subscription_id)

    def offer_lists(self) -> OfferLists:
        """What this subscription says of SKUs, zones and policies; the caller closes it."""
        return OfferLists(self._sdk, self.subscription_id)

    def account_settings(self) -> AccountWriter:
        """What sets blob services, policies and scopes of this subscription's accounts."""
        return AccountWriter(self._sdk, self.subscription_id)

    def clock_skew(self) -> timedelta:
        """How far this machine's clock is ahead of the cloud's, to about a second."""
        return self._clock_skew(self.subscription_id)

    def allows(self, action: str, *, data: bool = False) -> bool:
        """Whether the identity's roles on the subscription cover `action`, e.g. one that ends in `/write`.

        Source: Permissions - List For Resource Group, at subscription scope. Policies and locks are not part of it.

        Args:
            action: full name, no wildcards.
            data: whether it is an action of the data plane.
        """
        scope = f"/subscriptions/{self.subscription_id}/providers/Microsoft.Authorization/permissions"
        with translated("list the identity's permissions", cloud=self.cloud):
            found = self._sdk.resources(self.subscription_id).resources.get_by_id(scope, api_version=PERMISSIONS_API)
            return permitted(list(found.get("value") or ()), action, data=data)

    def name_free(self, name: str) -> NameCheck:
        """Whether a storage account of this name could be made in this cloud."""
        with translated(f"check the storage account name {name}", cloud=self.cloud):
            wanted = {"name": name, "type": "Microsoft.Storage/storageAccounts"}
            said = self._sdk.storage(self.subscription_id).storage_accounts.check_name_availability(wanted).as_dict()
        free = bool(said.get("nameAvailable"))
        return NameCheck(free, str(said.get("reason") or ""), str(said.get("message") or ""))

    def account(self, resource_group: str, name: str) -> AccountInfo | None:
        """A storage account of this subscription; None where the group or the account does not exist."""
        body = self._account_body(resource_group, name)
        return account_of(body) if body else None

    def accounts(self) -> tuple[AccountInfo, ...]:
        """All storage accounts of this subscription."""
        with translated(f"list the storage accounts of subscription {self.subscription_id}", cloud=self.cloud):
            found = self._sdk.storage(self.subscription_id).storage_accounts.list()
            return tuple(account_of(one.as_dict()) for one in found)

    def ensure_group(self, wanted: CreateResourceGroup) -> str:
        """Make sure a resource group exists; returns its id.

        Raises:
            AskForApproval: it exists in another region; a group cannot be moved.
        """
        groups = self._sdk.resources(self.subscription_id).resource_groups
        with translated(f"make resource group {wanted.name}", cloud=self.cloud):
            if groups.check_existence(wanted.name):
                found = group_of(groups.get(wanted.name).as_dict())
            else:
                made = groups.create_or_update(wanted.name, {"location": wanted.region, "tags": dict(wanted.tags)})
                found = group_of(made.as_dict())
        if found.location.replace(" ", "").lower() != wanted.region.replace(" ", "").lower():
            raise AskForApproval(
                f"Resource group {wanted.name} is in {found.location}; the plan says {wanted.region}.",
                next_step="Set target.resource_group_prefix to a name of its own, or target.regions to that region.",
            )
        return found.id

    def ensure_account(self, wanted: CreateStorageAccount) -> AccountInfo:
        """Make sure a storage account exists with what cannot be changed later; waits until it is ready.

        An account that is there already keeps its changeable settings; what differs is in `differences`.

        Raises:
            AskForApproval: it exists with another location, kind or performance, or is somebody else's.
        """
        created = False
        body = self._account_body(wanted.resource_group, wanted.name)
        if body is None:
            body = self._unless_free(wanted)
        if body is None:
            body, created = self._create(wanted), True
        found = self._settled(body, wanted)
        if differing := fixed_differences(found, wanted):
            raise AskForApproval(
                f"Storage account {wanted.name} exists, but {'; '.join(differing)}, and that cannot be changed.",
                next_step="Choose another name in target.account_names, or delete that account yourself.",
            )
        return replace(found, created=created)

    def _account_body(self, resource_group: str, name: str) -> Mapping[str, Any] | None:
        from azure.core.exceptions import ResourceNotFoundError

        accounts = self._sdk.storage(self.subscription_id).storage_accounts
        with translated(f"read storage account {name}", cloud=self.cloud):
            try:
                body: Mapping[str, Any] = accounts.get_properties(resource_group, name).as_dict()
            except ResourceNotFoundError as wrong:
                if getattr(wrong.error, "code", "") in ("ResourceNotFound", "ResourceGroupNotFound"):
                    return None
                raise
        return body

    def _unless_free(self, wanted: CreateStorageAccount) -> Mapping[str, Any] | None:
        """None where the name is free; the account where a run that was killed is just having it made."""
        check = self.name_free(wanted.name)
        if check.free:
            return None
        body = self._born(wanted, _MOST_UNSEEN) if check.reason == "AlreadyExists" else None
        if body is None:
            raise AskForApproval(
                f"Storage account name {wanted.name} cannot be used in {self.cloud.name}: "
                f"{(check.message or check.reason).rstrip('.')}.",
                next_step="Run `govlift assess` and `govlift plan` again, or set another name in target.account_names.",
            )
        return body

    def _born(self, wanted: CreateStorageAccount, seconds: float) -> Mapping[str, Any] | None:
        """The account as soon as ARM shows it; None where it does not within so many seconds."""
        until = time.monotonic() + seconds
        while (body := self._account_body(wanted.resource_group, wanted.name)) is None:
            if time.monotonic() >= until:
                return None
            time.sleep(_POLL)
        return body

    def _create(self, wanted: CreateStorageAccount) -> Mapping[str, Any]:
        accounts = self._sdk.storage(self.subscription_id).storage_accounts
        try:
            with translated(f"make storage account {wanted.name}", cloud=self.cloud):
                poller = accounts.begin_create(wanted.resource_group, wanted.name, creation_body(wanted))
                poller.wait(_MOST_PROVISIONING)
                body: Mapping[str, Any] | None = poller.result().as_dict() if poller.done() else None
        except GovliftError as wrong:
            # The answer to an earlier PUT was lost, and the retry finds that one still at work.
            if wrong.code != "StorageAccountOperationInProgress":
                raise
            body = self._born(wanted, _MOST_PROVISIONING)
        if body is None:
            raise _still_working(wanted.name)
        return body

    def _settled(self, body: Mapping[str, Any], wanted: CreateStorageAccount) -> AccountInfo:
        """Wait out an account that a killed run left half made."""
        until = time.monotonic() + _MOST_PROVISIONING
        while (found := account_of(body, wanted=wanted)).state in ("Creating", "ResolvingDNS"):
            if time.monotonic() > until:
                raise _still_working(wanted.name)
            time.sleep(_POLL)
            body = self._account_body(wanted.resource_group, wanted.name) or body
        return found


def _still_working(name: str) -> GovliftError:
    return TryLater(
        f"Storage account {name} was not ready after {_MOST_PROVISIONING // 60} minutes.",
        next_step="Run the same command again; it goes on from here.",
    )
