"""A look at one shard that says what a re-sync would do with it. It asks for both listings and for nothing else.

The engine itself is asked, over accounts that refuse every request: where it settles a name without one, its rows say
what would be; where it makes one, the decision that led there does. What an attempt that was killed has left in its
journals is passed over: such names are compared by content first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mappings.ahead import Ahead, Look, of_tally
from mappings.delta import Action, Decision
from mappings.objects import Tally
from tasks.carry import Piece, PrintStore, look
from tasks.copiers.bench import Bench
from tasks.copiers.families import intended, settle_family
from tasks.copiers.listed import marched
from tasks.copiers.march import Family, row_pages
from tasks.copiers.plain import Job, Plain
from tasks.copiers.printing import Asked, refusing
from tasks.keeping import part_rows
from tasks.selection import rules_of

if TYPE_CHECKING:
    from mappings.filters import Filters
    from mappings.plan import CopyShard
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.rules import CopyRules
    from tasks.ledger.reader import LedgerReader


async def foresee_shard(
    shard: CopyShard,
    folder: Path,
    reader: LedgerReader,
    rules: CopyRules,
    filters: tuple[Filters, ...],
    source: SourceBlobs,
    target: TargetBlobs,
) -> Ahead:
    """What a re-sync would find in a shard now.

    Args:
        shard: as the plan has it.
        folder: the migration folder.
        reader: of its ledger.
        rules: of the settings.
        filters: of the plan.

    Raises:
        ObjectError, GovliftError: a listing failed, or is out of order.
    """
    rules = rules_of(folder, rules, filters, shard)
    looked = await look(shard, folder, reader, PrintStore(folder, reader), rules, filters, source, target)
    parts = reader.previous_manifests(shard)
    total = Ahead()
    for piece in looked.pieces if looked is not None else (Piece(shard, False, Tally()),):
        if piece.same:
            total += of_tally(piece.tally)
            continue
        eyes = await _Eyes.of(rules, source, target)
        part = piece.shard
        known = row_pages(part_rows(folder, parts, part.begin, part.end))
        async with marched(part, source, target, known) as walked:
            async for families in walked:
                for family in families:
                    await eyes.see(family)
        total += eyes.counted.found()
    return total


class _Eyes:
    """Sees what the engine would do with a name."""

    def __init__(self, bench: Bench) -> None:
        self._plain, self._bench = Plain(bench), bench
        self.counted = Look()

    @classmethod
    async def of(cls, rules: CopyRules, source: SourceBlobs, target: TargetBlobs) -> _Eyes:
        rules = replace(rules, keys=source.keys, target_key=target.key)
        return cls(refusing(rules, await target.features(), (source.versions, target.versions)))

    async def see(self, family: Family) -> None:
        found = self._plain.look(family)
        if not isinstance(found, Job):
            self.counted.settled(found)
            return
        if found.item is not None:
            self.counted.work(Decision(Action.COPY, found.change), found.item.size)
            return
        try:
            self.counted.settled(await settle_family(family, self._bench, begun=False))
        except Asked:
            rows, work = intended(family, self._bench)
            self.counted.settled(rows)
            for item, decision in work:
                self.counted.work(decision, item.size)
