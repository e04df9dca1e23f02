"""Guarantee 5 and 7 at sign-in: whose token it is, and where it may go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import jwt
import pytest
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from flows.word import Word
from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.errors import AskForApproval, FixTheInput, GrantAccess, TryLater
from mappings.settings import Credential
from tasks.clients.credentials import EARLY, CredentialOnThread, Handed, PinnedCredential
from tasks.clients.session import Session, open_session
from tests.controlplane import estate
from tests.controlplane.conftest import ENVIRON, Clouds

SOURCE = Credential(client_id=estate.COMMERCIAL.client_id, secret_env="SOURCE_SECRET")


def test_a_session_signs_in_to_its_tenant(source: Session, target: Session) -> None:
    source.prove()
    target.prove()


def test_a_wrong_secret_says_so_without_showing_it(clouds: Clouds) -> None:
    session = open_session(COMMERCIAL, estate.SOURCE_TENANT, SOURCE, {"SOURCE_SECRET": "not-the-secret-4711"})
    with pytest.raises(GrantAccess) as caught:
        session.prove()
    assert caught.value.code == "AADSTS7000215"
    assert "secret is wrong" in caught.value.sentence
    assert "secret_env" in caught.value.next_step
    assert "4711" not in caught.value.sentence + caught.value.next_step


def test_an_unknown_client_points_at_the_other_cloud(clouds: Clouds) -> None:
    stranger = Credential(client_id=estate.GOVERNMENT.client_id, secret_env="SOURCE_SECRET")
    with pytest.raises(GrantAccess) as caught:
        open_session(COMMERCIAL, estate.SOURCE_TENANT, stranger, ENVIRON).prove()
    assert caught.value.code == "AADSTS700016"
    assert "AzureUSGovernment" in caught.value.next_step


def test_a_tenant_of_the_other_cloud_is_not_known_here(clouds: Clouds) -> None:
    with pytest.raises(GrantAccess) as caught:
        open_session(COMMERCIAL, estate.TARGET_TENANT, SOURCE, ENVIRON).prove()
    assert caught.value.code == "AADSTS90002"


@pytest.mark.slow
def test_an_unreachable_authority_is_for_later(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(TryLater) as caught:
        open_session(COMMERCIAL, estate.SOURCE_TENANT, SOURCE, ENVIRON).prove()
    assert "HTTPS_PROXY" in caught.value.next_step


def test_a_missing_secret_names_its_variable() -> None:
    with pytest.raises(FixTheInput) as caught:
        open_session(COMMERCIAL, estate.SOURCE_TENANT, SOURCE, {})
    assert "SOURCE_SECRET" in caught.value.sentence


def test_a_commercial_credential_gives_no_government_token(source: Session) -> None:
    """Mutation: without `_check_scopes` Entra would be asked, and its own refusal is not ours to rely on."""
    with pytest.raises(AskForApproval, match="not asked for"):
        source.credential.get_token(GOVERNMENT.arm_scope)


def test_a_token_of_another_tenant_is_not_handed_out(clouds: Clouds) -> None:
    """Mutation: without `_check_token` a swapped tenant_id in a managed identity's host goes unnoticed."""
    identity = ClientSecretCredential(
        estate.SOURCE_TENANT, SOURCE.client_id, "source-secret", authority=COMMERCIAL.authority
    )
    pinned = PinnedCredential(lambda: identity, COMMERCIAL, estate.TARGET_TENANT)
    with pytest.raises(AskForApproval, match="is of tenant 1111"):
        pinned.get_token(COMMERCIAL.arm_scope)


def alone(clouds: Clouds, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, as a customer's."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), **clouds.box.environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_AIO = """
import asyncio, os
from azure.storage.blob.aio import BlobServiceClient
from mappings.clouds import COMMERCIAL
from mappings.errors import AskForApproval
from mappings.settings import Credential
from tasks.clients.credentials import CredentialOnThread, PinnedCredential
from tasks.clients.session import open_session
from tests.controlplane import estate

async def main():
    chosen = Credential(client_id=estate.COMMERCIAL.client_id, secret_env="SOURCE_SECRET")
    secrets = {"SOURCE_SECRET": "source-secret"}
    session = open_session(COMMERCIAL, estate.SOURCE_TENANT, chosen, secrets, reads_only=True)
    hook = session.policies()[0].on_request
    async def client(host):
        return BlobServiceClient(f"https://{host}", credential=session.aio_credential, raw_request_hook=hook)
    async with await client("countydata.blob.core.windows.net") as blobs:
        print("listed", [c.name async for c in blobs.list_containers()])
        try:
            await blobs.create_container("x")
        except AskForApproval as refused:
            print("write refused:", refused.sentence)
    async with await client("countydata.blob.core.usgovcloudapi.net") as blobs:
        try:
            [c async for c in blobs.list_containers()]
        except AskForApproval as refused:
            print("host refused:", refused.sentence)
    session.close()

asyncio.run(main())
"""


def test_aio_clients_follow_the_environment_and_the_guard(clouds: Clouds) -> None:
    """In a process of its own, as a customer's: the SDK's aiohttp transport reads SSL_CERT_FILE at its import.

    Mutation: without the hook the write reaches the sandbox and the Government host is asked with a commercial token.
    """
    done = alone(clouds, _AIO)
    assert done.returncode == 0, done.stderr
    assert "listed []" in done.stdout
    assert "write refused: PUT /x" in done.stdout
    assert "host refused: countydata.blob.core.usgovcloudapi.net" in done.stdout
    assert clouds.writes("commercial") == 0
    assert clouds.writes("government") == 0


_SIGN_IN = """
import asyncio, sys
from mappings.clouds import COMMERCIAL
from mappings.settings import Credential
from tasks.clients.session import open_session
from tests.controlplane import estate

chosen = Credential(client_id=estate.COMMERCIAL.client_id, secret_env="SOURCE_SECRET")
session = open_session(COMMERCIAL, estate.SOURCE_TENANT, chosen, {"SOURCE_SECRET": "source-secret"})

async def tokens():
    await session.storage_token()
    return [(await session.aio_credential.get_token(COMMERCIAL.storage_scope)).token for _ in range(3)]

kept = asyncio.run(tokens()) + [session.credential.get_token(COMMERCIAL.storage_scope).token]
session.close()
print(len(set(kept)), "aiohttp" in sys.modules)
"""


def test_both_kinds_of_client_share_one_sign_in_and_none_needs_aiohttp(clouds: Clouds) -> None:
    """Mutations that must fail it: an aio credential with a token of its own; one of azure-identity's own aio ones."""
    done = alone(clouds, _SIGN_IN)
    assert (done.returncode, done.stdout) == (0, "1 False\n"), done.stderr


def handed(tenant: str, *, seconds: float) -> Handed:
    """A token as a leader hands it to its workers, good for so long."""
    return Handed(jwt.encode({"tid": tenant}, "k" * 32), int(time.time() + seconds))


def test_a_token_that_was_handed_over_is_used_while_it_lasts(source: Session) -> None:
    """Mutations that must fail it: one that is used to its very end, for the other scope, or instead of a new one that
    the service has asked for.
    """
    storage, given = COMMERCIAL.storage_scope, handed(estate.SOURCE_TENANT, seconds=3600)
    source.hand(given)
    assert source.credential.get_token(storage).token == given.token
    assert source.credential.get_token(COMMERCIAL.arm_scope).token != given.token
    assert source.credential.get_token(storage, claims='{"access_token":{}}').token != given.token
    source.hand(handed(estate.SOURCE_TENANT, seconds=EARLY - 1))
    own = source.credential.get_token(storage)
    assert own.token != given.token and own.expires_on > time.time() + EARLY


async def test_a_token_that_was_handed_over_is_of_this_tenant(source: Session, target: Session) -> None:
    """Mutation that must fail it: believing the leader."""
    source.hand(await target.storage_token())
    with pytest.raises(AskForApproval, match="is of tenant 2222"):
        source.credential.get_token(COMMERCIAL.storage_scope)


async def test_the_word_reaches_a_worker_as_it_was_said(source: Session, target: Session) -> None:
    said = Word("run-1", {"source": await source.storage_token(), "target": await target.storage_token()})
    heard = Word.heard(said.line)
    assert heard == said
    assert "\n" not in said.line and said.tokens["source"].token not in repr(said)


class Slow:
    """An authority that answers when the test says so."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.wrong: Exception | None = None

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        self.asked.set()
        self.go.wait(30)
        if self.wrong is not None:
            raise self.wrong
        raise AssertionError("nobody asked for the answer")

    def close(self) -> None:
        self.go.set()


async def test_who_leaves_does_not_wait_for_the_authority() -> None:
    """Mutation that must fail it: a thread of the loop's pool, which the end of the loop waits for."""
    slow = Slow()
    credential = CredentialOnThread(PinnedCredential(lambda: slow, COMMERCIAL, estate.SOURCE_TENANT))

    async def leave() -> None:
        task = asyncio.create_task(credential.get_token(COMMERCIAL.storage_scope))
        assert await asyncio.to_thread(slow.asked.wait, 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    own = threading.Thread(target=asyncio.run, args=(leave(),))
    own.start()
    await asyncio.to_thread(own.join, 20)
    assert not own.is_alive() and not slow.go.is_set()
    slow.go.set()


async def test_what_the_sign_in_says_on_its_thread_is_said_to_who_asked() -> None:
    slow = Slow()
    slow.go.set()
    slow.wrong = ClientAuthenticationError("AADSTS7000215: wrong")
    async with CredentialOnThread(PinnedCredential(lambda: slow, COMMERCIAL, estate.SOURCE_TENANT)) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            await credential.get_token(COMMERCIAL.storage_scope)
        with pytest.raises(AskForApproval, match="not asked for"):
            await credential.get_token(GOVERNMENT.arm_scope)
