"""The summary as one page of tagged PDF (PDF/UA-1), for a meeting.

Typst sets the page. All text goes in as data of one JSON input and is never markup; the page is a constant of ours.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from mappings.report_model import Priority, Report, Tile
from tasks.reports.words import IN_OUT, moment, said, visible, word

_TILES = 12
_RUN = 24
"""Characters without a blank after which a line may break."""
_LATIN = re.compile(r"[^\x20-\x7e\u00a0-\u024f\u2010-\u2027\u2030-\u203a\u200b]")


def render_pdf(report: Report, digest: str) -> bytes:
    """The page.

    Characters that no font of this machine has are shown as question marks, and the page says so: PDF/UA forbids a
    character without a shape.

    Args:
        digest: SHA-256 (hex) of report.json.
    """
    import typst

    page = (files("tasks.reports") / "templates" / "summary.typ").read_bytes()
    data = _data(report, digest)
    try:
        return _compiled(page, data)
    except typst.TypstError as wrong:
        if "could not be displayed" not in str(wrong):
            raise
    note = "Characters for which this machine has no font are shown as “?”; report.html has them."
    return _compiled(page, _plain(data) | {"note": note})


def _compiled(page: bytes, data: dict[str, Any]) -> bytes:
    import typst

    made = typst.compile(page, format="pdf", pdf_standards=["ua-1"], sys_inputs={"data": json.dumps(data)})
    if not isinstance(made, bytes):
        # One PDF is one value of bytes; lists are for formats with a file per page.
        raise TypeError(f"typst returned {type(made).__name__} for a PDF")
    return made


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case str():
            return _LATIN.sub("?", value)
        case _:
            return value


def _text(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, without hidden ones, and with places where a long run may break."""
    shown = " ".join(visible(text).split())
    if len(shown) > limit:
        shown = shown[: limit - 1].rstrip() + "…"
    return re.sub(rf"(\S{{{_RUN}}})(?=\S)", "\\1\u200b", shown)


def _data(report: Report, digest: str) -> dict[str, Any]:
    cover, brief = report.cover, report.brief
    verdicts = next((t for s in report.sections for t in s.tables if t.id == "readiness-by-verdict"), None)
    return {
        "document_title": _text(f"{cover.title}: {cover.customer}", 200).replace("\u200b", ""),
        "marking": _text(cover.marking, 110).replace("\u200b", ""),
        "kind": f"{cover.title}, summary",
        "customer": _text(cover.customer, 120),
        "facts": [{"label": label, "text": _text(text, 120)} for label, text in _facts(report)],
        "alerts": [_text(f"Does not add up. {flag.sentence}", 200) for flag in report.flags[:2]],
        "sentences": [_text(sentence, 420) for sentence in report.sentences],
        "tiles": [_tile(tile) for tile in report.tiles[:_TILES]],
        "verdicts": [_bar(row.cells) for row in (verdicts.rows if verdicts else ())],
        "blockers": [_blocker(each) for each in brief.blockers],
        "no_blockers": "Nothing is blocked, to be replaced or unknown.",
        "more": _more(brief.more),
        "in_out": [_tile(tile) for tile in brief.in_out],
        "in_out_result": IN_OUT[brief.in_out_result],
        "unseen": _unseen(report),
        "made_by": _text(f"Made by govlift {cover.version}, {moment(cover.made_at)}", 90),
        "digest": digest,
        "note": "",
    }


def _facts(report: Report) -> list[tuple[str, str]]:
    cover = report.cover
    return [
        ("From", cover.source.cloud or "not told"),
        ("To", cover.target.cloud or "not told"),
        ("Inventory taken", moment(cover.inventory_taken_at)),
        ("Rules last checked", cover.catalogue_date.isoformat() if cover.catalogue_date else "no date"),
    ]


def _more(reasons: int) -> str:
    if not reasons:
        return ""
    return f"{reasons:,} further reasons for what is blocked, to be replaced or unknown are in the full report."


def _tile(tile: Tile) -> dict[str, str]:
    return {"label": _text(tile.label, 60), "value": said(tile.value, tile.kind), "note": _text(tile.note, 80)}


def _bar(cells: Any) -> dict[str, Any]:
    known, number = word(str(cells["verdict"])), int(cells["resources"] or 0)
    return {"label": known.label, "tone": known.tone, "number": number, "text": f"{number:,}"}


def _blocker(each: Priority) -> dict[str, str]:
    known = word(each.status)
    return {
        "status": known.label,
        "tone": known.tone,
        "what": _text(each.what, 170),
        "remedy": _text(each.remedy, 170),
        "owner": _text(each.owner, 70),
        "number": f"{each.resources:,}",
    }


def _unseen(report: Report) -> list[str]:
    brief = report.brief
    if not brief.unseen:
        return ["Everything that was asked for could be listed."]
    lines = [_text(f"{each.what}: {each.owner}", 130) for each in brief.unseen[:3]]
    rest = len(brief.unseen) - 3 + brief.more_unseen
    return [*lines, f"and {rest:,} more places, all in the full report"] if rest > 0 else lines
