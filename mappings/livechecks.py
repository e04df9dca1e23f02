"""What a live target finds wrong with one resource beyond its type: SKU, size, zone, policy, API version.

Each answer is a `Finding` with the nearest thing that can be had; `mappings.assess` lets the worst of them lead.
Sources: as `mappings.offer`; what a policy denies: `mappings.policies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from mappings.apiversion import newest_shared
from mappings.livetarget import LiveTarget, open_regions
from mappings.model import Finding, Resource, TargetChoice
from mappings.offer import PolicyKind, TargetPolicy
from mappings.regions import DOD_REGIONS, GLOBAL, normal
from mappings.skuplaces import STORAGE, VM_SIZES, Wanted, plain_zones, wanted_skus
from mappings.states import VerdictKind

SKU_RULE = "live-sku"
ZONE_RULE = "live-zone"
POLICY_RULE = "live-policy"
API_RULE = "live-api-version"
LIVE_RULES = ("live-target", SKU_RULE, ZONE_RULE, POLICY_RULE, API_RULE)
"""Every rule id by which a live target speaks."""

_NOUN = {VM_SIZES: "VM size", STORAGE: "storage redundancy", "disks": "disk type", "snapshots": "snapshot type"}
_REFUSED = {
    "NotAvailableForSubscription": "exists in {}, but not for this subscription (NotAvailableForSubscription)",
    "QuotaId": "exists in {}, but not for subscriptions of this offer type (QuotaId)",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One finding, and the same in a few words for a table."""

    finding: Finding
    short: str


def live_findings(resource: Resource, target: TargetChoice, live: LiveTarget, asked: date) -> list[Found]:
    """What the live target has against `resource`, apart from its type and region.

    Args:
        target: type and region that the verdict proposes; a type other than the resource's own is a replacement.
        asked: the day on which the target was asked.
    """
    region = normal(target.region)
    if region in ("", GLOBAL):
        return list(_policies(resource, target, region, (), live, asked))
    wanted = wanted_skus(resource)
    found = [one for sku in wanted for one in _sku(sku, region, live, asked)]
    if resource.zones and not any(sku.zones for sku in wanted if live.knows(sku.of)):
        found += _zones_of_type(resource, target, region, live, asked)
    return [*found, *_policies(resource, target, region, wanted, live, asked)]


def _sku(wanted: Wanted, region: str, live: LiveTarget, asked: date) -> Iterator[Found]:
    """Whether the SKU can be had in the region, and in the zones asked for."""
    if not live.knows(wanted.of):
        return
    places = live.places(wanted.of, wanted.name, wanted.kind)
    place = places.get(region)
    if place is None or place.refused:
        kind = f" for {wanted.kind} accounts" if wanted.kind else ""
        where = f"is not offered{kind} in {region}"
        if place:
            where = _REFUSED.get(place.refused, f"is restricted in {{}} ({place.refused})").format(region)
        reason = f"The {_NOUN.get(wanted.of, 'SKU')} {wanted.name} {where} ({_list_of(wanted)}, {asked})."
        yield _sku_found(wanted, region, reason, live, asked)
        return
    missing = [zone for zone in wanted.zones if zone not in place.zones or zone in place.refused_zones]
    if missing:
        having = [zone for zone in place.zones if zone not in place.refused_zones]
        yield _zone_found(f"{_NOUN.get(wanted.of, 'SKU')} {wanted.name}", missing, having, region, asked)


def _sku_found(wanted: Wanted, region: str, reason: str, live: LiveTarget, asked: date) -> Found:
    places = live.places(wanted.of, wanted.name, wanted.kind)
    others = live.alternatives(wanted.of, wanted.name, region, wanted.kind)
    elsewhere = [one for one in open_regions(places) if one != region]
    ways = []
    if others:
        ways.append(f"take {_either(others)}, offered in {region}")
    if elsewhere:
        ways.append(f"choose {_either(elsewhere)} as the target region, which has {wanted.name}")
    if region in places:
        ways.append(f"have the CSP provider ask Azure support to open {wanted.name} for the subscription")
    if not ways:
        ways.append("ask the CSP provider what takes its place in Azure Government")
    remedy = "; or ".join(ways)
    # Something near it can be had, so a person changes a line of a template; otherwise somebody has to decide.
    kind = VerdictKind.READY_WITH_CHANGES if others or elsewhere else VerdictKind.BLOCKED
    short = f"{wanted.name} {'restricted' if region in places else 'not offered'} in {region}"
    return Found(Finding(SKU_RULE, kind, reason, _list_of(wanted), asked, remedy[0].upper() + remedy[1:] + "."), short)


def _list_of(wanted: Wanted) -> str:
    list_name = "Microsoft.Storage/skus" if wanted.of == STORAGE else "Microsoft.Compute/skus"
    return f"{list_name} of the target subscription"


def _zones_of_type(
    resource: Resource, target: TargetChoice, region: str, live: LiveTarget, asked: date
) -> Iterator[Found]:
    """Zones of what has no SKU list: by the type's own zones in the region, else by those of the region."""
    asked_for = plain_zones(resource.zones)
    listed = live.listed(target.type or resource.type)
    by_type = {one.region: one.zones for one in listed.zones} if listed else {}
    having = by_type.get(region, ()) if by_type else live.zones_of(region)
    if having is None:
        return
    missing = [zone for zone in asked_for if zone not in having]
    if missing:
        yield _zone_found(target.type or resource.type, missing, list(having), region, asked)


def _zone_found(what: str, missing: list[str], having: list[str], region: str, asked: date) -> Found:
    have = f"only in {_zones(having)}" if having else "in no availability zone"
    reason = f"It asks for {_zones(missing)}; the target offers {what} in {region} {have} ({asked})."
    remedy = (
        f"Use zone {_either(having)}, or deploy without zones."
        if having
        else "Deploy without zones (availability sets protect machines within a region), or choose a region with zones."
    )
    source = "Zones in the target subscription's own lists (providers, SKUs, locations)"
    found = Finding(ZONE_RULE, VerdictKind.READY_WITH_CHANGES, reason, source, asked, remedy)
    return Found(found, f"no {_zones(missing)} in {region}")


def _zones(zones: list[str]) -> str:
    return f"zone {zones[0]}" if len(zones) == 1 else f"zones {', '.join(zones[:-1])} and {zones[-1]}"


def _policies(
    resource: Resource, target: TargetChoice, region: str, wanted: tuple[Wanted, ...], live: LiveTarget, asked: date
) -> Iterator[Found]:
    """What policies at or above the target subscription refuse of the resource."""
    name = (target.type or resource.type).lower()
    skus = {sku.name.lower(): sku.name for sku in wanted}
    for policy in live.policies:
        denied = denied_by(policy, name, region, tuple(skus))
        if denied:
            denied = skus.get(denied, denied)
            yield _policy_found(policy, target.type or resource.type, denied, asked)


def denied_by(policy: TargetPolicy, name: str, region: str, skus: tuple[str, ...]) -> str:
    """What of a resource `policy` refuses: its region, type or SKU; "" where nothing. Mode and fields as built in."""
    placed = region not in ("", GLOBAL)
    match policy.kind:
        case PolicyKind.ALLOWED_LOCATIONS:
            return region if placed and region not in policy.values and name not in _PLACELESS else ""
        case PolicyKind.ALLOWED_GROUP_LOCATIONS:
            return region if placed and region not in policy.values else ""
        case PolicyKind.DENIED_TYPES:
            return name if name in policy.values else ""
        case PolicyKind.ALLOWED_TYPES:
            # Mode "Indexed": only what carries tags and a location is looked at, which children mostly do not.
            return name if name.count("/") == 1 and name not in policy.values else ""
        case PolicyKind.ALLOWED_STORAGE_SKUS:
            return _outside(skus, policy) if name == "microsoft.storage/storageaccounts" else ""
        case PolicyKind.ALLOWED_VM_SIZES:
            return _outside(skus[:1], policy) if name == "microsoft.compute/virtualmachines" else ""
        case PolicyKind.DENIES_NOTHING | PolicyKind.NOT_UNDERSTOOD:
            return ""


_PLACELESS = frozenset({"microsoft.azureactivedirectory/b2cdirectories"})
"""Left out by the built-in definition "Allowed locations" itself."""


def _outside(skus: tuple[str, ...], policy: TargetPolicy) -> str:
    return next((sku for sku in skus if sku not in policy.values), "")


def _policy_found(policy: TargetPolicy, type_name: str, denied: str, asked: date) -> Found:
    kind, values = policy.kind, ", ".join(policy.values[:6]) + (", ..." if len(policy.values) > 6 else "")
    allows = f" It allows: {values or 'nothing'}." if kind is not PolicyKind.DENIED_TYPES else ""
    what = {
        PolicyKind.ALLOWED_LOCATIONS: f"resources in {denied}",
        PolicyKind.ALLOWED_GROUP_LOCATIONS: f"resource groups in {denied}",
        PolicyKind.ALLOWED_STORAGE_SKUS: f"storage accounts with {denied}",
        PolicyKind.ALLOWED_VM_SIZES: f"virtual machines of size {denied}",
    }.get(kind, f"the type {type_name}")
    sku = kind in (PolicyKind.ALLOWED_STORAGE_SKUS, PolicyKind.ALLOWED_VM_SIZES) and bool(policy.values)
    exempt = "ask the owner of the policy to exempt the migration's resource groups or to change the assignment"
    region = kind in (PolicyKind.ALLOWED_LOCATIONS, PolicyKind.ALLOWED_GROUP_LOCATIONS)
    first = "Take one that it allows, or " if sku else "Name an allowed target region, or " if region else ""
    remedy = f"{first}{exempt if first else exempt[0].upper() + exempt[1:]}."
    finding = Finding(
        rule=POLICY_RULE,
        verdict=VerdictKind.READY_WITH_CHANGES if sku else VerdictKind.BLOCKED,
        reason=f'The policy "{policy.name}" of the target subscription denies {what} ({asked}).{allows}',
        source=f"Policy assignment {policy.assignment}",
        checked=asked,
        remedy=remedy,
    )
    return Found(finding, f'denied by policy "{policy.name}"')


def previews_only(resource_type: str, live: LiveTarget, newest_of_source: str, asked: date) -> Found | None:
    """A finding where the target has the type in preview versions only and the source in a stable one."""
    listed = live.listed(resource_type)
    if listed is None or not newest_of_source or not listed.api_versions:
        return None
    if newest_shared(listed.api_versions):
        return None
    reason = (
        f"The target lists {resource_type} only in the preview API version {listed.api_versions[0]} ({asked}); the "
        f"source has {newest_of_source}."
    )
    remedy = "Write templates for the preview version, and have the CSP provider confirm support for it."
    finding = Finding(
        API_RULE, VerdictKind.READY_WITH_CHANGES, reason, "GET /providers of both subscriptions", asked, remedy
    )
    return Found(finding, "preview API versions only")


def offered_regions(regions: tuple[str, ...]) -> set[str]:
    """Regions open to every government customer, by their normalised names."""
    return {normal(region) for region in regions} - set(DOD_REGIONS)


def _either(words: tuple[str, ...] | list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
