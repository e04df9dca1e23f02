"""Makes the prints of a manifest while its shard is verified: both listings are there, parsed and as bytes.

Whether a group is settled is asked of the engine itself: it gets the listed entries and the rows, and accounts on both
sides that refuse every request. Where it still decides, and decides to carry every row, the next run would as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from mappings.fidelity import Features
from mappings.objects import Tally
from mappings.pacing import Bounds
from mappings.prints import Group, Prints, basis_of, carried
from mappings.states import Outcome
from tasks.copiers.bench import Bench
from tasks.copiers.families import settle_family
from tasks.copiers.journal import NoJournal
from tasks.copiers.march import Family
from tasks.copiers.pace import ByteBudget, Pace
from tasks.copiers.plain import fitting, is_unusual, unchanged
from tasks.copiers.prints import RunHashes, Unreadable
from tasks.copiers.routes import RouteBook
from tasks.copiers.rows import Counts
from tasks.copiers.rules import CopyRules
from tasks.progress import Progress, ShardProgress


class Asked(Exception):
    """The engine made a request."""


class _Refusing:
    """An account that must not be asked."""

    def __init__(self, account: str, versions: bool) -> None:
        self.account, self.versions = account, versions

    def __getattr__(self, name: str) -> Any:
        raise Asked(name)


def basis(rules: CopyRules, filters: Sequence[object], features: Features, *, versions: tuple[bool, bool]) -> str:
    """Digest of what a decision depends on besides listings and rows; "" where that cannot be told.

    Args:
        rules: of the run; its filters are told by `filters`, since a compiled test has no text.
        filters: of the run's plan.
        features: of the target account.
        versions: whether source and target list previous versions.
    """
    told = {one.name: getattr(rules, one.name) for one in fields(rules) if one.name != "chosen"}
    return basis_of(told | {"filters": list(filters), "versions": versions}, features)


class PrintMaker:
    """The prints of one manifest, fed with what a verification sees of its shard.

    Args:
        begins: where groups begin, ascending; the first is the begin of the shard.
        end: of the shard.
        rules: of the run that will ask, filters included.
        based: as `basis` gives.
    """

    def __init__(
        self,
        begins: Sequence[str],
        end: str | None,
        rules: CopyRules,
        features: Features,
        based: str,
        *,
        versions: tuple[bool, bool],
    ) -> None:
        self._begins, self._end, self._rules, self._features, self._based = begins, end, rules, features, based
        self.source = RunHashes(begins, end, "the source")
        self.target = RunHashes(begins, end, "the target")
        self._counts = [Counts() for _ in begins]
        self._open = [False] * len(begins)
        """Groups of which something is not settled."""
        self._at = 0
        self._broken = False
        self._bench = refusing(rules, features, versions)

    def feed(self, side: RunHashes, page: bytes) -> None:
        """Add a page of one of the two listings."""
        if not self._broken and not side.done:
            try:
                side.feed(page)
            except Unreadable:
                self._broken = True

    async def look(self, family: Family) -> None:
        """Add one name; they come in order."""
        while self._at + 1 < len(self._begins) and family.name >= self._begins[self._at + 1]:
            self._at += 1
        if self._open[self._at]:
            return
        counts = self._counts[self._at]
        if self._plainly(family):
            (row,) = family.previous
            counts.listed += 1
            counts.same += 1
            counts.proof[row.proof or 0] += 1
        elif await self._settled(family):
            for row in family.previous:
                counts.add(carried(row))
        else:
            self._open[self._at] = True

    def _plainly(self, family: Family) -> bool:
        """The same question for what is ordinary, by the engine's own short cut."""
        if len(family.source) != 1 or len(family.target) != 1 or len(family.previous) != 1:
            return False
        item, there, row = family.source[0], family.target[0], family.previous[0]
        if row.outcome not in (Outcome.COPIED, Outcome.SAME) or is_unusual(item) or self._rules.left_out(item):
            return False
        if not (there.is_base and row.is_base):
            return False
        wanted = fitting(item, self._features)
        return wanted is not None and unchanged(wanted, there, row, self._rules)

    async def _settled(self, family: Family) -> bool:
        try:
            found = await settle_family(family, self._bench, begun=False)
        except Asked:
            return False
        return found == [carried(row) for row in family.previous]

    def prints(self, manifest_hash: str) -> Prints | None:
        """The prints, after all of both listings; None where nothing could be printed."""
        if self._broken or not self._based:
            return None
        sides = zip(self._begins, self.source.close(), self.target.close(), self._open, self._counts, strict=True)
        groups = tuple(
            Group(begin, source, target, not is_open, Tally() if is_open else counts.tally())
            for begin, source, target, is_open, counts in sides
        )
        return Prints(manifest_hash, self._begins[0], self._end, self._based, groups)


def refusing(rules: CopyRules, features: Features, versions: tuple[bool, bool]) -> Bench:
    """A bench over accounts that must not be asked: whoever does gets `Asked`.

    Args:
        rules: of the run, filters included.
        features: of the target account.
        versions: whether source and target list previous versions.
    """
    source: Any = _Refusing("source", versions[0])
    target: Any = _Refusing("target", versions[1])
    return Bench(
        source=source,
        target=target,
        container="",
        rules=rules,
        routes=RouteBook("stream"),
        progress=ShardProgress(Progress()),
        features=features,
        budget=ByteBudget(rules.memory),
        pace=Pace("target", Bounds(most=1)),
        journal=NoJournal(),
        clock=lambda: datetime.now(UTC),
    )
