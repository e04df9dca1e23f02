"""The report as JSON: the contract, and the bytes that the sign-off names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mappings.report_json import report_to_json
from mappings.report_model import Report


@dataclass(frozen=True, slots=True)
class JsonFile:
    content: bytes
    sha256: str
    """Hex digest of `content`; what `sha256sum report.json` prints."""


def render_json(report: Report) -> JsonFile:
    """The bytes of report.json and their SHA-256."""
    content = report_to_json(report).encode("ascii")
    return JsonFile(content, hashlib.sha256(content).hexdigest())
