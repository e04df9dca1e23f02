"""The pages say what the code does: settings, commands, exit codes, and the tests that a guarantee names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flows.cli import app
from mappings.errors import ExitCode
from mappings.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])


def table(heading: str) -> list[tuple[str, ...]]:
    """The rows of the first table below a heading of the README, without its head."""
    below = README.partition(f"\n## {heading}\n")[2]
    lines = re.findall(r"(?m)^\|.*\|$", below.partition("\n## ")[0])
    return [tuple(cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines[2:]]


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def settings_keys(part: type[BaseModel] = Settings, before: str = "") -> Iterator[tuple[str, str]]:
    """Every key of migration.toml with its default. Both credentials have the same keys: they stand once."""
    for name, field in part.model_fields.items():
        key = before + (field.alias or name)
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        inner = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if inner is None:
            yield key, default(field)
        elif key != "target.credential":
            yield from settings_keys(inner, f"{key}.")


def commands(command: Any, before: str = "") -> Iterator[str]:
    """Full names of all commands below `command`, a group or a command of Typer's."""
    if not hasattr(command, "commands"):
        yield before.strip()
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{before} {name}")


def test_the_readme_has_every_setting_with_its_default() -> None:
    assert [row[:2] for row in table("Settings")] == list(settings_keys())


def test_the_readme_has_every_command() -> None:
    assert sorted(row[0] for row in table("Commands")) == sorted(commands(typer.main.get_command(app)))


def test_the_readme_has_every_exit_code() -> None:
    assert [row[0] for row in table("Exit codes")] == [str(int(code)) for code in ExitCode]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    """Links, tests and modules: a guarantee whose proof was renamed is a claim without proof."""
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:tests|docs|mappings|tasks|flows|sandbox|benchmarks)/[\w./-]+)", text):
        assert (ROOT / path).exists(), path
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(?:\w+::)?(test_\w+)", text):
        assert re.search(rf"def {name}\b", (ROOT / path).read_text("utf-8")), name


def test_a_change_is_told_in_one_form() -> None:
    """First line: kind and sentence; a blank line; what was and what is."""
    for file in (ROOT / "changelog" / "unreleased").iterdir():
        first, blank, *rest = file.read_text("utf-8").splitlines()
        assert re.fullmatch(r"(Enhancement|Bugfix|Change): [A-Z][^.]+[^.\s]", first), file.name
        assert not blank and rest, file.name
