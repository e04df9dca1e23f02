"""Checks that a migration could start: sign-in, tenants, roles, network, clocks. Reads only; nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from mappings.errors import AskForApproval, FixTheInput, GovliftError, GrantAccess, ObjectError
from mappings.model import Subscription
from mappings.settings import Settings, Source, Target
from tasks.rolewait import RoleWait
from tasks.targets import prove_target

_MOST_SKEW = 300
"""Seconds by which the clock may be off: Entra and storage refuse tokens and SAS beyond five minutes."""
_WRITES = (
    ("Microsoft.Resources/subscriptions/resourceGroups/write", False),
    ("Microsoft.Storage/storageAccounts/write", False),
    ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", True),
)


class CheckState(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer."""

    name: str
    state: CheckState
    result: str
    """What was found, one sentence."""
    next_step: str = ""
    """What to do about it; "" where it passed."""

    @property
    def failed(self) -> bool:
        return self.state is CheckState.FAILED

    @property
    def mark(self) -> str:
        """The state as a word for a table; never as colour alone."""
        return {"passed": "ok", "failed": "FAIL", "not checked": "-"}[self.state.value]

    def as_json(self) -> dict[str, Any]:
        return {"check": self.name, "state": self.state.value, "result": self.result, "next_step": self.next_step}


def run_checks(settings: Settings, environ: Mapping[str, str], *, role_wait: float = 0.0) -> list[Check]:
    """All checks of both sides. One that fails does not stop those that do not depend on it; none of them raises.

    Args:
        role_wait: seconds for which a missing data role is waited for, in all; it may just have been given.
    """
    roles = RoleWait(role_wait)
    return [*_source(settings.source, environ, roles), *_target(settings, environ, roles)]


MOST_LOOKED_INTO = 20
"""Subscriptions in which an account is looked for, to try the data plane on."""


def _source(source: Source, environ: Mapping[str, str], roles: RoleWait) -> Iterator[Check]:
    from tasks.clients.arm import SourceArm
    from tasks.clients.graph import GraphReader
    from tasks.clients.session import open_session

    def sign_in() -> str:
        session = open_session(source.in_cloud, source.tenant_id, source.credential, environ, reads_only=True)
        session.prove()
        opened.append(session)
        return f"signed in to tenant {source.tenant_id} of {source.cloud}"

    opened: list[Any] = []
    signed = _ask("source: sign-in and tenant", sign_in)
    yield signed
    rest = ["subscriptions", "clock", "Resource Graph", "blob data"]
    if not opened:
        yield from (_after(f"source: {name}", signed) for name in rest)
        return
    arm, graph = SourceArm(opened[0]), GraphReader(opened[0])
    for one in source.subscriptions:
        yield _ask(f"source: subscription {one}", partial(_source_subscription, arm, one, source.tenant_id))
    subscriptions = list(source.subscriptions)
    if source.management_group:
        below = _ask("source: management group", lambda: _below(arm, source.management_group, subscriptions))
        yield below
        if not subscriptions:
            yield from (_after(f"source: {name}", below) for name in rest[1:])
            return
    first = subscriptions[0]
    yield _ask("source: clock", lambda: _clock(arm.clock_skew(first).total_seconds()))
    yield _ask("source: Resource Graph", lambda: _graph_answers(graph, first))
    yield _ask("source: blob data", lambda: _source_data(arm, subscriptions, source, environ, roles))
    graph.close()
    arm.close()
    opened[0].close()


def _target(settings: Settings, environ: Mapping[str, str], roles: RoleWait) -> Iterator[Check]:
    from tasks.clients.arm import TargetArm
    from tasks.clients.session import open_session

    target = settings.target

    def sign_in() -> str:
        session = open_session(target.in_cloud, target.tenant_id, target.credential, environ)
        session.prove()
        opened.append(session)
        return f"signed in to tenant {target.tenant_id} of {target.cloud}"

    opened: list[Any] = []
    signed = _ask("target: sign-in and tenant", sign_in)
    yield signed
    rest = ["subscription", "clock", "storage provider", "write permissions", "blob data"]
    if not opened:
        yield from (_after(f"target: {name}", signed) for name in rest)
        return
    arm = TargetArm(opened[0], target.subscription)

    def proved() -> str:
        prove_target(opened[0], arm, settings)
        return _readable(arm.subscription(), target.tenant_id)

    yield _ask("target: subscription", proved)
    yield _ask("target: clock", lambda: _clock(arm.clock_skew().total_seconds()))
    yield _ask("target: storage provider", lambda: _storage_offered(arm, target))
    yield _write_permissions(arm)
    yield _ask("target: blob data", lambda: _target_data(arm, target, environ, roles))
    arm.close()
    opened[0].close()


class _NotChecked(Exception):
    """There was nothing to check it on; the text says why."""


def _ask(name: str, question: Callable[[], str]) -> Check:
    """The answer to one question; whatever it raises becomes the result."""
    try:
        return Check(name, CheckState.PASSED, question())
    except GovliftError as wrong:
        return Check(name, CheckState.FAILED, wrong.sentence, wrong.next_step)
    except ObjectError as wrong:
        step = "Give the identity the blob data role on the account, and check the account's firewall."
        return Check(name, CheckState.FAILED, wrong.sentence, step)
    except _NotChecked as why:
        return Check(name, CheckState.NOT_CHECKED, str(why))


def _after(name: str, failed: Check) -> Check:
    return Check(name, CheckState.NOT_CHECKED, f'needs "{failed.name}" first')


def _readable(found: Subscription, tenant_id: str) -> str:
    if found.tenant_id and found.tenant_id != tenant_id.lower():
        raise AskForApproval(
            f"Subscription {found.id} belongs to tenant {found.tenant_id}, the settings say {tenant_id}.",
            next_step="Correct the subscription or the tenant in migration.toml.",
        )
    csp = "CSP" if found.quota_id.upper().startswith("CSP_") else found.quota_id or "offer not told"
    return f"{found.name or found.id} is {found.state} ({csp})"


def _source_subscription(arm: Any, subscription_id: str, tenant_id: str) -> str:
    return _readable(arm.subscription(subscription_id), tenant_id)


def _clock(ahead: float) -> str:
    if abs(ahead) > _MOST_SKEW:
        raise FixTheInput(
            f"This machine's clock is {ahead:+.0f} s off the cloud's; tokens and SAS would be refused.",
            next_step="Set the clock (NTP) and run again.",
        )
    return f"{ahead:+.0f} s off the cloud's"


def _graph_answers(graph: Any, subscription_id: str) -> str:
    first = next(graph.resources(subscription_id), None)
    return "answers" if first else f"answers, and sees no resource in subscription {subscription_id}"


def _storage_offered(arm: Any, target: Target) -> str:
    offered = arm.providers().get("microsoft.storage/storageaccounts")
    if offered is None or not offered.registered:
        raise GrantAccess(
            f"Microsoft.Storage is not registered in subscription {target.subscription}.",
            next_step="Register it once: az provider register --namespace Microsoft.Storage.",
        )
    regions = {region.replace(" ", "").lower() for region in offered.regions}
    wanted = {region for region in (target.region, *target.regions.values()) if region}
    if missing := sorted(region for region in wanted if region.replace(" ", "").lower() not in regions):
        raise FixTheInput(
            f"Storage accounts are not offered in {', '.join(missing)}; offered are: {', '.join(offered.regions)}.",
            next_step="Correct target.region or target.regions in migration.toml.",
        )
    arm.accounts()
    return f"registered; API version {arm.api_versions_used['Microsoft.Storage/storageAccounts']}"


def _write_permissions(arm: Any) -> Check:
    name = "target: write permissions"
    try:
        missing = [action for action, data in _WRITES if not arm.allows(action, data=data)]
    except GovliftError as wrong:
        why = f"the permissions could not be listed: {wrong.sentence}"
        return Check(name, CheckState.NOT_CHECKED, why, "Migrate shows at its first step whether they suffice.")
    if missing:
        step = "Ask for Contributor and Storage Blob Data Contributor on the migration's resource groups."
        told = f"not given at subscription level: {', '.join(missing)}; they may be given on resource groups"
        return Check(name, CheckState.NOT_CHECKED, told, step)
    return Check(name, CheckState.PASSED, "may make groups and storage accounts, and write blobs")


def _below(arm: Any, management_group: str, found: list[str]) -> str:
    """Fill `found` with what is below the group and may be read."""
    below, visible = arm.below(management_group), {one.id for one in arm.visible()}
    found += [one for one in below if one in visible]
    if not found:
        raise FixTheInput(
            f"None of the {len(below)} subscriptions below management group {management_group} can be read.",
            next_step="Check source.management_group, and give the identity the role Reader at that group.",
        )
    hidden = f"; {len(below) - len(found):,} of them cannot be read" if len(below) > len(found) else ""
    return f"{len(below):,} subscriptions below {management_group}{hidden}"


def _source_data(
    arm: Any, subscriptions: list[str], source: Source, environ: Mapping[str, str], roles: RoleWait
) -> str:
    """List containers of one source account, with the client that copies.

    One that its key opens is asked only where there is no other: it says nothing of the identity's role.
    """
    keys = {one.account: environ.get(one.key_env, "") for one in source.shared_keys}
    found = _readable_accounts(arm, subscriptions, keys)
    keyed = ""
    for account in found:
        if not keys.get(account):
            return asyncio.run(roles.ready([account], partial(_list_source, source, environ, account, None)))
        keyed = keyed or account
    if keyed:
        return asyncio.run(_list_source(source, environ, keyed, keys[keyed]))
    raise _NotChecked("there is no storage account that could be asked")


def _readable_accounts(arm: Any, subscriptions: list[str], keys: Mapping[str, str]) -> Iterator[str]:
    """Accounts that the identity, or the key of a classic one, may open."""
    # One subscription after the other until an account is met; of thousands a few tell enough.
    for subscription_id in subscriptions[:MOST_LOOKED_INTO]:
        for resource in arm.resources(subscription_id):
            kind = resource.type.lower()
            if kind == "microsoft.storage/storageaccounts" or (
                kind == "microsoft.classicstorage/storageaccounts" and keys.get(resource.name)
            ):
                yield resource.name


def _target_data(arm: Any, target: Target, environ: Mapping[str, str], roles: RoleWait) -> str:
    account = next(iter(arm.accounts()), None)
    if account is None:
        raise _NotChecked("the target subscription has no storage account yet")
    return asyncio.run(roles.ready([account.name], partial(_list_target, target, environ, account.name)))


async def _list_source(source: Source, environ: Mapping[str, str], account: str, key: str | None) -> str:
    from tasks.clients.blobs import SourceBlobClient
    from tasks.clients.session import open_session

    session = open_session(source.in_cloud, source.tenant_id, source.credential, environ, reads_only=True)
    client = SourceBlobClient(None if key else session, source.in_cloud, account, key=key, concurrency=1)
    try:
        count = 0
        async for _ in client.containers():
            count += 1
        return f"{account}: {count} containers listed" + (" with the account key" if key else "")
    finally:
        await client.aclose()
        session.close()


async def _list_target(target: Target, environ: Mapping[str, str], account: str) -> str:
    from tasks.clients.blobs import TargetBlobClient
    from tasks.clients.session import open_session

    session = open_session(target.in_cloud, target.tenant_id, target.credential, environ)
    client = TargetBlobClient(session, account, concurrency=1)
    try:
        return f"{account}: {len(await client.containers())} containers listed"
    finally:
        await client.aclose()
        session.close()
