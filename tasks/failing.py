"""Failed objects, read out of the manifests one after the other; and the table of causes, which ships with govlift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from mappings.failures import CauseTable, Failure, failure_of, failure_of_shard, parse_causes
from mappings.runs import ShardRecord
from mappings.states import Outcome
from tasks.manifests import read_manifest


@cache
def load_causes() -> CauseTable:
    """The table of this release."""
    text = (files("mappings") / "catalogue" / "failures" / "causes.toml").read_text("utf-8")
    return parse_causes(text, origin="causes.toml")


def failures_in(folder: Path, records: Iterable[ShardRecord]) -> Iterator[Failure]:
    """Every failed object of these shards; one failure without a name for a shard that has no manifest.

    Only manifests with failures are opened.

    Args:
        folder: the migration folder.
        records: shards, each of one run.

    Raises:
        DoNotTrust: a manifest is gone, or is none.
    """
    for record in records:
        shard = record.shard
        if (whole := failure_of_shard(record)) is not None:
            yield whole
        elif record.manifest and record.tally.failed:
            for row in read_manifest(folder / record.manifest):
                if row.outcome is Outcome.FAILED:
                    yield failure_of(shard.source_account, shard.container, row)
