"""The files of a sandbox's directory that other processes read: its state, its environment, the lock of the living."""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

WRONG_CALL = 64
"""Exit code of a sandbox that was asked for what there is not (EX_USAGE of sysexits.h)."""


class StorageKind(StrEnum):
    """What stands behind the storage names."""

    OWN = "own"
    AZURITE = "azurite"


def write_atomically(path: Path, content: str) -> None:
    """Write a file that only its owner reads, so that a reader sees the old one or all of the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def environment_of(state: Mapping[str, Any]) -> dict[str, str]:
    """The variables that lead a client with stock settings into the sandbox.

    HTTP_PROXY is not among them: plain HTTP is for this machine's own services, as Prefect's. Both spellings are, since
    requests and Go prefer the small one where it is set.
    """
    proxy, bundle, direct = state["proxy"], state["ca_bundle"], "127.0.0.1,localhost"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
    }


def shell_lines(environment: Mapping[str, str]) -> str:
    """The variables as lines to source in a shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


class LifeLock:
    """A lock that its holder keeps as long as it lives: the kernel lets go of it at any end, also by SIGKILL.

    That the lock is held is the proof that the process id in the state is the sandbox's, and not that of somebody who
    got the number later.
    """

    def __init__(self, path: Path) -> None:
        self._handle = path.open("a")

    def take(self, *, wait: bool) -> bool:
        """Take the lock; returns False where another holds it and `wait` is off."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go."""
        self._handle.close()

    def __enter__(self) -> LifeLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
