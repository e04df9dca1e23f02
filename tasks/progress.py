"""Progress: counted by the workers, sampled once, rendered by whoever looks (a live line, plain lines, JSON)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One sample of a running stage."""

    elapsed: float
    """Seconds since the stage began."""
    objects: int
    bytes: int
    failed: int
    throttled: int
    total_objects: int
    total_bytes: int

    @property
    def objects_per_second(self) -> float:
        return self.objects / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the rate so far, by objects or by bytes, whichever takes longer; None while unknown."""
        left = []
        if self.total_objects > self.objects > 0:
            left.append((self.total_objects - self.objects) / self.objects_per_second)
        if self.total_bytes > self.bytes > 0:
            left.append((self.total_bytes - self.bytes) / self.bytes_per_second)
        return max(left) if left else None


class Progress:
    """Counters of one stage, safe to add to from any thread."""

    def __init__(self, *, total_objects: int = 0, total_bytes: int = 0) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._objects = self._bytes = self._failed = self._throttled = 0
        self._total_objects, self._total_bytes = total_objects, total_bytes

    def add(self, *, objects: int = 0, bytes: int = 0, failed: int = 0, throttled: int = 0) -> None:
        """Add to the counters: objects settled, bytes that reached the target, objects failed, throttled requests."""
        with self._lock:
            self._objects += objects
            self._bytes += bytes
            self._failed += failed
            self._throttled += throttled

    def snapshot(self) -> Snapshot:
        with self._lock:
            return Snapshot(
                elapsed=time.monotonic() - self._began,
                objects=self._objects,
                bytes=self._bytes,
                failed=self._failed,
                throttled=self._throttled,
                total_objects=self._total_objects,
                total_bytes=self._total_bytes,
            )
