"""Section "Live target": what the target subscription itself says, and where the catalogue says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mappings.apiversion import newest_shared
from mappings.livechecks import LIVE_RULES
from mappings.livetarget import LiveTarget
from mappings.model import Verdict
from mappings.offer import NameAnswer, Offer, PolicyKind, TargetPolicy
from mappings.report_facts import Facts, Judged
from mappings.report_model import Column, Kind, Ref, Row, Section, Table
from mappings.report_words import counted, counts, make_row, utc
from mappings.rule import SEVERITY
from mappings.states import VerdictKind

ID = "live-target"

_ABOUT = {
    "live-target": "type or region",
    "live-sku": "size or SKU",
    "live-zone": "zone",
    "live-policy": "policy",
    "live-api-version": "API version",
}
_POLICY_DOES = {
    PolicyKind.NOT_UNDERSTOOD: "may deny; read it",
    PolicyKind.ALLOWED_LOCATIONS: "denies resources outside these regions",
    PolicyKind.ALLOWED_GROUP_LOCATIONS: "denies resource groups outside these regions",
    PolicyKind.ALLOWED_TYPES: "denies all types but these",
    PolicyKind.DENIED_TYPES: "denies these types",
    PolicyKind.ALLOWED_STORAGE_SKUS: "denies storage accounts with other SKUs than these",
    PolicyKind.ALLOWED_VM_SIZES: "denies virtual machines of other sizes than these",
    PolicyKind.DENIES_NOTHING: "denies nothing",
}
"""In the order in which a reader must see them."""
_REMARKS = (
    "A SKU list says what may be deployed. Quota and capacity on the day are not part of it.",
    "Zone numbers are the subscription's own: zone 1 in the target has nothing to do with zone 1 in the source.",
    "Policy exemptions are not read; a policy that is shown to deny may be lifted by one.",
)


def live_section(facts: Facts) -> Section:
    """When the target was asked and what it answered, or that verdicts rest on the catalogue only."""
    offer, dated = facts.assessment.offer, facts.assessment.catalogue_date
    title = "Live target"
    if offer is None:
        lead = (
            f"Catalogue only: the target subscription was not asked; every verdict rests on the catalogue of {dated}."
            " `govlift assess` asks the target that migration.toml names; `govlift offer --out offer.json` asks it"
            " once, for use with `govlift assess --from ... --offer offer.json`."
        )
        return Section(ID, title, lead)
    live = LiveTarget(offer)
    found = list(_findings(facts))
    tables = (
        _unasked(offer),
        _differences(facts),
        _grouped(found),
        _rows(found),
        _policies(offer),
        _names(offer),
        _registrations(facts, live),
        _versions(facts, live, offer),
    )
    return Section(ID, title, _lead(facts, offer), tuple(table for table in tables if table.rows), _REMARKS)


def _lead(facts: Facts, offer: Offer) -> str:
    days = (facts.assessment.inventory.taken_at - offer.asked_at).days
    age = f", {counted(days, 'day')} before the inventory was taken" if days > 0 else ""
    differ = sum(_differs(judged.verdict) for judged in facts.judged if judged.verdict)
    said = f"It differs from the catalogue of {facts.assessment.catalogue_date} on {counted(differ, 'resource')}"
    return (
        f"Subscription {offer.subscription_id} of {offer.cloud} was asked at {utc(offer.asked_at)}{age}. It lists"
        f" {counted(len(offer.types), 'resource type')}, {counted(len(offer.skus), 'SKU')} and"
        f" {counted(len({p.assignment for p in offer.policies}), 'policy assignment')}. {said}; both are shown, and the"
        " subscription's answer decides."
    )


def _differs(verdict: Verdict) -> bool:
    return bool(verdict.catalogue) and verdict.catalogue != verdict.verdict.value


def _lifted(verdict: Verdict) -> bool:
    """Whether the target offers what the catalogue does not: a difference, but nothing that is missing."""
    return _differs(verdict) and SEVERITY[verdict.verdict] < SEVERITY[VerdictKind(verdict.catalogue)]


def _differences(facts: Facts) -> Table:
    columns = (
        Column("name", "Resource", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("catalogue", "By the catalogue", Kind.STATUS),
        Column("verdict", "By the live target", Kind.STATUS),
        Column("live", "The target says"),
        Column("reason", "Why", detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "name": judged.resource.name,
                "type": judged.type,
                "catalogue": verdict.catalogue,
                "verdict": verdict.verdict.value,
                "live": verdict.live,
                "reason": verdict.reason,
                "id": judged.resource.id,
            }
        )
        for judged in facts.judged
        if (verdict := judged.verdict) is not None and _differs(verdict)
    )
    note = "Resources on which both agree are not listed here."
    return Table("live-differences", "Where catalogue and live target differ", columns, rows, note=note)


@dataclass(frozen=True, slots=True)
class _Finding:
    """One thing that the live target has against one resource."""

    judged: Judged
    about: str
    says: str
    remedy: str


def _findings(facts: Facts) -> Iterator[_Finding]:
    for judged in facts.judged:
        verdict = judged.verdict
        if verdict is None:
            continue
        if verdict.rule in LIVE_RULES and not _lifted(verdict):
            # Behind the live reason stands what the catalogue said, which the table of differences shows.
            says = verdict.reason.partition(" The catalogue (")[0]
            yield _Finding(judged, _ABOUT[verdict.rule], says, verdict.remedy)
        for one in verdict.findings:
            if one.rule in LIVE_RULES:
                yield _Finding(judged, _ABOUT[one.rule], one.reason, one.remedy)


def _grouped(found: list[_Finding]) -> Table:
    columns = (
        Column("about", "About", Kind.NAME),
        Column("says", "The target says"),
        Column("remedy", "What to do"),
        *counts(("resources", "Resources")),
    )
    number = Counter((one.about, one.says, one.remedy) for one in found)
    order = {about: at for at, about in enumerate(("policy", "type or region", "size or SKU", "zone", "API version"))}
    ordered = sorted(number.items(), key=lambda item: (order[item[0][0]], -item[1], item[0]))
    rows = tuple(
        make_row(
            {"about": about, "says": says, "remedy": remedy, "resources": count},
            {"resources": Ref(ID, "live-rows", {"about": about, "says": says, "remedy": remedy})},
        )
        for (about, says, remedy), count in ordered
    )
    return Table("live-findings", "What the target does not offer or does not allow", columns, rows)


def _rows(found: list[_Finding]) -> Table:
    columns = (
        Column("name", "Resource", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("about", "About", Kind.NAME),
        Column("says", "The target says"),
        Column("remedy", "What to do", detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "name": one.judged.resource.name,
                "type": one.judged.type,
                "about": one.about,
                "says": one.says,
                "remedy": one.remedy,
                "id": one.judged.resource.id,
            }
        )
        for one in found
    )
    return Table("live-rows", "The same by resource", columns, rows)


def _policies(offer: Offer) -> Table:
    columns = (
        Column("name", "Policy", Kind.NAME),
        Column("does", "What it does"),
        Column("values", "Regions, types or SKUs"),
        Column("why", "Note"),
        Column("assignment", "Assignment", Kind.NAME, detail=True),
        Column("definition", "Definition", Kind.NAME, detail=True),
        Column("not_scopes", "Left out by the assignment", Kind.NAME, detail=True),
    )
    order = {kind: at for at, kind in enumerate(_POLICY_DOES)}
    ordered = sorted(offer.policies, key=lambda p: (order[p.kind], p.name, p.definition))
    return Table("live-policies", "Policies of the target", columns, tuple(map(_policy, ordered)))


def _policy(policy: TargetPolicy) -> Row:
    return make_row(
        {
            "name": policy.name,
            "does": _POLICY_DOES[policy.kind],
            "values": ", ".join(policy.values),
            "why": policy.why[:1].upper() + policy.why[1:],
            "assignment": policy.assignment,
            "definition": policy.definition,
            "not_scopes": ", ".join(policy.not_scopes),
        }
    )


def _names(offer: Offer) -> Table:
    columns = (
        Column("source", "Source account", Kind.NAME),
        Column("name", "Name asked for", Kind.NAME),
        Column("answer", "Answer"),
        Column("message", "The target's words", detail=True),
    )
    rows = tuple(
        make_row({"source": one.source, "name": one.name, "answer": _answer(one), "message": one.message})
        for one in offer.names
    )
    return Table("live-names", "Storage account names in the target", columns, rows)


def _answer(answer: NameAnswer) -> str:
    if answer.reason == "ours":
        return "ours already"
    return "free" if answer.free else {"AlreadyExists": "taken"}.get(answer.reason, answer.reason or "not free")


def _registrations(facts: Facts, live: LiveTarget) -> Table:
    columns = (
        Column("namespace", "Resource provider", Kind.NAME),
        Column("types", "Needed for", Kind.NAME),
        Column("remedy", "What to do"),
    )
    needed: dict[str, set[str]] = {}
    for name in _target_types(facts):
        listed = live.listed(name)
        if listed is not None and not listed.registered:
            needed.setdefault(name.partition("/")[0], set()).add(name)
    rows = tuple(
        make_row(
            {
                "namespace": namespace,
                "types": ", ".join(sorted(types)),
                "remedy": f"Register it once: az provider register --namespace {namespace}",
            }
        )
        for namespace, types in sorted(needed.items())
    )
    return Table("live-registrations", "Resource providers to register in the target first", columns, rows)


def _versions(facts: Facts, live: LiveTarget, offer: Offer) -> Table:
    columns = (
        Column("type", "Type", Kind.NAME),
        Column("source", "Newest in the source", Kind.NAME),
        Column("target", "To use in the target", Kind.NAME),
        Column("note", "Note"),
    )
    newest = {one.type: one.version for one in offer.source_versions}
    rows = []
    for name in _target_types(facts):
        listed, source = live.types.get(name.lower()), newest.get(name.lower(), "")
        if listed is None or not source:
            continue
        target = newest_shared(listed.api_versions)
        if target < source:
            note = "" if target else "Preview versions only"
            chosen = target or next(iter(listed.api_versions), "none")
            rows.append(make_row({"type": name, "source": source, "target": chosen, "note": note}))
    note = "Templates written for a newer version than the target has are refused with NoRegisteredProviderFound."
    return Table("live-versions", "API versions in which the target lags", columns, tuple(rows), note=note)


def _target_types(facts: Facts) -> list[str]:
    """The types that resources become, each once in one spelling."""
    by_name: dict[str, str] = {}
    for judged in facts.judged:
        if judged.verdict is not None and judged.verdict.target.type:
            by_name.setdefault(judged.verdict.target.type.lower(), judged.verdict.target.type)
    return [by_name[name] for name in sorted(by_name)]


def _unasked(offer: Offer) -> Table:
    columns = (
        Column("what", "Not known"),
        Column("why", "Why"),
        Column("remedy", "What to do"),
        Column("scope", "Where", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row({"what": one.what, "why": one.why, "remedy": one.remedy, "scope": one.scope}) for one in offer.unasked
    )
    note = "About these the catalogue alone speaks."
    return Table("live-unasked", "What the target could not be asked", columns, rows, note=note)
