"""What failed: `govlift failed`, and what the summary of a run tells of it. From ledger and manifests; no network."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.reporting import COPIES
from flows.wiring import Bench
from mappings.errors import FixTheInput
from mappings.failures import Failure, FailureClass, by_cause, causes_to_json
from mappings.report_facts import standing_shards
from mappings.runs import ShardRecord
from tasks.failing import failures_in, load_causes
from tasks.selection import not_found

COLUMNS = ("account", "container", "name", "snapshot", "bytes", "cause", "code", "reason", "attempts")
_MISSING_SHOWN = 5


def standing_records(bench: Bench) -> list[ShardRecord]:
    """Of each shard the newest record, over all runs that copied."""
    reader = bench.ledger.reader
    runs = reader.runs()
    shards = [record for run in runs if run.kind in COPIES for record in reader.shards(run.id)]
    return list(standing_shards(shards, runs, reader.latest_plan()).values())


def standing_failures(bench: Bench) -> Iterator[Failure]:
    """Every object that is failed as of now."""
    return failures_in(bench.folder, standing_records(bench))


def failures_of_run(bench: Bench, run_id: str) -> list[FailureClass]:
    """What failed in one run, by cause."""
    return by_cause(failures_in(bench.folder, bench.ledger.reader.shards(run_id)), load_causes())


def aftermath(bench: Bench, run_id: str) -> dict[str, Any]:
    """What the summary of a run adds about failures, and about objects on a list that are not at the source."""
    told: dict[str, Any] = {"failures": causes_to_json(failures_of_run(bench, run_id))}
    run = bench.ledger.reader.run(run_id)
    filters = bench.ledger.reader.plan(run.plan_id).filters if run.plan_id else ()
    shards = [(one.shard, one.manifest) for one in bench.ledger.reader.shards(run_id)]
    lists: list[dict[str, Any]] = []
    for listed in (one.listed for one in filters if one.listed is not None):
        path = bench.folder / "lists" / f"not-found-{run_id}-{listed.sha256[:8]}.csv"
        count = 0
        first: list[str] = []
        with path.open("w", encoding="utf-8", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(("account", "container", "name", "why"))
            for row in not_found(bench.folder, listed, shards):
                sheet.writerow(row)
                count += 1
                if len(first) < _MISSING_SHOWN:
                    first.append("/".join(row[:3]))
        lists.append({"list": listed.file, "entries": listed.entries, "not_found": count, "first": first})
        if count:
            lists[-1]["file"] = str(path.relative_to(bench.folder))
        else:
            path.unlink()
    return told | ({"lists": lists} if lists else {})


def write_failures(bench: Bench, file: Path | None) -> tuple[list[FailureClass], int]:
    """Classes of what is failed as of now, and how many there are; each one as a row of `file` where that is given.

    Args:
        file: CSV to write; `-` is standard output.

    Raises:
        FixTheInput: the file cannot be written.
    """
    table, count = load_causes(), 0
    rows = standing_failures(bench)
    if file is None:
        classes = by_cause(rows, table)
        return classes, sum(one.objects + one.shards for one in classes)

    def passed(sheet: Any) -> Iterator[Failure]:
        nonlocal count
        sheet.writerow(COLUMNS)
        for one in rows:
            count += 1
            sheet.writerow([_cell(value) for value in _values(one, table.of(one.code).id)])
            yield one

    try:
        if str(file) == "-":
            return by_cause(passed(csv.writer(sys.stdout)), table), count
        with file.open("w", encoding="utf-8", newline="") as target:
            return by_cause(passed(csv.writer(target)), table), count
    except OSError as wrong:
        if isinstance(wrong, BrokenPipeError):
            raise
        raise FixTheInput(f"{file} cannot be written: {wrong.strerror}.", next_step="Name another file.") from None


def _values(one: Failure, cause: str) -> tuple[object, ...]:
    return (one.account, one.container, one.name, one.snapshot, one.size, cause, one.code, one.reason, one.attempts)


def _cell(value: object) -> object:
    """Names come from the customer; no spreadsheet may take one for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def failure_to_json(one: Failure, cause: str) -> dict[str, Any]:
    """One failure as `govlift failed --json` prints it."""
    return dict(zip(COLUMNS, _values(one, cause), strict=True))
