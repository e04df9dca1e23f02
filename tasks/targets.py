"""Makes sure the target is the customer's, and that the groups and accounts of the plan exist in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

from mappings.errors import AskForApproval
from mappings.plan import CreateContainer, CreateResourceGroup, CreateStorageAccount
from mappings.settings import Settings

if TYPE_CHECKING:
    from tasks.clients.arm import AccountInfo, NameCheck, TargetArm
    from tasks.clients.session import Session
    from tasks.copiers.base import SourceBlobs, TargetBlobs

_STOP = "Correct the [target] section of migration.toml; nothing was written."


def check_names(arm: TargetArm, wanted: Sequence[str]) -> Mapping[str, NameCheck]:
    """Ask the target cloud about each storage account name."""
    return {name: arm.name_free(name) for name in wanted}


def prove_target(session: Session, arm: TargetArm, settings: Settings, *, accounts: Sequence[str] = ()) -> None:
    """Prove, before the first write, that what would be written to is the target of the settings.

    Checked are the session's cloud and tenant, the tenant in its token, the subscription, the tenant that ARM says the
    subscription belongs to, that it is enabled, and for `accounts` that each is an account of that subscription with an
    endpoint of that cloud.

    Args:
        accounts: target storage accounts that are expected to exist already.

    Raises:
        AskForApproval: one of these is another one.
        GrantAccess: signing in or reading the subscription was refused.
    """
    want = settings.target
    _same("cloud", session.cloud.name, want.cloud)
    _same("tenant", session.tenant_id, want.tenant_id)
    _same("subscription", arm.subscription_id, want.subscription)
    _same("cloud of the ARM client", arm.cloud.name, want.cloud)
    session.prove()
    subscription = arm.subscription()
    _same("subscription that answered", subscription.id, want.subscription)
    _same(f"tenant of subscription {subscription.id}", subscription.tenant_id, want.tenant_id)
    if subscription.state not in ("Enabled", "Warned", "PastDue"):
        raise AskForApproval(
            f"The target subscription {subscription.id} is {subscription.state}, so nothing can be written.",
            next_step="Have it enabled by the CSP partner, then run again.",
        )
    if accounts:
        ours = {info.name: info for info in arm.accounts()}
        for name in accounts:
            if name not in ours:
                raise AskForApproval(
                    f"Storage account {name} is not in the target subscription {subscription.id}.",
                    next_step="Somebody else may have the name now: plan again, and look at target.account_names.",
                )
            prove_account(arm, ours[name])


def prove_account(arm: TargetArm, account: AccountInfo) -> None:
    """Prove that an account is of the target's subscription and cloud.

    Raises:
        AskForApproval: it is of another one.
    """
    subscription = account.id.split("/")[2] if account.id.lower().startswith("/subscriptions/") else "none"
    _same(f"subscription of storage account {account.name}", subscription, arm.subscription_id)
    host = urlsplit(account.blob_endpoint).hostname or "none"
    # Accounts with a DNS-zone endpoint have one more label, so the suffix is compared, and the first label.
    if not host.endswith("." + arm.cloud.storage_suffix) or host.split(".")[0] != account.name:
        raise AskForApproval(
            f"Storage account {account.name} has the blob endpoint {host}, which is not of {arm.cloud.name}.",
            next_step=_STOP,
        )


def provision_step(step: CreateResourceGroup | CreateStorageAccount, arm: TargetArm) -> str:
    """Carry out one control-plane step; idempotent. Returns what was done, for a reader.

    Raises:
        AskForApproval: what exists already differs in something that cannot be changed, or is not the target's.
        GovliftError: the target refused or did not answer.
    """
    match step:
        case CreateResourceGroup():
            return f"resource group {arm.ensure_group(step).rsplit('/', 1)[-1]} in {step.region}"
        case CreateStorageAccount():
            account = arm.ensure_account(step)
            prove_account(arm, account)
            how = "made" if account.created else "found"
            differs = f"; differs from the plan and was left so: {', '.join(account.differences)}"
            version = arm.api_versions_used.get("Microsoft.Storage/storageAccounts", "")
            return (
                f"storage account {account.name} {how} in {account.location} ({account.kind}, {account.sku}; "
                f"API {version})" + (differs if account.differences else "")
            )
        case _:
            assert_never(step)


async def provision_blobs(step: CreateContainer, source: SourceBlobs, target: TargetBlobs) -> str:
    """Make sure a container exists as the source has it; idempotent. Returns what was done, for a reader."""
    settings = await source.container_settings(step.name)
    await target.create_container(settings)
    return f"container {step.name}"


def _same(what: str, have: str, want: str) -> None:
    if have.lower() != want.lower():
        raise AskForApproval(f"The {what} is {have or 'unknown'}, the settings say {want}.", next_step=_STOP)
