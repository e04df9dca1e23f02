"""What the target subscription lets a plan do: its regions, types, policies and storage SKUs, from the stored offer.

Without an offer nothing is known and nothing is refused here; the target then has the last word when it is asked.
Sources: as `mappings.offer`; the order of redundancies: `mappings.redundancy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mappings.errors import FixTheInput
from mappings.livechecks import denied_by
from mappings.livetarget import LiveTarget
from mappings.model import Assessment
from mappings.offer import PolicyKind, TargetPolicy
from mappings.redundancy import SKUS, added, change, instead_of
from mappings.regions import open_to
from mappings.settings import Settings
from mappings.skuplaces import STORAGE

ACCOUNT = "microsoft.storage/storageaccounts"
_GROUP = "microsoft.resources/subscriptions/resourcegroups"


@dataclass(frozen=True, slots=True)
class SkuChoice:
    """The SKU that an account takes in the target."""

    sku: str
    """"" where none can be had; `note` then says why."""
    note: str = ""
    """Why it is another one than the source has; "" where it is the same."""
    lost: str = ""
    """What the target will not have because of it; "" where nothing."""


class PlanTarget:
    """The target of a plan.

    Args:
        assessment: with its offer, where the target was asked.
        settings: for the SKUs that the customer chose, and the subscription.
    """

    def __init__(self, assessment: Assessment, settings: Settings) -> None:
        offer = assessment.offer
        self._live = LiveTarget(offer) if offer else None
        self._asked: date | None = offer.asked_at.date() if offer else None
        self._chosen = {name.lower(): sku for name, sku in settings.target.account_skus.items()}
        self._subscription = f"/subscriptions/{settings.target.subscription}".lower()

    @property
    def knows_skus(self) -> bool:
        """Whether the target told which SKUs of storage accounts it offers."""
        return self._live is not None and self._live.knows(STORAGE)

    def refuses_account(self, region: str, group: str) -> str:
        """Why no storage account can be made in a region, in a resource group of this name; "" where one can."""
        if self._live is None:
            return ""
        listed = self._live.listed(ACCOUNT)
        if listed is None:
            return f"the target subscription does not list the type Microsoft.Storage/storageAccounts ({self._asked})"
        if listed.regions and region not in listed.regions:
            there = ", ".join(open_to(listed.regions)) or "no region"
            return f"the target subscription lists no storage accounts in {region}, only in {there} ({self._asked})"
        return self._denied(ACCOUNT, region, "", group)

    def refuses_group(self, region: str, group: str) -> str:
        """Why a resource group cannot be made in a region; "" where it can."""
        return self._denied(_GROUP, region, "", group)

    def sku_of(self, account: str, wanted: str, kind: str, region: str, group: str) -> SkuChoice:
        """The SKU for one account.

        Args:
            account: source account, for the SKU that the settings may give it.
            wanted: SKU of the source, as ARM spells it.
            kind: kind of the target account.
            region: normalised.
            group: name of the target resource group.

        Raises:
            FixTheInput: the settings give it a SKU that the target does not offer or that a policy denies.
        """
        chosen = self._chosen.get(account.lower())
        if chosen is not None:
            return self._by_customer(account, wanted, chosen, kind, region, group)
        why = self._refuses_sku(wanted, kind, region, group)
        if not why:
            return SkuChoice(wanted)
        for other in instead_of(wanted):
            if not self._refuses_sku(other, kind, region, group):
                return _instead(wanted, other, why)
        return SkuChoice("", f"{why}, and nothing that could take its place can be had there; name another target "
                         "region, or have the CSP provider ask Azure support to open it")  # fmt: skip

    def _by_customer(self, account: str, wanted: str, chosen: str, kind: str, region: str, group: str) -> SkuChoice:
        why = self._refuses_sku(chosen, kind, region, group)
        if why:
            offered = [sku for sku in SKUS.values() if not self._refuses_sku(sku, kind, region, group)]
            raise FixTheInput(
                f'target.account_skus gives {account} "{chosen}": {why}.',
                next_step=f"Take one that can be had there: {', '.join(offered)}." if offered else
                "Name another target region in migration.toml.",
            )  # fmt: skip
        if chosen.lower() == wanted.lower() or wanted.lower() not in SKUS:
            return SkuChoice(chosen, "" if chosen.lower() == wanted.lower() else "target.account_skus names it")
        return SkuChoice(chosen, f"target.account_skus names it; {_told(wanted, chosen)}", change(wanted, chosen)[1])

    def _refuses_sku(self, sku: str, kind: str, region: str, group: str) -> str:
        if self._live is None:
            return ""
        if not self._live.knows(STORAGE):
            return self._denied(ACCOUNT, region, sku, group)
        place = self._live.places(STORAGE, sku, kind).get(region)
        if place is None:
            return f"{sku} is not offered for {kind} in {region} (SKU list of the target subscription, {self._asked})"
        if place.refused:
            return f"{sku} is restricted in {region} for the target subscription ({place.refused}, {self._asked})"
        return self._denied(ACCOUNT, region, sku, group)

    def _denied(self, type_name: str, region: str, sku: str, group: str) -> str:
        for policy in self._live.policies if self._live else ():
            if self._exempt(policy, group):
                continue
            skus = (sku.lower(),) if sku else ()
            if type_name == _GROUP:
                places = policy.kind is PolicyKind.ALLOWED_GROUP_LOCATIONS
                denied = region if places and region not in policy.values else ""
            elif policy.kind is PolicyKind.ALLOWED_GROUP_LOCATIONS:
                continue
            else:
                denied = denied_by(policy, type_name, region, skus)
            if denied:
                return f'the policy "{policy.name}" of the target subscription denies {sku or denied} ({self._asked})'
        return ""

    def _exempt(self, policy: TargetPolicy, group: str) -> bool:
        """Whether the assignment leaves the resource group out."""
        scope = f"{self._subscription}/resourcegroups/{group}/".lower()
        return any(scope.startswith(f"{one.rstrip('/').lower()}/") for one in policy.not_scopes)


def _instead(wanted: str, other: str, why: str) -> SkuChoice:
    return SkuChoice(other, f"{why}; {_told(wanted, other)}", change(wanted, other)[1])


def _told(wanted: str, other: str) -> str:
    kept, lost = change(wanted, other)
    more = added(wanted, other)
    parts = (f"keeps {kept}" if kept else "", f"loses {lost}" if lost else "", f"adds {more}" if more else "")
    return f"{other} for {wanted} " + "; ".join(part for part in parts if part)
