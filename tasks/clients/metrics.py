"""Azure Monitor metrics of the source: how much a resource holds. Reads only.

Sources: REST reference "Metrics - List" (learn.microsoft.com/rest/api/monitor/metrics/list): `metricnames`, `timespan`,
`interval`, `aggregation`, `$filter` on dimensions with `top` (10 series where it is not given); values may be missing
at any point of time. Capacity metrics of storage accounts are written once an hour and may lag by a day ("Monitoring
Azure Blob Storage").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mappings.model import Volume
from mappings.movetables import Metric
from tasks.clients.accounts import part_of
from tasks.clients.errors import translated
from tasks.clients.management import Management

if TYPE_CHECKING:
    from tasks.clients.session import Session

METRICS_API = "2018-01-01"
"""In both clouds for years; later versions add nothing that is used here."""
_BACK = timedelta(hours=48)
_SERIES = 200


class MetricsReader:
    """Asks the source's Azure Monitor; sends nothing but reads. Safe to use from several threads."""

    def __init__(self, session: Session) -> None:
        self.cloud = session.cloud
        self._sdk = Management(session, reads_only=True)

    def volume(self, resource_id: str, metric: Metric, now: datetime) -> Volume:
        """The newest value of the last 48 hours; its numbers are None where the service has none.

        Raises:
            GovliftError: Azure Monitor refused, does not know the metric, or did not answer.
        """
        names = [name for name in (metric.bytes, metric.objects) if name]
        asked = {
            "metricnames": ",".join(names),
            "timespan": f"{_stamp(now - _BACK)}/{_stamp(now)}",
            "interval": metric.interval,
            "aggregation": metric.aggregation,
        }
        if metric.split:
            asked["$filter"] = " and ".join(f"{dimension} eq '*'" for dimension in metric.split)
            asked["top"] = str(_SERIES)
        scope = f"{resource_id}{metric.at}/providers/Microsoft.Insights/metrics"
        client = self._sdk.resources(part_of(resource_id, "subscriptions"))
        with translated(f"read the metrics {asked['metricnames']} of {resource_id}", cloud=self.cloud):
            said = client.resources.get_by_id(scope, api_version=METRICS_API, params=asked)
        found = {name.lower(): newest for name, newest in _newest(said.get("value") or (), metric)}
        size, objects = found.get(metric.bytes.lower()), found.get(metric.objects.lower())
        return Volume(
            resource_id=resource_id,
            part=metric.part,
            bytes=None if size is None else round(size[0] * metric.bytes_factor),
            objects=None if objects is None else round(objects[0]),
            metric=" and ".join(names),
            at=size[1] if size else None,
        )

    def close(self) -> None:
        self._sdk.close()


def _newest(values: Any, metric: Metric) -> Iterator[tuple[str, tuple[float, datetime]]]:
    """Metric name -> its newest value and the time of it; a metric without any value is left out."""
    key = metric.aggregation.lower()
    for one in values:
        last = [point for series in one.get("timeseries") or () if (point := _last(series, key)) is not None]
        if last:
            numbers = [number for number, _ in last]
            combined = sum(numbers) if metric.combine == "sum" else max(numbers)
            yield str(one["name"]["value"]), (combined, max(at for _, at in last))


def _last(series: Mapping[str, Any], key: str) -> tuple[float, datetime] | None:
    points = [point for point in series.get("data") or () if point.get(key) is not None]
    if not points:
        return None
    newest = max(points, key=lambda point: str(point["timeStamp"]))
    at = datetime.fromisoformat(str(newest["timeStamp"]).replace("Z", "+00:00"))
    return float(newest[key]), at if at.tzinfo else at.replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
