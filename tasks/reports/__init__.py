"""Reports as files. The renderers are imported when they are used, so that other commands do not wait for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mappings.report_model import Report


def write_reports(report: Report, folder: Path) -> dict[str, Path]:
    """Write report.html, report.xlsx and report.json into `folder`, each whole or not at all, mode 0600.

    All three are rendered before the first is written. The SHA-256 in the sign-off is that of report.json.

    Args:
        folder: must exist.

    Returns:
        "html", "xlsx" and "json" -> path.

    Raises:
        OSError: the folder cannot be written.
    """
    from tasks.reports.files import write_whole
    from tasks.reports.jsonfile import render_json
    from tasks.reports.webpage import render_html
    from tasks.reports.xlsx import render_xlsx

    contract = render_json(report)
    contents = {
        "json": contract.content,
        "xlsx": render_xlsx(report, contract.sha256),
        "html": render_html(report, contract.sha256).encode("utf-8"),
    }
    paths = {form: folder / f"report.{form}" for form in contents}
    for form, content in contents.items():
        write_whole(paths[form], content)
    return paths
