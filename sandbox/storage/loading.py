"""From the values of an estate to accounts filled with containers and blobs.

Written straight into the model with the same effect as the requests: Put Blob (with MD5) or Put Block and Put Block
List (without), Append Block, Put Page for the ranges that are not zero, Snapshot Blob after each earlier content.
"""

from __future__ import annotations

import base64
import hashlib

from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from sandbox.storage.content import Content
from sandbox.storage.model import APPEND, BLOCK, PAGE, Account, Blob, Container, Immutability, Policy
from sandbox.storage.pages import Pages
from sandbox.storage.properties import DEFAULT_TYPE
from sandbox.storage.service_settings import make_web_container, static_website_xml
from sandbox.storage.snapshots import take_snapshot
from sandbox.storage.stamps import iso_ticks
from sandbox.storage.versions import deleted, keep_version

_HEADERS = {
    "content_type": "Content-Type",
    "content_encoding": "Content-Encoding",
    "content_language": "Content-Language",
    "content_disposition": "Content-Disposition",
    "cache_control": "Cache-Control",
}
_WEBSITE = {
    "index_document": "IndexDocument",
    "error_document404_path": "ErrorDocument404Path",
    "error_document_404_path": "ErrorDocument404Path",
    "default_index_document_path": "DefaultIndexDocumentPath",
}
_ZERO_RUN = 64 * 1024
"""Page blobs are searched for empty ranges in steps of this many bytes."""


def fill_account(account: Account, spec: AccountSpec, now: float) -> None:
    """Add what `spec` holds to `account`.

    Raises:
        ValueError: a blob type, header or website setting that does not exist.
    """
    account.versioning, account.hierarchical = spec.versioning, spec.hierarchical
    account.scopes = dict.fromkeys(spec.scopes, True)
    if spec.static_website:
        settings = {_named(_WEBSITE, name): value for name, value in spec.static_website.items() if name != "enabled"}
        account.settings["StaticWebsite"] = static_website_xml(settings)
        make_web_container(account, now)
    for container_spec in spec.containers:
        _fill_container(account, container_spec, now)


def _named(names: dict[str, str], name: str) -> str:
    if name in names.values():
        return name
    if name not in names:
        raise ValueError(f"{name!r} is none of {', '.join(names)}")
    return names[name]


def _fill_container(account: Account, spec: ContainerSpec, now: float) -> None:
    container = account.containers.setdefault(spec.name, Container(spec.name, now))
    container.metadata = dict(spec.metadata)
    container.public_access = spec.public_access
    container.policies = [
        Policy(policy["id"], policy.get("start", ""), policy.get("expiry", ""), policy.get("permission", ""))
        for policy in spec.policies
    ]
    container.default_encryption_scope = spec.default_scope
    container.deny_encryption_scope_override = spec.deny_scope_override
    if spec.immutability:
        container.immutability = Immutability(**spec.immutability)
    container.legal_holds = spec.legal_holds
    for blob_spec in spec.blobs:
        container.add(_blob(account, container, blob_spec, now))
        if blob_spec.gone:
            deleted(account, container, container.blobs[blob_spec.name])
            container.remove(blob_spec.name)


def _blob(account: Account, container: Container, spec: BlobSpec, now: float) -> Blob:
    if spec.blob_type not in (BLOCK, APPEND, PAGE):
        raise ValueError(f"{spec.name}: {spec.blob_type!r} is no blob type")
    blob = Blob(spec.name, spec.blob_type, now)
    blob.metadata, blob.tags = dict(spec.metadata), dict(spec.tags)
    headers = {_named(_HEADERS, name): value for name, value in spec.headers.items()}
    if spec.customer_key:
        blob.key_sha256 = base64.b64encode(hashlib.sha256(base64.b64decode(spec.customer_key)).digest()).decode()
    blob.encryption_scope = spec.encryption_scope
    if account.versioning:
        blob.version_id = iso_ticks(now - 1000, "")
    for content in spec.history:
        blob.headers = {"Content-Type": DEFAULT_TYPE, **headers}
        _write(blob, spec, content())
        blob.touch(now)
        keep_version(account, container, blob, now)
    contents = [*spec.earlier, spec.content]
    for number, content in enumerate(contents):
        blob.headers = {"Content-Type": DEFAULT_TYPE, **headers}
        _write(blob, spec, content())
        blob.touch(now)
        if number < len(contents) - 1:
            take_snapshot(blob, now)
            if account.versioning:
                # The snapshot makes a version, and so does the write that follows.
                keep_version(account, container, blob, now)
                keep_version(account, container, blob, now)
    if spec.tier:
        blob.tier, blob.tier_changed = spec.tier, now
    blob.sealed = spec.sealed and blob.type == APPEND
    return blob


def _write(blob: Blob, spec: BlobSpec, data: bytes) -> None:
    if blob.type == PAGE:
        blob.pages, blob.page_size = _pages(spec.name, data), len(data)
    elif blob.type == APPEND:
        blob.content = Content(_pieces(data, spec.block_size or 4 << 20))
        blob.append_blocks = len(blob.content.segments)
    elif spec.block_size:
        pieces = [Content([piece]) for piece in _pieces(data, spec.block_size)]
        blob.blocks = [
            (base64.b64encode(f"{number:08d}".encode()).decode(), piece) for number, piece in enumerate(pieces)
        ]
        blob.content = Content(segment for piece in pieces for segment in piece.segments)
    else:
        blob.content = Content([data])
        blob.headers["Content-MD5"] = blob.content.md5_base64()


def _pieces(data: bytes, size: int) -> list[memoryview]:
    view = memoryview(data)
    return [view[at : at + size] for at in range(0, len(data), size)]


def _pages(name: str, data: bytes) -> Pages:
    if len(data) % 512:
        raise ValueError(f"{name}: the length of a page blob is a multiple of 512")
    pages, empty = Pages(), bytes(_ZERO_RUN)
    for at, piece in enumerate(_pieces(data, _ZERO_RUN)):
        if piece != memoryview(empty)[: len(piece)]:
            pages.write(at * _ZERO_RUN, Content([piece]))
    return pages
