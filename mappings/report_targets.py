"""Section "Target map": what each resource becomes in the target, and what the plan leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mappings.plan import CreateContainer, CreateStorageAccount
from mappings.report_facts import Facts, Judged
from mappings.report_model import Column, Kind, Ref, Row, Section, Table
from mappings.report_words import counted, counts, make_row
from mappings.states import VerdictKind

_MOVES = (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES, VerdictKind.REPLACE)
_KEPT, _NEW = "name-kept", "name-new"


def targets_section(facts: Facts) -> Section:
    """Source resource -> target type, region, name, kind and SKU."""
    tables = (_groups(facts), _accounts(facts), _resources(facts), _left_out_reasons(facts), _left_out(facts))
    present = tuple(table for table in tables if table.rows)
    if facts.plan is None:
        lead = "Target types and regions by rule. Names, kinds and SKUs follow with a plan; `govlift plan` makes it."
    else:
        accounts = facts.planned_accounts().values()
        renamed = sum(step.name != step.source_account for step in accounts)
        lead = (
            f"Plan {facts.plan.id} makes {counted(len(facts.planned_groups()), 'resource group')} and"
            f" {counted(len(accounts), 'storage account')}; {renamed:,} of these accounts"
            f" {'takes' if renamed == 1 else 'take'} a new name, which every connection string has to follow."
        )
        if not renamed:
            lead = lead.partition(";")[0] + ", all under their old names."
    return Section("targets", "Target map", lead, present)


def _groups(facts: Facts) -> Table:
    columns = (
        Column("name", "Resource group", Kind.NAME),
        Column("region", "Target region", Kind.NAME),
        Column("source", "Made for", Kind.NAME),
    )
    rows = tuple(
        make_row({"name": step.name, "region": step.region, "source": step.source_id.rpartition("/")[2]})
        for step in facts.planned_groups()
    )
    return Table("target-groups", "Resource groups in the target", columns, rows)


def _accounts(facts: Facts) -> Table:
    columns = (
        Column("source", "Source account", Kind.NAME),
        Column("target", "Target account", Kind.NAME),
        Column("name_change", "Name", Kind.STATUS),
        Column("region", "Target region", Kind.NAME),
        Column("resource_group", "Resource group", Kind.NAME),
        Column("kind", "Kind", Kind.NAME),
        Column("sku", "SKU", Kind.NAME),
        Column("sku_note", "Why this SKU"),
        *counts(("containers", "Containers")),
        Column("source_sku", "Source SKU", Kind.NAME, detail=True),
        Column("access_tier", "Access tier", Kind.NAME, detail=True),
        Column("minimum_tls", "Minimum TLS", Kind.NAME, detail=True),
        Column("shared_key", "Shared key allowed", detail=True),
        Column("source_id", "Source id", Kind.NAME, detail=True),
    )
    sources = {judged.resource.id.lower(): judged for judged in facts.judged}
    rows = tuple(_account_row(facts, step, sources) for _, step in sorted(facts.planned_accounts().items()))
    return Table("target-accounts", "Storage accounts in the target", columns, rows)


def _account_row(facts: Facts, step: CreateStorageAccount, sources: Mapping[str, Judged]) -> Row:
    steps = facts.plan.steps if facts.plan else ()
    source = sources.get(step.source_id.lower())
    return make_row(
        {
            "source": step.source_account,
            "target": step.name,
            "name_change": _KEPT if step.name == step.source_account else _NEW,
            "region": step.region,
            "resource_group": step.resource_group,
            "kind": step.kind,
            "sku": step.sku,
            "sku_note": step.note,
            "containers": sum(isinstance(s, CreateContainer) and s.account == step.name for s in steps),
            "source_sku": str(source.resource.sku.get("name", "")) if source else "",
            "access_tier": step.access_tier,
            "minimum_tls": step.minimum_tls,
            "shared_key": "yes" if step.allow_shared_key else "no",
            "source_id": step.source_id,
        },
        {"containers": Ref("data", "data-by-container", {"account": step.source_account})},
    )


def _resources(facts: Facts) -> Table:
    columns = (
        Column("name", "Resource", Kind.NAME),
        Column("type", "Source type", Kind.NAME),
        Column("location", "Source region", Kind.NAME, detail=True),
        Column("target_type", "Target type", Kind.NAME),
        Column("target_region", "Target region", Kind.NAME),
        Column("target_name", "Target name", Kind.NAME),
        Column("verdict", "Verdict", Kind.STATUS),
        Column("note", "Note", detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    planned = facts.planned_accounts()
    rows = []
    for judged in facts.judged:
        verdict = judged.verdict
        if verdict is None or verdict.verdict not in _MOVES:
            continue
        step = planned.get(judged.resource.id.lower())
        rows.append(
            make_row(
                {
                    "name": judged.resource.name,
                    "type": judged.type,
                    "location": judged.resource.location,
                    "id": judged.resource.id,
                    "target_type": verdict.target.type,
                    "target_region": step.region if step else verdict.target.region,
                    "target_name": step.name if step else "",
                    "verdict": verdict.verdict.value,
                    "note": verdict.target.note,
                }
            )
        )
    return Table("target-resources", "Every resource that has a place in the target", columns, tuple(rows))


def _left_out_reasons(facts: Facts) -> Table:
    number = Counter(out.why for out in (facts.plan.left_out if facts.plan else ()))
    rows = tuple(
        make_row({"why": why, "resources": count}, {"resources": Ref("targets", "left-out", {"why": why})})
        for why, count in number.most_common()
    )
    columns = (Column("why", "Why"), *counts(("resources", "Resources")))
    if len(rows) * 2 > sum(number.values()):
        # Nearly every resource has a reason of its own; the table of resources says it better.
        rows = ()
    return Table("left-out-reasons", "Why the plan leaves resources out", columns, rows)


def _left_out(facts: Facts) -> Table:
    columns = (
        Column("name", "Resource", Kind.NAME),
        Column("type", "Type", Kind.NAME),
        Column("why", "Why"),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row({"name": out.resource_id.rpartition("/")[2], "type": out.type, "why": out.why, "id": out.resource_id})
        for out in (facts.plan.left_out if facts.plan else ())
    )
    return Table("left-out", "Not moved by this plan", columns, rows)
