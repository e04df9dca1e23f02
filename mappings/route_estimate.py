"""Which way the data will travel, before the start: objects and bytes by route, from the survey and what is known.

Facts: "Put Blob From URL" (a copy source may have 2 KiB), "Provide an encryption key on a request to Blob storage" (the
service cannot read a blob under a customer-provided key from a URL), "Archive access tier" (offline; not readable),
"Storage Accounts" of the ARM reference (`sasPolicy`: `expirationAction` Block denies a SAS that is valid for longer
than `sasExpirationPeriod`, DD.HH:MM:SS; `requireUserBoundUserDelegationSas`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

from mappings.model import ContainerSurvey, Resource
from mappings.states import Route

LONGEST_SOURCE = 2048
"""Bytes of a copy source URL, at most."""
SAS_BYTES = 420
"""About what a user delegation SAS of a container takes in a URL."""
SAS_SKEW = timedelta(minutes=15)
"""The start of a SAS lies in the past, because the clocks of two services differ."""
SAS_LIFE = timedelta(hours=4)
"""A SAS ends so long after it was made."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Objects of one container that cannot take the pair's route."""

    why: str
    route: Route | None
    """None where they do not travel at all."""
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a probe, or an earlier run, found of one pair of accounts."""

    route: Route
    reason: str


@dataclass(frozen=True, slots=True)
class RouteLine:
    """So much of one pair takes one route, for one reason."""

    source_account: str
    target_account: str
    route: Route | None
    objects: int
    bytes: int
    why: str
    probed: bool
    """False where nobody has tried the pair: the number is what the settings aim at."""


@dataclass(frozen=True, slots=True)
class RouteEstimate:
    """All data of a plan, each object in one line."""

    lines: tuple[RouteLine, ...]

    def by_route(self) -> dict[str, tuple[int, int]]:
        """Route ("pull", "stream" or "none") -> (objects, bytes)."""
        found: dict[str, tuple[int, int]] = {}
        for line in self.lines:
            name = line.route.value if line.route else "none"
            objects, size = found.get(name, (0, 0))
            found[name] = (objects + line.objects, size + line.bytes)
        return found

    @property
    def unprobed(self) -> tuple[tuple[str, str], ...]:
        """Pairs of accounts whose route nobody has tried."""
        return tuple(sorted({(one.source_account, one.target_account) for one in self.lines if not one.probed}))


def source_too_long(host: str, container: str, name: str, *, sas: int = SAS_BYTES) -> bool:
    """Whether the URL of a blob, with a SAS, is longer than a copy source may be. `host` as in the endpoint."""
    # Most names are short, and one byte of a name makes three of a URL at most.
    if 3 * len(name.encode()) + len(host) + len(container) + sas + 12 <= LONGEST_SOURCE:
        return False
    return len(f"https://{host}/{container}/{quote(name, safe='/~')}?") + sas > LONGEST_SOURCE


def no_sas_of(accounts: Iterable[Resource], keyed: Collection[str]) -> dict[str, str]:
    """Source account -> why the service takes no SAS of it that govlift can make, as its ARM properties say.

    Args:
        accounts: storage accounts of the inventory.
        keyed: names of those that are read with their key, which signs the SAS too.
    """
    found = {}
    for resource in accounts:
        account = resource.name.rsplit("/", 1)[-1]
        if why := _no_sas(resource.properties, account in keyed):
            found[account] = why
    return found


def _no_sas(properties: Mapping[str, Any], by_key: bool) -> str:
    policy = properties.get("sasPolicy") or {}
    longest = _period(str(policy.get("sasExpirationPeriod") or ""))
    if by_key and properties.get("allowSharedKeyAccess") is False:
        return "no SAS: the account takes none that is signed with its key"
    if policy.get("expirationAction") == "Block" and longest is not None and longest < SAS_SKEW + SAS_LIFE:
        return f"no SAS: the account's SAS policy blocks all that are valid for more than {longest}"
    bound = policy.get("requireUserBoundUserDelegationSas") is True
    if bound and not by_key and policy.get("requireUserBoundUserDelegationSasAction") == "Block":
        return "no SAS: the account's SAS policy demands that each is bound to one user"
    return ""


def _period(text: str) -> timedelta | None:
    """`DD.HH:MM:SS`, None for anything else."""
    days, _, clock = text.rpartition(".")
    parts = [days or "0", *clock.split(":")]
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        return None
    day, hour, minute, second = map(int, parts)
    return timedelta(days=day, hours=hour, minutes=minute, seconds=second)


def route_estimate(
    surveys: Iterable[ContainerSurvey],
    targets: Mapping[str, str],
    *,
    mode: Literal["auto", "pull", "stream"],
    learnt: Mapping[tuple[str, str], Learnt],
    apart: Mapping[tuple[str, str], Iterable[Apart]],
    no_sas: Mapping[str, str],
    mover: Literal["govlift", "azcopy"] = "govlift",
) -> RouteEstimate:
    """Objects and bytes by route and reason; in = out: together they are what the surveys counted.

    Args:
        surveys: what the containers hold; those of accounts that are not in `targets` are passed over.
        targets: source account -> target account.
        mode: `copy.route`.
        learnt: (source, target) account -> what is known of the pair.
        apart: (source account, container) -> objects that cannot take the pair's route.
        no_sas: source account -> why no SAS can be given for it (`no_sas_of`); what a probe found counts for more.
        mover: `copy.mover`; AzCopy takes new base blobs, whatever the pair's route is.
    """
    sums: dict[tuple[str, str, Route | None, str, bool], tuple[int, int]] = defaultdict(lambda: (0, 0))

    def add(pair: tuple[str, str], route: Route | None, why: str, probed: bool, objects: int, size: int) -> None:
        key = (*pair, route, why, probed)
        sums[key] = (sums[key][0] + objects, sums[key][1] + size)

    for one in surveys:
        if one.account not in targets:
            continue
        pair = one.account, targets[one.account]
        route, why, probed = _BY_AZCOPY if mover == "azcopy" else _of_pair(pair, mode, learnt, no_sas)
        objects, size = one.objects, one.bytes
        for part in apart.get((one.account, one.container), ()):
            if part.route is route:
                continue
            add(pair, part.route, part.why, True, part.objects, part.bytes)
            objects, size = objects - part.objects, size - part.bytes
        add(pair, route, why, probed, max(0, objects), max(0, size))
    lines = (RouteLine(*key[:3], *amount, *key[3:]) for key, amount in sums.items() if any(amount))
    return RouteEstimate(tuple(sorted(lines, key=lambda line: (-line.bytes, -line.objects, line.why))))


_BY_AZCOPY = (Route.AZCOPY, "the settings name AzCopy as the mover; snapshots and versions go by govlift", True)


def _of_pair(
    pair: tuple[str, str],
    mode: Literal["auto", "pull", "stream"],
    learnt: Mapping[tuple[str, str], Learnt],
    no_sas: Mapping[str, str],
) -> tuple[Route | None, str, bool]:
    if mode == "stream":
        return Route.STREAM, "the settings say stream", True
    if mode == "pull" and pair in learnt:
        return Route.PULL, "the settings say pull", True
    if pair in learnt:
        return learnt[pair].route, learnt[pair].reason, True
    if pair[0] in no_sas and mode == "pull":
        return None, f"the settings say pull, and allow no other route; {no_sas[pair[0]]}", True
    if pair[0] in no_sas:
        return Route.STREAM, no_sas[pair[0]], True
    if mode == "pull":
        return Route.PULL, "the settings say pull", False
    return Route.PULL, "not probed yet; pulled where the probe at the start passes, else streamed", False
