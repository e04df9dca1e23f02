"""An assessment as rows, and back, exactly: 200,000 resources in bounded batches."""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from sqlalchemy import Connection, Table, insert, select

from mappings.codec import compact_json, decode, rebuild
from mappings.model import (
    Assessment,
    ContainerSurvey,
    Gap,
    Inventory,
    Resource,
    ResourceGroup,
    RuleUse,
    Seen,
    Subscription,
    Verdict,
    Volume,
)
from mappings.offer import Offer
from tasks.ledger import schema

T = TypeVar("T")


@runtime_checkable
class Stored(Protocol):
    """Values that lie on disk as `compact_json` wrote them."""

    def stored(self) -> Iterator[str]: ...


_BATCH = 5000


def store_assessment(connection: Connection, run_id: str, assessment: Assessment) -> None:
    """Write one assessment within a change."""
    taken = assessment.inventory
    head = {
        "cloud": taken.cloud,
        "tenant_id": taken.tenant_id,
        "scope": taken.scope,
        "catalogue_date": assessment.catalogue_date,
        "rules": assessment.rules,
        "offer": assessment.offer,
    }
    connection.execute(
        insert(schema.assessment).values(
            run_id=run_id, taken_at=taken.taken_at, resources=len(taken.resources), body=compact_json(head)
        )
    )
    _fill(connection, schema.resource, run_id, _resource_rows(taken.resources))
    _fill(
        connection,
        schema.verdict,
        run_id,
        (
            {"resource_id": v.resource_id, "verdict": v.verdict.value, "body": compact_json(v)}
            for v in assessment.verdicts
        ),
    )
    parts: list[tuple[Table, Sequence[object]]] = [
        (schema.gap, taken.gaps),
        (schema.seen, taken.seen),
        (schema.subscription, taken.subscriptions),
        (schema.resource_group, taken.groups),
        (schema.container, taken.containers),
        (schema.volume, taken.volumes),
        (schema.governance, taken.governance),
    ]
    for table, values in parts:
        _fill(connection, table, run_id, ({"body": text} for text in _texts(values)))


def load_assessment(connection: Connection, run_id: str, resources: Sequence[Resource] | None = None) -> Assessment:
    """Read one assessment that is stored.

    Args:
        resources: its resources, where they shall stay where they are (`StoredResources`); None reads them too.
    """
    with _uncollected():
        return _load(connection, run_id, resources)


class StoredResources(Sequence[Resource]):
    """The resources of a stored assessment, read and decoded while they are gone through; any number of times.

    Good while the ledger is open. No transaction lasts longer than a page.
    """

    def __init__(self, viewing: Viewing, run_id: str, length: int) -> None:
        self._viewing = viewing
        self._run_id = run_id
        self._length = length

    def __len__(self) -> int:
        return self._length

    def stored(self) -> Iterator[str]:
        """Every resource's JSON, in order."""
        return itertools.chain.from_iterable(self._page(at, at + _PAGE) for at in range(0, self._length, _PAGE))

    def __iter__(self) -> Iterator[Resource]:
        return (decode(Resource, text) for text in self.stored())

    @overload
    def __getitem__(self, at: int) -> Resource: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Resource]: ...
    def __getitem__(self, at: int | slice) -> Resource | Sequence[Resource]:
        if isinstance(at, slice):
            return tuple(self[number] for number in range(*at.indices(self._length)))
        number = range(self._length)[at]
        return decode(Resource, self._page(number, number + 1)[0])

    def _page(self, first: int, end: int) -> list[str]:
        table = schema.resource
        query = (
            select(table.c.body)
            .where(table.c.run_id == self._run_id, table.c.position >= first, table.c.position < end)
            .order_by(table.c.position)
        )
        with self._viewing() as connection:
            return list(connection.execute(query).scalars())


Viewing = Callable[[], AbstractContextManager[Connection]]
"""Opens a reading transaction."""
_PAGE = 1000


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cycle collector: it would go again and again through millions of values, none of which is a cycle."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _load(connection: Connection, run_id: str, resources: Sequence[Resource] | None) -> Assessment:
    row = connection.execute(select(schema.assessment).where(schema.assessment.c.run_id == run_id)).one()
    head = json.loads(row.body)
    checked = head["catalogue_date"]
    inventory = Inventory(
        cloud=head["cloud"],
        tenant_id=head["tenant_id"],
        scope=head["scope"],
        taken_at=row.taken_at,
        resources=_values(connection, schema.resource, run_id, Resource) if resources is None else resources,
        gaps=_values(connection, schema.gap, run_id, Gap),
        seen=_values(connection, schema.seen, run_id, Seen),
        subscriptions=_values(connection, schema.subscription, run_id, Subscription),
        groups=_values(connection, schema.resource_group, run_id, ResourceGroup),
        containers=_values(connection, schema.container, run_id, ContainerSurvey),
        volumes=_values(connection, schema.volume, run_id, Volume),
        governance=_values(connection, schema.governance, run_id, Resource),
    )
    return Assessment(
        inventory=inventory,
        verdicts=_verdicts(connection, run_id),
        catalogue_date=None if checked is None else date.fromisoformat(checked),
        rules=rebuild(tuple[RuleUse, ...], head.get("rules", [])),
        offer=rebuild(Offer, stored) if (stored := head.get("offer")) else None,
    )


def scope_of(body: str) -> tuple[str, str, str]:
    """What an assessment is of, from its row: cloud, tenant, scope."""
    head = json.loads(body)
    return head["cloud"], head["tenant_id"], head["scope"]


def _texts(values: Sequence[object]) -> Iterator[str]:
    """The values as JSON. What lies on disk as JSON already (`tasks.spool`) is passed on and never decoded."""
    if isinstance(values, Stored):
        return values.stored()
    return map(compact_json, values)


def _resource_rows(resources: Sequence[Resource]) -> Iterator[dict[str, Any]]:
    for text in _texts(resources):
        plain = json.loads(text)
        yield {"id": plain["id"], "type": plain["type"], "body": text}


def _fill(connection: Connection, table: Table, run_id: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows whose `body` is JSON, numbered as they come."""
    numbered: Iterator[dict[str, Any]] = (
        {**row, "run_id": run_id, "position": position} for position, row in enumerate(rows)
    )
    while batch := list(itertools.islice(numbered, _BATCH)):
        connection.execute(insert(table), batch)


def _values(connection: Connection, table: Table, run_id: str, kind: type[T]) -> tuple[T, ...]:
    query = select(table.c.body).where(table.c.run_id == run_id).order_by(table.c.position)
    return tuple(decode(kind, row.body) for row in connection.execute(query))


def _verdicts(connection: Connection, run_id: str) -> tuple[Verdict, ...]:
    """The verdicts; reasons, remedies, sources, targets and findings that repeat are one value each."""
    table = schema.verdict
    query = select(table.c.body).where(table.c.run_id == run_id).order_by(table.c.position)
    words: dict[str, str] = {}
    parts: dict[Any, Any] = {}
    found = []
    for row in connection.execute(query):
        plain = json.loads(row.body)
        for key, value in plain.items():
            if type(value) is str and key != "resource_id":
                plain[key] = words.setdefault(value, value)
        made = rebuild(Verdict, plain)
        target, findings = made.target, made.findings
        found.append(
            replace(made, target=parts.setdefault(target, target), findings=parts.setdefault(findings, findings))
        )
    return tuple(found)
