"""What a storage account carries besides containers and blobs, read from ARM; and what of it travels, as plan steps.

Sources: REST reference of Microsoft.Storage, "Blob Services - Get Service Properties", "Blob Containers - Get",
"Encryption Scopes - List", "Management Policies - Get"; REST "Get Blob Service Properties" (static website). Order:
versioning and what blobs are written under come before the copy; what deletes (lifecycle, soft delete) or forbids
writes (immutability, legal holds) comes last, after verification (Learn, "Store business-critical blob data with
immutable storage"; a locked policy can never be taken off again).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mappings.codec import canonical_json, decode
from mappings.plan import CreateStorageAccount, FinishAccount, ProtectContainer, SetAccount
from mappings.settings import Copy

_NO_SCOPE = "$account-encryption-key"
_VERSIONED_KINDS = ("StorageV2", "BlockBlobStorage")


@dataclass(frozen=True, slots=True)
class Protection:
    """Immutability of one container."""

    container: str
    days: int = 0
    """Time-based retention since the blob's creation, 0 without a policy."""
    locked: bool = False
    allow_appends: bool = False
    allow_all_appends: bool = False
    holds: tuple[str, ...] = ()
    """Tags of the legal hold."""
    holds_allow_appends: bool = False
    version_level: bool = False
    """Version-level immutability is on: policies stand at single versions."""


@dataclass(frozen=True, slots=True)
class AccountDetails:
    """The settings of one source account as ARM and its blob service tell them."""

    account: str
    versioning: bool = False
    change_feed: bool = False
    change_feed_days: int = 0
    last_access: bool = False
    soft_delete_days: int = 0
    container_soft_delete_days: int = 0
    restore_days: int = 0
    """Point-in-time restore, 0 where it is off."""
    default_version: str = ""
    cors: str = ""
    """CORS rules as JSON, "" without any."""
    lifecycle: str = ""
    """The lifecycle policy's `policy` as JSON, "" without one."""
    website: Mapping[str, str] = field(default_factory=dict)
    """Static website: "index", "error", "default"; empty where it is off."""
    scopes: tuple[str, ...] = ()
    """Encryption scopes under keys of Microsoft."""
    foreign_scopes: tuple[str, ...] = ()
    """Encryption scopes under a key of Key Vault."""
    protections: tuple[Protection, ...] = ()
    default_scopes: Mapping[str, str] = field(default_factory=dict)
    """Container -> encryption scope of new blobs."""
    scope_forced: tuple[str, ...] = ()
    """Containers whose blobs may be under no other scope than its default."""
    inventory_rules: int = 0
    replication_policies: int = 0
    unread: tuple[str, ...] = ()
    """What could not be read, with why: it is not known to be absent."""


def details_of(
    account: str,
    service: Mapping[str, Any],
    *,
    lifecycle: Mapping[str, Any] | None = None,
    containers: Iterable[Mapping[str, Any]] = (),
    scopes: Iterable[Mapping[str, Any]] = (),
    inventory: Sequence[Mapping[str, Any]] = (),
    replication: Sequence[Mapping[str, Any]] = (),
    website: Mapping[str, str] | None = None,
    unread: Iterable[str] = (),
) -> AccountDetails:
    """The details of `account` from ARM bodies.

    Args:
        service: `properties` of blobServices/default.
        lifecycle: `properties` of the management policy, None without one.
        containers: bodies of containers, those with a policy or hold as Get gives them.
    """
    found = list(containers)
    feed, access = _part(service, "changeFeed"), _part(service, "lastAccessTimeTrackingPolicy")
    rules = _part(service, "cors").get("corsRules") or []
    scope_list = [(str(one["name"]), _part(one, "properties")) for one in scopes]
    policy = (lifecycle or {}).get("policy")
    return AccountDetails(
        account=account,
        versioning=bool(service.get("isVersioningEnabled")),
        change_feed=bool(feed.get("enabled")),
        change_feed_days=int(feed.get("retentionInDays") or 0),
        last_access=bool(access.get("enable")),
        soft_delete_days=_days(service, "deleteRetentionPolicy"),
        container_soft_delete_days=_days(service, "containerDeleteRetentionPolicy"),
        restore_days=_days(service, "restorePolicy"),
        default_version=str(service.get("defaultServiceVersion") or ""),
        cors=canonical_json(rules) if rules else "",
        lifecycle=canonical_json(policy) if policy else "",
        website=dict(website or {}),
        scopes=tuple(sorted(n for n, p in scope_list if _by_microsoft(p) and p.get("state") != "Disabled")),
        foreign_scopes=tuple(sorted(n for n, p in scope_list if not _by_microsoft(p))),
        protections=tuple(p for one in found if (p := _protection(one)) is not None),
        default_scopes={
            str(one["name"]): str(scope)
            for one in found
            if (scope := _part(one, "properties").get("defaultEncryptionScope") or _NO_SCOPE) != _NO_SCOPE
        },
        scope_forced=tuple(
            sorted(str(one["name"]) for one in found if _part(one, "properties").get("denyEncryptionScopeOverride"))
        ),
        inventory_rules=len(inventory),
        replication_policies=len(replication),
        unread=tuple(unread),
    )


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def _days(service: Mapping[str, Any], name: str) -> int:
    policy = _part(service, name)
    return int(policy.get("days") or 0) if policy.get("enabled") else 0


def _by_microsoft(scope: Mapping[str, Any]) -> bool:
    return str(scope.get("source") or "Microsoft.Storage").lower() == "microsoft.storage"


def _protection(body: Mapping[str, Any]) -> Protection | None:
    properties = _part(body, "properties")
    policy = _part(_part(properties, "immutabilityPolicy"), "properties")
    hold = _part(properties, "legalHold")
    tags = tuple(str(one["tag"]) for one in hold.get("tags") or () if one.get("tag"))
    level = bool(_part(properties, "immutableStorageWithVersioning").get("enabled"))
    days = int(policy.get("immutabilityPeriodSinceCreationInDays") or 0)
    if not (days or tags or level):
        return None
    return Protection(
        container=str(body["name"]),
        days=days,
        locked=str(policy.get("state") or "").lower() == "locked",
        allow_appends=bool(policy.get("allowProtectedAppendWrites")),
        allow_all_appends=bool(policy.get("allowProtectedAppendWritesAll")),
        holds=tags,
        holds_allow_appends=bool(_part(hold, "protectedAppendWritesHistory").get("allowProtectedAppendWritesAll")),
        version_level=level,
    )


def needs_whole(body: Mapping[str, Any]) -> bool:
    """Whether a container from a list has a policy or hold that only its own Get tells."""
    properties = _part(body, "properties")
    return bool(properties.get("hasImmutabilityPolicy") or properties.get("hasLegalHold"))


@dataclass(frozen=True, slots=True)
class Settling:
    """What the plan does with one account's settings."""

    before: tuple[SetAccount, ...]
    after: tuple[FinishAccount | ProtectContainer, ...]
    notes: tuple[str, ...]
    """What is not kept, or kept otherwise than at the source."""


def settle_account(
    details: AccountDetails, account: CreateStorageAccount, containers: Sequence[str], copy: Copy
) -> Settling:
    """The steps and notes for one account.

    Args:
        containers: those of the account that the plan creates.
    """
    versioned = details.versioning and account.kind in _VERSIONED_KINDS and not account.hierarchical
    before = SetAccount(
        account=account.name,
        resource_group=account.resource_group,
        source_account=account.source_account,
        versioning=versioned,
        replay_versions=versioned and copy.versions == "all",
        change_feed=details.change_feed,
        change_feed_days=details.change_feed_days,
        last_access=details.last_access,
        default_version=details.default_version,
        cors=details.cors,
        scopes=details.scopes,
        website=dict(details.website),
    )
    after: list[FinishAccount | ProtectContainer] = []
    if details.soft_delete_days or details.container_soft_delete_days or details.lifecycle:
        after.append(
            FinishAccount(
                account=account.name,
                resource_group=account.resource_group,
                source_account=account.source_account,
                soft_delete_days=details.soft_delete_days,
                container_soft_delete_days=details.container_soft_delete_days,
                lifecycle=details.lifecycle,
            )
        )
    after += _protections(details, account, containers, copy)
    nothing = SetAccount(account.name, account.resource_group, account.source_account)
    return Settling(
        (before,) if before != nothing else (), tuple(after), tuple(_notes(details, account, versioned, copy))
    )


def _protections(
    details: AccountDetails, account: CreateStorageAccount, containers: Sequence[str], copy: Copy
) -> list[ProtectContainer]:
    if copy.immutability == "report":
        return []
    return [
        ProtectContainer(
            account=account.name,
            resource_group=account.resource_group,
            source_account=account.source_account,
            container=one.container,
            days=one.days,
            lock=one.locked and copy.immutability == "locked",
            allow_appends=one.allow_appends,
            allow_all_appends=one.allow_all_appends,
            holds=one.holds,
            holds_allow_appends=one.holds_allow_appends,
        )
        for one in sorted(details.protections, key=lambda one: one.container)
        if one.container in containers and (one.days or one.holds)
    ]


def _notes(details: AccountDetails, account: CreateStorageAccount, versioned: bool, copy: Copy) -> Iterable[str]:
    """What is not kept, one line each, without the account's name."""
    name = details.account
    if details.versioning and not versioned:
        yield f"Previous versions of {name}: the target account ({account.kind}) cannot keep versions."
    elif versioned and copy.versions == "current":
        yield f'Previous versions of {name}: copy.versions is "current", so only current versions are copied.'
    for one in details.protections:
        yield from _protection_notes(name, one, copy)
    if details.lifecycle and "lastaccess" in details.lifecycle.lower() and not details.last_access:
        yield f"Lifecycle rules of {name} on the last access time: the source does not track it."
    elif details.lifecycle:
        yield f"Lifecycle rules of {name} count days since creation and change from the copy on; they are set last."
    for scope in details.foreign_scopes:
        yield f"Encryption scope {scope} of {name}: its key lies in a vault of the source; make it with a key there."
    yield from _scope_notes(details)
    if details.restore_days:
        yield f"Point-in-time restore of {name} ({details.restore_days} days): set it again when the copy is done."
    if details.inventory_rules:
        yield f"Blob inventory policy of {name}: it names a container for its reports; set it again."
    if details.replication_policies:
        yield f"Object replication of {name} ({details.replication_policies} policies): it does not cross clouds."
    for part in details.unread:
        yield f"Settings of {name} that could not be read: {part}"


def _scope_notes(details: AccountDetails) -> Iterable[str]:
    """Scopes lie in their account and a container gets its default at its creation only: nothing of it crosses."""
    for container in sorted({*details.default_scopes, *details.scope_forced}):
        scope, forced = details.default_scopes.get(container, "the account's key"), container in details.scope_forced
        words = ["--default-encryption-scope", details.default_scopes.get(container, _NO_SCOPE)]
        words += ["--prevent-encryption-scope-override", "true"] if forced else []
        # In quotes: a shell would take the default's own name for a variable.
        told = " ".join(f"'{word}'" if word.startswith("$") else word for word in words)
        other = ", no other allowed" if forced else ""
        yield (
            f"Default encryption scope of {details.account}/{container} ({scope}{other}): the container is made "
            "without, and its blobs are under the target account's key. To keep it, make account, scope and "
            f"container at the target before the start: az storage container create --name {container} {told}."
        )


def _protection_notes(name: str, one: Protection, copy: Copy) -> Iterable[str]:
    place = f"{name}/{one.container}"
    if copy.immutability == "report" and (one.days or one.holds):
        yield f'Immutability of {place}: copy.immutability is "report", so it is not set.'
    elif one.locked and copy.immutability == "unlocked":
        yield f"Lock of the {one.days}-day retention policy of {place}: it is set unlocked; lock it at the end."
    if one.days:
        yield f"Retention of {place} counts from the blobs' creation, which is the day of the copy at the target."
    if one.version_level:
        yield f"Version-level immutability of {place}: policies and holds of single versions are reported, not set."


def details_to_text(details: AccountDetails) -> str:
    """As `details_from_text` reads it, for the ledger."""
    return canonical_json(details)


def details_from_text(text: str) -> AccountDetails:
    """What `details_to_text` wrote."""
    return decode(AccountDetails, text)
