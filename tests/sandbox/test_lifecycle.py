"""Start, stop and the proxy: ready on return, nothing left behind, nothing leaves the machine."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import launcher
from tests.conftest import ROOT, RunningSandbox

pytestmark = pytest.mark.sandbox
TINY = f"{ROOT / 'tests' / 'sandbox' / 'tiny_estate.py'}:ESTATE"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "box"
    launcher.down(tmp_path / "box")


def connect(proxy: str, target: str) -> tuple[socket.socket, bytes]:
    """Ask the proxy for a tunnel to `target`; returns the socket and the first line of the answer."""
    place = urllib.parse.urlsplit(proxy)
    link = socket.create_connection((place.hostname, place.port), timeout=10)
    link.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head and (data := link.recv(4096)):
        head += data
    return link, head.split(b"\r\n")[0]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_up_is_ready_and_down_leaves_nothing(directory: Path) -> None:
    state = launcher.up(directory, estate=TINY)
    link, line = connect(state["proxy"], "management.usgovcloudapi.net:443")
    assert b" 200 " in line
    context = ssl.create_default_context(cafile=state["ca_bundle"])
    with context.wrap_socket(link, server_hostname="management.usgovcloudapi.net") as tls:
        tls.sendall(
            b"GET /metadata/endpoints HTTP/1.1\r\nHost: management.usgovcloudapi.net\r\nConnection: close\r\n\r\n"
        )
        assert tls.recv(4096).startswith(b"HTTP/1.1 200")
    assert launcher.status(directory) == {"running": True, **state}
    assert launcher.down(directory)
    assert not exists(state["pid"])
    assert launcher.status(directory) == {"running": False}
    assert not (directory / "state.json").exists()
    assert "ready" in (directory / "logs" / "sandbox.log").read_text()
    with pytest.raises(OSError):
        connect(state["proxy"], "management.usgovcloudapi.net:443")


def test_second_up_finds_the_first(directory: Path) -> None:
    """Breaks if two starts race: both would write the same certificates."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: launcher.up(directory, estate=TINY), range(2))
    assert first == second


def test_killed_sandbox_is_replaced(directory: Path) -> None:
    """Breaks if a leftover state file is believed."""
    first = launcher.up(directory, estate=TINY)
    os.kill(first["pid"], signal.SIGKILL)
    os.waitpid(first["pid"], 0)
    assert (directory / "state.json").exists()
    assert launcher.status(directory) == {"running": False}
    second = launcher.up(directory, estate=TINY)
    assert second["pid"] != first["pid"] and second["proxy"] != first["proxy"]


def test_somebody_elses_process_is_not_killed(directory: Path, tmp_path: Path) -> None:
    """Breaks if `down` goes by the number in a stale state file: numbers are given out again."""
    state = launcher.up(directory, estate=TINY)
    stale = (directory / "state.json").read_text()
    launcher.down(directory)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (directory / "state.json").write_text(stale.replace(str(state["pid"]), str(bystander.pid)))
        assert not launcher.down(directory)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_failed_start_says_why(directory: Path) -> None:
    with pytest.raises(launcher.SandboxError, match="is not an Estate"):
        launcher.up(directory, estate=f"{ROOT / 'tests' / 'sandbox' / 'tiny_estate.py'}:NOTHING")
    with pytest.raises(ValueError, match='There is no estate "nowhere"'):
        launcher.up(directory, estate="nowhere")
    with pytest.raises(ValueError, match="floppy"):
        launcher.up(directory, storage="floppy")


def test_secrets_are_their_owners_only(tiny_sandbox: RunningSandbox) -> None:
    for name in ("state.json", "commercial.key", "government-client.pem"):
        assert (tiny_sandbox.directory / name).stat().st_mode & 0o077 == 0
    command = Path(f"/proc/{tiny_sandbox.state['pid']}/cmdline")
    if command.exists():
        assert tiny_sandbox.state["government"]["client_secret"].encode() not in command.read_bytes()


def test_environment_file_sets_what_stock_clients_read(tiny_sandbox: RunningSandbox) -> None:
    lines = Path(tiny_sandbox.state["env_file"]).read_text().splitlines()
    names = {line.removeprefix("export ").partition("=")[0] for line in lines}
    assert names >= {"HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
    assert "HTTP_PROXY" not in names


@pytest.mark.parametrize(
    "target",
    [
        "example.com:443",
        "management.azure.com:80",
        "management.azure.com.example.com:443",
        "a.b.blob.core.windows.net:443",
        "account.queue.core.windows.net:443",
        "127.0.0.1:443",
        "login.chinacloudapi.cn:443",
    ],
)
def test_proxy_refuses_every_other_name(tiny_sandbox: RunningSandbox, target: str) -> None:
    """Breaks if names are matched from the left only, or by a part."""
    link, line = connect(tiny_sandbox.state["proxy"], target)
    link.close()
    assert b" 403 " in line
    host = target.rpartition(":")[0]
    assert tiny_sandbox.ask("GET", "/connections")["refused"][host] >= 1


def test_proxy_refuses_plain_http(tiny_sandbox: RunningSandbox) -> None:
    place = urllib.parse.urlsplit(tiny_sandbox.state["proxy"])
    with socket.create_connection((place.hostname, place.port), timeout=10) as link:
        link.sendall(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 403")
