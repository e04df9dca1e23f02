"""`up --storage azurite`: Azurite stands behind the storage names, all else is as ever, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from sandbox import launcher
from sandbox.storage.azurite import AzuriteMissing, azurite_modules
from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.sandbox.test_control_plane import Clients, government_storage, sign_in
from tests.sandbox.tiny_estate import key_of

pytestmark = [pytest.mark.sandbox, pytest.mark.azurite, pytest.mark.slow]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[RunningSandbox]:
    try:
        azurite_modules()
    except AzuriteMissing as missing:
        pytest.skip(str(missing))
    yield from start_sandbox(tmp_path / "box", f"{ROOT / 'tests' / 'sandbox' / 'tiny_estate.py'}:ESTATE", "azurite")


def descendants(pid: int) -> set[int]:
    """The processes that this one started, itself left out."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        pytest.skip("no /proc to see processes in")
    children = {int(number) for task in tasks.iterdir() for number in (task / "children").read_text().split()}
    return children.union(*(descendants(child) for child in children))


def test_both_clouds_serve_blobs(box: RunningSandbox) -> None:
    for credential in (key_of("tinysource"), sign_in(box, "commercial")):
        url = "https://tinysource.blob.core.windows.net"
        client = BlobServiceClient(url, credential, **box.client_options)
        assert "alpha.txt" in client.get_container_client("letters").list_blob_names()
    Clients(box, "government").resources.resource_groups.create_or_update("rg", {"location": "usgovvirginia"})
    body: dict[str, Any] = {"location": "usgovvirginia", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    government_storage(box).storage_accounts.begin_create("rg", "newcomer", body).result()
    url = "https://newcomer.blob.core.usgovcloudapi.net"
    container = BlobServiceClient(url, sign_in(box, "government"), **box.client_options).create_container("box")
    container.upload_blob("note", b"hello")
    assert container.download_blob("note").readall() == b"hello"
    started = descendants(box.state["pid"])
    assert started, "Azurite runs as a child"
    launcher.down(box.directory)
    assert not [pid for pid in started if Path(f"/proc/{pid}/exe").exists()]
