"""Tables of the ledger. Times are UTC text of one width, so that they sort as text in every database."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
)

from mappings.codec import utc_text
from mappings.runs import RunKind
from mappings.states import RunState, ShardState, StepState

SCHEMA_VERSION = 3
"""Each has more tables and indexes than the one before and nothing else; an older ledger gets them when opened."""

tables = MetaData()


class Utc(TypeDecorator[datetime]):
    """A time with a zone; a naive one is refused."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def _one_of(column: str, kind: type[StrEnum]) -> CheckConstraint:
    values = ", ".join(f"'{member.value}'" for member in kind)
    return CheckConstraint(f"{column} IN ({values})", name=f"{column}_is_known")


ledger = Table(
    "ledger",
    tables,
    Column("one", Integer, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    # Length and end of the event chain: the chain alone cannot show that its tail was cut off.
    Column("events", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    CheckConstraint("one = 1", name="one_row"),
)
migration = Table(
    "migration",
    tables,
    Column("one", Integer, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("settings_hash", String(64), nullable=False),
    Column("claimed", Utc, nullable=False),
    CheckConstraint("one = 1", name="one_row"),
)
run = Table(
    "run",
    tables,
    Column("number", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("plan_id", String(12), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("seen", Utc, nullable=False),
    Column("started", Utc, nullable=False),
    Column("finished", Utc),
    Column("tally", Text, nullable=False),
    Column("exit_code", Integer),
    Column("detail", Text, nullable=False),
    _one_of("state", RunState),
    _one_of("kind", RunKind),
)
assessment = Table(
    "assessment",
    tables,
    Column("number", Integer, primary_key=True),
    Column("run_id", String(64), nullable=False, unique=True),
    Column("taken_at", Utc, nullable=False),
    Column("resources", Integer, nullable=False),
    # What is one value in the assessment: cloud, tenant, scope, catalogue date.
    Column("body", Text, nullable=False),
)


def _rows(name: str, *columns: Column[str]) -> Table:
    """A table of an assessment's rows, in their order, each whole as JSON in `body` with what is queried beside it."""
    return Table(
        name,
        tables,
        Column("run_id", String(64), primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        *columns,
        Column("body", Text, nullable=False),
    )


resource = _rows("resource", Column("id", Text, nullable=False), Column("type", Text, nullable=False))
verdict = _rows("verdict", Column("resource_id", Text, nullable=False), Column("verdict", String(24), nullable=False))
gap = _rows("gap")
seen = _rows("seen")
subscription = _rows("subscription")
resource_group = _rows("resource_group")
container = _rows("container")
volume = _rows("volume")
governance = _rows("governance")
"""Role assignments, policy assignments and locks."""

plan = Table(
    "plan",
    tables,
    Column("id", String(12), primary_key=True),
    Column("saved", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("body", Text, nullable=False),
)
step = Table(
    "step",
    tables,
    Column("plan_id", String(12), primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("moved", Utc),
    _one_of("state", StepState),
)
shard = Table(
    "shard",
    tables,
    Column("run_id", String(64), primary_key=True),
    Column("shard_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("source_account", Text, nullable=False),
    Column("container", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires", Utc),
    Column("fence", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("tally", Text, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("manifest_hash", String(64), nullable=False),
    Column("closed", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    _one_of("state", ShardState),
    Index("shard_to_claim", "run_id", "state", "position"),
    Index("shard_of_container", "source_account", "container"),
)
"""`closed` is the number of the event that recorded `manifest`, 0 where there is none: newest is highest."""

worker = Table(
    "worker",
    tables,
    Column("run_id", String(64), primary_key=True),
    Column("owner", String(255), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Utc, nullable=False),
    Column("seen", Utc, nullable=False),
    Column("ended", Utc),
    # Its counters, paces and shards: looked at, never searched.
    Column("body", Text, nullable=False),
)
"""One row per worker process and run, written over at each sign of life; who did what for good stands in the events."""

chain = Table(
    "event",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("previous"),
)


event_by_kind = Index("event_by_kind", chain.c.kind, chain.c.number)


@event.listens_for(chain, "after_create")
def _only_append(_target: Table, connection: Connection, **_kw: object) -> None:
    """The chain shows an alteration; this keeps our own code from making one."""
    for statement in _ONLY_APPEND[connection.dialect.name]:
        connection.exec_driver_sql(statement)


_ONLY_APPEND = {
    "sqlite": [
        f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
        "BEGIN SELECT RAISE(ABORT, 'events are only appended'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION event_only_appended() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are only appended'; END $$",
        "CREATE TRIGGER event_only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION event_only_appended()",
    ],
}
