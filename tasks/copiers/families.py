"""One name with its history: snapshots and previous versions by time, then the base blob.

A snapshot's content is written to the base blob, then Snapshot Blob freezes it; a version's content is written to the
base blob, and the next write makes the target service keep it (Learn, "Blob versioning"). So what is missing comes
oldest first, and the base blob is written last, or again. What the base blob at the target holds already, under the
same source ETag, is not written twice. A crash in between leaves the base blob with older content: its ETag is in no
manifest, so the next run writes it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mappings.delta import ARCHIVE, NOT_OURS, Action, Decision, decide, differing, is_archived, ours
from mappings.errors import ObjectError, ObjectRefused
from mappings.fidelity import adapted
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Change, Outcome
from tasks.copiers import rows
from tasks.copiers.bench import Bench
from tasks.copiers.delivery import Delivery, LeftOut
from tasks.copiers.march import Family
from tasks.copiers.plain import unchanged
from tasks.copiers.proving import compare
from tasks.copiers.settle import apply, deliver, settle

_NO_BASE = (
    "Its base blob is not listed at the source, so there is nothing that the snapshot could belong to; run again."
)
_DELETED_NAME = (
    "The blob is deleted at the source and only its previous versions are left. Written at the target, the last of "
    "them would be a blob that the source does not have; undelete it at the source where its history is needed."
)
_NO_VERSIONS = "The target account keeps no previous versions; only the current one is copied."
_LATE = " Taken after newer history, which the target had already."
_AGAIN = "Archived again at the target, as it was at the source before it was rehydrated for the copy."
Key = tuple[str, str]
"""Snapshot time and version id at the source, one of them ""."""


@dataclass
class _Held:
    """What the base blob at the target holds: which generation of the source, and as which of its own."""

    source_etag: str
    etag: str
    version: str
    row: EvidenceRow


@dataclass
class _Sides:
    """A family taken apart."""

    base: ListedObject | None
    earlier: tuple[ListedObject, ...]
    """Snapshots and previous versions of the source, oldest first."""
    target_base: ListedObject | None
    target_snapshots: dict[str, ListedObject]
    target_versions: dict[str, ListedObject]
    """Previous versions only."""
    row: EvidenceRow | None
    rows: dict[Key, EvidenceRow]
    """Of snapshots and versions, by what they are at the source."""
    snapshots: set[str] = field(default_factory=set)
    """Snapshots of the target that evidence names."""
    versions: set[str] = field(default_factory=set)
    """Versions of the target that evidence names."""
    held: _Held | None = None
    spare: list[_Held] = field(default_factory=list)
    """Generations at the target that became versions because a snapshot of them was taken, and that no row names."""

    def standing(self, item: ListedObject) -> EvidenceRow | None:
        """The row of an earlier generation that is at the target by us."""
        row = self.rows.get((item.snapshot, item.key.version))
        if row is None or not ours(row):
            return None
        if item.snapshot:
            return row if row.target_snapshot in self.target_snapshots else None
        there = row.target_version in self.target_versions or (
            self.target_base is not None and self.target_base.version_id == row.target_version
        )
        return row if row.target_version and there else None


def _sides(family: Family) -> _Sides:
    known = [row for row in family.previous if row.change is not Change.EXTRA]
    found = _Sides(
        base=next((one for one in family.source if one.is_base), None),
        earlier=tuple(sorted((one for one in family.source if not one.is_base), key=lambda one: one.key)),
        target_base=next((one for one in family.target if one.is_base), None),
        target_snapshots={one.snapshot: one for one in family.target if one.snapshot},
        target_versions={one.version_id: one for one in family.target if one.previous},
        row=next((row for row in known if row.is_base), None),
        rows={(row.snapshot, row.version): row for row in known if not row.is_base},
    )
    for row in found.rows.values():
        if ours(row):
            found.snapshots |= {row.target_snapshot} - {""}
            found.versions |= {row.target_version} - {""}
    there, last = found.target_base, found.row
    if there is not None and last is not None and ours(last) and there.etag == last.target_etag:
        found.held = _Held(last.source_etag, there.etag, there.version_id, last)
    return found


async def settle_family(family: Family, bench: Bench, *, begun: bool) -> list[EvidenceRow]:
    """Rows of one name, in key order: one for each listed entry, and those that report deletions and extras."""
    sides = _sides(family)
    if sides.base is not None and sides.base.customer_key and not bench.rules.left_out(sides.base):
        there, row = sides.target_base, sides.row
        if (
            there is not None
            and row is not None
            and not sides.earlier
            and unchanged(sides.base, there, row, bench.rules)
        ):
            return [rows.kept(row), *_reported(sides, begun)]
        try:
            await bench.spend()
            sides.base = await bench.source.unlocked(bench.container, sides.base)
        except ObjectError as wrong:
            return [rows.failed(sides.base, sides.row, wrong, Change.NEW)]
    if sides.base is not None and not sides.earlier and is_archived(sides.base) and _unmoved(sides) is not None:
        return [await _archived_since(bench, sides), *_reported(sides, begun)]
    found = [rows.kept(row) for one in sides.earlier if (row := sides.standing(one)) is not None]
    missing = [one for one in sides.earlier if sides.standing(one) is None]
    forced = False
    if sides.base is None:
        found += [_without_base(one, sides) for one in missing]
    elif missing:
        new, forced = await _bring_history(bench, sides, missing, begun)
        found += new
    if sides.base is not None and forced:
        found.append(await _base_again(bench, sides))
    elif sides.base is not None and _was_archived(bench, sides):
        found.append(await _archive_again(bench, sides, begun))
    elif sides.base is not None:
        found.append(await settle(bench, sides.base, sides.target_base, sides.row, begun=begun))
    found += _reported(sides, begun)
    return sorted(found, key=lambda row: row.key)


def intended(family: Family, bench: Bench) -> tuple[list[EvidenceRow], list[tuple[ListedObject, Decision]]]:
    """What `settle_family` means to do with a name for which it has to ask somebody.

    Returns:
        rows of the entries that stand as they are, or are left out; the others, each with what is to be done. Where
        history is missing the base blob is taken to be written again, and each snapshot to have content of its own.
    """
    sides = _sides(family)
    base = sides.base
    found = [rows.kept(row) for one in sides.earlier if (row := sides.standing(one)) is not None]
    found += _reported(sides, begun=False)
    missing = [one for one in sides.earlier if sides.standing(one) is None]
    work: list[tuple[ListedObject, Decision]] = []
    if base is None:
        return found + [_without_base(one, sides) for one in missing], []
    if reason := bench.rules.left_out(base):
        if is_archived(base) and _unmoved(sides) is not None:
            work.append((base, Decision(Action.APPLY, Change.TIER)))
        left = missing if work else [*missing, base]
        return found + [rows.excluded(one, None, reason) for one in left], work
    for one in missing:
        if reason := _left_out(bench, one):
            found.append(rows.excluded(one, None, reason))
        else:
            work.append((one, Decision(Action.COPY, Change.NEW)))
    decision = decide(adapted(base, bench.features).item, sides.target_base, sides.row, proof=bench.rules.proof)
    if decision.action is Action.REFUSE:
        return [*found, rows.failed(base, sides.row, decision.reason, decision.change)], work
    if work and decision.action is not Action.COPY:
        decision = Decision(Action.COPY, _change_of_base(sides, bench))
    return found, [*work, (base, decision)]


def _unmoved(sides: _Sides) -> EvidenceRow | None:
    """The base blob's row, where neither side has moved since it was written."""
    base, there, row = sides.base, sides.target_base, sides.row
    if base is None or there is None or row is None or not ours(row) or row.outcome is Outcome.FAILED:
        return None
    return row if base.etag == row.source_etag and there.etag == row.target_etag else None


async def _archived_since(bench: Bench, sides: _Sides) -> EvidenceRow:
    """A blob that was archived at the source after it was copied: its tier travels, and nothing is read."""
    base, there, row = sides.base, sides.target_base, sides.row
    assert base is not None and there is not None and row is not None
    wanted = adapted(base, bench.features).item
    if base.archive_status or not wanted.tier or there.tier == ARCHIVE:
        return rows.kept(row)
    try:
        await bench.spend()
        await bench.target.set_tier(bench.container, base.name, ARCHIVE, base.blob_type)
    except ObjectError as wrong:
        return rows.failed(base, row, wrong, Change.TIER)
    return replace(row, outcome=Outcome.COPIED, change=Change.TIER, tier=ARCHIVE, route=None, reason="", code="")


def _was_archived(bench: Bench, sides: _Sides) -> bool:
    """Whether the blob was brought online for its copy, so that the copy goes back to the archive."""
    known = sides.row is not None and sides.row.tier == ARCHIVE
    return bench.rules.rearchive and known and sides.base is not None and not is_archived(sides.base)


async def _archive_again(bench: Bench, sides: _Sides, begun: bool) -> EvidenceRow:
    assert sides.base is not None
    if (row := _unmoved(sides)) is not None and sides.target_base is not None and sides.target_base.tier == ARCHIVE:
        return rows.kept(row)
    row = await settle(bench, sides.base, sides.target_base, sides.row, begun=begun)
    if row.outcome not in (Outcome.COPIED, Outcome.SAME) or not adapted(sides.base, bench.features).item.tier:
        # Not there yet; that it was archived is remembered until it is.
        return replace(row, tier=ARCHIVE) if row.outcome is not Outcome.EXCLUDED else row
    try:
        await bench.spend()
        await bench.target.set_tier(bench.container, row.name, ARCHIVE, sides.base.blob_type)
    except ObjectError as wrong:
        return replace(rows.failed(sides.base, row, wrong, Change.TIER), tier=ARCHIVE)
    return replace(row, tier=ARCHIVE, reason=f"{row.reason} {_AGAIN}".strip())


def _without_base(item: ListedObject, sides: _Sides) -> EvidenceRow:
    known = sides.rows.get((item.snapshot, item.key.version))
    if any(one.previous for one in sides.earlier):
        return rows.excluded(item, known, _DELETED_NAME)
    return rows.failed(item, known, _NO_BASE, Change.NEW)


async def _base_again(bench: Bench, sides: _Sides) -> EvidenceRow:
    """The base blob after history went through its name: it is the last of it already, or it is written again."""
    assert sides.base is not None
    base, held = sides.base, sides.held
    if held is not None and held.source_etag == base.etag and held.version not in (sides.versions - {""}):
        wanted = adapted(base, bench.features).item
        try:
            there = await bench.at_target(base.name)
            parts = differing(wanted, there) if there is not None else ()
            if there is not None and there.etag == held.etag and not (parts and bench.rules.target_key):
                etag = await apply(bench, wanted, there.etag, parts)
                return replace(_same_generation(held, wanted), target_etag=etag, change=_change_of_base(sides, bench))
        except ObjectError as wrong:
            return rows.failed(base, sides.row, wrong, _change_of_base(sides, bench), held.etag)
    there = await bench.at_target(base.name)
    return await deliver(bench, base, there.etag if there else None, sides.row, _change_of_base(sides, bench))


def _change_of_base(sides: _Sides, bench: Bench) -> Change:
    """What the base blob's row says when it is written again because history went through its name."""
    assert sides.base is not None
    wanted = adapted(sides.base, bench.features).item
    change = decide(wanted, sides.target_base, sides.row, key=bench.rules.target_key).change
    return change if change in (Change.NEW, Change.DRIFTED) else Change.CONTENT


async def _bring_history(
    bench: Bench, sides: _Sides, missing: list[ListedObject], begun: bool
) -> tuple[list[EvidenceRow], bool]:
    """Bring the missing snapshots and versions to the target, oldest first.

    Returns:
        their rows, and whether the target's base blob now holds something else than before.
    """
    assert sides.base is not None
    found: list[EvidenceRow] = []
    if reason := bench.rules.left_out(sides.base):
        why = f"Its base blob is left out: {reason}"
        return [rows.excluded(one, sides.rows.get((one.snapshot, one.key.version)), why) for one in missing], False
    first, wrote = True, False
    for listed in missing:
        one, known = listed, sides.rows.get((listed.snapshot, listed.key.version))
        if reason := _left_out(bench, one):
            found.append(rows.excluded(one, known, reason))
            continue
        try:
            if one.customer_key:
                one = await bench.source.unlocked(bench.container, one)
            if (row := _is_held(sides, one) or await _adopt(bench, one, sides, begun)) is None:
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


def _left_out(bench: Bench, item: ListedObject) -> str:
    if item.previous and not bench.target.versions:
        return _NO_VERSIONS
    return bench.rules.left_out(item)


def _is_held(sides: _Sides, item: ListedObject) -> EvidenceRow | None:
    """The row of a version that the target's base blob holds already: the next write there makes it a previous one."""
    if not item.previous:
        return None
    known = [*sides.spare, *([sides.held] if sides.held is not None else [])]
    fitting = [one for one in known if one.source_etag == item.etag and one.version not in (sides.versions | {""})]
    if not fitting:
        return None
    held = fitting[0]
    sides.versions.add(held.version)
    return replace(
        held.row, snapshot="", version=item.version_id, target_snapshot="", target_version=held.version,
        outcome=Outcome.SAME, change=Change.SAME, route=None, reason="", code="",
    )  # fmt: skip


async def _adopt(bench: Bench, item: ListedObject, sides: _Sides, begun: bool) -> EvidenceRow | None:
    """A snapshot or version at the target that no evidence names may be this one, made by a killed attempt."""
    wanted = adapted(item, bench.features).item
    candidates = sides.target_snapshots if item.snapshot else sides.target_versions
    claimed = sides.snapshots if item.snapshot else sides.versions
    for time, there in candidates.items():
        if time in claimed or there.size != wanted.size or there.key_sha256 != bench.rules.target_key:
            continue
        if dict((await bench.whole(there)).metadata) != dict(wanted.metadata):
            continue
        if (proof := await compare(bench, wanted, there)) is not None:
            claimed.add(time)
            row = rows.adopted(wanted, proof, there.etag, touched=False)
            if item.snapshot:
                return replace(row, target_snapshot=time)
            return replace(row, target_version=time)
    return await _adopt_current(bench, wanted, sides) if item.previous and begun and sides.held is None else None


async def _adopt_current(bench: Bench, wanted: ListedObject, sides: _Sides) -> EvidenceRow | None:
    """The last version that a killed attempt wrote is the current one."""
    there = sides.target_base
    if there is None or not there.version_id or there.version_id in sides.versions or there.size != wanted.size:
        return None
    proof = await compare(bench, wanted, there)
    if proof is None:
        return None
    sides.versions.add(there.version_id)
    row = rows.adopted(wanted, proof, there.etag, touched=False)
    sides.held = _Held(wanted.etag, there.etag, there.version_id, row)
    return replace(row, target_version=there.version_id)


async def _clear_the_way(bench: Bench, sides: _Sides, begun: bool) -> None:
    """Writing history overwrites the base blob: only where that is ours, or equal to the source's.

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
    """Write one earlier generation to the base blob of its name, and freeze it where it is a snapshot."""
    late = any(max(known) > max(item.snapshot, item.version_id) for known in sides.rows)
    if item.snapshot and sides.held is not None and sides.held.source_etag == item.etag:
        row = _same_generation(sides.held, adapted(item, bench.features).item)
    else:
        row = await _write(bench, item, sides)
    held = sides.held
    assert held is not None
    if late:
        row = replace(row, reason=f"{row.reason}{_LATE}".strip())
    if not item.snapshot:
        sides.versions |= {held.version} - {""}
        return replace(row, target_version=held.version)
    await bench.spend()
    time, written = await bench.target.snapshot(bench.container, item.name, if_match=held.etag)
    sides.spare.append(replace(held))
    held.etag, held.version = written.etag, written.version_id
    return replace(row, target_snapshot=time, target_etag=written.etag, target_version="")


def _same_generation(held: _Held, item: ListedObject) -> EvidenceRow:
    """The row of another entry of the generation that the target's base blob holds: no content travels for it."""
    row, known = rows.blank(item, Outcome.COPIED, Change.NEW), held.row
    return replace(
        row, proof=known.proof, target_etag=held.etag, target_version=held.version, source_crc64=known.source_crc64,
        target_crc64=known.target_crc64, sha256=known.sha256,
    )  # fmt: skip


async def _write(bench: Bench, item: ListedObject, sides: _Sides) -> EvidenceRow:
    started = bench.clock()
    bench.begin(item.name)
    there = await bench.at_target(item.name)
    delivery = Delivery(bench, item, there.etag if there is not None else None)
    done = await delivery.run()
    version = done.landed.version_id
    if bench.target.versions and not version:
        # Writes in parts (append and page blobs) do not tell it in their last answer.
        there = await bench.at_target(item.name)
        version = there.version_id if there is not None else ""
    row = rows.delivered(done, Change.NEW, attempts=delivery.attempts, started=started, finished=bench.clock())
    sides.held = _Held(done.item.etag, done.landed.etag, version, row)
    return row


def _reported(sides: _Sides, begun: bool) -> list[EvidenceRow]:
    """What the target has and the source has not; nothing of it is touched."""
    found: list[EvidenceRow] = []
    listed = {(one.snapshot, one.key.version) for one in sides.earlier}
    if sides.base is None and sides.target_base is not None:
        found.append(_gone(sides.target_base, sides.row, begun))
    for key, row in sides.rows.items():
        what = "snapshot" if row.snapshot else "version"
        there = row.target_snapshot in sides.target_snapshots or row.target_version in sides.target_versions
        if key not in listed and there:
            found.append(rows.gone(row, f"The {what} is no longer at the source; kept at the target."))
    for time, one in sides.target_snapshots.items():
        if time not in sides.snapshots:
            found.append(rows.at_target_only(one, Change.EXTRA, "A snapshot at the target that no evidence names."))
    for time, one in sides.target_versions.items():
        if time not in sides.versions and sides.earlier:
            found.append(rows.at_target_only(one, Change.EXTRA, "A version at the target that no evidence names."))
    return found


def _gone(there: ListedObject, row: EvidenceRow | None, begun: bool) -> EvidenceRow:
    decision = decide(None, there, row, begun=begun)
    if row is not None and ours(row):
        return rows.gone(row, decision.reason)
    return rows.at_target_only(there, decision.change, decision.reason)
