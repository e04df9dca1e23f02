"""The lean client against a server that misbehaves on purpose: connections, proxies, certificates, torn answers."""

from __future__ import annotations

import asyncio
import base64
import gc
import threading
from dataclasses import replace
from typing import cast

import pytest

from mappings.clouds import COMMERCIAL
from mappings.errors import (
    Corrupted,
    ObjectError,
    ObjectRefused,
    SlowDown,
)
from mappings.objects import HttpHeaders, ListedObject
from tasks.clients import crc64
from tasks.clients.retries import TRIES
from tasks.clients.wire import caller, pool
from tasks.clients.wire.line import BIG
from tests.clients.conftest import SOURCE, Wires
from tests.clients.scripted import BYTES, MADE, Talk, answer, blob, one_by_one, ranged, read


async def until_closed(server: object) -> None:
    """The other side sees the end of all connections; bounded, and no guess at how long it takes."""
    async with asyncio.timeout(10):
        while server.open:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# --- what a request looks like ---


async def test_a_name_travels_as_the_sdk_would_send_it(wires: Wires) -> None:
    """Breaks when two clients name two blobs by one name: dots, percent, question marks, any letter."""
    from azure.storage.blob import BlobClient

    server = wires.serve(lambda talk, _: talk.send(ranged()))
    source = wires.source()
    names = ["a b", "a?b#c%41&d=e", "./x/../y.", "dir/", "ü/日本/𝄞", "~tilde_-.", "a//b", "+plus", "'\"<>\\|", "\x7f"]
    for name in names:
        await read(source, blob(name=name))
        sdk = BlobClient(COMMERCIAL.blob_endpoint("acct"), "$web", name)
        assert (await source.pull_url("$web", blob(name=name))).startswith(f"{sdk.url}?s"), name
    paths = [request.split(b" ")[1].decode() for request in server.requests]
    assert paths == [BlobClient(f"https://{SOURCE}", "c", name).url.removeprefix(f"https://{SOURCE}") for name in names]


@pytest.mark.parametrize(
    "item",
    [
        replace(blob(1), metadata={"a": "b\r\nx-ms-access-tier: Hot"}),
        replace(blob(1), metadata={"a\r\nb": "c"}),
        replace(blob(1), metadata={"a": "日本"}),
        replace(blob(1), metadata={"a": "\x00"}),
        replace(blob(1), tier="Hot\nX: y"),
        replace(blob(1), headers=HttpHeaders(content_type="a\r\n\r\nGET / HTTP/1.1")),
    ],
)
async def test_nothing_can_be_smuggled_into_a_head(wires: Wires, item: ListedObject) -> None:
    """Breaks when a value of the source adds a header, or a request, of its own."""
    server = wires.serve(lambda talk, _: talk.send(MADE))
    target = wires.target()
    with pytest.raises(ObjectRefused, match="HTTP headers cannot carry"):
        await target.put_blob("c", item, b"x", if_match=None)
    with pytest.raises(ObjectRefused, match="no ETag"):
        await target.put_blob("c", blob(), b"x", if_match='"a"\r\nX: "')
    assert server.requests == []


# --- answers ---


@pytest.mark.parametrize("cut", [1, 9, 40, 80, -1])
async def test_an_answer_in_pieces_is_one_answer(wires: Wires, cut: int) -> None:
    raw = ranged()
    server = wires.serve(lambda talk, _: talk.send(raw[:cut], raw[cut:]))
    source = wires.source()
    assert await read(source) == await read(source) == BYTES
    assert (server.talks, source.requests) == (1, 2)


async def test_a_chunked_answer_after_a_100_is_read_byte_by_byte(wires: Wires) -> None:
    body = b"<?xml version='1.0'?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>"
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw += b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    wires.serve(lambda talk, _: talk.send(*(raw[at : at + 1] for at in range(len(raw)))))
    assert [page async for page in wires.source().raw_pages("c")] == [body]


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
async def test_what_breaks_off_is_asked_again_and_no_more_than_so_often(wires: Wires, at_once: None, keep: int) -> None:
    """Breaks when a torn answer counts as one, when a try is not counted, or when it never ends."""

    def torn(talk: Talk, _: bytes) -> bool:
        talk.send(ranged()[:keep]) if keep else None
        return False

    server = wires.serve(one_by_one([torn, torn, lambda talk, _: talk.send(ranged())]))
    assert await read(wires.source()) == BYTES and len(server.requests) == 3
    server = wires.serve(torn)
    with pytest.raises(SlowDown) as told:
        await read(wires.source())
    assert len(server.requests) == TRIES
    assert told.value.code == ("BrokenOff" if keep else "NoAnswer")


async def test_bytes_behind_an_answer_close_its_connection(wires: Wires) -> None:
    """Breaks when what the service said too much answers the next request."""
    server = wires.serve(lambda talk, _: talk.send(ranged() + answer("404 Not Found")))
    source = wires.source()
    assert await read(source) == await read(source) == BYTES
    assert server.talks == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
        b"\x16\x03\x01 not http at all\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_no_answer(wires: Wires, at_once: None, raw: bytes) -> None:
    server = wires.serve(lambda talk, _: talk.send(raw))
    with pytest.raises(SlowDown):
        await read(wires.source())
    assert server.talks == TRIES, "each on a connection of its own"


async def test_wrong_bytes_are_read_again_and_then_refused(wires: Wires) -> None:
    """Breaks when the checksum of a range is not looked at."""
    wrong = ranged().replace(BYTES[:64], BYTES[1:65], 1)
    server = wires.serve(one_by_one([lambda talk, _: talk.send(wrong), lambda talk, _: talk.send(ranged())]))
    assert await read(wires.source()) == BYTES
    server = wires.serve(lambda talk, _: talk.send(wrong))
    with pytest.raises(Corrupted):
        await read(wires.source())
    assert len(server.requests) == 3


async def test_a_silent_service_is_given_up(wires: Wires, at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when a service that accepts and says nothing, or stops in mid-body, holds a request for ever."""
    monkeypatch.setattr(caller, "TRIES", 1)
    monkeypatch.setattr(pool, "_SWEEP", 0.05)

    def silent(talk: Talk, request: bytes) -> bool:
        talk.send(ranged()[: 200 if b"slow" in request else 0])
        return bool(talk.sock.recv(1))

    wires.serve(silent)
    source = wires.source()
    for name in ("", "slow"):
        with pytest.raises(SlowDown, match="no byte"):
            await source.wire.ask("GET", "c", name, doing="read", patience=0.2, most=1 << 20)


async def test_a_service_that_goes_on_is_waited_for(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when the time-out is one of the whole request and not of silence."""
    monkeypatch.setattr(pool, "_SWEEP", 0.02)
    raw = ranged()

    def slow(talk: Talk, _: bytes) -> bool:
        never = threading.Event()
        for at in range(0, len(raw), 400):
            never.wait(0.08)
            talk.send(raw[at : at + 400])
        return True

    wires.serve(slow)
    reply = await wires.source().wire.ask("GET", "c", "n", doing="read", patience=0.5, most=1 << 20)
    assert bytes(reply.body) == BYTES


# --- connections ---


async def test_connections_are_kept_and_bounded(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_MOST_LINES", 3)
    server = wires.serve(lambda talk, _: talk.send(ranged()))
    source = wires.source()
    assert await asyncio.gather(*(read(source) for _ in range(40))) == [BYTES] * 40
    assert server.talks <= 3 and len(server.requests) == 40
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    await until_closed(server)


@pytest.mark.parametrize("closing", [{}, {"Connection": "close"}])
async def test_a_connection_that_the_service_closes_is_not_used_again(wires: Wires, closing: dict[str, str]) -> None:
    crc = base64.b64encode(crc64.to_bytes(crc64.crc64(BYTES))).decode()
    raw = answer("206 Partial", BYTES, x_ms_content_crc64=crc, **closing)
    server = wires.serve(lambda talk, _: talk.send(raw) and False)
    source = wires.source()
    for _ in range(3):
        assert await read(source) == BYTES
        await until_closed(server)
    assert source.requests == 3, "none was lost on the way"


async def test_a_read_on_a_stale_connection_is_asked_again_at_once_and_a_write_is_a_new_try(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks when a write that may have been carried out is sent twice behind the back of the retry rules."""
    waited: list[int] = []
    monkeypatch.setattr(caller, "pause", lambda tries: waited.append(tries) or 0.0)

    def second_dies(talk: Talk, request: bytes) -> bool:
        talk.count = getattr(talk, "count", 0) + 1  # type: ignore[attr-defined]
        if talk.count == 2:  # type: ignore[attr-defined]
            return False
        return talk.send(ranged() if request[:3] == b"GET" else MADE)

    wires.serve(second_dies)
    source, target = wires.source(), wires.target()
    assert await read(source) == await read(source) == BYTES
    assert waited == [] and source.requests == 2
    await target.put_blob("c", blob(1), b"x", if_match=None)
    await target.put_blob("c", blob(1), b"x", if_match=None)
    assert waited == [1] and target.requests == 3


@pytest.mark.parametrize("size", [len(BYTES), BIG + len(BYTES)])
async def test_a_read_that_is_cancelled_in_mid_body_leaves_nothing(wires: Wires, size: int) -> None:
    """Breaks when a half-read connection goes back to the pool, or stays open; on the loop and on a thread."""
    data = BYTES * (size // len(BYTES))
    raw, half = ranged(data), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stops(talk: Talk, _: bytes) -> bool:
        talk.send(raw[: len(raw) // 3])
        loop.call_soon_threadsafe(half.set)
        return bool(talk.sock.recv(1))

    server = wires.serve(one_by_one([stops, lambda talk, _: talk.send(raw)]))
    source = wires.source()
    reading = asyncio.create_task(read(source, blob(size)))
    await half.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until_closed(server)
    assert await read(source, blob(size)) == data
    assert server.talks == 2


async def test_closing_fails_what_is_under_way_and_leaves_no_connection(wires: Wires, at_once: None) -> None:
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stuck(talk: Talk, _: bytes) -> bool:
        loop.call_soon_threadsafe(held.set)
        return bool(talk.sock.recv(1))

    server = wires.serve(stuck)
    source = wires.source()
    reading = asyncio.create_task(read(source))
    await held.wait()
    reading.cancel()
    await source.aclose()
    with pytest.raises((asyncio.CancelledError, ObjectError)):
        await reading
    await until_closed(server)


# --- large bodies ---


@pytest.mark.parametrize("threads", [0, 2])
async def test_large_bodies_arrive_whole_both_ways(wires: Wires, threads: int) -> None:
    """Breaks when a thread and the loop lose or double a byte between them."""
    stored: dict[bytes, bytes] = {}
    data = bytes(bytearray(range(251))) * 40_000

    def keep(talk: Talk, request: bytes) -> bool:
        # A narrow window: the sender has to wait in the middle, on its thread and on the loop.
        head, _, body = request.partition(b"\r\n\r\n")
        if head[:3] == b"PUT":
            stored[head.split(b" ")[1]] = body
            return talk.send(MADE)
        start, stop = (int(one) for one in head.split(b"bytes=")[1].split(b"\r\n")[0].split(b"-"))
        return talk.send(ranged(data[start : stop + 1]))

    wires.serve(keep)
    source, target = wires.source(), wires.target()
    source.wire._threads = target.wire._threads = threads
    item = blob(len(data))

    async def once(number: int) -> None:
        assert await read(source, item) == data
        await target.put_block("c", f"n{number}", "id", data)

    await asyncio.gather(*(once(number) for number in range(6)))
    assert len(stored) == 6 and all(body == data for body in stored.values())


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("size", [64, 40 * 1024 * 1024])
async def test_a_refusal_before_the_body_is_sent_is_heard(wires: Wires, size: int, threads: int) -> None:
    """Breaks when the answer to a body that the service does not want is lost, and the body sent six times."""
    heard = threading.Event()

    def refuse(talk: Talk, _: bytes) -> bool:
        if talk.number > 1:
            return talk.send(MADE) and False
        talk.send(answer("403 Forbidden", x_ms_error_code="AuthorizationFailure"))
        # Takes no more of the body, and does not hang up either.
        heard.wait(20)
        return False

    server = wires.serve(refuse, whole=False)
    target = wires.target()
    target.wire._threads = threads
    with pytest.raises(ObjectRefused) as told:
        async with asyncio.timeout(10):
            await target.put_block("c", "n", "id", bytes(size))
    assert told.value.status == 403 and len(server.requests) == 1
    if size > 64:
        async with asyncio.timeout(10):
            await target.put_block("c", "n", "id", b"")
        # The rest of the body must not become a part of the next request.
        assert (server.talks, target.requests) == (2, 2)
    heard.set()


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("size", [BIG // 2, 2 * BIG])
async def test_an_idle_connection_holds_on_to_no_body(wires: Wires, size: int, threads: int) -> None:
    """Breaks when what is left to send is an empty view on the body: each connection then keeps its last one."""
    wires.serve(lambda talk, _: talk.send(MADE))
    target, body = wires.target(), bytearray(size)
    target.wire._threads = threads
    # As a body that was read is: every reader of bytes takes it.
    await target.put_block("c", "n", "id", cast("bytes", body))
    # Refused by a bytearray on which there are views.
    body.append(0)


async def test_a_body_is_never_written_over_while_somebody_has_it(wires: Wires) -> None:
    """Breaks when memory is used again that a reader, or a view of one, still refers to; or never again."""
    letters = iter(b"abcdefgh")

    def give(talk: Talk, _: bytes) -> bool:
        return talk.send(ranged(bytes([next(letters)]) * crc64.RANGE))

    wires.serve(give)
    source, item = wires.source(), blob(crc64.RANGE)

    async def take() -> bytes:
        (body,) = [part async for part in source.read("c", item)]
        return body

    first = await take()
    second = memoryview(await take())[5:6]
    third = await take()
    place = id(third)
    del third
    fourth = await take()
    assert [bytes(one[:1]) for one in (first, second, fourth)] == [b"a", b"b", b"d"]
    assert id(fourth) == place, "the memory of the third was free"


async def test_a_request_that_is_over_holds_on_to_no_body(wires: Wires) -> None:
    """Breaks when the objects that wait for a slow one before them keep what was read of them, beside the budget."""
    wires.serve(lambda talk, _: talk.send(ranged(bytes(crc64.RANGE))))
    source, item = wires.source(), blob(crc64.RANGE)
    read: list[asyncio.Future[int]] = []

    def told(data: bytes | None, crc: int, wait: float) -> None:
        read[-1].set_result(id(data))

    calls, places = [], []
    for _ in range(2):
        read.append(asyncio.get_running_loop().create_future())
        calls.append(source.start_read("c", item, told))
        places.append(await read[-1])
    assert places[0] == places[1], "the memory of the first is free, though its request is still held"
    assert len(calls) == 2


async def test_large_bodies_do_not_wait_for_the_garbage_collector(wires: Wires) -> None:
    """Breaks when a reader refers to itself: bodies of 4 MiB then pile up."""
    from tasks.clients.wire.answers import AnswerReader

    wires.serve(lambda talk, _: talk.send(ranged()))
    source = wires.source()
    await read(source)
    gc.collect()
    gc.disable()
    try:
        await asyncio.gather(*(read(source) for _ in range(10)))
        assert not [one for one in gc.get_objects() if isinstance(one, AnswerReader)]
    finally:
        gc.enable()
