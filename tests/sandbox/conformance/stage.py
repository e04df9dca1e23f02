"""Where the conformance tests play: the sandbox's own service, or Azurite, behind one CONNECT proxy and real names."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jwt
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AioBlobServiceClient
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.certificates import write_bundle, write_server_certificate
from sandbox.proxy import Proxy
from sandbox.sites import Site, tls
from sandbox.storage.azurite import Azurite, AzuriteMissing, azurite_modules
from sandbox.storage.backend import HOST, Claims, TokenRefused
from sandbox.storage.service import BlobService
from tests.sandbox.conformance.gaps import AZURITE_CODES, AZURITE_GAPS, Feature

T = TypeVar("T")
SUFFIXES = {"commercial": "core.windows.net", "government": "core.usgovcloudapi.net"}
TENANTS = {
    "commercial": "11111111-1111-4111-8111-111111111111",
    "government": "22222222-2222-4222-8222-222222222222",
}
ACCOUNTS = {"commercial": ("commercialdata", "otherdata", "classicdata"), "government": ("governmentdata",)}
SIGNERS = {cloud: rsa.generate_private_key(public_exponent=65537, key_size=2048) for cloud in SUFFIXES}


def key_of(account: str) -> str:
    return base64.b64encode((account * 8).encode()[:64]).decode()


class Token:
    """A credential that holds one token, in the shape of a real storage token."""

    def __init__(
        self, cloud: str, *, signed_by: str = "", tenant: str = "", audience: str = "https://storage.azure.com"
    ):
        now = int(time.time())
        claims = {
            "iss": f"https://sts.windows.net/{tenant or TENANTS[cloud]}/",
            "aud": audience,
            "tid": tenant or TENANTS[cloud],
            "oid": "33333333-3333-4333-8333-333333333333",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        self.text = jwt.encode(claims, SIGNERS[signed_by or cloud], algorithm="RS256")
        self._expires = now + 3600

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.text, self._expires)


class AioToken(Token):
    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # type: ignore[override]
        return AccessToken(self.text, self._expires)

    async def close(self) -> None: ...

    async def __aenter__(self) -> AioToken:
        return self

    async def __aexit__(self, *details: object) -> None: ...


def verifier(cloud: str) -> Callable[[str], Claims]:
    def verify(header: str) -> Claims:
        try:
            claims: Claims = jwt.decode(
                header.removeprefix("Bearer "),
                SIGNERS[cloud].public_key(),
                algorithms=["RS256"],
                audience="https://storage.azure.com",
            )
        except jwt.PyJWTError as problem:
            raise TokenRefused(str(problem)) from problem
        if claims["tid"] != TENANTS[cloud]:
            raise TokenRefused("another tenant")
        return claims

    return verify


class Clock:
    """The service's clock; tests may push it on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def skip_where_lacking(kind: str, feature: Feature) -> None:
    """Skip the test where what stands behind the storage names ("own" or "azurite") has not what it is about."""
    gap = AZURITE_GAPS.get(feature) if kind == "azurite" else None
    if gap is not None:
        pytest.skip(f"Azurite: {feature.value}: {gap.reason}{' (silently)' if gap.silent else ''}")


class Stage:
    """A running data plane of both clouds."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.clock = Clock()
        self.services: dict[str, BlobService] = {}
        names = [f"*.blob.{suffix}" for suffix in SUFFIXES.values()]
        self.leaf = write_server_certificate(directory, "stage", names)
        self.bundle = write_bundle(directory, [self.leaf[0]])
        self._ports: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._sites: list[Site] = []
        self._azurite: Azurite | None = None
        self._proxy = Proxy(self._port_of)
        self.proxy_url = ""

    def _port_of(self, host: str) -> int | None:
        return next((port for suffix, port in self._ports.items() if host.endswith(f".blob.{suffix}")), None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the services' event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def start(self) -> None:
        self._thread.start()
        if self.kind == "own":
            self.run(self._start_own())
        else:
            accounts = {name: key_of(name) for names in ACCOUNTS.values() for name in names}
            self._azurite = Azurite(accounts, certificate=self.leaf[0], key=self.leaf[1], ca_bundle=self.bundle)
            port = self._azurite.start()
            self._ports = dict.fromkeys(SUFFIXES.values(), port)
        self.proxy_url = f"http://{HOST}:{self.run(self._proxy.start(HOST))}"

    async def _start_own(self) -> None:
        peers: dict[str, BlobService] = {}
        for cloud, suffix in SUFFIXES.items():
            service = BlobService(suffix=suffix, verify_bearer=verifier(cloud), clock=self.clock)
            service.peers = peers
            peers[suffix] = service
            self.services[cloud] = service
            for name in ACCOUNTS[cloud]:
                service.create_account(
                    name, key=key_of(name), classic=name == "classicdata", allow_public_access=name != "otherdata"
                )
            site = Site(service.application(), tls(*self.leaf))
            self._ports[suffix] = await site.start()
            self._sites.append(site)

    def stop(self) -> None:
        self.run(self._proxy.stop())
        for site in self._sites:
            self.run(site.stop())
        if self._azurite is not None:
            self._azurite.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def needs(self, feature: Feature) -> None:
        """Skip the test where this stage has not what it is about."""
        skip_where_lacking(self.kind, feature)

    def code(self, status: int, code: str) -> tuple[int, str]:
        """The status and error code that this stage is to answer where Azure answers `status` and `code`."""
        if self.kind == "azurite":
            return AZURITE_CODES.get((status, code), (status, code))
        return status, code.replace("WrongKey", "AuthenticationFailed")

    @property
    def options(self) -> dict[str, Any]:
        return {
            "proxies": {"https": self.proxy_url},
            "connection_verify": str(self.bundle),
            "retry_total": 0,
            "connection_timeout": 30,
        }

    def url(self, cloud: str = "commercial", account: str = "") -> str:
        return f"https://{account or ACCOUNTS[cloud][0]}.blob.{SUFFIXES[cloud]}"

    def client(self, cloud: str = "commercial", account: str = "", *, credential: Any = "key", **more: Any) -> Any:
        """A service client. `credential`: "key", "token", a SAS, a credential object, or None for anonymous."""
        return BlobServiceClient(
            self.url(cloud, account),
            credential=self._credential(cloud, account, credential, Token),
            **self.options,
            **more,
        )

    def aio_client(self, cloud: str = "commercial", account: str = "", *, credential: Any = "key", **more: Any) -> Any:
        return AioBlobServiceClient(
            self.url(cloud, account),
            credential=self._credential(cloud, account, credential, AioToken),
            **self.options,
            **more,
        )

    def _credential(self, cloud: str, account: str, credential: Any, token: type[Token]) -> Any:
        if credential == "key":
            return {"account_name": account or ACCOUNTS[cloud][0], "account_key": key_of(account or ACCOUNTS[cloud][0])}
        return token(cloud) if credential == "token" else credential


@contextmanager
def playing(kind: str, directory: Path) -> Iterator[Stage]:
    if kind == "azurite":
        try:
            azurite_modules()
        except AzuriteMissing as missing:
            pytest.skip(str(missing))
    stage = Stage(kind, directory)
    stage.start()
    try:
        yield stage
    finally:
        stage.stop()
