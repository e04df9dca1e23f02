"""The values that walk from stage to stage: estate, gaps, verdicts. All frozen, all plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from mappings.offer import Offer
from mappings.states import Confidence, VerdictKind


@dataclass(frozen=True, slots=True)
class Resource:
    """One ARM resource as the source described it."""

    id: str
    name: str
    type: str
    """`Namespace/type[/type]`, in the spelling of the source; compare case-insensitively."""
    location: str = ""
    """As spelt by the source ("eastus", "East US", "global", ""); normalise with `mappings.regions.normal`."""
    kind: str = ""
    sku: Mapping[str, Any] = field(default_factory=dict)
    """`name`, `tier`, `capacity`, ... as far as given."""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Marketplace plan, empty where there is none."""
    zones: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    subscription_id: str = ""
    resource_group: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that should have been listed and was not. Never an empty list."""

    scope: str
    """ARM id, blob endpoint or file path that could not be listed."""
    what: str
    """What is missing from the inventory because of it."""
    why: str
    """The service's own words, shortened; no secrets."""
    code: str = ""
    """`error.code` or `x-ms-error-code`, or an own word such as "BrokenListing"."""
    remedy: str = ""
    """What to ask whom."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How many resources each lister saw in one subscription: the control-plane half of in = out."""

    subscription_id: str
    graph: int | None
    """None where Resource Graph was not asked or did not answer."""
    arm: int | None
    only_graph: tuple[str, ...] = ()
    """Ids that only Resource Graph returned."""
    only_arm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    id: str
    name: str
    tenant_id: str
    quota_id: str = ""
    """`subscriptionPolicies.quotaId`; starts with `CSP_` for a CSP subscription."""
    state: str = "Enabled"


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    id: str
    name: str
    location: str
    subscription_id: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerSurvey:
    """What one container held when it was surveyed: sizes the plan and cuts the shards."""

    account: str
    container: str
    objects: int
    """Listed entries, snapshots included."""
    bytes: int
    snapshots: int = 0
    by_type: Mapping[str, int] = field(default_factory=dict)
    by_tier: Mapping[str, int] = field(default_factory=dict)
    cuts: tuple[str, ...] = ()
    """Names at which shards begin, ascending; the first shard begins before every name."""
    shard_objects: tuple[int, ...] = ()
    """Entries counted in each shard, one more item than `cuts`."""
    shard_bytes: tuple[int, ...] = ()
    public_access: str = ""
    """"", "blob" or "container": whether the plan must let the target account allow public access."""
    traits: Mapping[str, int] = field(default_factory=dict)
    """What its objects have that decides how much of them is kept, counted (`mappings.traits`)."""


@dataclass(frozen=True, slots=True)
class Volume:
    """What Azure Monitor measured of one resource, or of one service of a storage account."""

    resource_id: str
    part: str
    """"blob", "file", "table" or "queue"; "" for the whole resource."""
    bytes: int | None
    """None where the metric had no value in the time asked for."""
    objects: int | None
    metric: str
    """Names of the metrics."""
    at: datetime | None
    """Time of the value; None where there is none."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """One exported file, and where its entries went.

    `entries == resources + governance + scopes + duplicates + left_out + unread`.
    """

    name: str
    shape: str = ""
    """What it was taken for, e.g. "ARM template"; "" where it holds no inventory."""
    entries: int = 0
    """Things in it that stand where a resource stands."""
    resources: int = 0
    """Resources of the inventory that this file gave."""
    duplicates: int = 0
    """Entries whose resource another entry, of this file or of one before it, had given already."""
    left_out: int = 0
    """Entries that are no resource of the estate, e.g. under a condition that is false; `notes` says which."""
    unread: int = 0
    """Entries that could not be read; the gaps say which."""
    gaps: int = 0
    notes: tuple[str, ...] = ()
    governance: int = 0
    """Role assignments, policy assignments and locks that this file gave (`Inventory.governance`)."""
    scopes: int = 0
    """Resource groups and subscriptions that this file gave (`Inventory.groups`, `.subscriptions`)."""

    @property
    def balanced(self) -> bool:
        """Whether every entry of the file is accounted for."""
        given = self.resources + self.governance + self.scopes
        return self.entries == given + self.duplicates + self.left_out + self.unread


@dataclass(frozen=True, slots=True)
class Inventory:
    """What exists in the source, with what could not be seen."""

    cloud: str
    tenant_id: str
    scope: str
    """What was asked for: subscriptions, management group or file names, for a reader."""
    taken_at: datetime
    resources: Sequence[Resource]
    """A tuple, or a sequence that lies on disk and is decoded while it is gone through: iterate, do not index."""
    gaps: tuple[Gap, ...] = ()
    seen: tuple[Seen, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    groups: tuple[ResourceGroup, ...] = ()
    containers: tuple[ContainerSurvey, ...] = ()
    volumes: tuple[Volume, ...] = ()
    """Sizes as Azure Monitor has them, of what was not listed."""
    governance: Sequence[Resource] = ()
    """Role assignments, policy assignments and locks: they rule resources and are no resources of the estate."""
    files: tuple[FileRead, ...] = ()
    """The exported files it was read from; empty where Azure itself was asked. Not kept in the ledger."""


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Where a resource is meant to live in the target."""

    type: str = ""
    """ARM type in Azure Government, "" where there is none."""
    region: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One further rule that applies besides the one that decided, e.g. a retirement or a hidden classic reference."""

    rule: str
    verdict: VerdictKind
    reason: str
    source: str
    checked: date
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one resource: what, by which rule, why, from which source, as of when, and what to do."""

    resource_id: str
    type: str
    location: str
    verdict: VerdictKind
    rule: str
    """Rule id, or "no-rule" for `unknown` without one."""
    reason: str
    source: str
    checked: date | None
    remedy: str
    target: TargetChoice
    confidence: Confidence = Confidence.INFERRED
    findings: tuple[Finding, ...] = ()
    differences: str = ""
    """What works otherwise in Government than in commercial Azure; "" where no difference is documented."""
    catalogue: str = ""
    """The verdict that the catalogue alone gives, where a live target was asked; "" where none was."""
    live: str = ""
    """What the live target says of the resource, in a few words; "" where none was asked."""


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A source of the catalogue, as a verdict cites it."""

    title: str
    where: str
    """Page address, or repository, commit and path."""
    dated: date | None


@dataclass(frozen=True, slots=True)
class RuleUse:
    """Where a rule that this assessment used comes from; once per rule, not per resource."""

    id: str
    file: str
    checked: date
    sources: tuple[CitedSource, ...]
    conflicts: tuple[str, ...] = ()
    """What each of the sources that contradict each other says."""
    retires: date | None = None
    overrides: str = ""
    """The catalogue rule that this overlay rule takes the place of."""
    overridden_verdict: VerdictKind | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every resource of an inventory with its verdict: `len(verdicts) == len(inventory.resources)`."""

    inventory: Inventory
    verdicts: tuple[Verdict, ...]
    catalogue_date: date | None
    """The newest check date in the catalogue used."""
    rules: tuple[RuleUse, ...] = ()
    """The rules that the verdicts rest on, with their sources; by id."""
    offer: Offer | None = None
    """What the target subscription itself offers; None where it was not asked ("catalogue only")."""

    def by_verdict(self) -> dict[str, int]:
        """Counts per verdict, every kind present."""
        counts = {kind.value: 0 for kind in VerdictKind}
        for verdict in self.verdicts:
            counts[verdict.verdict.value] += 1
        return counts
