"""Migrations of one small town, killed at random and brought to their ends, and what must hold then."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from flows.wiring import Bench
from mappings.plan import CopyShard
from mappings.runs import RunKind
from mappings.states import RunState
from tasks.manifests import check_evidence
from tests.e2e.customer import Customer, repository
from tests.kills.estate import EXPECTED, PULLED, STREAMED

SETTINGS = "[copy]\nshard_objects = 100\nblock_mib = 1\nworkers = 2"
GONE_SECONDS = 20.0
"""In which a worker must have left once its leader is dead."""
MARK = "GOVLIFT_TEST_TOWN"


@dataclass
class Account:
    """What all kills of a session came to."""

    kills: Counter[str] = field(default_factory=Counter)
    migrations: int = 0
    resumed: list[float] = field(default_factory=list)
    """Seconds from the kill of a leader to the first write of the run that goes on, its start included."""
    redone: list[int] = field(default_factory=list)
    """Per migration: contents that were written more than once."""

    def __str__(self) -> str:
        waits = sorted(self.resumed)
        told = f"{sum(self.kills.values())} kills in {self.migrations} migrations\n  {dict(self.kills)}"
        if waits:
            told += (
                f"\n  first write after a leader's death: median {waits[len(waits) // 2]:.1f} s, most {waits[-1]:.1f} s"
            )
        objects, most = self.migrations * len(EXPECTED), max(self.redone or [0])
        return f"{told}\n  written again: {sum(self.redone)} of {objects} objects, most {most} in one migration"


@dataclass
class Town:
    """One migration of the estate, in a folder and to target accounts of its own."""

    customer: Customer
    number: int
    account: Account
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    deaths: list[float] = field(default_factory=list)
    """When its leaders died."""

    @classmethod
    def founded(cls, folder: Path, state: dict[str, Any], number: int, account: Account, ledger: Path) -> Town:
        """A migration that is assessed, with a plan of its own."""
        customer = Customer(folder, state)
        names = f'\n[target.account_names]\n{PULLED} = "kp{number:06d}"\n{STREAMED} = "ks{number:06d}"\n'
        customer.write_settings(customer.config.read_text("utf-8").replace("[copy]", SETTINGS) + names)
        if ledger.exists():
            shutil.copy(ledger, folder / "ledger.db")
        town = cls(customer, number, account)
        customer.environment |= {MARK: town.mark, "PYTHONPATH": str(repository())}
        account.migrations += 1
        return town

    def plan(self) -> None:
        self.customer.run("plan", "--json")

    def begin(self, word: str) -> subprocess.Popen[bytes]:
        """Begin a command as a process of its own group; what it says goes to a file."""
        log = (self.customer.folder / "log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.kills.plain", word, str(self.customer.config)],
                env=self.customer.environment,
                stdout=log,
                stderr=log,
                cwd=repository(),
                start_new_session=True,
            )

    def finish(self, word: str, seconds: float = 300) -> None:
        """Run a command to its end, which must be a good one."""
        process = self.begin(word)
        assert process.wait(timeout=seconds) == 0, self.log()

    def log(self) -> str:
        return (self.customer.folder / "log").read_text(errors="replace")[-4000:]

    # --- while it runs -----------------------------------------------------------------------------------------------

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the ledger without waiting for anybody; [] where it is not there yet."""
        place = f"file:{self.customer.folder / 'ledger.db'}?mode=ro"
        with suppress(sqlite3.Error), closing(sqlite3.connect(place, uri=True)) as raw:
            return raw.execute(query).fetchall()
        return []

    def processes(self) -> list[int]:
        """Every process of this migration that lives, whoever started it."""
        return [pid for pid, words in _marked(self.mark) if words]

    def movers(self) -> list[int]:
        """Its worker processes."""
        return [pid for pid, words in _marked(self.mark) if b"flows.mover" in words]

    def end(self) -> None:
        """Kill what is left, where a test has failed."""
        for pid in self.processes():
            _kill(pid)

    # --- afterwards --------------------------------------------------------------------------------------------------

    def must_be_gone(self) -> None:
        """No process of it is left a while after its leader died."""
        until = time.monotonic() + GONE_SECONDS
        while self.processes():
            assert time.monotonic() < until, f"{len(self.processes())} processes stayed behind\n{self.log()}"
            time.sleep(0.05)

    def must_be_whole(self) -> None:
        """In = out, every byte as it was, nothing copied again that was verified, manifests and chain unbroken."""
        with Bench(self.customer.config, environ=self.customer.environment).ledger as ledger:
            run = ledger.reader.runs(RunKind.MIGRATE)[-1]
            assert run.state is RunState.DONE, (run, self.log())
            rows = len(EXPECTED) + 2  # The snapshots of one blob.
            assert (run.tally.listed, run.tally.failed, run.tally.excluded, run.tally.whole) == (rows, 0, 0, True), run
            assert check_evidence(self.customer.folder, ledger.reader) == []
            done = [(CopyShard(**json.loads(b)), _when(at)) for b, at in self.asked(_DONE)]
        self._must_be_equal()
        self._must_be_written_once(done)
        self.must_be_gone()

    def _must_be_equal(self) -> None:
        for account, target in ((PULLED, f"kp{self.number:06d}"), (STREAMED, f"ks{self.number:06d}")):
            made = next(a for a in self.customer.control("/accounts")["government"] if a["name"] == target)
            may = ResourceTypes(object=True), AccountSasPermissions(read=True)
            sas = generate_account_sas(target, made["key"], *may, expiry="2036-01-01T00:00:00Z")
            with requests.Session() as session:
                session.proxies = {"https": self.customer.state["proxy"]}
                session.verify = self.customer.state["ca_bundle"]
                # Otherwise REQUESTS_CA_BUNDLE of the machine stands above what is said here.
                session.trust_env = False
                for (source, container, name), expected in EXPECTED.items():
                    if source == account:
                        url = f"{made['blob_endpoint'].rstrip('/')}/{container}/{name}?{sas}"
                        got = session.get(url, timeout=30)
                        assert got.status_code == 200 and got.content == expected, (container, name, got.status_code)

    def writes(self) -> Iterator[tuple[float, str, str, str, bool]]:
        """Writes to its target accounts: when, account, container, name, and whether a content came to be by it."""
        for at, line, status in self.customer.control("/journal"):
            _, _, method, where = line.split(" ", 3)
            parts = urlsplit(where)
            account, _, rest = unquote(parts.path).lstrip("/").partition("/")
            container, _, name = rest.partition("/")
            if account.endswith(f"{self.number:06d}") and name not in ("", "govlift-probe"):
                whole = "comp=" not in parts.query or "comp=blocklist" in parts.query
                yield at, account, container, name, method == "PUT" and status == 201 and whole

    def _must_be_written_once(self, done: list[tuple[CopyShard, float]]) -> None:
        """No write to a key range after its shard was recorded as done; also counts what was written again before."""
        contents: Counter[tuple[str, str]] = Counter()
        for at, account, container, name, whole in self.writes():
            for shard, when in done:
                here = (shard.target_account, shard.container) == (account, container) and shard.begin <= name
                late = here and (shard.end is None or name < shard.end) and at > when
                assert not late, f"{container}/{name} was written {at - when:.3f} s after {shard.id} was verified"
            # Each snapshot of a blob is a content of its own.
            if whole and name != "versions":
                contents[container, name] += 1
        assert len(contents) == len({key for key in EXPECTED if key[2] != "versions"}), (
            "every blob was seen to be written"
        )
        self.account.redone.append(sum(number - 1 for number in contents.values()))

    def measure(self) -> None:
        """How long it was from each death of a leader to the first write of the run that went on."""
        writes = sorted(at for at, *_ in self.writes())
        for death, next_one in pairwise([*self.deaths, float("inf")]):
            self.account.resumed += [at - death for at in writes if death < at < next_one][:1]


_DONE = """select s.body, e.at from event e join shard s on s.shard_id = json_extract(e.detail, '$.shard')
and s.run_id = json_extract(e.detail, '$.run') where e.kind = 'shard.done'"""


def _when(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def _marked(mark: str) -> Iterator[tuple[int, bytes]]:
    """Live processes that carry the mark of a migration in their environment, with their arguments."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes():
                    yield int(entry.name), (entry / "cmdline").read_bytes()


@dataclass(frozen=True)
class Moment:
    """A point of a run at which something is killed."""

    name: str
    reached: Callable[[Town], bool]
    spread: float
    """Seconds after it, at random, in which the kill comes."""


def _any(query: str) -> Callable[[Town], bool]:
    return lambda town: bool(town.asked(query))


_LAST = "(select id from run order by number desc limit 1)"
MOMENTS = (
    Moment("start", lambda town: True, 2.5),
    Moment("provisioning", _any("select 1 from step where state != 'pending'"), 0.6),
    Moment("copying", _any(f"select 1 from shard where state != 'pending' and run_id = {_LAST}"), 1.0),
    Moment("finishing", _any(f"select 1 from shard where state = 'done' and run_id = {_LAST}"), 0.6),
    Moment(
        "verifying",
        _any(
            f"select 1 from run where id = {_LAST} and kind = 'migrate' and state = 'running' "
            "and exists (select 1 from shard where run_id = run.id) "
            "and not exists (select 1 from shard where run_id = run.id and state != 'done')"
        ),
        0.8,
    ),
)


def strike(town: Town, running: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Wait for a moment of the run and kill something; returns whether the run has ended with that."""
    moment = chance.choice(MOMENTS)
    until = time.monotonic() + 240
    while running.poll() is None and not moment.reached(town):
        assert time.monotonic() < until, f"{moment.name} was never reached\n{town.log()}"
        time.sleep(0.01)
    time.sleep(chance.uniform(0, moment.spread))
    victim = chance.choice(("worker", "leader", "all", "asked"))
    movers = town.movers()
    if running.poll() is not None:
        return True
    if victim == "worker" and movers:
        _kill(chance.choice(movers))
        town.account.kills[f"worker while {moment.name}"] += 1
        return False
    killed = time.time()
    if victim == "asked":
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=90) in (0, 8, -signal.SIGTERM), town.log()
    else:
        for pid in movers if victim == "all" else []:
            _kill(pid)
        running.kill()
        running.wait()
    town.account.kills[f"{'leader' if victim == 'worker' else victim} while {moment.name}"] += 1
    town.must_be_gone()
    town.deaths.append(killed)
    return True


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
