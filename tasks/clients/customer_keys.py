"""Customer-provided keys: AES-256, in Base64, named by the SHA-256 that the service tells of each blob.

Source: Learn, "Provide an encryption key on a request to Blob storage". A key is never logged, stored or shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mappings.errors import FixTheInput
from mappings.settings import CustomerKey, TargetKey

if TYPE_CHECKING:
    from azure.storage.blob import CustomerProvidedEncryptionKey


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
    from azure.storage.blob import CustomerProvidedEncryptionKey

    return CustomerProvidedEncryptionKey(text, base64.b64encode(hashlib.sha256(raw).digest()).decode())


def keys_for(account: str, named: Sequence[CustomerKey], environ: Mapping[str, str]) -> list[str]:
    """The keys that the settings name for `account`, from the environment.

    Raises:
        FixTheInput: one is missing there, or is no key.
    """
    return [
        _at_hand(one.key_env, f"copy.customer_keys for {account}", environ)
        for one in named
        if fnmatchcase(account, one.account)
    ]


def key_for(one: TargetKey, environ: Mapping[str, str]) -> str:
    """The key of a container of the target, from the environment. Raises FixTheInput as `keys_for`."""
    return _at_hand(one.key_env, f"copy.target_keys for {one.container}", environ)


def _at_hand(variable: str, named: str, environ: Mapping[str, str]) -> str:
    text = environ.get(variable, "").strip()
    try:
        customer_key(text)
    except ValueError:
        what = "is no AES-256 key in Base64" if text else "is not set"
        raise FixTheInput(
            f"The environment variable {variable}, named in {named}, {what}.",
            next_step=f"Set {variable} to the key in Base64 (44 characters), or take the entry out.",
        ) from None
    return text
