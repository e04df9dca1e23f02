"""Reports as files. The renderers are imported when they are used, so that other commands do not wait for them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.errors import FixTheInput

if TYPE_CHECKING:
    from mappings.report_model import Report

FORMATS = ("html", "xlsx", "json", "csv", "parquet", "pdf")
"""Every form of the report: three files, two kinds of tables in the folder `report`, one page of summary."""

_TABLES = frozenset({"csv", "parquet"})


def formats_of(text: str) -> tuple[str, ...]:
    """The formats that a comma-separated text names, "" for all.

    Raises:
        FixTheInput: one of them does not exist.
    """
    wanted = [part.strip().lower() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in FORMATS:
            raise FixTheInput(f'There is no report format "{name}".', next_step=f"Name some of {', '.join(FORMATS)}.")
    return tuple(form for form in FORMATS if form in wanted or not wanted)


def write_reports(report: Report, folder: Path, formats: Collection[str] = FORMATS) -> dict[str, Path]:
    """Write the report into `folder`, each file whole or not at all, mode 0600.

    The single files are all rendered before the first is written. The SHA-256 in the sign-off is that of report.json.

    Args:
        folder: must exist.
        formats: of `FORMATS`.

    Returns:
        Format -> path: the file, or for "csv" and "parquet" the folder of the tables, where index.json names each.

    Raises:
        OSError: the folder cannot be written.
    """
    from tasks.reports.files import write_whole
    from tasks.reports.jsonfile import render_json

    contract = render_json(report)
    contents = {"json": contract.content} if "json" in formats else {}
    if "html" in formats:
        from tasks.reports.webpage import render_html

        contents["html"] = render_html(report, contract.sha256).encode("utf-8")
    if "xlsx" in formats:
        from tasks.reports.xlsx import render_xlsx

        contents["xlsx"] = render_xlsx(report, contract.sha256)
    if "pdf" in formats:
        from tasks.reports.summary import render_pdf

        contents["pdf"] = render_pdf(report, contract.sha256)
    paths = {form: folder / f"report.{form}" for form in contents}
    for form, content in contents.items():
        write_whole(paths[form], content)
    tables = _TABLES & set(formats)
    if tables:
        from tasks.reports.tables import write_tables

        place = write_tables(report, contract.sha256, folder, tables)
        paths |= dict.fromkeys(sorted(tables), place)
    return {form: paths[form] for form in FORMATS if form in paths}
