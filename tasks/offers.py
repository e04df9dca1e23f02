"""Asks the target subscription what it offers; a part that it does not answer is said, and the rest still counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from mappings.apiversion import newest_shared
from mappings.errors import AskForApproval, GovliftError
from mappings.offer import NameAnswer, NewestVersion, Offer, OfferedType, Sku, TargetPolicy, Unasked, ZonesAt
from mappings.offerbodies import skus_of, zones_of
from mappings.policies import definition_of, is_set, to_read, understand
from mappings.regions import normal

if TYPE_CHECKING:
    from tasks.clients.arm import SourceArm, TargetArm
    from tasks.clients.management import ProviderType
    from tasks.clients.offerlists import OfferLists

T = TypeVar("T")


def ask_target(
    arm: TargetArm,
    *,
    asked_at: datetime,
    names: Iterable[NameAnswer] = (),
    source_versions: Iterable[NewestVersion] = (),
    unasked: Iterable[Unasked] = (),
) -> Offer:
    """Everything that the target subscription tells about what it offers. Reads only.

    Args:
        arm: the target's.
        asked_at: now, with a zone.
        names: what it answered about account names.
        source_versions: what the source cloud has, to compare with.
        unasked: what could not be asked before.

    Raises:
        GovliftError: the providers could not be listed; without them there is no live truth.
    """
    types = tuple(_type(name, one) for name, one in sorted(arm.providers().items()))
    lists = arm.offer_lists()
    missing = list(unasked)

    def part(what: str, empty: T, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except AskForApproval:
            # A list that led to another cloud's host is no gap: nothing that this ARM says may be trusted then.
            raise
        except GovliftError as wrong:
            scope = f"/subscriptions/{arm.subscription_id}"
            missing.append(Unasked(scope, what, wrong.sentence, wrong.code or type(wrong).__name__, wrong.next_step))
            return empty

    no_skus: tuple[Sku, ...] = ()
    no_zones: tuple[ZonesAt, ...] = ()
    no_policies: tuple[TargetPolicy, ...] = ()
    try:
        compute = part("VM sizes and disk SKUs, with their zones", no_skus, lambda: skus_of(lists.compute_skus()))
        storage = part("storage account SKUs", no_skus, lambda: skus_of(lists.storage_skus()))
        zones = part("availability zones of the regions", no_zones, lambda: zones_of(lists.locations()))
        policies = part("policies that may deny resources", no_policies, lambda: _policies(lists))
    finally:
        lists.close()
    skus = (*compute, *storage)
    return Offer(
        cloud=arm.cloud.name,
        subscription_id=arm.subscription_id,
        asked_at=asked_at,
        types=types,
        skus=skus,
        sku_lists=tuple(sorted({sku.of for sku in skus})),
        zones=zones,
        policies=policies,
        names=tuple(names),
        source_versions=tuple(source_versions),
        unasked=tuple(missing),
    )


def newest_versions(arm: SourceArm, subscription_id: str, types: Iterable[str]) -> tuple[NewestVersion, ...]:
    """The newest stable API version of each of `types` that the source lists, by type in lower case.

    Raises:
        GovliftError: the source did not list its providers.
    """
    listed = arm.providers(subscription_id)
    found = []
    for name in sorted({one.lower() for one in types}):
        version = newest_shared(listed[name].api_versions) if name in listed else ""
        if version:
            found.append(NewestVersion(name, version))
    return tuple(found)


def _type(name: str, one: ProviderType) -> OfferedType:
    return OfferedType(
        name=name,
        regions=tuple(normal(region) for region in one.regions),
        api_versions=one.api_versions,
        registered=one.registered,
        zones=tuple(ZonesAt(normal(region), zones) for region, zones in sorted(one.zones.items())),
    )


def _policies(lists: OfferLists) -> tuple[TargetPolicy, ...]:
    assignments = lists.policy_assignments()
    sets = lists.policy_sets(_distinct(one for one in map(definition_of, assignments) if is_set(one)))
    definitions = lists.policy_definitions(to_read(assignments, sets))
    return tuple(policy for one in assignments for policy in understand(one, sets, definitions))


def _distinct(ids: Iterable[str]) -> Sequence[str]:
    by_name: Mapping[str, str] = {one.lower(): one for one in ids}
    return list(by_name.values())
