"""The report as JSON: the contract, and the bytes that the sign-off names. Written and hashed part by part."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from mappings.report_json import report_parts
from mappings.report_model import Report


def write_json(report: Report, file: BinaryIO) -> str:
    """Write the bytes of report.json to `file`.

    Returns:
        Their SHA-256 in hex; what `sha256sum report.json` prints.
    """
    digest = hashlib.sha256()
    for part in report_parts(report):
        content = part.encode("ascii")
        digest.update(content)
        file.write(content)
    return digest.hexdigest()
