"""The seam between the sandbox's server and whatever stores blobs behind the storage names of one cloud.

Two things stand behind it: the sandbox's own blob service, which runs inside the server's event loop, and Azurite,
which runs as a child process. The server knows only this surface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.estates.model import AccountSpec
from sandbox.storage.model import Account

HOST = "127.0.0.1"

Claims = Mapping[str, Any]
VerifyBearer = Callable[[str], Claims]
"""Takes the value of an Authorization header, with or without `Bearer `; returns the claims of a good token for the
storage audience of this cloud (`oid`, `tid`, `appid`, `exp`), or raises `TokenRefused`."""


class TokenRefused(Exception):
    """A bearer token that this cloud does not take: other signer, other tenant, other audience, expired or garbled."""


@dataclass(frozen=True, slots=True)
class BackendPlace:
    """What a backend is built from: which cloud it serves, its TLS leaf, where it may write."""

    suffix: str
    """DNS suffix of the cloud's storage, as in `<account>.blob.<suffix>`."""
    certificate: Path
    key: Path
    ca_bundle: Path
    """PEM file with the roots of certifi and the leaves of both clouds."""
    directory: Path
    """A folder of this backend's own, made by the server."""


class StorageBackend(Protocol):
    """The blob data plane of one cloud, reachable by TLS on a loopback port once started.

    An account name is the first label of the host in a request; names are unique in a cloud.
    """

    @property
    def port(self) -> int:
        """The TLS port on 127.0.0.1. Known after `start`."""

    @property
    def accounts(self) -> Iterable[str]:
        """The names of the accounts that exist now."""

    async def start(self) -> None:
        """Begin to answer. Returns when the port takes connections. Called once."""

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
        """Give birth to an empty account. Returns when requests to it are answered; an existing one stays as it is."""

    async def remove_account(self, name: str) -> None:
        """Delete an account with all that is in it. An unknown name is no error."""

    async def load(self, account: AccountSpec) -> None:
        """Give birth to an account with its containers and blobs. May be called before `start`."""

    async def stop(self) -> None:
        """End, leave no process and no port behind. Safe to call twice, and before `start`."""

    def hook(self, rule: Mapping[str, Any]) -> None:
        """Put a hook in force: a change of a blob from outside, at the moment a chosen request was served.

        Raises:
            ValueError: the rule is not one that this backend understands, or it takes none.
        """

    def unhook(self) -> None:
        """Put all hooks out of force."""

    def allow_pull(self, account: str, allowed: bool) -> None:
        """Whether other accounts may read from `account` by URL, as its network rules say; clients are not concerned.

        Raises:
            LookupError: no such account.
            ValueError: the backend has no such rule.
        """

    def held(self, account: str) -> Mapping[tuple[str, str], tuple[int, int]] | None:
        """Blob type and tier -> bytes and number of what an account holds, snapshots too; None where that is unknown.

        An account that does not exist holds nothing.
        """

    def model(self, account: str) -> Account | None:
        """The account as the sandbox's own service holds it, for settings that ARM makes; None where there is none."""

    def counts(self) -> Mapping[str, Any]:
        """What the accounts served: `read`, `write`, `delegation`, `by_operation`, `by_account`; empty if uncounted."""

    def reset_counts(self) -> None:
        """Begin to count again from zero."""
