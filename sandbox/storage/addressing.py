"""From Host header and request target to account, container and blob.

REST: "Naming and referencing containers, blobs, and metadata", "Working with the root container". Only host-style
addresses exist, as in Azure: `<account>.blob.<suffix>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from sandbox.storage.errors import AzureError

_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9])+\Z")
_SPECIAL = frozenset({"$root", "$web", "$logs", "$blobchangefeed"})
MAX_BLOB_NAME = 1024


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. `raw_path` is as sent, percent-encoded, for signatures."""

    raw_path: str
    raw_query: str
    container: str
    blob: str


def account_of(host: str, suffix: str) -> str | None:
    """The account that `host` names, where it is of this suffix."""
    name = host.partition(":")[0].lower().rstrip(".")
    account, dot, rest = name.partition(".")
    return account if dot and rest == f"blob.{suffix}" and account else None


@lru_cache(maxsize=4096)
def split_query(raw: str) -> dict[str, str]:
    """Query parameters by lower-case name; of repeated ones the values are joined with commas, as signatures do."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        key = name.lower()
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    return parameters


def split_target(raw: str, *, whole_container: bool | None = None) -> Target:
    """Split `raw` (`/container/blob?query`).

    One path segment is a container where `restype=container` or a container listing says so, else a blob of `$root`.

    Raises:
        AzureError: a name that Azure does not take.
    """
    path, _, query = raw.partition("?")
    trimmed = path[1:] if path.startswith("/") else path
    container, slash, blob = trimmed.partition("/")
    container = unquote(container)
    if not container:
        return Target(path, query, "", "")
    if not slash or not blob:
        if whole_container is None:
            whole_container = split_query(query).get("restype") == "container"
        if not whole_container and not slash:
            return Target(path, query, "$root", _blob_name(container))
        _check_container(container)
        return Target(path, query, container, "")
    _check_container(container)
    return Target(path, query, container, _blob_name(_decoded(blob)))


def _decoded(raw: str) -> str:
    if "%" not in raw:
        return raw
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise AzureError("InvalidUri") from None


def _blob_name(name: str) -> str:
    if len(name) > MAX_BLOB_NAME:
        raise AzureError("OutOfRangeInput", message="The specified resource name length is not within the limits.")
    if "\x00" in name:
        raise AzureError("InvalidUri")
    return name.replace("\\", "/")


@lru_cache(maxsize=1024)
def _check_container(name: str) -> None:
    if name in _SPECIAL:
        return
    if not 3 <= len(name) <= 63:
        raise AzureError("OutOfRangeInput", message="The specified resource name length is not within the limits.")
    if not _CONTAINER.match(name):
        raise AzureError("InvalidResourceName")
