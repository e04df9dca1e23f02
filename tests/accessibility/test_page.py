"""The report page in a real Chromium: WCAG 2.1 A/AA by axe-core, no request, whole without script, marked in print."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from mappings.readiness import Report
from tasks.reports.webpage import ROW_LIMIT, render_html
from tests.reports import hostile, sample

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HERE = Path(__file__).resolve().parent
NPM_NODE = HERE.parent / "oracle" / "node_modules" / "node" / "bin" / "node"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FILTERED = [["type", "[aria-label='Filter rows: Readiness by resource type']", "microsoft.network"]]
SORTED = [["click", "#readiness-by-type thead th:nth-child(3) button"]]


@dataclass(frozen=True)
class Look:
    """One way to look at a page."""

    stage: str
    width: int = 1440
    scheme: str = "light"
    script: bool = True
    audit: bool = True
    actions: tuple[list[str], ...] = ()
    pdf: bool = False

    @property
    def name(self) -> str:
        how = "script" if self.script else "no-script"
        done = "+" + "+".join(action[0] for action in self.actions) if self.actions else ""
        return f"{self.stage}-{self.width}-{self.scheme}-{how}{'' if self.audit else '-policy'}{done}"


AUDITED = (
    Look("resynced"),
    Look("resynced", 1440, "dark", script=False),
    Look("resynced", 390, "light", script=False),
    Look("resynced", 390, "dark"),
    Look("resynced", 320),
    Look("broken", 1440, "light"),
    Look("broken", 390, "dark", script=False),
    Look("hostile", 390, "dark"),
    Look("resynced", actions=(*FILTERED, *SORTED)),
)
OWN_POLICY = (
    Look("resynced", audit=False, pdf=True),
    Look("resynced", audit=False, script=False),
    Look("resynced", audit=False, actions=tuple(FILTERED)),
    Look("resynced", audit=False, actions=tuple(SORTED)),
    Look("resynced", audit=False, actions=(*SORTED, *SORTED)),
    Look("large", audit=False),
)


def _made(stage: str) -> Report:
    if stage == "hostile":
        return hostile.report('" onmouseover="alert(1)" <script>globalThis.ran = true</script>')
    return sample.stage("resynced", 10_000) if stage == "large" else sample.stage(stage)


@pytest.fixture(scope="session")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the browser found, by the name of the look; skipped by name where none can be started."""
    node = str(NPM_NODE) if NPM_NODE.exists() else shutil.which("node")
    if node is None:
        pytest.skip("Node is missing: the report page was not audited")
    if not (HERE / "node_modules" / "axe-core").exists():
        pytest.skip("axe-core is missing, run `npm ci` in tests/accessibility: the report page was not audited")
    folder = tmp_path_factory.mktemp("pages")
    for stage in {look.stage for look in (*AUDITED, *OWN_POLICY)}:
        (folder / f"{stage}.html").write_text(render_html(_made(stage), "ab" * 32), encoding="utf-8")
    wanted = [_wanted(look, folder) for look in (*AUDITED, *OWN_POLICY)]
    # The system's browser first; else the Chromium that npm brought.
    for browser in (next(filter(None, map(shutil.which, BROWSERS)), ""), ""):
        done = subprocess.run(
            [node, "audit.mjs", browser],
            cwd=HERE,
            input=json.dumps({"pages": wanted}),
            capture_output=True,
            text=True,
            timeout=560,
        )
        if done.returncode == 0:
            return {page["name"]: page for page in json.loads(done.stdout)["pages"]} | {"": {"folder": str(folder)}}
        if "Failed to launch" not in done.stderr:
            pytest.fail(f"the audit broke: {done.stderr[-2000:]}")
    pytest.skip(f"no Chromium could be started: {done.stderr.strip()[-300:]}")


def _wanted(look: Look, folder: Path) -> dict[str, Any]:
    return {
        "name": look.name,
        "file": str(folder / f"{look.stage}.html"),
        "width": look.width,
        "scheme": look.scheme,
        "script": look.script,
        "audit": look.audit,
        "actions": list(look.actions),
        "pdf": str(folder / f"{look.stage}.pdf") if look.pdf else "",
    }


def _seen(looked: dict[str, dict[str, Any]], choose: Callable[[Look], bool]) -> list[dict[str, Any]]:
    return [looked[look.name] for look in (*AUDITED, *OWN_POLICY) if choose(look)]


@pytest.mark.parametrize("look", AUDITED, ids=lambda look: look.name)
def test_no_violation_of_wcag_21_a_and_aa(looked: dict[str, dict[str, Any]], look: Look) -> None:
    """Mutation: a table frame without tabindex, a pale text colour, a filter field without a label."""
    found = looked[look.name]
    assert found["violations"] == []
    assert found["passes"] >= 20


def test_no_page_asks_the_network_or_reports_an_error(looked: dict[str, dict[str, Any]]) -> None:
    """Mutation: a font or an image by address; a script or style that the page's own policy does not name."""
    for page in _seen(looked, lambda _: True):
        assert (page["name"], page["asked"], page["errors"]) == (page["name"], [], [])


def test_the_policy_runs_our_script_and_no_other(looked: dict[str, dict[str, Any]]) -> None:
    """Mutation: 'unsafe-inline' in the policy, or a digest of another text."""
    (own,) = _seen(looked, lambda look: look == OWN_POLICY[0])
    assert own["tools"] > 0
    assert own["intruded"] is False


def test_the_page_is_complete_without_script(looked: dict[str, dict[str, Any]]) -> None:
    with_script, without = (looked[look.name] for look in OWN_POLICY[:2])
    assert without["tools"] == 0
    assert without["seen"] == without["rows"] == with_script["rows"] == with_script["seen"] > 700


def test_filter_hides_what_does_not_match_and_sort_orders_numbers(looked: dict[str, dict[str, Any]]) -> None:
    """Mutation: comparing numbers as text, which puts 10 before 9."""
    plain, _, filtered, once, twice = (looked[look.name] for look in OWN_POLICY[:5])
    table = next(t for t in sample.stage("resynced").section("readiness").tables if t.id == "readiness-by-type")
    hidden = sum("microsoft.network" not in str(row.cells["type"]).lower() for row in table.rows)
    assert plain["seen"] - filtered["seen"] == hidden > 0
    numbers = [int(text) for text in plain["column"]]
    assert [int(text) for text in once["column"]] == sorted(numbers) != numbers
    assert [int(text) for text in twice["column"]] == sorted(numbers, reverse=True)


def test_no_page_is_wider_than_its_window(looked: dict[str, dict[str, Any]]) -> None:
    """WCAG 1.4.10: reflow at 320 CSS pixels; tables scroll within their own frames."""
    for look in (*AUDITED, *OWN_POLICY):
        assert looked[look.name]["wide"] <= look.width, look.name


def test_a_large_estate_stays_a_page(looked: dict[str, dict[str, Any]]) -> None:
    (large,) = _seen(looked, lambda look: look.stage == "large")
    assert ROW_LIMIT < large["rows"] < 20 * ROW_LIMIT


def test_every_printed_page_bears_the_marking_and_its_number(looked: dict[str, dict[str, Any]]) -> None:
    """Mutation: no margin boxes, or a marking on the first page alone."""
    pages = PdfReader(Path(looked[""]["folder"]) / "resynced.pdf").pages
    assert len(pages) > 5
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert text.count(sample.HEAD.marking) >= 2, number
        assert f"{number} / {len(pages)}" in text, number
    # The heads of a long table stand on each of its pages.
    assert sum("Target name" in page.extract_text() for page in pages) >= 3
