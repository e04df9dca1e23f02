"""The commands around the copy: plan, migrate, resync, verify, cutover, status, failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.console import (
    HERE,
    Config,
    Json,
    Verbose,
    command,
    hint,
    leave,
    run_async,
    run_flow,
    say,
    say_json,
    say_json_stream,
    start,
)
from flows.observe import Outcome, amount, duration
from flows.options import filtered
from mappings.errors import ExitCode, FixTheInput
from mappings.route_changes import fall_back_lines

Apply = Annotated[bool, typer.Option("--apply", "--yes", help="Write to the target.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Only the key ranges in which something failed in the last run.")
]


@command
@filtered
def plan(chosen: Mapping[str, Any], config: Config = HERE, json_: Json = False) -> None:
    """Make the plan from the newest assessment, freeze it, and print it with the requests, cost classes and time."""
    from flows.planning import make

    start()
    made, lines, as_json = make(config, chosen)
    if json_:
        say_json(as_json)
    else:
        for line in lines:
            say(line)
        hint(f"  next: govlift migrate --plan {made.id} --apply")


@command
@filtered
def migrate(
    chosen: Mapping[str, Any],
    config: Config = HERE,
    plan_id: Annotated[
        str, typer.Option("--plan", help="Id of the plan, or its beginning; the newest by default.")
    ] = "",
    apply: Apply = False,
    retry_failed: RetryFailed = False,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Provision, copy, verify and report what the plan says. Run it again to go on after an interruption."""
    from flows.planning import narrowed_id, require_program_for, show

    if retry_failed and (chosen or plan_id):
        raise FixTheInput("--retry-failed takes no plan and no filters.", next_step="Give --retry-failed alone.")
    if not apply:
        lines, as_json = show(config, plan_id, chosen, retry_failed=retry_failed)
        if json_:
            say_json(as_json)
        else:
            say("\n".join(lines))
        hint("Nothing was written: this is what `--apply` would do.")
        return
    start(verbose=verbose, prefect=True)
    from mappings.runs import RunKind

    if chosen or retry_failed:
        plan_id = narrowed_id(config, plan_id, chosen, retry_failed=retry_failed)
        if not plan_id:
            say_json({"detail": _NOTHING_FAILED}) if json_ else say(_NOTHING_FAILED)
            return
    require_program_for(config, plan_id, RunKind.MIGRATE)
    from flows.migrate import migrate as flow

    _tell_copy(run_flow(lambda: flow(str(config), plan=plan_id, apply=True)), json_)


_NOTHING_FAILED = "Nothing failed in the last run."


@command
@filtered
def resync(
    chosen: Mapping[str, Any],
    config: Config = HERE,
    apply: Apply = False,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Copy what changed since the last run; deletes are reported, not carried out. Without --apply only look."""
    if not apply:
        _look_ahead(config, chosen, as_json=json_, verbose=verbose)
        return
    start(verbose=verbose, prefect=True)
    from flows.planning import narrowed_id, require_program_for
    from mappings.runs import RunKind

    plan_id = narrowed_id(config, "", chosen) if chosen else ""
    require_program_for(config, plan_id, RunKind.RESYNC)
    from flows.resync import resync as flow

    _tell_copy(run_flow(lambda: flow(str(config), apply=True, plan=plan_id)), json_)


def _look_ahead(config: Path, chosen: Mapping[str, Any], *, as_json: bool, verbose: bool) -> None:
    from flows.foreseeing import foresee

    start(verbose=verbose)
    outcome = run_async(lambda: foresee(config, chosen))
    lines = outcome.summary.pop("lines")
    if as_json:
        say_json(outcome.summary)
    else:
        say("\n".join(lines))
    hint("Nothing was written: this is what `--apply` would find.")
    leave(outcome.exit_code)


def _tell_copy(outcome: Outcome, as_json: bool) -> None:
    summary = outcome.summary
    if as_json:
        say_json(summary)
    else:
        objects, proof = summary["objects"], summary["proof"]
        say(f"{summary['detail']}")
        say("  ".join(f"{name} {n:,}" for name, n in objects.items()))
        routes = "  ".join(f"{name} {n:,}" for name, n in summary["routes"].items())
        say(f"{amount(summary['bytes'])} in {duration(summary['seconds'])}; by route: {routes}")
        for line in fall_back_lines(summary.get("fell_back", ())):
            say(line)
        say("proof: " + "  ".join(f"{level} {n:,}" for level, n in proof.items()))
        if summary.get("deleted_at_source"):
            say(f"gone from the source, kept at the target: {summary['deleted_at_source']:,}")
        _tell_aftermath(summary)
    if outcome.exit_code is not ExitCode.OK:
        hint(f"govlift: {summary['detail']}")
        again = "`govlift failed` names each object; `govlift migrate --retry-failed --apply` tries only those again."
        hint(f"  next: {again if summary.get('failures') else 'read the exceptions in the report.'}")
    leave(outcome.exit_code)


def _tell_aftermath(summary: Mapping[str, Any]) -> None:
    for one in summary.get("failures", ()):
        counted = [f"{one[what]:,} {what}" for what in ("objects", "shards") if one[what]]
        say(f"failed: {one['title']}: {' and '.join(counted)} ({', '.join(c or 'no code' for c in one['codes'])})")
        say(f"  e.g. {one['examples'][0]}: {one['reason']}")
        say(f"  do: {one['remedy']}")
    for one in summary.get("lists", ()):
        say(f"list {one['list']}: {one['entries']:,} objects, {one['not_found']:,} listed but not found")
        for name in one["first"]:
            say(f"  not found: {name}")
        if one["not_found"] > len(one["first"]):
            say(f"  all of them: {one['file']}")


@command
def worker(
    run: Annotated[str, typer.Argument(help="Id of the run; the one that is copying now by default.")] = "",
    config: Config = HERE,
    verbose: Verbose = False,
) -> None:
    """Help a run that is copying, from this or another machine; Ctrl-C or SIGTERM removes the worker again."""
    start(verbose=verbose)
    from flows.mover import join

    leave(join(config, run))


@command
def verify(
    config: Config = HERE,
    level: Annotated[str, typer.Option(help="L0 size, L1 pin, L2 CRC64 at both ends, L3 SHA-256 of both ends.")] = "L2",
    share: Annotated[
        float, typer.Option("--sample", "--share", min=0.0001, max=1.0, help="Part of the objects to look at.")
    ] = 1.0,
    seed: Annotated[str, typer.Option(help="Chooses the sample.")] = "govlift",
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Verify the target against the source and the manifests."""
    from flows.proving import prove

    start(verbose=verbose)
    _tell_copy(run_async(lambda: prove(config, level=level, share=share, seed=seed)), json_)


@command
def cutover(config: Config = HERE, apply: Apply = False, verbose: Verbose = False) -> None:
    """Ask the gates for the cutover."""
    start(verbose=verbose, prefect=True)
    from flows.wiring import read_settings

    read_settings(config)
    from flows.cutover import cutover as flow

    run_flow(lambda: flow(str(config), apply=apply))


@command
def status(
    config: Config = HERE,
    json_: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it until the run ends or Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="With --watch: seconds between two looks.")] = 2.0,
) -> None:
    """Where the migration stands: runs, shards, failures by cause; of a run that goes on also pace, workers and ETA."""
    from flows.standing import standing, standing_lines

    start()
    if watch:
        from flows.watching import watch as look

        look(config, every=every, as_json=json_)
        return
    value = standing(config)
    if json_:
        say_json(value)
        return
    for line in standing_lines(value):
        say(line)


@command
def failed(
    config: Config = HERE,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every one to this file; - is standard output.")
    ] = None,
    json_: Json = False,
) -> None:
    """Every object that failed, by cause, with what to do; the CSV can be given to --from-list."""
    from flows.failing import COLUMNS, failure_to_json, standing_failures, write_failures
    from flows.wiring import Bench
    from mappings.failures import cause_lines, causes_to_json
    from tasks.failing import load_causes

    start()
    bench = Bench(config)
    classes, count = write_failures(bench, csv)
    if json_:
        rows = (failure_to_json(one, load_causes().of(one.code).id) for one in standing_failures(bench))
        say_json_stream({"failed": count, "causes": causes_to_json(classes), "columns": list(COLUMNS)}, "objects", rows)
    elif str(csv) != "-":
        say(f"{count:,} failed")
        for line in cause_lines(classes):
            say(line)
        if csv is not None:
            say(f"written: {csv}")
    leave(ExitCode.PARTIAL_COPY if count else ExitCode.OK)
