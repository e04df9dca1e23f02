"""Section "Migration packages and waves": what moves together, in which order, and what each wave waits for."""

from __future__ import annotations

from collections import Counter

from mappings.moves import Moves
from mappings.packages import Package, Stage, Standing
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_words import are, counted, counts, listing, make_row
from mappings.wavecriteria import criteria_of

TITLE = "Migration packages and waves"
NOT_MADE = "Packages were not made for this report; `govlift assess` and `govlift report` make them."

STANDING_MEANS = {
    Standing.CLEAR: "can move",
    Standing.OPEN: "verdicts missing",
    Standing.WAITS: "waits for another package",
    Standing.BLOCKED: "blocked",
}
STAGE_MEANS = {
    Stage.FOUNDATION: "Foundation",
    Stage.DATA: "Data",
    Stage.APPLICATIONS: "Applications",
}
_NAMED = 6


def packages_section(facts: Facts) -> Section:
    """Waves, packages, what cuts through a circle, references that lead outside, and every member."""
    moves = facts.moves
    if moves is None:
        return Section("packages", TITLE, NOT_MADE)
    packages = moves.packages.packages
    if not packages:
        return Section("packages", TITLE, "There are no resources, so there is nothing to group.")
    stuck = sum(package.standing in (Standing.BLOCKED, Standing.WAITS) for package in packages)
    waves = len(moves.packages.waves)
    lead = (
        f"{counted(len(moves.packages.units), 'resource')} in {counted(len(packages), 'package')} that each move at one"
        f" moment, in {counted(waves, 'wave')}. {stuck:,} of the packages {are(stuck)} blocked or"
        f" {'waits' if stuck == 1 else 'wait'} for something that is."
    )
    tables = (_waves(moves), _criteria(moves), _packages(moves), _cuts(moves), _outside(moves), _members(facts, moves))
    remarks = (
        "A package is a resource group; what serves several groups is split off and made first, and groups whose"
        " resources cannot work in two clouds are joined.",
        "Inside a wave the packages do not need each other and can move at the same time.",
    )
    return Section("packages", TITLE, lead, tuple(table for table in tables if table.rows), remarks)


def _waves(moves: Moves) -> Table:
    columns = (
        Column("wave", "Wave", Kind.NAME),
        Column("stage", "Stage"),
        *counts(("packages", "Packages"), ("stuck", "Held up"), ("resources", "Resources")),
        Column("bytes", "Data", Kind.BYTES),
        Column("start", "Starts after", Kind.SECONDS),
        Column("p50", "Copy P50", Kind.SECONDS),
        Column("p90", "Copy P90", Kind.SECONDS),
        Column("longest", "Longest copy", Kind.NAME),
    )
    rows = []
    for wave in moves.waves:
        inside = moves.packages.wave(wave.number)
        where = {"wave": str(wave.number)}
        cells: dict[str, Value] = {
            "wave": str(wave.number),
            "stage": STAGE_MEANS[inside[0].stage],
            "packages": len(inside),
            "stuck": sum(one.standing in (Standing.BLOCKED, Standing.WAITS) for one in inside),
            "resources": sum(len(one.members) for one in inside),
            "bytes": sum(moves.sums[one.name].bytes for one in inside),
            "start": round(wave.starts.p50),
            "p50": round(wave.copy.p50),
            "p90": round(wave.copy.p90),
            "longest": wave.longest,
        }
        links = {
            "packages": Ref("packages", "package-rows", where),
            "stuck": Ref("packages", "package-rows", {**where, "stuck": "yes"}),
            "resources": Ref("packages", "package-rows", where, "resources"),
            "bytes": Ref("packages", "package-rows", where, "bytes"),
        }
        rows.append(make_row(cells, links))
    note = "Times are of copying alone, wave after wave; see the copy time for what they rest on."
    return Table("wave-rows", "Waves", columns, tuple(rows), bars=("resources",), note=note)


def _criteria(moves: Moves) -> Table:
    columns = (
        Column("wave", "Wave", Kind.NAME),
        Column("when", "When"),
        Column("criterion", "Criterion"),
        Column("now", "As of now"),
    )
    rows = tuple(
        make_row(
            {"wave": str(wave), "when": "Entry" if one.entry else "Exit", "criterion": one.sentence, "now": one.now}
        )
        for wave in moves.packages.waves
        for one in criteria_of(moves, wave)
    )
    return Table("wave-criteria", "Entry and exit of each wave", columns, rows)


def _packages(moves: Moves) -> Table:
    columns = (
        Column("package", "Package", Kind.NAME),
        Column("wave", "Wave", Kind.NAME),
        Column("stage", "Stage"),
        Column("standing", "Standing"),
        *counts(("resources", "Resources"), ("blocked", "Blocked"), ("unknown", "Unknown")),
        Column("bytes", "Data", Kind.BYTES),
        Column("objects", "Objects", Kind.COUNT),
        Column("p50", "Copy time P50", Kind.SECONDS),
        Column("p90", "Copy time P90", Kind.SECONDS),
        Column("needs", "Comes after"),
        Column("blockers", "Blocked by"),
        Column("why", "How it was made", detail=True),
        Column("groups", "Resource groups", Kind.NAME, detail=True),
        Column("stuck", "Blocked or waiting", detail=True),
    )
    order = [one for wave in moves.packages.waves for one in moves.cutover_order(wave)]
    return Table("package-rows", "Packages in order of cutover", columns, tuple(_package(moves, one) for one in order))


def _package(moves: Moves, package: Package) -> Row:
    total, span, units = moves.sums[package.name], moves.spans[package.name], moves.packages.units
    where = {"package": package.name}
    blockers = [units[n].short for n in (*package.blocked, *package.waits_for)]
    return make_row(
        {
            "package": package.name,
            "wave": str(package.wave),
            "stage": STAGE_MEANS[package.stage],
            "standing": STANDING_MEANS[package.standing],
            "resources": len(package.members),
            "blocked": len(package.blocked),
            "unknown": len(package.unknown),
            "bytes": total.bytes,
            "objects": total.objects,
            "p50": round(span.p50),
            "p90": round(span.p90),
            "needs": _few(list(package.needs)),
            "blockers": _few(blockers),
            "why": package.why,
            "groups": ", ".join(package.groups),
            "stuck": "yes" if package.standing in (Standing.BLOCKED, Standing.WAITS) else "no",
        },
        {
            "resources": Ref("packages", "package-members", where),
            "blocked": Ref("packages", "package-members", {**where, "verdict": "blocked"}),
            "unknown": Ref("packages", "package-members", {**where, "verdict": "unknown"}),
            "bytes": Ref("copy-time", "volume-rows", where, "bytes"),
            "objects": Ref("copy-time", "volume-rows", where, "objects"),
        },
    )


def _few(words: list[str]) -> str:
    if not words:
        return ""
    rest = len(words) - _NAMED
    return listing(words) if rest <= 0 else f"{', '.join(words[:_NAMED])} and {rest} more"


def _cuts(moves: Moves) -> Table:
    columns = (
        Column("package", "Package", Kind.NAME),
        Column("needs", "Needs, although it comes later", Kind.NAME),
        *counts(("references", "References")),
        Column("example", "For example"),
    )
    rows = tuple(
        make_row({"package": c.package, "needs": c.needs, "references": c.references, "example": c.example})
        for c in moves.packages.cuts
    )
    note = "These packages need each other in a circle. The references are set again when both have moved."
    return Table("package-cuts", "Needs that the order cannot keep", columns, rows, note=note)


def _outside(moves: Moves) -> Table:
    units = moves.packages.units
    columns = (
        Column("package", "Package", Kind.NAME),
        Column("name", "Resource", Kind.NAME),
        Column("target", "Names, but is not in the inventory", Kind.NAME),
        Column("hint", "Why it may be missing"),
        Column("via", "Property", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "package": moves.packages.package_of[one.source],
                "name": units[one.source].name,
                "target": one.target_id,
                "hint": one.hint,
                "via": one.via,
                "id": units[one.source].id,
            }
        )
        for one in moves.found.dangling
    )
    return Table("package-outside", "References that lead out of the inventory", columns, rows)


def _members(facts: Facts, moves: Moves) -> Table:
    columns = (
        Column("package", "Package", Kind.NAME),
        Column("name", "Resource", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("resource_group", "Resource group", Kind.NAME),
        Column("verdict", "Verdict", Kind.STATUS),
        *counts(("needs", "Needs"), ("needed", "Needed by")),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    needs = Counter(edge.source for edge in moves.found.edges)
    needed = Counter(edge.target for edge in moves.found.edges)
    words = {judged.resource.id.lower(): judged.word for judged in facts.judged}
    rows = []
    for package in moves.packages.packages:
        blocked, unknown = set(package.blocked), set(package.unknown)
        for n in package.members:
            unit = moves.packages.units[n]
            # A resource without any verdict counts as unknown here, and as a flag of the report.
            word = "blocked" if n in blocked else "unknown" if n in unknown else words.get(unit.id.lower(), "unknown")
            cells: dict[str, Value] = {
                "package": package.name,
                "name": unit.name,
                "type": unit.type,
                "resource_group": unit.resource_group,
                "verdict": word,
                "needs": needs[n],
                "needed": needed[n],
                "id": unit.id,
            }
            rows.append(make_row(cells))
    return Table("package-members", "Members of the packages", columns, tuple(rows))
