"""A loopback server that does what a test's script says, byte by byte: first as the CONNECT proxy, then as the service.

Not a mock of a client: real sockets, real TLS, real certificates. Each `sendall` here is one TLS record, so a test
decides in which pieces the client sees an answer, without waiting for anything.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mappings.objects import BlobType, ListedObject
from tasks.clients import crc64
from tasks.clients.wire import WireSource

Script = Callable[["Talk", bytes], bool]
"""Answers one request, whose head (and body of known length) it is handed; False hangs up."""


class Talk:
    """One connection, seen from the server."""

    def __init__(self, sock: ssl.SSLSocket, number: int) -> None:
        self.sock, self.number = sock, number
        self.held = b""

    def send(self, *pieces: bytes) -> bool:
        """Each piece is one TLS record. Always True, so that a script can end with it."""
        for piece in pieces:
            self.sock.sendall(piece)
        return True

    def receive(self) -> bytes:
        """One request, its body included; b"" at the end."""
        while b"\r\n\r\n" not in self.held:
            more = self.sock.recv(65536)
            if not more:
                return b""
            self.held += more
        head, _, rest = self.held.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(rest) < length:
            more = self.sock.recv(1 << 18)
            if not more:
                return b""
            rest += more
        self.held = rest[length:]
        return head + b"\r\n\r\n" + rest[:length]

    def receive_head(self) -> bytes:
        """The head of one request and what came with it; the rest of its body stays unread."""
        while b"\r\n\r\n" not in self.held:
            self.held += self.sock.recv(65536)
        return self.held


class Scripted:
    """The server. `heads` is what was asked, `connects` what the proxy was asked."""

    def __init__(self, script: Script, cert: tuple[Path, Path], *, refuse: bytes = b"", whole: bool = True) -> None:
        self.script, self.refuse, self.whole = script, refuse, whole
        self.requests: list[bytes] = []
        self.connects: list[bytes] = []
        self.talks = 0
        self.open = 0
        self.shaken = 0
        """Handshakes that were completed."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*cert)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        self.open += 1
        try:
            with sock, suppress(OSError):
                self._converse(sock)
        finally:
            self.open -= 1

    def _converse(self, sock: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = sock.recv(4096)
            if not more:
                return
            asked += more
        self.connects.append(asked)
        if self.refuse:
            sock.sendall(self.refuse)
            return
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with self._tls.wrap_socket(sock, server_side=True) as encrypted:
            self.shaken += 1
            self.talks += 1
            encrypted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            talk = Talk(encrypted, self.talks)
            while request := (talk.receive() if self.whole else talk.receive_head()):
                self.requests.append(request)
                if not self.script(talk, request):
                    return


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """A plain answer."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{named}\r\n".encode() + body


def one_by_one(scripts: Sequence[Script]) -> Script:
    """The n-th request, whatever its connection, is answered by the n-th script; the last one goes on."""
    left = list(scripts)

    def script(talk: Talk, request: bytes) -> bool:
        return (left.pop(0) if len(left) > 1 else left[0])(talk, request)

    return script


# --- what most answers are about ---

BYTES = bytes(range(256)) * 16
MADE = answer("201 Created", ETag='"0x1"', x_ms_request_id="r")


def blob(size: int = len(BYTES), name: str = "n") -> ListedObject:
    return ListedObject(name, "", BlobType.BLOCK, size, '"0xA"', datetime(2026, 1, 1, tzinfo=UTC))


def ranged(data: bytes = BYTES) -> bytes:
    crc = base64.b64encode(crc64.to_bytes(crc64.crc64(data))).decode()
    return answer("206 Partial Content", data, x_ms_content_crc64=crc)


async def read(source: WireSource, item: ListedObject | None = None) -> bytes:
    item = item or blob()
    return b"".join([part async for part in source.read("c", item)])
