"""A source and a target account in memory, one container, and runs over them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mappings.fidelity import same_headers
from mappings.objects import BlobType, EvidenceRow, HttpHeaders, Tally
from mappings.plan import CopyShard
from mappings.states import Change, Outcome
from tasks.copiers.engine import copy_shard
from tasks.copiers.journal import FileJournal
from tasks.copiers.routes import RouteBook
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress, ShardProgress
from tests.copiers.memory_cloud import Account, MemorySource, MemoryTarget

SHARD = CopyShard("src", "dst", "c", "", None, 0, 0, 0)


@dataclass(frozen=True)
class SmallRules(CopyRules):
    """Append blocks as small as the others, so that small blobs take several."""

    def append_block(self, size: int) -> int:
        return self.block


RULES = SmallRules(concurrency=3, block=8, whole_pull=16, pull_block=8, memory=40, pause=0.0)


class Pair:
    """Two accounts, the last manifest and the journals, as a migration keeps them."""

    def __init__(self, *, mode: str = "auto", rules: CopyRules = RULES) -> None:
        self.source, self.target = Account("src"), Account("dst")
        self.source.containers_["c"] = {}
        self.target.containers_["c"] = {}
        self.reader = MemorySource(self.source)
        self.writer = MemoryTarget(self.target, {"src": self.reader})
        self.routes = RouteBook(mode)  # type: ignore[arg-type]
        self.rules = rules
        self.manifest: list[EvidenceRow] = []
        self.folder = TemporaryDirectory(prefix="govlift-")
        self.attempts = 0
        self.tally = Tally()

    async def run(self, *, shard: CopyShard = SHARD, **rules: object) -> dict[tuple[str, str], EvidenceRow]:
        """One run; its rows become the manifest only if it ends well, as in a migration."""
        found: list[EvidenceRow] = []
        self.attempts += 1
        journal = self.journal()
        try:
            self.tally = await copy_shard(
                shard, self.reader, self.writer, iter(list(self.manifest)), found.append,
                replace(self.rules, **rules), self.routes, ShardProgress(Progress()), journal=journal,
            )  # fmt: skip
        except BaseException:
            self.die(journal)
            raise
        assert [row.key for row in found] == sorted(row.key for row in found), "rows come in key order"
        assert len({row.key for row in found}) == len(found), "one row per object"
        assert self.tally.whole
        listed = [row for row in found if row.change not in (Change.DELETED, Change.EXTRA)]
        assert self.tally.listed == len(listed) == sum(len(v) for v in self._listed().values())
        self.manifest = found
        journal.clear()
        return {(row.name, row.snapshot): row for row in found}

    def journal(self) -> FileJournal:
        """The journal of the next attempt."""
        return FileJournal(Path(self.folder.name), f"run-{self.attempts:03}")

    def die(self, journal: FileJournal) -> None:
        """What SIGKILL leaves of a journal: what was handed to the system, and nothing of what was held back."""
        journal._held.clear()
        journal.close()

    def _listed(self) -> Mapping[str, list[str]]:
        snapshots = self.source.snapshots
        return {name: ["", *(one.item.snapshot for one in snapshots.get(("c", name), []))]
                for name in self.source.containers_["c"]}  # fmt: skip

    def assert_equal(self, *, but: frozenset[str] = frozenset()) -> None:
        """The target holds what the source holds; names that the source has no more may stay."""
        left, right = self.source.state("c"), self.target.state("c")
        for key, wanted in left.items():
            if key[0] in but:
                continue
            found = right[key]
            assert found[:3] == wanted[:3], key
            assert same_headers(wanted[3], found[3]), key  # type: ignore[arg-type]
            assert found[4:] == wanted[4:], key
        extra = {name for name, _ in right} - {name for name, _ in left}
        reported = {row.name for row in self.manifest if row.change in (Change.DELETED, Change.EXTRA)}
        assert extra <= reported

    def writes(self) -> int:
        """Write requests at the target so far."""
        reads = {"list", "read", "head", "staged_blocks", "pulled", "page_ranges"}
        return sum(count for operation, count in self.target.calls.items() if operation not in reads)


def fill(pair: Pair) -> None:
    """One blob of each kind."""
    write = pair.source.write
    write("c", "a/small", b"hello", metadata={"Who": "x"}, tags={"k": "v"}, tier="Cool")
    write("c", "b/blocks", bytes(range(40)), label=False)
    write("c", "c/append", b"line\n" * 5, blob_type=BlobType.APPEND, sealed=True)
    write("c", "d/page", b"\0" * 512 + b"p" * 512 + b"\0" * 1024, blob_type=BlobType.PAGE)
    write("c", "e/empty", b"")
    write("c", "f/zero-page", b"\0" * 1024, blob_type=BlobType.PAGE)
    write("c", "g/label", b"label is wrong", headers=HttpHeaders(content_md5=b"\1" * 16), label=False)
    write("c", "h/snap", b"one")
    pair.source.take_snapshot("c", "h/snap")
    write("c", "h/snap", b"two longer than a block")
    pair.source.take_snapshot("c", "h/snap")
    write("c", "h/snap", b"three")


async def killed_at(pair: Pair, step: int) -> bool:
    """Run until request number `step`, then die: no manifest is finished. False if the run ended before."""
    count = 0

    def die(operation: str, name: str) -> None:
        nonlocal count
        count += 1
        if count >= step:
            raise asyncio.CancelledError

    pair.source.hook = pair.target.hook = die
    try:
        await pair.run()
    except asyncio.CancelledError:
        return True
    finally:
        pair.source.hook = pair.target.hook = None
    return False


def outcomes(rows: Mapping[tuple[str, str], EvidenceRow]) -> dict[str, Outcome]:
    return {name: row.outcome for (name, snapshot), row in rows.items() if not snapshot}
