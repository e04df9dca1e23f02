"""Azure Monitor's metrics on ARM: capacity of storage accounts from what they really hold, sizes of databases.

Sources: REST reference "Metrics - List" (shape of the answer; 10 series where `top` is not given; 400 BadRequest for a
metric that the type does not have); "Supported metrics with Azure Monitor" for names and units. Invented: a database
holds two fifths of what it may hold; files, tables and queues of accounts are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox.arm import Arm, Route, api_version
from sandbox.armwire import ArmError, no_resource
from sandbox.holdings import Body
from sandbox.storage.backend import StorageBackend

VERSIONS = ("2024-02-01", "2023-10-01", "2021-05-01", "2019-07-01", "2018-01-01")
_SERIES = 10
_SERVICE = r"(?:/(?P<service>blob|file|table|queue)Services/default)?"
_STORAGE = frozenset({"microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts"})
_OF_SERVICE = {
    "blob": ("BlobCapacity", "BlobCount"),
    "file": ("FileCapacity", "FileCount"),
    "table": ("TableCapacity", "TableEntityCount"),
    "queue": ("QueueCapacity", "QueueMessageCount"),
}
_GIB = 1 << 30
# Type -> metric of its size, unit, and where its configured size stands with the bytes of one unit.
_SIZES: dict[str, tuple[str, str, tuple[str, ...], int]] = {
    "microsoft.sql/servers/databases": ("storage", "Bytes", ("maxSizeBytes",), 1),
    "microsoft.sql/managedinstances": ("storage_space_used_mb", "Count", ("storageSizeInGB",), 1024),
    "microsoft.dbforpostgresql/flexibleservers": ("storage_used", "Bytes", ("storage", "storageSizeGB"), _GIB),
    "microsoft.dbformysql/flexibleservers": ("storage_used", "Bytes", ("storage", "storageSizeGB"), _GIB),
    "microsoft.dbformariadb/servers": ("storage_used", "Bytes", ("storageProfile", "storageMB"), 1 << 20),
}
_SILENT = {
    "microsoft.documentdb/databaseaccounts": ("DataUsage", "DocumentCount"),
    "microsoft.cache/redis": ("usedmemory", "totalkeys"),
    "microsoft.containerregistry/registries": ("StorageUsed",),
    "microsoft.dbforpostgresql/servers": ("storage_used",),
    "microsoft.dbformysql/servers": ("storage_used",),
    "microsoft.netapp/netappaccounts/capacitypools/volumes": ("VolumeLogicalSize",),
}
"""Metrics that exist and have no value here: the answer is an empty series, as for a resource that nobody uses."""


class Metrics:
    """Answers of Microsoft.Insights about metrics.

    Args:
        arm: the cloud's ARM.
        backend: what its storage accounts hold.
    """

    def __init__(self, arm: Arm, backend: StorageBackend) -> None:
        self._arm = arm
        self._backend = backend

    def routes(self) -> list[Route]:
        """To stand before the routes of resources."""
        pattern = rf"(?P<resource>/subscriptions/.+?){_SERVICE}/providers/Microsoft\.Insights/metrics"
        return [Route("GET", pattern, self._metrics)]

    async def _metrics(self, request: web.Request, resource: str, service: str | None) -> web.Response:
        version = api_version(request)
        if version not in VERSIONS:
            raise ArmError(
                400,
                "InvalidResourceType",
                f"The resource type 'metrics' could not be found in the namespace 'Microsoft.Insights' for api version "
                f"'{version}'. The supported api-versions are '{', '.join(VERSIONS)}'.",
            )
        self._arm.require_subscription(resource.split("/")[2])
        self._arm.require_access(resource, "Microsoft.Insights/metrics/read")
        body = self._arm.holdings.resources.get(resource.lower())
        if body is None:
            name = resource.rpartition("/")[2]
            raise no_resource("resource", name, resource.split("/")[4] if resource.count("/") > 4 else "")
        known = self._known(body, (service or "").lower())
        names = [name for name in request.query.get("metricnames", "").split(",") if name]
        self._require(names, known, body)
        at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        values = [self._value(request, resource, name, at, known[name.lower()]) for name in names]
        return web.json_response(
            {
                "cost": 0,
                "timespan": request.query.get("timespan", ""),
                "interval": request.query.get("interval", "PT1H"),
                "value": values,
                "namespace": str(body["type"]),
                "resourceregion": str(body.get("location", "")),
            }
        )

    def _require(self, names: list[str], known: Mapping[str, Any], body: Body) -> None:
        wrong = next((name for name in names if name.lower() not in known), None)
        if wrong is not None or not names:
            namespace, _, kind = str(body["type"]).partition("/")
            raise ArmError(
                400,
                "BadRequest",
                f"Failed to find metric configuration for provider: {namespace}, resource Type: {kind}, "
                f"metric: {wrong}, Valid metrics: {','.join(sorted(known))}",
            )

    def _known(self, body: Body, service: str) -> dict[str, tuple[str, str, list[tuple[Mapping[str, str], float]]]]:
        """Metric in lower case -> its name, unit and series (dimensions and value)."""
        kind = str(body["type"]).lower()
        if kind in _STORAGE and service:
            size, number = _OF_SERVICE[service]
            held = self._backend.held(str(body["name"])) if service == "blob" else {}
            # An account without blobs, files, tables or messages reports zero; one that nobody can look into, nothing.
            parts = [({}, (0, 0))] if held == {} else [*_by_dimension(held or {})]
            return {
                size.lower(): (size, "Bytes", [(dims, float(total)) for dims, (total, _) in parts]),
                number.lower(): (number, "Count", [(dims, float(count)) for dims, (_, count) in parts]),
            }
        if kind in _SIZES and not service:
            name, unit, path, factor = _SIZES[kind]
            configured = _at(body.get("properties") or {}, path)
            series: list[tuple[dict[str, str], float]] = [({}, round(configured * factor * 0.4))] if configured else []
            return {name.lower(): (name, unit, [(dims, float(value)) for dims, value in series])}
        return {name.lower(): (name, "Count", []) for name in _SILENT.get(kind, ()) if not service}

    def _value(
        self,
        request: web.Request,
        resource: str,
        name: str,
        at: datetime,
        known: tuple[str, str, list[tuple[Mapping[str, str], float]]],
    ) -> Body:
        spelt, unit, series = known
        aggregation = request.query.get("aggregation", "Average").lower()
        split = re.findall(r"(\w+) eq '\*'", request.query.get("$filter", ""))
        if split:
            most = int(request.query.get("top", _SERIES))
            told = [({k: v for k, v in dims.items() if k in split}, value) for dims, value in series][:most]
        else:
            # Without a split the service aggregates over the dimensions: an average of parts is not their sum.
            numbers = [value for _, value in series]
            whole = max(numbers, default=0.0) if aggregation == "maximum" else sum(numbers)
            told = [({}, whole / len(numbers) if aggregation == "average" else whole)] if numbers else []
        return {
            "id": f"{resource}/providers/Microsoft.Insights/metrics/{spelt}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": spelt, "localizedValue": spelt},
            "unit": unit,
            "timeseries": [
                {"metadatavalues": _dimensions(dims), "data": _points(at, aggregation, value)} for dims, value in told
            ],
            "errorCode": "Success",
        }


def _points(at: datetime, aggregation: str, value: float) -> list[Body]:
    """Yesterday's value, this hour's, and the next, which is not written yet."""
    stamps = [(at - timedelta(hours=24)), at - timedelta(hours=1), at]
    older: Body = {"timeStamp": f"{stamps[0]:%Y-%m-%dT%H:%M:%SZ}", aggregation: value / 2}
    newest: Body = {"timeStamp": f"{stamps[1]:%Y-%m-%dT%H:%M:%SZ}", aggregation: value}
    return [older, newest, {"timeStamp": f"{stamps[2]:%Y-%m-%dT%H:%M:%SZ}"}]


def _dimensions(dims: Mapping[str, str]) -> list[Body]:
    return [{"name": {"value": name.lower(), "localizedValue": name}, "value": value} for name, value in dims.items()]


def _by_dimension(
    held: Mapping[tuple[str, str], tuple[int, int]],
) -> Iterator[tuple[Mapping[str, str], tuple[int, int]]]:
    for (kind, tier), sizes in sorted(held.items()):
        yield {"BlobType": kind, "Tier": tier}, sizes


def _at(node: Any, path: tuple[str, ...]) -> float:
    for step in path:
        node = node.get(step) if isinstance(node, Mapping) else None
    return float(node) if isinstance(node, int | float) else 0.0
