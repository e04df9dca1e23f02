"""The shape of the code, where import-linter cannot see it: sizes, names, literals, what a quick command loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("flows", "tasks", "mappings", "sandbox")
MODULES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))

# Modules that may be longer, until when: path -> (lines, ISO date). Empty is how it should be.
LONGER: dict[str, tuple[int, str]] = {}
MOST_LINES = 500
MOST_FUNCTION_LINES = 52

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_is_short_and_has_a_telling_name(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGER.get(named(path), (MOST_LINES, ""))[0], f"{lines} lines"
    assert path.stem not in VAGUE
    assert path.stem == "__init__" or path.stem not in sys.stdlib_module_names or path.parent != ROOT


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the statements, without signature and docstring."""
    first = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (function.end_lineno or 0) - first[0].lineno + 1


def test_functions_are_short() -> None:
    long = [
        f"{named(path)}:{function.lineno} {function.name}: {body_lines(function)}"
        for path in MODULES
        for function in functions(path)
        if body_lines(function) > MOST_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_endpoints_stand_in_one_module_of_the_product() -> None:
    """A second place with an endpoint is a second truth about a cloud."""
    literal = re.compile(
        r"core\.(windows|usgovcloudapi)\.net|management\.(azure\.com|usgovcloudapi)|login\.microsoftonline"
    )
    found = [
        named(path) for path in MODULES if path.parts[len(ROOT.parts)] != "sandbox" and literal.search(code_only(path))
    ]
    assert found == ["mappings/clouds.py"]


def code_only(path: Path) -> str:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return "\n".join(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    )


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    told = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys\nprint(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in told.stdout.split()}


@pytest.mark.parametrize(
    "module", ["flows.planning", "flows.standing", "flows.proving", "flows.offline", "flows.starting"]
)
def test_commands_that_only_decide_read_or_report_do_not_load_prefect(module: str) -> None:
    """Prefect costs seconds; `plan`, `status`, `report`, `verify`, `assess --from` and `doctor` must answer at once."""
    assert "prefect" not in loaded_by(f"import flows.cli, {module}")


def test_help_loads_neither_azure_nor_pandas_nor_sqlalchemy() -> None:
    assert not loaded_by("import flows.cli") & {"prefect", "azure", "pandas", "pyarrow", "sqlalchemy", "sandbox"}
