"""Reports as files. The renderers are imported when they are used, so that other commands do not wait for them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
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

    The single files are all rendered before the first takes its name. The SHA-256 in the sign-off is that of
    report.json.

    Args:
        folder: must exist.
        formats: of `FORMATS`.

    Returns:
        Format -> path: the file, or for "csv" and "parquet" the folder of the tables, where index.json names each.

    Raises:
        OSError: the folder cannot be written.
    """
    paths, digest = _single_files(report, folder, formats)
    tables = _TABLES & set(formats)
    if tables:
        from tasks.reports.tables import write_tables

        place = write_tables(report, digest, folder, tables)
        paths |= dict.fromkeys(sorted(tables), place)
    return {form: paths[form] for form in FORMATS if form in paths}


def _single_files(report: Report, folder: Path, formats: Collection[str]) -> tuple[dict[str, Path], str]:
    """The paths of report.html, .xlsx, .json and .pdf, as far as they are wanted, and the SHA-256 of report.json."""
    from mappings.report_json import report_digest
    from tasks.reports.files import whole_file
    from tasks.reports.jsonfile import write_json

    paths = {form: folder / f"report.{form}" for form in FORMATS if form in formats and form not in _TABLES}
    with ExitStack() as unfinished:
        opened = {form: unfinished.enter_context(whole_file(path)) for form, path in paths.items()}
        digest = write_json(report, opened["json"]) if "json" in opened else report_digest(report)
        if "html" in opened:
            from tasks.reports.webpage import render_html

            opened["html"].write(render_html(report, digest).encode("utf-8"))
        if "xlsx" in opened:
            from tasks.reports.xlsx import write_xlsx

            write_xlsx(report, digest, opened["xlsx"], folder)
        if "pdf" in opened:
            from tasks.reports.summary import render_pdf

            opened["pdf"].write(render_pdf(report, digest))
    return paths, digest
