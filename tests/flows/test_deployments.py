"""prefect.yaml: every deployment loads, its parameters are the flow's, its schedule and its overlap rule are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow]

FILE = Path(__file__).parents[2] / "prefect.yaml"
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]


def by_name(name: str) -> dict[str, Any]:
    return next(one for one in DEPLOYMENTS if one["name"] == name)


def test_the_five_flows_are_deployed() -> None:
    assert [one["name"] for one in DEPLOYMENTS] == ["assess", "migrate", "resync", "drain", "cutover"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: str(one["name"]))
def test_entry_point_loads_and_takes_the_parameters(deployment: dict[str, Any]) -> None:
    """Fails when a flow is renamed, moved or loses a parameter that prefect.yaml gives."""
    from prefect.flows import load_flow_from_entrypoint

    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    assert flow.name == deployment["name"]
    known = set(flow.parameters.properties)
    assert set(deployment["parameters"]) <= known
    assert set(flow.parameters.required or []) <= set(deployment["parameters"])
    flow.validate_parameters(deployment["parameters"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: str(one["name"]))
def test_only_keys_that_prefect_knows(deployment: dict[str, Any]) -> None:
    """Prefect ignores unknown keys in silence; a misspelt `schedules` would never run."""
    from prefect.cli.deploy._models import DeploymentConfig

    assert set(deployment) <= set(DeploymentConfig.model_fields)


def test_an_overlapping_resync_is_refused_and_the_schedule_is_valid() -> None:
    from prefect.client.schemas.schedules import CronSchedule

    resync = by_name("resync")
    assert resync["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    for schedule in resync["schedules"]:
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    assert resync["parameters"]["apply"] is True


def test_nothing_but_resync_runs_by_itself() -> None:
    assert [one["name"] for one in DEPLOYMENTS if one.get("schedules")] == ["resync"]
