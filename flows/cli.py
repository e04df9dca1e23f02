"""The command line. Each command calls the flow that a deployment calls; only those that run one import Prefect."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import copycommands as copying
from flows.console import (
    HERE,
    Config,
    Json,
    Verbose,
    command,
    end,
    hint,
    leave,
    run_async,
    run_flow,
    say,
    say_json,
    say_table,
    start,
)
from flows.observe import Outcome, amount, duration
from flows.program import program_app
from flows.rules import rules_app
from mappings.errors import ExitCode, FixTheInput, TryLater

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Move a US government customer from commercial Azure to Azure Government under CSP.",
)
sandbox_app = typer.Typer(no_args_is_help=True, help="Two local clouds to try everything on.")
evidence_app = typer.Typer(no_args_is_help=True, help="The manifests and their hash chain.")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(rules_app, name="rules")
app.add_typer(evidence_app, name="evidence")
app.add_typer(program_app, name="program")


@app.command()
@command
def init(
    name: Annotated[str, typer.Option(help="Short name: lower-case letters, digits, dashes.")] = "my-migration",
    directory: Annotated[Path, typer.Option("--dir", help="Folder of the migration.")] = Path(),
    program_only: Annotated[
        bool, typer.Option("--program-only", help="Write only the program sheet, into a migration that exists.")
    ] = False,
) -> None:
    """Write a migration.toml and the CSP program sheet to fill in."""
    from flows.starting import write_program_sheet, write_template

    if not program_only:
        say(f"Wrote {write_template(directory, name)}.")
    sheet = write_program_sheet(directory, keep=not program_only)
    if sheet is not None:
        say(f"Wrote {sheet}.")
    if not program_only:
        hint("  next: fill in the tenants, subscriptions and identities, then run `govlift doctor`.")
    hint("  next: give the program sheet to the project manager; `govlift program check` says what is missing.")


@app.command()
@command
def doctor(
    config: Config = HERE,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also try a pull: one block that is never committed. Tells the route.")
    ] = False,
    from_: Annotated[str, typer.Option("--from", help="With --probe: ACCOUNT/CONTAINER of the source.")] = "",
    into: Annotated[str, typer.Option(help="With --probe: ACCOUNT/CONTAINER of the target.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for data roles that were just given.")] = False,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check sign-in, tenants, roles and network on both sides; writes no blob."""
    from flows.starting import examine

    start(verbose=verbose)
    checks = examine(config, wait=wait, probe=probe, source=from_, into=into)
    if json_:
        say_json([check.as_json() for check in checks])
    else:
        say_table(("", "check", "result"), [(check.mark, check.name, check.result) for check in checks])
        for check in checks:
            if check.failed and check.next_step:
                hint(f"  next ({check.name}): {check.next_step}")
    leave(ExitCode.ACCESS if any(check.failed for check in checks) else ExitCode.OK)


@app.command()
@command
def inventory(config: Config = HERE, json_: Json = False, verbose: Verbose = False) -> None:
    """List everything in the source and judge it, without counting blobs."""
    _assess(config, survey=False, as_json=json_, verbose=verbose)


@app.command()
@command
def assess(
    config: Config = HERE,
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Exported inventories, offline: files or folders of az, Resource Graph, PowerShell and portal exports"
            " (JSON, CSV, XLSX, ZIP) and ARM templates.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="With --from: folder for report.html, .xlsx and .json.")] = None,
    overlay: Annotated[list[Path] | None, typer.Option(help="With --from: rule file of the customer.")] = None,
    offer: Annotated[Path | None, typer.Option(help="With --from: what the target offers, by `govlift offer`.")] = None,
    region: Annotated[str, typer.Option(help="With --from: target region for everything.")] = "",
    customer: Annotated[str, typer.Option(help="With --from: name printed on the report.")] = "",
    marking: Annotated[str, typer.Option(help="With --from: marking on every page of the report.")] = "",
    previous: Annotated[
        Path | None, typer.Option(help="With --from: folder of an earlier report, to tell what changed since.")
    ] = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Judge every resource against Azure Government under CSP, and write the readiness report."""
    if from_:
        from flows.offline import Offline, assess_files

        start(verbose=verbose)
        told = Offline(tuple(overlay or ()), offer, region, customer, marking, previous, report)
        outcome = assess_files(from_, told)
        if not json_:
            _tell_files(outcome)
        _tell_assessment(
            outcome,
            json_,
            report,
            "read the report, then `govlift init` makes a migration that asks Azure itself."
            if report
            else "give a folder with --report to read why, row by row.",
        )
    else:
        offline_only = {"report": report, "overlay": overlay, "offer": offer, "region": region}
        offline_only |= {"customer": customer, "marking": marking, "previous": previous}
        if given := [f"--{name}" for name, value in offline_only.items() if value]:
            raise FixTheInput(
                f"{given[0]} goes with --from only.",
                next_step="Name exported files with --from, or leave it out: migration.toml says the rest.",
            )
        _assess(config, survey=True, as_json=json_, verbose=verbose)


def _assess(config: Path, *, survey: bool, as_json: bool, verbose: bool) -> None:
    from flows.wiring import read_settings

    start(verbose=verbose, prefect=True)
    # Wrong settings are told before the seconds that Prefect takes to start.
    read_settings(config)
    from flows.assess import assess as flow

    outcome = run_flow(lambda: flow(str(config), survey_data=survey))
    _tell_assessment(outcome, as_json, config.resolve().parent)


def _tell_files(outcome: Outcome) -> None:
    """Where the entries of every exported file went."""
    files = outcome.summary["files"]
    beside = [key for key in ("governance", "groups_and_subscriptions") if any(one[key] for one in files)]
    keys = ("entries", "resources", *beside, "duplicates", "left_out", "unread", "shape", "file")
    say_table(
        [key.replace("_", " ") for key in keys],
        [tuple(one[key] or (0 if key != "shape" else "no inventory") for key in keys) for one in files],
    )
    notes = [f"{one['file']}: {note}" for one in files for note in one["notes"]]
    for note in notes[:30]:
        say(note)
    if len(notes) > 30:
        say(f"{len(notes) - 30:,} further remarks on the files stand in the report and in --json")
    say()


def _tell_assessment(
    outcome: Outcome, as_json: bool, folder: Path | None, next_step: str = "read the report, then run `govlift plan`."
) -> None:
    summary = outcome.summary
    if as_json:
        say_json(summary)
    else:
        say(f"{summary['resources']:,} resources")
        say_table(("verdict", "resources"), list(summary["by_verdict"].items()))
        for gap in summary["gaps"]:
            say(f"not listed: {gap['scope']}: {gap['what']} ({gap['why']})")
        if folder is not None:
            say(f"report: {folder / 'report.html'}")
    if as_json and "items" not in summary:
        hint("govlift: the estate is large, so the single verdicts are left out of this JSON.")
        hint("  next: read them in report.json, or in the folder report as CSV and Parquet.")
    if outcome.exit_code is ExitCode.FINDINGS:
        hint("govlift: there are findings (not everything is ready, or not everything could be listed).")
        hint(f"  next: {next_step}")
    leave(outcome.exit_code)


@app.command()
@command
def offer(
    config: Config = HERE,
    out: Annotated[Path | None, typer.Option(help="File to write, for `assess --from ... --offer FILE`.")] = None,
    json_: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask the target subscription what it offers: types, regions, SKUs, zones, policies. Writes nothing there."""
    from flows.asking import export_offer

    start(verbose=verbose)
    told, text = run_async(lambda: export_offer(config, out))
    if json_:
        say(text.rstrip())
    else:
        say(f"{told.cloud}, subscription {told.subscription_id}, asked at {told.asked_at:%Y-%m-%d %H:%M} UTC")
        parts = {"resource types": told.types, "SKUs": told.skus, "policies": told.policies, "not told": told.unasked}
        say_table(("what", "number"), [(name, f"{len(part):,}") for name, part in parts.items()])
        for one in told.unasked:
            say(f"not told: {one.what} ({one.why})")
        if out is not None:
            say(f"written: {out}")
    leave(ExitCode.FINDINGS if told.unasked else ExitCode.OK)


app.command()(copying.plan)
app.command()(copying.migrate)
app.command()(copying.resync)
app.command()(copying.worker)
app.command()(copying.verify)
app.command()(copying.cutover)
app.command()(copying.status)
app.command()(copying.failed)


@app.command()
@command
def packages(config: Config = HERE, json_: Json = False) -> None:
    """What moves together and in which order: packages and waves of the newest assessment."""
    from flows.packages import moves_of, packages_to_json

    start()
    moves = moves_of(config)
    if json_:
        say_json(packages_to_json(moves))
        return
    say_table(
        ("wave", "package", "stage", "standing", "resources", "data", "copy P50", "copy P90"),
        [
            (
                wave,
                one.name,
                one.stage.value,
                one.standing.value,
                len(one.members),
                amount(moves.sums[one.name].bytes),
                duration(moves.spans[one.name].p50),
                duration(moves.spans[one.name].p90),
            )
            for wave in moves.packages.waves
            for one in moves.cutover_order(wave)
        ],
    )
    for cut in moves.packages.cuts:
        say(f"circle: {cut.package} needs {cut.needs}, which comes later ({cut.references} references)")


@app.command()
@command
def report(
    config: Config = HERE,
    format_: Annotated[
        str, typer.Option("--format", help="Some of html,xlsx,json,csv,parquet,pdf; all by default.")
    ] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of report.json instead.")] = False,
    json_: Json = False,
) -> None:
    """Write the report anew from the ledger and the manifests."""
    if schema:
        from tasks.reports.schema import report_schema

        say(report_schema().rstrip())
        return
    from flows.standing import rewrite_report

    written = rewrite_report(config, format_)
    if json_:
        say_json({name: str(path) for name, path in written.items()})
    else:
        for path in written.values():
            say(str(path))


@evidence_app.command("verify")
@command
def evidence_verify(config: Config = HERE, json_: Json = False) -> None:
    """Check every manifest against the hash chain."""
    from flows.standing import check_evidence_of

    problems, manifests, head = check_evidence_of(config)
    if json_:
        say_json({"manifests": manifests, "problems": problems, "head": head})
    else:
        say(f"{manifests} manifests checked, {len(problems)} problems")
        for problem in problems:
            say(problem)
        say(f"head of the chain: {head}")
    leave(ExitCode.MISMATCH if problems else ExitCode.OK)


@sandbox_app.command("up")
@command
def sandbox_up(
    directory: Annotated[Path, typer.Option("--dir", help="Folder for certificates, logs and state.")],
    estate: Annotated[str, typer.Option(help="Name or file of the estate.")] = "hollis-county",
    storage: Annotated[str, typer.Option(help="own or azurite.")] = "own",
    json_: Json = False,
) -> None:
    """Start two local clouds; returns when they answer."""
    from sandbox.launcher import up

    if storage not in ("own", "azurite"):
        raise FixTheInput(f'There is no storage "{storage}".', next_step="Use --storage own or --storage azurite.")
    if directory.exists() and not directory.is_dir():
        raise FixTheInput(f"{directory} is no folder.", next_step="Choose another folder with --dir.")
    state = _sandbox(lambda: up(directory, estate=estate, storage=storage))
    if json_:
        say_json(state)
    else:
        say(f"proxy {state['proxy']}; use it with: . {state['env_file']}")


@sandbox_app.command("down")
@command
def sandbox_down(directory: Annotated[Path, typer.Option("--dir")]) -> None:
    """Stop the sandbox of a folder."""
    from sandbox.launcher import down

    say("stopped" if down(directory) else "was not running")


@sandbox_app.command("status")
@command
def sandbox_status(directory: Annotated[Path, typer.Option("--dir")], json_: Json = False) -> None:
    """Whether the sandbox of a folder runs, and where."""
    from sandbox.launcher import status as state_of

    state = state_of(directory)
    if json_:
        say_json(state)
    else:
        say("running" if state.get("running") else "not running")


def _sandbox(begin: Any) -> Any:
    """The sandbox knows nothing of our errors; here its own become ours."""
    from sandbox.launcher import SandboxError

    try:
        return begin()
    except ValueError as wrong:
        raise FixTheInput(str(wrong), next_step="Correct it and run again.") from None
    except SandboxError as wrong:
        raise TryLater(str(wrong), next_step="Read the log in the folder of the sandbox, then run again.") from None


@app.command()
@command
def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Folder that is made anew.")] = Path("build/demo"),
    estate: Annotated[str, typer.Option(help="Estate of the sandbox.")] = "hollis-county",
) -> None:
    """Migrate the sample customer between two local clouds, then re-sync it."""
    from flows.demo import show

    leave(ExitCode(asyncio.run(show(directory, estate=estate))))


def main() -> None:
    """Entry point of the `govlift` command."""
    end(app)


if __name__ == "__main__":
    main()
