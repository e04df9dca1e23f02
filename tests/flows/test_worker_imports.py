"""What a worker process does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jwt

_WORK = """
import sys
from pathlib import Path
from flows import mover

def work(*_, **__):
    exec(REST, {})
    return 0

mover.carry_on = work
sys.argv[2:] = ["--led"]
REST = sys.stdin.read()
mover.main()
"""
_REST = """
import sys
from pathlib import Path
from mappings.states import Change, Outcome
from tasks.copiers.rows import blank
from tasks.manifests import ManifestWriter, read_manifest
from tasks.keeping import carried_tables
from tests.copiers.memory_cloud import Account

place, again = Path(sys.argv[1]) / "a.parquet", Path(sys.argv[1]) / "b.parquet"
cloud = Account("src")
items = [cloud.write("c", f"x{number:04}", b"x").item for number in range(3000)]
with_rows = ManifestWriter(place, meta={})
for item in items:
    with_rows.write(blank(item, Outcome.SAME, Change.SAME))
with_rows.close()
carried = ManifestWriter(again, meta={})
for table in carried_tables(place, "x0100", "x2000"):
    carried.keep(table)
carried.close()
assert [row.name for row in read_manifest(again)] == [item.name for item in items[100:2000]]
print(sorted(name for name in ("numpy", "pandas") if sys.modules.get(name)))
"""

_CLIENTS = """
import asyncio
import sys
import time
from flows.word import Word
from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.settings import Credential
from tasks.clients.credentials import Handed
from tasks.clients.session import open_session
from tasks.clients.wire import WireSource, WireTarget

mover._import(*mover._NEEDED)
TENANT, TOKEN = "t" * 36, "{}"

async def work():
    who = Credential(kind="client-secret", client_id="c", secret_env="S")
    source, target = (open_session(cloud, TENANT, who, {"S": "s"}) for cloud in (COMMERCIAL, GOVERNMENT))
    word = Word.heard(Word("r", {side: Handed(TOKEN, int(time.time()) + 3600) for side in ("a", "b")}).line)
    for session, token in zip((source, target), word.tokens.values()):
        session.hand(token)
        assert (await session.aio_credential.get_token_info(session.cloud.storage_scope)).token == TOKEN
    await WireSource(source, COMMERCIAL, "a", concurrency=1).aclose()
    await WireTarget(target, "a", concurrency=1).aclose()

asyncio.run(work())
unwanted = ("azure.storage.blob", "azure.identity", "aiohttp", "requests", "prefect")
print(sorted(name for name in unwanted if name in sys.modules))
"""


def test_a_worker_that_streams_does_without_the_sdk_until_it_needs_it(tmp_path: Path) -> None:
    """Mutations that must fail it: azure.storage.blob, or a transport of it, imported with one of our clients; a
    credential that is made, and brings its libraries, where a token was handed over."""
    token = jwt.encode({"tid": "t" * 36}, "k" * 32)
    done = subprocess.run(
        [sys.executable, "-c", "from flows import mover\n" + _CLIENTS.replace("{}", token)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_worker_writes_reads_and_carries_manifests_without_numpy(tmp_path: Path) -> None:
    """Mutations that must fail it: a worker that begins without leaving NumPy out; something of Arrow that needs it."""
    done = subprocess.run(
        [sys.executable, "-c", _WORK, str(tmp_path)],
        input=_REST,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
