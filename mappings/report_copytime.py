"""Section "Data volume and copy time": every figure with its basis, P50 and P90 with their inputs, and the downtime."""

from __future__ import annotations

from collections import defaultdict

from mappings.estimate import LISTED_PER_SECOND, MIB, Span, cutover_of, days_of
from mappings.moves import Moves
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table, Value
from mappings.report_packages import NOT_MADE
from mappings.report_words import are, counted, counts, data_size, make_row
from mappings.volumes import Basis, Figure

TITLE = "Data volume and copy time"
_BASIS_MEANS = {
    Basis.LISTED: "Every object was listed",
    Basis.MEASURED: "Measured by Azure Monitor",
    Basis.PROVISIONED: "Provisioned size, an upper bound",
    Basis.ELSEWHERE: "Counted with other resources",
    Basis.UNKNOWN: "Not known",
}


def copytime_section(facts: Facts) -> Section:
    """How much data there is, how long it takes, and what both rest on."""
    moves = facts.moves
    if moves is None:
        return Section("copy-time", TITLE, NOT_MADE)
    whole, copy = moves.whole, moves.copy
    if not moves.figures:
        return Section("copy-time", TITLE, "No resource of this inventory is of a type that holds data.")
    days = [days_of(seconds, moves.rates.hours_per_day) for seconds in (copy.p50, copy.p90)]
    lead = (
        f"{data_size(whole.bytes)} in {counted(whole.objects, 'counted object')}: {_days(days[0])} of copying at P50,"
        f" {_days(days[1])} at P90, in a window of {moves.rates.hours_per_day:g} hours a day."
    )
    remarks = []
    if whole.provisioned:
        remarks.append(
            f"{data_size(whole.provisioned)} of it is what was provisioned, not what is used, so the time is rather too"
            " long."
        )
    if whole.unknown:
        remarks.append(
            f"{counted(whole.unknown, 'resource')} {are(whole.unknown)} of unknown size and not in these numbers, so"
            " the time is rather too short."
        )
    remarks.append("The same rates are taken for every service; databases by export and import are slower.")
    tables = (_estimate(moves), _inputs(moves), _cutover(moves), _basis(moves), _rows(moves))
    return Section("copy-time", TITLE, lead, tuple(table for table in tables if table.rows), tuple(remarks))


def _days(days: float) -> str:
    if days < 0.05:
        return "less than an hour" if days * 24 < 1 else f"{days * 24:.1f} hours"
    return f"{days:,.1f} days"


def _estimate(moves: Moves) -> Table:
    columns = (
        Column("what", "Wave", Kind.NAME),
        Column("bytes", "Data", Kind.BYTES),
        Column("objects", "Objects", Kind.COUNT),
        Column("p50", "Copy time P50", Kind.SECONDS),
        Column("p90", "Copy time P90", Kind.SECONDS),
        Column("days_p50", "Days P50"),
        Column("days_p90", "Days P90"),
    )
    rows = []
    for wave in moves.waves:
        sums = [moves.sums[package.name] for package in moves.packages.wave(wave.number)]
        size, objects = sum(one.bytes for one in sums), sum(one.objects for one in sums)
        rows.append(_time_row(moves, str(wave.number), size, objects, wave.copy, {"wave": str(wave.number)}))
    rows.append(_time_row(moves, "all waves", moves.whole.bytes, moves.whole.objects, moves.copy, {}))
    return Table("copy-estimate", "Copy time by wave", columns, tuple(rows))


def _time_row(moves: Moves, what: str, size: int, objects: int, span: Span, where: dict[str, str]) -> Row:
    hours = moves.rates.hours_per_day
    cells: dict[str, Value] = {
        "what": what,
        "bytes": size,
        "objects": objects,
        "p50": round(span.p50),
        "p90": round(span.p90),
        "days_p50": f"{days_of(span.p50, hours):,.1f}",
        "days_p90": f"{days_of(span.p90, hours):,.1f}",
    }
    links = {key: Ref("copy-time", "volume-rows", where, key) for key in ("bytes", "objects")}
    return make_row(cells, links)


def _inputs(moves: Moves) -> Table:
    rates = moves.rates
    told = (
        ("Bandwidth", f"{rates.bytes_per_second / MIB:,.1f} MiB/s", rates.bandwidth_from),
        ("Objects", f"{rates.objects_per_second:,.1f} per second", rates.objects_from),
        ("Work done twice", f"{rates.retried:.0%}", "assumed: one request in twenty is repeated"),
        ("P90 over P50", f"x {rates.spread:.2f}", rates.spread_from),
        ("Window", f"{rates.hours_per_day:g} hours a day", "[pace] of the settings, or its default"),
        ("Changes", f"{rates.churn_per_day:.1%} of the data a day", "[pace] of the settings, or its default"),
        ("Listing", f"{LISTED_PER_SECOND:,.0f} objects per second", "assumed: pages of 5,000 in 2.5 seconds"),
        ("Formula", "max(bytes / bandwidth, objects / rate) x (1 + work done twice)", "the slower of the two decides"),
    )
    rows = tuple(make_row({"input": what, "value": value, "origin": origin}) for what, value, origin in told)
    columns = (Column("input", "Input"), Column("value", "Value"), Column("origin", "Where it comes from"))
    return Table("estimate-inputs", "What the times rest on", columns, rows)


def _cutover(moves: Moves) -> Table:
    columns = (
        Column("wave", "Wave", Kind.NAME),
        Column("delta", "Last delta P50", Kind.SECONDS),
        Column("verify", "Final check P50", Kind.SECONDS),
        Column("dns", "DNS time to live", Kind.SECONDS),
        Column("start", "Start of applications", Kind.SECONDS),
        Column("p50", "Downtime P50", Kind.SECONDS),
        Column("p90", "Downtime P90", Kind.SECONDS),
        Column("keeps_up", "Daily delta keeps up"),
    )
    rows = []
    for wave in moves.packages.waves:
        sums = [moves.sums[package.name] for package in moves.packages.wave(wave)]
        cut = cutover_of(sum(s.bytes for s in sums), sum(s.objects for s in sums), moves.rates)
        cells: dict[str, Value] = {
            "wave": str(wave),
            "delta": round(cut.last_delta.p50),
            "verify": round(cut.verify.p50),
            "dns": cut.dns_seconds,
            "start": cut.start_seconds,
            "p50": round(cut.downtime.p50),
            "p90": round(cut.downtime.p90),
            "keeps_up": "yes" if cut.catches_up else "no: a day's changes take longer than a day's window",
        }
        rows.append(make_row(cells))
    note = "Estimated for one cutover of the whole wave; DNS time to live and start of applications are assumed."
    return Table("cutover-times", "Downtime at the cutover", columns, tuple(rows), note=note)


def _basis(moves: Moves) -> Table:
    columns = (
        Column("basis", "Basis"),
        *counts(("figures", "Figures")),
        Column("bytes", "Data", Kind.BYTES),
        Column("objects", "Objects", Kind.COUNT),
    )
    groups: defaultdict[Basis, list[Figure]] = defaultdict(list)
    for figure in moves.figures:
        groups[figure.basis].append(figure)
    rows = []
    for basis in Basis:
        inside = groups[basis]
        if not inside:
            continue
        where = {"basis": _BASIS_MEANS[basis]}
        known = basis not in (Basis.UNKNOWN, Basis.ELSEWHERE)
        cells: dict[str, Value] = {
            "basis": _BASIS_MEANS[basis],
            "figures": len(inside),
            "bytes": sum(one.bytes or 0 for one in inside) if known else None,
            "objects": sum(one.objects or 0 for one in inside) if known else None,
        }
        links = {"figures": Ref("copy-time", "volume-rows", where)}
        links |= {key: Ref("copy-time", "volume-rows", where, key) for key in ("bytes", "objects")}
        rows.append(make_row(cells, links))
    return Table("volume-basis", "What the volumes rest on", columns, tuple(rows))


def _rows(moves: Moves) -> Table:
    columns = (
        Column("name", "Resource", Kind.NAME),
        Column("part", "Service"),
        Column("package", "Package", Kind.NAME),
        Column("bytes", "Data", Kind.BYTES),
        Column("objects", "Objects", Kind.COUNT),
        Column("basis", "Basis"),
        Column("source", "Where the figure comes from"),
        Column("type", "Type", Kind.NAME, detail=True),
        Column("wave", "Wave", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    waves = {package.name: str(package.wave) for package in moves.packages.packages}
    rows = []
    for figure in sorted(moves.figures, key=lambda one: (-(one.bytes or 0), one.position, one.part)):
        unit, package = moves.packages.units[figure.position], moves.packages.package_of[figure.position]
        cells: dict[str, Value] = {
            "name": unit.name,
            "part": figure.part,
            "package": package,
            "bytes": figure.bytes,
            "objects": figure.objects,
            "basis": _BASIS_MEANS[figure.basis],
            "source": figure.source,
            "type": unit.type,
            "wave": waves[package],
            "id": unit.id,
        }
        rows.append(make_row(cells))
    return Table("volume-rows", "Every resource that holds data, the largest first", columns, tuple(rows))
