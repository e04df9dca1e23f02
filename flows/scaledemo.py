"""`make scale-demo`: one migration on several machines, each a Prefect worker; one of them dies, and one joins.

Everything is real but the clouds and that the machines are process groups of this one: PostgreSQL holds the ledger and
Prefect's own database, a Prefect server hands out runs of the deployment `drain`, a work pool, process workers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import typer

from flows.console import command, hint, say, say_table
from flows.demo import environment_of, fresh, prefect_server, sides_of
from flows.demo_machines import Machine
from flows.demo_program import sample_sheet
from flows.observe import duration, start_logging
from flows.wiring import Bench, now
from mappings.errors import FixTheInput, GovliftError
from mappings.runs import RunKind
from mappings.states import RunState, ShardState
from tasks.manifests import check_evidence

if TYPE_CHECKING:
    from sandbox.postgres import Server

ESTATE = "sandbox.estates.crowd:estate"
MACHINES = 3
SLOW = 0.5
"""Seconds that each write takes at the target until all machines have joined: the demo must not be over before."""
_PATIENCE = 150.0


class Wrong(GovliftError):
    """The demo did not show what it should."""


def show(directory: Path) -> None:
    """Run the whole demo in `directory`, which is made anew.

    Raises:
        FixTheInput: there is no PostgreSQL on this machine, or the folder holds something else.
        Wrong: objects are missing, a worker did nothing, or the evidence does not agree.
    """
    from sandbox.launcher import down, up
    from sandbox.postgres import NoPostgres, postgres_server

    began = time.monotonic()
    # As Ctrl-C: nothing that was started here stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fresh(directory)
    with ExitStack() as stack:
        try:
            postgres = stack.enter_context(postgres_server())
        except NoPostgres as missing:
            raise FixTheInput(str(missing), next_step="Then run `make scale-demo` again.") from None
        # libpq reads the password from the environment of its own process.
        os.environ |= postgres.environment()
        say("PostgreSQL runs; it holds the ledger and Prefect's own database.")
        stack.callback(down, directory / "sandbox")
        state = up(directory / "sandbox", estate=ESTATE)
        demo = _Demo(directory.resolve(), state, postgres)
        wait = stack.enter_context(prefect_server(demo.folder, demo.environment))
        stack.enter_context(demo.ended())
        wait()
        demo.prepare()
        demo.migrate()
        demo.tell()
    say(f"\nDone in {duration(time.monotonic() - began)}.")


class _Demo:
    """The folder, the environment, the machines and the run."""

    def __init__(self, folder: Path, state: Mapping[str, Any], postgres: Server) -> None:
        self.folder, self.state = folder, state
        for database in ("ledger", "prefect"):
            postgres.create(database)
        repository = Path(__file__).resolve().parents[1]
        self.config = folder / "migration.toml"
        self.environment = environment_of(state, folder) | postgres.environment() | {
            "PREFECT_API_DATABASE_CONNECTION_URL": postgres.url("prefect", "asyncpg"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "GOVLIFT_HOME": str(repository),
            "GOVLIFT_CONFIG": str(self.config),
            "PYTHONPATH": str(repository),
        }  # fmt: skip
        self.config.write_text(_settings(state, postgres.url("ledger")), encoding="utf-8")
        (folder / "program.toml").write_text(sample_sheet(now().date()), encoding="utf-8")
        self.machines: list[Machine] = []
        self.leader: subprocess.Popen[str] | None = None
        self.victim: Machine | None = None
        self.summary: dict[str, Any] = {}

    def prepare(self) -> None:
        """What happens on the first machine before anything is copied, and the deployment for the others."""
        self._govlift("assess", expect=(0, 3))
        self._govlift("plan", "--json")
        for words in (
            ("work-pool", "create", "govlift", "--type", "process", "--overwrite"),
            ("deploy", "--name", "drain"),
        ):
            _run([sys.executable, "-m", "prefect", "--no-prompt", *words], self._loud())
        for _ in range(MACHINES):
            self._add_machine()

    def migrate(self) -> None:
        """Begin the run, let the machines join, kill one, add one, and wait for the end."""
        self._slow_down(SLOW)
        say("\n$ govlift migrate --apply   (leads the run, and works with one process itself)")
        with (self.folder / "migrate.log").open("w", encoding="utf-8") as log:
            self.leader = subprocess.Popen(
                self._words("migrate", "--apply", "--json"),
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        with Bench(self.config, environ=self.environment).ledger as ledger:
            reader = ledger.reader
            run = self._until(lambda: _running(reader), "the run to begin")
            self._until(lambda: reader.workers(run), "its own worker")
            for machine in self.machines:
                self._start_drain(machine, run)
            self._until(lambda: all(self._works(m, reader, run) for m in self.machines), "all machines to hold shards")
            self.victim = self.machines[1]
            pids = self.victim.kill()
            say(f"kill -9: {self.victim.name} with all that ran on it ({len(pids)} processes)")
            added = self._add_machine()
            self._start_drain(added, run)
            self._until(lambda: self._works(added, reader, run), f"{added.name} to hold shards")
            self._slow_down(0)
            hint("All have worked; the target answers at full speed again ...")
            out, _ = self.leader.communicate(timeout=_PATIENCE)
        if self.leader.returncode != 0:
            raise Wrong(
                f"`govlift migrate` ended with exit code {self.leader.returncode}.",
                next_step=f"Read {self.folder / 'migrate.log'}.",
            )
        self.summary = json.loads(out)

    def tell(self) -> None:
        """Who did what, from the ledger, and the proof that nothing is missing."""
        with Bench(self.config, environ=self.environment).ledger as ledger:
            reader = ledger.reader
            run = self.summary["run"]
            done = Counter(event.detail["owner"] for event in reader.events("shard.done"))
            taken = [e.detail for e in reader.events("shard.taken-over")]
            freed = sum(len(e.detail["shards"]) for e in reader.events("shards.freed"))
            workers = reader.workers(run)
            rows = [
                (self._where(w.pid), w.pid, f"{w.started:%H:%M:%S}", f"{(w.ended or w.seen):%H:%M:%S}", done[w.owner],
                 f"{w.objects:,}", "left" if w.ended else "died")
                for w in workers
            ]  # fmt: skip
            say("\nWho did what, from the ledger")
            say_table(("machine", "process", "joined", "last seen", "shards done", "objects", ""), rows)
            say(f"\nShards of dead workers that others took over: {freed + len(taken)}")
            states = reader.shard_states(run)
            problems = check_evidence(self.folder, reader)
            events = reader.head().events
        objects = self.summary["objects"]
        say("In = out: " + ", ".join(f"{name} {n:,}" for name, n in objects.items()))
        say(f"Shards: {states[ShardState.DONE]} done of {sum(states.values())}; {events} events in one unbroken chain")
        whole = all_is_there(objects) and not problems and freed + len(taken) > 0
        at_work = {row[0] for row in rows if row[4]}
        idle = [machine.name for machine in self.machines if machine is not self.victim and machine.name not in at_work]
        if not whole or idle or states[ShardState.DONE] != sum(states.values()):
            raise Wrong(
                f"It does not add up: {objects}, idle machines {idle}, evidence {problems}.",
                next_step=f"Read the logs in {self.folder}.",
            )

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Nothing that the demo has started outlives the block."""
        try:
            yield
        finally:
            if self.leader is not None and self.leader.poll() is None:
                self.leader.kill()
                self.leader.wait()
            for machine in self.machines:
                machine.kill()

    def _add_machine(self) -> Machine:
        machine = Machine.start(f"machine-{len(self.machines) + 1}", self.folder, self._loud())
        self.machines.append(machine)
        say(f"{machine.name}: prefect worker start --pool govlift --type process")
        return machine

    def _start_drain(self, machine: Machine, run: str) -> None:
        """Have the newest idle Prefect worker run the deployment `drain`: each takes one run at a time."""
        api = self.environment["PREFECT_API_URL"]
        with urlopen(f"{api}/deployments/name/drain/drain", timeout=30) as answer:
            deployment = json.load(answer)["id"]
        asked = {
            "parameters": {"config": str(self.config), "run": run, "workers": 1},
            "name": f"drain for {machine.name}",
        }
        headers = {"Content-Type": "application/json"}
        made = Request(f"{api}/deployments/{deployment}/create_flow_run", json.dumps(asked).encode(), headers)
        with urlopen(made, timeout=30) as answer:
            answer.read()

    def _works(self, machine: Machine, reader: Any, run: str) -> bool:
        """Whether a worker process of the machine holds a shard, or has finished one."""
        pids = machine.processes()
        return any(w.pid in pids and (w.shards or w.objects) for w in reader.workers(run))

    def _where(self, pid: int) -> str:
        return next((machine.name for machine in self.machines if pid in machine.seen), "leader")

    def _until(self, reached: Callable[[], Any], what: str) -> Any:
        until = time.monotonic() + _PATIENCE
        while not (found := reached()):
            if self.leader is not None and self.leader.poll() not in (None, 0):
                raise Wrong("`govlift migrate` has failed.", next_step=f"Read {self.folder / 'migrate.log'}.")
            if time.monotonic() > until:
                raise Wrong(f"Waited in vain for {what}.", next_step=f"Read the logs in {self.folder}.")
            time.sleep(0.3)
        return found

    def _slow_down(self, seconds: float) -> None:
        url = f"{self.state['control']}/faults"
        rule = json.dumps({"match": "government blob PUT", "delay": seconds}).encode()
        for request in [Request(url, method="DELETE"), *([Request(url, rule)] if seconds else [])]:
            with urlopen(request, timeout=10) as answer:
                answer.read()

    def _govlift(self, *words: str, expect: tuple[int, ...] = (0,)) -> None:
        say(f"\n$ govlift {' '.join(words)}")
        told = subprocess.run(self._words(*words), env=self.environment, stdout=subprocess.DEVNULL, check=False)
        if told.returncode not in expect:
            raise Wrong(f"`govlift {words[0]}` ended with exit code {told.returncode}.", next_step="Read above.")

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *words, "--config", str(self.config)]

    def _loud(self) -> dict[str, str]:
        return self.environment | {"PREFECT_LOGGING_LEVEL": "INFO"}


def all_is_there(objects: Mapping[str, int]) -> bool:
    """Whether every object listed has arrived: copied, or found equal after the worker that wrote it had died."""
    return objects["listed"] == objects["copied"] + objects["same"] and objects["copied"] > 0


def _running(reader: Any) -> str:
    runs = [run for run in reader.runs(RunKind.MIGRATE) if run.state is RunState.RUNNING]
    return runs[-1].id if runs else ""


def _run(words: list[str], environment: dict[str, str]) -> None:
    told = subprocess.run(
        words, env=environment, cwd=environment["GOVLIFT_HOME"], capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise Wrong(f"`{' '.join(words[2:])}` failed: {told.stderr[-500:]}", next_step="Read above.")


def _settings(state: Mapping[str, Any], ledger: str) -> str:
    return f"""\
{sides_of("crowd", "Crowd Township (sample)", state)}
[copy]
workers = 1
concurrency = 4
shard_objects = 100

[ledger]
url = "{ledger}"
"""


@command
def main() -> None:
    """For `make scale-demo`."""
    start_logging(verbose=False)
    show(Path(sys.argv[1] if len(sys.argv) > 1 else "build/scale-demo"))


if __name__ == "__main__":
    try:
        main()
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
