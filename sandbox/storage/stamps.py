"""Dates, ETags and ids as the Blob service writes them.

REST: "Representation of Date-Time Values in Headers" (RFC 1123, so Last-Modified has a grain of one second) and
"Creating a snapshot of a blob" (snapshot times carry seven decimals).
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def _http_second(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(moment: float) -> str:
    """RFC 1123, to the second."""
    return _http_second(int(moment))


@lru_cache(maxsize=1024)
def parse_http_date(text: str) -> float | None:
    """Seconds since 1970 of an RFC 1123 date; None where the text is not one."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=1024)
def parse_iso(text: str) -> float | None:
    """Seconds since 1970 of a UTC time as SAS and XML bodies write it; None where the text is not one."""
    plain = text.strip().removesuffix("Z")
    head, dot, fraction = plain.partition(".")
    if dot:
        plain = f"{head}.{fraction[:6]}"
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def iso_second(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ticks(moment: float, after: str = "") -> str:
    """UTC with seven decimals, strictly later than `after`, which has the same form."""
    ticks = int(moment * 10_000_000)
    stamp = _ticks_text(ticks)
    while stamp <= after:
        ticks += 1
        stamp = _ticks_text(ticks)
        if stamp <= after:
            ticks = _text_ticks(after)
    return stamp


def _ticks_text(ticks: int) -> str:
    second, fraction = divmod(ticks, 10_000_000)
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{fraction:07d}Z"


def _text_ticks(text: str) -> int:
    head, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(head).replace(tzinfo=UTC).timestamp()) * 10_000_000 + int(fraction)


_etags: Iterator[int] = itertools.count(0x8DE000000000000 + (time.time_ns() // 100) % 0x100000000000)
_requests: Iterator[int] = itertools.count(1)
_boot = secrets.token_hex(10)
_request_prefix = f"{_boot[:8]}-{_boot[8:12]}-{_boot[12:16]}-{_boot[16:20]}-"


def new_etag() -> str:
    """A quoted ETag that no other write of this process has."""
    return f'"0x{next(_etags):X}"'


def new_request_id() -> str:
    return f"{_request_prefix}{next(_requests):012x}"
