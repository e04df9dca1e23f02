"""The published schema is the one of the code, and an independent validator agrees with the reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mappings.readiness import report_to_json
from mappings.report_model import SCHEMA_VERSION
from tasks.reports.schema import report_schema
from tests.reports import hostile, sample

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_the_one_of_the_code() -> None:
    """After a change of the model: raise SCHEMA_VERSION, then `govlift report --schema > docs/report.schema.json`."""
    assert PUBLISHED.read_text(encoding="utf-8") == report_schema()


def test_it_is_a_schema_of_its_version_and_says_what_things_are() -> None:
    schema = json.loads(report_schema())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:govlift:report:{SCHEMA_VERSION}"
    silent = [name for name, part in schema["$defs"].items() if not part.get("description")]
    assert silent == []


@pytest.mark.parametrize("stage", sample.STAGES)
def test_reports_are_valid(stage: str) -> None:
    validator = Draft202012Validator(json.loads(report_schema()))
    assert list(validator.iter_errors(json.loads(report_to_json(sample.stage(stage))))) == []


def test_hostile_reports_are_valid_and_wrong_ones_are_not() -> None:
    validator = Draft202012Validator(json.loads(report_schema()))
    data = json.loads(report_to_json(hostile.report("lone \ud800")))
    assert validator.is_valid(data)
    for spoil in (
        lambda d: d.pop("sections"),
        lambda d: d["cover"].pop("marking"),
        lambda d: d["tiles"][0].update(kind="colour"),
        lambda d: d["sections"][0]["tables"][0]["rows"][0]["cells"].update(x=[1]),
    ):
        wrong = json.loads(json.dumps(data))
        spoil(wrong)
        assert not validator.is_valid(wrong)
