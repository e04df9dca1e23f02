"""`govlift rules ...` as a reader runs it, and the guide to adding a rule, word for word."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app

pytestmark = pytest.mark.slow

GUIDE = (Path(__file__).parents[2] / "docs" / "adding-a-rule.md").read_text("utf-8")
OVERLAY = re.findall(r"(?s)```toml\n(.*?)```", GUIDE)[0]
SETTINGS = """
name = "an-agency"
[source]
cloud = "AzureCloud"
tenant_id = "11111111-1111-4111-8111-111111111111"
subscriptions = ["22222222-2222-4222-8222-222222222222"]
credential = { client_id = "app", secret_env = "S" }
[target]
cloud = "AzureUSGovernment"
tenant_id = "33333333-3333-4333-8333-333333333333"
subscription = "44444444-4444-4444-8444-444444444444"
credential = { client_id = "app", secret_env = "T" }
"""
NETWORK = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["rules", *words])


def as_json(*words: str) -> Any:
    return json.loads(run(*words, "--json").stdout)


def export(name: str, *resources: dict[str, Any]) -> str:
    Path(name).write_text(json.dumps({"data": list(resources)}), "utf-8")
    return name


def balancer(name: str, sku: str) -> dict[str, Any]:
    return {
        "id": f"{NETWORK}/{name}",
        "name": name,
        "type": "microsoft.network/loadbalancers",
        "location": "eastus",
        "sku": {"name": sku},
        "properties": {"state": "x"},
    }


def test_the_guide_says_what_happens() -> None:
    Path("county.toml").write_text(OVERLAY, "utf-8")
    session = re.findall(r"(?s)```console\n(.*?)```", GUIDE)[0]
    steps = re.findall(r"(?m)^\$ govlift rules (.*)\n((?:(?!\$ ).*\n)*)", session)
    assert len(steps) == 2
    for command, shown in steps:
        result = run(*shlex.split(command))
        assert result.exit_code == 0, result.output
        for line in shown.splitlines():
            assert line in result.stdout


def test_check_refuses_a_broken_overlay_with_file_and_line() -> None:
    Path("county.toml").write_text(OVERLAY.replace('verdict = "ready-with-changes"', 'verdict = "fine"'), "utf-8")
    result = run("check", "county.toml")
    assert result.exit_code == 2
    line = OVERLAY.splitlines().index('verdict = "ready-with-changes"') + 1
    assert f"county.toml, line {line}" in result.output


def test_check_runs_the_examples_of_an_overlay() -> None:
    """Breaks when only the form of a rule is looked at."""
    Path("county.toml").write_text(OVERLAY.replace('bad = { type = "Microsoft.ApiCenter/services" }',
                                                   'bad = { type = "Microsoft.ApiManagement/service" }'))  # fmt: skip
    result = run("check", "county.toml")
    assert result.exit_code == 2
    assert 'rule "county-api-center": it does not apply to its own bad example' in result.stdout


def test_check_names_rules_that_are_too_old() -> None:
    told = as_json("check")
    assert told["errors"] == told["warnings"] == []
    assert told["rules"] > 400
    assert "hidden-classic-reference" in told["stale"]
    assert [rule["id"] for rule in as_json("list", "--stale")] == told["stale"]


def test_list_narrows_by_type_verdict_and_family() -> None:
    everything = as_json("list")
    blocked = as_json("list", "--verdict", "blocked", "--family", "classic")
    assert 0 < len(blocked) < len(everything)
    assert {(rule["verdict"], rule["file"]) for rule in blocked} == {("blocked", "catalogue/classic.toml")}
    of_type = [rule["id"] for rule in as_json("list", "--type", "microsoft.network/LOADBALANCERS")]
    assert {"load-balancer-basic", "load-balancer", "hidden-classic-reference"} <= set(of_type)
    assert run("list", "--verdict", "great").exit_code == 2


def test_explain_a_resource_of_a_file_by_the_end_of_its_id() -> None:
    file = export("e.json", balancer("old", "Basic"), balancer("new", "Standard"))
    result = run("explain", "loadBalancers/old", "--from", file)
    assert result.exit_code == 0, result.output
    assert "replace by load-balancer-basic" in result.stdout
    assert "in usgovvirginia" in result.stdout
    assert "rule load-balancer: applies" in result.stdout
    assert run("explain", f"{NETWORK}/new".upper(), "--from", file).stdout.count("ready by load-balancer") == 1
    assert run("explain", "loadBalancers/none", "--from", file).exit_code == 2
    assert run("explain").exit_code == 2


def test_explain_a_type_names_what_has_to_be_looked_at_by_hand() -> None:
    assert "look by hand: Azure Cache for Redis" in run("explain", "--type", "microsoft.cache/Redis").stdout
    assert "did you mean Microsoft.Cache/" in run("explain", "--type", "Microsoft.Cache/reddis").stdout


def test_coverage_tells_each_file_and_what_to_ask() -> None:
    strange = {"id": "/subscriptions/s/x", "name": "x", "type": "Contoso.Odd/things", "properties": {}}
    folder = Path("exports")
    folder.mkdir()
    export("exports/a.json", balancer("old", "Basic"), balancer("new", "Standard"), strange)
    export("exports/b.json", balancer("other", "Standard"))
    told = as_json("coverage", "exports")
    assert [(Path(f["file"]).name, f["resources"], f["unknown"]) for f in told["files"]] == [
        ("a.json", 3, 1),
        ("b.json", 1, 0),
    ]
    assert {key: told["all"][key] for key in ("resources", "exact", "kind_or_property", "inherited", "unknown")} == {
        "resources": 4, "exact": 2, "kind_or_property": 1, "inherited": 0, "unknown": 1,
    }  # fmt: skip
    text = run("coverage", "exports")
    assert text.exit_code == 3
    assert "unknown: 1 x Contoso.Odd/things (no-rule): Ask the Microsoft account team" in text.stdout
    assert run("coverage", "exports/b.json").exit_code == 0


def test_a_file_that_is_no_inventory_is_named_and_the_rest_is_covered() -> None:
    Path("broken.json").write_text('{"data": [', "utf-8")
    result = run("coverage", "broken.json", export("a.json", balancer("new", "Standard")))
    assert result.exit_code == 3
    assert "not read: " in result.stdout
    assert "broken.json" in result.stdout
    assert "a.json" in result.stdout


def test_the_overlays_of_the_migration_count_beside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks when overlays are looked for in the folder of the command, or when migration.toml is not asked."""
    (tmp_path / "county.toml").write_text(OVERLAY, "utf-8")
    (tmp_path / "migration.toml").write_text(SETTINGS + '[assess]\noverlays = ["county.toml"]\nrule_age_days = 20000\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = ("--config", str(tmp_path / "migration.toml"))
    ids = {rule["id"] for rule in as_json("list", *config)}
    assert "county-api-center" in ids
    assert "api-center" not in ids
    assert as_json("check", *config)["stale"] == []
    assert "county-api-center" not in {rule["id"] for rule in as_json("list")}


def test_an_overlay_that_is_not_there_is_refused() -> None:
    result = run("list", "--overlay", "nowhere.toml")
    assert result.exit_code == 2
    assert "nowhere.toml cannot be read" in result.output
