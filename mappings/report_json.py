"""Canonical JSON of a report, its SHA-256, and the way back."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mappings.errors import FixTheInput
from mappings.report_model import SCHEMA_VERSION, Report


@cache
def _adapter() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def report_to_json(report: Report) -> str:
    """The report as canonical JSON: sorted keys, no blanks, ASCII only, one newline at the end.

    ASCII because names in the data may carry characters that turn the direction of text or that no encoding takes.
    """
    data = _adapter().dump_python(report, mode="json")
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False) + "\n"


def report_digest(report: Report) -> str:
    """SHA-256 (hex) of the bytes of `report_to_json`, which are the bytes of report.json."""
    return hashlib.sha256(report_to_json(report).encode("ascii")).hexdigest()


def report_from_json(text: str, *, origin: str = "report.json") -> Report:
    """Read what `report_to_json` wrote.

    Args:
        text: the JSON.
        origin: the file's name, for messages.

    Raises:
        FixTheInput: not JSON, not a report, or of another major schema version.
    """
    again = "Give the report.json that govlift wrote, or make it anew with `govlift report`."
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise FixTheInput(f"{origin} is not JSON: {wrong}.", next_step=again) from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, str):
        raise FixTheInput(f"{origin} is not a govlift report: it has no schema_version.", next_step=again)
    if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise FixTheInput(
            f"{origin} has schema version {version}; this govlift reads version {SCHEMA_VERSION}.", next_step=again
        )
    try:
        return _adapter().validate_python(data)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FixTheInput(f"{origin} is not a govlift report: {where}: {first['msg']}.", next_step=again) from None
