"""Log lines for programs: one JSON object a line, events that are documented, and no secret in any of them."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.console import command, hint
from flows.observe import start_logging
from mappings.errors import FixTheInput, GrantAccess
from tasks.loglines import FORMAT_VARIABLE, JsonLines, about, formatter, told

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logs.md").read_text("utf-8")
SECRETS = (
    ("https://x.example/c/b?sv=2025&sig=abc%2Fdef%3D", "abc%2Fdef"),
    ("client_secret=hunter2hunter2", "hunter2"),
    ("Bearer abcdefghijklmnop", "abcdefghijklmnop"),
    ("eyJhbGciOiJSUzI1NiJ9.eyJhdWQi.c2ln", "eyJhdWQi"),
    ("AccountKey=Zm9vYmFyYmF6cXV4==;", "Zm9vYmFyYmF6cXV4"),
)
"""What somebody may put into a line, and what of it must not come out."""


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the product's logger writes as JSON."""
    log, stream = logging.getLogger("govlift"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    before, log.handlers[:] = log.handlers[:], [handler]
    log.setLevel(logging.DEBUG)
    yield stream
    log.handlers[:] = before


def test_a_line_says_what_happened_and_what_it_is_about(lines: io.StringIO) -> None:
    log = logging.getLogger("govlift")
    with about(run="r1"), about(shard="s1", account="a"):
        log.info("done %s", 3, extra=told("shard.done", counts={"copied": 3}))
    log.warning("plain")
    first, second = [json.loads(line) for line in lines.getvalue().splitlines()]
    expected = {"level": "info", "event": "shard.done", "message": "done 3", "run": "r1", "shard": "s1", "account": "a"}
    assert first == expected | {"counts": {"copied": 3}, "time": first["time"]}
    assert (second["event"], second["level"], "run" in second) == ("note", "warning", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first["time"])


@pytest.mark.parametrize(("secret", "core"), SECRETS)
def test_no_secret_is_in_a_line_wherever_it_was_put(secret: str, core: str, lines: io.StringIO) -> None:
    """Mutation that must fail it: cleaning the message only."""
    log = logging.getLogger("govlift")
    try:
        raise ValueError(f"inside {secret}")
    except ValueError:
        log.exception("failed at %s", secret, extra=told("x", detail=[secret], inner={"deep": secret}))
    (line,) = lines.getvalue().splitlines()
    assert "failed at" in line and "inside" in line and core not in line


def test_every_event_in_the_code_is_documented_and_the_other_way_round() -> None:
    """Mutation that must fail it: an event that docs/logs.md does not name."""
    named = set(re.findall(r"(?m)^\| `([a-z][a-z.-]+)` \|", PAGE))
    assert named == events_in_code() | {"note"}


def events_in_code() -> set[str]:
    """First arguments of `told(...)`, and second ones of `hint(...)`."""
    found = {"hint"}
    for part in ("flows", "tasks"):
        for path in (ROOT / part).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            if "loglines" not in ast.dump(tree) and "hint" not in ast.dump(tree):
                continue
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                name = getattr(call.func, "id", "")
                at = {"told": 0, "hint": 1}.get(name, 9)
                if len(call.args) > at and isinstance(call.args[at], ast.Constant):
                    found.add(str(call.args[at].value))  # type: ignore[attr-defined]
    return found | {"run.begun", "run.resumed"}


def ran(body: Any, capsys: pytest.CaptureFixture[str], **given: Any) -> list[dict[str, Any]]:
    with pytest.raises(typer.Exit):
        body(**given)
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_command_that_fails_says_so_in_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of standard error is JSON, an unexpected error's traceback too."""
    monkeypatch.setenv(FORMAT_VARIABLE, "text")

    @command
    def refused() -> None:
        hint("a word beside")
        raise GrantAccess("No role on a?sig=secretsecret.", next_step="Ask for it.")

    @command
    def broken() -> None:
        raise KeyError("x")

    word, failed, step = ran(refused, capsys, log_format="json")
    assert (word["event"], failed["event"], step["event"]) == ("hint", "command.failed", "next")
    assert (failed["exit_code"], failed["level"]) == (6, "error") and "secretsecret" not in failed["message"]
    first, *_ = ran(broken, capsys, log_format="json")
    assert first["event"] == "unexpected" and "KeyError" in first["traceback"]


def test_an_unknown_format_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORMAT_VARIABLE, "xml")
    with pytest.raises(FixTheInput, match='no log format "xml"'):
        start_logging(verbose=False)
    assert isinstance(formatter("json"), JsonLines) and not isinstance(formatter("text"), JsonLines)
