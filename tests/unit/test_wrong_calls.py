"""What a person mistypes on the command line: one sentence, a next step, exit code 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from mappings.errors import ExitCode

pytestmark = pytest.mark.slow

LIST = '[{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n", "name": "n"}]'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("init --name Bad_Name --dir new", '"Bad_Name" is no name of a migration'),
        ("init --dir a-file", "a-file is no folder"),
        ("doctor --config a-folder", "a-folder cannot be read: Is a directory"),
        ("doctor --config a-picture", "a-picture is not UTF-8 text"),
        ("assess --report out", "--report goes with --from only"),
        ("assess --region usgovtexas --config a-file", "--region goes with --from only"),
        ("assess --from list.json --report a-file", "a-file cannot be made a folder"),
        ("assess --from list.json --previous a-folder", "assessment.json cannot be read"),
        ("rules list --family nonsense", 'There is no family "nonsense"'),
        ("sandbox up --dir a-file", "a-file is no folder"),
        ("demo --dir a-file", "a-file holds something else"),
        ("demo --dir a-folder", "a-folder holds something else"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a-folder").mkdir()
    Path("a-folder/thing").touch()
    Path("a-file").touch()
    Path("a-picture").write_bytes(b"\x89PNG\xff")
    Path("list.json").write_text(LIST, "utf-8")
    before = sorted(tmp_path.rglob("*"))
    told = CliRunner().invoke(app, words.split())
    assert told.exit_code == ExitCode.USAGE, told.output
    assert said in told.stderr
    assert "  next: " in told.stderr and "Traceback" not in told.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_of_a_migration_is_an_earlier_report_too(tmp_path: Path) -> None:
    """Its report.json tells enough to compare with; the assessment itself lies in the ledger."""
    exported = tmp_path / "list.json"
    exported.write_text(LIST, "utf-8")
    CliRunner().invoke(app, ["assess", "--from", str(exported), "--report", str(tmp_path / "old")])
    (tmp_path / "old" / "assessment.json").unlink()
    told = CliRunner().invoke(app, ["assess", "--from", str(exported), "--previous", str(tmp_path / "old"), "--json"])
    assert told.exit_code == ExitCode.OK, told.output
