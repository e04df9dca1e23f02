"""One TLS connection to a service: one request at a time, on the event loop, large bodies on a free thread.

A non-blocking `ssl.SSLSocket` that is driven by hand needs fewer calls and copies than a transport of asyncio; see
docs/adr/0017-the-wire.md. The reader stays registered while the line is idle, so a line that the service closed leaves
the pool at once.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, cast

from tasks.clients.wire.answers import AnswerReader, Broken

BIG = 2 * 1024 * 1024
"""Bytes of a body from which on a thread carries it, where one is free."""
_PIECE = 64 * 1024
"""Bytes that are handed to TLS at once, which takes a record of 16 KiB of them."""
_TURN = 16
"""Records that one line reads before the others have their turn."""
_NOTHING = memoryview(b"")
"""Nothing to send. An empty view on a body would hold on to all of it for as long as the line is idle."""


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
    """What the lines of one event loop share: a buffer, and the threads that carry large bodies."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int) -> None:
        self.loop = loop
        self.plain = bytearray(_PIECE)
        self.plain_view = memoryview(self.plain)
        self._free = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="govlift-wire") if threads else None

    def carry(self, work: Callable[[], None]) -> bool:
        """Run `work` on a thread; False where none is free now."""
        if not self._free or self._threads is None:
            return False
        self._free -= 1
        self._threads.submit(work)
        return True

    def carried(self) -> None:
        """A thread is free again; called on the loop."""
        self._free += 1

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=False)


class Waiter(Protocol):
    """Who is told of the end of a request: a future, or what is called at once."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def set_exception(self, wrong: Lost, /) -> None: ...


class Line:
    """An open connection, its handshake done.

    Args:
        sock: not blocking.
        left: called once, when the line is gone.
    """

    def __init__(self, yard: Yard, sock: ssl.SSLSocket, left: Callable[[Line], None]) -> None:
        self.alive = True
        self.used = 0
        """Requests that were answered on it."""
        self.seen = yard.loop.time()
        """When the last byte came or went."""
        self.patience = 0.0
        """Seconds without a byte after which the request under way is given up."""
        self._yard, self._loop = yard, yard.loop
        self._sock, self._left = sock, left
        # With a buffer to read into, it returns a count; 0 at the end.
        self._read = cast("Callable[[int, memoryview], int]", sock.read)
        self._reader: AnswerReader | None = None
        self._waiter: Waiter | None = None
        self._rest = _NOTHING
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
        waiter = self._loop.create_future()
        self.begin(head, body, reader, patience, waiter)
        return waiter

    def begin(
        self, head: bytes, body: bytes | memoryview, reader: AnswerReader, patience: float, waiter: Waiter
    ) -> None:
        """As `ask`, for a waiter of any kind. It may be told before this returns, where nothing could be sent."""
        self._waiter, self._reader, self.patience = waiter, reader, patience
        self.seen = self._loop.time()
        self._sent = False
        try:
            if len(body) < BIG:
                # The common case, without detours: all goes out at once.
                data = b"".join((head, body)) if body else head
                try:
                    count = self._sock.send(data)
                except ssl.SSLWantWriteError:
                    count = 0
                self._sent = True
                if count < len(data):
                    self._rest = memoryview(data)[count:]
                    self._push()
            else:
                self._rest = memoryview(head)
                self._push()
                self._rest = memoryview(body)
                if not self._writing and not self._carry(self._send_on_thread):
                    self._push()
        except (OSError, ssl.SSLError) as wrong:
            self._broke(wrong)

    def drop(self, why: str = "given up") -> None:
        """Close at once, whatever is under way."""
        self._lose(Lost(why))

    # --- sending ---

    def _push(self) -> None:
        """Send what is to be sent, until the socket takes no more."""
        while self._rest:
            try:
                count = self._sock.send(self._rest[:_PIECE])
            except ssl.SSLWantWriteError:
                # Of this piece a part may be on its way.
                self._sent = True
                if not self._writing:
                    self._writing = True
                    self._loop.add_writer(self._fd, self._writable)
                return
            self._sent = True
            self._rest = self._rest[count:]
        self._rest = _NOTHING
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        self.seen = self._loop.time()
        try:
            self._push()
        except (OSError, ssl.SSLError) as wrong:
            self._broke(wrong)

    def _broke(self, wrong: Exception) -> None:
        """Sending failed. What the service said before it hung up, e.g. 403 to a large body, is still worth reading."""
        self._rest = _NOTHING
        unsent = not self._sent
        if not unsent:
            self._digest()
        if self.alive:
            self._lose(Lost(_said(wrong), unsent=unsent, heard=self._reader is not None and self._reader.heard))

    # --- receiving ---

    def _readable(self) -> None:
        self.seen = self._loop.time()
        self._digest()

    def _digest(self) -> None:
        """Read what has come, and hand it to the reader; of a large body only so much that others have their turn."""
        reader, read, plain = self._reader, self._read, self._yard.plain_view
        try:
            if reader is None:
                self._lost("bytes that nobody asked for") if read(1, plain) else self._ended()
                return
            for _ in range(_TURN):
                if reader.done:
                    break
                room = reader.room
                if room is None:
                    count = read(_PIECE, plain)
                    if count:
                        reader.feed(self._yard.plain, count)
                elif len(room) >= BIG and not self._writing and self._carry(self._receive_on_thread):
                    return
                else:
                    count = self._fill(reader, room, _TURN)
                if not count:
                    self._ended()
                    return
            if reader.done:
                self._finish(reader)
        except ssl.SSLWantReadError:
            return
        except (OSError, Broken) as wrong:
            self._lost(_said(wrong))

    def _fill(self, reader: AnswerReader, room: memoryview, records: int = 0) -> int:
        """Read into `room`, at most so many records, or until it is full; returns the last count, 0 at the end."""
        read, got, size, count = self._read, 0, len(room), 0
        try:
            while got < size:
                count = read(size - got, room[got:])
                got += count
                records -= 1
                if not count or not records:
                    break
        finally:
            if got:
                reader.filled(got)
        return count

    def _finish(self, reader: AnswerReader, *, ended: bool = False) -> None:
        """The answer is whole; whether the line can be used again shows in what else came and was not sent.

        The waiter comes last: it may send the next request on this line before it returns.
        """
        waiter, reply = self._waiter, reader.reply
        clean = not ended and not reader.extra and not self._rest and not self._sock.pending()
        clean = clean and reply is not None and reply.keeps_open
        self._reader = self._waiter = None
        self.used += 1
        if not clean:
            self._lose(Lost("the service hung up"))
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ended(self) -> None:
        """The service closed its side."""
        if self._reader is not None and self._reader.ended():
            self._finish(self._reader, ended=True)
        else:
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
                # Not the method of SSLSocket, which takes the cipher away from under the thread.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
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

    def _carry(self, work: Callable[[], None]) -> bool:
        """Give the socket to a thread, where one is free."""

        def carried() -> None:
            wrong: Exception | None = None
            try:
                work()
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
        elif self._rest:
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

    def _send_on_thread(self) -> None:
        """Send until all is sent, or the service begins to speak: the loop then hears it, and goes on sending."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLOUT)
        rest, sock = self._rest, self._sock
        try:
            while rest and self.alive:
                try:
                    rest = rest[sock.send(rest[:_PIECE]) :]
                except ssl.SSLWantWriteError:
                    ready = poll.poll(self.patience * 1000)
                    if not ready:
                        raise Lost(f"nothing was taken for {self.patience:.0f} s") from None
                    if ready[0][1] & select.POLLIN:
                        return
        finally:
            self._rest, self._sent = rest or _NOTHING, True

    def _receive_on_thread(self) -> None:
        """Receive the rest of a body of known length."""
        reader = self._reader
        self._sock.settimeout(self.patience)
        try:
            while reader is not None and self.alive and (room := reader.room) is not None:
                if not self._fill(reader, room, _TURN):
                    raise Lost("the service hung up")
        except TimeoutError:
            raise Lost(f"no byte came for {self.patience:.0f} s") from None
        finally:
            self._sock.settimeout(0)


class _Ignored:
    """`contextlib.suppress(OSError, RuntimeError)`, for what may already be closed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, (OSError, RuntimeError))


_ignored = _Ignored()


def _said(wrong: BaseException) -> str:
    return str(wrong) or type(wrong).__name__
