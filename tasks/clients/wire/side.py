"""What both sides have on the lean way: the requests of one account, and the SDK's client of it for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from tasks.clients.blobs_source import SourceBlobClient
from tasks.clients.blobs_target import TargetBlobClient
from tasks.clients.wire.account import WireAccount
from tasks.clients.wire.caller import Caller

if TYPE_CHECKING:
    from mappings.clouds import Cloud
    from mappings.objects import ListedObject
    from tasks.clients.wire.auth import Signer

D = TypeVar("D", SourceBlobClient, TargetBlobClient)


class Side(Generic[D]):
    """One account.

    Args:
        desk: the SDK's client, for what is rare and what is keys; both speak the same API version.
        of_source: whether conditions are pins of the source.
    """

    def __init__(self, desk: D, cloud: Cloud, signer: Signer, *, reads_only: bool, of_source: bool) -> None:
        self.account = desk.account
        self._desk: D = desk
        self.wire = Caller(cloud, desk.account, signer, desk.wire.spoken, reads_only=reads_only)
        self.blobs = WireAccount(self.wire, of_source=of_source)

    async def aclose(self) -> None:
        await self.wire.aclose()
        await self._desk.aclose()

    @property
    def requests(self) -> int:
        """Requests sent on the data plane, retries and those of the SDK's client included."""
        return self.wire.requests + self._desk.requests

    @property
    def versions(self) -> bool:
        return self.blobs.versions

    @versions.setter
    def versions(self, listed: bool) -> None:
        self.blobs.versions = listed

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        # Keys stay with the SDK.
        return await self._desk.unlocked(container, item)

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        self.wire.throttled = throttled
        self._desk.listen(throttled)
