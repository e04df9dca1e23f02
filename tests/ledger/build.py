"""Values for the tests of ledger, manifests and plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mappings.model import (
    Assessment,
    ContainerSurvey,
    Finding,
    Gap,
    Inventory,
    Resource,
    ResourceGroup,
    Seen,
    Subscription,
    TargetChoice,
    Verdict,
)
from mappings.objects import EvidenceRow, Tally
from mappings.plan import CopyShard
from mappings.settings import Settings
from mappings.states import Change, Confidence, Outcome, ProofLevel, Route, VerdictKind

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
SUB = "11111111-1111-1111-1111-111111111111"
WHOLE = Tally(listed=3, copied=2, same=1, bytes=10, pull=2, proof=(0, 0, 3, 0))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def settings(**changes: Any) -> Settings:
    """Settings of one migration; dotted keys change it, e.g. `**{"target.subscription": ...}`."""
    data: dict[str, Any] = {
        "name": "hollis-county",
        "source": {
            "cloud": "AzureCloud",
            "tenant_id": "22222222-2222-2222-2222-222222222222",
            "subscriptions": [SUB],
            "credential": {"kind": "azure-cli"},
        },
        "target": {
            "cloud": "AzureUSGovernment",
            "tenant_id": "33333333-3333-3333-3333-333333333333",
            "subscription": "44444444-4444-4444-4444-444444444444",
            "credential": {"kind": "azure-cli"},
        },
        "copy": {},
    }
    for key, value in changes.items():
        *path, last = key.split(".")
        place = data
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return Settings.model_validate(data)


def shard(number: int, *, begin: str = "", end: str | None = None, container: str = "docs") -> CopyShard:
    return CopyShard("hollisdata", "hollisdatagov", container, begin, end, 10, 1000, number)


def row(name: str, snapshot: str = "", **changes: Any) -> EvidenceRow:
    made = EvidenceRow(
        name=name,
        snapshot=snapshot,
        blob_type="BlockBlob",
        size=5,
        source_etag='"0x1"',
        source_last_modified=NOW,
        outcome=Outcome.COPIED,
        change=Change.NEW,
        route=Route.PULL,
        proof=ProofLevel.L2,
    )
    return replace(made, **changes)


def account(name: str, *, group: str = "rg-data", kind: str = "StorageV2", **changes: Any) -> Resource:
    made = Resource(
        id=f"/subscriptions/{SUB}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}",
        name=name,
        type="Microsoft.Storage/storageAccounts",
        location="eastus",
        kind=kind,
        sku={"name": "Standard_LRS", "tier": "Standard"},
        tags={"owner": "it"},
        properties={"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2", "accessTier": "Hot"},
        subscription_id=SUB,
        resource_group=group,
    )
    return replace(made, **changes)


def classic(name: str) -> Resource:
    return replace(
        account(name, group="Default-Storage-EastUS"),
        id=f"/subscriptions/{SUB}/resourceGroups/Default-Storage-EastUS/providers/"
        f"Microsoft.ClassicStorage/storageAccounts/{name}",
        type="Microsoft.ClassicStorage/storageAccounts",
        kind="",
        sku={},
        properties={"accountType": "Standard-GRS"},
    )


def verdict(resource: Resource, kind: VerdictKind = VerdictKind.READY, *, target: str = "") -> Verdict:
    return Verdict(
        resource_id=resource.id,
        type=resource.type,
        location=resource.location,
        verdict=kind,
        rule="storage-account",
        reason="because",
        source="Learn",
        checked=date(2026, 10, 1),
        remedy="",
        target=TargetChoice(type=target, region="usgovvirginia"),
        confidence=Confidence.NAMED,
        findings=(Finding("tls", VerdictKind.READY_WITH_CHANGES, "old TLS", "Learn", date(2026, 9, 1)),),
    )


def survey(account_name: str, container: str, **changes: Any) -> ContainerSurvey:
    made = ContainerSurvey(
        account=account_name,
        container=container,
        objects=5,
        bytes=50,
        by_type={"BlockBlob": 5},
        cuts=("m",),
        shard_objects=(3, 2),
        shard_bytes=(30, 20),
    )
    return replace(made, **changes)


def assessment(
    judged: list[tuple[Resource, Verdict]], surveys: list[ContainerSurvey] | None = None, gaps: tuple[Gap, ...] = ()
) -> Assessment:
    return Assessment(
        inventory=Inventory(
            cloud="AzureCloud",
            tenant_id="22222222-2222-2222-2222-222222222222",
            scope="one subscription",
            taken_at=NOW,
            resources=tuple(resource for resource, _ in judged),
            gaps=gaps,
            seen=(Seen(SUB, 3, 4, (), ("/x",)), Seen("other", None, 0)),
            subscriptions=(Subscription(SUB, "main", "22222222-2222-2222-2222-222222222222", "CSP_2015-05-01"),),
            groups=(
                ResourceGroup(f"/subscriptions/{SUB}/resourceGroups/rg-data", "rg-data", "westus", SUB, {"a": "b"}),
            ),
            containers=tuple(surveys or ()),
        ),
        verdicts=tuple(answer for _, answer in judged),
        catalogue_date=date(2026, 10, 12),
    )
