"""The pages say what the code does: settings, commands, exit codes, and the tests that a guarantee names."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
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


def unconditional(mark: ast.expr) -> bool:
    """Whether it is `pytest.mark.skip` or `.xfail`, called or not, or a list with one; `skipif` says its condition."""
    if isinstance(mark, (ast.List, ast.Tuple)):
        return any(unconditional(one) for one in mark.elts)
    called = mark.func if isinstance(mark, ast.Call) else mark
    return isinstance(called, ast.Attribute) and called.attr in ("skip", "xfail")


@cache
def idle_tests(path: Path) -> frozenset[str]:
    """Tests of a module that never run, or whose outcome does not count, and "" where that holds for all of it."""
    module = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
            begins = body[0].value if body and isinstance(body[0], ast.Expr) else None
            if any(map(unconditional, node.decorator_list)) or (begins is not None and unconditional(begins)):
                found.add(node.name)
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            found |= {""} if unconditional(statement.value) else set()
        if isinstance(statement, ast.Expr) and unconditional(statement.value):
            found.add("")
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_calls_proof_is_run(page: Path) -> None:
    """Breaks when a cited test is there but skipped for good, or expected to fail."""
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(?:\w+::)?(test_\w+))?", page.read_text("utf-8")):
        idle = idle_tests(ROOT / path)
        assert "" not in idle and name not in idle, f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_commands_that_are_there(page: Path) -> None:
    """Breaks when a command, a target of the Makefile or a benchmark is renamed and a page still tells to give it."""
    text = page.read_text("utf-8")
    known = set(commands(typer.main.get_command(app)))
    groups = {name.partition(" ")[0] for name in known}
    for words in re.findall(r"`govlift ([a-z][a-z -]*)", text):
        first, second = (*words.split(), "")[:2]
        assert first in known or f"{first} {second}" in known or (first in groups and not second), words
    targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"))
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert target in targets, target
    for module in re.findall(r"-m (benchmarks\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_a_change_is_told_in_one_form() -> None:
    """First line: kind and sentence; a blank line; what was and what is."""
    for file in (ROOT / "changelog" / "unreleased").iterdir():
        first, blank, *rest = file.read_text("utf-8").splitlines()
        assert re.fullmatch(r"(Enhancement|Bugfix|Change): [A-Z][^.]+[^.\s]", first), file.name
        assert not blank and rest, file.name
