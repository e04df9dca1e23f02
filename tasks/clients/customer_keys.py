"""Customer-provided keys: AES-256, in Base64, named by the SHA-256 that the service tells of each blob.

Source: Learn, "Provide an encryption key on a request to Blob storage". A key is never logged, stored or shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from azure.storage.blob import CustomerProvidedEncryptionKey

from mappings.errors import FixTheInput
from mappings.settings import CustomerKey


def customer_key(text: str) -> CustomerProvidedEncryptionKey:
    """The SDK's value for a key in Base64.

    Raises:
        ValueError: it is not Base64 of 32 bytes.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ValueError("a customer-provided key is 32 bytes in Base64")
    return CustomerProvidedEncryptionKey(text, base64.b64encode(hashlib.sha256(raw).digest()).decode())


def keys_for(account: str, named: Sequence[CustomerKey], environ: Mapping[str, str]) -> list[str]:
    """The keys that the settings name for `account`, from the environment.

    Raises:
        FixTheInput: one is missing there, or is no key.
    """
    found = []
    for one in named:
        if not fnmatchcase(account, one.account):
            continue
        text = environ.get(one.key_env, "").strip()
        try:
            customer_key(text)
        except ValueError:
            what = "is no AES-256 key in Base64" if text else "is not set"
            raise FixTheInput(
                f"The environment variable {one.key_env}, named in copy.customer_keys for {account}, {what}.",
                next_step=f"Set {one.key_env} to the key in Base64 (44 characters), or take the entry out.",
            ) from None
        found.append(text)
    return found
