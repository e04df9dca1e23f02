"""The sandbox's own blob service behind the seam: in this process, on a TLS port, each request seen by a middleware."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp.typedefs import Middleware

from sandbox.estates.model import AccountSpec
from sandbox.sites import Site, tls
from sandbox.storage.backend import BackendPlace
from sandbox.storage.service import BlobService


class OwnStorage:
    """`BlobService` as a `StorageBackend`.

    Args:
        service: the service of one cloud.
        place: its leaf and its folder.
        middleware: sees each request before the service does.
    """

    def __init__(self, service: BlobService, place: BackendPlace, middleware: Middleware) -> None:
        self.service = service
        app = service.application()
        app.middlewares.insert(0, middleware)
        self._site = Site(app, tls(place.certificate, place.key))

    @property
    def port(self) -> int:
        return self._site.port

    @property
    def accounts(self) -> Iterable[str]:
        return tuple(self.service.accounts)

    async def start(self) -> None:
        await self._site.start()

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
        if name not in self.service.accounts:
            self.service.create_account(
                name,
                key=key,
                kind=kind,
                sku=sku,
                classic=classic,
                default_tier=default_tier,
                allow_shared_key=allow_shared_key,
                allow_public_access=allow_public_access,
            )

    async def remove_account(self, name: str) -> None:
        self.service.accounts.pop(name, None)

    async def load(self, account: AccountSpec) -> None:
        self.service.load(account)

    async def overwrite(self, account: str, container: str, blob: str, content: bytes) -> None:
        self.service.overwrite(account, container, blob, content)

    async def stop(self) -> None:
        await self._site.stop()
