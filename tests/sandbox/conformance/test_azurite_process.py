"""Azurite as a child process and as a storage backend of the sandbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from sandbox.certificates import write_bundle, write_server_certificate
from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from sandbox.storage.azurite import Azurite, AzuriteMissing, AzuriteStorage, azurite_modules
from sandbox.storage.backend import HOST, BackendPlace
from tests.sandbox.conformance.stage import SUFFIXES, key_of


def test_missing_azurite_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(AzuriteMissing, match="npm ci --prefix tests/oracle"):
        azurite_modules({"GOVLIFT_AZURITE": str(tmp_path)})


@pytest.fixture
def place(tmp_path: Path) -> BackendPlace:
    try:
        azurite_modules()
    except AzuriteMissing as missing:
        pytest.skip(str(missing))
    certificate, key = write_server_certificate(tmp_path, "leaf", [f"*.blob.{SUFFIXES['commercial']}"])
    bundle = write_bundle(tmp_path, [certificate])
    return BackendPlace(SUFFIXES["commercial"], certificate, key, bundle, tmp_path)


@pytest.mark.slow
@pytest.mark.azurite
def test_it_ends_with_its_parent(place: BackendPlace) -> None:
    """Its standard input closes when the parent dies, however that happens.

    Breaks when it is started without the watcher.
    """
    azurite = Azurite({"a": key_of("a")}, certificate=place.certificate, key=place.key, ca_bundle=place.ca_bundle)
    azurite.start()
    process = azurite._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0
    process.stdin = None
    azurite.stop()
    azurite.stop()


@pytest.mark.slow
@pytest.mark.azurite
async def test_backend(place: BackendPlace) -> None:
    """Accounts loaded before the start, and one born later: it costs a restart, and nothing is lost.

    Breaks when a restart forgets the data or takes another port.
    """
    storage = AzuriteStorage(place)
    blobs = (
        BlobSpec("plain", lambda: b"now", earlier=(lambda: b"then",), tags={"t": "1"}, metadata={"A": "b"}),
        BlobSpec("blocks", lambda: bytes(2500), block_size=1000, headers={"content_type": "text/x"}),
        BlobSpec("log", lambda: b"lines", blob_type="AppendBlob", block_size=2),
        BlobSpec("disk", lambda: bytes(1024), blob_type="PageBlob"),
    )
    spec = AccountSpec("loaded", key_of("loaded"), containers=(ContainerSpec("things", blobs, metadata={"O": "A"}),))

    def client(account: str) -> BlobServiceClient:
        return BlobServiceClient(
            f"https://{HOST}:{storage.port}/{account}",
            credential={"account_name": account, "account_key": key_of(account)},
            connection_verify=str(place.ca_bundle),
            retry_total=0,
        )

    def listed() -> list[tuple[str, int]]:
        container = client("loaded").get_container_client("things")
        return sorted({(item.name, int(item.size)) for item in container.list_blobs()})

    await storage.load(spec)
    try:
        await storage.start()
        port = storage.port
        before = await asyncio.to_thread(listed)
        assert before == [("blocks", 2500), ("disk", 1024), ("log", 5), ("plain", 3)]
        await storage.create_account("born", key=key_of("born"), kind="StorageV2", sku="Standard_LRS")
        assert (storage.port, set(storage.accounts)) == (port, {"loaded", "born"})
        assert await asyncio.to_thread(listed) == before
        await asyncio.to_thread(client("born").create_container, "mine")
    finally:
        await storage.stop()
        await storage.stop()
    assert not (place.directory / "azurite").exists()
