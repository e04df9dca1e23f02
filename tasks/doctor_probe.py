"""`govlift doctor --probe`: what a pull between two real accounts does, tried without migrating anything.

One block of one object is pulled into an uncommitted block of the target, which the service discards within a week. No
blob comes to be, none is changed, and nothing is written to the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mappings.errors import FixTheInput, GovliftError, ObjectError
from mappings.objects import ListedObject
from mappings.settings import Settings
from tasks.copiers.probe import MEASURED, PullFacts, examine_pull, object_to_probe
from tasks.doctor import MOST_LOOKED_INTO, Check, CheckState

if TYPE_CHECKING:
    from tasks.clients.blobs import SourceBlobClient, TargetBlobClient

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A container of one account; `container` "" where any will do."""

    account: str
    container: str = ""

    @classmethod
    def parse(cls, text: str, option: str) -> Place | None:
        """Read "account/container"; None for "".

        Raises:
            FixTheInput: of another form.
        """
        account, slash, container = text.partition("/")
        if text and not (account and slash and container):
            raise FixTheInput(f'{option} "{text}" names no container.', next_step=f"Write {option} ACCOUNT/CONTAINER.")
        return cls(account, container) if text else None


def probe_checks(
    settings: Settings, environ: Mapping[str, str], *, source: Place | None = None, into: Place | None = None
) -> list[Check]:
    """Probe one pair of accounts; none of the checks raises.

    Args:
        source: where the object to pull is; None takes the first that is found.
        into: container of the target that the block is staged in; None takes the first that is found.
    """
    try:
        return asyncio.run(_probe(settings, environ, source, into))
    except GovliftError as wrong:
        return [Check("probe: pull", CheckState.FAILED, wrong.sentence, wrong.next_step)]
    except ObjectError as wrong:
        step = "Give the identities their data roles (README, the first hour), and check both firewalls."
        return [Check("probe: pull", CheckState.FAILED, wrong.sentence, step)]


async def _probe(
    settings: Settings, environ: Mapping[str, str], source: Place | None, into: Place | None
) -> list[Check]:
    places = source or await asyncio.to_thread(_first_source, settings, environ)
    targets = await asyncio.to_thread(_proved_target, settings, environ, into)
    if places is None or targets is None:
        missing = "the source has no storage account" if places is None else "the target has no storage account yet"
        return [_unasked(missing)]
    async with AsyncExitStack() as stack:
        reader = await _reader(settings, environ, places.account, stack)
        writer = await _writer(settings, environ, targets.account, stack)
        container, item = await _object(reader, places.container)
        landing = targets.container or next(iter(await writer.containers()), "")
        if item is None or not landing:
            return [
                _unasked(f"{places.account} has no object to pull")
                if item is None
                else _unasked(f"{targets.account} has no container to stage a block in")
            ]
        facts = await examine_pull(reader, writer, container, landing, item)
        versions = f"{reader.wire.spoken.current} at the source, {writer.wire.spoken.current} at the target"
    what = f"{places.account}/{container} -> {targets.account}/{landing}"
    return told(facts, what, versions, route=settings.copy_.route)


def told(facts: PullFacts, what: str, versions: str, *, route: str) -> list[Check]:
    """What each answer means for the route and for the level of proof."""
    passed, failed, unasked = CheckState.PASSED, CheckState.FAILED, CheckState.NOT_CHECKED
    stream = 'Set route = "stream" in [copy] for this migration, and tell us.'
    checks = [Check("probe: API versions", passed, f"newest that answer: {versions}")]
    if facts.pulled:
        checks.append(Check("probe: pull", passed, f"{what}: the target service reads the source; the route is pull"))
    else:
        needed = route == "pull"
        step = 'Open the source account to the target service, or set route = "auto".' if needed else ""
        said = f"{what}: refused, so objects of this pair are streamed through this machine: {facts.reason}"
        checks.append(Check("probe: pull", failed if needed else passed, said, step))
    pins = (
        ("probe: pin on pulls", facts.pin_of_pull, "a pull under another ETag", "a pulled object can be torn; "),
        ("probe: pin on reads", facts.pin_of_read, "a read under another ETag", "a streamed object can be torn; "),
    )
    for name, held, which, torn in pins:
        if held is None:
            checks.append(Check(name, unasked, f"{which} could not be tried"))
        elif held:
            checks.append(Check(name, passed, f"{which} is refused (412): what arrives is one generation (L1)"))
        else:
            checks.append(Check(name, failed, f"{which} was served: {torn}guarantee 1 does not hold here", stream))
    if not facts.pulled:
        return checks
    crc = "the answer has the CRC64 of what arrived: L2 by comparing it with the source's bytes"
    no_crc = "the answer has no CRC64: for L2 every object is read back from the target, which costs its bytes again"
    checks.append(Check("probe: CRC64", passed, crc if facts.answers_crc else no_crc))
    rate = facts.bytes / MIB / facts.seconds if facts.seconds else 0.0
    small = "" if facts.bytes >= MEASURED else "; too small an object to tell much, name a container with larger ones"
    size = f"{facts.bytes / MIB:.1f} MiB" if facts.bytes >= MIB else f"{facts.bytes:,} bytes"
    speed = f"{size} in {facts.seconds:.2f} s by one request ({rate:.1f} MiB/s); many run at once{small}"
    checks.append(Check("probe: throughput", passed, speed))
    return checks


def _unasked(why: str) -> Check:
    step = "Name both with --from ACCOUNT/CONTAINER and --into ACCOUNT/CONTAINER."
    return Check("probe: pull", CheckState.NOT_CHECKED, why, step)


async def _object(reader: SourceBlobClient, container: str) -> tuple[str, ListedObject | None]:
    """An object to pull, of that container or of the first that has one."""
    if container:
        return container, await object_to_probe(reader, container, size=MEASURED)
    async for name in reader.containers():
        item = await object_to_probe(reader, name, size=MEASURED)
        if item is not None:
            return name, item
    return "", None


async def _reader(
    settings: Settings, environ: Mapping[str, str], account: str, stack: AsyncExitStack
) -> SourceBlobClient:
    from tasks.clients.blobs import SourceBlobClient
    from tasks.clients.session import open_session

    part = settings.source
    session = open_session(part.in_cloud, part.tenant_id, part.credential, environ, reads_only=True)
    stack.callback(session.close)
    key = next((environ.get(one.key_env) for one in part.shared_keys if one.account == account), None)
    client = SourceBlobClient(None if key else session, part.in_cloud, account, key=key, concurrency=1)
    stack.push_async_callback(client.aclose)
    return client


async def _writer(
    settings: Settings, environ: Mapping[str, str], account: str, stack: AsyncExitStack
) -> TargetBlobClient:
    from tasks.clients.blobs import TargetBlobClient
    from tasks.clients.session import open_session

    part = settings.target
    session = open_session(part.in_cloud, part.tenant_id, part.credential, environ)
    stack.callback(session.close)
    client = TargetBlobClient(session, account, concurrency=1)
    stack.push_async_callback(client.aclose)
    return client


def _first_source(settings: Settings, environ: Mapping[str, str]) -> Place | None:
    from tasks.clients.arm import SourceArm
    from tasks.clients.session import open_session

    part = settings.source
    session = open_session(part.in_cloud, part.tenant_id, part.credential, environ, reads_only=True)
    arm = SourceArm(session)
    try:
        subscriptions = list(part.subscriptions) or arm.below(part.management_group)
        for subscription_id in subscriptions[:MOST_LOOKED_INTO]:
            for resource in arm.resources(subscription_id):
                if resource.type.lower() == "microsoft.storage/storageaccounts":
                    return Place(resource.name)
        return None
    finally:
        arm.close()
        session.close()


def _proved_target(settings: Settings, environ: Mapping[str, str], into: Place | None) -> Place | None:
    """`into`, or the first account there is. A block is a write, so the target is proved as before any other."""
    from tasks.clients.arm import TargetArm
    from tasks.clients.session import open_session
    from tasks.targets import prove_target

    part = settings.target
    session = open_session(part.in_cloud, part.tenant_id, part.credential, environ)
    arm = TargetArm(session, part.subscription)
    try:
        prove_target(session, arm, settings, accounts=[into.account] if into else [])
        account = None if into else next(iter(arm.accounts()), None)
        return into or (Place(account.name) if account is not None else None)
    finally:
        arm.close()
        session.close()
