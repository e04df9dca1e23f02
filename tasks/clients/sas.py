"""Read-only SAS of a source container, minted when needed and renewed in mid-shard; never logged, never stored.

Sources: "Create a user delegation SAS" (https only, signed start and expiry, at most 7 days), "Create a service SAS".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mappings.route_estimate import SAS_LIFE, SAS_SKEW
from tasks.clients.errors import object_errors

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey
    from azure.storage.blob.aio import BlobServiceClient

KEY_LIFE = timedelta(hours=12)
LEAST_LEFT = timedelta(minutes=30)
"""A SAS given out is good for at least this long."""


@dataclass(frozen=True, slots=True)
class _Token:
    query: str = field(repr=False)
    expiry: datetime


class SasMint:
    """SAS tokens of one source account, one container each: read and list only, https only.

    Args:
        key: account key of an account that takes no Entra token; else "" and a user delegation key is asked for.
    """

    def __init__(
        self,
        service: BlobServiceClient,
        account: str,
        key: str = "",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service, self._account, self._key, self._clock = service, account, key, clock
        self._tokens: dict[str, _Token] = {}
        self._delegation: UserDelegationKey | None = None
        self._delegation_ends = datetime.min.replace(tzinfo=UTC)
        self._lock = asyncio.Lock()

    def at_hand(self, container: str) -> str | None:
        """As `token`, where it need not be minted; else None."""
        held = self._tokens.get(container)
        return held.query if held is not None and held.expiry - self._clock() >= LEAST_LEFT else None

    async def token(self, container: str) -> str:
        """A query string without "?", valid for at least another 30 minutes.

        Raises:
            ObjectError, GovliftError: no user delegation key was given.
        """
        now = self._clock()
        held = self._tokens.get(container)
        if held is None or held.expiry - now < LEAST_LEFT:
            async with self._lock:
                held = self._tokens.get(container)
                if held is None or held.expiry - now < LEAST_LEFT:
                    held = self._tokens[container] = await self._mint(container, now)
        return held.query

    async def _mint(self, container: str, now: datetime) -> _Token:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        expiry = now + SAS_LIFE
        how: dict[str, object] = {"account_key": self._key}
        if not self._key:
            how = {"user_delegation_key": await self._delegation_key(now)}
        query = generate_container_sas(
            self._account,
            container,
            permission=ContainerSasPermissions(read=True, list=True),
            start=now - SAS_SKEW,
            expiry=expiry,
            protocol="https",
            **how,  # type: ignore[arg-type]
        )
        return _Token(query, expiry)

    async def _delegation_key(self, now: datetime) -> UserDelegationKey:
        if self._delegation is None or self._delegation_ends - now < SAS_LIFE + LEAST_LEFT:
            ends = now + KEY_LIFE
            with object_errors(f"get a user delegation key of {self._account}"):
                self._delegation = await self._service.get_user_delegation_key(now - SAS_SKEW, ends)
            self._delegation_ends = ends
        return self._delegation
