"""The sandbox's own blob service behind the seam: in this process, on a TLS port, each request seen by a middleware."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp.typedefs import Middleware

from sandbox.estates.model import AccountSpec
from sandbox.sites import Site, tls
from sandbox.storage.backend import BackendPlace
from sandbox.storage.hooks import Rule
from sandbox.storage.model import Account
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

    async def stop(self) -> None:
        await self._site.stop()

    def hook(self, rule: Mapping[str, Any]) -> None:
        self.service.hooks.append(Rule(rule))

    def unhook(self) -> None:
        self.service.clear_hooks()

    def allow_pull(self, account: str, allowed: bool) -> None:
        self.service.set_rule(account, allow_pull=allowed)

    def held(self, account: str) -> Mapping[tuple[str, str], tuple[int, int]] | None:
        known = self.service.accounts.get(account)
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for container in known.containers.values() if known else ():
            for blob in container.blobs.values():
                for one in (blob, *blob.snapshots, *container.versions.get(blob.name, ())) if blob.committed else ():
                    key = (one.type, one.tier or (known.default_tier if known else ""))
                    size, number = sums.get(key, (0, 0))
                    sums[key] = (size + one.size, number + 1)
        return sums

    def model(self, account: str) -> Account | None:
        return self.service.accounts.get(account)

    def counts(self) -> Mapping[str, Any]:
        return self.service.counters.snapshot()

    def reset_counts(self) -> None:
        self.service.counters.reset()
