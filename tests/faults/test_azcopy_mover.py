"""AzCopy, unmodified, as the mover under our plan and our proof: what it did is compared, and made good."""

from __future__ import annotations

import asyncio
import ctypes.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from mappings.azcopy import command, ending, environment_of
from mappings.clouds import GOVERNMENT
from mappings.errors import FixTheInput
from mappings.objects import EvidenceRow
from mappings.plan import CopyShard
from mappings.settings import Copy, Credential, Settings
from mappings.states import Outcome, ProofLevel, Route
from tasks.copiers.engine import copy_shard
from tasks.copiers.journal import NoJournal
from tasks.external import AzCopy, Handed, Marking
from tasks.progress import Progress, ShardProgress
from tests.conftest import ROOT, RunningSandbox
from tests.faults.conftest import RULES, Mover
from tests.faults.test_probe import ENVIRON
from tests.faults.test_probe import settings as settings_of
from tests.sandbox.tiny_estate import key_of

settings = settings_of
AZCOPY = ROOT / "tests/oracle/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"


def azcopy_in(folder: Path) -> Path:
    """AzCopy's program, runnable; skips the test by name where it is missing."""
    if not AZCOPY.exists():
        pytest.skip("AzCopy is not installed: npm ci --prefix tests/oracle")
    if ctypes.util.find_library("secret-1") is None:
        pytest.skip("AzCopy needs libsecret: apt-get install libsecret-1-0")
    runnable = folder / "azcopy"
    shutil.copy(AZCOPY, runnable)  # The package leaves out the x bit.
    runnable.chmod(0o755)
    return runnable


@pytest.fixture
def asked(settings: Settings, tmp_path: Path) -> Settings:
    runnable = azcopy_in(tmp_path)
    copy = Copy(mover="azcopy", azcopy=str(runnable), azcopy_sas_in_argv=True)
    return settings.model_copy(update={"copy_": copy})


class Begun(NoJournal):
    """Remembers what was begun."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def begin(self, names: Sequence[str]) -> None:
        self.names |= set(names)


@pytest.mark.slow
@pytest.mark.sandbox
async def test_what_azcopy_carried_is_compared_and_what_it_spoilt_is_copied_anew(
    copies: RunningSandbox, mover: Mover, asked: Settings
) -> None:
    """Breaks when AzCopy's word is taken for proof, or when its blobs count as a stranger's."""
    shard = CopyShard("copysource", "copytarget", "kinds", "", None, 0, 0, 0)
    await mover.target.create_container(await mover.source.container_settings("kinds"))
    journal = Begun()
    azcopy = AzCopy(asked, os.environ | ENVIRON)
    handed = await azcopy.carry(shard, mover.source, mover.target, RULES, journal)
    assert handed == journal.names
    assert {"b/blocks.bin", "d/disk.vhd", "c/log.txt", "a small ü & +.txt"} <= handed
    assert "g/history" not in handed and "h/cold" not in handed, "history and archived blobs are not for it"
    # Somebody, or AzCopy itself, has spoilt one: the size is right, the bytes are not.
    with BlobServiceClient(
        "https://copytarget.blob.core.usgovcloudapi.net", key_of("copytarget"), **copies.client_options
    ) as service:
        spoilt = service.get_blob_client("kinds", "b/blocks.bin")
        size = spoilt.get_blob_properties().size
        assert size == 3 * 1024 * 1024 + 17, "AzCopy had brought it over"
        spoilt.upload_blob(b"x" * size, overwrite=True)
    found: list[EvidenceRow] = []
    mark = Marking(handed, found.append)
    tally = mark.counted(
        await copy_shard(
            shard,
            mover.source,
            mover.target,
            iter(()),
            mark,
            RULES,
            mover.routes,
            ShardProgress(Progress()),
            journal=Handed(journal, handed),
        )
    )
    rows = {row.name: row for row in found if not row.snapshot}
    assert (mark.carried, mark.recopied) == (len(handed) - 1, 1)
    assert rows["b/blocks.bin"].route is not Route.AZCOPY and rows["b/blocks.bin"].outcome is Outcome.COPIED
    carried = [rows[name] for name in handed - {"b/blocks.bin"}]
    assert {row.route for row in carried} == {Route.AZCOPY}
    assert all((row.proof or 0) >= ProofLevel.L2 and row.outcome is Outcome.COPIED for row in carried)
    assert tally.whole and tally.copied == sum(row.outcome is Outcome.COPIED for row in found)
    await mover.assert_equal("kinds", but=frozenset({"h/cold"}))
    assert await azcopy.carry(shard, mover.source, mover.target, RULES, journal) == frozenset(), "nothing is new"


@pytest.mark.slow
@pytest.mark.sandbox
async def test_an_azcopy_that_does_nothing_costs_only_its_start(
    copies: RunningSandbox, mover: Mover, asked: Settings, tmp_path: Path
) -> None:
    """Breaks when the run trusts AzCopy to have done what it was given."""
    lame = tmp_path / "lame"
    lame.write_text("#!/bin/sh\nexit 1\n")
    lame.chmod(0o755)
    useless = asked.model_copy(update={"copy_": asked.copy_.model_copy(update={"azcopy": str(lame)})})
    shard = CopyShard("copysource", "copytarget", "many", "", None, 0, 0, 0)
    await mover.target.create_container(await mover.source.container_settings("many"))
    handed = await AzCopy(useless, os.environ | ENVIRON).carry(shard, mover.source, mover.target, RULES, NoJournal())
    assert len(handed) == 48
    rows = await mover.run("many", journal=Handed(NoJournal(), handed))
    assert {row.outcome for row in rows.values()} == {Outcome.COPIED}
    await mover.assert_equal("many")


@pytest.mark.slow
@pytest.mark.sandbox
async def test_an_azcopy_that_hangs_is_seen_not_to_move_and_ends_with_its_shard(
    copies: RunningSandbox, mover: Mover, asked: Settings, tmp_path: Path
) -> None:
    """Breaks when nobody sees that it moves, or that it does not; or when it goes on without a holder.

    Mutation that must fail it: not reading what it has said, or leaving the process behind.
    """
    hung, pid = tmp_path / "hung", tmp_path / "pid"
    said = '{"MessageType": "Progress", "MessageContent": "{\\"TotalTransfers\\": \\"48\\"}"}'
    hung.write_text(f"#!/bin/sh\necho '{said}'\necho $$ > {pid}\nexec sleep 1000\n")
    hung.chmod(0o755)
    os.mkfifo(pid)
    azcopy = AzCopy(
        asked.model_copy(update={"copy_": asked.copy_.model_copy(update={"azcopy": str(hung)})}), os.environ | ENVIRON
    )
    shard = CopyShard("copysource", "copytarget", "many", "", None, 0, 0, 0)
    await mover.target.create_container(await mover.source.container_settings("many"))
    assert azcopy.moved() == 0
    carrying = asyncio.create_task(azcopy.carry(shard, mover.source, mover.target, RULES, NoJournal()))
    process = int(await asyncio.wait_for(asyncio.to_thread(pid.read_text), 60))
    assert azcopy.moved() == azcopy.moved() == 48
    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying
    assert azcopy.moved() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_secret_of_the_target_is_never_on_the_command_line() -> None:
    """Breaks when a credential other than the read-only SAS of the source is put where every user can read it."""
    credential = Credential(kind="client-secret", client_id="an-id", secret_env="S")
    signed = environment_of(credential, "a-tenant", GOVERNMENT, "s3cret")
    assert signed["AZCOPY_SPA_CLIENT_SECRET"] == "s3cret"
    assert signed["AZCOPY_ACTIVE_DIRECTORY_ENDPOINT"] == f"https://{GOVERNMENT.authority}"
    words = command("azcopy", "https://a/c?sig=1", "https://b/c", "/list", mib_per_second=10)
    assert "s3cret" not in str(words) and sum("sig=" in word for word in words) == 1
    assert "--overwrite=false" in words and "--cap-mbps=83.89" in words


def test_the_sas_on_the_command_line_has_to_be_accepted_by_name(settings: Settings) -> None:
    """Breaks when a customer can choose AzCopy without having been told."""
    with pytest.raises(ValueError, match="azcopy_sas_in_argv"):
        Copy(mover="azcopy")
    missing = replace_copy(settings, Copy(mover="azcopy", azcopy="no-such-azcopy", azcopy_sas_in_argv=True))
    with pytest.raises(FixTheInput, match="no-such-azcopy"):
        AzCopy(missing, os.environ | ENVIRON)


def replace_copy(settings: Settings, copy: Copy) -> Settings:
    return settings.model_copy(update={"copy_": copy})


def test_the_end_of_a_job_is_read_and_nothing_is_made_up() -> None:
    """Breaks when a job that broke off counts as one that ended."""
    assert ending(["INFO: hello", '{"MessageType": "Progress", "MessageContent": "{}"}', "{broken"]) is None
    told = ending(
        ['{"MessageType": "EndOfJob", "MessageContent": "{\\"JobStatus\\": \\"Completed\\", \\"TransfersCompleted\\": '
         '\\"7\\", \\"TransfersFailed\\": \\"1\\", \\"TransfersSkipped\\": \\"0\\"}"}']
    )  # fmt: skip
    assert told is not None and (told.status, told.completed, told.failed) == ("Completed", 7, 1)


__all__ = ["settings"]
