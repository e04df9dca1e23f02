"""What the target subscription itself offers: types, regions, API versions, SKUs, zones, policies, free names.

The subscription's own answers stand above the catalogue. `Offer` is a plain value: it is stored with the assessment,
and `offer_to_json` writes it to a file, so that a partner asks the target once and assesses offline with its truth.

Sources: Azure REST reference, "Providers - List", "Resource Skus - List" (Microsoft.Compute), "Skus - List"
(Microsoft.Storage), "Subscriptions - List Locations", "Policy Assignments - List", "Storage Accounts - Check Name
Availability".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.codec import compact_json
from mappings.errors import FixTheInput

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = "govlift-offer"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ZonesAt:
    """The availability zones of one region, by the numbers that this subscription uses for them."""

    region: str
    """Normalised name."""
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfferedType:
    """One resource type as `GET /providers` of the subscription lists it."""

    name: str
    """`namespace/type` in lower case."""
    regions: tuple[str, ...] = ()
    """Normalised names; empty where the type is not bound to a region."""
    api_versions: tuple[str, ...] = ()
    """As listed: newest first, previews among them."""
    registered: bool = True
    """Whether the provider is registered in the subscription."""
    zones: tuple[ZonesAt, ...] = ()
    """Regions in which the type takes zones; empty where the provider says nothing of zones."""


@dataclass(frozen=True, slots=True)
class SkuPlace:
    """One SKU in one region."""

    region: str
    zones: tuple[str, ...] = ()
    """Zones in which the SKU exists there; empty where it exists without zones."""
    refused: str = ""
    """`reasonCode` where the whole region is restricted for this subscription: `NotAvailableForSubscription` or
    `QuotaId`; "" where it is not."""
    refused_zones: tuple[str, ...] = ()
    """Zones that are restricted for this subscription."""


@dataclass(frozen=True, slots=True)
class Sku:
    """One SKU of one type."""

    of: str
    """What it is a SKU of, in lower case, as the service says: "virtualmachines", "disks", "storageaccounts", ..."""
    name: str
    """As spelt by the service, e.g. "Standard_D2s_v5"."""
    places: tuple[SkuPlace, ...]
    tier: str = ""
    family: str = ""
    """VM sizes: the family that shares one quota, e.g. "standardDSv5Family"."""
    kind: str = ""
    """Storage accounts: "StorageV2", "BlobStorage", ..."""
    cores: int = 0
    """vCPUs of a VM size; 0 where not told."""
    memory_gb: float = 0.0
    """Memory of a VM size in GiB; 0 where not told."""


class PolicyKind(StrEnum):
    """What a policy assignment can do to a migration, as far as it was understood."""

    ALLOWED_LOCATIONS = "allowed-locations"
    ALLOWED_GROUP_LOCATIONS = "allowed-group-locations"
    ALLOWED_TYPES = "allowed-types"
    DENIED_TYPES = "denied-types"
    ALLOWED_STORAGE_SKUS = "allowed-storage-skus"
    ALLOWED_VM_SIZES = "allowed-vm-sizes"
    DENIES_NOTHING = "denies-nothing"
    """Its effect is audit, append, deploy or the like, or it is not enforced."""
    NOT_UNDERSTOOD = "not-understood"
    """It may refuse resources; a person has to read it."""


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """One policy that is assigned at or above the target subscription."""

    assignment: str
    """ARM id of the assignment."""
    name: str
    """Display name, for a reader."""
    definition: str
    """ARM id of the policy definition (of a member, where an initiative is assigned)."""
    kind: PolicyKind
    values: tuple[str, ...] = ()
    """Regions (normalised), types or SKU names in lower case, by `kind`."""
    why: str = ""
    """Why it denies nothing, or what was not understood."""
    not_scopes: tuple[str, ...] = ()
    """Ids of scopes that the assignment leaves out."""


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """Whether a name could be had in the target cloud."""

    source: str
    """The source account that would take the name."""
    name: str
    free: bool
    reason: str = ""
    """`AlreadyExists` or `AccountNameInvalid`; "ours" where this subscription has the name already."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """The newest stable API version that the source cloud lists for a type, to compare with."""

    type: str
    """In lower case."""
    version: str


@dataclass(frozen=True, slots=True)
class Unasked:
    """Something that the target should have been asked and that it did not answer."""

    scope: str
    what: str
    why: str
    code: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one subscription of the target cloud offered at one moment."""

    cloud: str
    subscription_id: str
    asked_at: datetime
    types: tuple[OfferedType, ...] = ()
    skus: tuple[Sku, ...] = ()
    sku_lists: tuple[str, ...] = ()
    """Of what the SKUs are known completely, e.g. "virtualmachines"; a SKU of something else is not judged."""
    zones: tuple[ZonesAt, ...] = ()
    """The zones of each region, as the subscription lists its locations."""
    policies: tuple[TargetPolicy, ...] = ()
    names: tuple[NameAnswer, ...] = ()
    source_versions: tuple[NewestVersion, ...] = ()
    """Empty where the source was not asked."""
    unasked: tuple[Unasked, ...] = ()
    """What could not be asked; about these the catalogue alone speaks."""


@cache
def _reader() -> TypeAdapter[Offer]:
    # Every quick command imports this module with the model; few of them read an offer.
    from pydantic import TypeAdapter

    return TypeAdapter(Offer)


def offer_to_json(offer: Offer) -> str:
    """`offer` as the text of a file, one object, for `offer_from_json`. Holds no secret."""
    return compact_json({"format": FORMAT, "version": VERSION, "offer": offer}) + "\n"


def offer_from_json(text: str, *, origin: str) -> Offer:
    """The offer that `offer_to_json` wrote.

    Args:
        origin: name of the file, for the sentence of an error.

    Raises:
        FixTheInput: the text is no offer, one of another version or of another cloud than Azure Government, or broken;
            says where.
    """
    again = f"Make it anew with `govlift offer --out {origin}`."
    try:
        whole = json.loads(text)
    except ValueError as wrong:
        raise FixTheInput(f"{origin} is not JSON: {wrong}.", next_step=again) from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise FixTheInput(f'{origin} is not an offer of a target: its "format" is not "{FORMAT}".', next_step=again)
    if whole.get("version") != VERSION:
        raise FixTheInput(
            f"{origin} is an offer of version {whole.get('version')}; this govlift reads version {VERSION}.",
            next_step=again,
        )
    offer = rebuild_offer(whole.get("offer"), origin=origin)
    if offer.cloud != GOVERNMENT.name:
        taken = "the commercial cloud" if offer.cloud == COMMERCIAL.name else "another cloud"
        raise FixTheInput(
            f'{origin} was taken from {taken} ("{offer.cloud}", subscription {offer.subscription_id}); an assessment '
            f"needs what a subscription of {GOVERNMENT.name} offers.",
            next_step=f"Run `govlift offer --out {origin}` with the settings of the migration: it asks the target.",
        )
    return offer


def rebuild_offer(plain: Any, *, origin: str) -> Offer:
    """An offer from its parsed JSON form.

    Raises:
        FixTheInput: something in it is missing or of the wrong kind; says what and where.
    """
    from pydantic import ValidationError

    try:
        # By way of text: JSON has no tuples and times, and pydantic takes their JSON form from text only.
        offer = _reader().validate_json(json.dumps(plain), strict=True)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(map(str, first["loc"])) or "offer"
        raise FixTheInput(
            f"{origin}: {place} is wrong: {first['msg']}.",
            next_step="Make the file anew with `govlift offer`.",
        ) from None
    if offer.asked_at.tzinfo is None:
        raise FixTheInput(f"{origin}: asked_at has no time zone.", next_step="Make the file anew with `govlift offer`.")
    return offer
