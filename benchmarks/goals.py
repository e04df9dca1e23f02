"""What must be reached, as ratios of medians of one run, and whether it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Rows = Mapping[tuple[str, str], "Row"]
"""Case and tool -> what was measured."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run, checked at the destination."""

    wall: float
    start: float
    """Seconds in which its processes made themselves ready beforehand; 0 where they are started with the work."""
    cpu: float
    peak_mib: float
    source_requests: int
    target_requests: int
    connections: int
    """Most at once, to the service: both sides, all processes."""
    lost: int
    """Objects that are missing or different at the destination afterwards."""
    service_cpu: float = 0.0
    """CPU seconds of the service meanwhile."""
    processes: int = 1
    """Of the tool, side by side."""


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one tool in one case."""

    count: int
    size: int
    runs: tuple[Run, ...]
    start_cpu: float = 0.0
    """CPU seconds that one process of the tool takes to start and find nothing to do; 0 where that is not known."""

    def of(self, what: Callable[[Run], float]) -> float:
        return median(what(run) for run in self.runs)

    @property
    def wall(self) -> float:
        return self.of(lambda run: run.wall)

    @property
    def start(self) -> float:
        return self.of(lambda run: run.start)

    @property
    def whole(self) -> float:
        """Seconds, the start of the processes included."""
        return self.of(lambda run: run.start + run.wall)

    @property
    def cpu(self) -> float:
        return self.of(lambda run: run.cpu)

    @property
    def work_cpu(self) -> float:
        """CPU without the start of the processes."""
        return self.of(lambda run: max(run.cpu - run.processes * self.start_cpu, 0.0))

    @property
    def peak(self) -> float:
        return self.of(lambda run: run.peak_mib)

    @property
    def peak_mb(self) -> float:
        return self.peak * 1.048576

    @property
    def target_requests(self) -> float:
        return self.of(lambda run: run.target_requests) / self.count

    @property
    def requests(self) -> float:
        return self.of(lambda run: run.source_requests + run.target_requests) / self.count

    @property
    def service_cores(self) -> float:
        """Processors that the service kept busy; near the number of its threads, it is the service that is measured."""
        return self.of(lambda run: run.service_cpu / run.wall)

    @property
    def lost(self) -> int:
        return sum(run.lost for run in self.runs)


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure to reach."""

    words: str
    value: Callable[[Rows], float]
    bound: float
    at_least: bool
    unit: str = "x"
    otherwise: Callable[[Rows], float] | None = None
    """The same ratio with the start of govlift's processes in its time, or without it in its CPU."""

    def told(self, rows: Rows) -> tuple[str, bool] | None:
        """What was reached and whether that is enough; None where a row is missing."""
        try:
            value = self.value(rows)
            other = f" ({self.otherwise(rows):.2f})" if self.otherwise else ""
        except KeyError:
            return None
        met = value >= self.bound if self.at_least else value <= self.bound
        return f"{value:.2f}{self.unit}{other}", met


def _faster(case: str, ours: str, theirs: str, bound: float, words: str) -> Goal:
    return Goal(
        words,
        lambda rows: rows[case, theirs].wall / rows[case, ours].wall,
        bound,
        at_least=True,
        otherwise=lambda rows: rows[case, theirs].wall / rows[case, ours].whole,
    )


def _share(case: str, ours: str, theirs: str, bound: float, words: str) -> Goal:
    return Goal(
        words,
        lambda rows: rows[case, ours].wall / rows[case, theirs].wall,
        bound,
        at_least=False,
        otherwise=lambda rows: rows[case, ours].whole / rows[case, theirs].wall,
    )


def _slower(clean: str, faulted: str, tool: str, words: str) -> Goal:
    return Goal(words, lambda rows: rows[faulted, tool].wall / rows[clean, tool].wall, 2.0, at_least=False)


def _most(words: str, value: Callable[[Rows], float], bound: float, unit: str = "x") -> Goal:
    return Goal(words, value, bound, at_least=False, unit=unit)


PULL, STREAM, LOOK = "govlift-pull", "govlift-stream", "govlift-resync"
GOALS = (
    _faster("small-pull", PULL, "azcopy", 4, "16 KiB by pull: times as fast as AzCopy as installed"),
    _faster("small-pull", PULL, "azcopy-nocheck", 3, "16 KiB by pull: times as fast as AzCopy --check-length=false"),
    _faster("small-pull", PULL, "rclone-pull", 2, "16 KiB by pull: times as fast as rclone"),
    Goal(
        "16 KiB by pull: CPU per object of AzCopy's",
        lambda rows: rows["small-pull", PULL].cpu / rows["small-pull", "azcopy"].cpu,
        0.1,
        at_least=False,
        otherwise=lambda rows: rows["small-pull", PULL].work_cpu / rows["small-pull", "azcopy"].cpu,
    ),
    Goal(
        "100,000 x 16 KiB by pull: CPU per object of AzCopy's",
        lambda rows: rows["hundred-pull", PULL].cpu / rows["hundred-pull", "azcopy"].cpu,
        0.1,
        at_least=False,
        otherwise=lambda rows: rows["hundred-pull", PULL].work_cpu / rows["hundred-pull", "azcopy"].cpu,
    ),
    _faster("hundred-pull", PULL, "azcopy", 4, "100,000 x 16 KiB by pull: times as fast as AzCopy as installed"),
    _faster("hundred-pull", PULL, "azcopy-nocheck", 3, "100,000 x 16 KiB by pull: times AzCopy --check-length=false"),
    _faster("hundred-pull", PULL, "rclone-pull", 2, "100,000 x 16 KiB by pull: times as fast as rclone"),
    _most(
        "16 KiB by pull: requests per object at the target", lambda r: r["small-pull", PULL].target_requests, 1.05, ""
    ),
    _faster(
        "small-pull-40ms",
        PULL,
        "azcopy",
        15,
        "16 KiB by pull at 40 ms: times as fast as AzCopy (capped at 10 connections a core)",
    ),
    _faster(
        "small-pull-40ms",
        PULL,
        "rclone-pull-300",
        2,
        "16 KiB by pull at 40 ms: times as fast as rclone with 300 transfers",
    ),
    _faster("small-stream", STREAM, "rclone-stream", 2, "16 KiB by stream: times as fast as rclone"),
    _most("16 KiB by stream: requests per object, both sides", lambda r: r["small-stream", STREAM].requests, 2.05, ""),
    _faster("big-stream", STREAM, "rclone-stream-tuned", 1.35, "256 MiB by stream: times as fast as tuned rclone"),
    Goal(
        "256 MiB by stream: CPU of tuned rclone's",
        lambda rows: rows["big-stream", STREAM].cpu / rows["big-stream", "rclone-stream-tuned"].cpu,
        0.6,
        at_least=False,
        otherwise=lambda rows: rows["big-stream", STREAM].work_cpu / rows["big-stream", "rclone-stream-tuned"].cpu,
    ),
    _most("256 MiB by stream: peak memory", lambda r: r["big-stream", STREAM].peak_mb, 250, " MB"),
    _faster("big-pull", PULL, "azcopy", 1, "256 MiB by pull: times AzCopy's throughput"),
    _share("resync-1m", LOOK, "azcopy-sync", 0.1, "re-sync of 1,000,000: time of AzCopy sync's"),
    _share("resync-1m", LOOK, "rclone-sync", 0.2, "re-sync of 1,000,000: time of rclone's"),
    _most("re-sync of 1,000,000: peak memory", lambda r: r["resync-1m", LOOK].peak_mb, 150, " MB"),
    _most(
        "re-sync: memory at 1,000,000 of that at 100,000",
        lambda r: r["resync-1m", LOOK].peak / r["resync-100k", LOOK].peak,
        1.2,
    ),
    _slower("small-pull", "small-pull-faults", PULL, "16 KiB by pull with 1 % of requests faulted: of the clean time"),
    _slower(
        "small-stream",
        "small-stream-faults",
        STREAM,
        "16 KiB by stream with 1 % of requests faulted: of the clean time",
    ),
    _most(
        "objects lost or different, all rows of govlift",
        lambda r: sum(row.lost for (_, tool), row in r.items() if tool.startswith("govlift")),
        0,
        "",
    ),
)
