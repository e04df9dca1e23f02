"""Builds the clients of one migration from its settings and passes them down; nothing else builds one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mappings.errors import AskForApproval, FixTheInput
from mappings.settings import Settings, TargetKey, parse_settings

if TYPE_CHECKING:
    from flows.crew import StandBy
    from mappings.plan import CopyShard
    from tasks.clients.arm import SourceArm, TargetArm
    from tasks.clients.blobs import SourceBlobClient, TargetBlobClient
    from tasks.clients.graph import GraphReader
    from tasks.clients.metrics import MetricsReader
    from tasks.clients.session import Session
    from tasks.clients.wire import WireSource, WireTarget
    from tasks.ledger import Ledger


VERSIONS = "versions"
"""Kind of the event that tells which accounts have their previous versions copied."""


def now() -> datetime:
    """The clock of the product: UTC, with its zone."""
    return datetime.now(UTC)


def read_settings(config: Path) -> Settings:
    """`migration.toml` as a value.

    Raises:
        FixTheInput: the file is missing, unreadable or wrong.
    """
    try:
        text = config.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FixTheInput(
            f"There is no {config}.", next_step="Make one with `govlift init`, or name it with --config."
        ) from None
    except OSError as wrong:
        raise FixTheInput(
            f"{config} cannot be read: {wrong.strerror}.", next_step="Name the migration.toml itself with --config."
        ) from None
    except UnicodeDecodeError:
        raise FixTheInput(f"{config} is not UTF-8 text.", next_step="Save it as UTF-8 and run again.") from None
    settings = parse_settings(text, origin=config.name)
    if settings.copy_.hours:
        from tasks.copiers.pace import zone_named

        zone_named(settings.copy_.hours_zone)
    return settings


class Bench:
    """One migration, opened: settings, ledger, and clients made on first use.

    A plain class on purpose: Prefect walks into dataclasses that it is handed, and this one holds live clients.
    """

    def __init__(self, config: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self.config = config.resolve()
        self.folder = self.config.parent
        self.settings = read_settings(self.config)
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self._ledger: Ledger | None = None
        self._replayed: dict[str, str] | None = None
        self._sessions: dict[str, Session] = {}
        self._source_blobs: dict[str, SourceBlobClient | WireSource] = {}
        self._target_blobs: dict[tuple[str, str], TargetBlobClient | WireTarget] = {}
        """By account and, where copies are under a customer-provided key, the variable that holds it."""
        self.standby: StandBy | None = None
        """Worker processes of this machine that wait for the copy to begin."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of this migration, its identity row checked against the settings."""
        if self._ledger is None:
            from tasks.ledger import ledger_url, open_ledger

            self._ledger = open_ledger(ledger_url(self.folder, self.settings.ledger.url))
            self._ledger.writer.claim_identity(self.settings, now=now())
        return self._ledger

    @property
    def evidence(self) -> Path:
        """Folder of the manifests."""
        return self.folder / "evidence"

    @property
    def source_session(self) -> Session:
        return self._session("source")

    @property
    def target_session(self) -> Session:
        return self._session("target")

    def _session(self, side: str) -> Session:
        if side not in self._sessions:
            from tasks.clients.session import open_session

            part = self.settings.source if side == "source" else self.settings.target
            self._sessions[side] = open_session(
                part.in_cloud, part.tenant_id, part.credential, self.environ, reads_only=side == "source"
            )
        return self._sessions[side]

    def source_arm(self) -> SourceArm:
        from tasks.clients.arm import SourceArm

        return SourceArm(self.source_session)

    def graph(self) -> GraphReader:
        from tasks.clients.graph import GraphReader

        return GraphReader(self.source_session)

    def metrics(self) -> MetricsReader:
        """Azure Monitor of the source."""
        from tasks.clients.metrics import MetricsReader

        return MetricsReader(self.source_session)

    def target_arm(self) -> TargetArm:
        from tasks.clients.arm import TargetArm

        return TargetArm(self.target_session, self.settings.target.subscription)

    def source_key(self, account: str) -> str:
        """The key of a source account that is read with one; "" for all others.

        Raises:
            FixTheInput: the settings name a key that is not in the environment.
        """
        key_env = next((k.key_env for k in self.settings.source.shared_keys if k.account == account), "")
        key = self.environ.get(key_env, "") if key_env else ""
        if key_env and not key:
            raise FixTheInput(
                f"The key of source account {account} is not in the environment variable {key_env}.",
                next_step=f"Set {key_env}, or remove the account from source.shared_keys.",
            )
        return key

    @property
    def replayed(self) -> Mapping[str, str]:
        """Source -> target account of those whose previous versions are copied, by the newest plan."""
        if self._replayed is None:
            self._replayed = {}
            for event in self.ledger.reader.events(VERSIONS):
                self._replayed = {str(source): str(target) for source, target in event.detail.items()}
        return self._replayed

    def source_blobs(self, account: str) -> SourceBlobClient | WireSource:
        """Read-only client of one source account, by Entra token or, where the settings say so, by its key."""
        if account not in self._source_blobs:
            from tasks.clients.blobs import SourceBlobClient
            from tasks.clients.wire import WireSource

            kind = WireSource if self.settings.copy_.client == "wire" else SourceBlobClient
            key = self.source_key(account) or None
            self._source_blobs[account] = kind(
                None if key else self.source_session,
                self.settings.source.in_cloud,
                account,
                key=key,
                concurrency=self.settings.copy_.most_in_flight,
            )
            self._source_blobs[account].versions = account in self.replayed
            if self.settings.copy_.customer_keys:
                from tasks.clients.customer_keys import keys_for

                keys = keys_for(account, self.settings.copy_.customer_keys, self.environ)
                self._source_blobs[account].give_keys(keys)
        return self._source_blobs[account]

    @property
    def requests(self) -> int:
        """Requests that the blob clients of this process have sent."""
        return sum(client.requests for client in (*self._source_blobs.values(), *self._target_blobs.values()))

    def target_blobs(self, account: str, named: TargetKey | None = None) -> TargetBlobClient | WireTarget:
        """Client of one target account; with `named` all that it writes is under that customer-provided key.

        Raises:
            FixTheInput: the key is not in the environment.
        """
        at = (account, named.key_env if named is not None else "")
        if at not in self._target_blobs:
            from tasks.clients.blobs import TargetBlobClient
            from tasks.clients.customer_keys import key_for
            from tasks.clients.wire import WireTarget

            session, most = self.target_session, self.settings.copy_.most_in_flight
            if named is not None:
                # Keys stay with the SDK, which is slower.
                key = key_for(named, self.environ)
                self._target_blobs[at] = TargetBlobClient(session, account, concurrency=most, key=key)
            else:
                kind = WireTarget if self.settings.copy_.client == "wire" else TargetBlobClient
                self._target_blobs[at] = kind(session, account, concurrency=most)
            self._target_blobs[at].versions = account in self.replayed.values()
        return self._target_blobs[at]

    def sides_of(self, shard: CopyShard) -> tuple[SourceBlobClient | WireSource, TargetBlobClient | WireTarget]:
        """Clients of the two accounts of a shard, that of the target with the key of its container."""
        named = self.settings.copy_.target_key_of(shard.source_account, shard.container)
        return self.source_blobs(shard.source_account), self.target_blobs(shard.target_account, named)

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None
    ) -> None:
        for reading in self._source_blobs.values():
            await reading.aclose()
        for writing in self._target_blobs.values():
            await writing.aclose()
        for session in self._sessions.values():
            session.close()
        if self._ledger is not None:
            self._ledger.close()


def require_apply(apply: bool, what: str) -> None:
    """Refuse a writing command that was not told to write.

    Raises:
        AskForApproval: `apply` is false.
    """
    if not apply:
        raise AskForApproval(
            f"{what} writes to the target, and --apply was not given.", next_step="Run again with --apply."
        )
