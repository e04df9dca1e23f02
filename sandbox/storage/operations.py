"""Which operation a request is, and which permissions it needs.

REST: "Operations on blobs", "Operations on containers", "Operations on the account"; permissions from "Create an
account SAS" and "Create a service SAS" (any one of the letters is enough). Names are those of the storage metrics.
What the sandbox does not model is named here and answered with 501.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage import (
    append_blobs,
    blob_reads,
    blob_settings,
    block_blobs,
    containers,
    copying,
    listing,
    page_blobs,
    service_settings,
    snapshots,
)
from sandbox.storage.call import Call
from sandbox.storage.customer_keys import SUPPORTED
from sandbox.storage.errors import AzureError, bad_query, not_modelled

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

Handler = Callable[["BlobService", Call], web.Response]
_ANY = "rwdxylacuptmei"


@dataclass(frozen=True, slots=True)
class Operation:
    """One REST operation. An empty permission string means that this kind of SAS cannot reach it."""

    name: str
    handler: Handler
    service_sas: str = ""
    account_sas: str = ""
    resource_types: str = "o"
    """Letters of `srt`, any of which is enough for an account SAS."""
    public: str = ""
    """Least public access level that opens it to anonymous callers."""


def _blob(name: str, handler: Handler, letters: str, public: str = "") -> Operation:
    return Operation(name, handler, letters, letters, "o", public)


def _container(name: str, handler: Handler, letters: str, *, service_sas: str = "", public: str = "") -> Operation:
    return Operation(name, handler, service_sas, letters, "c", public)


def _service(name: str, handler: Handler, letters: str) -> Operation:
    return Operation(name, handler, "", letters, "s")


GET_BLOB = _blob("GetBlob", blob_reads.get_blob, "r", "blob")
PUT_BLOB = _blob("PutBlob", block_blobs.put_blob, "cw")
PUT_BLOB_FROM_URL = _blob("PutBlobFromURL", block_blobs.put_blob_from_url, "cw")
COPY_BLOB = _blob("CopyBlob", copying.copy_blob, "cw")
COPY_BLOB_FROM_URL = _blob("CopyBlobFromURL", copying.copy_blob_from_url, "cw")
_ACCOUNT_INFO = Operation("GetAccountInformation", service_settings.get_account_information, _ANY, _ANY, "sco")
_FROM_URL: Mapping[str, Operation] = {
    "block": _blob("PutBlockFromURL", block_blobs.put_block_from_url, "w"),
    "appendblock": _blob("AppendBlockFromURL", append_blobs.append_block_from_url, "aw"),
    "page": _blob("PutPageFromURL", page_blobs.put_page_from_url, "w"),
}

_BLOB_OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", ""): GET_BLOB,
    ("HEAD", ""): _blob("GetBlobProperties", blob_reads.get_blob_properties, "r", "blob"),
    ("GET", "metadata"): _blob("GetBlobMetadata", blob_reads.get_blob_metadata, "r", "blob"),
    ("HEAD", "metadata"): _blob("GetBlobMetadata", blob_reads.get_blob_metadata, "r", "blob"),
    ("GET", "tags"): _blob("GetBlobTags", blob_reads.get_blob_tags, "t"),
    ("GET", "blocklist"): _blob("GetBlockList", block_blobs.get_block_list, "r", "blob"),
    ("GET", "pagelist"): _blob("GetPageRegions", page_blobs.get_page_ranges, "r", "blob"),
    ("PUT", ""): PUT_BLOB,
    ("PUT", "block"): _blob("PutBlock", block_blobs.put_block, "w"),
    ("PUT", "blocklist"): _blob("PutBlockList", block_blobs.put_block_list, "cw"),
    ("PUT", "appendblock"): _blob("AppendBlock", append_blobs.append_block, "aw"),
    ("PUT", "seal"): _blob("AppendBlobSeal", append_blobs.seal, "aw"),
    ("PUT", "page"): _blob("PutPage", page_blobs.put_page, "w"),
    ("PUT", "properties"): _blob("SetBlobProperties", blob_settings.set_properties, "w"),
    ("PUT", "metadata"): _blob("SetBlobMetadata", blob_settings.set_metadata, "w"),
    ("PUT", "tags"): _blob("SetBlobTags", blob_settings.set_tags, "t"),
    ("PUT", "tier"): _blob("SetBlobTier", blob_settings.set_tier, "w"),
    ("PUT", "lease"): _blob("LeaseBlob", blob_settings.lease_blob, "wd"),
    ("PUT", "snapshot"): _blob("SnapshotBlob", snapshots.snapshot_blob, "cw"),
    ("PUT", "undelete"): _blob("UndeleteBlob", snapshots.undelete_blob, "w"),
    ("PUT", "copy"): _blob("AbortCopyBlob", copying.abort_copy, "w"),
    ("DELETE", ""): _blob("DeleteBlob", snapshots.delete_blob, "d"),
}
_PROPERTIES = _container("GetContainerProperties", containers.get_container_properties, "r", public="container")
_METADATA = _container("GetContainerMetadata", containers.get_container_properties, "r", public="container")
_ACL = _container("GetContainerACL", containers.get_container_acl, "")
_CONTAINER_OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("PUT", ""): _container("CreateContainer", containers.create_container, "cw"),
    ("DELETE", ""): _container("DeleteContainer", containers.delete_container, "d"),
    ("GET", ""): _PROPERTIES,
    ("HEAD", ""): _PROPERTIES,
    ("GET", "metadata"): _METADATA,
    ("HEAD", "metadata"): _METADATA,
    ("PUT", "metadata"): _container("SetContainerMetadata", containers.set_container_metadata, "w"),
    ("GET", "acl"): _ACL,
    ("HEAD", "acl"): _ACL,
    ("PUT", "acl"): _container("SetContainerACL", containers.set_container_acl, ""),
    ("PUT", "lease"): _container("LeaseContainer", containers.lease_container, "wd"),
    ("GET", "list"): _container("ListBlobs", listing.list_blobs, "l", service_sas="l", public="container"),
}
_SERVICE_OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "list"): _service("ListContainers", listing.list_containers, "l"),
    ("GET", "properties"): _service("GetBlobServiceProperties", service_settings.get_service_properties, "r"),
    ("PUT", "properties"): _service("SetBlobServiceProperties", service_settings.set_service_properties, "w"),
    ("POST", "userdelegationkey"): _service("GetUserDelegationKey", service_settings.get_user_delegation_key, ""),
}
_ABSENT = frozenset(
    {
        "batch", "blobs", "expiry", "hash", "immutabilitypolicies", "incrementalcopy", "legalhold", "query", "rename",
        "stats",
    }
)  # fmt: skip
_BY_VERSION = frozenset(
    {
        "DeleteBlob", "GetBlob", "GetBlobMetadata", "GetBlobProperties", "GetBlobTags", "GetPageRegions",
        "SetBlobTags", "SetBlobTier",
    }
)  # fmt: skip
_BY_SCOPE = frozenset(
    {
        "AppendBlock", "AppendBlockFromURL", "CopyBlobFromURL", "PutBlob", "PutBlobFromURL", "PutBlock",
        "PutBlockFromURL", "PutBlockList", "PutPage", "PutPageFromURL", "SetBlobMetadata",
    }
)  # fmt: skip
_ABSENT_HEADERS = (
    "x-ms-structured-body",
    "x-ms-immutability-policy-until-date",
    "x-ms-legal-hold",
    "x-ms-source-encryption-key",
    "x-ms-default-encryption-scope",
)


def find_operation(
    method: str, container: str, blob: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Operation:
    """The operation that a request asks for.

    Raises:
        AzureError: 400 or 405 where there is none, 501 where the sandbox does not model it.
    """
    comp, restype = query.get("comp", "").lower(), query.get("restype", "").lower()
    if restype == "account" and comp == "properties" and method in ("GET", "HEAD"):
        return _ACCOUNT_INFO
    if blob:
        table = _BLOB_OPERATIONS
        if method == "PUT" and "x-ms-copy-source" in headers and (found := _from_url(comp, headers)) is not None:
            return found
    elif container:
        table = _CONTAINER_OPERATIONS
    else:
        table = _SERVICE_OPERATIONS
    operation = table.get((method, comp))
    if operation is None:
        if comp in _ABSENT or (container and not blob and comp == "undelete"):
            raise not_modelled(f"{method} comp={comp}")
        if any(name == comp for _, name in table):
            raise AzureError("UnsupportedHttpVerb")
        raise bad_query("comp", comp)
    return operation


def _from_url(comp: str, headers: Mapping[str, str]) -> Operation | None:
    if comp:
        return _FROM_URL.get(comp)
    if headers.get("x-ms-requires-sync", "").lower() == "true":
        return COPY_BLOB_FROM_URL
    return PUT_BLOB_FROM_URL if "x-ms-blob-type" in headers else COPY_BLOB


def refuse_absent(operation: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Refuse what would otherwise be ignored in silence: what this operation does not take, or the sandbox has not."""
    if "versionid" in query and operation not in _BY_VERSION:
        raise not_modelled(f"{operation} of a version (versionid)")
    if "x-ms-encryption-key" in headers and operation not in SUPPORTED:
        raise not_modelled(f"{operation} with a customer-provided key")
    if "x-ms-encryption-scope" in headers and operation not in _BY_SCOPE:
        raise not_modelled(f"{operation} with an encryption scope")
    for name in _ABSENT_HEADERS:
        if name in headers:
            raise not_modelled(name)
