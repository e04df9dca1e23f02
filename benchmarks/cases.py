"""What is measured: data sets, conditions of the service, and the rows of each case. Nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MIB = 1 << 20
CONTAINER = "data"


@dataclass(frozen=True, slots=True)
class Case:
    """One data set under one condition, copied by several tools in turn."""

    name: str
    title: str
    count: int
    size: int
    """Bytes of one blob."""
    tools: tuple[str, ...]
    """Names of `benchmarks.tools.TOOLS`, in the order in which they run within a round."""
    latency_ms: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)
    """Settings of the service while the measured command runs."""
    kind: Literal["copy", "resync", "list"] = "copy"
    """resync: the target holds everything already, and each tool finds nothing to do. list: the source is counted."""
    repeats: int = 5
    group: str = "small"
    pull: str = "ref"
    """How the service reads a copy source: "ref" looks it up in memory, for between two clouds those bytes do not pass
    the mover's machine; "fetch" asks for it over HTTPS, on the mover's cores."""
    spread: int = 1
    """Containers that the blobs lie in, as many in each."""

    @property
    def containers(self) -> tuple[str, ...]:
        return (CONTAINER,) if self.spread == 1 else tuple(f"{CONTAINER}{number:04}" for number in range(self.spread))


_SMALL = 16 * 1024
FAULTS = {"busy": 0.006, "reset_before": 0.002, "reset_after": 0.001, "truncate": 0.001, "retry_after": 0}
"""1 % of the requests: 503 with Retry-After, connection reset before and after the work, answer cut short."""
PULLERS = ("govlift-pull", "govlift-pull-l2", "azcopy", "azcopy-nocheck", "rclone-pull")
STREAMERS = ("govlift-stream", "rclone-stream")
LOOKERS = ("govlift-resync", "azcopy-sync", "rclone-sync")
LISTERS = ("govlift-list", "azcopy-list", "rclone-list")
BIG_PULLERS = ("govlift-pull", "azcopy", "azcopy-nocheck", "rclone-pull")
BIG_STREAMERS = ("govlift-stream", "rclone-stream", "rclone-stream-tuned")

CASES = (
    Case("small-pull", "10,000 x 16 KiB by pull", 10_000, _SMALL, PULLERS),
    Case("small-stream", "10,000 x 16 KiB by stream", 10_000, _SMALL, STREAMERS),
    Case(
        "small-pull-40ms",
        "10,000 x 16 KiB by pull, 40 ms a request",
        10_000,
        _SMALL,
        ("govlift-pull", "azcopy", "azcopy-nocheck", "rclone-pull-300"),
        latency_ms=40,
    ),
    Case(
        "small-stream-40ms",
        "10,000 x 16 KiB by stream, 40 ms a request",
        10_000,
        _SMALL,
        ("govlift-stream", "rclone-stream-300"),
        latency_ms=40,
    ),
    Case(
        "small-pull-faults",
        "10,000 x 16 KiB by pull, 1 % of requests faulted",
        10_000,
        _SMALL,
        ("govlift-pull", "azcopy"),
        faults=FAULTS,
    ),
    Case(
        "small-stream-faults",
        "10,000 x 16 KiB by stream, 1 % of requests faulted",
        10_000,
        _SMALL,
        STREAMERS,
        faults=FAULTS,
    ),
    Case(
        "hundred-pull",
        "100,000 x 16 KiB by pull",
        100_000,
        _SMALL,
        ("govlift-pull", "azcopy", "azcopy-nocheck", "rclone-pull"),
        group="hundred",
        repeats=3,
    ),
    Case(
        "mid-pull",
        "2,000 x 1 MiB by pull",
        2_000,
        MIB,
        ("govlift-pull", "azcopy", "azcopy-nocheck", "rclone-pull"),
        group="mid",
    ),
    Case(
        "mid-pull-40ms",
        "2,000 x 1 MiB by pull, 40 ms a request",
        2_000,
        MIB,
        ("govlift-pull", "azcopy", "azcopy-nocheck", "rclone-pull-300"),
        latency_ms=40,
        group="mid",
        repeats=3,
    ),
    Case(
        "mid-stream",
        "2,000 x 1 MiB by stream",
        2_000,
        MIB,
        ("govlift-stream", "rclone-stream-16"),
        group="mid",
    ),
    Case(
        "mid-stream-40ms",
        "2,000 x 1 MiB by stream, 40 ms a request",
        2_000,
        MIB,
        STREAMERS,
        latency_ms=40,
        group="mid",
        repeats=3,
    ),
    Case(
        "big-pull",
        "8 x 256 MiB by pull",
        8,
        256 * MIB,
        BIG_PULLERS,
        group="big",
        pull="fetch",
    ),
    Case(
        "big-stream",
        "8 x 256 MiB by stream",
        8,
        256 * MIB,
        BIG_STREAMERS,
        group="big",
    ),
    Case(
        "big-pull-40ms",
        "8 x 256 MiB by pull, 40 ms a request",
        8,
        256 * MIB,
        BIG_PULLERS,
        latency_ms=40,
        group="big",
        repeats=3,
        pull="fetch",
    ),
    Case(
        "big-stream-40ms",
        "8 x 256 MiB by stream, 40 ms a request",
        8,
        256 * MIB,
        BIG_STREAMERS,
        latency_ms=40,
        group="big",
        repeats=3,
    ),
    Case(
        "containers-pull-40ms",
        "300 containers of 20 x 16 KiB by pull, 40 ms a request",
        6_000,
        _SMALL,
        ("govlift-pull", "azcopy", "rclone-pull-300"),
        latency_ms=40,
        group="containers",
        repeats=3,
        spread=300,
    ),
    Case(
        "containers-stream-40ms",
        "300 containers of 20 x 16 KiB by stream, 40 ms a request",
        6_000,
        _SMALL,
        ("govlift-stream", "rclone-stream", "rclone-stream-300"),
        latency_ms=40,
        group="containers",
        repeats=3,
        spread=300,
    ),
    Case(
        "resync-100k",
        "re-sync of 100,000 with nothing changed",
        100_000,
        1024,
        LOOKERS,
        kind="resync",
        group="resync",
    ),
    Case(
        "resync-100k-40ms",
        "re-sync of 100,000 with nothing changed, 40 ms a request",
        100_000,
        1024,
        LOOKERS,
        latency_ms=40,
        kind="resync",
        group="resync",
        repeats=3,
    ),
    Case(
        "resync-1m",
        "re-sync of 1,000,000 with nothing changed",
        1_000_000,
        1024,
        LOOKERS,
        kind="resync",
        group="million",
        repeats=3,
    ),
    Case("list-100k", "listing of 100,000", 100_000, 1024, LISTERS, kind="list", group="list"),
    Case(
        "list-100k-40ms",
        "listing of 100,000, 40 ms a request",
        100_000,
        1024,
        LISTERS,
        latency_ms=40,
        kind="list",
        group="list",
        repeats=3,
    ),
    Case("list-1m", "listing of 1,000,000", 1_000_000, 1024, LISTERS, kind="list", group="million", repeats=3),
)


def chosen(words: str) -> list[Case]:
    """Cases by group or name, comma-separated; "" or "all" is all of them.

    Raises:
        ValueError: a word names none.
    """
    wanted = [word for word in words.replace(" ", ",").split(",") if word]
    if not wanted or wanted == ["all"]:
        return list(CASES)
    for word in wanted:
        if not any(word in (case.name, case.group) for case in CASES):
            raise ValueError(f"no case and no group is called {word}: {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if case.name in wanted or case.group in wanted]
