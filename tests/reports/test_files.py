"""Files that are whole or absent, for their owner only, and quick."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mappings.readiness import report_from_json
from tasks.reports import files as report_files
from tasks.reports import write_reports
from tests.reports import sample

pytestmark = pytest.mark.slow


def test_every_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Mutation: a plain `write_bytes`, which leaves the mode to the umask."""
    before = os.umask(0)
    try:
        paths = write_reports(sample.stage("assessed"), tmp_path)
    finally:
        os.umask(before)
    assert {form: path.name for form, path in paths.items()} == {
        "html": "report.html",
        "xlsx": "report.xlsx",
        "json": "report.json",
        "csv": "report",
        "parquet": "report",
        "pdf": "report.pdf",
    }
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report",
        "report.html",
        "report.json",
        "report.pdf",
        "report.xlsx",
    ]


def test_sign_off_names_the_json_file(tmp_path: Path) -> None:
    """The digest on the page is the one that `sha256sum report.json` prints."""
    report = sample.stage("resynced")
    paths = write_reports(report, tmp_path)
    digest = hashlib.sha256(paths["json"].read_bytes()).hexdigest()
    assert f'<p class="digest"><code>{digest}</code></p>' in paths["html"].read_text(encoding="utf-8")
    assert report_from_json(paths["json"].read_text(encoding="ascii")) == report


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation: writing in place."""
    path = tmp_path / "report.json"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        report_files.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_importing_reports_loads_no_renderer() -> None:
    """Other commands must not wait for Jinja, XlsxWriter or pandas."""
    program = (
        "import sys, tasks.reports, mappings.readiness;"
        "print(sorted({'jinja2', 'xlsxwriter', 'pandas', 'pyarrow', 'typst', 'prefect'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_time_grows_with_the_rows_and_no_faster(tmp_path: Path) -> None:
    """Mutation: looking for a link's row by walking the table again for each link."""

    def seconds(resources: int) -> float:
        report = sample.stage("resynced", resources)
        start = time.process_time()
        write_reports(report, tmp_path)
        return time.process_time() - start

    seconds(200)
    assert seconds(10_000) < 8 * seconds(2_500)
