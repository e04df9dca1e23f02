"""Migrations of one small town that can be killed at any point, and what must hold at their ends."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from flows.failing import standing_failures
from flows.planning import make
from flows.wiring import Bench
from mappings.evidence import Event
from mappings.plan import CopyShard
from mappings.runs import RunKind
from mappings.states import RunState
from tasks.copiers.journal import SUFFIX, FileJournal
from tasks.manifests import check_evidence, read_manifest
from tests.e2e.customer import Customer, repository
from tests.kills.account import Account
from tests.kills.estate import EXPECTED, LARGE_HOT, PULLED, SMALL_HOT, STREAMED, Key
from tests.kills.requests_seen import CONCURRENCY, Death, Proved, Seen, asked_again, redone, seen, waits
from tests.kills.source import Source, opened, sas_of

SETTINGS = "[copy]\nshard_objects = 100\nblock_mib = 1\nworkers = 2"
GONE_SECONDS = 20.0
"""In which a worker must have left once its leader is dead."""
MARK = "GOVLIFT_TEST_TOWN"
RUNNING = "(select id from run where state = 'running' order by number desc limit 1)"
BEGUN = "select count(*) from event where kind in ('run.begun', 'run.resumed')"


@dataclass
class Town:
    """One migration of the estate, in a folder and to target accounts of its own."""

    customer: Customer
    number: int
    source: Source
    account: Account
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    deaths: list[Death] = field(default_factory=list)
    resumed: list[tuple[float, float]] = field(default_factory=list)
    """Start and end of each command that went on with a copy that had been interrupted."""
    interrupted: bool = False
    """Whether the last command was."""
    goes_on: bool = False
    """Whether it went on with such a copy."""
    proved: Proved = field(default_factory=lambda: defaultdict(dict))
    word: str = ""
    """The last command."""
    runs: int = 0
    """Runs that had begun, or gone on, before it."""
    _keys: dict[str, str] = field(default_factory=dict)
    _overwrites: int = 0
    """Of the source before it began."""

    @classmethod
    def founded(cls, folder: Path, number: int, source: Source, account: Account, ledger: Path) -> Town:
        """A migration with the ledger of another that was assessed, where there is one."""
        customer = Customer(folder, dict(source.state))
        names = f'\n[target.account_names]\n{PULLED} = "kp{number:06d}"\n{STREAMED} = "ks{number:06d}"\n'
        customer.edit_settings("concurrency = 16", f"concurrency = {CONCURRENCY}")
        customer.edit_settings("[copy]", SETTINGS)
        customer.write_settings(customer.config.read_text("utf-8") + names)
        if ledger.exists():
            shutil.copy(ledger, folder / "ledger.db")
        town = cls(customer, number, source, account, _overwrites=source.overwrites)
        customer.environment |= {MARK: town.mark, "PYTHONPATH": str(repository())}
        account.migrations += 1
        return town

    @property
    def targets(self) -> dict[str, str]:
        """Target account -> source account."""
        return {f"kp{self.number:06d}": PULLED, f"ks{self.number:06d}": STREAMED}

    def plan(self) -> None:
        make(self.customer.config)

    def begin(self, word: str, *, shown: bool = False) -> subprocess.Popen[bytes]:
        """Begin a command as a process of its own group; what it says goes to a file.

        Args:
            shown: the real command, with Prefect; else the same work without it.
        """
        program = ["flows.cli", word, *([] if word == "assess" else ["--apply"]), "--config"]
        self.word, self.runs = word, self.count(BEGUN)
        self.goes_on = self.interrupted and self.count(f"select count(*) from shard where run_id = {RUNNING}") > 0
        with (self.customer.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *(program if shown else ["tests.kills.plain", word]), str(self.customer.config)],
                env=self.customer.environment,
                stdout=log,
                stderr=log,
                cwd=repository(),
                start_new_session=True,
            )

    def finish(self, word: str, *, shown: bool = False, good: Iterable[int] = (0,)) -> None:
        """Run a command to its end, which must be a good one."""
        start = time.time()
        code = self.begin(word, shown=shown).wait(timeout=300)
        self.ended(start, code)
        assert code in good, (code, self.log())
        self.must_be_gone()

    def ended(self, start: float, code: int) -> None:
        """Note the end of a command that began at `start`."""
        if self.goes_on:
            self.resumed.append((start, time.time()))
        # 3 (findings) and 4 (objects failed) also are ends of what came to its end.
        self.interrupted = code not in (0, 3, 4)

    def log(self) -> str:
        """What its commands said last, and what stands as failed."""
        bench = Bench(self.customer.config, environ=self.customer.environment)
        failed = [f"{one.container}/{one.name}: {one.reason}" for one in islice(standing_failures(bench), 5)]
        return "\n".join([(self.customer.folder / "log").read_text(errors="replace")[-4000:], *failed])

    # --- while it runs -----------------------------------------------------------------------------------------------

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the ledger without waiting for anybody; [] where it is not there yet."""
        place = f"file:{self.customer.folder / 'ledger.db'}?mode=ro"
        with suppress(sqlite3.Error), closing(sqlite3.connect(place, uri=True)) as raw:
            return raw.execute(query).fetchall()
        return []

    def count(self, query: str) -> int:
        return int(next(iter(self.asked(query)), (0,))[0])

    def phase(self) -> str:
        """What the last command is doing."""
        if self.count(BEGUN) == self.runs:
            return f"{self.word}: starting"
        if self.word == "assess":
            return "assess: listing"
        run, state = self.asked("select id, state from run order by number desc limit 1")[0]
        shards = dict(self.asked(f"select state, count(*) from shard where run_id = '{run}' group by state"))
        if state != "running":
            told = "ending"
        elif not shards:
            told = "provisioning"
        elif shards.get("leased"):
            told = "copying"
        elif shards.get("pending"):
            told = "about to copy"
        else:
            told = "verifying"
        return f"{self.word}: {told}"

    def processes(self) -> list[int]:
        """Every process of this migration that lives, whoever started it."""
        return [pid for pid, words in _marked(self.mark) if words]

    def movers(self) -> list[int]:
        """Its worker processes."""
        return [pid for pid, words in _marked(self.mark) if b"flows.mover" in words]

    def end(self) -> None:
        """Kill what is left, where a test has failed."""
        for pid in self.processes():
            killed(pid)

    def strike(self, running: subprocess.Popen[bytes], movers: Iterable[int] = (), *, leader: bool = False) -> None:
        """SIGKILL for some workers, and then for their leader or not."""
        phase, held = self.phase(), self.held()
        hit = [pid for pid in movers if killed(pid)]
        at = time.time()
        for _ in hit:
            self.account.kills["worker", phase] += 1
        if leader:
            running.kill()
            if running.wait() == -signal.SIGKILL:
                self.account.kills["leader", phase] += 1
        shards = (shard for pid, shard in held if leader or pid in hit)
        self.died(Death(at, frozenset(shards)), wholly=leader)

    def dismiss(self, running: subprocess.Popen[bytes]) -> None:
        """SIGTERM for the leader."""
        held = self.held()
        at = time.time()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=90) in (0, 4, 8, -signal.SIGTERM), self.log()
        self.account.leaves += 1
        self.died(Death(at, frozenset(shard for _, shard in held)), wholly=True)

    def seen(self) -> list[Seen]:
        """Every request for content so far."""
        return seen(self.customer.control("/journal"), self.targets)

    def held(self) -> list[tuple[int, str]]:
        """Worker process and shard, of all that are held."""
        held = self.asked("select owner, shard_id from shard where state = 'leased'")
        return [(int(owner.split(":")[1].partition("@")[0]), shard) for owner, shard in held]

    def died(self, death: Death, *, wholly: bool) -> None:
        """Note a death, and look at what it left behind.

        Args:
            wholly: the leader is gone, too.
        """
        self.deaths.append(death)
        if wholly:
            self.must_be_gone()
            self.must_hold_whole_generations()
        self._learn_from_journals()

    def _learn_from_journals(self) -> None:
        """What the workers have written down as proved by now."""
        folders = {path.parent for path in (self.customer.folder / "evidence").rglob(f"*{SUFFIX}")}
        for folder in folders:
            # One that has just been removed says nothing; its manifest will.
            with suppress(FileNotFoundError):
                journal = FileJournal(folder, "none")
                read = time.time()
                account, container = folder.parts[-3:-1]
                for key in EXPECTED:
                    if key[:2] == (account, container):
                        for row in journal.finished(key[2]):
                            self._is_proved(key, row.source_etag, read)

    def _learn_from_manifests(self, ends: Iterable[Event]) -> None:
        for one in ends:
            path = str(one.detail["manifest"] or "")
            if path:
                since = one.at.timestamp()
                account, container = Path(path).parts[1:3]
                for row in read_manifest(self.customer.folder / path):
                    if row.target_etag and row.is_base and row.proof is not None:
                        self._is_proved((account, container, row.name), row.source_etag, since)

    def _is_proved(self, key: Key, etag: str, since: float) -> None:
        self.proved[key][etag] = min(since, self.proved[key].get(etag, since))

    # --- afterwards --------------------------------------------------------------------------------------------------

    def must_be_gone(self) -> None:
        """No process of it is left a while after its leader died."""
        until = time.monotonic() + GONE_SECONDS
        while self.processes():
            assert time.monotonic() < until, f"{len(self.processes())} processes stayed behind\n{self.log()}"
            time.sleep(0.05)

    def must_be_whole(self, kind: RunKind = RunKind.MIGRATE) -> None:
        """In = out, every byte as at the source, nothing done again that was proved, manifests and chain whole."""
        self.must_be_gone()
        with Bench(self.customer.config, environ=self.customer.environment).ledger as ledger:
            run = ledger.reader.runs(kind)[-1]
            assert run.state is RunState.DONE, (run, self.log())
            rows = len(EXPECTED) + 2  # The snapshots of one blob.
            assert (run.tally.listed, run.tally.failed, run.tally.excluded, run.tally.whole) == (rows, 0, 0, True), run
            assert check_evidence(self.customer.folder, ledger.reader) == []
            shards = [record.shard for record in ledger.reader.shards(run.id)]
            ends = [one for kind in ("shard.done", "shard.failed") for one in ledger.reader.events(kind)]
        self._learn_from_manifests(ends)
        self._must_be_done_once(shards)
        for key, (data, _) in self._read(EXPECTED):
            assert data == self.source.now(key), f"{'/'.join(key)} is not what the source holds"

    def must_hold_whole_generations(self) -> None:
        """Whatever stands at the target now is one generation of its object, content and metadata."""
        for key, (data, number) in self._read((*SMALL_HOT, *LARGE_HOT)):
            assert data is None or self.source.is_whole(key, data, number), f"{'/'.join(key)} is torn"
            self.account.torn_looked_for += data is not None

    def _read(self, keys: Iterable[Key]) -> Iterator[tuple[Key, tuple[bytes | None, int]]]:
        """Content and number of generation of objects at the target; None and 0 where there is none."""
        targets = {source: target for target, source in self.targets.items()}
        if not self._keys.keys() >= self.targets.keys():
            made = self.customer.control("/accounts")["government"]
            self._keys = {one["name"]: one["key"] for one in made if one["name"] in self.targets}
        sas = {name: sas_of(name, key) for name, key in self._keys.items()}
        with opened(self.source.state) as session:
            for key in keys:
                account, container, name = targets[key[0]], *key[1:]
                if account not in sas:
                    yield key, (None, 0)
                    continue
                url = f"https://{account}.blob.core.usgovcloudapi.net/{container}/{name}?{sas[account]}"
                answer = session.get(url, timeout=30)
                assert answer.status_code in (200, 404), (key, answer.status_code)
                found = answer.content if answer.status_code == 200 else None
                yield key, (found, int(answer.headers.get("x-ms-meta-generation", 0)))

    def _must_be_done_once(self, shards: list[CopyShard]) -> None:
        """Nothing that was proved is asked for again, and what a death costs is bounded."""
        found = self.seen()
        assert {one.key for one in found if one.write} == set(EXPECTED), "every object was seen to be written"
        again = asked_again(found, self.proved, self.source)
        assert not again, again[:5]
        self.account.deaths += len(self.deaths)
        self.account.redone += redone(found, self.deaths, shards).values()
        self.account.waits += waits(found, self.resumed)
        self.account.overwrites += self.source.overwrites - self._overwrites
        self.account.must_hold()


def killed(pid: int) -> bool:
    """SIGKILL; returns whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _marked(mark: str) -> Iterator[tuple[int, bytes]]:
    """Live processes that carry the mark of a migration in their environment, with their arguments."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes():
                    yield int(entry.name), (entry / "cmdline").read_bytes()
