"""What a run takes of each shard: the filters of its plan, bound to the shard's container, as rules for the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.filter_tests import compiled
from mappings.filters import Filters, NameList
from mappings.plan import CopyShard
from mappings.states import Change
from tasks.manifests import read_manifest
from tasks.objectlist import KeptList

if TYPE_CHECKING:
    from mappings.runs import Claim, ShardRecord
    from tasks.copiers.rules import CopyRules
    from tasks.ledger.reader import LedgerReader


class Selection:
    """The filters of the runs that one process works on; each plan is read once.

    Args:
        folder: the migration folder.
        reader: of its ledger.
    """

    def __init__(self, folder: Path, reader: LedgerReader) -> None:
        self._folder, self._reader = folder, reader
        self._of_run: dict[str, tuple[tuple[Filters, ...], bool]] = {}

    def rules(self, rules: CopyRules, claim: Claim | ShardRecord) -> CopyRules:
        """`rules` with the filters of the run for this shard.

        Raises:
            DoNotTrust: a list that the plan names is gone, or the plan was changed.
        """
        return rules_of(self._folder, rules, self.filters(claim.run_id), claim.shard)

    def filters(self, run_id: str) -> tuple[Filters, ...]:
        """The filters of the run's plan. Raises as `rules`."""
        return self._known(run_id)[0]

    def is_part(self, run_id: str) -> bool:
        """Whether the run's plan is a part of another, so that a shard of it may be a part of a shard."""
        return self._known(run_id)[1]

    def _known(self, run_id: str) -> tuple[tuple[Filters, ...], bool]:
        if run_id not in self._of_run:
            plan_id = self._reader.run(run_id).plan_id
            plan = self._reader.plan(plan_id) if plan_id else None
            self._of_run[run_id] = (plan.filters, bool(plan.narrows)) if plan else ((), False)
        return self._of_run[run_id]


def rules_of(folder: Path, rules: CopyRules, filters: tuple[Filters, ...], shard: CopyShard) -> CopyRules:
    """`rules` with these filters, bound to the shard's container. Raises as `Selection.rules`."""
    if not filters:
        return rules
    on_list = partial(_on_list, folder, shard.source_account, shard.container)
    return replace(rules, chosen=compiled(filters, shard.source_account, shard.container, on_list))


def _on_list(folder: Path, account: str, container: str, listed: NameList, name: str) -> bool:
    return KeptList.open(folder, listed).has(account, container, name)


def list_extent(
    folder: Path, listed: NameList, account: str, container: str, begin: str, end: str | None
) -> tuple[str, str] | None:
    """`mappings.narrowing.Extent` over the lists of a migration folder."""
    return KeptList.open(folder, listed).extent(account, container, begin, end)


def not_found(
    folder: Path, listed: NameList, shards: list[tuple[CopyShard, str]]
) -> Iterator[tuple[str, str, str, str]]:
    """(account, container, name, why) of each object on the list that the run did not find at the source, streaming.

    Args:
        folder: the migration folder.
        listed: the list.
        shards: the run's, each with the path of its manifest in the folder, "" where it has none.
    """
    kept = KeptList.open(folder, listed)
    known: dict[tuple[str, str], list[tuple[CopyShard, str]]] = {}
    for shard, manifest in shards:
        known.setdefault((shard.source_account, shard.container), []).append((shard, manifest))
    for account, container, _ in kept.containers():
        if (account, container) not in known:
            for name in kept.names(account, container):
                yield account, container, name, "the plan copies no such container"
        at: str | None = ""
        for shard, manifest in sorted(known.get((account, container), ()), key=lambda one: one[0].begin):
            if at is not None and at < shard.begin:
                for name in kept.names(account, container, at, shard.begin):
                    yield account, container, name, _UNLISTED
            at = shard.end
            wanted = kept.names(account, container, shard.begin, shard.end)
            missing, why = wanted, "its shard was not worked through"
            if manifest:
                missing, why = _missing(wanted, _at_source(folder / manifest)), "not at the source"
            for name in missing:
                yield account, container, name, why
        if at:
            for name in kept.names(account, container, at):
                yield account, container, name, _UNLISTED


_UNLISTED = "outside of the names that the other filters let pass"


def _at_source(manifest: Path) -> Iterator[str]:
    for row in read_manifest(manifest):
        if row.change not in (Change.DELETED, Change.EXTRA):
            yield row.name


def _missing(wanted: Iterator[str], there: Iterator[str]) -> Iterator[str]:
    """Names of the first ascending series that the second, ascending as well, has not."""
    head = next(there, None)
    for name in wanted:
        while head is not None and head < name:
            head = next(there, None)
        if head != name:
            yield name
