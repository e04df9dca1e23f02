"""The page: one file, no script, no request, nothing from the data alive in it, and readable by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from markupsafe import escape

from mappings.readiness import Report
from mappings.report_model import Kind
from mappings.states import Change, Outcome, RunState, VerdictKind
from tasks.reports.webpage import ROW_LIMIT, render_html
from tasks.reports.words import WORDS, said, visible
from tests.reports import hostile, sample

pytestmark = pytest.mark.slow

_LIVE = (
    "innerHTML outerHTML insertAdjacent document.write eval Function fetch XMLHttp Storage cookie import setTimeout"
    " DOMParser createContextualFragment .src </"
)
"""What a script would need to make markup or code of data, or to send it."""
VOID = {"meta", "br", "wbr", "use", "circle", "path", "rect"}


@dataclass
class Page(HTMLParser):
    """What a test needs to know of a page."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)
    stack: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    text: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        known = dict(attrs)
        if len(known) != len(attrs):
            self.faults.append(f"an attribute twice in {tag}")
        self.attributes.append((tag, known))
        if known.get("id") is not None:
            self.ids[str(known["id"])] += 1
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.stack:
            self.text.setdefault(self.stack[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.attributes if name == tag]


def parsed(markup: str) -> Page:
    page = Page()
    page.feed(markup)
    page.close()
    assert page.stack == []
    assert page.faults == []
    return page


@pytest.fixture(scope="module", params=sample.STAGES)
def staged(request: pytest.FixtureRequest) -> tuple[Report, str, Page]:
    report = sample.stage(str(request.param))
    markup = render_html(report, "0" * 64)
    return report, markup, parsed(markup)


def test_structure(staged: tuple[Report, str, Page]) -> None:
    """Language, title, one h1, landmarks, skip link, captions, scopes, unique ids."""
    _, markup, page = staged
    assert markup.startswith("<!DOCTYPE html>")
    assert page.all("html") == [{"lang": "en"}]
    assert page.tags["title"] == page.tags["h1"] == page.tags["main"] == page.tags["nav"] == page.tags["footer"] == 1
    assert page.tags["caption"] == page.tags["table"] > 0
    assert all(heading.get("scope") in ("col", "row") for heading in page.all("th"))
    assert [name for name, times in page.ids.items() if times > 1] == []
    assert page.all("a")[0].get("class") == "skip"
    assert page.all("nav")[0].get("aria-label")


def test_every_link_within_the_page_lands(staged: tuple[Report, str, Page]) -> None:
    """Mutation: dropping the row ids, or naming a row beyond the limit."""
    _, _, page = staged
    inner = [href for tag in ("a", "use") for a in page.all(tag) if (href := a.get("href") or "").startswith("#")]
    assert inner
    assert [href for href in inner if href[1:] not in page.ids] == []
    labels = [ref for _, a in page.attributes for ref in (a.get("aria-labelledby") or "").split()]
    assert [ref for ref in labels if ref not in page.ids] == []


def test_frames_can_be_reached_and_scrolled(staged: tuple[Report, str, Page]) -> None:
    """WCAG 2.1.1: a scrolling region takes the keyboard's focus and has a name."""
    _, _, page = staged
    frames = [a for a in page.all("div") if "frame" in (a.get("class") or "").split()]
    assert len(frames) == page.tags["table"]
    assert all(f.get("tabindex") == "0" and f.get("role") == "region" and f.get("aria-labelledby") for f in frames)


def test_nothing_is_loaded_and_nothing_runs(staged: tuple[Report, str, Page]) -> None:
    """Links are the only addresses; nothing that a browser would fetch; no script but ours, which the policy names."""
    _, markup, page = staged
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "input"} & set(page.tags)
    for tag, attributes in page.attributes:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if "http" in (value or "") and name != "aria-label":
                assert (tag, name) == ("a", "href"), (tag, name, value)
    assert "url(" not in markup
    assert "@import" not in markup
    policy = str(page.all("meta")[1].get("content"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", markup, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_script_writes_no_markup_and_asks_nobody() -> None:
    """Data reaches the page as text only: nothing that parses markup, runs text, stores or sends."""
    script = (files("tasks.reports") / "templates" / "report.js").read_text(encoding="utf-8")
    for word in _LIVE.split():
        assert word not in script, word
    pages = {render_html(hostile.report(text), "0" * 64).rpartition("<script>")[2] for text in hostile.CORPUS}
    assert pages == {render_html(sample.stage("assessed"), "0" * 64).rpartition("<script>")[2]}
    assert pages.pop().startswith(script)


def test_every_table_with_bars_has_its_numbers(staged: tuple[Report, str, Page]) -> None:
    """A bar is hidden from screen readers, so its numbers must be shown columns of the same table."""
    report, _, page = staged
    for section in report.sections:
        for table in section.tables:
            shown = {column.key for column in table.columns if not column.detail}
            assert set(table.bars) <= shown, table.id
    assert all(a.get("aria-hidden") == "true" for a in page.all("svg"))


def test_headings_do_not_skip(staged: tuple[Report, str, Page]) -> None:
    _, _, page = staged
    assert not {"h4", "h5", "h6"} & set(page.tags)
    assert page.tags["h2"] == len(staged[0].sections) + 2
    levels = [int(tag[1]) for tag, _ in page.attributes if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_first_page_says_what_blocks_what_came_out_and_what_was_not_seen(staged: tuple[Report, str, Page]) -> None:
    report, markup, _ = staged
    first = visible(markup[: markup.index('<section id="balance"')])
    brief = report.brief
    assert brief.blockers
    for each in (*brief.blockers, *brief.unseen):
        for part in (each.what, each.remedy, each.owner):
            assert str(escape(part)) in first, part
    assert [tile.key for tile in brief.in_out] == ["graph", "arm", "listed", "judged", "apart"]
    ranks = [each.status for each in brief.blockers]
    assert ranks == sorted(ranks, key=("blocked", "unknown", "replace").index)
    for each in brief.blockers:
        assert report.number_behind(each.ref) == each.resources


def test_a_signature_accepts_what_is_open() -> None:
    markup = render_html(sample.stage("resynced"), "0" * 64)
    end = markup[markup.index('id="sign-off"') :]
    for words in ("6 resources are blocked", "2 places could not be listed", "4 objects are not at the target"):
        assert words in end, words


def test_marking_stands_at_top_and_bottom_and_on_every_printed_page() -> None:
    """Mutation: printing it once. In CSS it is written as escapes, so that it cannot end the style element."""
    marked = sample.stage("resynced")
    markup = render_html(marked, "0" * 64)
    page = parsed(markup)
    assert sum("marking" in (a.get("class") or "") for a in page.all("p")) == 2
    body = markup[markup.index("<body>") :]
    assert body.index(marked.cover.marking) < body.index("<h1>")
    assert body.rindex(marked.cover.marking) > body.rindex("</main>")
    escapes = "".join(f"\\{ord(char):x} " for char in marked.cover.marking)
    assert markup.count(escapes) == 2
    assert re.search(r"@top-center\{content:\"\\48 ", markup)


def test_without_a_marking_there_is_none() -> None:
    report = hostile.report(marking="")
    page = parsed(render_html(report, "0" * 64))
    assert not any("marking" in (a.get("class") or "") for a in page.all("p"))
    assert "@top-center" not in render_html(report, "0" * 64)


@pytest.mark.parametrize("evil", hostile.CORPUS, ids=range(len(hostile.CORPUS)))
def test_hostile_text_stays_text(evil: str) -> None:
    """Mutation: autoescape off, `Markup(value)` in place of `Markup.format`, or the marking unescaped in the CSS."""
    plain, attacked = (
        parsed(render_html(hostile.report(text, source="a book"), "0" * 64)) for text in ("plain-text", evil)
    )
    assert set(attacked.tags) <= set(plain.tags)
    places = {(tag, name) for tag, attributes in plain.attributes for name in attributes}
    assert {(tag, name) for tag, attributes in attacked.attributes for name in attributes} <= places
    assert attacked.tags["svg"] == plain.tags["svg"]


@pytest.mark.parametrize("evil", hostile.CORPUS, ids=range(len(hostile.CORPUS)))
def test_no_hidden_or_turning_character_reaches_the_page(evil: str) -> None:
    markup = render_html(hostile.report(evil), "0" * 64)
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\x00-\x08]", markup)
    assert "\n49\n" not in markup
    assert ">49<" not in markup


def test_only_https_sources_become_links() -> None:
    """A source such as `javascript:` must stay words."""
    for source in ("javascript:alert(1)", "http://example.com/a", "data:text/html,x", "https:///nohost", "a book"):
        page = parsed(render_html(hostile.report("plain", source=source), "0" * 64))
        assert not [a for a in page.all("a") if not (a.get("href") or "").startswith("#")], source
    page = parsed(render_html(hostile.report("plain", source="https://learn.microsoft.com/a/b"), "0" * 64))
    assert {a.get("href") for a in page.all("a") if not (a.get("href") or "").startswith("#")} == {
        "https://learn.microsoft.com/a/b"
    }


def test_long_tables_are_cut_and_say_so() -> None:
    """Mutation: cutting in silence, or links to rows that are not on the page."""
    report = sample.stage("assessed", resources=2000)
    markup = render_html(report, "0" * 64)
    page = parsed(markup)
    inner = [a.get("href") or "" for a in page.all("a")]
    assert [href for href in inner if href.startswith("#") and href[1:] not in page.ids] == []
    long = [t for s in report.sections for t in s.tables if len(t.rows) > ROW_LIMIT]
    assert long
    for table in long:
        assert f"The first {ROW_LIMIT:,} of {len(table.rows):,} rows" in markup


def test_red_flags_stand_before_the_sentences() -> None:
    markup = render_html(sample.stage("broken"), "0" * 64)
    assert markup.index("Do not sign") < markup.index('class="say"')
    assert "Do not sign" not in render_html(sample.stage("resynced"), "0" * 64)


def test_digest_is_printed() -> None:
    assert "ab" * 32 in render_html(sample.stage("assessed"), "ab" * 32)


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    """WCAG 1.4.3: text 4.5 to 1 on every background that it stands on; 1.4.11: bars 3 to 1."""
    css = (files("tasks.reports") / "templates" / "report.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for text in ("ink", "soft", "link", "good", "warn", "info", "bad", "quiet"):
        for ground in ("paper", "wash", "mark"):
            assert _contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for fill in ("good", "warn", "info", "bad", "quiet", "plain"):
        assert _contrast(colors[f"fill-{fill}"], colors["paper"]) >= 3, fill


def test_every_word_of_a_closed_set_has_a_label() -> None:
    """A verdict, outcome, change or state that a reader would otherwise see as code."""
    for kinds in (VerdictKind, Outcome, Change, RunState):
        assert [kind.value for kind in kinds if kind.value not in WORDS] == []


def test_shares_are_never_rounded_up_to_all() -> None:
    assert said(0.9999, Kind.SHARE) == "99 %"
    assert said(0.29, Kind.SHARE) == "29 %"
    assert said(1.0, Kind.SHARE) == "100 %"
    assert said(0.0001, Kind.SHARE) == "<1 %"


def test_invisible_characters_are_shown() -> None:
    assert visible("evil\u202efdp.exe") == "evil⟨U+202E⟩fdp.exe"
    assert visible("Straße 東京 مرحبا") == "Straße 東京 مرحبا"
