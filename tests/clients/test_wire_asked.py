"""The lean client: which host is asked, through which proxy, and how requests are signed."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from mappings.errors import (
    AskForApproval,
    FixTheInput,
    GovliftError,
    ObjectError,
    ObjectRefused,
    ReplanObject,
    SlowDown,
)
from sandbox.certificates import write_server_certificate
from tasks.clients.retries import TRIES
from tasks.clients.wire.dial import Proxy, proxy_for
from tests.clients.conftest import SOURCE, TARGET, Wires
from tests.clients.scripted import BYTES, MADE, Talk, answer, blob, ranged, read

# --- who is asked ---


async def test_a_redirect_is_an_error_and_followed_nowhere(wires: Wires) -> None:
    """Breaks when a token follows a Location."""
    server = wires.serve(lambda talk, _: talk.send(answer("307 Moved", Location="https://evil.example/x")))
    with pytest.raises(ObjectRefused):
        await wires.target().put_blob("c", blob(1), b"x", if_match=None)
    with pytest.raises(ObjectError):
        await read(wires.source())
    assert len(server.requests) == 2 and all(b"evil" not in one for one in server.connects)


async def test_a_condition_that_fails_on_a_read_is_a_replan(wires: Wires) -> None:
    wires.serve(lambda talk, _: talk.send(answer("412 No", x_ms_error_code="ConditionNotMet")))
    with pytest.raises(ReplanObject):
        await read(wires.source())


async def test_the_lines_of_the_source_carry_reads_only(wires: Wires) -> None:
    """Breaks when the last lock before the source is open: neither the caller nor the pool sends a write."""
    server = wires.serve(lambda talk, _: talk.send(ranged()))
    source = wires.source()
    await read(source)
    with pytest.raises(AskForApproval, match="only ever read"):
        await source.wire.ask("PUT", "c", "n", doing="write")
    assert source.wire._pool is not None
    for head, body in ((b"DELETE /c/n HTTP/1.1\r\n\r\n", b""), (b"GET /c/n HTTP/1.1\r\n\r\n", b"x")):
        with pytest.raises(AskForApproval, match="neither GET nor HEAD"):
            await source.wire._pool.ask(head, body, True, False, 10, 1.0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["wrong host", "unknown authority"])
async def test_a_certificate_that_does_not_fit_ends_it_before_a_byte_is_sent(
    wires: Wires, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks when verification is off, or only the chain, or only the name is looked at."""
    names = ("other.blob.core.windows.net",) if fault == "wrong host" else (SOURCE, TARGET)
    pair = write_server_certificate(tmp_path, "other", names)
    if fault == "wrong host":
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    server = wires.serve(lambda talk, _: talk.send(ranged()), pair)
    for asking in (read(wires.source()), wires.target().head("c", "n")):
        with pytest.raises(FixTheInput, match="certificate"):
            await asking
    assert server.requests == [] and server.shaken == 0


async def test_a_proxy_gets_its_credentials_and_nothing_else(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    server = wires.serve(lambda talk, _: talk.send(ranged()))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://me%40corp:p%3Ass@127.0.0.1:{server.port}")
    assert await read(wires.source()) == BYTES
    asked = server.connects[0].decode()
    assert asked.startswith(f"CONNECT {SOURCE}:443 HTTP/1.1\r\nHost: {SOURCE}:443\r\n")
    assert f"Basic {base64.b64encode(b'me@corp:p:ss').decode()}" in asked and "SharedKey" not in asked
    assert b"Basic" not in server.requests[0]


@pytest.mark.parametrize("said", ["407 Authentication Required", "403 Forbidden"])
async def test_a_proxy_that_refuses_is_named_and_its_password_is_not(
    wires: Wires, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    server = wires.serve(lambda talk, _: True, refuse=f"HTTP/1.1 {said}\r\n\r\n".encode())
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://me:hidden-word@127.0.0.1:{server.port}")
    with pytest.raises(FixTheInput, match="does not let us through") as told:
        await read(wires.source())
    assert "hidden-word" not in str(told.value) + told.value.next_step and said[:3] in str(told.value)
    assert len(server.connects) == 1


async def test_nobody_at_the_other_end_is_a_matter_of_later(wires: Wires, at_once: None) -> None:
    server = wires.serve(lambda talk, _: True)
    server.close()
    with pytest.raises(SlowDown, match="no connection to the proxy"):
        await read(wires.source())


def test_the_environment_says_who_goes_through_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "proxy.agency.example:3128")
    assert proxy_for(SOURCE) == Proxy("proxy.agency.example", 3128)
    monkeypatch.setenv("no_proxy", ".core.windows.net,localhost")
    assert proxy_for(SOURCE) is None and proxy_for(TARGET) is not None
    monkeypatch.setenv("https_proxy", "socks5://proxy.agency.example")
    with pytest.raises(GovliftError, match="socks5"):
        proxy_for(TARGET)


# --- signatures ---


async def test_a_token_is_asked_for_once_and_again_when_it_is_refused(wires: Wires) -> None:
    """Breaks when each request asks for a token, or a token that ran out while the machine slept ends the run."""

    def only_the_second(talk: Talk, request: bytes) -> bool:
        if b"Bearer token-1-" in request and len(server.requests) > 3:
            return talk.send(answer("401 Unauthorized", x_ms_error_code="InvalidAuthenticationInfo"))
        return talk.send(MADE)

    server = wires.serve(only_the_second)
    target = wires.target()
    for _ in range(3):
        await target.put_blob("c", blob(1), b"x", if_match=None)
    assert wires.tokens.given == 1
    await target.put_blob("c", blob(1), b"x", if_match=None)
    assert wires.tokens.given == 2 and b"Bearer token-2-" in server.requests[-1]


async def test_a_refused_token_is_renewed_once_only(wires: Wires) -> None:
    server = wires.serve(lambda talk, _: talk.send(answer("401 Unauthorized", x_ms_error_code="NoAuth")))
    with pytest.raises(ObjectRefused) as told:
        await wires.target().put_blob("c", blob(1), b"x", if_match=None)
    assert (told.value.status, len(server.requests), wires.tokens.given) == (401, 2, 2)


async def test_no_secret_stands_in_an_error(wires: Wires, at_once: None) -> None:
    """Breaks when what a service or a proxy repeats of the request is shown."""

    def echo(talk: Talk, request: bytes) -> bool:
        told = b"<Error><Code>ServerBusy</Code><Message>cannot serve " + request.split(b"\r\n\r\n")[0] + b"</Message>"
        return talk.send(answer("503 Busy", told.replace(b"\r\n", b" "), x_ms_error_code="ServerBusy"))

    server = wires.serve(echo)
    target = wires.target()
    heard: list[float | None] = []
    target.listen(heard.append)
    with pytest.raises(SlowDown) as told:
        await target.put_blob_from_url("c", blob(1), "https://acct/c/n?sig=tellnobody", if_match=None)
    assert heard == [None] * TRIES and b"token-1-" in server.requests[0]
    assert "cannot serve" in told.value.sentence
    assert "token-1" not in repr(told.value) and "tellnobody" not in repr(told.value)


async def test_a_listing_asks_for_little_more_than_its_range_is_expected_to_hold(wires: Wires) -> None:
    """Mutations that must fail it: whole pages for a range of a few names, read and thrown away; small pages without
    end where the range has grown; a bound where the listing has no end anyway."""
    asked: list[int] = []

    def page(talk: Talk, request: bytes) -> bool:
        asked.append(int(request.partition(b"maxresults=")[2].partition(b"&")[0]))
        more = b"<NextMarker>m</NextMarker>" if len(asked) % 4 else b"<NextMarker />"
        return talk.send(
            answer("200 OK", b"<?xml version='1.0'?><EnumerationResults><Blobs />%s</EnumerationResults>" % more)
        )

    wires.serve(page)
    for client in (wires.source(), wires.target()):
        for end, entries in (("x", 600), ("x", 12_345), ("x", 0), (None, 600)):
            assert len([one async for one in client.raw_pages("c", end=end, entries=entries)]) == 4
        assert asked == [700, *[5000] * 3, 5000, 5000, 2445, 5000, *[5000] * 8]
        asked.clear()


async def test_shards_that_begin_together_ask_once_what_the_account_can_do(wires: Wires) -> None:
    kind = {"x_ms_account_kind": "StorageV2", "x_ms_sku_name": "Standard_LRS", "x_ms_is_hns_enabled": "false"}
    server = wires.serve(lambda talk, _: talk.send(answer(**kind)))
    target = wires.target()
    first, *others = await asyncio.gather(*(target.features() for _ in range(5)))
    assert others == [first] * 4 and len(server.requests) == 1
