"""Progress: counted by the workers, sampled once, rendered by whoever looks (a live line, plain lines, JSON)."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from mappings.estimate import Span
from mappings.forecast import Sample, time_left

_APART = 5.0
"""Seconds between two samples that are kept: what is shown more often tells no more of the pace."""
_KEPT = 200
"""Samples: as far back as `mappings.forecast` looks."""


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
    left: Span | None = None
    """Seconds that are left, by objects or by bytes, whichever takes longer; None while unknown."""

    @property
    def objects_per_second(self) -> float:
        return self.objects / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.elapsed if self.elapsed > 0 else 0.0


class Progress:
    """Counters of one stage, safe to add to from any thread."""

    def __init__(
        self, *, total_objects: int = 0, total_bytes: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._began = clock()
        self._objects = self._bytes = self._failed = self._throttled = 0
        self._total_objects, self._total_bytes = total_objects, total_bytes
        self._samples = deque([Sample(0.0, 0, 0)], _KEPT)

    def add(self, *, objects: int = 0, bytes: int = 0, failed: int = 0, throttled: int = 0) -> None:
        """Add to the counters: objects settled, bytes that reached the target, objects failed, throttled requests."""
        with self._lock:
            self._objects += objects
            self._bytes += bytes
            self._failed += failed
            self._throttled += throttled

    def snapshot(self) -> Snapshot:
        with self._lock:
            elapsed = self._clock() - self._began
            return Snapshot(
                elapsed=elapsed,
                objects=self._objects,
                bytes=self._bytes,
                failed=self._failed,
                throttled=self._throttled,
                total_objects=self._total_objects,
                total_bytes=self._total_bytes,
                left=self._left(Sample(elapsed, self._objects, self._bytes)),
            )

    def _left(self, here: Sample) -> Span | None:
        """The time left, where somebody has said how much there is."""
        if not self._total_objects and not self._total_bytes:
            return None
        left = time_left(
            [*self._samples, here],
            objects=max(0, self._total_objects - self._objects),
            bytes=max(0, self._total_bytes - self._bytes),
        )
        if here.at - self._samples[-1].at >= _APART:
            self._samples.append(here)
        return left


class ShardProgress:
    """What one shard adds to the counters of its stage.

    Args:
        moved: called when objects were settled.
    """

    def __init__(self, whole: Progress, moved: Callable[[], None] = lambda: None) -> None:
        self.objects = 0
        """Objects settled."""
        self.failing: Counter[str] = Counter()
        """Code (`mappings.failures.code_of`) -> objects that have failed."""
        self._whole, self._moved = whole, moved

    def add(self, *, objects: int = 0, bytes: int = 0, failed: int = 0, throttled: int = 0) -> None:
        """As `Progress.add`."""
        self._whole.add(objects=objects, bytes=bytes, failed=failed, throttled=throttled)
        self.objects += objects
        self._moved()
