"""The tools that are measured, each with the command of one case. Skipped by name where one is not installed."""

from __future__ import annotations

import ctypes.util
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blobd import ROOT
from benchmarks.cases import CONTAINER, Case
from benchmarks.measuring import Cost, Failed, run
from benchmarks.preparing import SECRET_ENV

AZCOPY = ROOT / "tests/oracle/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"
SOURCE, TARGET = "benchsource", "benchtarget"
SAS = "sv=2021-12-02&ss=b&srt=sco&sp=rwdlacupt&se=2099-01-01T00%3A00%3A00Z&spr=https&sig=YmVuY2htYXJr"
"""The service wants a SAS to be there and does not check its signature."""


class Missing(Exception):
    """A tool that is not installed; the message says how to have it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run happens."""

    folder: Path
    """Fresh for each run, but kept from the first copy to the re-sync."""
    environment: Mapping[str, str]
    ready: Callable[[], None] = lambda: None
    """Called when all is prepared: from here on latency, faults and counters are the run's."""

    containers: tuple[str, ...] = (CONTAINER,)

    @property
    def source(self) -> str:
        return f"https://{SOURCE}.blob.core.windows.net/{self._named}"

    @property
    def target(self) -> str:
        return f"https://{TARGET}.blob.core.usgovcloudapi.net/{self._named}"

    @property
    def _named(self) -> str:
        """The one container; "" is all of the account."""
        return self.containers[0] if len(self.containers) == 1 else ""


@dataclass(frozen=True, slots=True)
class Ran:
    """One measured run."""

    cost: Cost


@dataclass(frozen=True, slots=True)
class Tool:
    """How one tool carries out a case."""

    title: str
    run: Callable[[Case, Place], Ran]
    version: Callable[[], str]
    note: str = ""


def govlift(case: Case, place: Place, *, kind: str = "migrate", **copy: object) -> Ran:
    """Prepare with the product's own code, then measure its worker processes."""
    told = {"copy": copy, "source": SOURCE, "target": TARGET, "containers": place.containers}
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / "case.json").write_text(json.dumps(told), encoding="utf-8")
    environment = {**place.environment, SECRET_ENV: "secret", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.preparing", str(place.folder), kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr[-2000:]}")
    workers, word = done.stdout.splitlines()[-2:]
    return govlift_workers(place, word, int(workers), copies=kind == "migrate")


def govlift_workers(place: Place, word: str, workers: int, *, copies: bool) -> Ran:
    """Measure the workers of a run that is open, started as a command starts them and told the same word."""
    environment = {**place.environment, SECRET_ENV: "secret", "PYTHONPATH": str(ROOT)}
    config = str(place.folder / "migration.toml")
    words = ["--led", *(["--copies"] if copies else [])]
    commands = [[sys.executable, "-m", "flows.mover", config, "--number", str(n), *words] for n in range(workers)]
    cost = run(commands, environment, place.folder / "workers.log", word=word, ready=place.ready)
    _must_be_whole(place, json.loads(word)["run"])
    return Ran(cost)


def _must_be_whole(place: Place, run_id: str) -> None:
    """A run that is not whole is a failure."""
    from tasks.ledger import ledger_url, open_ledger

    with open_ledger(ledger_url(place.folder), create=False) as ledger:
        tally, states = ledger.reader.tally(run_id), ledger.reader.shard_states(run_id)
    left = {state.value: n for state, n in states.items() if n and state.value != "done"}
    if left or tally.failed or not tally.whole:
        raise Failed(f"govlift did not copy everything: shards {left}, {tally}")


def govlift_list(case: Case, place: Place) -> Ran:
    """The survey of one container, in a process of its own that starts with the clock."""
    told = {"copy": {}, "source": SOURCE, "target": TARGET, "containers": place.containers}
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / "case.json").write_text(json.dumps(told), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.preparing", str(place.folder), "survey"]
    environment = {**place.environment, SECRET_ENV: "secret", "PYTHONPATH": str(ROOT)}
    log = place.folder / "survey.log"
    cost = run([command], environment, log, ready=place.ready)
    return counted(cost, case, log)


def counted(cost: Cost, case: Case, log: Path) -> Ran:
    """A listing that did not count every object is a failure."""
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    if str(case.count) not in re.findall(r"\d+", said):
        raise Failed(f"{case.count} objects were to be counted: {said}")
    return Ran(cost)


def _azcopy(words: list[str], place: Place, *, tuned: bool = False) -> Ran:
    if not AZCOPY.exists():
        raise Missing("AzCopy is not installed: npm ci --prefix tests/oracle")
    if ctypes.util.find_library("secret-1") is None:
        raise Missing("AzCopy needs libsecret: apt-get install libsecret-1-0")
    place.folder.mkdir(parents=True, exist_ok=True)
    runnable = ROOT / "build" / "bench" / "azcopy"
    if not runnable.exists():
        shutil.copy(AZCOPY, runnable)  # The package leaves out the x bit.
        runnable.chmod(0o755)
    environment = {
        **place.environment,
        "HOME": str(place.folder),
        "AZCOPY_LOG_LOCATION": str(place.folder / "log"),
        "AZCOPY_JOB_PLAN_LOCATION": str(place.folder / "plan"),
    }
    if tuned:
        environment["AZCOPY_CONCURRENCY_VALUE"] = "300"
    command = [str(runnable), *words, "--skip-version-check", "--log-level=NONE"]
    place.ready()
    return Ran(run([command], environment, place.folder / "azcopy.log"))


def azcopy(case: Case, place: Place, *more: str) -> Ran:
    """`azcopy copy`, always a pull; with options, as many requests at once as its client lets through, too."""
    every = "/*" if len(place.containers) == 1 else ""
    urls = [f"{place.source}{every}?{SAS}", f"{place.target}?{SAS}"]
    return _azcopy(["copy", *urls, "--from-to=BlobBlob", "--recursive", *more], place, tuned=bool(more))


def azcopy_list(case: Case, place: Place) -> Ran:
    ran = _azcopy(["list", f"{place.source}?{SAS}", "--running-tally", "--machine-readable"], place)
    return counted(ran.cost, case, place.folder / "azcopy.log")


def azcopy_sync(case: Case, place: Place) -> Ran:
    urls = [f"{place.source}?{SAS}", f"{place.target}?{SAS}"]
    return _azcopy(["sync", *urls, "--from-to=BlobBlob", "--recursive"], place)


def _rclone() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise Missing("rclone is not installed beside this Python")
    return found


def rclone(case: Case, place: Place, *more: str, command: str = "copy", transfers: int = 64) -> Ran:
    place.folder.mkdir(parents=True, exist_ok=True)
    config = place.folder / "rclone.conf"
    sides = (("com", place.source), ("gov", place.target))
    config.write_text("".join(f"[{name}]\ntype = azureblob\nsas_url = {url}?{SAS}\n" for name, url in sides))
    words = [
        *(_rclone(), "--config", str(config), "--transfers", str(transfers), "--checkers", str(transfers)),
        *("--azureblob-no-check-container", "--retries", "3", "--stats", "0", *more),
    ]
    place.ready()
    named = place.containers[0] if len(place.containers) == 1 else ""
    told = [f"com:{named}", "--json"] if command == "size" else [f"com:{named}", f"gov:{named}"]
    return Ran(run([[*words, command, *told]], place.environment, place.folder / "rclone.log"))


def rclone_list(case: Case, place: Place) -> Ran:
    ran = rclone(case, place, "--fast-list", command="size")
    return counted(ran.cost, case, place.folder / "rclone.log")


def _azcopy_version() -> str:
    packed = AZCOPY.parents[2] / "package.json"
    return f"AzCopy {json.loads(packed.read_text(encoding='utf-8'))['version']}" if packed.exists() else ""


def _rclone_version() -> str:
    return subprocess.run([_rclone(), "version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]


def _govlift_version() -> str:
    from importlib.metadata import version

    return f"govlift {version('govlift')}"


SERVER_SIDE = ("--server-side-across-configs", "--no-check-dest", "--ignore-checksum", "--size-only")
STREAM = ("--disable", "copy", "--no-check-dest", "--ignore-checksum", "--size-only")
TUNED = ("--azureblob-chunk-size", "16M", "--multi-thread-streams", "0")
TOOLS: Mapping[str, Tool] = {
    "govlift-pull": Tool(
        "govlift, pull, proof L1", lambda c, p: govlift(c, p, route="pull", proof="L1"), _govlift_version
    ),
    "govlift-pull-l2": Tool(
        "govlift, pull, proof L2",
        lambda c, p: govlift(c, p, route="pull", proof="L2"),
        _govlift_version,
        "reads the source a second time",
    ),
    "govlift-stream": Tool(
        "govlift, stream, proof L2", lambda c, p: govlift(c, p, route="stream", proof="L2"), _govlift_version
    ),
    "govlift-resync": Tool(
        "govlift re-sync", lambda c, p: govlift(c, p, kind="resync", route="pull", proof="L1"), _govlift_version
    ),
    "govlift-list": Tool("govlift, survey of the container", govlift_list, _govlift_version),
    "azcopy-list": Tool("AzCopy list", azcopy_list, _azcopy_version),
    "rclone-list": Tool("rclone size --fast-list", rclone_list, _rclone_version),
    "azcopy": Tool("AzCopy copy", azcopy, _azcopy_version),
    "azcopy-nocheck": Tool(
        "AzCopy copy --check-length=false, AZCOPY_CONCURRENCY_VALUE=300",
        lambda c, p: azcopy(c, p, "--check-length=false"),
        _azcopy_version,
    ),
    "azcopy-sync": Tool("AzCopy sync", azcopy_sync, _azcopy_version),
    "rclone-pull": Tool("rclone, server-side, 64 transfers", lambda c, p: rclone(c, p, *SERVER_SIDE), _rclone_version),
    "rclone-pull-300": Tool(
        "rclone, server-side, 300 transfers", lambda c, p: rclone(c, p, *SERVER_SIDE, transfers=300), _rclone_version
    ),
    "rclone-stream": Tool("rclone, stream, 64 transfers", lambda c, p: rclone(c, p, *STREAM), _rclone_version),
    "rclone-stream-16": Tool(
        "rclone, stream, 16 transfers", lambda c, p: rclone(c, p, *STREAM, transfers=16), _rclone_version
    ),
    "rclone-stream-300": Tool(
        "rclone, stream, 300 transfers", lambda c, p: rclone(c, p, *STREAM, transfers=300), _rclone_version
    ),
    "rclone-stream-tuned": Tool(
        "rclone, stream, 16 MiB chunks, one thread a file, 8 transfers",
        lambda c, p: rclone(c, p, *STREAM, *TUNED, transfers=8),
        _rclone_version,
    ),
    "rclone-sync": Tool(
        "rclone sync --size-only, 64 checkers",
        lambda c, p: rclone(c, p, "--size-only", command="sync"),
        _rclone_version,
    ),
}
