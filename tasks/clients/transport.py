"""How the SDK's aio clients connect. Imported when the first of them is made, for not every worker makes one."""

from __future__ import annotations

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport

from tasks.clients.trust import trust_at_hand


class Transport(AioHttpTransport):  # type: ignore[misc]  # The SDK loads the name when asked, so its type is unknown.
    """The SDK's own, but for what it trusts: aiohttp reads SSL_CERT_FILE when it is imported, this as it stands now.

    It belongs to one client, which closes it, and to the event loop in which that sends its first request.

    Args:
        connections: open at the same time, at most.
    """

    def __init__(self, connections: int = 100) -> None:
        super().__init__()
        self._connections = connections
        self._opened = False

    async def open(self) -> None:
        if not self._opened:
            self._opened = True
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=trust_at_hand()),
                trust_env=True,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        await super().open()
