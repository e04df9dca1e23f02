"""The source side of the copy on the lean way: reads, and mints read-only URLs. There is no method that writes, and the
lines below refuse whatever is neither GET nor HEAD."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING

from mappings.clouds import Cloud
from mappings.errors import SwitchRoute
from mappings.objects import ContainerSettings, ListedObject
from tasks.clients.blobs_source import LONGEST_COPY_SOURCE, SourceBlobClient
from tasks.clients.sas import SasMint
from tasks.clients.wire.account import generation
from tasks.clients.wire.auth import BearerSigner, KeySigner
from tasks.clients.wire.calls import Call
from tasks.clients.wire.heads import folder, quoted
from tasks.clients.wire.side import Side
from tasks.copiers.base import COPY_SOURCE_TOO_LONG, ReadThen

if TYPE_CHECKING:
    from tasks.clients.session import Session


class WireSource(Side[SourceBlobClient]):
    """`SourceBlobs` and `ListsRaw` over our own requests. The SDK client beside it lists containers, reads their
    settings and gets the user delegation key.

    Args:
        session: of the source; None where only `key` opens the account.
        key: account key, for accounts that take no Entra token (classic ones); its use is a finding in the report.
        concurrency: objects in flight.
    """

    def __init__(
        self, session: Session | None, cloud: Cloud, account: str, *, key: str | None = None, concurrency: int
    ) -> None:
        signer = KeySigner(account, key) if key else BearerSigner(session) if session is not None else None
        if signer is None:
            raise ValueError(f"neither a session nor a key for {account}")
        desk = SourceBlobClient(session, cloud, account, key=key, concurrency=concurrency)
        super().__init__(desk, cloud, signer, reads_only=True, of_source=True)
        self._key = key or ""
        self._mint: SasMint | None = None
        self._start = cloud.blob_endpoint(account)

    @property
    def keys(self) -> frozenset[str]:
        return self._desk.keys

    def give_keys(self, keys: Iterable[str]) -> None:
        self._desk.give_keys(keys)

    def containers(self) -> AsyncIterator[str]:
        return self._desk.containers()

    async def container_settings(self, container: str) -> ContainerSettings:
        return await self._desk.container_settings(container)

    def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        return self.blobs.raw_pages(container, begin, end, entries)

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        return self.blobs.objects(container, begin, end)

    def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if item.customer_key:
            # Keys stay with the SDK.
            return self._desk.read(container, item, offset=offset, length=length)
        return self.blobs.read(container, item, offset, length)

    async def page_ranges(self, container: str, item: ListedObject) -> Sequence[tuple[int, int]]:
        return await self.blobs.page_ranges(container, item)

    async def pull_url(self, container: str, item: ListedObject) -> str:
        if self._mint is None:
            self._mint = SasMint(self._desk.wire.service, self.account, self._key)
        url = self._url(container, item, await self._mint.token(container))
        if len(url) > LONGEST_COPY_SOURCE:
            raise SwitchRoute(
                f"The URL of this blob has {len(url):,} characters, too many for a copy source.",
                code=COPY_SOURCE_TOO_LONG,
            )
        return url

    def _url(self, container: str, item: ListedObject, token: str) -> str:
        which = generation(item)
        return f"{self._start}{folder(container)}/{quoted(item.name)}?{which}{'&' if which else ''}{token}"

    @property
    def starts(self) -> bool:
        return self.wire.starts

    def pull_url_at_hand(self, container: str, item: ListedObject) -> str | None:
        token = self._mint.at_hand(container) if self._mint is not None else None
        url = self._url(container, item, token) if token is not None else ""
        return url if 0 < len(url) <= LONGEST_COPY_SOURCE else None

    def start_read(
        self, container: str, item: ListedObject, then: ReadThen, *, offset: int = 0, length: int | None = None
    ) -> Call:
        return self.blobs.start_read(container, item, then, offset, item.size - offset if length is None else length)
