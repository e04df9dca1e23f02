"""Every resource of an inventory with exactly one verdict: the catalogue, worsened or corrected by the live target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any, Protocol

from mappings.model import Assessment, Finding, Inventory, Resource, RuleUse, Verdict
from mappings.regions import DOD_REGIONS, GLOBAL, nearest_government, normal
from mappings.rulebook import NO_RULE, Rulebook
from mappings.states import Confidence, VerdictKind

LIVE_RULE = "live-target"
LIVE_SOURCE = "GET /providers of the target subscription"

_GOES = (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES)


class ProviderView(Protocol):
    """What the target says of one resource type (ARM REST "Providers - List")."""

    @property
    def regions(self) -> Collection[str]:
        """Locations in any spelling; empty where the type has none."""
        ...

    @property
    def api_versions(self) -> Sequence[str]: ...


def assess(
    inventory: Inventory,
    rulebook: Rulebook,
    *,
    region_overrides: Mapping[str, str] | None = None,
    default_region: str = "",
    live: Mapping[str, ProviderView] | None = None,
) -> Assessment:
    """Judge every resource.

    Args:
        inventory: what exists in the source.
        rulebook: the catalogue, with the customer's overlays.
        region_overrides: source region -> target region, as the customer decided.
        default_region: target region for what the overrides do not name; "" takes the nearest by the region table.
        live: lower-case resource type -> what the target subscription lists; overrides the catalogue on availability.

    Returns:
        One verdict per resource, in the order of the inventory.
    """
    overrides = region_overrides or {}
    places: dict[str, str] = {}
    verdicts = []
    by_catalogue = []
    for resource in inventory.resources:
        if resource.location not in places:
            places[resource.location] = nearest_government(resource.location, overrides, default_region).region
        verdict = rulebook.judge(resource, region=places[resource.location])
        by_catalogue.append(verdict)
        if live is not None:
            verdict = against_live(verdict, rulebook, live, inventory.taken_at.date())
        verdicts.append(verdict)
    _same_resources(inventory.resources, verdicts)
    return Assessment(inventory, tuple(verdicts), rulebook.as_of, rulebook.used(by_catalogue))


def _same_resources(resources: Sequence[Resource], verdicts: Sequence[Verdict]) -> None:
    """In = out, to the resource: a defect here must end the run, not the trust in its numbers."""
    if [resource.id for resource in resources] != [verdict.resource_id for verdict in verdicts]:
        raise AssertionError(f"{len(resources)} resources went in, {len(verdicts)} verdicts came out")


def against_live(verdict: Verdict, rulebook: Rulebook, live: Mapping[str, ProviderView], asked: date) -> Verdict:
    """`verdict` after the target was asked; where target and catalogue differ, the reason says both.

    Args:
        asked: the day on which the target was asked.
    """
    wanted = (verdict.target.type or verdict.type).lower()
    listed = _listed(wanted, live)
    if verdict.verdict in _GOES or (verdict.verdict is VerdictKind.REPLACE and verdict.target.type):
        if listed is None:
            return _not_offered(verdict, wanted, asked)
        return _in_region(verdict, listed, asked)
    if listed is not None and wanted in live and _open(verdict, rulebook):
        return _offered_after_all(verdict, listed, asked)
    return verdict


def _listed(name: str, live: Mapping[str, ProviderView]) -> ProviderView | None:
    """The live entry of a type. A child type is offered where its parent is: providers list children incompletely."""
    while True:
        if name in live:
            return live[name]
        if name.count("/") < 2:
            return None
        name = name.rpartition("/")[0]


def _open(verdict: Verdict, rulebook: Rulebook) -> bool:
    """Whether a live listing may lift this verdict: only one that rests on availability of the type."""
    if any(finding.verdict is VerdictKind.BLOCKED for finding in verdict.findings):
        return False
    if verdict.rule == NO_RULE:
        return True
    rule = rulebook.rule(verdict.rule)
    return not rule.final and not rule.finding and not rule.match.conditions


def _not_offered(verdict: Verdict, wanted: str, asked: date) -> Verdict:
    return replace(
        verdict,
        verdict=VerdictKind.BLOCKED,
        rule=LIVE_RULE,
        reason=f"The target subscription does not list {verdict.target.type or wanted} ({asked}). "
        f'The catalogue ({verdict.checked}, rule "{verdict.rule}") says {verdict.verdict}: {verdict.reason}',
        source=f"{LIVE_SOURCE}; {verdict.source}",
        checked=asked,
        remedy="Ask the CSP provider whether the type can be enabled for this subscription, or choose another service.",
        confidence=Confidence.NAMED,
    )


def _in_region(verdict: Verdict, listed: ProviderView, asked: date) -> Verdict:
    regions = {normal(region) for region in listed.regions} - set(DOD_REGIONS)
    region = normal(verdict.target.region)
    if not regions or region in ("", GLOBAL) or region in regions or GLOBAL in regions:
        return verdict
    missing = Finding(
        rule=LIVE_RULE,
        verdict=VerdictKind.READY_WITH_CHANGES,
        reason=f"The target subscription lists {verdict.target.type} in {', '.join(sorted(regions))}, not in {region}.",
        source=LIVE_SOURCE,
        checked=asked,
        remedy="Name another target region in the settings, or ask the CSP provider about this one.",
    )
    findings = (*verdict.findings, missing)
    if verdict.verdict is not VerdictKind.READY:
        return replace(verdict, findings=findings)
    return replace(
        verdict,
        verdict=VerdictKind.READY_WITH_CHANGES,
        reason=f"{missing.reason} {verdict.reason}",
        remedy=f"{missing.remedy} {verdict.remedy}",
        findings=findings,
    )


def _offered_after_all(verdict: Verdict, listed: ProviderView, asked: date) -> Verdict:
    regions = sorted({normal(region) for region in listed.regions} - set(DOD_REGIONS))
    where = f" in {', '.join(regions)}" if regions else ""
    lifted = replace(
        verdict,
        verdict=VerdictKind.READY_WITH_CHANGES,
        rule=LIVE_RULE,
        reason=f"The target subscription lists {verdict.type}{where} ({asked}). "
        f'The catalogue (rule "{verdict.rule}") says {verdict.verdict}: {verdict.reason}',
        source=f"{LIVE_SOURCE}; {verdict.source}".rstrip("; "),
        checked=asked,
        remedy="Have the CSP provider confirm the type for CSP before planning on it, and compare its features.",
        target=replace(verdict.target, type=verdict.type),
        confidence=Confidence.NAMED,
    )
    return _in_region(lifted, listed, asked)


def assessment_to_json(assessment: Assessment) -> dict[str, Any]:
    """The JSON contract of `govlift assess --json`: plain values, every resource once, counts of every verdict."""
    return {
        "resources": len(assessment.inventory.resources),
        "by_verdict": assessment.by_verdict(),
        "catalogue_date": _day(assessment.catalogue_date),
        "gaps": [asdict(gap) for gap in assessment.inventory.gaps],
        "rules": [_rule_item(rule) for rule in assessment.rules],
        "items": [_item(verdict) for verdict in assessment.verdicts],
    }


def _item(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.resource_id,
        "type": verdict.type,
        "location": verdict.location,
        "verdict": verdict.verdict.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "differences": verdict.differences,
        "source": verdict.source,
        "checked": _day(verdict.checked),
        "remedy": verdict.remedy,
        "target": {"type": verdict.target.type, "region": verdict.target.region, "note": verdict.target.note},
        "confidence": verdict.confidence.value,
        "findings": [
            {**asdict(finding), "verdict": finding.verdict.value, "checked": _day(finding.checked)}
            for finding in verdict.findings
        ],
    }


def _rule_item(rule: RuleUse) -> dict[str, Any]:
    return {
        "id": rule.id,
        "file": rule.file,
        "checked": _day(rule.checked),
        "sources": [{"title": s.title, "where": s.where, "dated": _day(s.dated)} for s in rule.sources],
        "conflicts": list(rule.conflicts),
        "retires": _day(rule.retires),
        "overrides": rule.overrides,
        "because": rule.because,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
