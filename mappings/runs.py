"""What the ledger tells of runs and shards; readers, reports and the command line share these values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mappings.objects import EvidenceRow, Tally
from mappings.pacing import Allowed
from mappings.plan import CopyShard
from mappings.states import RunState, ShardState


class RunKind(StrEnum):
    ASSESS = "assess"
    MIGRATE = "migrate"
    RESYNC = "resync"
    VERIFY = "verify"
    CUTOVER = "cutover"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of one flow."""

    id: str
    kind: RunKind
    plan_id: str
    """"" for runs without a plan (assess)."""
    state: RunState
    started: datetime
    finished: datetime | None
    tally: Tally = field(default_factory=Tally)
    exit_code: int | None = None
    detail: str = ""
    """One sentence for a reader, e.g. why it failed."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """One shard in one run."""

    run_id: str
    shard: CopyShard
    state: ShardState
    attempt: int
    tally: Tally
    owner: str = ""
    manifest: str = ""
    """Path of the newest finished manifest, relative to the migration folder; "" where there is none."""
    reason: str = ""

    @property
    def carried(self) -> bool:
        """Whether nothing had changed since an earlier run, whose manifest is the evidence of this one too.

        Its rows say what that run did; for this one all of them are `mappings.prints.carried`.
        """
        return self.manifest != "" and not self.manifest.rpartition("/")[2].startswith(f"{self.run_id}-")


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on one shard: only its holder, at this fence, may finish it."""

    run_id: str
    shard: CopyShard
    owner: str
    fence: int
    attempt: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """One worker process of a run, as its last sign of life tells; counters are of that process alone."""

    run_id: str
    owner: str
    """As in `Claim.owner`."""
    host: str
    pid: int
    started: datetime
    seen: datetime
    ended: datetime | None = None
    objects: int = 0
    bytes: int = 0
    failed: int = 0
    throttled: int = 0
    requests: int = 0
    in_flight: Mapping[str, int] = field(default_factory=dict)
    """Target account -> objects in flight that its pace allows now."""
    shards: tuple[str, ...] = ()
    """Ids of the shards that it holds."""
    allowed: Allowed | None = None
    """What the hours and caps that it was started with allow now; None where it has not said."""
    failing_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Id of a shard in hand -> code -> objects that have failed in it."""
    throttles: Mapping[str, int] = field(default_factory=dict)
    """Target account -> answers that asked to slow down; what its sources asked for counts there too."""


@dataclass(frozen=True, slots=True)
class ObjectNote:
    """One object that a reader must see: a difference, a failure, an exclusion, a reported deletion."""

    account: str
    container: str
    row: EvidenceRow
