"""The reader of HTTP answers, fed in every way that a network can cut them."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tasks.clients.wire.answers import LONGEST_HEAD, AnswerReader, Broken, Reply

PLAIN = (
    b'HTTP/1.1 206 Partial Content\r\nContent-Length: 11\r\nETag: "0x8D"\r\nx-ms-meta-Who:  a clerk \r\n\r\n'
    b"hello\r\n\r\n!!"
)
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n00006\r\n\r\n\r\n!!\r\n0\r\nTrailer: x\r\n\r\n"
)
EMPTY = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


def read(*pieces: bytes, bodiless: bool = False, most: int = 1000) -> AnswerReader:
    """Feed the pieces as a line does: into the room of a body where there is one."""
    reader = AnswerReader(bodiless=bodiless, most=most)
    for piece in pieces:
        while piece:
            room = reader.room
            if room is None:
                reader.feed(bytearray(piece), len(piece))
                break
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
            reader.filled(count)
            piece = piece[count:]
    return reader


def whole(reader: AnswerReader) -> Reply:
    assert reader.done and reader.reply is not None
    return reader.reply


@pytest.mark.parametrize("raw", [PLAIN, CHUNKED, EMPTY], ids=["length", "chunked", "empty"])
def test_it_does_not_matter_where_an_answer_is_cut(raw: bytes) -> None:
    """Breaks when a state is lost between two pieces, or a byte is counted twice."""
    once = whole(read(raw))
    cuts = [(at,) for at in range(1, len(raw))]
    rolled = random.Random(4)
    cuts += [tuple(sorted(rolled.sample(range(1, len(raw)), 5))) for _ in range(300)]
    cuts.append(tuple(range(1, len(raw))))
    for cut in cuts:
        edges = (0, *cut, len(raw))
        reader = read(*(raw[a:b] for a, b in pairwise(edges)))
        reply = whole(reader)
        assert (reply.status, bytes(reply.body), reply.headers()) == (once.status, bytes(once.body), once.headers()), (
            cut
        )
        assert not reader.extra
    if raw is not EMPTY:
        assert bytes(once.body) == b"hello\r\n\r\n!!"


def test_headers_are_found_whatever_their_case_and_space() -> None:
    reply = whole(read(PLAIN))
    assert reply.named("etag") == '"0x8D"' and reply.named("x-ms-meta-who") == "a clerk" and reply.named("x") == ""
    assert ("x-ms-meta-Who", "a clerk") in reply.headers()


@pytest.mark.parametrize("raw", [PLAIN, CHUNKED, EMPTY])
def test_what_comes_behind_the_end_is_noticed(raw: bytes) -> None:
    """Breaks when the answer to nobody becomes the answer to the next request."""
    assert read(raw + b"H").extra and read(raw, b"HTTP/1.1 200").extra


def test_an_answer_without_body_ends_with_its_headers() -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nETag: "x"\r\n\r\n'
    assert whole(read(head, bodiless=True)).body == b""
    assert whole(read(head.replace(b"200 OK", b"304 Not Modified"))).status == 304
    assert whole(read(b"HTTP/1.1 204 No Content\r\n\r\n")).body == b""


def test_only_a_refusal_may_end_with_the_connection() -> None:
    reader = read(b"HTTP/1.1 503 Busy\r\n\r\n<Code>Server", b"Busy</Code>")
    assert not reader.done and reader.ended() and whole(reader).body == b"<Code>ServerBusy</Code>"
    short = read(PLAIN[:-1])
    assert not short.ended() and not short.done
    with pytest.raises(Broken):
        read(b"HTTP/1.1 200 OK\r\n\r\nhello")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nX: a\r\n Content-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n" + b"a" * 1001,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (LONGEST_HEAD + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (LONGEST_HEAD + 1) + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    """Breaks when an answer is taken that another reader would end elsewhere, or that is larger than asked for."""
    with pytest.raises(Broken):
        read(raw)
