"""The folder of tables: nothing that a spreadsheet runs, typed for programs, named with its SHA-256, no stale file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.reports import write_reports
from tasks.reports.sheets import data_sets
from tasks.reports.tables import render_csv, render_parquet
from tests.reports import hostile, sample


@pytest.mark.parametrize("evil", [*hostile.CORPUS, " =1+1", "\u00a0@x", "＝1"], ids=range(len(hostile.CORPUS) + 3))
def test_no_cell_of_a_csv_begins_a_formula(evil: str) -> None:
    """Mutation: guarding "=" alone, or only where it is the very first character."""
    found = 0
    for one in data_sets(hostile.report(evil)):
        rows = list(csv.reader(io.StringIO(render_csv(one).decode("utf-8-sig"), newline="")))
        assert len(rows) == len(one.rows) + 1
        for row in rows[1:]:
            for cell in row:
                start = cell.lstrip(" \u00a0")[:1]
                assert start not in ("=", "+", "@", "\t", "\r", "\n", "＝") or cell.startswith("'"), (one.name, cell)
                assert start != "-" or cell.lstrip("-").isdigit(), (one.name, cell)
                found += cell.startswith("'")
    if evil[:1] in ("=", "+", "@", "\t", " "):
        assert found > 20


def test_parquet_is_typed_and_holds_every_row() -> None:
    report = sample.stage("resynced")
    sets = {one.name: one for one in data_sets(report)}
    assert {"all-resources", "gap-rows", "run-rows", "blockers-and-conditions"} <= set(sets)
    runs = pq.read_table(io.BytesIO(render_parquet(sets["run-rows"], "MARKED", "ab")))
    assert runs.schema.field("listed").type == pa.int64()
    assert runs.schema.field("started").type == pa.timestamp("us", tz="UTC")
    assert runs["started"][0].as_py() == datetime(2026, 10, 12, 12, 5, tzinfo=UTC)
    assert runs.schema.metadata[b"govlift.marking"] == b"MARKED"
    resources = pq.read_table(io.BytesIO(render_parquet(sets["all-resources"], "", "ab")))
    assert resources.num_rows == 180
    assert resources.schema.field("checked").type == pa.date32()
    assert sum(name == "blocked" for name in resources["verdict"].to_pylist()) == 6


def test_the_index_names_every_file_with_its_digest(tmp_path: Path) -> None:
    paths = write_reports(sample.stage("resynced"), tmp_path, ("json", "csv", "parquet"))
    index = json.loads((paths["csv"] / "index.json").read_text(encoding="ascii"))
    assert index["report_sha256"] == hashlib.sha256(paths["json"].read_bytes()).hexdigest()
    assert index["marking"] == sample.HEAD.marking
    named = {file["name"]: file["sha256"] for table in index["tables"] for file in table["files"]}
    there = {path.name for path in paths["csv"].iterdir()} - {"index.json"}
    assert there == set(named)
    assert all(hashlib.sha256((paths["csv"] / name).read_bytes()).hexdigest() == named[name] for name in named)
    assert {table["rows"] for table in index["tables"] if table["name"] == "all-resources"} == {180}


def test_files_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    """Mutation: never removing; or removing what an index of somebody else names."""
    place = write_reports(sample.stage("resynced"), tmp_path, ("csv",))["csv"]
    assert (place / "exceptions.csv").exists()
    (place / "notes.csv").write_text("mine")
    write_reports(sample.stage("assessed"), tmp_path, ("csv",))
    assert not (place / "exceptions.csv").exists()
    assert (place / "notes.csv").read_text() == "mine"
    forged = {"tables": [{"files": [{"name": "../report.json"}, {"name": "notes.CSV"}]}]}
    (place / "index.json").write_text(json.dumps(forged))
    (tmp_path / "report.json").write_text("kept")
    write_reports(sample.stage("assessed"), tmp_path, ("csv",))
    assert (tmp_path / "report.json").read_text() == "kept"


def test_only_the_formats_asked_for_are_written(tmp_path: Path) -> None:
    assert set(write_reports(sample.stage("assessed"), tmp_path, ("pdf",))) == {"pdf"}
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]
