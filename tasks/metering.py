"""Measures what was not listed: the sizes that Azure Monitor has of the source's data, each refusal a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from mappings.errors import GovliftError
from mappings.model import Gap, Volume
from mappings.movetables import Metric
from mappings.volumes import gap_of_refused

if TYPE_CHECKING:
    from tasks.clients.metrics import MetricsReader

_AT_ONCE = 8
"""Requests in flight: Azure Monitor throttles an identity per subscription well above that."""


def read_volumes(
    reader: MetricsReader, wanted: Mapping[str, Sequence[Metric]], now: datetime
) -> tuple[tuple[Volume, ...], tuple[Gap, ...]]:
    """Ask for every metric; a request that fails is told in a gap and does not stop the others.

    Args:
        wanted: resource id -> its metrics, see `mappings.volumes.metrics_for`.
    """
    asked = [(resource_id, metric) for resource_id, metrics in wanted.items() for metric in metrics]

    def ask(one: tuple[str, Metric]) -> Volume | GovliftError:
        try:
            return reader.volume(one[0], one[1], now)
        except GovliftError as wrong:
            return wrong

    volumes: list[Volume] = []
    refused: defaultdict[tuple[str, str], list[tuple[str, GovliftError]]] = defaultdict(list)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for (resource_id, _), said in zip(asked, threads.map(ask, asked), strict=True):
            if isinstance(said, Volume):
                volumes.append(said)
            else:
                subscription = "/".join(resource_id.split("/")[:3])
                refused[subscription, said.code or type(said).__name__].append((resource_id, said))
    gaps = [
        gap_of_refused(scope, code, [one for one, _ in told], told[0][1].sentence, told[0][1].next_step)
        for (scope, code), told in sorted(refused.items())
    ]
    return tuple(volumes), tuple(gaps)
