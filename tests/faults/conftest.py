"""A sandbox with the estate for copies, and the engine over the real clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.objects import ContainerSettings, EvidenceRow, ListedObject, Tally
from mappings.plan import CopyShard
from mappings.settings import Credential
from tasks.clients.blobs import SourceBlobClient, TargetBlobClient
from tasks.clients.session import Session, open_session
from tasks.clients.wire import WireSource, WireTarget
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.engine import copy_shard
from tasks.copiers.journal import Journal
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress, ShardProgress
from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.sandbox.tiny_estate import ESTATE as TINY
from tests.sandbox.tiny_estate import key_of

MIB = 1024 * 1024
RULES = CopyRules(concurrency=8, block=MIB, whole_pull=2 * MIB, pull_block=MIB, memory=16 * MIB, pause=0.05)


@pytest.fixture(scope="session")
def _session_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    estate = f"{ROOT / 'tests' / 'faults' / 'copy_estate.py'}:ESTATE"
    yield from start_sandbox(tmp_path_factory.mktemp("copies"), estate)


@pytest.fixture
def copies(_session_copies: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """The sandbox, calm, with this process led into it as a customer's proxy and CA would."""
    for name, value in _session_copies.environment().items():
        monkeypatch.setenv(name, value)
    _session_copies.calm()
    yield _session_copies
    _session_copies.calm()


def sign_in(box: RunningSandbox, cloud: str) -> Session:
    """A session of the product, as `flows/wiring.py` would open it."""
    spec = TINY.commercial if cloud == "commercial" else TINY.government
    credential = Credential(kind="client-secret", client_id=spec.client_id, secret_env="SECRET")
    return open_session(
        COMMERCIAL if cloud == "commercial" else GOVERNMENT,
        spec.tenant_id,
        credential,
        {"SECRET": spec.client_secret},
        reads_only=cloud == "commercial",
    )


@dataclass
class Mover:
    """Clients of both sides, and runs over them."""

    source: SourceBlobClient | WireSource
    target: TargetBlobClient | WireTarget
    routes: RouteBook = field(default_factory=RouteBook)
    manifest: dict[str, list[EvidenceRow]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    async def run(
        self,
        container: str,
        *,
        to: str = "",
        end: str | None = None,
        journal: Journal | None = None,
        **rules: object,
    ) -> dict[tuple[str, str], EvidenceRow]:
        """Copy one container whole, or the names before `end`."""
        shard = CopyShard(self.source.account, self.target.account, container, "", end, 0, 0, 0)
        await self.target.create_container(await self.source.container_settings(container))
        rows: list[EvidenceRow] = []
        self.tally = await copy_shard(
            shard, self.source, self.target, iter(self.manifest.get(container, [])), rows.append,
            replace(RULES, **rules), self.routes, ShardProgress(Progress()), journal=journal,
        )  # fmt: skip
        assert self.tally.whole
        self.manifest[container] = rows
        return {(row.name, row.snapshot): row for row in rows}

    async def assert_equal(self, container: str, *, but: frozenset[str] = frozenset()) -> None:
        """Both sides, listed and read by the clients, hold the same."""
        left, right = await everything(self.source, container), await everything(self.target, container)
        for name in left.keys() - but:
            assert len(left[name]) == len(right[name]), name
            for (one, data), (other, copied) in zip(left[name], right[name], strict=True):
                assert data == copied, name
                assert (one.blob_type, one.size, one.sealed) == (other.blob_type, other.size, other.sealed), name
                assert dict(one.metadata) == dict(other.metadata), name
                if not one.snapshot:
                    assert dict(one.tags) == dict(other.tags), name
                    assert one.tier_inferred or one.tier in ("", other.tier), name
                label = one.headers.content_md5 or other.headers.content_md5
                assert replace(one.headers, content_md5=label) == replace(other.headers, content_md5=label), name


async def everything(side: SourceBlobs | TargetBlobs, container: str) -> dict[str, list[tuple[ListedObject, bytes]]]:
    """All blobs of a container with their bytes, snapshots first."""
    found: dict[str, list[tuple[ListedObject, bytes]]] = {}
    async for item in side.objects(container):
        data = b"" if item.tier == "Archive" else b"".join([part async for part in side.read(container, item)])
        found.setdefault(item.name, []).append((item, data))
    return found


@pytest.fixture
async def clear_target(copies: RunningSandbox) -> None:
    """The target accounts without blobs."""
    for account in ("copytarget", "copypremium"):
        url = f"https://{account}.blob.core.usgovcloudapi.net"
        with BlobServiceClient(url, key_of(account), **copies.client_options) as service:
            # A deleted container keeps its name for a while, as in Azure; so only the blobs go.
            for one in service.list_containers():
                container = service.get_container_client(one.name)
                for name in {blob.name for blob in container.list_blobs(include=["snapshots", "uncommittedblobs"])}:
                    with suppress(ResourceNotFoundError):
                        container.delete_blob(name, delete_snapshots="include")
    copies.calm()


@pytest.fixture(params=["sdk", "wire"])
def client(request: pytest.FixtureRequest) -> str:
    """Which of the two implementations of the clients; what holds for one holds for both."""
    return str(request.param)


@pytest.fixture
async def mover(copies: RunningSandbox, clear_target: None, client: str) -> AsyncIterator[Mover]:
    """A mover between copysource and an empty copytarget."""
    async for one in opened(copies, "copysource", "copytarget", client=client):
        yield one


async def opened(
    copies: RunningSandbox, source: str, target: str, *, key: str | None = None, client: str = "wire"
) -> AsyncIterator[Mover]:
    """A mover between two accounts; closed afterwards."""
    here, there = sign_in(copies, "commercial"), sign_in(copies, "government")
    kinds = (WireSource, WireTarget) if client == "wire" else (SourceBlobClient, TargetBlobClient)
    reader = kinds[0](None if key else here, COMMERCIAL, source, key=key, concurrency=8)
    writer = kinds[1](there, target, concurrency=8)
    try:
        yield Mover(reader, writer)
    finally:
        await reader.aclose()
        await writer.aclose()
        here.close()
        there.close()


__all__ = ["ContainerSettings", "Mover", "opened"]


@pytest.fixture(scope="session")
def _session_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    estate = f"{ROOT / 'tests' / 'faults' / 'history_estate.py'}:ESTATE"
    yield from start_sandbox(tmp_path_factory.mktemp("history"), estate)


@pytest.fixture
def kept(_session_history: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    for name, value in _session_history.environment().items():
        monkeypatch.setenv(name, value)
    _session_history.calm()
    return _session_history
