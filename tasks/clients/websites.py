"""The static website of an account: read and set at the blob service (REST, "Get/Set Blob Service Properties")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from azure.storage.blob import StaticWebsite

from tasks.clients.errors import object_errors

if TYPE_CHECKING:
    from tasks.clients.blobs_account import BlobAccount


async def read_website(account: BlobAccount) -> dict[str, str]:
    """ "index", "error" and "default" documents; empty where the website is off.

    Raises:
        ObjectError: the service refused.
    """
    with object_errors(f"read the service properties of {account.account}"):
        found = (await account.service.get_service_properties())["static_website"]
    if found is None or not found.enabled:
        return {}
    told = {
        "index": found.index_document,
        "error": found.error_document404_path,
        "default": found.default_index_document_path,
    }
    return {"index": "", **{name: str(value) for name, value in told.items() if value}}


async def set_website(account: BlobAccount, wanted: Mapping[str, str]) -> bool:
    """Switch the website on with these documents; makes `$web`. Whether it was otherwise before.

    Raises:
        ObjectError: the service refused.
    """
    if await read_website(account) == dict(wanted):
        return False
    website = StaticWebsite(
        enabled=True,
        index_document=wanted.get("index") or None,
        error_document404_path=wanted.get("error") or None,
        default_index_document_path=wanted.get("default") or None,
    )
    with object_errors(f"switch on the static website of {account.account}"):
        await account.service.set_service_properties(static_website=website)
    return True
