"""The transport of the SDK's aio clients: whom it trusts, and when it opens."""

from __future__ import annotations

import aiohttp
import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.rest import HttpRequest

from tasks.clients.transport import Transport
from tests.clients.conftest import SOURCE, Wires
from tests.clients.scripted import answer


async def asked(transport: Transport) -> bytes:
    reply = await transport.send(HttpRequest("GET", f"https://{SOURCE}/"))
    await reply.load_body()
    return bytes(reply.body())


async def test_it_trusts_what_the_environment_names_now(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when certificates are those that aiohttp read at its import, long before this server had its own."""
    assert aiohttp.__version__
    wires.serve(lambda talk, _: talk.send(answer(body=b"hello")))
    async with Transport() as transport:
        assert await asked(transport) == b"hello"
    monkeypatch.delenv("SSL_CERT_FILE")
    async with Transport() as transport:
        with pytest.raises(ServiceRequestError, match="certificate"):
            await asked(transport)


async def test_one_that_was_never_used_holds_nothing_and_one_that_is_closed_stays_closed(wires: Wires) -> None:
    """Breaks when a client that sends nothing leaves an open session behind."""
    wires.serve(lambda talk, _: talk.send(answer(body=b"hello")))
    transport = Transport()
    assert transport.session is None
    assert await asked(transport) == b"hello"
    await transport.close()
    with pytest.raises(ValueError, match="closed"):
        await asked(transport)
