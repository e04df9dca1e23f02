"""Azurite, Microsoft's emulator, as a child process: the independent witness of the conformance suite, and what stands
behind `sandbox up --storage azurite`.

It is taken from npm (`npm ci --prefix tests/oracle`); `GOVLIFT_AZURITE` names another `node_modules`. The process
watches its standard input and ends with its parent, however that dies. Azurite fixes its accounts at start, so an
account born later costs a restart on the same port, with the data kept on disk.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.estates.model import AccountSpec
from sandbox.storage.backend import HOST, BackendPlace
from sandbox.storage.model import Account

READY_SECONDS = 120.0
STOP_SECONDS = 15.0
_ATTEMPTS = 5
_END_WITH_PARENT = (
    "data:text/javascript,process.stdin.resume();process.stdin.unref();process.stdin.on('end',()=>{"
    "process.kill(process.pid,'SIGTERM');setTimeout(()=>process.exit(0),10000).unref()})"
)
"""Preloaded into Node: when standard input ends, close in good order, which writes the data out."""


class AzuriteMissing(RuntimeError):
    """Azurite is not installed; the message says where it was looked for and how to get it."""


class AzuriteFailed(RuntimeError):
    """Azurite did not begin to answer; the message ends with what it said."""


def azurite_modules(environ: Mapping[str, str] = os.environ) -> Path:
    """The `node_modules` that Azurite is started from.

    Raises:
        AzuriteMissing: it or its Node is not there.
    """
    named = environ.get("GOVLIFT_AZURITE")
    modules = Path(named) if named else Path(__file__).resolve().parents[2] / "tests" / "oracle" / "node_modules"
    for needed in (_node(modules), _script(modules)):
        if not needed.exists():
            raise AzuriteMissing(f"{needed} is missing; run `npm ci --prefix tests/oracle`, or set GOVLIFT_AZURITE")
    return modules


def _node(modules: Path) -> Path:
    return modules / ".bin" / "node"


def _script(modules: Path) -> Path:
    return modules / "azurite" / "dist" / "src" / "blob" / "main.js"


class Azurite:
    """One `azurite-blob` process on a TLS port of loopback.

    Args:
        accounts: name -> Base64 key.
        certificate, key: the TLS leaf.
        ca_bundle: what Azurite trusts when it reads from itself (Copy Blob with a SAS).
        directory: where the data goes; None keeps it in memory.
    """

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        certificate: Path,
        key: Path,
        ca_bundle: Path,
        directory: Path | None = None,
    ) -> None:
        self.accounts = dict(accounts)
        self.port = 0
        self._certificate, self._key, self._bundle, self._directory = certificate, key, ca_bundle, directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start, and wait until it answers. Returns the port, which stays the same over restarts.

        Raises:
            AzuriteMissing, AzuriteFailed.
        """
        modules = azurite_modules()
        said = b""
        for _ in range(1 if self.port else _ATTEMPTS):
            port = self.port or _free_port()
            self._process = self._spawn(modules, port)
            if self._answers(port):
                self.port = port
                return port
            said = self._end()
        raise AzuriteFailed(f"Azurite does not answer: {said.decode(errors='replace')[-2000:]}")

    def _spawn(self, modules: Path, port: int) -> subprocess.Popen[bytes]:
        where = ["--inMemoryPersistence"] if self._directory is None else ["--location", str(self._directory)]
        command = [
            *(str(_node(modules)), "--import", _END_WITH_PARENT, str(_script(modules))),
            *("--blobHost", HOST, "--blobPort", str(port)),
            *("--cert", str(self._certificate), "--key", str(self._key)),
            *("--oauth", "basic", "--skipApiVersionCheck", "--disableTelemetry", "--silent", *where),
        ]
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", "/"),
            "AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in self.accounts.items()),
            "NODE_EXTRA_CA_CERTS": str(self._bundle),
        }
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _answers(self, port: int) -> bool:
        """Poll until it answers; False where the process ended (another took the port) or time is up."""
        until = time.monotonic() + READY_SECONDS
        context = ssl._create_unverified_context()  # It is asked only whether it answers, on loopback.
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                return False
            connection = http.client.HTTPSConnection(HOST, port, timeout=5, context=context)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
                return True
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            finally:
                connection.close()
        return False

    def _end(self) -> bytes:
        """Stop the process; what it said."""
        process, self._process = self._process, None
        if process is None:
            return b""
        try:
            said, _ = process.communicate(timeout=STOP_SECONDS)  # Closes its standard input, which ends it.
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        return said or b""

    def stop(self) -> None:
        """End the process and wait for it. Safe to call twice, and before `start`."""
        self._end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class AzuriteStorage:
    """Azurite as a `StorageBackend` of one cloud. It counts nothing and takes no hooks."""

    def __init__(self, place: BackendPlace) -> None:
        self._place = place
        self._data = place.directory / "azurite"
        self._lock = threading.Lock()
        self._azurite = Azurite(
            {}, certificate=place.certificate, key=place.key, ca_bundle=place.ca_bundle, directory=self._data
        )
        self._waiting: list[AccountSpec] = []
        self._started = False

    @property
    def port(self) -> int:
        return self._azurite.port

    @property
    def accounts(self) -> Iterable[str]:
        return tuple(name for name in self._azurite.accounts if name != _NOBODY)

    async def start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._restart, {_NOBODY: _NOBODYS_KEY, **{s.name: s.key for s in self._waiting}})
        self._started = True
        for spec in self._waiting:
            await asyncio.to_thread(self._fill, spec)
        self._waiting.clear()

    def _restart(self, more: Mapping[str, str]) -> None:
        with self._lock:
            self._azurite.stop()
            self._azurite.accounts |= more
            self._azurite.start()

    async def create_account(
        self,
        name: str,
        *,
        key: str,
        kind: str,
        sku: str,
        classic: bool = False,
        default_tier: str = "Hot",
        allow_shared_key: bool = True,
        allow_public_access: bool = False,
    ) -> None:
        """Kind, SKU, classic and access rules are not known to Azurite, and are ignored."""
        if name in self._azurite.accounts:
            return
        if self._started:
            await asyncio.to_thread(self._restart, {name: key})
        else:
            self._azurite.accounts[name] = key

    async def remove_account(self, name: str) -> None:
        """Its name is forgotten at the next restart; until then Azurite answers for it."""
        self._azurite.accounts.pop(name, None)

    async def load(self, account: AccountSpec) -> None:
        if not self._started:
            self._waiting.append(account)
            return
        await self.create_account(account.name, key=account.key, kind=account.kind, sku=account.sku)
        await asyncio.to_thread(self._fill, account)

    def _fill(self, spec: AccountSpec) -> None:
        from sandbox.storage.azurite_loading import fill  # The SDK is slow to import, and only Azurite needs it here.

        fill(self._url(spec.name), spec.key, self._place.ca_bundle, spec)

    def _url(self, account: str) -> str:
        return f"https://{HOST}:{self.port}/{account}"

    def hook(self, rule: Mapping[str, Any]) -> None:
        """Raises ValueError: Azurite takes no hooks."""
        raise ValueError("Azurite takes no hooks")

    def unhook(self) -> None:
        """There are none."""

    def allow_pull(self, account: str, allowed: bool) -> None:
        """Raises ValueError: Azurite has no network rules, and reads from no other instance anyway."""
        raise ValueError("Azurite has no network rules")

    def held(self, account: str) -> Mapping[tuple[str, str], tuple[int, int]] | None:
        return None

    def model(self, account: str) -> Account | None:
        return None

    def counts(self) -> Mapping[str, Any]:
        return {}

    def reset_counts(self) -> None:
        """There are none."""

    async def stop(self) -> None:
        self._started = False
        await asyncio.to_thread(self._azurite.stop)
        await asyncio.to_thread(shutil.rmtree, self._data, ignore_errors=True)


_NOBODY = "nobody"
_NOBODYS_KEY = "bm9ib2R5"
"""Azurite with no account at all falls back to its well-known one."""
