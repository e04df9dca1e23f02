"""One customer's migration folder on the sandbox, driven by the real command as a person would."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from azure.storage.blob import BlobServiceClient

from flows.demo import environment_of, settings_of
from flows.demo_program import sample_sheet
from flows.wiring import now
from mappings.plan import CopyShard, CreateStorageAccount
from tests.e2e.warm import Warm

SETTINGS = ("migration.toml", "program.toml")


@dataclass
class Ran:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Customer:
    """A migration folder and the environment of its commands."""

    folder: Path
    state: dict[str, Any]
    api: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    begun: list[subprocess.Popen[str] | Warm] = field(default_factory=list)
    planned: Path | None = None
    """Folder of another customer who has assessed and planned the same estate."""
    cold: bool = False
    """Every command is a process from the start of its interpreter on, as it is for a person."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = environment_of(self.state, self.folder)
        if self.api:
            self.environment |= {"PREFECT_API_URL": self.api, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
        self.write_settings(settings_of(self.state, self.environment))
        # Without a program sheet nothing may be written to the target.
        (self.folder / "program.toml").write_text(sample_sheet(now().date()), encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "migration.toml"

    def write_settings(self, text: str) -> None:
        self.config.write_text(text, encoding="utf-8")

    def edit_settings(self, old: str, new: str) -> None:
        text = self.config.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in migration.toml"
        self.write_settings(text.replace(old, new))

    def command(self, *words: str) -> list[str]:
        """As a person begins it."""
        return [sys.executable, "-m", "flows.cli", *words, "--config", str(self.config)]

    def run(self, *words: str, expect: int | None = 0, **environment: str) -> Ran:
        """Run `govlift WORDS` to its end."""
        begun = self.begin(*words, **environment)
        try:
            out, err = begun.communicate(timeout=240)
        except BaseException:
            begun.kill()
            raise
        assert begun.returncode is not None
        ran = Ran(begun.returncode, out, err)
        if expect is not None:
            assert ran.code == expect, f"govlift {' '.join(words)} -> {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def begin(
        self, *words: str, first: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str] | Warm:
        """Begin `govlift WORDS` and leave it running.

        Args:
            first: what its process does before; not of one that begins cold.
        """
        environment = self.environment | environment
        begun: subprocess.Popen[str] | Warm
        if self.api and not self.cold:
            begun = Warm([*words, "--config", str(self.config)], environment, self.folder, first)
        else:
            assert first is None
            pipe = subprocess.PIPE
            begun = subprocess.Popen(
                self.command(*words), env=environment, stdout=pipe, stderr=pipe, text=True, cwd=self.folder
            )
        self.begun.append(begun)
        return begun

    def end(self) -> None:
        """Kill what was begun and still runs, where a test has failed."""
        for one in self.begun:
            if one.poll() is None:
                one.kill()
                one.communicate()

    def assessed_and_planned(self) -> str:
        """The id of a plan made the ordinary way: by somebody else, where estate and settings are the same."""
        if self.planned and not (self.folder / "ledger.db").exists() and self._settings_of(self.planned):
            copied(self.planned, self.folder)
            return str(self.plan().id)
        self.run("assess", expect=3)
        return str(self.run("plan", "--json").json["id"])

    def _settings_of(self, folder: Path) -> bool:
        return all((folder / name).read_bytes() == (self.folder / name).read_bytes() for name in SETTINGS)

    def twin(self, folder: Path) -> Customer:
        """The same customer with a copy of the folder, on the same clouds."""
        copied(self.folder, folder)
        return Customer(folder, self.state, self.api)

    def control(self, path: str, *, post: Any = None, method: str | None = None) -> Any:
        """Ask the sandbox's control endpoint."""
        body = None if post is None else json.dumps(post).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(self.state["control"] + path, data=body, method=method, headers=headers)
        with urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def counters(self) -> Any:
        return self.control("/counters")

    def newest_flow_run(self, flow: str) -> str:
        """State type that Prefect gives the newest run of a flow."""
        asked = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC", "limit": 1}
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.api}/flow_runs/filter", data=json.dumps(asked).encode(), headers=headers)
        with urlopen(request, timeout=10) as answer:
            return str(json.load(answer)[0]["state_type"])

    def source_writes(self) -> int:
        return int(self.counters()["commercial"]["blob"]["write"])

    def target_writes(self) -> int:
        return int(self.counters()["government"]["blob"]["write"])

    def storage(self, cloud: str, account: str) -> BlobServiceClient:
        """A client that may do anything to one account: the customer at work, or somebody who should not be."""
        made = next(a for a in self.control("/accounts")[cloud] if a["name"] == account)
        return BlobServiceClient(
            made["blob_endpoint"],
            credential={"account_name": account, "account_key": made["key"]},
            proxies={"https": self.state["proxy"]},
            connection_verify=self.state["ca_bundle"],
        )

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Details of the events of a kind, in order of the chain."""
        from flows.wiring import Bench

        return [dict(event.detail) for event in Bench(self.config, environ=self.environment).ledger.reader.events(kind)]

    def plan(self) -> Any:
        """The newest plan, as it lies in the ledger."""
        from flows.wiring import Bench

        return Bench(self.config, environ=self.environment).ledger.reader.latest_plan()

    def tamper_with_target(self) -> str:
        """Overwrite one small block blob at the target behind our back; returns its name."""
        shard = max((s for s in self.plan().steps if isinstance(s, CopyShard)), key=lambda s: s.objects)
        container = self.storage("government", shard.target_account).get_container_client(shard.container)
        victim = next(b for b in container.list_blobs() if b.blob_type == "BlockBlob" and 0 < b.size < 100_000)
        container.upload_blob(victim.name, bytes(victim.size), overwrite=True)
        return str(victim.name)

    def rclone_check(self, shard: CopyShard) -> str:
        """What `rclone check --download` says of one container: it reads and compares every byte of both sides."""
        remotes = {"source": ("commercial", shard.source_account), "target": ("government", shard.target_account)}
        lines = []
        for remote, (cloud, account) in remotes.items():
            made = next(a for a in self.control("/accounts")[cloud] if a["name"] == account)
            lines += [f"[{remote}]", "type = azureblob", f"account = {account}", f"key = {made['key']}"]
            # Without its own encoding rclone asks for a name that ends in a dot as it is.
            lines += [f"endpoint = {made['blob_endpoint']}", "encoding = None", ""]
        config = self.folder / "rclone.conf"
        config.write_text("\n".join(lines), encoding="utf-8")
        told = subprocess.run(
            [
                str(Path(sys.executable).with_name("rclone")),
                *("--config", str(config), "--ca-cert", self.state["ca_bundle"], "check", "--download"),
                *(f"source:{shard.container}", f"target:{shard.container}"),
            ],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        config.unlink()
        assert told.returncode == 0, told.stderr
        return told.stderr

    def delete_source_container(self) -> str:
        """The customer deletes a container that the plan names; returns its name."""
        shard = min((s for s in self.plan().steps if isinstance(s, CopyShard)), key=lambda s: s.objects)
        self.storage("commercial", shard.source_account).delete_container(shard.container)
        return str(shard.container)

    def take_planned_account_name(self) -> str:
        """Somebody else makes an account of a name that the plan wants; returns the name."""
        name = next(step.name for step in self.plan().steps if isinstance(step, CreateStorageAccount))
        self.control("/taken", post={"cloud": "government", "name": name})
        return str(name)


def repository() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parents[2]


def ambient() -> dict[str, str]:
    """This process's environment without proxies."""
    return {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}


def copied(migration: Path, folder: Path) -> None:
    """Copy a migration folder. The ledger by SQLite: whoever closes it last takes its -wal and -shm away."""
    shutil.copytree(migration, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("ledger.db*"))
    with (
        closing(sqlite3.connect(f"file:{migration / 'ledger.db'}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(folder / "ledger.db")) as target,
    ):
        source.backup(target)
