"""Fixtures for all tests: one two-cloud sandbox a session, reached as a customer's clouds are."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from sandbox import launcher
from tests.schedule import LongestFirst

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes is the machine's affair, above all beside other tests.
hypothesis.settings.register_profile("govlift", deadline=None)
hypothesis.settings.load_profile("govlift")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst:
    return LongestFirst(config, log)


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers."""

    directory: Path
    state: dict[str, Any]

    def environment(self) -> dict[str, str]:
        """The variables that lead a child process with stock settings into it."""
        return launcher.environment_of(self.state)

    @property
    def client_options(self) -> dict[str, Any]:
        """Keyword arguments that lead one Azure client into it, sync or aio, with no environment changed."""
        return {"proxies": {"https": self.state["proxy"]}, "connection_verify": self.state["ca_bundle"]}

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """A request to the control endpoint; returns its JSON."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.state['control']}{path}", data=body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def counters(self) -> Any:
        return self.ask("GET", "/counters")

    def break_with(self, *rules: dict[str, Any]) -> None:
        """Put fault rules in force."""
        self.ask("POST", "/faults", list(rules))

    def calm(self) -> None:
        """No faults, no hooks, counters at zero. Estate and blobs stay as tests left them."""
        self.ask("DELETE", "/faults")
        self.ask("DELETE", "/hooks")
        self.ask("POST", "/counters/reset")


def start_sandbox(directory: Path, estate: str, storage: str = "own") -> Iterator[RunningSandbox]:
    """A sandbox with this estate, for a fixture to yield from; it is gone afterwards."""
    try:
        yield RunningSandbox(directory, launcher.up(directory, estate=estate, storage=storage))
    finally:
        launcher.down(directory)


@pytest.fixture(scope="session")
def _session_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    yield from start_sandbox(tmp_path_factory.mktemp("sandbox"), "hollis-county")


@pytest.fixture
def sandbox(_session_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The session's sandbox with the sample estate, calm at the start and the end of each test."""
    _session_sandbox.calm()
    yield _session_sandbox
    _session_sandbox.calm()


@pytest.fixture(scope="session")
def _session_tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    estate = f"{ROOT / 'tests' / 'sandbox' / 'tiny_estate.py'}:ESTATE"
    yield from start_sandbox(tmp_path_factory.mktemp("tiny"), estate)


@pytest.fixture
def tiny_sandbox(_session_tiny: RunningSandbox) -> Iterator[RunningSandbox]:
    """The session's sandbox with the tiny estate of `tests/sandbox/tiny_estate.py`, calm as `sandbox` is."""
    _session_tiny.calm()
    yield _session_tiny
    _session_tiny.calm()
