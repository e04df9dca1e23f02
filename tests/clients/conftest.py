"""Scripted servers, and the accounts that are reached through them."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.settings import Credential
from sandbox.certificates import write_server_certificate
from tasks.clients import retries
from tasks.clients.session import Session, open_session
from tasks.clients.wire import WireSource, WireTarget, caller
from tests.clients.scripted import Script, Scripted
from tests.faults.conftest import _session_copies, clear_target, client, copies, mover

__all__ = ["_session_copies", "clear_target", "client", "copies", "mover"]

SOURCE, TARGET = "acct.blob.core.windows.net", "acct.blob.core.usgovcloudapi.net"
KEY = base64.b64encode(b"k" * 32).decode()


class Tokens:
    """A credential that gives a new token each time."""

    def __init__(self, life: float = 3600) -> None:
        self.given = 0
        self.life = life

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.given += 1
        return AccessTokenInfo(f"token-{self.given}-{'s' * 20}", int(time.time() + self.life))

    def close(self) -> None:
        return None


@dataclass
class Wires:
    """Opens clients whose way leads to a scripted server."""

    serve: Callable[..., Scripted]
    sources: list[WireSource]
    targets: list[WireTarget]
    tokens: Tokens

    def source(self) -> WireSource:
        made = WireSource(None, COMMERCIAL, "acct", key=KEY, concurrency=4)
        self.sources.append(made)
        return made

    def target(self) -> WireTarget:
        made = WireTarget(target_session(self.tokens), "acct", concurrency=4)
        self.targets.append(made)
        return made


def target_session(tokens: Tokens) -> Session:
    settings = Credential(kind="client-secret", client_id="c", secret_env="S")
    session = open_session(GOVERNMENT, "t" * 36, settings, {"S": "secret"})
    session._credential = tokens
    return session


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for both accounts, and its key."""
    return write_server_certificate(tmp_path, "service", (SOURCE, TARGET))


@pytest.fixture
def serve(certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scripted]]:
    """Starts a scripted server, and leads this process to it as a customer's proxy and CA would."""
    started: list[Scripted] = []

    def start(script: Script, cert: tuple[Path, Path] = certificates, **more: Any) -> Scripted:
        server = Scripted(script, cert, **more)
        started.append(server)
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        monkeypatch.setenv("https_proxy", server.url)
        return server

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[0]))
    yield start
    for server in started:
        server.close()


@pytest.fixture
async def wires(serve: Callable[..., Scripted]) -> AsyncIterator[Wires]:
    made = Wires(serve, [], [], Tokens())
    yield made
    for one in (*made.sources, *made.targets):
        await one.aclose()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without their pauses."""
    monkeypatch.setattr(retries, "pause", lambda tries: 0.0)
    monkeypatch.setattr(caller, "pause", lambda tries: 0.0)
