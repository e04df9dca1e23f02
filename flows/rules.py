"""`govlift rules`: list, check and explain the catalogue, and say how well it covers an inventory."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import command, hint, leave, say, say_json, say_table
from mappings.errors import ExitCode, FixTheInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mappings.coverage import Coverage
    from mappings.model import Inventory, Resource
    from mappings.rulebook import Rulebook
    from mappings.settings import Settings

rules_app = typer.Typer(no_args_is_help=True, help="The catalogue that verdicts come from.")

Config = Annotated[Path, typer.Option("--config", "-c", help="migration.toml, whose overlays count where it exists.")]
Overlay = Annotated[list[Path] | None, typer.Option("--overlay", help="A rule file of the customer.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]

HERE = Path("migration.toml")


@rules_app.command("list")
@command
def list_rules(
    type_: Annotated[str, typer.Option("--type", help="Rules that can apply to this resource type.")] = "",
    verdict: Annotated[str, typer.Option(help="Rules that say this verdict.")] = "",
    family: Annotated[str, typer.Option(help="Rules of this family's file, e.g. storage.")] = "",
    old: Annotated[bool, typer.Option("--stale", help="Only rules checked too long ago.")] = False,
    overlay: Overlay = None,
    config: Config = HERE,
    json_: Json = False,
) -> None:
    """The rules of the catalogue, with the customer's overlays."""
    from flows.wiring import now
    from mappings.rulecheck import chosen, rule_to_json, stale
    from mappings.states import VerdictKind

    if verdict and verdict not in list(VerdictKind):
        raise FixTheInput(f'There is no verdict "{verdict}".', next_step=f"Use one of: {', '.join(VerdictKind)}.")
    book, settings = _book(config, overlay)
    today, limit = now().date(), _limit(settings)
    families = sorted({Path(rule.file).stem for rule in book.rules})
    if family and family not in families:
        raise FixTheInput(f'There is no family "{family}".', next_step=f"Use one of: {', '.join(families)}.")
    rules = chosen(book, type_name=type_, verdict=VerdictKind(verdict) if verdict else None, family=family)
    if old:
        rules = [rule for rule in rules if stale(rule, today, limit)]
    if json_:
        say_json([rule_to_json(rule, today=today, limit_days=limit) for rule in rules])
        return
    rows = [
        (r.id, r.verdict.value, r.confidence.value, r.checked, "stale" if stale(r, today, limit) else "", r.file)
        for r in rules
    ]
    say_table(("rule", "verdict", "confidence", "checked", "", "file"), rows)


@rules_app.command("check")
@command
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Rule files of the customer.")] = None,
    config: Config = HERE,
    json_: Json = False,
) -> None:
    """Check every rule of the catalogue and of the customer: form, examples, reach, types, age."""
    from flows.wiring import now
    from mappings.rulecheck import Weight, check_rules, stale
    from tasks.catalogue import catalogue_texts, check_retirement_table, load_type_facts

    book, settings = _book(config, files)
    today, limit = now().date(), _limit(settings)
    own = catalogue_texts()
    problems = check_rules(book, load_type_facts(), own=own)
    tables = check_retirement_table(book)
    old = [rule.id for rule in book.rules if stale(rule, today, limit)]
    errors = [*(str(one) for one in problems if one.weight is Weight.ERROR), *tables]
    warnings = [str(one) for one in problems if one.weight is Weight.WARNING]
    if json_:
        say_json({"rules": len(book.rules), "errors": errors, "warnings": warnings, "stale": old, "age_limit": limit})
    else:
        for line in (*errors, *warnings):
            say(line)
        examples = sum(len(rule.examples) for rule in book.rules)
        say(f"{len(book.rules):,} rules, {examples:,} examples run: {len(errors)} errors, {len(warnings)} warnings")
        if old:
            say(f"{len(old)} rules were checked more than {limit} days ago; `govlift rules list --stale` names them")
    if errors:
        hint("  next: correct the rule files, then run `govlift rules check` again.")
    leave(ExitCode.USAGE if errors else ExitCode.OK)


@rules_app.command("explain")
@command
def explain(
    resource_id: Annotated[str, typer.Argument(help="Resource id, or the end of one that is unique.")] = "",
    from_: Annotated[list[Path] | None, typer.Option("--from", help="Exported inventories instead of the newest "
                                                     "assessment.")] = None,
    type_: Annotated[str, typer.Option("--type", help="Everything the catalogue has on a type.")] = "",
    region: Annotated[str, typer.Option(help="Target region; by default that of the settings, or the nearest.")] = "",
    overlay: Overlay = None,
    config: Config = HERE,
) -> None:  # fmt: skip
    """Why a resource has its verdict, or what the catalogue has on a type."""
    from mappings.regions import nearest_government
    from mappings.rulecheck import explain as lines_of
    from mappings.rulecheck import explain_type
    from tasks.catalogue import load_retirements, load_type_facts

    book, settings = _book(config, overlay)
    if type_:
        for line in explain_type(book, load_type_facts(), type_):
            say(line)
        for one in load_retirements():
            if one.concerns(type_):
                say(f"  look by hand: {one.service}, {one.feature} ({one.day}). {one.untested}")
        return
    if not resource_id:
        raise FixTheInput("Nothing to explain was named.", next_step="Give a resource id, or --type TYPE.")
    resource = _named(resource_id, _inventory(from_, config))
    target = settings.target if settings else None
    choice = nearest_government(
        resource.location, target.regions if target else {}, region or (target.region if target else "")
    )
    for line in lines_of(book, resource, region=choice.region):
        say(line)


@rules_app.command("coverage")
@command
def coverage(
    paths: Annotated[list[Path], typer.Argument(help="Exported inventories, or folders of them.")],
    overlay: Overlay = None,
    config: Config = HERE,
    json_: Json = False,
) -> None:
    """By which kind of rule each resource of exported inventories is judged, and what to ask about the unknown ones."""
    from mappings.coverage import Level, together

    book, _ = _book(config, overlay)
    parts = list(_coverages(paths, book))
    total = together(parts)
    if json_:
        say_json({"files": [part.as_json() for part in parts], "all": total.as_json()})
    else:
        head = ("file", "resources", *(level.value for level in Level))
        rows = [(one.file, one.resources, *(number for _, number in one.levels)) for one in (*parts, total)]
        say_table(head, rows)
        _tell_asks(total)
    leave(ExitCode.FINDINGS if total.number(Level.UNKNOWN) or total.unread else ExitCode.OK)


def _tell_asks(total: Coverage) -> None:
    for ask in total.asks:
        say(f"unknown: {ask.resources:,} x {ask.type} ({ask.rule}): {ask.ask}")
    for what in total.unread:
        say(f"not read: {what}")


def _coverages(paths: Sequence[Path], book: Rulebook) -> Iterator[Coverage]:
    """One per file. A parameters file is read with every template beside it and has no line of its own."""
    from flows.wiring import now
    from mappings.coverage import coverage_of, unread
    from mappings.offline import is_parameters_name, read_inventory
    from tasks.catalogue import load_type_facts
    from tasks.tabular import read_exports

    given: defaultdict[Path, list[Any]] = defaultdict(list)
    for export in read_exports(paths):
        folder = Path(export.name).parent
        if is_parameters_name(Path(export.name).name):
            given[folder].append(export)
        elif export.text is None and not export.grids and export.refusal is None:
            # Says which other files a folder holds; nothing of it was to be read.
            continue
        else:
            try:
                seen = read_inventory([*given[folder], export], now=now(), names=load_type_facts())
            except FixTheInput as wrong:
                if not export.chance_find:
                    yield unread(export.name, wrong.sentence)
                continue
            yield coverage_of(export.name, seen, book)


def _book(config: Path, overlays: Sequence[Path] | None) -> tuple[Rulebook, Settings | None]:
    """The catalogue with overlays: those named, or else those of migration.toml where there is one."""
    from flows.wiring import read_settings
    from tasks.catalogue import load_catalogue, overlays_of, read_overlays

    # Only the file that is looked for by default may be absent.
    settings = read_settings(config) if config != HERE or config.exists() else None
    named = list(overlays or ()) or (overlays_of(settings, config.resolve().parent) if settings else [])
    return load_catalogue(read_overlays(named)), settings


def _limit(settings: Settings | None) -> int:
    from mappings.settings import Assess

    return (settings.assess if settings else Assess()).rule_age_days


def _inventory(from_: Sequence[Path] | None, config: Path) -> Inventory:
    if from_:
        from flows.wiring import now
        from mappings.offline import read_inventory
        from tasks.catalogue import load_type_facts
        from tasks.tabular import read_exports

        return read_inventory(read_exports(from_), now=now(), names=load_type_facts())
    from flows.wiring import Bench

    assessment = Bench(config).ledger.reader.assessment()
    if assessment is None:
        raise FixTheInput("Nothing has been assessed yet.", next_step="Run `govlift assess`, or name a file by --from.")
    return assessment.inventory


def _named(resource_id: str, seen: Inventory) -> Resource:
    """The resource with this id, or the only one whose id ends with it.

    Raises:
        FixTheInput: there is none, or there are several.
    """
    wanted = resource_id.lower()
    exact = [one for one in seen.resources if one.id.lower() == wanted]
    found = exact or [one for one in seen.resources if one.id.lower().endswith("/" + wanted.lstrip("/"))]
    if len(found) == 1:
        return found[0]
    several = f" ends {len(found)} ids, the first being {found[0].id}" if found else " is not in the inventory"
    raise FixTheInput(f"{resource_id}{several}.", next_step="Take a whole id from `govlift assess --json`.")
