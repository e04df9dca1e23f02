"""Web applications on free loopback ports."""

from __future__ import annotations

import ssl
from pathlib import Path

from aiohttp import web

from sandbox.storage.backend import HOST


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server-side TLS context for one leaf."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Site:
    """One application on one port.

    Args:
        app: what answers.
        context: TLS, or None for plain HTTP.
    """

    def __init__(self, app: web.Application, context: ssl.SSLContext | None = None) -> None:
        # A blob name has up to 1,024 characters, each of up to 12 once it is percent-encoded.
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.5, max_line_size=1 << 16, max_field_size=1 << 16
        )
        self._context = context
        self.port = 0

    async def start(self) -> int:
        """Listen on a free port; returns it."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0, ssl_context=self._context, backlog=512).start()
        self.port = int(self._runner.addresses[0][1])
        return self.port

    async def stop(self) -> None:
        """Stop listening and cut what is open. Safe to call twice."""
        await self._runner.cleanup()
