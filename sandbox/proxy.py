"""An HTTPS CONNECT proxy on loopback: real names go to local ports, every other name is refused, so nothing leaves."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

CHUNK = 1 << 18
_CONNECT = re.compile(r"CONNECT \[?([^\s\]]+?)\]?:(\d+) HTTP/1\.[01]\r\n")

Resolve = Callable[[str], int | None]
"""Host name -> local TLS port, or None where the name is refused."""


def break_off(writer: asyncio.WriteTransport) -> None:
    """Reset a connection: the peer sees ECONNRESET, as from a broken network, and not an orderly end."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.abort()


class Proxy:
    """The proxy. `allowed` and `refused` count what was asked for, by host."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.allowed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    async def start(self, host: str) -> int:
        """Listen on a free port of `host`; returns the port."""
        self._server = await asyncio.start_server(self._accept, host, 0, limit=CHUNK)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def report(self) -> dict[str, Any]:
        """Hosts asked for, as JSON: `allowed` and `refused`, each host -> count."""
        return {"allowed": dict(sorted(self.allowed.items())), "refused": dict(sorted(self.refused.items()))}

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            break_off(writer.transport)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._open.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        asked = _CONNECT.match(head)
        port = self._resolve(asked[1].lower()) if asked and asked[2] == "443" else None
        name = asked[1].lower() if asked else head.split("\r\n", 1)[0]
        (self.refused if port is None else self.allowed)[name] += 1
        if port is None:
            writer.write(b"HTTP/1.1 403 Not a name of the sandbox\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        service_reader, service_writer = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(reader, writer, service_reader, service_writer)
        finally:
            service_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    service_reader: asyncio.StreamReader,
    service_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until one side ends; what the service still had to say is delivered.

    Raises:
        OSError: one side broke off.
    """
    up = asyncio.create_task(_pump(reader, service_writer))
    down = asyncio.create_task(_pump(service_reader, writer))
    try:
        done, _ = await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        writer.close()
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
