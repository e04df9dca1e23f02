"""Blob clients and movers of others, unmodified, through the proxy: identities, isolation, faults, hooks, counters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceModifiedError
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import BlobServiceClient as AioBlobServiceClient

from tests.conftest import ROOT, RunningSandbox
from tests.sandbox.test_control_plane import Clients, FixedToken, aio_sign_in, forge, government_storage, sign_in
from tests.sandbox.tiny_estate import key_of

pytestmark = pytest.mark.sandbox
SOURCE_URL = "https://tinysource.blob.core.windows.net"
LETTERS = ["alpha.txt", "beta.txt", "gamma.txt"]


def source_blobs(box: RunningSandbox, credential: Any = None, **options: Any) -> BlobServiceClient:
    return BlobServiceClient(SOURCE_URL, credential or sign_in(box, "commercial"), **box.client_options, **options)


@pytest.fixture(scope="session")
def target_account(_session_tiny: RunningSandbox) -> str:
    """An account that ARM gave birth to in the Government cloud."""
    Clients(_session_tiny, "government").resources.resource_groups.create_or_update(
        "rg-data", {"location": "usgovvirginia"}
    )
    body: dict[str, Any] = {"location": "usgovvirginia", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    government_storage(_session_tiny).storage_accounts.begin_create("rg-data", "tinytarget", body).result()
    return "tinytarget"


def target_blobs(box: RunningSandbox, account: str, credential: Any = None) -> BlobServiceClient:
    url = f"https://{account}.blob.core.usgovcloudapi.net"
    return BlobServiceClient(url, credential or sign_in(box, "government"), **box.client_options)


class TestIdentities:
    def test_token_and_key_read_the_source(self, tiny_sandbox: RunningSandbox) -> None:
        for credential in (None, key_of("tinysource")):
            letters = source_blobs(tiny_sandbox, credential).get_container_client("letters")
            assert [blob.name for blob in letters.list_blobs()] == LETTERS
            assert letters.download_blob("beta.txt").readall() == b"beta"

    async def test_aio_client_reads_the_source(self, tiny_sandbox: RunningSandbox) -> None:
        async with (
            aio_sign_in(tiny_sandbox, "commercial") as credential,
            AioBlobServiceClient(SOURCE_URL, credential, **tiny_sandbox.client_options) as client,
        ):
            found = [blob.name async for blob in client.get_container_client("letters").list_blobs()]
        assert found == LETTERS

    def test_account_born_by_arm_takes_blobs(self, tiny_sandbox: RunningSandbox, target_account: str) -> None:
        container = target_blobs(tiny_sandbox, target_account).get_container_client("born")
        container.create_container()
        container.upload_blob("note", b"hello")
        assert container.download_blob("note").readall() == b"hello"

    @pytest.mark.parametrize("of", ["commercial", "government"])
    def test_token_of_the_other_cloud_is_refused(
        self, tiny_sandbox: RunningSandbox, target_account: str, of: str
    ) -> None:
        """Breaks if the blob service looks at the audience only: it is the same in both clouds."""
        foreign = FixedToken(sign_in(tiny_sandbox, of).get_token("https://storage.azure.com/.default"))
        client = (
            target_blobs(tiny_sandbox, target_account, foreign)
            if of == "commercial"
            else source_blobs(tiny_sandbox, foreign)
        )
        with pytest.raises(ClientAuthenticationError) as caught:
            list(client.list_containers())
        assert caught.value.status_code == 401

    def test_forged_token_is_refused(self, tiny_sandbox: RunningSandbox) -> None:
        """Breaks if claims are believed: these are the right ones, under somebody else's signature."""
        good = sign_in(tiny_sandbox, "commercial").get_token("https://storage.azure.com/.default")
        with pytest.raises(ClientAuthenticationError) as caught:
            list(
                source_blobs(
                    tiny_sandbox, FixedToken(good._replace(token=forge(good.token, "RS256")))
                ).list_containers()
            )
        assert caught.value.status_code == 401

    def test_account_that_does_not_exist_has_no_name(self, tiny_sandbox: RunningSandbox) -> None:
        client = BlobServiceClient(
            "https://nobodyhasthis.blob.core.windows.net",
            sign_in(tiny_sandbox, "commercial"),
            retry_total=0,
            **tiny_sandbox.client_options,
        )
        with pytest.raises(AzureError):
            client.get_account_information()
        assert tiny_sandbox.ask("GET", "/connections")["refused"]["nobodyhasthis.blob.core.windows.net"] >= 1


class TestBlobFaults:
    def test_busy_is_retried(self, tiny_sandbox: RunningSandbox) -> None:
        tiny_sandbox.break_with({"match": "blob GET /tinysource/letters/beta", "status": 503, "times": 1})
        client = source_blobs(tiny_sandbox, key_of("tinysource"), retry_total=3, initial_backoff=0)
        assert client.get_blob_client("letters", "beta.txt").download_blob().readall() == b"beta"
        statuses = tiny_sandbox.counters()["commercial"]["blob"]["by_status"]
        assert statuses["503"] == 1

    def test_error_is_worded_as_the_service_does(self, tiny_sandbox: RunningSandbox) -> None:
        tiny_sandbox.break_with(
            {"match": "blob GET", "status": 403, "code": "AuthorizationFailure", "message": "closed"}
        )
        with pytest.raises(HttpResponseError) as caught:
            source_blobs(tiny_sandbox).get_blob_client("letters", "beta.txt").download_blob()
        assert getattr(caught.value, "error_code", "") == "AuthorizationFailure"

    def test_listing_breaks_off_in_the_middle(self, tiny_sandbox: RunningSandbox) -> None:
        """A listing cut short is an error, never a shorter list."""
        tiny_sandbox.break_with({"match": r"blob GET /tinysource/letters\?.*comp=list", "truncate": 300})
        client = source_blobs(tiny_sandbox, key_of("tinysource"), retry_total=0)
        with pytest.raises(AzureError):
            list(client.get_container_client("letters").list_blobs())

    def test_flipped_bit_goes_unseen_without_a_check(self, tiny_sandbox: RunningSandbox) -> None:
        tiny_sandbox.break_with({"match": "blob GET /tinysource/letters/alpha", "corrupt": True})
        blob = source_blobs(tiny_sandbox).get_blob_client("letters", "alpha.txt")
        assert blob.download_blob().readall() == b"`lpha"

    def test_lost_answer_means_the_work_was_done(self, tiny_sandbox: RunningSandbox, target_account: str) -> None:
        container = target_blobs(tiny_sandbox, target_account).get_container_client("lost")
        container.create_container()
        tiny_sandbox.break_with({"match": "blob PUT /tinytarget/lost/note", "reset": "after", "times": 1})
        with pytest.raises(AzureError):
            container.upload_blob("note", b"here", retry_total=0)
        assert container.download_blob("note").readall() == b"here"

    def test_delay(self, tiny_sandbox: RunningSandbox) -> None:
        tiny_sandbox.break_with({"match": "blob GET", "delay": 5})
        client = source_blobs(tiny_sandbox, key_of("tinysource"), retry_total=0, read_timeout=0.3)
        with pytest.raises(AzureError):
            client.get_blob_client("letters", "alpha.txt").download_blob()


def test_hook_replaces_a_blob_between_two_requests(tiny_sandbox: RunningSandbox) -> None:
    """Another writer comes between: the second read under the first's ETag must fail."""
    letters = source_blobs(tiny_sandbox).get_container_client("letters")
    mutate = {"container": "letters", "blob": "gamma.txt", "content": "gamma"}
    tiny_sandbox.ask("POST", "/hooks", {"match": "HEAD /tinysource/letters/gamma.txt", "mutate": mutate})
    blob = letters.get_blob_client("gamma.txt")
    etag = blob.get_blob_properties().etag
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(etag=etag, match_condition=MatchConditions.IfNotModified)


def test_counters_tell_reads_from_writes(tiny_sandbox: RunningSandbox, target_account: str) -> None:
    source_blobs(tiny_sandbox).get_blob_client("letters", "alpha.txt").download_blob().readall()
    target_blobs(tiny_sandbox, target_account).get_container_client("counted").create_container()
    counts = tiny_sandbox.counters()
    assert counts["commercial"]["blob"]["by_account"]["tinysource"]["write"] == 0
    assert counts["commercial"]["blob"]["by_account"]["tinysource"]["read"] == 1
    assert counts["government"]["blob"]["by_account"]["tinytarget"]["write"] == 1


def azcopy_binary() -> Path:
    """AzCopy as npm unpacked it, made executable in a copy: npm drops the bit."""
    found = sorted(
        (ROOT / "tests" / "oracle" / "node_modules" / "@azure-tools" / "azcopy-linux").glob("dist/**/azcopy*")
    )
    binaries = [path for path in found if path.is_file() and path.stat().st_size > 1 << 20]
    if not binaries:
        pytest.skip("AzCopy is not there: npm ci in tests/oracle")
    return binaries[0]


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tiny_sandbox: RunningSandbox, tmp_path: Path) -> Run:
    """Run a program with the variables of the sandbox and nothing else changed."""

    def call(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **tiny_sandbox.environment(), "HOME": str(tmp_path), **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return call


@pytest.mark.slow
def test_azcopy_signs_in_and_copies_both_ways(
    tiny_sandbox: RunningSandbox, target_account: str, run: Run, tmp_path: Path
) -> None:
    program = tmp_path / "azcopy"
    shutil.copy(azcopy_binary(), program)
    program.chmod(0o755)
    logs = {"AZCOPY_LOG_LOCATION": str(tmp_path / "log"), "AZCOPY_JOB_PLAN_LOCATION": str(tmp_path / "plan")}

    def copy(cloud: str, here: str, there: str) -> None:
        known = tiny_sandbox.state[cloud]
        done = run(
            str(program), "copy", here, there, "--recursive", "--skip-version-check",
            AZCOPY_AUTO_LOGIN_TYPE="SPN",
            AZCOPY_SPA_APPLICATION_ID=known["client_id"],
            AZCOPY_SPA_CLIENT_SECRET=known["client_secret"],
            AZCOPY_TENANT_ID=known["tenant_id"],
            AZCOPY_ACTIVE_DIRECTORY_ENDPOINT=known["authority"],
            **logs,
        )  # fmt: skip
        if "libsecret" in done.stderr:
            pytest.skip("AzCopy needs the system package libsecret-1-0")
        assert done.returncode == 0, done.stdout + done.stderr

    target_blobs(tiny_sandbox, target_account).create_container("azcopied")
    copy("commercial", f"{SOURCE_URL}/letters", str(tmp_path / "down"))
    assert (tmp_path / "down" / "letters" / "beta.txt").read_text() == "beta"
    url = f"https://{target_account}.blob.core.usgovcloudapi.net/azcopied"
    copy("government", str(tmp_path / "down" / "letters"), url)
    found = target_blobs(tiny_sandbox, target_account).get_container_client("azcopied").list_blob_names()
    assert list(found) == [f"letters/{name}" for name in LETTERS]


@pytest.mark.slow
def test_rclone_copies_across_and_agrees(
    tiny_sandbox: RunningSandbox, target_account: str, run: Run, tmp_path: Path
) -> None:
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("rclone is not installed")
    key = government_storage(tiny_sandbox).storage_accounts.list_keys("rg-data", target_account)["keys"][0]["value"]
    settings = tmp_path / "rclone.conf"
    settings.write_text(
        f"[source]\ntype = azureblob\naccount = tinysource\nkey = {key_of('tinysource')}\n"
        f"[target]\ntype = azureblob\naccount = {target_account}\nkey = {key}\n"
        f"endpoint = https://{target_account}.blob.core.usgovcloudapi.net\n"
    )
    rclone = (program, "--config", str(settings))
    for command in ("copy", "check"):
        done = run(*rclone, command, "source:letters", "target:rcloned")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differences found" in done.stderr
    target_blobs(tiny_sandbox, target_account).get_blob_client("rcloned", "beta.txt").upload_blob(
        b"beto", overwrite=True
    )
    assert run(*rclone, "check", "source:letters", "target:rcloned").returncode != 0
