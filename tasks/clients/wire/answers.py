"""HTTP/1.1 answers, read as their bytes come in (RFC 9112). Pure: no socket, no clock.

Strict where being lenient lets two readers see two messages: one Content-Length or chunked and never both, no folded
lines, no bare line feeds, and a success always says where it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from tasks.clients.wire.spare import spare

LONGEST_HEAD = 64 * 1024
_LONGEST_CHUNK_LINE = 1024
_BARE = frozenset({204, 304})
"""Answers that never have a body."""

_ONCE = (b"content-length", b"transfer-encoding", b"connection")
"""Headers about the message itself; two of one kind could be read in two ways."""


class Broken(Exception):
    """What came is no HTTP/1.1 answer, or a larger one than was asked for. Its connection is of no further use."""


class Reply:
    """One answer: status, headers, body."""

    __slots__ = ("_lines", "_old", "_places", "_sized", "_values", "body", "status")

    def __init__(self, status: int, head: bytes) -> None:
        self.status = status
        self.body: bytes = b""
        """A large one is a bytearray that nobody else holds, which every reader of bytes takes."""
        self._old = head[7:8] == b"0"
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        self._lines: tuple[bytes, ...] = tuple(name for name, _, _ in lines)
        """Names as they were sent."""
        self._values: tuple[bytes, ...] = tuple(value for _, _, value in lines)
        """As they were sent, with the blanks around them."""
        self._places = {name.lower(): place for place, name in enumerate(self._lines)}
        self._sized = -1
        # A folded line has no colon, or a name that begins with a space; either could hide a header.
        if self._places and min(self._places) < b"!":
            raise Broken("a folded header, or one without a name")
        if len(self._places) != len(lines):
            names = [name.lower() for name in self._lines]
            if any(names.count(name) > 1 for name in _ONCE):
                raise Broken("two headers that contradict each other")
        elif status < 300 and not self._old:
            _learn(head[9:12], self._lines)

    def raw(self, name: bytes) -> bytes | None:
        """One header by its name in lower case; None where it is absent."""
        place = self._places.get(name)
        return None if place is None else self._values[place].strip(b" \t")

    def text(self, name: bytes) -> str:
        """As `raw`, as text; "" where it is absent."""
        place = self._places.get(name)
        if place is None:
            return ""
        raw = self._values[place].strip(b" \t")
        return raw.decode("ascii") if raw.isascii() else text_of(raw)

    def named(self, name: str) -> str:
        """As `text`, where time does not matter."""
        return self.text(name.encode("ascii"))

    def headers(self) -> list[tuple[str, str]]:
        """All headers in order, names as they were sent."""
        both = zip(self._lines, self._values, strict=True)
        return [(name.decode("latin-1"), text_of(value.strip(b" \t"))) for name, value in both]

    @property
    def size(self) -> bytes | None:
        """Content-Length, where that is all that is said about the message itself."""
        return self._values[self._sized].strip(b" \t") if self._sized >= 0 else None

    @property
    def keeps_open(self) -> bool:
        if self._sized >= 0:
            return True
        said = self.raw(b"connection")
        if said is None:
            return not self._old
        said = said.lower()
        return b"close" not in said and (not self._old or b"keep-alive" in said)


class _Shape:
    """Heads with the same headers in the same order, as one expression that demands every one of them.

    Answers of one kind are all alike but for their values. A head that was taken apart once, and in which nothing was
    unusual, tells how the next ones are read at once; what does not fit is taken apart like the first.
    """

    __slots__ = ("_fits", "_lines", "_places", "_sized", "_status")

    def __init__(self, status: bytes, lines: tuple[bytes, ...]) -> None:
        self._status, self._lines = int(status), lines
        self._places = {name.lower(): place for place, name in enumerate(lines)}
        told = [name for name in _ONCE if name in self._places]
        self._sized = self._places[_ONCE[0]] if told == [_ONCE[0]] else -1
        # A dot is anything but a line feed, so each part ends where its line does, and no longer head fits twice.
        every = b"".join(re.escape(name) + b":(.*)\\r\\n" for name in lines)
        self._fits = re.compile(rb"HTTP/1\.1 " + status + rb" .*\r\n" + every + rb"\r\n").match

    def read(self, data: bytearray, end: int) -> tuple[Reply, int] | None:
        """The answer whose head begins `data[:end]`, and where that ends; None where it has another shape."""
        found = self._fits(data, 0, end)
        if found is None:
            return None
        place = found.end()
        if place > LONGEST_HEAD:
            return None
        reply = _new(Reply)
        reply.status, reply.body, reply._old, reply._sized = self._status, b"", False, self._sized
        reply._lines, reply._places, reply._values = self._lines, self._places, found.groups()
        return reply, place


_MOST_SHAPES = 8
_shapes: dict[bytes, tuple[_Shape, ...]] = {}
"""By status: answers to a read and to a write differ in it, and the first expression that is tried mostly fits."""
_new: Callable[[type[Reply]], Reply] = object.__new__


def _learn(status: bytes, lines: tuple[bytes, ...]) -> None:
    if len(lines) <= 40:
        _shapes[status] = (_Shape(status, lines), *_shapes.get(status, ())[: _MOST_SHAPES - 1])


def text_of(raw: bytes) -> str:
    """A header value as text: UTF-8, which the service writes, else Latin-1, as which HTTP was born."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _hexadecimal(said: bytes) -> int:
    # `int` alone would take signs, underscores and 0x as well.
    if not said or len(said) > 8 or said.strip(b"0123456789abcdefABCDEF"):
        raise Broken("an ill-formed chunk size")
    return int(said, 16)


_NOTHING = bytearray()
"""Where nothing is held; never added to."""


class AnswerReader:
    """Takes the bytes of one answer.

    Args:
        bodiless: the request was a HEAD.
        most: bytes that the body may have.
    """

    __slots__ = (
        "_bodiless", "_chunks", "_filled", "_held", "_most", "_need", "_stage", "_target", "done", "extra",
        "heard", "reply", "room",
    )  # fmt: skip

    def __init__(self, *, bodiless: bool, most: int) -> None:
        self.reply: Reply | None = None
        self.done = False
        self.heard = False
        """Whether any byte came."""
        self.extra = False
        """Whether bytes came behind the end: the connection must not be used again."""
        self.room: memoryview | None = None
        """Where the next bytes of a body of known length go directly; then `filled` is to be called, else `feed`."""
        self._bodiless, self._most = bodiless, most
        # A plain function: a bound method would make a cycle, and bodies would wait for the garbage collector.
        self._stage: Callable[[AnswerReader, bytearray, int], int] = AnswerReader._head
        self._held = self._target = self._chunks = _NOTHING
        self._need = self._filled = 0

    @property
    def missing(self) -> int:
        """Bytes of a body of known length that have yet to come."""
        return self._need - self._filled if self.room is not None else 0

    def feed(self, data: bytearray, end: int) -> None:
        """Take `data[:end]`.

        Raises:
            Broken: it is no answer.
        """
        self.heard = True
        if self._held:
            self._held += memoryview(data)[:end]
            data, end = self._held, len(self._held)
        used = self._stage(self, data, end)
        if data is self._held:
            del data[:used]
        elif used < end:
            self._held = bytearray(memoryview(data)[used:end])
        if self.done and self._held:
            self.extra = True

    def filled(self, count: int) -> None:
        """`count` bytes were written into `room`."""
        self._filled += count
        if self._filled == self._need:
            self._finish(self._target)
        else:
            self.room = memoryview(self._target)[self._filled :]

    def ended(self) -> bool:
        """The other side closed. Whether that was the end of the answer."""
        if self._stage is AnswerReader._until_close and not self.done:
            self._finish(self._chunks)
        return self.done

    # --- stages: each takes a start of data[:end] and says how much of it ---

    def _head(self, data: bytearray, end: int) -> int:
        for shape in _shapes.get(bytes(data[9:12]), ()):
            known = shape.read(data, end)
            if known is not None:
                self.reply, place = known
                return place + self._begin_body(self.reply, data, place, end)
        place = data.find(b"\r\n\r\n", 0, end)
        if place < 0:
            if end > LONGEST_HEAD:
                raise Broken(f"headers of more than {LONGEST_HEAD} bytes")
            return 0
        if place > LONGEST_HEAD:
            raise Broken(f"headers of more than {LONGEST_HEAD} bytes")
        head = bytes(memoryview(data)[:place])
        place += 4
        if head[:7] != b"HTTP/1." or head[7:9] not in (b"1 ", b"0 ") or not head[9:12].isdigit():
            raise Broken("no HTTP/1.1 answer")
        if head[12:13] not in (b" ", b"\r", b"") or head.count(b"\n") != head.count(b"\r\n"):
            raise Broken("an ill-formed status line or header")
        status = int(head[9:12])
        if status < 200:
            if status in (101, 0) or status < 100:
                raise Broken(f"an answer {status} that nobody asked for")
            # 100 Continue and its like only announce the answer.
            rest = self._head(bytearray(memoryview(data)[place:end]), end - place)
            return place + rest
        self.reply = reply = Reply(status, head)
        return place + self._begin_body(reply, data, place, end)

    def _begin_body(self, reply: Reply, data: bytearray, place: int, end: int) -> int:
        """Find out how the body is framed, and take what of it is there."""
        if self._bodiless or reply.status in _BARE:
            self._finish(b"")
            return 0
        length, coding = reply.size, None
        if length is None:
            length, coding = reply.raw(b"content-length"), reply.raw(b"transfer-encoding")
        if length == b"0" and coding is None:
            self._finish(b"")
            return 0
        if coding is not None:
            if length is not None or coding.lower() != b"chunked":
                raise Broken("a body that is framed in an unknown way, or in two")
            self._stage, self._chunks = AnswerReader._chunk, bytearray()
            return self._chunk(bytearray(memoryview(data)[place:end]), end - place)
        if length is None:
            if reply.status < 300:
                raise Broken("a success that does not say where it ends")
            self._stage, self._chunks = AnswerReader._until_close, bytearray()
            return self._until_close(bytearray(memoryview(data)[place:end]), end - place)
        if not length.isdigit() or len(length) > 18:
            raise Broken("an ill-formed Content-Length")
        return self._begin_sized(int(length), data, place, end)

    def _begin_sized(self, need: int, data: bytearray, place: int, end: int) -> int:
        if need > self._most:
            raise Broken(f"a body of {need} bytes where at most {self._most} were expected")
        here = end - place
        if here >= need:
            self._finish(bytes(memoryview(data)[place : place + need]))
            return need
        self._target, self._need, self._filled = spare.take(need), need, here
        room = memoryview(self._target)
        room[:here] = memoryview(data)[place:end]
        self.room = room[here:]
        return here

    def _chunk(self, data: bytearray, end: int) -> int:
        """Whole chunks; `size [;extension] CRLF bytes CRLF`, a size of 0 before the trailers."""
        at = 0
        while True:
            line = data.find(b"\r\n", at, end)
            if line < 0:
                if end - at > _LONGEST_CHUNK_LINE:
                    raise Broken("a chunk whose size does not end")
                return at
            said = bytes(data[at:line]).partition(b";")[0].strip(b" \t")
            size = _hexadecimal(said)
            if size == 0:
                self._stage = AnswerReader._trailers
                return line + self._trailers(bytearray(memoryview(data)[line:end]), end - line)
            if len(self._chunks) + size > self._most:
                raise Broken(f"a body of more than the {self._most} bytes that were expected")
            stop = line + 2 + size
            if end < stop + 2:
                return at
            if data[stop : stop + 2] != b"\r\n":
                raise Broken("a chunk that is longer than it says")
            self._chunks += memoryview(data)[line + 2 : stop]
            at = stop + 2

    def _trailers(self, data: bytearray, end: int) -> int:
        """From the CR LF of the last chunk's size on."""
        place = data.find(b"\r\n\r\n", 0, end)
        if place < 0:
            if end > LONGEST_HEAD:
                raise Broken("trailers that do not end")
            return 0
        self._finish(self._chunks)
        return place + 4

    def _until_close(self, data: bytearray, end: int) -> int:
        self._chunks += memoryview(data)[:end]
        if len(self._chunks) > self._most:
            raise Broken(f"a body of more than the {self._most} bytes that were expected")
        return end

    def _finish(self, body: bytes | bytearray) -> None:
        cast(Reply, self.reply).body = cast(bytes, body)
        self.room, self.done = None, True
