"""`govlift status --watch`: a run as it goes on, looked at from any terminal or machine that sees the ledger."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.console import say
from flows.failing import failures_of_run
from flows.reporting import last_copy
from flows.standing import SCHEMA_VERSION, earlier, seen, standing, standing_lines
from flows.wiring import Bench, now
from mappings.failures import causes_to_json
from mappings.forecast import Sample
from mappings.live import live_to_json
from mappings.live_lines import one_line, screen
from mappings.states import RunState
from tasks.failing import load_causes

_KEPT = 2_000
"""Looks that are remembered."""

Show = Callable[[dict[str, Any], list[dict[str, Any]]], None]


def watch(config: Path, *, every: float, as_json: bool) -> None:
    """Show the run that goes on until it ends; then, or where none does, where the migration stands.

    Args:
        every: seconds between two looks.
        as_json: one JSON object a line.
    """
    bench = Bench(config)
    with _shown(as_json) as show:
        for live, failures in looks(bench, every):
            show(live, failures)
    if not as_json:
        for line in standing_lines(standing(config)):
            say(line)


def looks(bench: Bench, every: float) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """One look after the other at the newest copying run, as JSON, with its failures, while it goes on."""
    samples: list[Sample] = []
    failures: list[dict[str, Any]] = []
    counted = -1
    while True:
        run = last_copy(bench.ledger.reader.runs())
        if run is None or run.state is not RunState.RUNNING:
            return
        samples = samples or earlier(bench, run)
        live = seen(bench, run, samples)
        samples = [*samples[-_KEPT:], Sample(now().timestamp(), live.objects, live.bytes)]
        settled = live.shards["failed"]
        if settled != counted:
            # Manifests are read again only where another shard has failed.
            counted, failures = settled, causes_to_json(failures_of_run(bench, run.id))
        yield live_to_json(live, load_causes()), failures
        time.sleep(every)


@contextmanager
def _shown(as_json: bool) -> Iterator[Show]:
    """What shows a look: a screen that is drawn anew on a terminal, a line elsewhere."""
    if as_json:
        yield _as_json
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        with _redrawn() as show:
            yield show
    else:
        yield lambda live, _failures: _flushed(one_line(live))


def _as_json(live: dict[str, Any], failures: list[dict[str, Any]]) -> None:
    line = {"schema_version": SCHEMA_VERSION, "running": live, "failures": failures}
    _flushed(json.dumps(line, ensure_ascii=False))


def _flushed(line: str) -> None:
    say(line)
    sys.stdout.flush()


@contextmanager
def _redrawn() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, transient=True) as drawn:
        yield lambda live, failures: drawn.update(Text("\n".join(screen(live, failures))), refresh=True)
