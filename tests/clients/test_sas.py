"""The SAS of a source container: what it allows, and that it is renewed before it runs out."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from azure.storage.blob.aio import BlobServiceClient

from mappings.clouds import COMMERCIAL
from mappings.route_estimate import SAS_LIFE, SAS_SKEW
from tasks.clients.blobs import SourceBlobClient
from tasks.clients.sas import KEY_LIFE, LEAST_LEFT, SasMint
from tests.conftest import RunningSandbox
from tests.faults.conftest import sign_in

KEY = base64.b64encode(b"k" * 32).decode()
START = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


def told(token: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(token).items()}


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_token_is_good_for_half_an_hour_whenever_it_is_given_out() -> None:
    """Mutations that must fail it: a token that is used until it runs out; one that is minted for each object; one that
    allows more than to read and list.
    """
    moment = START
    async with BlobServiceClient("https://acct.blob.core.windows.net") as service:
        mint = SasMint(service, "acct", KEY, clock=lambda: moment)
        assert mint.at_hand("c") is None
        given: list[str] = []
        for minutes in range(0, 24 * 60, 10):
            moment = START + timedelta(minutes=minutes)
            at_hand = mint.at_hand("c")
            token = await mint.token("c")
            assert at_hand in (None, token) and mint.at_hand("c") == token
            said = told(token)
            assert time_of(said["se"]) - moment >= LEAST_LEFT
            assert time_of(said["st"]) <= moment - SAS_SKEW
            assert (set(said["sp"]), said["spr"], said["sr"]) == (set("rl"), "https", "c")
            given.append(token)
        assert len(set(given)) == 7, "one for each three hours and a half of a day"
        assert told(await mint.token("other"))["sig"] != said["sig"]


@pytest.mark.sandbox
async def test_the_key_behind_the_tokens_is_renewed_before_it_runs_out(copies: RunningSandbox) -> None:
    """Mutations that must fail it: a token that lives longer than the key which signed it; a key for each token; two
    keys because two asked at the same time.
    """
    session = sign_in(copies, "commercial")
    client = SourceBlobClient(session, COMMERCIAL, "copysource", concurrency=2)
    start = moment = datetime.now(UTC)
    mint = SasMint(client.wire.service, "copysource", clock=lambda: moment)
    keys: list[datetime] = []
    try:
        for hours in range(25):
            moment = start + timedelta(hours=hours)
            first, second = await asyncio.gather(mint.token("kinds"), mint.token("kinds"))
            assert first == second
            said = told(first)
            assert time_of(said["se"]) <= time_of(said["ske"]), "it ends with the key at the latest"
            if (key := time_of(said["ske"])) not in keys:
                keys.append(key)
        assert client.requests == len(keys) == 4
        assert SAS_LIFE < KEY_LIFE
    finally:
        await client.aclose()
        session.close()
