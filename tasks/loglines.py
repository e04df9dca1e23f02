"""Log lines for a program: one JSON object a line, each with its event's name and what it is about; no secrets.

The names of events are a contract (docs/logs.md); a line that has none of its own is a `note`.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from mappings.errors import FixTheInput
from tasks.clients.redact import without_secrets

FORMAT_VARIABLE = "GOVLIFT_LOG_FORMAT"
FORMATS = ("text", "json")
NOTE = "note"

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("govlift_log_about", default=MappingProxyType({}))
_EVENT, _FIELDS = "govlift_event", "govlift_fields"


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Every line within the block, and of the tasks that it starts, carries these: run, shard, account, container."""
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def told(event: str, **fields: Any) -> dict[str, Any]:
    """`extra` of a logging call: the event's name and what it tells.

    Args:
        event: as in docs/logs.md.
        fields: plain values; `counts` is a mapping of numbers.
    """
    return {_EVENT: event, _FIELDS: fields}


def log_format(asked: str = "") -> str:
    """`text` or `json`: as asked, else as GOVLIFT_LOG_FORMAT says, else `text`.

    Raises:
        FixTheInput: it is neither.
    """
    chosen = asked or os.environ.get(FORMAT_VARIABLE, "") or FORMATS[0]
    if chosen not in FORMATS:
        raise FixTheInput(
            f'There is no log format "{chosen}".', next_step=f"Give --log-format (or {FORMAT_VARIABLE}) text or json."
        )
    return chosen


def formatter(format_: str) -> logging.Formatter:
    """What writes a log line in this format."""
    if format_ == "json":
        return JsonLines()
    return logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `event`, `message`, then what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, _EVENT, NOTE),
            "message": record.getMessage(),
            **_ABOUT.get(),
            **getattr(record, _FIELDS, {}),
        }
        if record.name != "govlift":
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(_clean(line), ensure_ascii=False, default=str)


def _clean(value: Any) -> Any:
    match value:
        case str():
            return without_secrets(value)
        case Mapping():
            return {key: _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return without_secrets(str(value))
