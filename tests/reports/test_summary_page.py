"""The summary as PDF: one page whatever goes in, tagged, marked, and with the report's own numbers."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from mappings.readiness import Report
from tasks.reports.summary import render_pdf
from tests.reports import hostile, sample

pytestmark = pytest.mark.slow

LONG = (
    "x" * 3000,
    "word " * 2000,
    "مرحبا بالعالم " * 200,
    "東京都" * 300,
    "\U0001f600" * 500,
    '#eval("1+1") $x$ *b* @l',
)


def opened(report: Report) -> PdfReader:
    return PdfReader(io.BytesIO(render_pdf(report, "ab" * 32)))


@pytest.mark.parametrize("evil", [*hostile.CORPUS[::4], *LONG], ids=range(len(hostile.CORPUS[::4]) + len(LONG)))
def test_one_page_for_any_text(evil: str) -> None:
    """Mutation: a page without the fitting scale and the clip; a character without a font that stops the report."""
    book = opened(hostile.report(evil))
    assert len(book.pages) == 1
    assert not [item for page in book.pages for item in page.get("/Annots", [])]


def test_the_page_says_what_the_report_says() -> None:
    report = sample.stage("resynced")
    book = opened(report)
    text = " ".join(book.pages[0].extract_text().split())
    assert text.count(report.cover.marking) == 2
    for part in (*report.sentences, "ab" * 32, report.cover.customer, report.brief.blockers[0].what):
        assert part.replace(" ", "") in text.replace(" ", "").replace("\u200b", ""), part
    for tile in report.tiles:
        assert tile.label in text
    assert "In equals out: differs, every id is listed" in text


def test_it_is_tagged_titled_and_tells_nobody() -> None:
    book = opened(sample.stage("assessed"))
    root = book.trailer["/Root"]
    assert bool(root["/MarkInfo"]["/Marked"])
    assert root["/Lang"] == "en"
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert book.metadata is not None
    assert book.metadata.title == "Readiness report: Hollis County, Department of Information Technology"
    assert not book.metadata.author


def test_text_is_never_markup() -> None:
    """Typst would turn these into a formula, bold text and a code call."""
    text = " ".join(opened(hostile.report('#eval("1+1") $x$ *b*')).pages[0].extract_text().split())
    assert '#eval("1+1") $x$ *b*' in text


def test_numbers_that_do_not_add_up_stand_on_the_page() -> None:
    assert "Does not add up" in opened(sample.stage("broken")).pages[0].extract_text()
    assert "Does not add up" not in opened(sample.stage("resynced")).pages[0].extract_text()


def test_without_a_marking_there_is_none() -> None:
    text = opened(hostile.report("plain-text", marking="")).pages[0].extract_text()
    assert "OFFICIAL" not in text
