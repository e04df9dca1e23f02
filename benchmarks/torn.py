"""Torn copies: the same writers overwrite the source while govlift, and then AzCopy, copies it again and again.

    .venv/bin/python -m benchmarks.torn [--overwrites 10000] [--write]

Each mover copies the same 24 blobs between the sandbox's two clouds, 18 of them in five blocks of 64 KiB, while two
threads overwrite blobs of the source at random moments. After every copy the whole target is read and each object is
looked up among the generations that existed. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from azure.storage.blob import BlobServiceClient, generate_container_sas

from benchmarks.measuring import leave_when_told
from mappings.objects import EvidenceRow
from mappings.states import Outcome
from sandbox import launcher
from tasks.copiers.routes import RouteBook
from tests.conftest import RunningSandbox
from tests.faults.adversary import BLOCK, SIZES, Adversary, contents
from tests.faults.conftest import opened
from tests.sandbox.tiny_estate import key_of

ROOT = Path(__file__).resolve().parents[1]
AZCOPY = ROOT / "tests/oracle/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- torn: begin -->", "<!-- torn: end -->"
CONTAINER = "torn"
HOSTS = {"copysource": "core.windows.net", "copytarget": "core.usgovcloudapi.net"}


@dataclass
class Figure:
    """What one mover left behind."""

    mover: str
    overwrites: int = 0
    copies: int = 0
    """Copies of the whole container."""
    objects: int = 0
    """Objects looked at after those copies."""
    torn: int = 0
    said_so: int = 0
    """Objects that the mover itself called failed."""
    seconds: float = 0.0


class Stage:
    """The sandbox, its two accounts, and AzCopy where it is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.box = RunningSandbox(
            folder / "box", launcher.up(folder / "box", estate=f"{ROOT / 'tests/faults/copy_estate.py'}:ESTATE")
        )
        os.environ.update(self.box.environment())
        self.source, self.target = (self.service(name) for name in HOSTS)

    def service(self, account: str) -> BlobServiceClient:
        host = f"https://{account}.blob.{HOSTS[account]}"
        return BlobServiceClient(host, key_of(account), **self.box.client_options)

    def url(self, service: BlobServiceClient, container: str, permission: str) -> str:
        account = str(service.account_name)
        sas = generate_container_sas(
            account, container, account_key=key_of(account), permission=permission,
            expiry=datetime.now(UTC) + timedelta(hours=2),
        )  # fmt: skip
        return f"https://{account}.blob.{HOSTS[account]}/{container}?{sas}"

    def attack(self, mover: str, container: str, overwrites: int, copy: Callable[[], int]) -> Figure:
        """Copy again and again while writers are at work; `copy` returns how many objects it calls failed."""
        figure = Figure(mover)
        writers = Adversary(self.source, container, longest_rest=0.02)
        writers.prepare()
        began = time.monotonic()
        writers.begin(overwrites)
        try:
            while writers.busy:
                figure.said_so += copy()
                arrived = contents(self.target, container)
                figure.copies += 1
                figure.objects += len(arrived)
                figure.torn += len(writers.torn(arrived))
        finally:
            writers.end(at_once=True)
        figure.overwrites, figure.seconds = writers.overwrites, time.monotonic() - began
        return figure

    def azcopy(self, container: str, *more: str) -> Callable[[], int]:
        binary = self.folder / "azcopy"
        if not binary.exists():
            shutil.copy(AZCOPY, binary)  # The package leaves out the x bit.
            binary.chmod(0o755)
        room = self.target.get_container_client(container)
        if not room.exists():
            room.create_container()
        size = str(BLOCK / (1 << 20))
        urls = (self.url(self.source, container, "rl").replace("?", "/*?", 1), self.url(self.target, container, "rwl"))
        command = [
            *(str(binary), "copy", *urls, "--from-to=BlobBlob", "--recursive", "--skip-version-check", *more),
            *(f"--block-size-mb={size}", f"--put-blob-size-mb={size}", "--overwrite=true"),
        ]
        kept = {"AZCOPY_LOG_LOCATION": str(self.folder), "AZCOPY_JOB_PLAN_LOCATION": str(self.folder / "plan")}

        def copy() -> int:
            said = subprocess.run(
                command, env=os.environ | kept | {"HOME": str(self.folder)}, capture_output=True, text=True, check=False
            )
            failed = re.search(r"Number of (?:File )?Transfers Failed: (\d+)", said.stdout)
            if failed is None:
                raise RuntimeError(f"AzCopy said nothing of failures: {said.stdout[-2000:]}")
            return int(failed[1])

        return copy

    def govlift(self, container: str, route: Literal["pull", "stream"], client: str) -> Callable[[], int]:
        async def once() -> int:
            async with aclosing(opened(self.box, "copysource", "copytarget", client=client)) as movers:
                mover = await anext(aiter(movers))
                mover.routes, mover.manifest = RouteBook(route), manifest
                rows = await mover.run(container, block=BLOCK, whole_pull=BLOCK, pull_block=BLOCK, pause=0.0)
                return sum(row.outcome is Outcome.FAILED for row in rows.values())

        manifest: dict[str, list[EvidenceRow]] = {}
        return lambda: asyncio.run(once())


def table(figures: list[Figure]) -> list[str]:
    """The figures as a table in Markdown."""
    lines = [
        "| mover | overwrites | copies of the container | objects looked at | torn | failed by its own account |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in figures:
        share = f" ({one.torn / one.objects:.1%})" if one.torn else ""
        lines.append(
            f"| {one.mover} | {one.overwrites:,} | {one.copies:,} | {one.objects:,} | **{one.torn:,}**{share} "
            f"| {one.said_so:,} |"
        )
    return lines


def write(lines: list[str]) -> None:
    """Put the section into docs/performance.md, in place of the one that is there."""
    cpus, blocks = os.cpu_count() or 0, sum(size > BLOCK for size in SIZES.values())
    text = PAGE.read_text("utf-8")
    section = "\n".join(
        [
            BEGIN,
            "## Torn copies",
            "",
            f"`.venv/bin/python -m benchmarks.torn`, {datetime.now(UTC):%Y-%m-%d}, {cpus} {platform.machine()} cores, "
            "on the sandbox.",
            f"Two threads overwrite blobs of the source at random moments while {len(SIZES)} blobs are copied again",
            f"and again, {blocks} of them in five blocks of 64 KiB. After every copy each object of the target is",
            "compared with every generation that ever existed; one that is none of them is torn. Sizes never change,",
            "so comparing lengths sees nothing. All movers had the same size of block and the same service.",
            "",
            *lines,
            "",
            "A torn object has the right length, and AzCopy counts its transfer as a success. With",
            "`--s2s-detect-source-changed` it compares Last-Modified, which has a grain of a second, before the blocks",
            "are committed, and fails what moved without trying it again; what moves within that second it cannot see.",
            "govlift starts an object over that changed; one that never rests it fails by name, and leaves what stood",
            "at the target.",
            END,
        ]
    )
    old = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    PAGE.write_text(
        old.sub(lambda _: section, text) if old.search(text) else f"{text.rstrip()}\n\n{section}\n", "utf-8"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--overwrites", type=int, default=10_000, help="for each mover")
    asked.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    asked.add_argument("--only", default="", help="movers whose name contains this")
    given = asked.parse_args()
    leave_when_told()
    with tempfile.TemporaryDirectory(prefix="torn-") as folder:
        stage = Stage(Path(folder))
        try:
            figures = run(stage, given.overwrites, given.only)
        finally:
            launcher.down(stage.box.directory)
    lines = table(figures)
    print("\n".join(lines))  # noqa: T201
    if given.write:
        write(lines)


def run(stage: Stage, overwrites: int, only: str) -> list[Figure]:
    """Every mover in turn, each with a container of its own."""
    movers: list[tuple[str, str, Callable[[str], Callable[[], int]]]] = [
        ("govlift, pull", "a", lambda c: stage.govlift(c, "pull", "wire")),
        ("govlift, stream", "b", lambda c: stage.govlift(c, "stream", "wire")),
    ]
    if AZCOPY.exists():
        movers += [
            ("AzCopy 10.32 as installed", "c", stage.azcopy),
            (
                "AzCopy 10.32 `--s2s-detect-source-changed`",
                "d",
                lambda c: stage.azcopy(c, "--s2s-detect-source-changed=true"),
            ),
        ]
    else:
        print("AzCopy is not installed: npm ci --prefix tests/oracle")  # noqa: T201
    figures = []
    for name, letter, make in movers:
        if only in name:
            container = f"{CONTAINER}-{letter}"
            # The container of the source has to be there before a mover is pointed at it.
            Adversary(stage.source, container).prepare()
            figures.append(stage.attack(name, container, overwrites, make(container)))
            print("\n".join(table(figures[-1:])[2:]), f"{figures[-1].seconds:.0f} s", flush=True)  # noqa: T201
    return figures


if __name__ == "__main__":
    main()
