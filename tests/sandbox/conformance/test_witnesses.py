"""Outside witnesses: AzCopy and rclone, unmodified, by real names, against the sandbox's own service.

AzCopy comes from npm with Azurite (`tests/oracle`) and needs libsecret of the system; rclone is of the locked
Python packages. Each is skipped by name where it is not installed.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContentSettings, generate_container_sas

from tests.conftest import ROOT
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.stage import ACCOUNTS, SUFFIXES, Stage, key_of
from tests.sandbox.conformance.test_authorization import soon

pytestmark = pytest.mark.slow

AZCOPY = ROOT / "tests/oracle/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"
BIG = bytes(range(256)) * 20_000


@pytest.fixture
def azcopy(tmp_path: Path) -> Path:
    if not AZCOPY.exists():
        pytest.skip("AzCopy is not installed: npm ci --prefix tests/oracle")
    if ctypes.util.find_library("secret-1") is None:
        pytest.skip("AzCopy needs libsecret: apt-get install libsecret-1-0")
    runnable = tmp_path / "azcopy"
    shutil.copy(AZCOPY, runnable)  # The package leaves out the x bit.
    runnable.chmod(0o755)
    return runnable


@pytest.fixture
def rclone() -> str:
    found = Path(sysconfig.get_path("scripts")) / "rclone"
    if not found.exists():
        pytest.skip("rclone is not installed beside this Python")
    return str(found)


@pytest.fixture
def source(own_stage: Stage) -> Any:
    container = own_stage.client().create_container(new_name())
    settings = ContentSettings(content_type="text/plain", cache_control="no-cache")
    container.upload_blob("plain.txt", b"hello", metadata={"Owner": "Ana"}, tags={"t": "1"}, content_settings=settings)
    container.upload_blob("folder/sp ace+%25ü.bin", BIG)
    container.upload_blob("folder/empty", b"")
    log = container.get_blob_client("log")
    log.create_append_blob()
    log.append_block(b"one")
    log.append_block(b"two")
    disk = container.get_blob_client("disk")
    disk.create_page_blob(16 * 512)
    disk.upload_page(b"p" * 1024, offset=2048, length=1024)
    return container


def run(command: list[str], stage: Stage, tmp_path: Path, **more: str) -> str:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(tmp_path),
        "HTTPS_PROXY": stage.proxy_url,
        "SSL_CERT_FILE": str(stage.bundle),
        **more,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def contents(container: Any) -> dict[str, bytes]:
    return {item.name: container.download_blob(item.name).readall() for item in container.list_blobs()}


def test_azcopy_between_the_clouds(own_stage: Stage, source: Any, azcopy: Path, tmp_path: Path) -> None:
    """AzCopy pulls: Put Blob, Put Block, Append Block and Put Page From URL across clouds, in its own spelling."""
    target = own_stage.client("government").create_container(new_name())
    urls = []
    for container, permission in ((source, "rlt"), (target, "racwdlt")):
        account = container.account_name
        sas = generate_container_sas(
            account, container.container_name, account_key=key_of(account), permission=permission, expiry=soon()
        )
        urls.append(f"{container.url}?{sas}")
    own_stage.services["commercial"].counters.reset()
    run(
        [
            *(str(azcopy), "copy", urls[0].replace("?", "/*?", 1), urls[1], "--from-to=BlobBlob", "--recursive"),
            *("--skip-version-check", "--s2s-preserve-blob-tags", "--block-size-mb=1", "--put-blob-size-mb=1"),
        ],
        own_stage,
        tmp_path,
        AZCOPY_LOG_LOCATION=str(tmp_path / "log"),
        AZCOPY_JOB_PLAN_LOCATION=str(tmp_path / "plan"),
    )
    assert contents(target) == contents(source)
    props = target.get_blob_client("plain.txt").get_blob_properties()
    assert props.content_settings.cache_control == "no-cache"
    assert {name.lower(): value for name, value in props.metadata.items()} == {"owner": "Ana"}
    assert target.get_blob_client("plain.txt").get_blob_tags() == {"t": "1"}
    kinds = {item.name: item.blob_type for item in target.list_blobs()}
    assert (kinds["log"], kinds["disk"], kinds["plain.txt"]) == ("AppendBlob", "PageBlob", "BlockBlob")
    assert own_stage.services["government"].counters.snapshot()["by_operation"]["PutBlockFromURL"] >= 5


def test_rclone_agrees(own_stage: Stage, source: Any, rclone: str, tmp_path: Path) -> None:
    """rclone signs with Shared Key in its own code, streams the blobs over, and compares every byte."""
    target = own_stage.client("government").create_container(new_name())
    config = tmp_path / "rclone.conf"
    lines = []
    for name, cloud in (("com", "commercial"), ("gov", "government")):
        account = ACCOUNTS[cloud][0]
        lines += [f"[{name}]", "type = azureblob", f"account = {account}", f"key = {key_of(account)}"]
        lines += [f"endpoint = https://{account}.blob.{SUFFIXES[cloud]}"]
    config.write_text("\n".join(lines) + "\n")
    places = [f"com:{source.container_name}", f"gov:{target.container_name}"]
    command = [rclone, "--config", str(config), "--ca-cert", str(own_stage.bundle)]
    run([*command, "copy", *places], own_stage, tmp_path)
    told = run([*command, "check", "--download", *places], own_stage, tmp_path)
    assert "0 differences found" in told
    assert contents(target) == contents(source)
