"""Customer-provided keys: the key comes with each request, and the service keeps its SHA-256 only.

Learn, "Provide an encryption key on a request to Blob storage": `x-ms-encryption-key` (Base64, AES-256), `-sha256` and,
for writes, `-algorithm: AES256`; over HTTPS only; a request without the key of such a blob is 409; each snapshot and
version has the key that it was written with. REST: "Status and error codes"; "List Blobs"
(`CustomerProvidedKeySha256`, and `<Metadata Encrypted="true"/>` in place of metadata under such a key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from sandbox.storage.call import Call
from sandbox.storage.errors import AzureError, bad_header, missing_header
from sandbox.storage.model import Blob

_KEY, _SHA, _ALGORITHM = "x-ms-encryption-key", "x-ms-encryption-key-sha256", "x-ms-encryption-algorithm"
SUPPORTED = frozenset(
    {
        "AppendBlock", "AppendBlockFromURL", "GetBlob", "GetBlobMetadata", "GetBlobProperties", "PutBlob",
        "PutBlobFromURL", "PutBlock", "PutBlockFromURL", "PutBlockList", "PutPage", "PutPageFromURL",
        "SetBlobMetadata", "SnapshotBlob",
    }
)  # fmt: skip
"""Operations that take a key (Learn, "Blob storage operations supporting customer-provided keys")."""


def given_key(call: Call) -> str:
    """Base64 SHA-256 of the key in the request, "" where there is none.

    Raises:
        AzureError: 400 for a key that is not of its form, or comes without what belongs to it, or not over HTTPS.
    """
    key, told, algorithm = call.header(_KEY), call.header(_SHA), call.header(_ALGORITHM)
    if not (key or told or algorithm):
        return ""
    for name, value in ((_KEY, key), (_SHA, told)):
        if not value:
            raise missing_header(name)
    if algorithm != "AES256" and (algorithm or call.method != "GET"):
        raise bad_header(_ALGORITHM, algorithm)
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    sha = base64.b64encode(hashlib.sha256(raw).digest()).decode()
    if len(raw) != 32 or sha != told or not call.secure:
        # The key itself never goes into an answer.
        raise bad_header(_SHA, told)
    return sha


def check_key(call: Call, blob: Blob) -> None:
    """Raise 409 where the request has not the key that `blob` was written with."""
    given = given_key(call)
    if given == blob.key_sha256:
        return
    if not given:
        raise AzureError("BlobUsesCustomerSpecifiedEncryption")
    if not blob.key_sha256:
        raise AzureError("BlobDoesNotUseCustomerSpecifiedEncryption")
    raise AzureError("BlobCustomerSpecifiedEncryptionMismatch")


def key_headers(blob: Blob) -> dict[str, str]:
    return {_SHA: blob.key_sha256} if blob.key_sha256 else {}
