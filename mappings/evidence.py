"""Digests, the hash chain of events, and the root hash: how a reader proves that evidence was not altered.

Every hash is SHA-256 (FIPS 180-4) over canonical JSON. A chain cannot see that its last events were cut off, so its
length and head are kept beside it, and printed where the chain's holder cannot reach (reports, sign-off).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from mappings.codec import canonical_json, utc_text
from mappings.objects import HttpHeaders

GENESIS = "0" * 64
"""What the first event names as its predecessor."""


@dataclass(frozen=True, slots=True)
class Event:
    """One link of the chain."""

    number: int
    """1, 2, ... without holes."""
    at: datetime
    kind: str
    """e.g. `shard.finished`."""
    detail: Mapping[str, Any]
    previous: str
    """`hash` of the event before, `GENESIS` for the first."""
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """How long a chain is and where it ends."""

    events: int = 0
    hash: str = GENESIS


def digest(value: object) -> str:
    """SHA-256, hex, of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def mapping_digest(values: Mapping[str, str]) -> str:
    """Digest of metadata or index tags, whatever their order; "" for none, so that "none" needs no hash to be read."""
    return _pairs_digest(tuple(values.items())) if values else ""


@lru_cache(maxsize=4096)
def _pairs_digest(pairs: tuple[tuple[str, str], ...]) -> str:
    return digest(dict(pairs))


def headers_digest(headers: HttpHeaders) -> str:
    """Digest of the stored HTTP headers; the Content-MD5 label is one of them."""
    begun, whole, rest = _around_label(
        headers.cache_control,
        headers.content_disposition,
        headers.content_encoding,
        headers.content_language,
        headers.content_type,
    )
    if not headers.content_md5:
        return whole
    hashed = begun.copy()
    hashed.update(headers.content_md5.hex().encode("ascii") + rest)
    return str(hashed.hexdigest())


_LABEL = '"content-md5":"'


@lru_cache(maxsize=1024)
def _around_label(
    cache_control: str, disposition: str, encoding: str, language: str, content_type: str
) -> tuple[Any, str, bytes]:
    """What blobs share that were uploaded alike; only the label differs from blob to blob.

    Returns:
        SHA-256 over the canonical JSON as far as the label; the digest without a label; what follows the label.
    """
    text = canonical_json(
        {
            "cache-control": cache_control,
            "content-disposition": disposition,
            "content-encoding": encoding,
            "content-language": language,
            "content-md5": "",
            "content-type": content_type,
        }
    )
    # A quote inside of a value is escaped, so the label's place is found only once.
    before, after = (part.encode("ascii") for part in text.split(_LABEL))
    begun = hashlib.sha256(before + _LABEL.encode("ascii"))
    return begun, hashlib.sha256(text.encode("ascii")).hexdigest(), after


def link(head: Head, kind: str, detail: Mapping[str, Any], *, at: datetime) -> Event:
    """The event that follows `head`."""
    number = head.events + 1
    return Event(number, at, kind, detail, head.hash, _event_hash(number, at, kind, detail, head.hash))


def chain_problems(events: Iterable[Event], head: Head) -> list[str]:
    """What is wrong with a chain, one sentence each; [] proves that no event was altered, removed, added or moved.

    Args:
        events: in the order in which they are stored.
        head: where the chain ends according to a record kept beside it.
    """
    problems: list[str] = []
    last = Head()
    for event in events:
        expected = last.events + 1
        if event.number != expected:
            problems.append(f"Event {expected} is missing: the next one is numbered {event.number}.")
        elif event.previous != last.hash:
            problems.append(f"Event {event.number} does not follow from event {last.events}.")
        if event.hash != _event_hash(event.number, event.at, event.kind, event.detail, event.previous):
            problems.append(f"Event {event.number} ({event.kind}) was altered: its content does not give its hash.")
        last = Head(event.number, event.hash)
    if last != head:
        problems.append(
            f"The chain does not end where the ledger recorded: {last.events} events, {head.events} were recorded."
        )
    return problems


def root_hash(manifests: Mapping[str, str]) -> str:
    """One hash for a set of manifests.

    Args:
        manifests: path -> SHA-256 of the file, hex.
    """
    return digest(manifests)


def _event_hash(number: int, at: datetime, kind: str, detail: Mapping[str, Any], previous: str) -> str:
    return digest({"number": number, "at": utc_text(at), "kind": kind, "detail": detail, "previous": previous})
