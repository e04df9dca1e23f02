"""Stage: the sizes of the source's data that no listing gave."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.model import Inventory
from mappings.volumes import metrics_for
from tasks.metering import read_volumes
from tasks.movetables import load_move_tables

if TYPE_CHECKING:
    from tasks.clients.metrics import MetricsReader


@task(name="volumes", cache_policy=NO_CACHE, persist_result=False)
def measured(reader: MetricsReader, seen: Inventory, now: datetime) -> Inventory:
    """The inventory with what Azure Monitor measured; refused metrics are gaps."""
    volumes, gaps = read_volumes(reader, metrics_for(seen, load_move_tables()), now)
    return replace(seen, volumes=volumes, gaps=(*seen.gaps, *gaps))
