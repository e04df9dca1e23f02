"""`govlift assess --from` as a partner calls it: exit codes, options, report, and what a small file costs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.offline import EARLIER, Offline, assess_files
from mappings.errors import ExitCode, FixTheInput
from mappings.offer import Offer, OfferedType, offer_to_json

pytestmark = pytest.mark.slow

ROOT = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/"
NET = {
    "id": ROOT + "Microsoft.Network/virtualNetworks/n",
    "name": "n",
    "type": "Microsoft.Network/virtualNetworks",
    "location": "eastus",
    "properties": {"subnets": []},
}


def file_of(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def run(*arguments: str | Path) -> tuple[int, str]:
    told = CliRunner().invoke(app, ["assess", *map(str, arguments)])
    return told.exit_code, told.stdout


def test_a_broken_file_is_named_with_its_place_and_the_rest_is_assessed(tmp_path: Path) -> None:
    file_of(tmp_path, "good.json", [NET])
    broken = file_of(tmp_path, "broken.json", '[\n{"id": 1,,}]')
    code, told = run("--from", tmp_path)
    assert code == ExitCode.FINDINGS
    assert f"{broken}, line 2, column " in told
    assert "1 resources" in told
    code, told = run("--from", tmp_path, "--json")
    value = json.loads(told)
    assert (code, value["resources"], len(value["items"])) == (3, 1, 1)
    assert {one["file"]: (one["entries"], one["resources"], one["gaps"]) for one in value["files"]} == {
        str(tmp_path / "good.json"): (1, 1, 0),
        str(broken): (0, 0, 1),
    }


def test_nothing_readable_is_a_wrong_call(tmp_path: Path) -> None:
    assert run("--from", file_of(tmp_path, "a.json", "{"))[0] == ExitCode.USAGE
    assert run("--from", tmp_path / "none.json")[0] == ExitCode.USAGE


def test_one_word_about_the_region_and_it_holds_for_everything(tmp_path: Path) -> None:
    file = file_of(tmp_path, "a.json", [NET])
    told = assess_files([file], Offline(region="US Gov Arizona")).summary
    assert told["items"][0]["target"]["region"] == "usgovarizona"
    with pytest.raises(FixTheInput, match='"eastus" is not a region of Azure Government'):
        assess_files([file], Offline(region="eastus"))


def test_the_offer_of_the_target_stands_above_the_catalogue(tmp_path: Path) -> None:
    file = file_of(tmp_path, "a.json", [NET])
    asked = datetime(2026, 11, 1, tzinfo=UTC)
    offer = Offer(
        cloud="AzureUSGovernment",
        subscription_id="s",
        asked_at=asked,
        types=(OfferedType("microsoft.storage/storageaccounts"),),
    )
    known = assess_files([file]).summary["items"][0]["verdict"]
    without = assess_files([file], Offline(offer=file_of(tmp_path, "o.txt", offer_to_json(offer)))).summary
    assert (known == "blocked", without["items"][0]["verdict"]) == (False, "blocked")
    with pytest.raises(FixTheInput, match=r"a\.json"):
        assess_files([file], Offline(offer=file))


def test_an_overlay_of_the_customer_is_read(tmp_path: Path) -> None:
    overlay = file_of(tmp_path, "own.toml", "[[rule]]\nid = 1\n")
    with pytest.raises(FixTheInput, match=r"own\.toml"):
        assess_files([file_of(tmp_path, "a.json", [NET])], Offline(overlays=(overlay,)))


def sections(folder: Path) -> dict[str, Any]:
    return {one["id"]: one for one in json.loads((folder / "report.json").read_text())["sections"]}


def test_the_report_accounts_for_every_file_and_tells_what_changed_since_the_one_before(tmp_path: Path) -> None:
    first = file_of(tmp_path, "a.json", [NET, 7])
    again = file_of(tmp_path, "b.csv", f"name,type,id\nn,{NET['type']},{NET['id']}\nx,{NET['type']},{NET['id']}2\n")
    before, after = tmp_path / "before", tmp_path / "after"
    assess_files([first], Offline(report=before, customer="Agency", marking="CUI"))
    assess_files([first, again], Offline(report=after, previous=before))
    page = (before / "report.html").read_text()
    assert "CUI" in page
    assert "Agency" in page
    tables = {one["id"]: one for one in sections(after)["files"]["tables"]}
    rows = [row["cells"] for row in tables["file-rows"]["rows"]]
    assert [(row["entries"], row["resources"], row["duplicates"], row["unread"], row["check"]) for row in rows] == [
        (2, 1, 0, 1, "equal"),
        (2, 1, 1, 0, "equal"),
    ]
    assert [row["cells"]["file"] for row in tables["file-gaps"]["rows"]] == [str(first)]
    assert NET["id"] + "2" in json.dumps(sections(after)["changes"])
    assert (after / EARLIER).stat().st_mode & 0o077 == 0
    with pytest.raises(FixTheInput, match="is not an assessment"):
        assess_files([first], Offline(previous=first))


def test_a_small_file_is_assessed_without_prefect_azure_and_pandas(tmp_path: Path) -> None:
    """Each of them costs a second or more before the first word."""
    file = file_of(tmp_path, "a.json", [NET])
    statement = (
        "import sys; from pathlib import Path; from flows.offline import assess_files;"
        f"assess_files([Path({str(file)!r})]); print(' '.join(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in told.stdout.split()}
    assert not loaded & {"prefect", "azure", "pandas", "pyarrow", "openpyxl", "sqlalchemy"}
