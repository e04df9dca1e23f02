"""What every command shares: data on stdout, the rest on stderr, one way to fail, one way to run a flow."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from flows.observe import (
    REACHED,
    SIGTERM_CANCELS,
    Outcome,
    Unfinished,
    first_of,
    is_interruption,
    is_unreachable,
    listen_for_sigterm,
    prepare_prefect,
    start_logging,
)
from mappings.errors import ExitCode, GovliftError, ResumeLater, TryLater
from tasks.loglines import FORMAT_VARIABLE, log_format, told

P = ParamSpec("P")
T = TypeVar("T")

Config = Annotated[Path, typer.Option("--config", "-c", help="migration.toml of the migration.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More log lines.")]
HERE = Path("migration.toml")
LogFormat = Annotated[
    str, typer.Option("--log-format", help="Log lines on standard error as text or json (or GOVLIFT_LOG_FORMAT).")
]

log = logging.getLogger("govlift")


def say(text: str = "") -> None:
    """Data for the reader, to standard output."""
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:
    """Data for a program, to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def say_json_stream(head: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object for a program, whose last member is a list that is never held whole; one row a line."""
    text = json.dumps(head, indent=2, ensure_ascii=False, default=str).removesuffix("\n}")
    sys.stdout.write(f'{text},\n  "{name}": [')
    for number, row in enumerate(rows):
        line = json.dumps(row, ensure_ascii=False, default=str)
        sys.stdout.write(f"{',' if number else ''}\n    {line}")
    sys.stdout.write("\n  ]\n}\n")


def hint(text: str, event: str = "hint", **fields: Any) -> None:
    """A word beside the data, to standard error; one line of JSON where log lines are."""
    if os.environ.get(FORMAT_VARIABLE) == "json":
        start_logging(verbose=log.isEnabledFor(logging.DEBUG))
        level = logging.ERROR if event == "command.failed" else logging.INFO
        log.log(level, "%s", text.strip().removeprefix("govlift: "), extra=told(event, **fields))
    else:
        sys.stderr.write(text + "\n")


def say_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A plain aligned table: readable on a terminal, in a mail and in a log."""
    for line in table_lines(head, rows):
        say(line)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a plain aligned table."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def command(body: Callable[P, None]) -> Callable[P, None]:
    """Turn every way to fail into one sentence, the next step and the documented exit code; add `--log-format`."""

    @functools.wraps(body)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            os.environ[FORMAT_VARIABLE] = log_format(str(kwargs.pop("log_format", "") or ""))
            body(*args, **kwargs)
        except GovliftError as wrong:
            fail(wrong, as_json=bool(kwargs.get("json_")))
        except BrokenPipeError:
            # The reader of our output went away (`| head`); nobody is left to tell.
            sys.stderr.close()
            raise typer.Exit(ExitCode.OK) from None
        except typer.Exit:
            raise
        except BaseException as wrong:
            known = interruption(wrong) or prefect_unreachable(wrong) or first_of(wrong)
            if known is None and not isinstance(wrong, Exception):
                raise
            if known is None:
                _tell_traceback()
                hint("govlift: an unexpected error; the lines above say where.", "command.failed", exit_code=1)
                hint("  next: report it with these lines; nothing that was finished is lost.")
                raise typer.Exit(ExitCode.UNEXPECTED) from None
            fail(known, as_json=bool(kwargs.get("json_")))

    own = inspect.signature(body, eval_str=True)
    option = inspect.Parameter("log_format", inspect.Parameter.KEYWORD_ONLY, default="", annotation=LogFormat)
    known: Any = guarded
    known.__signature__ = own.replace(parameters=[*own.parameters.values(), option])
    guarded.__annotations__ = {name: one.annotation for name, one in own.parameters.items()} | {"log_format": LogFormat}
    return guarded


def _tell_traceback() -> None:
    if os.environ.get(FORMAT_VARIABLE) == "json":
        start_logging(verbose=False)
        log.exception("unexpected", extra=told("unexpected"))
    else:
        traceback.print_exc()


def fail(wrong: GovliftError, *, as_json: bool) -> None:
    """Say what is wrong and what to do, and leave with its exit code."""
    if as_json:
        say_json({"error": wrong.sentence, "next": wrong.next_step, "exit_code": int(wrong.exit_code)})
    hint(f"govlift: {wrong.sentence}", "command.failed", exit_code=int(wrong.exit_code), code=wrong.code)
    hint(f"  next: {wrong.next_step}", "next")
    raise typer.Exit(int(wrong.exit_code))


def interruption(wrong: BaseException) -> GovliftError | None:
    """The error for Ctrl-C and SIGTERM, where that is what `wrong` is."""
    if not is_interruption(wrong):
        return None
    return ResumeLater("Interrupted.", next_step="Run the same command again; it goes on where it was.")


def prefect_unreachable(wrong: BaseException) -> GovliftError | None:
    """The error for a Prefect server that does not answer, where that is what `wrong` is."""
    if not is_unreachable(wrong):
        return None
    return TryLater(
        f"The Prefect server ({_server()}) cannot be reached.",
        next_step="Start one with `prefect server start`, or unset PREFECT_API_URL to use the embedded one.",
    )


def _server() -> str:
    return os.environ.get("PREFECT_API_URL", "the embedded server")


_untold = False
"""Whether a Prefect server went away that events are still queued for."""


def end(app: Callable[[], None]) -> None:
    """Run the command line, and end the process with its exit code.

    Prefect hands over what it has queued before a process ends, and tries each event for seven seconds. Where its
    server went away under a command, those would be hours for nothing.
    """
    try:
        app()
    except SystemExit as ending:
        if not _untold:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ending.code if isinstance(ending.code, int) else 1)


def run_flow(begin: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Run one flow to its end in this process; SIGTERM interrupts it as Ctrl-C does.

    A flow that has come to its end has come to it, whether or not Prefect could be told.
    """
    global _untold
    ends: list[Outcome] = []
    before = REACHED.set(ends)
    try:
        return run_async(begin)
    except Unfinished as wrong:
        return wrong.outcome
    except Exception as wrong:
        if not is_unreachable(wrong):
            raise
        _untold = True
        if not ends:
            raise
        hint(
            f"govlift: The Prefect server ({_server()}) went away, and does not know how this run ended.",
            "prefect.gone",
        )
        return ends[-1]
    finally:
        REACHED.reset(before)


def run_async(begin: Callable[[], Awaitable[T]]) -> T:
    """Run `begin` on an event loop of its own.

    Raises:
        ResumeLater: Ctrl-C or SIGTERM; the state allows the same command to go on.
    """

    async def body() -> T:
        SIGTERM_CANCELS.set(True)
        listen_for_sigterm()
        return await begin()

    return asyncio.run(body())


def start(*, verbose: bool = False, prefect: bool = False) -> None:
    """Logging, and Prefect's environment where the command runs a flow."""
    start_logging(verbose=verbose)
    if prefect:
        prepare_prefect(quiet=not verbose)


def leave(code: ExitCode) -> None:
    """Leave with `code` where it is not 0."""
    if code is not ExitCode.OK:
        raise typer.Exit(int(code))


def folder_of(config: Path) -> Path:
    """The migration folder of a migration.toml."""
    return config.resolve().parent
