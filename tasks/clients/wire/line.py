"""One TLS connection to a service: one request at a time, on the event loop, large bodies on a free thread.

The socket is driven by hand over `ssl.SSLObject`, which needs fewer calls and copies than a transport of asyncio; see
docs/adr/0017-the-wire.md. The reader stays registered while the line is idle, so a line that the service closed leaves
the pool at once.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from tasks.clients.wire.answers import AnswerReader, Broken

BIG = 256 * 1024
"""Bytes of a body from which on a thread carries it, where one is free."""
_PIECE = 64 * 1024
"""Bytes that are enciphered before they are sent; small enough for malloc to give the same memory again."""
_SHARED = 256 * 1024


class Lost(Exception):
    """The connection ended, or never came to be, before the answer was whole.

    Args:
        heard: some of the answer had come.
        unsent: nothing of the request had been sent.
    """

    def __init__(self, why: str, *, heard: bool = False, unsent: bool = False) -> None:
        super().__init__(why)
        self.heard, self.unsent = heard, unsent


class Yard:
    """What the lines of one event loop share: two buffers, and the threads that carry large bodies."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int) -> None:
        self.loop = loop
        self.raw, self.plain = bytearray(_SHARED), bytearray(_PIECE)
        self.raw_view, self.plain_view = memoryview(self.raw), memoryview(self.plain)
        self._free = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="govlift-wire") if threads else None
        self._own = threading.local()

    def carry(self, work: Callable[[bytearray], None]) -> bool:
        """Run `work` on a thread, with a buffer of that thread; False where none is free now."""
        if not self._free or self._threads is None:
            return False
        self._free -= 1
        self._threads.submit(self._on_thread, work)
        return True

    def _on_thread(self, work: Callable[[bytearray], None]) -> None:
        buffer = getattr(self._own, "buffer", None)
        if buffer is None:
            buffer = self._own.buffer = bytearray(_SHARED)
        work(buffer)

    def carried(self) -> None:
        """A thread is free again; called on the loop."""
        self._free += 1

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=False)


class Line:
    """An open connection, its handshake done."""

    def __init__(
        self,
        yard: Yard,
        sock: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        left: Callable[[Line], None],
    ) -> None:
        self.alive = True
        self.used = 0
        """Requests that were answered on it."""
        self.seen = yard.loop.time()
        """When the last byte came or went."""
        self.patience = 0.0
        """Seconds without a byte after which the request under way is given up."""
        self._yard, self._loop = yard, yard.loop
        self._sock, self._tls, self._in, self._out = sock, tls, incoming, outgoing
        # With a buffer to read into, it returns a count.
        self._read = cast("Callable[[int, memoryview], int]", tls.read)
        self._left = left
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._rest = memoryview(b"")
        self._enciphered = memoryview(b"")
        self._sent = False
        self._writing = False
        self._away = False
        """A thread has the socket."""
        self._fd = sock.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @property
    def busy(self) -> bool:
        return self._waiter is not None

    def overdue(self, now: float) -> bool:
        """Whether the request under way has been silent for too long. A thread looks to that itself."""
        return self.busy and not self._away and now - self.seen > self.patience

    def ask(self, head: bytes, body: bytes | memoryview, reader: AnswerReader, patience: float) -> asyncio.Future[None]:
        """Send a request; the future is done when `reader` is, or fails with `Lost`.

        One that is cancelled must be followed by `drop`.
        """
        waiter = self._waiter = self._loop.create_future()
        self._reader, self.patience = reader, patience
        self.seen = self._loop.time()
        self._sent = False
        try:
            if len(body) < BIG:
                self._send_small(b"".join((head, body)) if body else head)
            else:
                self._rest = memoryview(head)
                self._push()
                self._rest = memoryview(body)
                if not self._writing and not self._carry(self._send_on_thread):
                    self._push()
        except (OSError, ssl.SSLError) as wrong:
            self._broke(wrong)
        return waiter

    def _send_small(self, data: bytes) -> None:
        """The common case, without detours: all goes out at once."""
        at = self._tls.write(data)
        if at < len(data):
            self._rest = memoryview(data)[at:]
            self._encipher()
        else:
            self._enciphered = memoryview(self._out.read())
        self._push()

    def drop(self, why: str = "given up") -> None:
        """Close at once, whatever is under way."""
        self._lose(Lost(why))

    # --- sending ---

    def _push(self) -> None:
        """Send what is to be sent, until the socket takes no more."""
        while True:
            while self._enciphered:
                try:
                    count = self._sock.send(self._enciphered)
                except (BlockingIOError, InterruptedError):
                    if not self._writing:
                        self._writing = True
                        self._loop.add_writer(self._fd, self._writable)
                    return
                self._sent = True
                self._enciphered = self._enciphered[count:]
            if not self._rest:
                break
            self._encipher()
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    def _encipher(self) -> None:
        assert not self._enciphered
        rest, at = self._rest, 0
        stop = min(len(rest), _PIECE)
        while at < stop:
            at += self._tls.write(rest[at:stop])
        self._rest = rest[at:]
        self._enciphered = memoryview(self._out.read())

    def _writable(self) -> None:
        self.seen = self._loop.time()
        try:
            self._push()
        except (OSError, ssl.SSLError) as wrong:
            self._broke(wrong)

    def _broke(self, wrong: Exception) -> None:
        """Sending failed. What the service said before it hung up, e.g. 403 to a large body, is still worth reading."""
        self._rest = self._enciphered = memoryview(b"")
        unsent = not self._sent
        if not unsent:
            self._readable()
        if self.alive:
            self._lose(Lost(_said(wrong), unsent=unsent, heard=self._reader is not None and self._reader.heard))

    # --- receiving ---

    def _readable(self) -> None:
        yard = self._yard
        try:
            count = self._sock.recv_into(yard.raw)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as wrong:
            self._lost(_said(wrong))
            return
        if not count:
            self._ended()
            return
        self.seen = self._loop.time()
        self._in.write(yard.raw_view[:count])
        self._digest()

    def _digest(self) -> None:
        """Decipher what has come, and hand it to the reader."""
        reader, read, yard = self._reader, self._read, self._yard
        try:
            while reader is not None and not reader.done:
                room = reader.room
                if room is None:
                    count = read(_PIECE, yard.plain_view)
                    reader.feed(yard.plain, count)
                elif len(room) >= BIG and not self._writing and self._carry(self._receive_on_thread):
                    return
                else:
                    count = read(len(room), room)
                    reader.filled(count)
                if not count:
                    self._ended()
                    return
            if reader is not None:
                self._finish(reader)
            elif read(1, yard.plain_view):
                self._lost("bytes that nobody asked for")
            else:
                self._ended()
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLError, Broken) as wrong:
            self._lost(_said(wrong))

    def _finish(self, reader: AnswerReader) -> None:
        """The answer is whole; whether the line can be used again shows in what else came and was not sent."""
        waiter, reply = self._waiter, reader.reply
        clean = not reader.extra and not self._rest and not self._enciphered
        clean = clean and reply is not None and reply.keeps_open
        self._reader = self._waiter = None
        self.used += 1
        if not clean:
            self._lose(Lost("the service hung up"))
        elif self._in.pending or self._tls.pending():
            self._digest()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ended(self) -> None:
        """The service closed its side."""
        if self._reader is not None and self._reader.ended():
            self._finish(self._reader)
        self._lost("the service hung up")

    def _lost(self, why: str) -> None:
        self._lose(Lost(why, heard=self._reader is not None and self._reader.heard, unsent=not self._sent))

    def _lose(self, wrong: Lost) -> None:
        if not self.alive:
            return
        self.alive = False
        self._left(self)
        if self._away:
            # The thread sees the end of the socket and comes back; only then is it closed.
            with _ignored:
                self._sock.shutdown(socket.SHUT_RDWR)
        else:
            self._close()
        waiter, self._waiter, self._reader = self._waiter, None, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(wrong)

    def _close(self) -> None:
        self._loop.remove_reader(self._fd)
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)
        self._sock.close()

    # --- on a thread ---

    def _carry(self, work: Callable[[bytearray], None]) -> bool:
        """Give the socket to a thread, where one is free."""

        def carried(buffer: bytearray) -> None:
            wrong: Exception | None = None
            try:
                work(buffer)
            except Exception as broken:
                wrong = broken
            with _ignored:
                self._loop.call_soon_threadsafe(self._back, wrong)

        if not self._yard.carry(carried):
            return False
        self._away = True
        self._loop.remove_reader(self._fd)
        return True

    def _back(self, wrong: Exception | None) -> None:
        """The socket is the loop's again."""
        self._away = False
        self._yard.carried()
        self.seen = self._loop.time()
        if not self.alive:
            self._sock.close()
            return
        self._loop.add_reader(self._fd, self._readable)
        if isinstance(wrong, Lost):
            self._lost(str(wrong))
        elif wrong is not None:
            self._broke(wrong)
        elif self._rest or self._enciphered:
            self._go_on()
        else:
            self._digest()

    def _go_on(self) -> None:
        """Hear what came while a body was being sent (a session ticket, or the answer), and send the rest."""
        self._readable()
        if not self.busy or (self._reader is not None and not self._reader.heard and self._carry(self._send_on_thread)):
            return
        try:
            self._push()
        except (OSError, ssl.SSLError) as wrong:
            self._broke(wrong)

    def _send_on_thread(self, _: bytearray) -> None:
        """Send until all is sent, or the service begins to speak: the loop then hears it, and goes on sending."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLOUT)
        while (self._rest or self._enciphered) and self.alive:
            if not self._enciphered:
                # Only then: what was enciphered has its place in the stream.
                self._encipher()
            try:
                count = self._sock.send(self._enciphered)
            except (BlockingIOError, InterruptedError):
                ready = poll.poll(self.patience * 1000)
                if not ready:
                    raise Lost(f"nothing was taken for {self.patience:.0f} s") from None
                if ready[0][1] & select.POLLIN:
                    return
                continue
            self._sent = True
            self._enciphered = self._enciphered[count:]

    def _receive_on_thread(self, buffer: bytearray) -> None:
        """Receive the rest of a body of known length."""
        reader, read, sock, view = self._reader, self._read, self._sock, memoryview(buffer)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while reader is not None and not reader.done and self.alive:
            room = reader.room
            if room is None:
                return
            try:
                count = read(len(room), room)
                reader.filled(count)
                if count:
                    continue
            except ssl.SSLWantReadError:
                try:
                    count = sock.recv_into(buffer)
                except (BlockingIOError, InterruptedError):
                    if not poll.poll(self.patience * 1000):
                        raise Lost(f"no byte came for {self.patience:.0f} s") from None
                    continue
            if not count:
                raise Lost("the service hung up")
            self._in.write(view[:count])


class _Ignored:
    """`contextlib.suppress(OSError, RuntimeError)`, for what may already be closed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, (OSError, RuntimeError))


_ignored = _Ignored()


def _said(wrong: BaseException) -> str:
    return str(wrong) or type(wrong).__name__
