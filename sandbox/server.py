"""The sandbox as one process and one event loop: two clouds, a proxy in front, a control endpoint beside."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp.typedefs import Middleware

from sandbox.arm import AnyResource, Arm
from sandbox.armgovernance import Governance
from sandbox.armgroups import Groups
from sandbox.armmetrics import Metrics
from sandbox.armoffer import Offers
from sandbox.armstorage import Storage
from sandbox.certificates import write_bundle, write_client_certificate, write_server_certificate
from sandbox.control import Control, accounts_of
from sandbox.counters import Counters
from sandbox.entra import Authority
from sandbox.estates.model import CloudSpec, Estate
from sandbox.files import StorageKind, environment_of, shell_lines, write_atomically
from sandbox.graph import Graph
from sandbox.holdings import Holdings
from sandbox.interception import intercept
from sandbox.names import COMMERCIAL, GOVERNMENT, CloudNames, Service
from sandbox.proxy import Proxy
from sandbox.sites import Site, tls
from sandbox.storage.backend import HOST, BackendPlace, StorageBackend

MakeBackend = Callable[[BackendPlace, Authority, Middleware], StorageBackend]


def estate_named(name: str) -> Estate:
    """The estate called `name`: one of the sandbox's own, a file, or an `Estate` in Python, `file.py:ATTRIBUTE`.

    Raises:
        LookupError: the attribute is not an estate.
    """
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(path).stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        estate = getattr(module, attribute, None)
        if not isinstance(estate, Estate):
            raise LookupError(f"{name} is not an Estate")
        return estate
    from sandbox.estates import load_estate  # Reads every sample estate, which one in Python does not need.

    return load_estate(name)


class CloudServer:
    """One cloud: authority, ARM, Resource Graph and blob service on ports of their own.

    Args:
        names: what the cloud is called.
        spec: what it holds.
        directory: where certificates and data go.
        control: whose counters, faults and hooks apply.
    """

    def __init__(self, names: CloudNames, spec: CloudSpec, directory: Path, control: Control) -> None:
        self.names = names
        self.spec = spec
        self.directory = directory
        self.leaf = write_server_certificate(directory, names.key, names.certificate_names)
        self.client_certificate = write_client_certificate(directory, names.key)
        self._control = control
        self._counters = {service: Counters() for service in Service}
        control.counters[names.key] = self._counters
        self._ports: dict[Service, int] = {}
        self._sites: list[Site] = []

    def build(self, make_backend: MakeBackend, bundle: Path) -> None:
        """Make the services, behind the storage backend that `make_backend` gives."""
        spec = self.spec
        self.authority = Authority(
            self.names,
            tenant_id=spec.tenant_id,
            client_id=spec.client_id,
            client_secret=spec.client_secret,
            client_certificate=self.client_certificate,
        )
        self.holdings = Holdings(spec)
        self._control.holdings[self.names.key] = self.holdings
        self.arm = Arm(self.names, self.holdings, self.authority)
        folder = self.directory / f"{self.names.key}-storage"
        folder.mkdir(exist_ok=True)
        place = BackendPlace(self.names.suffix, *self.leaf, ca_bundle=bundle, directory=folder)
        self.backend = make_backend(place, self.authority, self._middleware(Service.BLOB))
        self._control.backends[self.names.key] = self.backend
        self._storage = Storage(self.arm, self.backend)
        groups = Groups(self.arm, self._storage.remove)
        for provider in (
            Metrics(self.arm, self.backend),
            groups,
            self._storage,
            Graph(self.arm),
            Governance(self.arm),
            Offers(self.arm),
            AnyResource(self.arm),
        ):
            self.arm.add(provider.routes())

    def _middleware(self, service: Service) -> Middleware:
        control = self._control
        return intercept(self.names.key, service, self._counters[service], control.faults, control.journal)

    async def start(self) -> None:
        """Fill the cloud and begin to answer."""
        await self._storage.load()
        await self.backend.start()
        self._ports[Service.BLOB] = self.backend.port
        for service, app in (
            (Service.ENTRA, self.authority.application()),
            (Service.ARM, self.arm.application()),
        ):
            app.middlewares.insert(0, self._middleware(service))
            site = Site(app, tls(*self.leaf))
            self._sites.append(site)
            self._ports[service] = await site.start()

    def port_of(self, host: str) -> int | None:
        """The port of the service at `host`, or None where `host` is not of this cloud.

        An account that does not exist has no name, as in Azure's DNS.
        """
        service = self.names.service_at(host)
        if service is Service.BLOB and host.partition(".")[0].removesuffix("-secondary") not in self.backend.accounts:
            return None
        return self._ports.get(service) if service else None

    async def stop(self) -> None:
        """End all services."""
        await self.arm.operations.stop()
        for site in self._sites:
            await site.stop()
        await self.backend.stop()

    def state(self) -> dict[str, Any]:
        """What a client needs to know of this cloud, secrets too."""
        return {
            "authority": self.names.authority,
            "arm": self.names.arm,
            "tenant_id": self.spec.tenant_id,
            "subscriptions": [entry.id for entry in self.spec.subscriptions],
            "client_id": self.spec.client_id,
            "client_secret": self.spec.client_secret,
            "client_certificate": str(self.client_certificate),
            "storage": accounts_of(self.holdings, self.names),
        }


def _own_backends() -> MakeBackend:
    """The sandbox's own blob services, which know each other as sources of copies."""
    from sandbox.storage.own import OwnStorage
    from sandbox.storage.service import BlobService

    peers: dict[str, BlobService] = {}

    def make(place: BackendPlace, authority: Authority, middleware: Middleware) -> StorageBackend:
        service = BlobService(
            suffix=place.suffix,
            verify_bearer=authority.verify_storage,
            authorization_uri=f"{authority.names.authority}/{authority.tenant_id}/oauth2/authorize",
        )
        peers[place.suffix] = service
        service.peers = peers
        return OwnStorage(service, place, middleware)

    return make


def _azurite_backends() -> MakeBackend:
    """Azurite processes. They take no fault rules, and their requests are not counted."""
    from sandbox.storage.azurite import AzuriteStorage

    return lambda place, authority, middleware: AzuriteStorage(place)


class SandboxServer:
    """Both clouds, the proxy and the control endpoint."""

    def __init__(self, directory: Path, estate: Estate, storage: StorageKind) -> None:
        self._directory = directory
        self._proxy = Proxy(self._port_of)
        self._control = Control(self._proxy)
        self._site = Site(self._control.application())
        self._clouds = [
            CloudServer(names, spec, directory, self._control)
            for names, spec in ((COMMERCIAL, estate.commercial), (GOVERNMENT, estate.government))
        ]
        self._bundle = write_bundle(directory, [cloud.leaf[0] for cloud in self._clouds])
        backends = {StorageKind.OWN: _own_backends, StorageKind.AZURITE: _azurite_backends}[storage]()
        for cloud in self._clouds:
            cloud.build(backends, self._bundle)

    def _port_of(self, host: str) -> int | None:
        return next((port for cloud in self._clouds if (port := cloud.port_of(host)) is not None), None)

    async def start(self) -> dict[str, Any]:
        """Begin to answer; returns the state that clients read, once everything does."""
        await asyncio.gather(*(cloud.start() for cloud in self._clouds))
        proxy, control = await self._proxy.start(HOST), await self._site.start()
        return {
            "proxy": f"http://{HOST}:{proxy}",
            "ca_bundle": str(self._bundle),
            "env_file": str(self._directory / "sandbox.env"),
            "control": f"http://{HOST}:{control}",
            "pid": os.getpid(),
            **{cloud.names.key: cloud.state() for cloud in self._clouds},
        }

    async def stop(self) -> None:
        """End everything."""
        await self._proxy.stop()
        await self._site.stop()
        for cloud in self._clouds:
            await cloud.stop()


async def serve(directory: Path, estate: Estate, storage: StorageKind, ready: Callable[[], None]) -> None:
    """Run a sandbox in `directory` until SIGTERM or SIGINT; `ready` is called once it answers and its state is kept."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = SandboxServer(directory, estate, storage)
    state_file = directory / "state.json"
    try:
        state = await server.start()
        write_atomically(Path(state["env_file"]), shell_lines(environment_of(state)))
        write_atomically(state_file, json.dumps(state, indent=2) + "\n")
        ready()
        await ended.wait()
    finally:
        state_file.unlink(missing_ok=True)
        await server.stop()
