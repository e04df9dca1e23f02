"""List Containers and List Blobs.

REST: "List Containers", "List Blobs": names ascend; `maxresults` counts BlobPrefix elements too; snapshots of a blob
come before it, oldest first; markers are opaque; ETags come without quotes. Names are ordered by code point, which is
also the order of their UTF-8 bytes.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.blob_entries import Include, blob_entry
from sandbox.storage.call import Call, xml_reply
from sandbox.storage.errors import AzureError, bad_query, not_modelled
from sandbox.storage.markup import element, escaped, named
from sandbox.storage.model import Blob, Container
from sandbox.storage.stamps import http_date

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

_MARKER = "2!"
_BLOB_INCLUDES = frozenset(
    {
        "snapshots", "metadata", "uncommittedblobs", "copy", "deleted", "tags", "versions", "deletedwithversions",
        "immutabilitypolicy", "legalhold", "permissions",
    }
)  # fmt: skip


def _marker(name: str) -> str:
    return f"{_MARKER}{len(name)}!{base64.urlsafe_b64encode(name.encode()).decode()}" if name else ""


def _unmarked(text: str) -> str:
    if not text:
        return ""
    try:
        kind, _, encoded = text.split("!", 2)
        if f"{kind}!" != _MARKER:
            raise ValueError(text)
        return base64.urlsafe_b64decode(encoded).decode()
    except (ValueError, binascii.Error):
        raise AzureError("OutOfRangeInput") from None


def _echo(call: Call, names: tuple[tuple[str, str], ...]) -> str:
    # What was asked for may hold what XML cannot carry, as a name may.
    parts = [named(tag, call.query[name]) for tag, name in names if call.query.get(name)]
    return "".join(parts)


def list_containers(service: BlobService, call: Call) -> web.Response:
    include = _included(call, frozenset({"metadata", "deleted", "system"}))
    prefix, start, most = call.query.get("prefix", ""), _unmarked(call.query.get("marker", "")), call.maxresults()
    names = sorted(
        name
        for name in call.account.containers
        if name.startswith(prefix)
        and name >= start
        and ("system" in include or name not in ("$logs", "$blobchangefeed"))
    )
    shown = "".join(_container_entry(call, call.account.containers[name], include) for name in names[:most])
    following = _marker(names[most]) if len(names) > most else ""
    echo = _echo(call, (("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults")))
    endpoint = escaped(service.endpoint(call.account.name))
    return xml_reply(
        f'<EnumerationResults ServiceEndpoint="{endpoint}">{echo}<Containers>{shown}</Containers>'
        f"<NextMarker>{following}</NextMarker></EnumerationResults>"
    )


def _container_entry(call: Call, container: Container, include: frozenset[str]) -> str:
    lease = container.lease.headers(call.now)
    properties = (
        f"<Last-Modified>{http_date(container.last_modified)}</Last-Modified><Etag>{escaped(container.etag)}</Etag>"
        f"<LeaseStatus>{lease['x-ms-lease-status']}</LeaseStatus><LeaseState>{lease['x-ms-lease-state']}</LeaseState>"
    )
    if "x-ms-lease-duration" in lease:
        properties += f"<LeaseDuration>{lease['x-ms-lease-duration']}</LeaseDuration>"
    if container.public_access:
        properties += f"<PublicAccess>{container.public_access}</PublicAccess>"
    scope = container.default_encryption_scope or "$account-encryption-key"
    properties += (
        f"<DefaultEncryptionScope>{escaped(scope)}</DefaultEncryptionScope><DenyEncryptionScopeOverride>"
        f"{str(container.deny_encryption_scope_override).lower()}</DenyEncryptionScopeOverride>"
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
    )
    metadata = ""
    if "metadata" in include:
        inner = "".join(element(name, value) for name, value in container.metadata.items())
        metadata = f"<Metadata>{inner}</Metadata>"
    return f"<Container>{named('Name', container.name)}<Properties>{properties}</Properties>{metadata}</Container>"


def _included(call: Call, known: frozenset[str]) -> frozenset[str]:
    wanted = frozenset(part for part in call.query.get("include", "").lower().split(",") if part)
    for part in wanted - known:
        raise bad_query("include", part)
    return wanted


def list_blobs(service: BlobService, call: Call) -> web.Response:
    if "endbefore" in call.query or "arrow" in call.header("accept"):
        raise not_modelled("List Blobs as Apache Arrow")
    parts = _included(call, _BLOB_INCLUDES)
    if "tags" in parts and not call.grant.may("t"):
        raise AzureError("AuthorizationPermissionMismatch")
    delimiter = call.query.get("delimiter", "")
    if "deletedwithversions" in parts:
        raise not_modelled("List Blobs with include=deletedwithversions")
    if delimiter and "snapshots" in parts:
        raise bad_query("delimiter", delimiter, "Not valid with include=snapshots.")
    include = Include(call.account, call.now, parts)
    entries, following = _page(call, include, delimiter)
    echo = _echo(
        call, (("Prefix", "prefix"), ("Marker", "marker"), ("StartFrom", "startfrom"), ("MaxResults", "maxresults"))
    )
    echo += named("Delimiter", delimiter) if delimiter else ""
    endpoint = escaped(service.endpoint(call.account.name))
    return xml_reply(
        f'<EnumerationResults ServiceEndpoint="{endpoint}" ContainerName="{escaped(call.container_name)}">{echo}'
        f"<Blobs>{''.join(entries)}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
    )


def _page(call: Call, include: Include, delimiter: str) -> tuple[list[str], str]:
    """The elements of one page and the marker of the next."""
    container, most = call.container, call.maxresults()
    prefix = call.query.get("prefix", "")
    start = max(prefix, _unmarked(call.query.get("marker", "")), call.query.get("startfrom", ""))
    names = container.names
    entries: list[str] = []
    at = bisect_left(names, start)
    if "\x00" in start:
        name, _, stamp = start.partition("\x00")
        at = bisect_left(names, name)
        start = name
    else:
        stamp = ""
    while at < len(names):
        name = names[at]
        if not name.startswith(prefix):
            break
        folder = _folder(name, prefix, delimiter)
        if folder:
            end = bisect_left(names, folder + "\U0010ffff")
            if any(_versions(container, names[i], include, "") for i in range(at, end)):
                if len(entries) == most:
                    return entries, _marker(name)
                entries.append(f"<BlobPrefix>{named('Name', folder)}</BlobPrefix>")
            at = max(end, at + 1)
            continue
        for blob in _versions(container, name, include, stamp):
            if len(entries) == most:
                return entries, _marker(f"{name}\x00{_stamp(blob)}")
            entries.append(blob_entry(blob, include))
        stamp = ""
        at += 1
    return entries, ""


def _folder(name: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    at = name.find(delimiter, len(prefix))
    return name[: at + len(delimiter)] if at >= 0 else ""


def _versions(container: Container, name: str, include: Include, stamp: str) -> list[Blob]:
    """What the page shows of one name: snapshots oldest first from `stamp` on, then the base blob."""
    return [blob for blob in _all_versions(container, name, include) if _stamp(blob) >= stamp]


def _stamp(blob: Blob) -> str:
    """Where an entry stands among those of its name: snapshots and previous versions by time, then the base blob."""
    return blob.snapshot or (blob.version_id if blob.previous else "~")


def _all_versions(container: Container, name: str, include: Include) -> Iterator[Blob]:
    base = container.blobs.get(name)
    gone = container.deleted.get(name, []) if include.deleted else []
    versions = container.versions.get(name, []) if include.versions else []
    if base is not None or gone or versions:
        earlier = list(versions)
        if include.snapshots:
            earlier += [*(base.snapshots if base is not None else ()), *(one for one in gone if one.snapshot)]
        yield from sorted(earlier, key=lambda one: (_stamp(one), one.previous))
        yield from (one for one in gone if not one.snapshot)
    if base is not None and (base.committed or include.uncommitted):
        yield base
