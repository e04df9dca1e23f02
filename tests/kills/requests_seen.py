"""What the clouds were asked during one migration, held against what was proved, and against who was killed when."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mappings.plan import CopyShard
from tasks.copiers.journal import BATCH, PATIENCE
from tests.kills.estate import EXPECTED, LARGE_HOT, SMALL_HOT, Key
from tests.kills.source import Source

CONCURRENCY = 4
"""Objects in flight of one worker, as the settings of every town say."""
DELAY = 0.1
"""Seconds that every write at the target takes, at least."""
MOST_REDONE = min(BATCH, CONCURRENCY * (math.ceil(PATIENCE / DELAY) + 2)) + 2 * CONCURRENCY
"""Objects that the death of one worker may cost: what it finishes while its journal waits, and what is in flight.

No load of the machine makes it more: while a worker cannot write its journal, it begins nothing either. All that it had
finished of its shard would be up to three times as many.
"""
CONTENT = ("block", "blocklist", "appendblock", "page")
STILL = frozenset(EXPECTED) - {*SMALL_HOT, *LARGE_HOT} - {key for key in EXPECTED if key[2] == "versions"}
"""Objects that are written once; each snapshot of a blob is a content of its own."""


@dataclass(frozen=True)
class Seen:
    """One request for the content of one object, sent by govlift."""

    arrived: float
    key: Key
    write: bool
    whole: bool
    """A write by which a content came to be."""


@dataclass(frozen=True)
class Death:
    """A moment at which workers died, or were told to leave."""

    at: float
    shards: frozenset[str]
    """Ids of those that the victims held."""


Proved = dict[Key, dict[str, float]]
"""Object -> the source's ETags of which a journal or a manifest says that it is proved -> since when."""


def seen(told: Iterable[tuple[float, float, str, int]], accounts: Mapping[str, str]) -> list[Seen]:
    """Requests for content in order of arrival.

    Args:
        told: as the sandbox's journal tells.
        accounts: target account -> source account of the migration.
    """
    return sorted(_seen(told, accounts), key=lambda one: one.arrived)


def _seen(told: Iterable[tuple[float, float, str, int]], accounts: Mapping[str, str]) -> Iterator[Seen]:
    for arrived, _, line, status in told:
        cloud, _, method, where = line.split(" ", 3)
        parts = urlsplit(where)
        asked: Any = parse_qs(parts.query)
        account, _, rest = unquote(parts.path).lstrip("/").partition("/")
        container, _, name = rest.partition("/")
        comp = asked.get("comp", [""])[0]
        if cloud == "commercial":
            key, mine = (account, container, name), method == "GET" and not comp
        else:
            key = (accounts.get(account, ""), container, name)
            # Whoever reads the target by a SAS is the test.
            mine = (method == "PUT" and comp in ("", *CONTENT)) or (method == "GET" and not comp and "sig" not in asked)
        if mine and key in EXPECTED:
            write = method == "PUT"
            yield Seen(arrived, key, write, write and status == 201 and comp in ("", "blocklist"))


def asked_again(found: Sequence[Seen], proved: Proved, source: Source) -> list[str]:
    """Requests for an object that was proved already, and has not changed at the source since."""
    return [
        f"{'/'.join(one.key)}: {'written' if one.write else 'read'} {one.arrived - since:.3f} s after it was proved"
        for one in found
        for etag, since in proved.get(one.key, {}).items()
        if one.arrived > since and source.stands_at(one.key, etag, one.arrived)
    ]


def redone(found: Sequence[Seen], deaths: Sequence[Death], shards: Sequence[CopyShard]) -> Counter[tuple[int, str]]:
    """(Number of a death, shard) -> objects that were at the target by then and were looked at again or copied again.

    The death that cost the work is the first one after it whose victims held the object's shard.
    """
    at_target: dict[Key, float] = {}
    lost: dict[tuple[int, str], set[str]] = defaultdict(set)
    for one in found:
        if one.key not in STILL:
            continue
        since = at_target.get(one.key)
        if since is not None:
            shard = next(s.id for s in shards if _holds(s, one.key))
            blamed = (n for n, d in enumerate(deaths) if since < d.at < one.arrived and shard in d.shards)
            if (death := next(blamed, None)) is not None:
                lost[death, shard].add(one.key[2])
        if one.whole:
            at_target[one.key] = one.arrived
    return Counter({key: len(names) for key, names in lost.items()})


def _holds(shard: CopyShard, key: Key) -> bool:
    account, container, name = key
    here = (shard.source_account, shard.container) == (account, container) and shard.begin <= name
    return here and (shard.end is None or name < shard.end)


def waits(found: Sequence[Seen], begun: Sequence[tuple[float, float]]) -> list[float]:
    """Seconds from the start of a command to its first request for content, where it sent any.

    Args:
        begun: start and end of each command.
    """
    firsts = (next((one.arrived for one in found if start < one.arrived < end), None) for start, end in begun)
    return [first - start for first, (start, _) in zip(firsts, begun, strict=True) if first is not None]
