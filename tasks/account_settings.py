"""Reads the settings of source accounts, and brings them to the target: before the copy, and last of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from mappings.account_settings import AccountDetails, details_of, needs_whole
from mappings.errors import GovliftError, ObjectError
from mappings.plan import FinishAccount, ProtectContainer, SetAccount
from tasks.clients.websites import read_website, set_website

if TYPE_CHECKING:
    from tasks.clients.account_writing import AccountWriter
    from tasks.clients.arm import SourceArm
    from tasks.clients.blobs_account import BlobAccount

T = TypeVar("T")


async def read_account(arm: SourceArm, account_id: str, account: str, blobs: BlobAccount) -> AccountDetails:
    """What ARM and the blob service say of one source account; what cannot be read is named in `unread`."""
    unread: list[str] = []

    def tried(what: str, read: Callable[[], T], none: T) -> T:
        try:
            return read()
        except GovliftError as wrong:
            if wrong.status != 404:
                unread.append(f"{what}: {wrong.sentence}")
            return none

    def containers() -> list[Mapping[str, Any]]:
        found = arm.parts_of_account(account_id, "blobServices/default/containers")
        place = "blobServices/default/containers"
        return [arm.part_of_account(account_id, f"{place}/{one['name']}") if needs_whole(one) else one for one in found]

    nothing: Mapping[str, Any] = {}
    service = tried("blob service", lambda: arm.part_of_account(account_id, "blobServices/default"), nothing)
    lifecycle = tried(
        "lifecycle policy", lambda: arm.part_of_account(account_id, "managementPolicies/default"), nothing
    )
    try:
        website = await read_website(blobs)
    except ObjectError as wrong:
        unread.append(f"static website: {wrong.sentence}")
        website = {}
    return details_of(
        account,
        service.get("properties") or {},
        lifecycle=lifecycle.get("properties") or None,
        containers=tried("container policies", containers, []),
        scopes=tried("encryption scopes", lambda: arm.parts_of_account(account_id, "encryptionScopes"), ()),
        inventory=tried("inventory policy", lambda: arm.parts_of_account(account_id, "inventoryPolicies"), ()),
        replication=tried(
            "object replication", lambda: arm.parts_of_account(account_id, "objectReplicationPolicies"), ()
        ),
        website=website,
        unread=unread,
    )


async def set_account(step: SetAccount, writer: AccountWriter, blobs: BlobAccount) -> str:
    """Carry out `step`; idempotent. Returns what was done, for the ledger.

    Raises:
        GovliftError, ObjectError: the target refused.
    """
    done = writer.service(step)
    made = [name for name in step.scopes if writer.scope(step.resource_group, step.account, name)]
    if made:
        done.append(f"encryption scopes {', '.join(made)}")
    if step.website and await set_website(blobs, step.website):
        done.append("static website")
    return f"settings of {step.account}: {', '.join(done) if done else 'all as wanted already'}"


def finish_account(step: FinishAccount | ProtectContainer, writer: AccountWriter) -> str:
    """Carry out a step that comes after verification; idempotent. Returns what was done, for the ledger.

    Raises:
        GovliftError: the target refused.
    """
    if isinstance(step, FinishAccount):
        done = writer.deletion(step)
        if step.lifecycle and writer.lifecycle(step):
            done.append("lifecycle policy")
        return f"policies of {step.account}: {', '.join(done) if done else 'all as wanted already'}"
    told = []
    if step.days:
        told.append(f"retention of {step.days} days {writer.retention(step)}")
    if step.holds:
        told.append(f"legal hold {'set' if writer.holds(step) else 'as it was'}")
    return f"immutability of {step.account}/{step.container}: {', '.join(told)}"
