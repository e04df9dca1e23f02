"""Leases on blobs and containers.

REST: "Lease Blob" (tables "Outcomes of use attempts on blobs by lease state" and "Outcomes of lease operations on
blobs by lease state"), "Lease Container".
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass

from sandbox.storage.errors import AzureError, bad_header

INFINITE = math.inf


@dataclass(slots=True)
class Lease:
    """One lease slot. `expires` and `broken_at` are seconds since 1970."""

    id: str = ""
    duration: int = 0
    expires: float = 0.0
    broken_at: float | None = None

    def state(self, now: float) -> str:
        """`available`, `leased`, `expired`, `breaking` or `broken`."""
        if not self.id:
            return "available"
        if self.broken_at is not None:
            return "breaking" if now < self.broken_at else "broken"
        return "leased" if now < self.expires else "expired"

    def locked(self, now: float) -> bool:
        return bool(self.id) and self.state(now) in ("leased", "breaking")

    def clear(self) -> None:
        self.id, self.duration, self.expires, self.broken_at = "", 0, 0.0, None

    def headers(self, now: float) -> dict[str, str]:
        state = self.state(now)
        shown = {
            "x-ms-lease-status": "locked" if state in ("leased", "breaking") else "unlocked",
            "x-ms-lease-state": state,
        }
        if state == "leased":
            shown["x-ms-lease-duration"] = "infinite" if self.duration == -1 else "fixed"
        return shown

    def allow_write(self, given: str, now: float, noun: str) -> None:
        """Raise where a write with lease id `given` ("" for none) is not allowed. `noun` is Blob or Container."""
        if not self.id and not given:
            return
        locked = self.locked(now)
        if not given:
            if locked:
                raise AzureError("LeaseIdMissing")
            self.clear()
            return
        self._allow_given(given, now, noun)

    def allow_read(self, given: str, now: float, noun: str) -> None:
        """A read may carry a lease id; then it is a condition."""
        if given:
            self._allow_given(given, now, noun)

    def _allow_given(self, given: str, now: float, noun: str) -> None:
        state = self.state(now)
        if state == "available":
            raise AzureError(f"LeaseNotPresentWith{noun}Operation")
        if given.lower() != self.id:
            raise AzureError(f"LeaseIdMismatchWith{noun}Operation")
        if state in ("broken", "expired"):
            raise AzureError("LeaseLost")

    def acquire(self, duration: str | None, proposed: str, now: float) -> None:
        seconds = _duration(duration)
        proposed = _lease_id("x-ms-proposed-lease-id", proposed) if proposed else ""
        state = self.state(now)
        if state == "breaking":
            raise AzureError("LeaseIsBreakingAndCannotBeAcquired" if proposed == self.id else "LeaseAlreadyPresent")
        if state == "leased" and proposed != self.id:
            raise AzureError("LeaseAlreadyPresent")
        self.id, self.broken_at = proposed or str(uuid.uuid4()), None
        self.duration, self.expires = seconds, INFINITE if seconds == -1 else now + seconds

    def renew(self, given: str, now: float) -> None:
        self._must_hold(given)
        if self.broken_at is not None:
            raise AzureError("LeaseIsBrokenAndCannotBeRenewed")
        self.expires = INFINITE if self.duration == -1 else now + self.duration

    def change(self, given: str, proposed: str, now: float) -> None:
        wanted = _lease_id("x-ms-proposed-lease-id", proposed)
        given = _lease_id("x-ms-lease-id", given)
        state = self.state(now)
        if state in ("available", "expired", "broken"):
            raise AzureError("LeaseNotPresentWithLeaseOperation")
        if given != self.id and wanted != self.id:
            raise AzureError("LeaseIdMismatchWithLeaseOperation")
        if state == "breaking":
            raise AzureError("LeaseIsBreakingAndCannotBeChanged")
        self.id = wanted

    def release(self, given: str) -> None:
        self._must_hold(given)
        self.clear()

    def break_off(self, period: str | None, now: float) -> int:
        """Break; returns the seconds until the lease is free."""
        if not self.id:
            raise AzureError("LeaseNotPresentWithLeaseOperation")
        if period is not None and (not period.isdigit() or int(period) > 60):
            raise bad_header("x-ms-lease-break-period", period)
        state = self.state(now)
        if state in ("expired", "broken"):
            self.broken_at = now
            return 0
        infinite = self.expires == INFINITE
        left = 0.0 if infinite and period is None else (60.0 if infinite else self.expires - now)
        if self.broken_at is not None:
            left = self.broken_at - now
        if period is not None:
            left = min(left, float(period)) if not (infinite and self.broken_at is None) else float(period)
        self.broken_at = now + left
        return math.ceil(left)

    def _must_hold(self, given: str) -> None:
        given = _lease_id("x-ms-lease-id", given)
        if given != self.id:
            raise AzureError("LeaseIdMismatchWithLeaseOperation")


def _duration(text: str | None) -> int:
    if text is None:
        raise AzureError("MissingRequiredHeader", details={"HeaderName": "x-ms-lease-duration"})
    try:
        seconds = int(text)
    except ValueError:
        raise bad_header("x-ms-lease-duration", text) from None
    if seconds != -1 and not 15 <= seconds <= 60:
        raise bad_header("x-ms-lease-duration", text)
    return seconds


def _lease_id(header: str, text: str) -> str:
    if not text:
        raise AzureError("MissingRequiredHeader", details={"HeaderName": header})
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise bad_header(header, text) from None
