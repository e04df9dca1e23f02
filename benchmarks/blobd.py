"""The fast blob service of the benchmarks: compiled where its sources are newer, started, asked, stopped.

`python -m benchmarks.blobd` starts one for use by hand and says how to lead a client into it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from sandbox.certificates import write_bundle, write_server_certificate

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(__file__).parent / "service"
BUILT = ROOT / "build" / "bench"
NAMES = (
    "*.blob.core.windows.net",
    "*.blob.core.usgovcloudapi.net",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
)
PROGRAMS = {
    "blobd": (
        "main",
        "loop",
        "fetching",
        "control",
        "blobs",
        "containers",
        "rules",
        "listing",
        "authority",
        "request",
        "store",
        "content",
        "text",
        "crc64",
    ),
    "load": ("load",),
}
FLAGS = ("-std=c++17", "-O2", "-g", "-Wall", "-Wextra")


class CompilerMissing(Exception):
    """What has to be installed before the service can be compiled."""


def built(program: str = "blobd") -> Path:
    """The compiled program, made anew where a source is newer.

    Raises:
        CompilerMissing: no g++ or no OpenSSL headers.
    """
    if shutil.which("g++") is None:
        raise CompilerMissing("The benchmark service needs a C++ compiler: apt-get install g++")
    probe = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"], input="#include <openssl/ssl.h>\n", text=True, capture_output=True, check=False
    )
    if probe.returncode:
        raise CompilerMissing("The benchmark service needs the headers of OpenSSL: apt-get install libssl-dev")
    BUILT.mkdir(parents=True, exist_ok=True)
    made = BUILT / program
    headers = max(path.stat().st_mtime for path in SOURCES.glob("*.hpp"))
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda name: _object(name, headers), PROGRAMS[program]))
    newest = max(path.stat().st_mtime for path in objects)
    if not made.exists() or made.stat().st_mtime < newest:
        fresh = made.with_suffix(f".{os.getpid()}")
        _run(["g++", *map(str, objects), "-o", str(fresh), "-lssl", "-lcrypto", "-lpthread"])
        fresh.replace(made)
    return made


def _object(name: str, headers: float) -> Path:
    source, made = SOURCES / f"{name}.cpp", BUILT / f"{name}.o"
    if not made.exists() or made.stat().st_mtime < max(headers, source.stat().st_mtime):
        fresh = BUILT / f"{name}.{os.getpid()}.o"
        _run(["g++", *FLAGS, "-c", str(source), "-o", str(fresh)])
        fresh.replace(made)
    return made


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


class Service:
    """A running service.

    Args:
        folder: for its certificate; empty or absent.
        threads: that serve connections.
    """

    def __init__(self, folder: Path, *, threads: int = 2, sequence_mib: int = 512) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = write_server_certificate(folder, "bench", NAMES)
        self.bundle = write_bundle(folder, [certificate])
        options = ["--threads", str(threads), "--sequence-mib", str(sequence_mib)]
        command = [str(built()), "--cert", str(certificate), "--key", str(key), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"The service did not start; exit code {self._process.wait()}.")
        ports = json.loads(said)
        self.port = int(ports["proxy"])
        self.proxy = f"http://127.0.0.1:{self.port}"
        self._control = f"http://127.0.0.1:{ports['control']}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.pid = self._process.pid

    def ask(self, what: str, **parameters: object) -> Any:
        """A request to the control endpoint; see service/README.md."""
        told = {name: value for name, value in parameters.items() if value is not None}
        with self._opener.open(f"{self._control}/{what}?{urlencode(told)}", timeout=600) as answer:
            said = json.load(answer)
        if "error" in said:
            raise RuntimeError(f"{what} {told}: {said['error']}")
        return said

    def environment(self) -> dict[str, str]:
        """What leads a child process with stock settings into it."""
        bundle = str(self.bundle)
        return {
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
        }

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def exported(environment: Mapping[str, str]) -> str:
    """As lines for a shell."""
    return "\n".join(f"export {name}={value}" for name, value in environment.items())


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--threads", type=int, default=2)
    reader.add_argument("--source", default="benchsource", help="account in the commercial cloud")
    reader.add_argument("--target", default="benchtarget", help="account in Azure Government")
    asked = reader.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="govlift-blobd-"))
    with Service(folder, threads=asked.threads) as service:
        service.ask("account", side="commercial", name=asked.source)
        service.ask("account", side="government", name=asked.target)
        sys.stdout.write(f"{exported(service.environment())}\nexport BLOBD={service._control}\n")
        sys.stdout.flush()
        try:
            service._process.wait()
        except KeyboardInterrupt:
            pass
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
