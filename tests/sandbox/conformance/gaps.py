"""What Azurite lacks or ignores: the one list. A test names the feature it needs, and is skipped on Azurite where the
feature is here. `silent` means that Azurite accepts the request and does something else: a green test there would lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """What a conformance test is about."""

    BASIC = "put, get, range, head, delete"
    RANGE_PAST_END = "range past the end"
    CONDITIONS = "conditional headers"
    CHECKSUMS = "transactional MD5 and CRC64"
    PUT_BLOB_CRC = "x-ms-content-crc64 answered by Put Blob"
    RETURNED_CRC = "x-ms-content-crc64 answered for blocks and pages"
    RANGE_CRC = "x-ms-range-get-content-crc64"
    BLOCKS = "blocks and block lists"
    PUT_DROPS_BLOCKS = "Put Blob drops staged blocks"
    APPEND = "append blobs"
    PAGES = "page blobs"
    PAGE_DIFFERENCE = "page ranges since a snapshot"
    SNAPSHOTS = "snapshots"
    SNAPSHOT_LISTING = "order and paging of listed snapshots"
    METADATA = "metadata and headers"
    TAGS = "index tags"
    TAGS_KEEP_ETAG = "tags and tier move no ETag"
    TIERS = "access tiers"
    REHYDRATION = "slow rehydration"
    LISTING = "listing"
    ODD_NAMES = "names that XML cannot carry"
    CONTAINERS = "containers"
    CONTAINER_BEING_DELETED = "name of a deleted container is taken"
    ACL_BY_TOKEN = "container ACL with a token"
    LEASES = "leases"
    SAS = "account and service SAS"
    DELEGATION = "user delegation SAS"
    TOKEN_CHECKS = "token signature and tenant"
    CHALLENGE = "401 with bearer challenge"
    SERVICE_PROPERTIES = "service properties"
    SOFT_DELETE = "soft delete"
    COPY_BLOB = "Copy Blob within one account"
    BLOCK_FROM_URL = "Put Block From URL, one instance"
    PUT_FROM_URL = "Put Blob From URL"
    APPEND_FROM_URL = "Append Block From URL"
    PAGE_FROM_URL = "Put Page From URL"
    CROSS_CLOUD = "From URL across clouds"
    SOURCE_CONDITIONS = "source conditions"
    SOURCE_CHECKSUMS = "source checksums"
    VERSION_REFUSAL = "refusal of newer x-ms-version"
    VERSIONS = "blob versions"
    COUNTERS = "counters, hooks and rules"


@dataclass(frozen=True)
class Gap:
    """Why Azurite is not asked."""

    reason: str
    silent: bool = False


AZURITE_GAPS: dict[Feature, Gap] = {
    Feature.RANGE_PAST_END: Gap("answers 206 with no bytes where the range begins at the end", silent=True),
    Feature.PUT_DROPS_BLOCKS: Gap("keeps them", silent=True),
    Feature.PAGE_DIFFERENCE: Gap("a write inside an older range reports all of that range as written", silent=True),
    Feature.SNAPSHOT_LISTING: Gap(
        "in no fixed order with its base, and a page that ends among snapshots loses the rest", silent=True
    ),
    Feature.PUT_BLOB_CRC: Gap("Put Blob and Put Block List answer no x-ms-content-crc64"),
    Feature.RANGE_CRC: Gap("answers 500 in strict mode"),
    Feature.REHYDRATION: Gap("rehydration is instant and archive_status never appears", silent=True),
    Feature.ODD_NAMES: Gap("a listing with such a name answers 500"),
    Feature.CONTAINER_BEING_DELETED: Gap("a container can be recreated at once", silent=True),
    Feature.ACL_BY_TOKEN: Gap("Get and Set Container ACL answer 403 to a token"),
    Feature.TOKEN_CHECKS: Gap("decodes the token and checks times, issuer prefix and audience only", silent=True),
    Feature.CHALLENGE: Gap("answers 403 without WWW-Authenticate"),
    Feature.SOFT_DELETE: Gap("keeps the policy and deletes for good", silent=True),
    Feature.PUT_FROM_URL: Gap("501"),
    Feature.APPEND_FROM_URL: Gap("501"),
    Feature.PAGE_FROM_URL: Gap("501"),
    Feature.CROSS_CLOUD: Gap("reads from its own instance under the same Host header only"),
    Feature.VERSION_REFUSAL: Gap("runs with --skipApiVersionCheck, since the SDK is newer than any Azurite"),
    Feature.VERSIONS: Gap("versionid is ignored and the current blob is returned", silent=True),
    Feature.COUNTERS: Gap("has none"),
}


AZURITE_CODES: dict[tuple[int, str], tuple[int, str]] = {
    (403, "AuthenticationFailed"): (403, "AuthorizationFailure"),
    (403, "UnauthorizedBlobOverwrite"): (403, "AuthorizationPermissionMismatch"),
    (403, "WrongKey"): (400, "AuthorizationFailure"),
}
"""Where Azurite refuses as Azure does, under another code (`WrongKey` is AuthenticationFailed of a Shared Key)."""
