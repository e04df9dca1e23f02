"""The accounts of `history_estate`, read and emptied as their owner would, and movers between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from azure.storage.blob import BlobServiceClient

from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover, opened
from tests.sandbox.tiny_estate import key_of


def service_of(box: RunningSandbox, account: str, suffix: str = "core.usgovcloudapi.net") -> BlobServiceClient:
    return BlobServiceClient(f"https://{account}.blob.{suffix}", key_of(account), **box.client_options)


def told(
    box: RunningSandbox, account: str, container: str, suffix: str
) -> dict[str, list[tuple[bytes, dict[str, str]]]]:
    """Content and metadata of each generation of each name, oldest first, as the SDK reads them."""
    found: dict[str, list[tuple[bytes, dict[str, str]]]] = {}
    with service_of(box, account, suffix) as service:
        room = service.get_container_client(container)
        for one in room.list_blobs(include=["versions", "metadata"]):
            data = room.get_blob_client(one.name, version_id=one.version_id).download_blob().readall()
            found.setdefault(one.name, []).append((data, dict(one.metadata or {})))
    return found


async def mover_of(
    box: RunningSandbox, target: str, *, source: str = "keptsource", versions: bool = True, client: str = "wire"
) -> AsyncIterator[Mover]:
    async for mover in opened(box, source, target, client=client):
        mover.source.versions = versions
        mover.target.versions = versions and target == "kepttarget"
        yield mover


def clear(box: RunningSandbox, account: str, container: str) -> None:
    with service_of(box, account) as service:
        room = service.get_container_client(container)
        if room.exists():
            for one in list(room.list_blobs(include=["snapshots"])):
                if not one.snapshot:
                    room.delete_blob(one.name, delete_snapshots="include")
            for one in list(room.list_blobs(include=["versions"])):
                room.delete_blob(one.name, version_id=one.version_id)
