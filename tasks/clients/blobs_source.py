"""The source side of the copy: reads, and mints read-only URLs. There is no method that writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azure.core import MatchConditions

from mappings.clouds import Cloud
from mappings.errors import SwitchRoute
from mappings.objects import ContainerSettings, ListedObject
from tasks.clients.blobs_account import BlobAccount
from tasks.clients.customer_keys import customer_key
from tasks.clients.errors import object_errors
from tasks.clients.sas import SasMint
from tasks.copiers.base import COPY_SOURCE_TOO_LONG

if TYPE_CHECKING:
    from tasks.clients.session import Session


LONGEST_COPY_SOURCE = 2048
"""Characters of `x-ms-copy-source` (REST, "Put Blob From URL": "up to 2 KiB in length")."""


class SourceBlobClient:
    """`SourceBlobs` over azure-storage-blob.

    Args:
        session: of the source; None where only `key` opens the account.
        key: account key, for accounts that take no Entra token (classic ones); its use is a finding in the report.
        concurrency: objects in flight.
    """

    def __init__(
        self, session: Session | None, cloud: Cloud, account: str, *, key: str | None = None, concurrency: int
    ) -> None:
        if session is None and not key:
            raise ValueError(f"neither a session nor a key for {account}")
        self.account = account
        self.wire = BlobAccount(session, cloud, account, key=key or "", concurrency=concurrency, reads_only=True)
        self._key = key or ""
        self._mint: SasMint | None = None

    @property
    def versions(self) -> bool:
        return self.wire.versions

    @versions.setter
    def versions(self, listed: bool) -> None:
        self.wire.versions = listed

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.wire.customer_keys)

    def give_keys(self, keys: Iterable[str]) -> None:
        """Have these customer-provided keys (Base64 of 32 bytes) at hand for reading."""
        self.wire.customer_keys = {one.key_hash: one for one in map(customer_key, keys)}

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        return await self.wire.unlocked(container, item)

    async def aclose(self) -> None:
        await self.wire.aclose()

    @property
    def requests(self) -> int:
        return self.wire.requests

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        self.wire.throttled = throttled

    def containers(self) -> AsyncIterator[str]:
        return self.wire.containers()

    async def container_settings(self, container: str) -> ContainerSettings:
        return await self.wire.container_settings(container)

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.wire.objects(container, begin, end)

    def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        return self.wire.read(container, item, offset, length, of_source=True)

    async def page_ranges(self, container: str, item: ListedObject) -> Sequence[tuple[int, int]]:
        if item.previous:
            # The SDK cannot ask for the page ranges of a version; its zero pages travel as pages.
            return [(0, item.size)] if item.size else []
        with object_errors(f"list the pages of {self.wire.called(container, item.name)}", source_condition=True):
            ranges: Any = self.wire.blob(container, item.name, item.snapshot).list_page_ranges(
                etag=item.etag, match_condition=MatchConditions.IfNotModified
            )
            return [(int(one.start), int(one.end) - int(one.start) + 1) async for one in ranges if not one.cleared]

    async def pull_url(self, container: str, item: ListedObject) -> str:
        if self._mint is None:
            self._mint = SasMint(self.wire.service, self.account, self._key)
        token = await self._mint.token(container)
        url = self.wire.generation(container, item).url
        # The SDK's URL names the snapshot, not the version.
        token = f"versionid={quote(item.version_id)}&{token}" if item.previous else token
        url = f"{url}{'&' if '?' in url else '?'}{token}"
        if len(url) > LONGEST_COPY_SOURCE:
            raise SwitchRoute(
                f"The URL of this blob has {len(url):,} characters, too many for a copy source.",
                code=COPY_SOURCE_TOO_LONG,
            )
        return url
