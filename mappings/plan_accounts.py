"""Which storage accounts move, and what each becomes in the target.

Sources: Storage resource provider REST, "Storage Accounts - Create" (kinds, SKUs, `minimumTlsVersion`,
`allowBlobPublicAccess`, `allowSharedKeyAccess`, whose null means true); Learn, "Azure regions that support
zone-redundant storage" and "... geo-zone-redundant storage" (of the Government regions US Gov Virginia only; re-read
2026-11-22).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from mappings.errors import FixTheInput
from mappings.model import Assessment, ContainerSurvey, Resource, Verdict
from mappings.plan import CreateStorageAccount
from mappings.plan_target import PlanTarget, SkuChoice
from mappings.redundancy import spelt
from mappings.regions import nearest_government
from mappings.settings import Settings
from mappings.states import VerdictKind

ACCOUNT = "microsoft.storage/storageaccounts"
CLASSIC_ACCOUNT = "microsoft.classicstorage/storageaccounts"

_KINDS = {
    "storage": "StorageV2",
    "storagev2": "StorageV2",
    "blobstorage": "StorageV2",
    "blockblobstorage": "BlockBlobStorage",
    "filestorage": "FileStorage",
}
_PREMIUM_KINDS = ("BlockBlobStorage", "FileStorage")
_TIERS = ("Hot", "Cool", "Cold")
_NEW_TLS = ("TLS1_2", "TLS1_3")
_ZONES_IN = "usgovvirginia"


@dataclass(frozen=True, slots=True)
class Mapped:
    """An account's step, and what about it the target will not have."""

    step: CreateStorageAccount
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An account that the target would refuse, and why."""

    resource: Resource
    why: str


def accounts_to_move(assessment: Assessment, settings: Settings) -> tuple[Resource, ...]:
    """The storage accounts that a plan of this assessment creates and copies, by name.

    What the target cannot hold is left out of the plan later: for that the names of the target groups are needed.

    Raises:
        FixTheInput: the settings name an account that the inventory does not have.
    """
    resources = {resource.id.lower(): resource for resource in assessment.inventory.resources}
    _require_known("copy.accounts", settings.copy_.accounts, resources)
    _require_known("target.account_skus", tuple(settings.target.account_skus), resources)
    moved = {
        verdict.resource_id.lower(): resources[verdict.resource_id.lower()]
        for verdict in assessment.verdicts
        if not why_left_out(resources[verdict.resource_id.lower()], verdict, settings)
    }
    return tuple(sorted(moved.values(), key=lambda resource: (resource.name, resource.id)))


def why_left_out(resource: Resource, verdict: Verdict, settings: Settings) -> str:
    """Why the plan does not move `resource`; "" where it does."""
    if resource.type.lower() not in (ACCOUNT, CLASSIC_ACCOUNT):
        return _by_verdict(verdict)
    if not _movable(verdict):
        return _by_verdict(verdict)
    chosen = [name.lower() for name in settings.copy_.accounts]
    if chosen and resource.name.lower() not in chosen:
        return "copy.accounts in the settings does not name it"
    if resource.properties.get("isHnsEnabled"):
        return "it has a hierarchical namespace (Data Lake Storage), which this version of govlift does not move"
    return ""


def map_account(
    resource: Resource,
    *,
    name: str,
    group: str,
    surveys: Sequence[ContainerSurvey],
    settings: Settings,
    target: PlanTarget,
) -> Mapped | Unplaced:
    """What source account `resource` becomes; why it has no place, where the target would refuse it.

    Args:
        resource: an account of `accounts_to_move`.
        name: its free name in the target.
        group: name of its target resource group.
        surveys: its containers.
        settings: for the region.
        target: what the target lets a plan do.

    Raises:
        FixTheInput: no target region is known for its region, or the settings give it a SKU that the target refuses.
    """
    region = target_region(resource, settings)
    kind, kind_note = _kind(resource)
    if why := target.refuses_account(region, group):
        return Unplaced(resource, why)
    sku, sku_note = _sku(resource, kind)
    choice = target.sku_of(resource.name, sku, kind, region, group)
    if not choice.sku:
        return Unplaced(resource, choice.note)
    notes = [kind_note, choice.lost if choice.note else _doubt(sku, region, target), sku_note]
    return Mapped(
        _step(resource, choice, kind, name=name, group=group, region=region, used=_public(surveys)),
        tuple(f"Storage account {resource.name}: {note}." for note in (*notes, *_stricter(resource, _public(surveys)))
              if note),
    )  # fmt: skip


def _step(
    resource: Resource, choice: SkuChoice, kind: str, *, name: str, group: str, region: str, used: bool
) -> CreateStorageAccount:
    given, tls = resource.properties, _tls(resource)
    return CreateStorageAccount(
        name=name,
        resource_group=group,
        region=region,
        kind=kind,
        sku=choice.sku,
        source_id=resource.id,
        source_account=resource.name,
        access_tier=_tier(resource, kind, choice.sku),
        minimum_tls=tls if tls in _NEW_TLS else _NEW_TLS[0],
        allow_public_access=given.get("allowBlobPublicAccess") is not False and used,
        allow_shared_key=given.get("allowSharedKeyAccess") is not False,
        https_only=True,
        tags=dict(resource.tags),
        note=choice.note,
    )


def _public(surveys: Sequence[ContainerSurvey]) -> bool:
    return any(survey.public_access for survey in surveys)


def target_region(resource: Resource, settings: Settings) -> str:
    """Government region of `resource`.

    Raises:
        FixTheInput: none is known.
    """
    choice = nearest_government(resource.location, settings.target.regions, settings.target.region)
    if not choice.region:
        raise FixTheInput(
            f'There is no target region for {resource.name} in "{resource.location}": {choice.why}.',
            next_step="Set target.region, or name this region under [target.regions], in migration.toml.",
        )
    return choice.region


def _movable(verdict: Verdict) -> bool:
    match verdict.verdict:
        case VerdictKind.READY | VerdictKind.READY_WITH_CHANGES:
            return verdict.type.lower() == ACCOUNT
        case VerdictKind.REPLACE:
            return verdict.target.type.lower() == ACCOUNT
        case VerdictKind.BLOCKED | VerdictKind.UNKNOWN:
            return False
        case _ as other:
            assert_never(other)


def _by_verdict(verdict: Verdict) -> str:
    match verdict.verdict:
        case VerdictKind.READY:
            return "ready; govlift does not move it: deploy it in the target from its template"
        case VerdictKind.READY_WITH_CHANGES:
            return f"ready with changes ({verdict.reason}); govlift does not move it: change its template and deploy it"
        case VerdictKind.REPLACE:
            instead = f" by {verdict.target.type}" if verdict.target.type else ""
            return f"to be replaced{instead} ({verdict.reason}); govlift does not build the replacement"
        case VerdictKind.BLOCKED:
            return f"blocked: {verdict.reason}"
        case VerdictKind.UNKNOWN:
            return f"unknown: {verdict.reason}"
        case _ as other:
            assert_never(other)


def _require_known(key: str, chosen: Sequence[str], resources: Mapping[str, Resource]) -> None:
    known = {
        resource.name.lower() for resource in resources.values() if resource.type.lower() in (ACCOUNT, CLASSIC_ACCOUNT)
    }
    for name in chosen:
        if name.lower() not in known:
            raise FixTheInput(
                f'{key} names "{name}", and the inventory has no storage account of that name.',
                next_step=f"Correct {key} in migration.toml, or take the inventory again.",
            )


def _tls(resource: Resource) -> str:
    return str(resource.properties.get("minimumTlsVersion") or "")


def _stricter(resource: Resource, used: bool) -> list[str]:
    """What clients of the source may do and those of the target may not."""
    given, tls = resource.properties, _tls(resource)
    notes = []
    if tls and tls not in _NEW_TLS:
        notes.append(f"clients with {tls.replace('_', '.')} (the target takes TLS1.2 or newer)")
    if given.get("supportsHttpsTrafficOnly") is False:
        notes.append("plain http (the target takes https only)")
    if given.get("allowBlobPublicAccess") and not used:
        notes.append("leave for public access (no container uses it)")
    return notes


def _kind(resource: Resource) -> tuple[str, str]:
    if resource.type.lower() == CLASSIC_ACCOUNT:
        return "StorageV2", "the classic deployment model (the target is a StorageV2 account)"
    kind = _KINDS.get(resource.kind.lower())
    if kind is None:
        return "StorageV2", f'kind "{resource.kind}", which is not known (the target is a StorageV2 account)'
    if kind.lower() != resource.kind.lower():
        return kind, f"kind {resource.kind} (the target is {kind})"
    return kind, ""


def _sku(resource: Resource, kind: str) -> tuple[str, str]:
    """Redundancy of the source, which is the first choice, and a word where the inventory does not tell it."""
    given = str(resource.sku.get("name") or resource.properties.get("accountType") or "")
    # Classic accounts spell it "Standard-LRS".
    sku = spelt(given) or given.replace("-", "_")
    if "_" not in sku or sku.startswith("["):
        sku = "Premium_LRS" if kind in _PREMIUM_KINDS else "Standard_GRS"
        return sku, f"the redundancy of the source is not in the inventory ({sku} is planned)"
    return sku, ""


def _doubt(sku: str, region: str, target: PlanTarget) -> str:
    if not target.knows_skus and sku.endswith("ZRS") and region != _ZONES_IN:
        return f"{sku} may be refused: Microsoft lists zone redundancy for {_ZONES_IN} only, not for {region}"
    return ""


def _tier(resource: Resource, kind: str, sku: str) -> str:
    tier = str(resource.properties.get("accessTier") or "")
    return tier if kind == "StorageV2" and sku.startswith("Standard") and tier in _TIERS else ""
