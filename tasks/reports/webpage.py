"""The report as one HTML file: no network, readable by everybody (WCAG 2.1 AA), printable, complete without script.

The only script is ours and the same in every report: it filters and sorts the tables. The page's own policy names the
SHA-256 of script and style, so a browser runs nothing else. Everything is decided here; the template only loops. Markup
is made in two ways: by Jinja with autoescape, and by `Markup.format`, which escapes what it is given.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from mappings.report_model import (
    Brief,
    Column,
    Cover,
    Kind,
    Priority,
    Report,
    Row,
    Section,
    Table,
    Tile,
    Value,
)
from mappings.report_words import counted
from tasks.reports.anchors import Anchors
from tasks.reports.words import IN_OUT, NOTHING, QUIET, cover_facts, moment, said, visible, word

ROW_LIMIT = 500
"""Rows of one table on the page; the workbook and the JSON have all."""
TALL = 16
"""Tables with more rows scroll within their own frame."""

_BREAKS = ("/", "-", "_", "@", "›", ".")
_NUMBERS = frozenset({Kind.COUNT, Kind.BYTES, Kind.SHARE, Kind.STARS, Kind.SECONDS})


@dataclass(frozen=True, slots=True)
class Head:
    """One column heading."""

    title: str
    css: str


@dataclass(frozen=True, slots=True)
class Line:
    """One table row: attributes, the heading cell, the other cells."""

    attributes: Markup
    head: Markup
    cells: tuple[Markup, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """One table as the template shows it."""

    id: str
    caption: str
    extent: str
    """How many rows a scrolling frame holds, "" where all are in view."""
    css: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def render_html(report: Report, digest: str) -> str:
    """The page.

    Args:
        digest: SHA-256 (hex) of the report's JSON, printed in the sign-off.
    """
    folder = files("tasks.reports") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    anchors = Anchors(report, ROW_LIMIT)
    css = (folder / "report.css").read_text(encoding="utf-8") + _page_margins(report.cover)
    script = (folder / "report.js").read_text(encoding="utf-8")
    return template.render(
        css=Markup(css),
        script=Markup(script),
        policy=_policy(css, script),
        cover=report.cover,
        title=visible(f"{report.cover.title}: {report.cover.customer}"),
        customer=visible(report.cover.customer),
        markings=[visible(report.cover.marking)] if report.cover.marking else [],
        facts=list(cover_facts(report.cover)),
        tiles=[_tile(tile, anchors) for tile in report.tiles],
        sentences=[visible(sentence) for sentence in report.sentences],
        alerts=[_flags(report, anchors)] if report.flags else [],
        overview=list(_overview(report)),
        brief=_brief(report.brief, anchors),
        parts=_parts(report, anchors),
        risks=[(visible(risk.sentence), f"#{anchors.of(risk.ref)}") for risk in report.risks],
        signatures=report.signatures,
        digest=digest,
        made_by=visible(f"govlift {report.cover.version}, {moment(report.cover.made_at)}"),
        icons=_ICONS,
    )


def _policy(css: str, script: str) -> str:
    """The Content Security Policy: nothing is fetched, and only this style and this script count."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")

    return (
        f"default-src 'none'; style-src 'sha256-{digest(css)}'; script-src 'sha256-{digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _parts(report: Report, anchors: Anchors) -> list[tuple[str, list[dict[str, Any]]]]:
    """Sections by part, in order; a report without parts has one."""
    groups = groupby(report.sections, key=lambda section: section.part)
    return [(part or "Sections", [_section(section, anchors) for section in group]) for part, group in groups]


def _brief(brief: Brief, anchors: Anchors) -> dict[str, Any]:
    """The first page besides tiles and sentences."""
    return {
        "blockers": [_priority(each, anchors) for each in brief.blockers],
        "more": f"{brief.more:,} further reasons for what is blocked, to be replaced or unknown" if brief.more else "",
        "result": IN_OUT[brief.in_out_result],
        "in_out": [
            {
                "label": tile.label,
                "value": said(tile.value, tile.kind),
                "note": visible(tile.note),
                "href": f"#{anchors.of(tile.ref)}",
            }
            for tile in brief.in_out
        ],
        "unseen": [_priority(each, anchors) for each in brief.unseen],
        "more_unseen": f"{brief.more_unseen:,} further places" if brief.more_unseen else "",
    }


def _priority(each: Priority, anchors: Anchors) -> dict[str, Any]:
    return {
        "status": _status(each.status),
        "what": visible(each.what),
        "remedy": visible(each.remedy),
        "owner": visible(each.owner),
        "number": counted(each.resources, "resource"),
        "href": f"#{anchors.of(each.ref)}",
    }


def _page_margins(cover: Cover) -> str:
    """The marking in the page margins of a print, as CSS escapes, so that no text can leave the style element."""

    def quoted(text: str) -> str:
        return '"' + "".join(f"\\{ord(char):x} " for char in text) + '"'

    left = quoted(f"{visible(cover.name)} · {moment(cover.made_at)}")
    boxes = f"@bottom-left{{content:{left}}}"
    if cover.marking:
        marking = quoted(visible(cover.marking))
        boxes += f"@top-center{{content:{marking}}}@bottom-center{{content:{marking}}}"
    return f"\n@page{{{boxes}}}\n"


def _tile(tile: Tile, anchors: Anchors) -> dict[str, Any]:
    value = said(tile.value, tile.kind)
    number, _, unit = value.partition(" ")
    return {
        "href": f"#{anchors.of(tile.ref)}",
        "label": tile.label,
        "number": number,
        "unit": unit,
        "note": visible(tile.note),
        "css": "t-bad" if tile.key == "blocked" and tile.value else "",
    }


def _flags(report: Report, anchors: Anchors) -> list[tuple[str, str]]:
    return [(visible(flag.sentence), f"#{anchors.of(flag.ref)}") for flag in report.flags]


def _overview(report: Report) -> Iterator[dict[str, Any]]:
    """One bar of all verdicts for the summary; its table form is the first table of the section "Readiness"."""
    table = next((t for s in report.sections for t in s.tables if t.id == "readiness-by-verdict"), None)
    if table is not None:
        parts = [(str(row.cells["verdict"]), _number(row.cells["resources"])) for row in table.rows]
        told = [(word(name), number) for name, number in parts]
        text = ", ".join(f"{known.label} {number:,}" for known, number in told)
        yield {
            "bar": _bar([(known.tone, number) for known, number in told]),
            "text": text,
            "legend": [(_status(name), f"{number:,}") for name, number in parts],
            "href": f"#{table.id}",
        }


def _section(section: Section, anchors: Anchors) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "lead": visible(section.lead),
        "remarks": [visible(remark) for remark in section.remarks],
        "grids": [_grid(section, table, anchors) for table in section.tables],
    }


def _grid(section: Section, table: Table, anchors: Anchors) -> Grid:
    shown = table.rows[:ROW_LIMIT]
    columns = [column for column in table.columns if not column.detail and _says_anything(column, shown)]
    notes = [table.note] if table.note else []
    if len(table.rows) > len(shown):
        notes.append(
            f"The first {len(shown):,} of {len(table.rows):,} rows; all are in report.xlsx, sheet"
            f" “{table.sheet or table.caption}”, in the folder report as CSV and Parquet, and in report.json."
        )
    heads = [Head(column.title, f"k-{column.kind.value}{_room(column, shown)}") for column in columns]
    if table.bars:
        heads.append(Head("Mix" if len(table.bars) > 1 else "Share", "k-bar"))
    lines = []
    for number, row in enumerate(shown):
        first, *rest = (_cell(column, row, anchors) for column in columns)
        cells = [*rest, *_bars(table, row)]
        identity = anchors.row_id(table, number)
        attributes = Markup(' id="{}"').format(identity) if identity else Markup("")
        lines.append(Line(attributes, first, tuple(cells)))
    tall = len(shown) > TALL
    extent = f"{len(shown):,} rows" if tall else ""
    return Grid(
        table.id,
        visible(table.caption),
        extent,
        "tall" if tall else "",
        tuple(heads),
        tuple(lines),
        tuple(map(visible, notes)),
    )


def _says_anything(column: Column, rows: Sequence[Row]) -> bool:
    """False for a column without a single value, which would only make the page wider."""
    return any(row.cells[column.key] not in (None, "") for row in rows)


def _room(column: Column, rows: Sequence[Row]) -> str:
    """A class for columns of sentences and of long lists of sources, which need more room than columns of words."""
    if column.kind not in (Kind.TEXT, Kind.SOURCE):
        return ""
    longest = max((len(str(row.cells[column.key] or "")) for row in rows), default=0)
    return " longer" if longest > 180 else " long" if longest > 60 else ""


def _cell(column: Column, row: Row, anchors: Anchors) -> Markup:
    """The td (or, for the first column, th) content with its class."""
    value = row.cells[column.key]
    content = _content(value, column.kind)
    ref = row.links.get(column.key)
    if ref is not None:
        content = Markup('<a href="#{}">{}</a>').format(anchors.of(ref), content)
    css = f"k-{column.kind.value}" + (" none" if not value and column.kind in _NUMBERS else "")
    if column.kind in _NUMBERS and value not in (None, ""):
        # What the script sorts by.
        return Markup(' class="{}" data-v="{}">{}').format(css, value, content)
    return Markup(' class="{}">{}').format(css, content)


def _content(value: Value, kind: Kind) -> Markup:
    if value is None or value == "":
        return Markup('<span class="none">{}</span>').format(NOTHING)
    match kind:
        case Kind.STATUS:
            return _status(str(value))
        case Kind.SOURCE:
            return _source(str(value))
        case Kind.NAME:
            return Markup("<bdi>{}</bdi>").format(_breakable(visible(str(value))))
        case Kind.TEXT:
            return Markup("<bdi>{}</bdi>").format(visible(str(value)))
        case Kind.TIME:
            return Markup('<time datetime="{}">{}</time>').format(value, said(value, kind))
        case _:
            return escape(said(value, kind))


def _breakable(text: str) -> Markup:
    """Lets long identifiers break after their separators instead of anywhere."""
    escaped = str(escape(text))
    for mark in _BREAKS:
        escaped = escaped.replace(mark, f"{mark}<wbr>")
    return Markup(escaped)


def _status(value: str) -> Markup:
    known = word(value)
    return Markup(
        '<span class="status t-{}"><svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>{}</span>'
    ).format(known.tone, known.icon, visible(known.label))


def _source(text: str) -> Markup:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        return Markup("<bdi>{}</bdi>").format(visible(text))
    last = parts.path.rstrip("/").rpartition("/")[2]
    host = "Learn" if parts.hostname == "learn.microsoft.com" else parts.hostname.removeprefix("www.")
    label = f"{host} › {last}" if last else host
    return Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(text, _breakable(visible(label)))


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _bars(table: Table, row: Row) -> list[Markup]:
    """The row's bar, hidden from screen readers because the numbers stand beside it."""
    if not table.bars:
        return []
    if len(table.bars) > 1:
        parts = [(word(key).tone, _number(row.cells[key])) for key in table.bars]
    else:
        key = table.bars[0]
        whole = sum(_number(other.cells[key]) for other in table.rows)
        status = next((str(row.cells[c.key]) for c in table.columns if c.kind is Kind.STATUS), "")
        tone = word(status).tone if status else QUIET
        tone = "plain" if tone == QUIET else tone
        parts = [(tone, _number(row.cells[key])), ("rest", whole - _number(row.cells[key]))]
    return [Markup(' class="k-bar">{}').format(_bar(parts))]


def _bar(parts: list[tuple[str, int]]) -> Markup:
    whole = sum(number for _, number in parts)
    rects, at = Markup(""), 0.0
    for tone, number in parts:
        if number:
            width = 100 * number / whole
            # A hair of paper between the parts, so that they are told apart without their colours.
            drawn = max(width - 0.3, 0.2)
            rects += Markup('<rect class="f-{}" x="{:.2f}" width="{:.2f}" height="8"/>').format(tone, at, drawn)
            at += width
    return Markup('<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{}</svg>').format(
        rects
    )


_ICONS = {
    "check": Markup('<circle cx="8" cy="8" r="6.5"/><path d="M5 8.2l2.1 2.1L11 6.2"/>'),
    "half": Markup('<circle cx="8" cy="8" r="6.5"/><path d="M8 1.5a6.5 6.5 0 0 0 0 13z" class="solid"/>'),
    "swap": Markup('<path d="M2 5.5h11M10 2.5l3 3-3 3M14 10.5H3M6 7.5l-3 3 3 3"/>'),
    "cross": Markup('<circle cx="8" cy="8" r="6.5"/><path d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/>'),
    "question": Markup(
        '<circle cx="8" cy="8" r="6.5"/><path d="M6.2 6.3a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.9.6-.9 1.2M8 11.2v.2"/>'
    ),
    "alert": Markup('<path d="M8 1.8l6.7 12H1.3zM8 6.2v3.6M8 11.8v.2"/>'),
    "clock": Markup('<circle cx="8" cy="8" r="6.5"/><path d="M8 4.5V8l2.4 1.6"/>'),
    "dot": Markup('<circle cx="8" cy="8" r="2.5" class="solid"/>'),
}
"""Icon name -> shapes on a 16 by 16 field, drawn in the colour of the text beside them."""
