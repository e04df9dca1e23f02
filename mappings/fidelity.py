"""What of one source object the target account can hold, and what no copy can keep. Pure.

Sources: REST "Set Blob Tags" (index tags: not on premium block blob accounts, nor with a hierarchical namespace),
"Set Blob Tier" (block blobs on standard StorageV2 and BlobStorage accounts; page blobs on premium storage only),
"Naming and Referencing Containers, Blobs, and Metadata" (metadata names are C# identifiers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mappings.objects import BlobType, HttpHeaders, ListedObject

CANNOT_KEEP: tuple[str, ...] = (
    "Creation time and Last-Modified: the target service sets both when it writes the blob.",
    "ETag and version id: each account gives its own.",
    "Snapshot time: a snapshot gets the time at which it is taken at the target; order and content are kept.",
    "Leases: a lease belongs to its holder in the source; blobs arrive without one.",
    "Last access time and tier change time: the target service counts anew.",
)
"""Said in the plan before the start; true of every blob."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Features:
    """What the data plane of one account can do; differences between accounts are data, not branches."""

    tags: bool = True
    """Blob index tags."""
    tiers: bool = True
    """Access tiers of block blobs (Hot, Cool, Cold)."""
    page_tiers: bool = False
    """Premium page blob tiers (P4 ... P80)."""
    crc64: bool = True
    """The service answers writes with `x-ms-content-crc64`."""
    seals: bool = True
    """Append blobs can be sealed."""


def features_of(kind: str, sku: str, *, hierarchical: bool = False) -> Features:
    """What an account of this kind and SKU (as in Get Account Information) can do."""
    premium = sku.lower().startswith("premium")
    general = kind.lower() in ("storagev2", "blobstorage")
    return Features(
        tags=general and not premium and not hierarchical,
        tiers=general and not premium,
        page_tiers=premium and kind.lower() != "blockblobstorage",
    )


@dataclass(frozen=True, slots=True)
class Adapted:
    """The object as the target shall hold it; `item` keeps the source's key, size and ETag (the pin)."""

    item: ListedObject
    lost: tuple[str, ...]
    """What of this very object the target account cannot hold, for a reader."""


def adapted(item: ListedObject, features: Features) -> Adapted:
    """Cut from `item` what the target account cannot hold.

    An inferred tier is the account's default and not the blob's own: it is left to the target account's default.
    """
    lost: list[str] = []
    tags = item.tags
    if tags and not features.tags:
        lost.append(f"index tags ({len(tags)}): the target account has none")
        tags = {}
    tier = "" if item.tier_inferred else item.tier
    if tier and not _tier_fits(item.blob_type, features):
        lost.append(f"access tier {tier}: the target account has no tiers for this type of blob")
        tier = ""
    sealed = item.sealed and features.seals
    if item.sealed and not sealed:
        lost.append("seal: it cannot be set under a customer-provided key")
    if item.encryption_scope:
        lost.append(f"encryption scope {item.encryption_scope}: scopes are made anew at the target")
    return Adapted(replace(item, tags=tags, tier=tier, sealed=sealed), tuple(lost))


def _tier_fits(blob_type: BlobType, features: Features) -> bool:
    match blob_type:
        case BlobType.BLOCK:
            return features.tiers
        case BlobType.PAGE:
            return features.page_tiers
        case BlobType.APPEND:
            return False


def wrong_metadata(metadata: Mapping[str, str]) -> str:
    """Why the target service would refuse these names, "" where it would not."""
    wrong = sorted(name for name in metadata if not _IDENTIFIER.fullmatch(name))
    if not wrong:
        return ""
    return f'Metadata name "{wrong[0]}" is not a C# identifier, so the service refuses it; rename it at the source.'


def same_headers(wanted: HttpHeaders, found: HttpHeaders) -> bool:
    """Whether the stored headers agree.

    Put Blob makes the service compute a Content-MD5 where the source has none; that is no difference.
    """
    if not wanted.content_md5:
        found = replace(found, content_md5=b"")
    return wanted == found
