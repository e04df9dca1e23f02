"""One name with its snapshots. A snapshot's content is written to the base blob, then Snapshot Blob freezes it.

So new snapshots come oldest first, and the base blob is written last, or again. A snapshot that is newer than what the
target has is appended the same way. A crash in between leaves the base blob with a snapshot's content: its ETag is in
no manifest, so the next run writes it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mappings.delta import NOT_OURS, Action, decide, ours
from mappings.errors import ObjectError, ObjectRefused
from mappings.fidelity import adapted
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Change
from tasks.copiers import rows
from tasks.copiers.bench import Bench
from tasks.copiers.delivery import Delivery, LeftOut
from tasks.copiers.march import Family
from tasks.copiers.proving import compare
from tasks.copiers.settle import deliver, settle

_NO_BASE = (
    "Its base blob is not listed at the source, so there is nothing that the snapshot could belong to; run again."
)


@dataclass
class _Sides:
    """A family taken apart."""

    base: ListedObject | None
    snapshots: tuple[ListedObject, ...]
    target_base: ListedObject | None
    target_snapshots: dict[str, ListedObject]
    row: EvidenceRow | None
    snapshot_rows: dict[str, EvidenceRow]
    """By source snapshot time."""


def _sides(family: Family) -> _Sides:
    return _Sides(
        base=next((one for one in family.source if not one.snapshot), None),
        snapshots=tuple(one for one in family.source if one.snapshot),
        target_base=next((one for one in family.target if not one.snapshot), None),
        target_snapshots={one.snapshot: one for one in family.target if one.snapshot},
        row=next((row for row in family.previous if not row.snapshot and row.change is not Change.EXTRA), None),
        snapshot_rows={row.snapshot: row for row in family.previous if row.snapshot and row.change is not Change.EXTRA},
    )


def quick(family: Family, bench: Bench) -> list[EvidenceRow] | None:
    """The rows of a family of which nothing has to travel or be read, decided without a request; else None."""
    if len(family.source) != 1 or len(family.target) > 1 or len(family.previous) > 1:
        return None
    sides = _sides(family)
    if sides.base is None or sides.target_snapshots:
        return None
    if reason := bench.rules.left_out(sides.base):
        return [rows.excluded(sides.base, sides.row, reason)]
    wanted = adapted(sides.base, bench.features).item
    decision = decide(wanted, sides.target_base, sides.row, proof=bench.rules.proof)
    if decision.action is Action.KEEP and sides.row is not None:
        return [rows.kept(sides.row)]
    return None


async def settle_family(family: Family, bench: Bench, *, begun: bool) -> list[EvidenceRow]:
    """Rows of one name, in key order: one for each listed entry, and those that report deletions and extras."""
    sides = _sides(family)
    found: list[EvidenceRow] = []
    claimed, missing = _claims(sides)
    forced = False
    if sides.base is None:
        found += [rows.failed(one, sides.snapshot_rows.get(one.snapshot), _NO_BASE, Change.NEW) for one in missing]
    elif missing:
        new, forced = await _take_snapshots(bench, sides, missing, claimed, begun)
        found += new
    found += [rows.kept(row) for row in _standing(sides, missing)]
    if sides.base is not None and forced:
        there = await bench.at_target(family.name)
        change = _change_of_base(sides, bench)
        found.append(await deliver(bench, sides.base, there.etag if there else None, sides.row, change))
    elif sides.base is not None:
        found.append(await settle(bench, sides.base, sides.target_base, sides.row, begun=begun))
    found += _reported(sides, claimed, begun)
    return sorted(found, key=lambda row: row.key)


def _change_of_base(sides: _Sides, bench: Bench) -> Change:
    """What the base blob's row says when it is written again because snapshots went through its name."""
    assert sides.base is not None
    change = decide(adapted(sides.base, bench.features).item, sides.target_base, sides.row).change
    return change if change in (Change.NEW, Change.DRIFTED) else Change.CONTENT


def _claims(sides: _Sides) -> tuple[set[str], list[ListedObject]]:
    """Target snapshots that evidence names, and source snapshots that have none there."""
    claimed = {row.target_snapshot for row in sides.snapshot_rows.values() if ours(row) and row.target_snapshot}
    there = claimed & set(sides.target_snapshots)
    missing = [
        one
        for one in sides.snapshots
        if (row := sides.snapshot_rows.get(one.snapshot)) is None or row.target_snapshot not in there
    ]
    return claimed, missing


def _standing(sides: _Sides, missing: list[ListedObject]) -> list[EvidenceRow]:
    absent = {one.snapshot for one in missing}
    return [sides.snapshot_rows[one.snapshot] for one in sides.snapshots if one.snapshot not in absent]


async def _take_snapshots(
    bench: Bench, sides: _Sides, missing: list[ListedObject], claimed: set[str], begun: bool
) -> tuple[list[EvidenceRow], bool]:
    """Bring the missing snapshots to the target, oldest first.

    Returns:
        their rows, and whether the target's base blob now holds something else than before.
    """
    assert sides.base is not None
    found: list[EvidenceRow] = []
    if reason := bench.rules.left_out(sides.base):
        why = f"Its base blob is left out: {reason}"
        return [rows.excluded(one, sides.snapshot_rows.get(one.snapshot), why) for one in missing], False
    first = True
    wrote = False
    for one in missing:
        known = sides.snapshot_rows.get(one.snapshot)
        if reason := bench.rules.left_out(one):
            found.append(rows.excluded(one, known, reason))
            continue
        try:
            if (row := await _adopt_snapshot(bench, one, sides, claimed)) is None:
                if first:
                    await _clear_the_way(bench, sides, begun)
                    first = False
                wrote = True
                row = await _take(bench, one, sides)
        except LeftOut as left:
            row = rows.excluded(one, known, left.sentence)
        except ObjectError as wrong:
            row = rows.failed(one, known, wrong, Change.NEW)
        found.append(row)
    return found, wrote


async def _adopt_snapshot(bench: Bench, item: ListedObject, sides: _Sides, claimed: set[str]) -> EvidenceRow | None:
    """A snapshot at the target that no evidence names may be this one, taken by an attempt that was killed."""
    wanted = adapted(item, bench.features).item
    for time, there in sides.target_snapshots.items():
        if time in claimed or dict(there.metadata) != dict(wanted.metadata):
            continue
        proof = await compare(bench, wanted, there)
        if proof is not None:
            claimed.add(time)
            return replace(rows.adopted(wanted, proof, there.etag, touched=False), target_snapshot=time)
    return None


async def _clear_the_way(bench: Bench, sides: _Sides, begun: bool) -> None:
    """Writing a snapshot's content overwrites the base blob: only where that is ours, or equal to the source's.

    Raises:
        ObjectError: it is neither.
    """
    there, base = sides.target_base, sides.base
    if there is None or base is None or ours(sides.row) or begun or bench.rules.overwrite_unknown:
        return
    decision = decide(adapted(base, bench.features).item, there, sides.row)
    if decision.action is Action.COMPARE and await compare(bench, base, there) is not None:
        return
    raise ObjectRefused(NOT_OURS, code="TargetNotOurs")


async def _take(bench: Bench, item: ListedObject, sides: _Sides) -> EvidenceRow:
    started = bench.clock()
    bench.begin(item.name)
    there = await bench.at_target(item.name)
    delivery = Delivery(bench, item, there.etag if there is not None else None)
    done = await delivery.run()
    time, written = await bench.target.snapshot(bench.container, item.name, if_match=done.landed.etag)
    late = [known for known in sides.snapshot_rows if known > item.snapshot]
    row = rows.delivered(done, Change.NEW, attempts=delivery.attempts, started=started, finished=bench.clock())
    order = " Taken after newer snapshots, which the target had already." if late else ""
    return replace(row, target_snapshot=time, target_etag=written.etag, reason=f"{row.reason}{order}".strip())


def _reported(sides: _Sides, claimed: set[str], begun: bool) -> list[EvidenceRow]:
    """What the target has and the source has not; nothing of it is touched."""
    found: list[EvidenceRow] = []
    listed = {one.snapshot for one in sides.snapshots}
    if sides.base is None and sides.target_base is not None:
        found.append(_gone(sides.target_base, sides.row, begun))
    for time, row in sides.snapshot_rows.items():
        if time not in listed and row.target_snapshot in sides.target_snapshots:
            found.append(rows.gone(row, "The snapshot is no longer at the source; kept at the target."))
    for time, there in sides.target_snapshots.items():
        if time not in claimed:
            found.append(rows.at_target_only(there, Change.EXTRA, "A snapshot at the target that no evidence names."))
    return found


def _gone(there: ListedObject, row: EvidenceRow | None, begun: bool) -> EvidenceRow:
    decision = decide(None, there, row, begun=begun)
    if row is not None and ours(row):
        return rows.gone(row, decision.reason)
    return rows.at_target_only(there, decision.change, decision.reason)
