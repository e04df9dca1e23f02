"""A made-up county to look at reports with: `python -m tests.reports.sample DIR` writes each stage of its move."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from mappings.model import (
    Assessment,
    ContainerSurvey,
    Finding,
    Gap,
    Inventory,
    Resource,
    Seen,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.objects import EvidenceRow, Tally
from mappings.plan import CopyShard, CreateContainer, CreateResourceGroup, CreateStorageAccount, LeftOut, Plan
from mappings.readiness import Report, ReportHead, build_report
from mappings.route_changes import RouteChange
from mappings.runs import ObjectNote, RunKind, RunRecord, ShardRecord
from mappings.states import Change, Confidence, Outcome, ProofLevel, Route, RunState, ShardState, VerdictKind
from tasks.failing import load_causes

NOW = datetime(2026, 10, 12, 14, 5, tzinfo=UTC)
LEARN = "https://learn.microsoft.com/azure/azure-government/"
SUBSCRIPTIONS = (
    Subscription(
        "8f0d5c1e-30b7-4d1f-9a44-0c6f1f2d7a01", "Hollis County Production", "t", "EnterpriseAgreement_2014-09-01"
    ),
    Subscription("8f0d5c1e-30b7-4d1f-9a44-0c6f1f2d7a02", "Hollis County Public Health", "t"),
    Subscription("8f0d5c1e-30b7-4d1f-9a44-0c6f1f2d7a03", "Hollis County Dev and Test", "t"),
)
GROUPS = ("rg-network-hub", "rg-permits", "rg-gis", "rg-health-records", "rg-finance", "rg-shared")
ACCOUNTS = ("hcpermitdocs", "hcgistiles", "hchealthimages", "hcfinancearchive")
REGIONS = {"eastus": "usgovvirginia", "eastus2": "usgovvirginia", "centralus": "usgovtexas", "global": "global"}

V = VerdictKind


@dataclass(frozen=True)
class Pattern:
    """How resources of one type are judged in the sample."""

    type: str
    name: str
    weight: int
    verdict: VerdictKind
    rule: str
    reason: str
    remedy: str = ""
    source: str = LEARN + "compare-azure-government-global-azure"
    findings: tuple[Finding, ...] = ()


RETIRED = Finding(
    "network.basic-public-ip-retired",
    V.READY_WITH_CHANGES,
    "Public IP addresses of the Basic SKU are retired.",
    "https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-basic-upgrade-guidance",
    date(2026, 9, 18),
    "Create the address as Standard, static.",
)
PATTERNS = (
    Pattern("Microsoft.Compute/virtualMachines", "vm-app", 22, V.READY, "compute.vm", "The size is offered."),
    Pattern("Microsoft.Compute/disks", "disk", 26, V.READY, "compute.disk", "Managed disks of this SKU are offered."),
    Pattern("Microsoft.Network/networkInterfaces", "nic", 24, V.READY, "network.nic", "Interfaces are offered."),
    Pattern("Microsoft.Network/virtualNetworks", "vnet", 5, V.READY, "network.vnet", "Virtual networks are offered."),
    Pattern(
        "Microsoft.Network/publicIPAddresses", "pip", 7, V.READY, "network.public-ip",
        "Standard addresses are offered.",
        findings=(RETIRED,),
    ),
    Pattern("Microsoft.KeyVault/vaults", "kv", 6, V.READY_WITH_CHANGES, "keyvault.vault",
            "Key Vault is offered; keys and secrets do not cross between clouds by backup.",
            "Create the vault in the target and enter or rotate each secret there."),
    Pattern("Microsoft.Web/sites", "app", 14, V.READY_WITH_CHANGES, "web.site-hosts",
            "App settings name hosts of commercial Azure.",
            "Replace azurewebsites.net and core.windows.net by the Government suffixes listed in the settings."),
    Pattern("Microsoft.Web/serverFarms", "plan", 6, V.READY, "web.plan", "The tier is offered in the region."),
    Pattern("Microsoft.Sql/servers/databases", "sqldb", 9, V.READY, "sql.database", "The service tier is offered."),
    Pattern("Microsoft.Sql/servers", "sql", 4, V.READY_WITH_CHANGES, "sql.server-admin",
            "The administrator is a user of the source tenant.",
            "Name an administrator of the target tenant before the first sign-in."),
    Pattern("Microsoft.Network/loadBalancers", "lb", 4, V.BLOCKED, "network.basic-load-balancer",
            "Load balancers of the Basic SKU can no longer be created.",
            "Decide on the Standard SKU; its outbound rules and zones have to be designed first.",
            "https://learn.microsoft.com/azure/load-balancer/load-balancer-basic-upgrade-guidance"),
    Pattern("Microsoft.ClassicCompute/virtualMachines", "oldvm", 3, V.BLOCKED, "classic.compute",
            "Classic deployments do not exist in Azure Government any more.",
            "Rebuild the machine from its disk in the Resource Manager model, or retire it.",
            LEARN + "documentation-government-welcome"),
    Pattern("Microsoft.Solutions/applications", "mkt-firewall", 2, V.BLOCKED, "marketplace.plan",
            "The publisher does not offer this plan in the Government marketplace.",
            "Ask the publisher for a Government plan, or choose another appliance."),
    Pattern("Microsoft.Cdn/profiles", "cdn", 3, V.REPLACE, "cdn.classic",
            "CDN profiles of this SKU are not offered in Azure Government.",
            "Use Azure Front Door Standard in front of the same origin.",
            "https://learn.microsoft.com/azure/cdn/cdn-overview"),
    Pattern("Microsoft.CognitiveServices/accounts", "vision", 3, V.REPLACE, "ai.kind-not-offered",
            "An account of the kind ComputerVision.Preview is not offered.",
            "Use the generally available kind in usgovvirginia."),
    Pattern("Microsoft.Insights/components", "appi", 10, V.READY, "monitor.app-insights",
            "Workspace-based components are offered."),
    Pattern("Microsoft.OperationalInsights/workspaces", "log", 4, V.READY, "monitor.workspace",
            "Workspaces are offered."),
    Pattern("Microsoft.RecoveryServices/vaults", "rsv", 3, V.READY_WITH_CHANGES, "backup.vault",
            "Vaults are offered; recovery points do not cross between clouds.",
            "Keep the source vault until the last recovery point that must be kept has expired."),
    Pattern("Microsoft.Logic/workflows", "logic", 5, V.READY_WITH_CHANGES, "logic.connections",
            "Connections are authorised in the source tenant.",
            "Authorise each connection again in the target."),
    Pattern("Contoso.Permits/registries", "registry", 3, V.UNKNOWN, "no-rule",
            "The catalogue has no rule for this type.",
            "Ask the publisher whether the resource provider is registered in Azure Government.", ""),
    Pattern("Microsoft.Maps/accounts", "maps", 4, V.UNKNOWN, "no-rule",
            "The catalogue has no rule for this type.",
            "Look at GET /providers of the customer's Government subscription and add a rule.", ""),
    Pattern("Microsoft.ManagedIdentity/userAssignedIdentities", "id", 9, V.READY, "identity.user-assigned",
            "User-assigned identities are offered; they get new ids."),
)  # fmt: skip


def judged_resource(pattern: Pattern, number: int, dice: random.Random) -> tuple[Resource, Verdict]:
    """One resource of a pattern and its verdict."""
    subscription, group = dice.choice(SUBSCRIPTIONS), dice.choice(GROUPS)
    region = dice.choice(("eastus", "eastus", "eastus2", "centralus"))
    name = f"{pattern.name}-{number:02d}"
    resource_id = f"/subscriptions/{subscription.id}/resourceGroups/{group}/providers/{pattern.type}/{name}"
    resource = Resource(
        resource_id,
        name,
        pattern.type,
        region,
        subscription_id=subscription.id,
        resource_group=group,
        sku={"name": "S1"},
    )
    nowhere = pattern.verdict in (V.BLOCKED, V.UNKNOWN)
    target = TargetChoice() if nowhere else TargetChoice(pattern.type, REGIONS[region])
    if pattern.verdict is V.REPLACE:
        target = TargetChoice("Microsoft.Cdn/profiles", "usgovvirginia", "Another service, see the remedy.")
    confidence = dice.choice((Confidence.NAMED, Confidence.NAMED, Confidence.INHERITED))
    verdict = Verdict(
        resource_id,
        pattern.type,
        region,
        pattern.verdict,
        pattern.rule,
        pattern.reason,
        pattern.source,
        None if pattern.rule == "no-rule" else date(2026, 9, dice.randint(2, 28)),
        pattern.remedy,
        target,
        Confidence.INFERRED if pattern.rule == "no-rule" else confidence,
        pattern.findings,
    )
    return resource, verdict


def storage_account(name: str, number: int) -> tuple[Resource, Verdict]:
    """One storage account, ready."""
    subscription = SUBSCRIPTIONS[number % 2]
    resource_id = (
        f"/subscriptions/{subscription.id}/resourceGroups/{GROUPS[number + 1]}"
        f"/providers/Microsoft.Storage/storageAccounts/{name}"
    )
    kind = "Microsoft.Storage/storageAccounts"
    sku = {"name": "Standard_RAGRS", "tier": "Standard"}
    resource = Resource(
        resource_id,
        name,
        kind,
        "eastus",
        "StorageV2",
        sku,
        subscription_id=subscription.id,
        resource_group=GROUPS[number + 1],
    )
    verdict = Verdict(
        resource_id, kind, "eastus", V.READY, "storage.account", "The kind and SKU are offered in the region.",
        LEARN + "documentation-government-services-storage", date(2026, 10, 2), "",
        TargetChoice(kind, "usgovvirginia"), Confidence.NAMED,
    )  # fmt: skip
    return resource, verdict


CONTAINERS = {
    "hcpermitdocs": (("applications", 1240, 5_400), ("attachments", 410, 88_000)),
    "hcgistiles": (("tiles", 860, 21_000), ("$web", 42, 9_100)),
    "hchealthimages": (("scans", 388, 41_000_000),),
    "hcfinancearchive": (("ledgers", 120, 1_250_000), ("appendlogs", 40, 640_000)),
}


def surveys() -> tuple[ContainerSurvey, ...]:
    """3,100 objects in four accounts."""
    return tuple(
        ContainerSurvey(
            account,
            name,
            objects,
            objects * size,
            snapshots=12 if name == "ledgers" else 0,
            by_type={"AppendBlob": objects} if name == "appendlogs" else {"BlockBlob": objects},
            by_tier={"Hot": objects - objects // 5, "Cool": objects // 5},
        )
        for account, containers in CONTAINERS.items()
        for name, objects, size in containers
    )


def assessment(resources: int = 180, *, seed: int = 7) -> Assessment:
    """An assessment of about the county's mix, with `resources` resources."""
    dice = random.Random(seed)
    weights = [pattern.weight for pattern in PATTERNS]
    # Every pattern once, so that each verdict is there.
    patterns = [*PATTERNS, *dice.choices(PATTERNS, weights, k=max(0, resources - len(PATTERNS) - len(ACCOUNTS)))]
    pairs = [storage_account(name, n) for n, name in enumerate(ACCOUNTS)]
    pairs += [judged_resource(pattern, n, dice) for n, pattern in enumerate(patterns, start=1)]
    found = tuple(resource for resource, _ in pairs)
    inventory = Inventory(
        cloud="AzureCloud",
        tenant_id="6a1c2c54-7b1d-4a8e-bb0e-5d8f0f3f9d10",
        scope="3 subscriptions of Hollis County",
        taken_at=NOW - timedelta(hours=19, minutes=12),
        resources=found,
        gaps=GAPS,
        seen=tuple(_seen(subscription.id, found) for subscription in SUBSCRIPTIONS),
        subscriptions=SUBSCRIPTIONS,
        containers=surveys(),
    )
    return Assessment(inventory, tuple(verdict for _, verdict in pairs), date(2026, 10, 2))


GAPS = (
    Gap(
        f"/subscriptions/{SUBSCRIPTIONS[1].id}/resourceGroups/rg-clinic-legacy",
        "All resources of this resource group",
        "The client does not have authorization to perform action 'Microsoft.Resources/subscriptions/resources/read'.",
        "AuthorizationFailed",
        "Ask the owner of Hollis County Public Health for the Reader role on the group.",
    ),
    Gap(
        "https://hcfinancearchive.blob.core.windows.net/payroll",
        "Objects and bytes of this container",
        "This request is not authorized to perform this operation.",
        "AuthorizationFailure",
        "Ask for a network rule that admits the mover, or run the survey inside the network.",
    ),
)


def _seen(subscription: str, resources: tuple[Resource, ...]) -> Seen:
    ids = [resource.id for resource in resources if resource.subscription_id == subscription]
    late = tuple(item for item in ids if item.endswith("sqldb-09") or "Contoso.Permits" in item)
    return Seen(subscription, len(ids) - len(late), len(ids), only_arm=late)


TARGET_NAMES = {"hchealthimages": "hchealthimages01"}


def plan_of(known: Assessment) -> Plan:
    """The plan for the four accounts; everything else is left out."""
    steps: list[CreateResourceGroup | CreateStorageAccount | CreateContainer | CopyShard] = []
    accounts = [r for r in known.inventory.resources if r.type == "Microsoft.Storage/storageAccounts"]
    for resource in accounts:
        group = f"gov-{resource.resource_group}"
        steps.append(CreateResourceGroup(group, "usgovvirginia", source_id=resource.id.partition("/providers")[0]))
        steps.append(
            CreateStorageAccount(
                TARGET_NAMES.get(resource.name, resource.name), group, "usgovvirginia", "StorageV2", "Standard_RAGRS",
                resource.id, resource.name, access_tier="Hot",
            )
        )  # fmt: skip
    for survey in known.inventory.containers:
        target = TARGET_NAMES.get(survey.account, survey.account)
        steps.append(CreateContainer(target, survey.container, survey.account))
        steps.append(CopyShard(survey.account, target, survey.container, "", None, survey.objects, survey.bytes, 0))
    left = tuple(
        LeftOut(r.id, r.type, "govlift moves storage accounts; this is deployed by the customer's own templates.")
        for r in known.inventory.resources
        if r not in accounts
    )
    return Plan(
        "4b7e19c2a0d8", "4b7e19c2a0d8" + "0" * 52, NOW - timedelta(hours=18), tuple(steps), left,
        (
            "Creation time and Last-Modified: the target sets its own; the source's are kept in the evidence.",
            "ETags and version ids: the target gives new ones.",
            "Leases: a copied object carries none.",
        ),
    )  # fmt: skip


def evidence(name: str, change: Change, outcome: Outcome, size: int = 5_400, reason: str = "") -> EvidenceRow:
    """One row of a manifest."""
    there = outcome in (Outcome.COPIED, Outcome.SAME)
    content = there and change in (Change.NEW, Change.CONTENT)
    return EvidenceRow(
        name, "", "BlockBlob", size, '"0x8DCE2B1A4C5D001"', NOW - timedelta(days=3), outcome, change,
        Route.PULL if content else None, ProofLevel.L2 if there else None,
        target_etag='"0x8DCE2C9F00A1B77"' if there else "", tier="Hot", reason=reason,
        source_crc64="q2lHn3xP0uM=" if content else "", target_crc64="q2lHn3xP0uM=" if content else "",
        finished=NOW - timedelta(hours=2), request_id="5f1b0c1e-001e-0042-3f5a-1c9f22000000",
    )  # fmt: skip


ARCHIVED = "The blob is in the Archive tier; rehydrate it at the source, then run again."
TAKEN_AWAY = "The source answered 403 for this object; its legal hold names another tenant."
LEFT = 'Left out by copy.exclude_blobs, pattern "*.tmp".'


def shard_records(plan: Plan, run_id: str, *, resync: bool = False) -> tuple[list[ShardRecord], list[ObjectNote]]:
    """What a run leaves: records that add up, and the notes that belong to them."""
    records, notes = [], []
    for shard in (step for step in plan.steps if isinstance(step, CopyShard)):
        rows = list(_exceptions(shard))
        rows += _differences(shard) if resync else ()
        failed = sum(row.outcome is Outcome.FAILED for row in rows)
        excluded = sum(row.outcome is Outcome.EXCLUDED and row.change is not Change.DELETED for row in rows)
        deleted = sum(row.change is Change.DELETED for row in rows)
        copied = sum(row.outcome is Outcome.COPIED for row in rows) if resync else shard.objects - failed - excluded
        listed = shard.objects + sum(
            row.change is Change.NEW for row in rows if resync and row.outcome is Outcome.COPIED
        )
        streamed = 40 if shard.source_account == "hchealthimages" and not resync else 0
        same = listed - copied - failed - excluded
        level3 = min(streamed, copied)
        records.append(
            ShardRecord(
                run_id, shard, ShardState.DONE, 1,
                Tally(listed, copied, same, excluded, failed, deleted, copied * 5_400 if resync else shard.bytes,
                      copied - level3, level3, (0, 0, copied + same - level3, level3)),
                manifest=f"evidence/{shard.source_account}/{shard.container}/00000/{run_id}-1.parquet",
            )
        )  # fmt: skip
        notes += [ObjectNote(shard.source_account, shard.container, row) for row in rows]
    return records, notes


def _exceptions(shard: CopyShard) -> list[EvidenceRow]:
    match shard.container:
        case "attachments":
            names = [f"2026/permit-{n}/scan.tmp" for n in range(11)]
            return [evidence(name, Change.NEW, Outcome.EXCLUDED, 900, LEFT) for name in names]
        case "ledgers":
            years = (2017, 2018, 2019)
            rows = [evidence(f"{y}/general.csv", Change.NEW, Outcome.FAILED, 1_250_000, ARCHIVED) for y in years]
            return [replace(row, code="BlobArchived") for row in rows]
        case "scans":
            row = evidence("held/case-0091.dcm", Change.NEW, Outcome.FAILED, 41_000_000, TAKEN_AWAY)
            return [replace(row, code="AuthorizationPermissionMismatch")]
        case _:
            return []


def _differences(shard: CopyShard) -> list[EvidenceRow]:
    if shard.container != "applications":
        return []
    found = [evidence(f"2026-10/{n:05d}.pdf", Change.NEW, Outcome.COPIED) for n in range(24)]
    found += [evidence(f"2026-09/{n:05d}.pdf", Change.CONTENT, Outcome.COPIED) for n in range(9)]
    found += [evidence(f"2026-08/{n:05d}.pdf", Change.TAGS, Outcome.COPIED) for n in range(5)]
    found += [evidence(f"2025-12/{n:05d}.pdf", Change.TIER, Outcome.COPIED) for n in range(7)]
    found += [evidence(f"2026-07/{n:05d}.pdf", Change.METADATA, Outcome.COPIED) for n in range(2)]
    gone = "Deleted at the source; the target still has it."
    return found + [evidence(f"2024-01/{n:05d}.pdf", Change.DELETED, Outcome.EXCLUDED, reason=gone) for n in range(3)]


HEAD = ReportHead(
    name="hollis-county",
    customer="Hollis County, Department of Information Technology",
    marking="HOLLIS COUNTY — OFFICIAL USE ONLY",
    source_cloud="AzureCloud",
    source_tenant="6a1c2c54-7b1d-4a8e-bb0e-5d8f0f3f9d10",
    source_subscriptions=tuple(subscription.id for subscription in SUBSCRIPTIONS),
    target_cloud="AzureUSGovernment",
    target_tenant="c0b8c0de-2f6a-4d0b-8d64-33f6f6a6b7e2",
    target_subscription="1d2f6ed8-90c0-4a94-b2c4-7a9a6a7d1b55",
    shared_keys=("hcfinancearchive",),
)


def run(
    run_id: str, kind: RunKind, hours: float, tally: Tally, state: RunState, plan: str = "", detail: str = ""
) -> RunRecord:
    """One run that began `hours` before the report."""
    started = NOW - timedelta(hours=hours)
    return RunRecord(run_id, kind, plan, state, started, started + timedelta(minutes=37, seconds=12), tally, 0, detail)


def stage(name: str, resources: int = 180, *, route_changes: Sequence[RouteChange] = ()) -> Report:
    """The county's report at one stage: assessed, planned, migrated, resynced or broken."""
    known = assessment(resources)
    plan = plan_of(known) if name != "assessed" else None
    runs = [run("a-20261011-185300", RunKind.ASSESS, 19.2, Tally(), RunState.DONE, detail="180 resources judged.")]
    records: list[ShardRecord] = []
    notes: list[ObjectNote] = []
    if plan and name != "planned":
        records, notes = shard_records(plan, "m-20261011-210000")
        tally = sum((record.tally for record in records), Tally())
        detail = "4 objects failed, 0 shards are not done."
        runs.append(run("m-20261011-210000", RunKind.MIGRATE, 17, tally, RunState.PARTIAL, plan.id, detail))
        runs.append(run("v-20261012-060000", RunKind.VERIFY, 8, Tally(listed=3096, same=3096), RunState.DONE, plan.id))
    if plan and name in ("resynced", "broken"):
        more, notes = shard_records(plan, "r-20261012-120000", resync=True)
        tally = sum((record.tally for record in more), Tally())
        runs.append(run("r-20261012-120000", RunKind.RESYNC, 2, tally, RunState.PARTIAL, plan.id, "4 objects failed."))
        records += more
    if name == "broken":
        lost = records[-1]
        records[-1] = replace(lost, tally=replace(lost.tally, listed=lost.tally.listed + 2))
        known = replace(known, verdicts=known.verdicts[:-1])
    return build_report(
        settings=HEAD, assessment=known, plan=plan, runs=runs, notes=notes, shards=records, made_at=NOW,
        version="0.1.0", causes=load_causes(), route_changes=route_changes,
    )  # fmt: skip


STAGES = ("assessed", "planned", "migrated", "resynced", "broken")


def main() -> None:
    from tasks.reports import write_reports

    for name in STAGES:
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        write_reports(stage(name), folder)
        sys.stdout.write(f"{folder / 'report.html'}\n")


if __name__ == "__main__":
    main()
