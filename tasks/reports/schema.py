"""The published JSON Schema of report.json (2020-12), made from the value model and its own docstrings."""

from __future__ import annotations

import ast
import inspect
import json
from typing import Any

from pydantic import TypeAdapter

from mappings import report_model
from mappings.report_model import SCHEMA_VERSION, Report


def report_schema() -> str:
    """The schema as indented JSON with a newline at the end; `docs/report.schema.json` holds the same text.

    Keys that a newer minor version adds are allowed, so a consumer of 1.0 reads every 1.x.
    """
    made = TypeAdapter(Report).json_schema(mode="serialization")
    told = _docstrings()
    for name, part in [("Report", made), *made.get("$defs", {}).items()]:
        _describe(part, told.get(name, {}))
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:govlift:report:{SCHEMA_VERSION}",
        "title": "govlift report",
    }
    return json.dumps(head | {key: value for key, value in made.items() if key != "title"}, indent=1) + "\n"


def _describe(part: dict[str, Any], told: dict[str, str]) -> None:
    if told.get(""):
        part["description"] = told[""]
    for name, prop in part.get("properties", {}).items():
        if name in told:
            prop["description"] = told[name]


def _docstrings() -> dict[str, dict[str, str]]:
    """Class -> "" or attribute -> its docstring. Members of an enum are told in the description of the class."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(report_model)).body:
        if isinstance(node, ast.ClassDef):
            texts = {"": ast.get_docstring(node) or ""}
            texts |= dict(_attributes(node))
            found[node.name] = {name: " ".join(text.split()) for name, text in texts.items()}
    return found


def _attributes(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = []
    for before, after in zip(node.body, node.body[1:], strict=False):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if is_text and isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            pairs.append((before.target.id, str(after.value.value)))  # type: ignore[attr-defined]
    return pairs
