"""How a line to a host comes to be: name, proxy (CONNECT), TLS with certificate and host name verified. Always.

The environment decides as it does for the SDK's transport: `SSL_CERT_FILE`, `HTTPS_PROXY`, `NO_PROXY` (RFC 9110, 9.3.6
for CONNECT; RFC 7617 for the proxy's credentials).
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from mappings.errors import FixTheInput
from tasks.clients.redact import clean
from tasks.clients.trust import trust_at_hand
from tasks.clients.wire.line import Line, Lost, Yard

CONNECT_SECONDS = 20.0
"""For name, connection, proxy and handshake together; the SDK's own figure."""
_LONGEST_GREETING = 16 * 1024
_NAMES_KEPT = 10.0
"""Seconds for which an address is remembered, so that many lines opened at once ask once."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that lines go through."""

    host: str
    port: int
    credentials: bytes = field(default=b"", repr=False)
    """Value of Proxy-Authorization, b"" where it wants none."""


def proxy_for(host: str) -> Proxy | None:
    """The proxy that the environment names for https to `host`.

    Raises:
        FixTheInput: it is no http:// proxy.
    """
    named = urllib.request.getproxies().get("https", "")
    if not named or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    if parts.scheme != "http" or not parts.hostname:
        raise FixTheInput(
            f"HTTPS_PROXY names a {parts.scheme or 'nameless'} proxy, which is not spoken here.",
            next_step="Name the proxy as http://HOST:PORT; inside, all is encrypted to the service.",
        )
    credentials = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        credentials = b"Basic " + base64.b64encode(pair)
    return Proxy(parts.hostname, parts.port or 80, credentials)


class Dialer:
    """Opens lines to one host on port 443."""

    def __init__(self, yard: Yard, host: str, *, seconds: float = CONNECT_SECONDS) -> None:
        self.host = host
        self._yard, self._seconds = yard, seconds
        # Not at import: SSL_CERT_FILE and the proxy count as they stand now.
        self._tls = trust_at_hand()
        self._proxy = proxy_for(host)
        self._addresses: tuple[float, list[tuple[int, tuple[str, int]]]] = (-_NAMES_KEPT, [])

    async def open(self, left: Callable[[Line], None]) -> Line:
        """A line that is ready for requests. `left` is called once, when it is gone.

        Raises:
            Lost: nobody answers, or not as TLS.
            FixTheInput: the proxy refuses, or the certificate is not that of the host or not trusted.
        """
        try:
            async with asyncio.timeout(self._seconds):
                sock = await self._connect()
                try:
                    if self._proxy is not None:
                        await self._through(self._proxy, sock)
                    return await self._encrypt(sock, left)
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError:
            raise Lost(f"no connection to {self.host} within {self._seconds:.0f} s", unsent=True) from None
        except NotImplementedError:
            raise FixTheInput(
                "This event loop cannot watch sockets, which the lean client needs.",
                next_step='Set client = "sdk" in [copy].',
            ) from None

    async def _connect(self) -> socket.socket:
        wrong: OSError = OSError("no address")
        for family, address in await self._resolve():
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                await self._yard.loop.sock_connect(sock, address)
                return sock
            except OSError as failed:
                sock.close()
                wrong = failed
            except BaseException:
                sock.close()
                raise
        raise Lost(f"no connection to {self._way}: {wrong.strerror or wrong}", unsent=True)

    @property
    def _way(self) -> str:
        return f"the proxy {self._proxy.host}:{self._proxy.port}" if self._proxy else self.host

    async def _resolve(self) -> list[tuple[int, tuple[str, int]]]:
        now = self._yard.loop.time()
        asked, known = self._addresses
        if now - asked < _NAMES_KEPT:
            return known
        host, port = (self._proxy.host, self._proxy.port) if self._proxy else (self.host, 443)
        try:
            found = await self._yard.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as wrong:
            raise Lost(f"the name {host} is not known: {wrong.strerror or wrong}", unsent=True) from None
        known = [(family, (str(address[0]), int(address[1]))) for family, _, _, _, address in found]
        self._addresses = (now, known)
        return known

    async def _through(self, proxy: Proxy, sock: socket.socket) -> None:
        """Have the proxy connect us to the host."""
        loop = self._yard.loop
        asked = f"CONNECT {self.host}:443 HTTP/1.1\r\nHost: {self.host}:443\r\n".encode("ascii")
        if proxy.credentials:
            asked += b"Proxy-Authorization: " + proxy.credentials + b"\r\n"
        try:
            await loop.sock_sendall(sock, asked + b"\r\n")
            said = b""
            while b"\r\n\r\n" not in said:
                more = await loop.sock_recv(sock, 4096)
                if not more or len(said) > _LONGEST_GREETING:
                    raise Lost(f"{self._way} hung up or did not come to the point", unsent=True)
                said += more
        except OSError as wrong:
            raise Lost(f"{self._way} broke off: {wrong.strerror or wrong}", unsent=True) from None
        line = said.partition(b"\r\n")[0]
        status = line[9:12]
        if line[:7] == b"HTTP/1." and status[:1] == b"2":
            if said.split(b"\r\n\r\n", 1)[1]:
                raise Lost(f"{self._way} spoke before it was asked", unsent=True)
            return
        told = clean(line.decode("latin-1"))
        if status[:1] == b"5" or not status.isdigit():
            raise Lost(f"{self._way} answered {told}", unsent=True)
        raise FixTheInput(
            f"{self._way} does not let us through to {self.host}: {told}.",
            next_step="Check HTTPS_PROXY, its user and password, and that the proxy allows this host.",
        )

    async def _encrypt(self, sock: socket.socket, left: Callable[[Line], None]) -> Line:
        # The wrapped socket takes the descriptor over.
        tls = self._tls.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        try:
            await self._shake_hands(tls)
            return Line(self._yard, tls, left)
        except ssl.SSLCertVerificationError as wrong:
            tls.close()
            raise FixTheInput(
                f"The certificate that answers for {self.host} is not accepted: {wrong.verify_message}.",
                next_step="If a proxy of yours opens TLS, name its CA in SSL_CERT_FILE; else ask who answers there.",
            ) from None
        except OSError as wrong:
            tls.close()
            raise Lost(f"no TLS with {self.host}: {wrong}", unsent=True) from None
        except BaseException:
            tls.close()
            raise

    async def _shake_hands(self, tls: ssl.SSLSocket) -> None:
        loop, fd = self._yard.loop, tls.fileno()
        while True:
            ready = loop.create_future()
            try:
                tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                loop.add_reader(fd, _wake, ready)
                end = loop.remove_reader
            except ssl.SSLWantWriteError:
                loop.add_writer(fd, _wake, ready)
                end = loop.remove_writer
            try:
                await ready
            finally:
                end(fd)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
