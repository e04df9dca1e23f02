"""`govlift demo`: the real commands, one after the other, against the sandbox; every exit code is checked."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.console import hint, say, say_table
from flows.demo_program import sample_sheet
from flows.observe import PREFECT_ENVIRONMENT, duration
from flows.wiring import now
from mappings.errors import ExitCode, FixTheInput, GovliftError, TryLater

MARK = ".govlift-demo"
SAMPLE = "hollis-county"
"""The estate with owners of its own; any other only changes in its blobs."""


class Unexpected(GovliftError):
    """A stage of the demo did not end as it should."""


@dataclass
class Stage:
    """One command of the demo and how it went."""

    words: list[str]
    seconds: float = 0.0
    code: int = 0
    output: dict[str, Any] = field(default_factory=dict)


async def show(directory: Path, *, estate: str) -> int:
    """Run the whole demo in `directory`, which is made anew.

    Returns:
        The exit code: 0 where every stage ended as it should.

    Raises:
        FixTheInput: the folder holds something else.
    """
    from sandbox.estates.changes import change_source
    from sandbox.estates.owner import change_resources
    from sandbox.launcher import down, up

    began = time.monotonic()
    # As Ctrl-C: nothing that was started here stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fresh(directory)
    sandbox = directory / "sandbox"
    say("Two clouds on this machine, and a county that must move from one to the other.\n")
    state = up(sandbox, estate=estate)
    try:
        _close_to_pulls(state)
        environment = environment_of(state, directory)
        (directory / "migration.toml").write_text(settings_of(state, environment), encoding="utf-8")
        (directory / "program.toml").write_text(sample_sheet(now().date()), encoding="utf-8")
        with prefect_server(directory, environment) as wait:
            stages = _Stages(directory, environment)
            stages.run("doctor")
            wait()
            _first_copy(stages)
            writes = _source_writes(state)
            say("\nThe county goes on working: the source changes.")
            changed = change_source(state)
            before = _source_writes(state)
            resynced = stages.run("resync", "--apply", "--json")
            if estate == SAMPLE:
                change_resources(state)
                say("\nIts owners act on the first report; the next one says what changed since.")
                stages.run("assess", expect=ExitCode.FINDINGS)
            stages.run("evidence", "verify")
            writes += _source_writes(state) - before
        _close(directory, stages, changed, resynced, writes, time.monotonic() - began)
    finally:
        down(sandbox)
    return int(ExitCode.OK)


def _first_copy(stages: _Stages) -> None:
    # The sample customer has classic resources and a group that may not be read: findings are the right answer.
    stages.run("assess", expect=ExitCode.FINDINGS)
    # The program sheet of a sample customer lies beside its migration.toml; without it nothing may be written.
    stages.run("program", "check", "--phase", "before-wave")
    stages.run("packages")
    plan = stages.run("plan", "--json").output["id"]
    stages.run("migrate", "--plan", plan, "--apply", "--json")
    stages.run("verify", "--level", "L3", "--sample", "0.05", "--json")


class _Stages:
    """Runs the commands as a person would, and keeps what they said."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        # Not a copy: the address of the Prefect server comes later.
        self.environment = environment
        self.all: list[Stage] = []

    def run(self, *words: str, expect: ExitCode = ExitCode.OK) -> Stage:
        stage = Stage([*words])
        say(f"\n$ govlift {' '.join(words)}")
        sys.stdout.flush()
        began = time.monotonic()
        told = subprocess.run(
            [sys.executable, "-m", "flows.cli", *words, "--config", str(self.directory / "migration.toml")],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        stage.seconds, stage.code = time.monotonic() - began, told.returncode
        self.all.append(stage)
        if "--json" in words and told.stdout.strip():
            stage.output = json.loads(told.stdout)
            say(_essence(stage.output))
        else:
            say(told.stdout.rstrip())
        if told.returncode != expect:
            raise Unexpected(
                f"`govlift {' '.join(words)}` ended with exit code {told.returncode} instead of {int(expect)}.",
                next_step=f"Read the lines above and the logs in {self.directory / 'sandbox' / 'logs'}.",
            )
        return stage


def _essence(output: Mapping[str, Any]) -> str:
    """The part of a JSON answer that fits on a screen."""
    keys = ("id", "state", "detail", "changes", "objects", "bytes", "routes", "proof", "seconds")
    return "\n".join(f"  {key}: {output[key]}" for key in keys if key in output)


def _close_to_pulls(state: Mapping[str, Any]) -> None:
    """Put the smallest account of the sample customer behind a firewall: no other service may read it by URL.

    So the demo shows both routes, and the probe that tells them apart.
    """
    for account in state["commercial"]["storage"]:
        if account["name"] == "holliscourts":
            rule = {"cloud": "commercial", "account": account["name"], "allow_pull": False}
            request = urllib.request.Request(f"{state['control']}/network", json.dumps(rule).encode())
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
            say(f"The storage account {account['name']} stands behind a firewall: nothing can be pulled from it.")


def fresh(directory: Path) -> None:
    """Make the folder anew; a folder that the demo did not make is left alone."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if not (directory / MARK).exists():
            raise FixTheInput(f"{directory} holds something else.", next_step="Choose another folder.")
        from sandbox.launcher import down

        down(directory / "sandbox")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).touch()


def environment_of(state: Mapping[str, Any], directory: Path) -> dict[str, str]:
    """The environment of the commands: the sandbox's proxy and certificates, the secrets, Prefect's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    # HTTP_PROXY stays unset: the Prefect server answers on plain http, on this machine.
    keys = {_key_variable(name): key for name, key in _classic_keys(state).items()}
    return (
        kept
        | PREFECT_ENVIRONMENT
        | {
            "HTTPS_PROXY": state["proxy"],
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": state["ca_bundle"],
            "SSL_CERT_FILE": state["ca_bundle"],
            "GOVLIFT_SOURCE_SECRET": state["commercial"]["client_secret"],
            "GOVLIFT_TARGET_SECRET": state["government"]["client_secret"],
            "PREFECT_HOME": str((directory / "prefect").resolve()),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        }
        | keys
    )


def _classic_keys(state: Mapping[str, Any]) -> dict[str, str]:
    return {a["name"]: a["key"] for a in state["commercial"]["storage"] if a.get("classic")}


def _key_variable(account: str) -> str:
    return f"GOVLIFT_SOURCE_KEY_{account.upper()}"


def sides_of(name: str, customer: str, state: Mapping[str, Any], *, source: str = "") -> str:
    """The part of a migration.toml that says who moves from where to where, for a sandbox as `up` tells of it.

    Args:
        source: more tables of the source, as TOML.
    """
    here, there = state["commercial"], state["government"]
    return f"""\
name = "{name}"
customer = "{customer}"

[source]
cloud = "AzureCloud"
tenant_id = "{here["tenant_id"]}"
subscriptions = {json.dumps(here["subscriptions"])}

[source.credential]
client_id = "{here["client_id"]}"
secret_env = "GOVLIFT_SOURCE_SECRET"
{source}
[target]
cloud = "AzureUSGovernment"
tenant_id = "{there["tenant_id"]}"
subscription = "{there["subscriptions"][0]}"

[target.credential]
client_id = "{there["client_id"]}"
secret_env = "GOVLIFT_TARGET_SECRET"
"""


def settings_of(state: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """migration.toml of the sample customer."""
    keys = "".join(
        f'\n[[source.shared_keys]]\naccount = "{name}"\nkey_env = "{_key_variable(name)}"\n'
        for name in _classic_keys(state)
    )
    return f"""\
{sides_of("hollis-county", "Hollis County (sample)", state, source=keys)}
[copy]
route = "auto"
proof = "L2"
concurrency = 16

[assess]
# Words that the county does not want in names of the target, besides those of the catalogue.
name_words = ["docket", "whistleblower"]
# The container "docket" stays: the docket is a public record, and the Clerk agreed on 2026-10-02.
name_allow = ["docket"]
"""


@contextmanager
def prefect_server(directory: Path, environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """One Prefect server for the whole demo, ended with the block.

    Yields:
        A function that waits until the server answers, and puts its address into `environment`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    hint("Prefect starts beside it (half a minute on two cores) ...")
    with (directory / "prefect.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:

            def wait() -> None:
                _wait_for(f"{api}/health", server, seconds=240)
                environment["PREFECT_API_URL"] = api
                environment["PREFECT_LOGGING_LEVEL"] = "CRITICAL"

            yield wait
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise TryLater("The Prefect server of the demo did not start.", next_step="Read prefect.log in the demo's folder.")


def _source_writes(state: Mapping[str, Any]) -> int:
    """Write requests that the source's storage has seen so far."""
    with urllib.request.urlopen(f"{state['control']}/counters", timeout=10) as answer:
        return int(json.load(answer)["commercial"]["blob"]["write"])


def _close(
    directory: Path, stages: _Stages, changed: Mapping[str, Any], resynced: Stage, writes: int, seconds: float
) -> None:
    say("\nWhat each command took")
    say_table(("command", "seconds"), [(" ".join(s.words[:1]), f"{s.seconds:.1f}") for s in stages.all])
    found = resynced.output.get("changes", {})
    say("\nWhat the source changed, and what the re-sync found")
    say_table(("change", "made", "found"), [(kind, n, found.get(kind, 0)) for kind, n in changed["counts"].items()])
    say(f"\nWrite requests that the source accounts saw from govlift: {writes}")
    if writes or any(found.get(kind, 0) != n for kind, n in changed["counts"].items()):
        raise Unexpected(
            "The re-sync did not find what was changed, or the source was written to.", next_step="See above."
        )
    say(f"\nDone in {duration(seconds)}. Look at:")
    for name, what in (
        ("report.html", "the report: verdicts, blockers, packages, what moved, how it is proved, what changed since"),
        ("report.pdf", "its summary on one page"),
        ("report.xlsx", "every row as a workbook, a sheet per service family"),
        ("report", "every table as CSV and Parquet, with an index of digests"),
        ("report.json", "the whole report for programs; its schema is docs/report.schema.json"),
        ("evidence", "one manifest per shard and run: one row per object"),
        ("ledger.db", "runs, plans, shards and the hash chain"),
    ):
        say(f"  {directory / name}  {what}")


def main() -> None:
    """For `python -m flows.demo`."""
    raise SystemExit(asyncio.run(show(Path("build/demo"), estate=SAMPLE)))
