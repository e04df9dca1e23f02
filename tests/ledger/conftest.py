"""A fresh ledger in each of the two databases: a file, as every migration folder has one, and a PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.postgres import NoPostgres, Server, postgres_server
from tasks.ledger import Ledger, ledger_url, open_ledger

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    try:
        # Nothing here cuts the power.
        with postgres_server(lasting=False) as server:
            yield server
    except NoPostgres as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_url(_server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of its own, whose password comes from the environment."""
    for name, value in _server.environment().items():
        monkeypatch.setenv(name, value)
    name = f"ledger{next(_NUMBERS)}"
    _server.create(name)
    return _server.url(name)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return ledger_url(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a ledger may be made, in either database."""
    return str(request.getfixturevalue("file_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture
def file_ledger(file_url: str) -> Iterator[Ledger]:
    """For what only a file can do."""
    with open_ledger(file_url) as opened:
        yield opened
