"""The one committer of a migration's state: everything that is written goes through this class."""

from __future__ import annotations

from tasks.ledger.content import ContentWriter
from tasks.ledger.leases import LeaseWriter
from tasks.ledger.runs import RunWriter
from tasks.ledger.workers import WorkerWriter


class LedgerWriter(ContentWriter, RunWriter, LeaseWriter, WorkerWriter):
    """Identity, assessments, plans and steps; runs; shards and leases; workers; and `record` for any other event."""
