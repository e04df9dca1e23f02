"""Copy sources: the destination service reads the source URL under the source account's own checks.

REST: "Put Blob From URL", "Put Block From URL", "Append Block From URL", "Put Page From URL", "Copy Blob", "Copy Blob
From URL". A source in another cloud is reached as any other: by its URL, with a SAS, public access, or a bearer token
of the source's cloud in `x-ms-copy-source-authorization`. A refusal by the source comes back as
CannotVerifyCopySource with the source's status; an unmet `x-ms-source-if-*` as 412 SourceConditionNotMet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from sandbox.storage.addressing import split_query, split_target
from sandbox.storage.call import Call
from sandbox.storage.conditions import check_source
from sandbox.storage.content import Content
from sandbox.storage.errors import AzureError, bad_header, missing_header
from sandbox.storage.grants import OWNER
from sandbox.storage.model import Blob
from sandbox.storage.writing import byte_range, online

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_URL = 2048


@dataclass(frozen=True, slots=True)
class Source:
    """A blob that may be read, as it was when the source conditions held."""

    blob: Blob
    reading: Call
    destination: Call
    url: str

    def whole(self, most: int) -> Content:
        """All bytes.

        Raises:
            AzureError: 409 above `most` bytes.
        """
        if self.blob.size > most:
            raise AzureError("CannotVerifyCopySource", status=409, message="The source blob is too large.")
        return self.blob.read(0, self.blob.size)

    def ranged(self) -> Content:
        """The bytes of `x-ms-source-range`, or all."""
        text = self.destination.header("x-ms-source-range")
        if not text:
            return self.blob.read(0, self.blob.size)
        start, end = byte_range(text, self.blob.size, "x-ms-source-range")
        return self.blob.read(start, end)

    def tags(self) -> dict[str, str]:
        if not self.reading.grant.may("t"):
            raise _refused(AzureError("AuthorizationPermissionMismatch"))
        return dict(self.blob.tags)


def source_url(call: Call) -> str:
    url = call.header("x-ms-copy-source")
    if not url:
        raise missing_header("x-ms-copy-source")
    if len(url) > MAX_URL:
        raise bad_header("x-ms-copy-source", "longer than 2 KiB")
    return url


def open_source(service: BlobService, call: Call, *, same_account_key: bool = False) -> Source:
    """Read `x-ms-copy-source`. `same_account_key`: Copy Blob within one account needs no SAS.

    Raises:
        AzureError: CannotVerifyCopySource or SourceConditionNotMet.
    """
    url = source_url(call)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_header("x-ms-copy-source", "not an absolute URL")
    peer, name = service.locate(parts.hostname)
    account = peer.accounts.get(name) if peer is not None else None
    if peer is None or account is None:
        raise _refused(AzureError("ResourceNotFound"))
    if not account.public_network and account is not call.account:
        peer.counters.count(name, "GetBlob", "read")
        raise _refused(AzureError("AuthorizationFailure"))
    try:
        target = split_target(parts.path + (f"?{parts.query}" if parts.query else ""))
        reading = _reading(call, target.container, target.blob, parts.path, parts.query, parts.scheme)
        reading.account = account
        peer.counters.count(name, "GetBlob", "read")
        if same_account_key and account is call.account and call.grant.owner and "sig" not in reading.query:
            reading.grant = OWNER
        else:
            reading.grant = peer.admit_read(reading, call.header("x-ms-copy-source-authorization"))
        blob = reading.any_blob()
    except AzureError as refusal:
        raise _refused(refusal) from refusal
    check_source(call.headers, blob)
    if blob.key_sha256:
        # The service that pulls has no key of the source's (`x-ms-source-encryption-key` is not modelled).
        raise _refused(AzureError("BlobUsesCustomerSpecifiedEncryption"))
    try:
        online(blob)
    except AzureError as refusal:
        raise _refused(refusal) from refusal
    call.pulled.append(partial(peer.run_hooks, "GET", name, target.container, target.blob, parts.query))
    return Source(blob, reading, call, url)


def _reading(call: Call, container: str, blob: str, path: str, query: str, scheme: str) -> Call:
    """The GET that the destination service sends. Its address is Microsoft's own, so `sip` never matches."""
    authorized = bool(call.header("x-ms-copy-source-authorization"))
    headers = CIMultiDict({"x-ms-version": call.version} if authorized else {})
    return Call(
        method="GET",
        account=call.account,
        container_name=container,
        blob_name=blob,
        raw_path=path,
        raw_query=query,
        query=split_query(query),
        headers=CIMultiDictProxy(headers),
        raw_headers=(),
        version=call.version,
        now=call.now,
        secure=scheme == "https",
    )


def _refused(cause: AzureError) -> AzureError:
    status = str(cause.status)
    return AzureError(
        "CannotVerifyCopySource",
        status=cause.status,
        message=cause.message,
        headers={"x-ms-copy-source-status-code": status, "x-ms-copy-source-error-code": cause.code},
        details={"CopySourceStatusCode": status, "CopySourceErrorCode": cause.code},
    )
