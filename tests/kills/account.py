"""What all kills of a test session came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.kills.requests_seen import MOST_REDONE

MOST_SECONDS = 60.0
"""To the first request for content of a command that goes on: a bound for a machine that does much else."""


@dataclass
class Account:
    """Processes that were killed, and what it cost."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(victim, what it was doing) -> processes that SIGKILL ended."""
    leaves: int = 0
    """Leaders that were asked to leave (SIGTERM)."""
    migrations: int = 0
    overwrites: int = 0
    torn_looked_for: int = 0
    """Objects at the target that were compared with every generation of the source."""
    deaths: int = 0
    """Moments at which something was killed, or asked to leave."""
    redone: list[int] = field(default_factory=list)
    """Objects of one shard that were done again after one death, where any were."""
    waits: list[float] = field(default_factory=list)
    """Seconds from a command that goes on to its first request for content."""

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    def must_hold(self) -> None:
        """Neither bound of a resume was broken."""
        assert max(self.redone, default=0) <= MOST_REDONE, self
        assert max(self.waits, default=0) <= MOST_SECONDS, self

    def __str__(self) -> str:
        lines = [f"{self.killed} processes killed, {self.leaves} asked to leave, in {self.migrations} migrations"]
        lines += [f"  {victim:8} {phase:32} {n:4}" for (victim, phase), n in sorted(self.kills.items())]
        lines += [
            f"  the source changed {self.overwrites} times; {self.torn_looked_for} objects at the target were whole"
        ]
        again = f"{sum(self.redone)} objects after {self.deaths} deaths, most {max(self.redone, default=0)} of a shard"
        lines += [f"  done again: {again} (bound {MOST_REDONE})"]
        if self.waits:
            middle, most = sorted(self.waits)[len(self.waits) // 2], max(self.waits)
            lines += [
                f"  first request for content of a command that goes on: median {middle:.1f} s, most {most:.1f} s"
            ]
        return "\n".join(lines)
