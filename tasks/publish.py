"""Stage `report`: the reports as files, and their essence as Prefect artifacts for the people who look there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.reports import write_reports

if TYPE_CHECKING:
    from mappings.readiness import Report

# Prefect keeps a table artifact as one JSON cell; a UI page with more rows than this no longer scrolls well.
TABLE_ROWS = 1000


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
async def report(value: Report, folder: Path) -> dict[str, Path]:
    """Write report.html, report.xlsx and report.json into `folder`."""
    return write_reports(value, folder)


@task(name="publish", cache_policy=NO_CACHE, persist_result=False)
async def publish(key: str, title: str, lines: list[str], rows: list[dict[str, Any]], total: int = 0) -> None:
    """Publish a short summary and a table under stable keys, so that Prefect shows their history.

    Args:
        key: lower-case letters, digits and dashes; the migration's name is part of it.
        rows: at most the first 1,000 are published; the report has them all.
        total: how many there are, where `rows` are only the first ones.
    """
    await acreate_markdown_artifact(
        key=f"{key}-summary", markdown=f"# {title}\n\n" + "\n".join(f"- {x}" for x in lines)
    )
    if rows:
        await acreate_table_artifact(
            key=f"{key}-table", table=rows[:TABLE_ROWS], description=f"{total or len(rows):,} rows in all"
        )
