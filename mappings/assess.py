"""Every resource of an inventory with exactly one verdict: the catalogue, worsened or corrected by the live target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from mappings.livechecks import Found, live_findings, offered_regions, previews_only
from mappings.livetarget import LiveTarget
from mappings.model import Assessment, Finding, Gap, Inventory, Resource, RuleUse, Verdict
from mappings.offer import Offer, OfferedType
from mappings.regions import GLOBAL, nearest_government, normal
from mappings.rule import SEVERITY
from mappings.rulebook import NO_RULE, Rulebook
from mappings.states import Confidence, VerdictKind

LIVE_RULE = "live-target"
LIVE_SOURCE = "GET /providers of the target subscription"

_GOES = (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES)


def assess(
    inventory: Inventory,
    rulebook: Rulebook,
    *,
    region_overrides: Mapping[str, str] | None = None,
    default_region: str = "",
    offer: Offer | None = None,
) -> Assessment:
    """Judge every resource.

    Args:
        inventory: what exists in the source.
        rulebook: the catalogue, with the customer's overlays.
        region_overrides: source region -> target region, as the customer decided.
        default_region: target region for what the overrides do not name; "" takes the nearest by the region table.
        offer: what the target subscription itself offers; stands above the catalogue on types, regions, API versions,
            SKUs, zones and policies. None: catalogue only.

    Returns:
        One verdict per resource, in the order of the inventory.
    """
    overrides = region_overrides or {}
    live = LiveJudge(offer, rulebook) if offer is not None else None
    places: dict[str, str] = {}
    verdicts = []
    by_catalogue = []
    for resource in inventory.resources:
        if resource.location not in places:
            places[resource.location] = nearest_government(resource.location, overrides, default_region).region
        verdict = rulebook.judge(resource, region=places[resource.location])
        by_catalogue.append(verdict)
        verdicts.append(live.judge(resource, verdict) if live is not None else verdict)
    _same_resources(inventory.resources, verdicts)
    return Assessment(inventory, tuple(verdicts), rulebook.as_of, rulebook.used(by_catalogue), offer)


def _same_resources(resources: Sequence[Resource], verdicts: Sequence[Verdict]) -> None:
    """In = out, to the resource: a defect here must end the run, not the trust in its numbers."""
    if [resource.id for resource in resources] != [verdict.resource_id for verdict in verdicts]:
        raise AssertionError(f"{len(resources)} resources went in, {len(verdicts)} verdicts came out")


class LiveJudge:
    """Corrects verdicts of the catalogue by what the target subscription offers.

    Args:
        offer: what it offers.
        rulebook: the catalogue that the verdicts come from.
    """

    def __init__(self, offer: Offer, rulebook: Rulebook) -> None:
        self._live = LiveTarget(offer)
        self._asked = offer.asked_at.date()
        self._rulebook = rulebook
        self._source = {one.type.lower(): one.version for one in offer.source_versions}
        self._previews: dict[str, Found | None] = {}

    def judge(self, resource: Resource, verdict: Verdict) -> Verdict:
        """`verdict` after the target was asked, with what the catalogue alone said; where they differ, both reasons."""
        wanted = (verdict.target.type or verdict.type).lower()
        listed = self._live.listed(wanted)
        said = "not listed" if listed is None else "listed"
        goes = verdict.verdict in _GOES or (verdict.verdict is VerdictKind.REPLACE and verdict.target.type)
        found: list[Found] = []
        judged = verdict
        if goes and listed is None:
            judged = _not_offered(verdict, wanted, self._asked)
        elif goes and listed is not None:
            found = self._found(resource, verdict, wanted, listed)
        elif listed is not None and wanted in self._live.types and _open(verdict, self._rulebook):
            lifted = _offered_after_all(verdict, listed, self._asked)
            found = self._found(resource, lifted, wanted, listed)
            judged = lifted
        judged = _worsened(judged, [one.finding for one in found]) if found else judged
        live = "; ".join([said, *(one.short for one in found)]) if found else said
        return replace(judged, catalogue=verdict.verdict.value, live=live)

    def _found(self, resource: Resource, verdict: Verdict, wanted: str, listed: OfferedType) -> list[Found]:
        found = _in_region(verdict, listed, self._asked)
        found += live_findings(resource, verdict.target, self._live, self._asked)
        if wanted not in self._previews:
            newest = self._source.get(wanted, "")
            self._previews[wanted] = previews_only(verdict.target.type or verdict.type, self._live, newest, self._asked)
        preview = self._previews[wanted]
        return [*found, preview] if preview else found


def _open(verdict: Verdict, rulebook: Rulebook) -> bool:
    """Whether a live listing may lift this verdict: only one that rests on availability of the type."""
    if any(finding.verdict is VerdictKind.BLOCKED for finding in verdict.findings):
        return False
    if verdict.rule == NO_RULE:
        return True
    rule = rulebook.rule(verdict.rule)
    return not rule.final and not rule.finding and not rule.match.conditions


def _catalogue_says(verdict: Verdict) -> str:
    dated = f"{verdict.checked}, rule" if verdict.checked else "rule"
    return f'The catalogue ({dated} "{verdict.rule}") says {verdict.verdict}: {verdict.reason}'


def _not_offered(verdict: Verdict, wanted: str, asked: date) -> Verdict:
    return replace(
        verdict,
        verdict=VerdictKind.BLOCKED,
        rule=LIVE_RULE,
        reason=f"The target subscription does not list {verdict.target.type or wanted} ({asked}). "
        + _catalogue_says(verdict),
        source=f"{LIVE_SOURCE}; {verdict.source}",
        checked=asked,
        remedy="Ask the CSP provider whether the type can be enabled for this subscription, or choose another service.",
        confidence=Confidence.NAMED,
    )


def _in_region(verdict: Verdict, listed: OfferedType, asked: date) -> list[Found]:
    regions = offered_regions(listed.regions)
    region = normal(verdict.target.region)
    if not regions or region in ("", GLOBAL) or region in regions or GLOBAL in regions:
        return []
    missing = Finding(
        rule=LIVE_RULE,
        verdict=VerdictKind.READY_WITH_CHANGES,
        reason=f"The target subscription lists {verdict.target.type} in {', '.join(sorted(regions))}, not in {region}"
        f" ({asked}).",
        source=LIVE_SOURCE,
        checked=asked,
        remedy="Name another target region in the settings, or ask the CSP provider about this one.",
    )
    return [Found(missing, f"not in {region}")]


def _worsened(verdict: Verdict, found: Sequence[Finding]) -> Verdict:
    """`verdict` with the live findings; the worst leads where it is worse, and says what the catalogue said."""
    worst = max(found, key=lambda finding: SEVERITY[finding.verdict])
    if SEVERITY[worst.verdict] <= SEVERITY[verdict.verdict]:
        return replace(verdict, findings=(*verdict.findings, *found))
    rest = tuple(finding for finding in found if finding is not worst)
    return replace(
        verdict,
        verdict=worst.verdict,
        rule=worst.rule,
        reason=f"{worst.reason} {_catalogue_says(verdict)}",
        source=f"{worst.source}; {verdict.source}".rstrip("; "),
        checked=worst.checked,
        remedy=f"{worst.remedy} {verdict.remedy}".rstrip(),
        confidence=Confidence.NAMED,
        findings=(*verdict.findings, *rest),
    )


def _offered_after_all(verdict: Verdict, listed: OfferedType, asked: date) -> Verdict:
    regions = sorted(offered_regions(listed.regions))
    where = f" in {', '.join(regions)}" if regions else ""
    return replace(
        verdict,
        verdict=VerdictKind.READY_WITH_CHANGES,
        rule=LIVE_RULE,
        reason=f"The target subscription lists {verdict.type}{where} ({asked}). {_catalogue_says(verdict)}",
        source=f"{LIVE_SOURCE}; {verdict.source}".rstrip("; "),
        checked=asked,
        remedy="Have the CSP provider confirm the type for CSP before planning on it, and compare its features.",
        target=replace(verdict.target, type=verdict.type),
        confidence=Confidence.NAMED,
    )


def gaps_of(offer: Offer | None) -> tuple[Gap, ...]:
    """What the target could not be asked, as gaps of the assessment; none without an offer."""
    return tuple(Gap(one.scope, one.what, one.why, one.code, one.remedy) for one in (offer.unasked if offer else ()))


def assessment_to_json(assessment: Assessment, *, items: bool = True) -> dict[str, Any]:
    """The JSON contract of `govlift assess --json`: plain values, every resource once, counts of every verdict."""
    return {
        "resources": len(assessment.inventory.resources),
        "by_verdict": assessment.by_verdict(),
        "catalogue_date": _day(assessment.catalogue_date),
        "live_target": _live_target(assessment.offer),
        "gaps": [asdict(gap) for gap in assessment.inventory.gaps],
        "rules": [_rule_item(rule) for rule in assessment.rules],
        **({"items": [_item(verdict) for verdict in assessment.verdicts]} if items else {}),
    }


def _live_target(offer: Offer | None) -> dict[str, Any] | None:
    """Who was asked and when; None where verdicts rest on the catalogue only."""
    if offer is None:
        return None
    return {
        "cloud": offer.cloud,
        "subscription_id": offer.subscription_id,
        "asked_at": offer.asked_at.isoformat(),
        "unasked": [asdict(one) for one in offer.unasked],
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
        "catalogue": verdict.catalogue,
        "live": verdict.live,
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
