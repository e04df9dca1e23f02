"""An estate's account written into Azurite through its API, since there is no other way in."""

from __future__ import annotations

import uuid
from base64 import b64encode
from pathlib import Path
from typing import Any

from azure.storage.blob import (
    AccessPolicy,
    BlobBlock,
    BlobClient,
    BlobServiceClient,
    BlobType,
    ContainerClient,
    ContentSettings,
    StaticWebsite,
)

from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec

_PIECE = 4 << 20


def fill(url: str, key: str, ca_bundle: Path, spec: AccountSpec) -> None:
    """Write containers and blobs of `spec` to the account at `url`."""
    name = url.rpartition("/")[2]
    credential = {"account_name": name, "account_key": key}
    with BlobServiceClient(url, credential=credential, connection_verify=str(ca_bundle)) as service:
        if spec.static_website:
            service.set_service_properties(static_website=StaticWebsite(enabled=True, **spec.static_website))
        for container in spec.containers:
            _fill_container(service.get_container_client(container.name), container)


def _fill_container(client: ContainerClient, spec: ContainerSpec) -> None:
    access: Any = spec.public_access or None
    client.create_container(metadata=dict(spec.metadata), public_access=access)
    if spec.policies:
        policies = {
            policy["id"]: AccessPolicy(
                permission=policy.get("permission") or None,
                expiry=policy.get("expiry") or None,
                start=policy.get("start") or None,
            )
            for policy in spec.policies
        }
        client.set_container_access_policy(signed_identifiers=policies, public_access=access)
    for blob in spec.blobs:
        _write(client.get_blob_client(blob.name), blob)


def _write(client: BlobClient, spec: BlobSpec) -> None:
    contents = [*spec.earlier, spec.content]
    for number, content in enumerate(contents):
        _write_content(client, spec, content())
        if number < len(contents) - 1:
            client.create_snapshot()
    if spec.tags:
        client.set_blob_tags(dict(spec.tags))
    if spec.tier and spec.blob_type == "BlockBlob":
        client.set_standard_blob_tier(spec.tier)
    if spec.sealed:
        client.seal_append_blob()


def _write_content(client: BlobClient, spec: BlobSpec, data: bytes) -> None:
    headers: dict[str, Any] = dict(spec.headers)
    settings = ContentSettings(**headers)
    metadata = dict(spec.metadata)
    match spec.blob_type:
        case "AppendBlob":
            client.create_append_blob(content_settings=settings, metadata=metadata)
            for at in range(0, len(data), spec.block_size or _PIECE):
                client.append_block(data[at : at + (spec.block_size or _PIECE)])
        case "PageBlob":
            client.create_page_blob(len(data), content_settings=settings, metadata=metadata)
            for at in range(0, len(data), _PIECE):
                piece = data[at : at + _PIECE]
                if piece.count(0) != len(piece):
                    client.upload_page(piece, offset=at, length=len(piece))
        case _ if spec.block_size:
            blocks = []
            for at in range(0, len(data), spec.block_size):
                blocks.append(BlobBlock(b64encode(uuid.uuid4().bytes).decode()))
                client.stage_block(blocks[-1].id, data[at : at + spec.block_size])
            client.commit_block_list(blocks, content_settings=settings, metadata=metadata)
        case _:
            client.upload_blob(
                data, blob_type=BlobType.BLOCKBLOB, content_settings=settings, metadata=metadata, overwrite=True
            )
