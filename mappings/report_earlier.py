"""The assessment that an earlier report.json tells of, as far as it tells: enough to say what has changed since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from mappings.model import (
    Assessment,
    ContainerSurvey,
    Gap,
    Inventory,
    Resource,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.report_model import Report, Row
from mappings.states import Confidence, VerdictKind


def assessment_of(report: Report) -> Assessment:
    """Resources with verdicts, gaps and volumes of `report`.

    Properties, SKUs and tags are not in a report, so that a comparison cannot tell why a verdict became another one.
    A resource that had no verdict is left out.
    """
    known = {kind.value for kind in VerdictKind}
    rows = [row for row in _rows(report, "resources") if _text(row, "verdict") in known]
    cover = report.cover
    inventory = Inventory(
        cloud=cover.source.cloud,
        tenant_id=cover.source.tenant_id,
        scope=cover.scope,
        taken_at=cover.inventory_taken_at,
        resources=tuple(map(_resource, rows)),
        gaps=tuple(_gap(row) for row in _rows(report, "gaps", "gap-rows")),
        subscriptions=tuple(Subscription(each, each, cover.source.tenant_id) for each in cover.source.subscriptions),
        containers=tuple(_survey(row) for row in _rows(report, "data", "data-by-container")),
    )
    return Assessment(inventory, tuple(map(_verdict, rows)), cover.catalogue_date)


def _rows(report: Report, section: str, table: str = "") -> Iterator[Row]:
    for each in report.sections:
        if each.id == section:
            for held in each.tables:
                if table in ("", held.id):
                    yield from held.rows


def _text(row: Row, key: str) -> str:
    value = row.cells.get(key)
    return value if isinstance(value, str) else ""


def _number(row: Row, key: str) -> int:
    value = row.cells.get(key)
    return value if isinstance(value, int) else 0


def _resource(row: Row) -> Resource:
    identity = _text(row, "id")
    parts = identity.split("/")
    subscription = parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""
    return Resource(
        id=identity,
        name=_text(row, "name"),
        type=_text(row, "type"),
        location=_text(row, "location"),
        subscription_id=subscription,
        resource_group=_text(row, "resource_group"),
    )


def _verdict(row: Row) -> Verdict:
    checked = _text(row, "checked")
    return Verdict(
        resource_id=_text(row, "id"),
        type=_text(row, "type"),
        location=_text(row, "location"),
        verdict=VerdictKind(_text(row, "verdict")),
        rule=_text(row, "rule"),
        reason=_text(row, "reason"),
        source=_text(row, "source"),
        checked=date.fromisoformat(checked) if checked else None,
        remedy=_text(row, "remedy"),
        target=TargetChoice(_text(row, "target_type"), _text(row, "target_region")),
        confidence=Confidence(_text(row, "confidence") or Confidence.INFERRED.value),
    )


def _gap(row: Row) -> Gap:
    return Gap(*(_text(row, key) for key in ("scope", "what", "why", "code", "remedy")))


def _survey(row: Row) -> ContainerSurvey:
    return ContainerSurvey(
        account=_text(row, "account"),
        container=_text(row, "container"),
        objects=_number(row, "objects"),
        bytes=_number(row, "bytes"),
        snapshots=_number(row, "snapshots"),
    )
