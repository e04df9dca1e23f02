"""What an earlier attempt's journal is worth for one name: evidence, where both sides still list what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mappings.objects import EvidenceRow, ObjectKey
from mappings.states import Change, Outcome
from tasks.copiers.march import Family


def evidence(family: Family, finished: Sequence[EvidenceRow]) -> dict[ObjectKey, EvidenceRow]:
    """The journalled rows whose copy is at the target now, unchanged.

    Args:
        finished: what earlier attempts had finished under this name.
    """
    base = next((one for one in family.target if one.is_base), None)
    snapshots = {one.snapshot for one in family.target if one.snapshot}
    versions = {one.version_id for one in family.target if one.version_id}
    found: dict[ObjectKey, EvidenceRow] = {}
    for row in finished:
        if row.is_base:
            stands = base is not None and base.etag == row.target_etag
        elif row.snapshot:
            stands = row.target_snapshot in snapshots
        else:
            stands = row.target_version in versions
        if stands:
            found[row.key] = row
    return found


def with_evidence(family: Family, known: Mapping[ObjectKey, EvidenceRow]) -> Family:
    """The family with journalled rows in the place of older ones."""
    rows = {row.key: row for row in family.previous} | dict(known)
    return replace(family, previous=tuple(rows[key] for key in sorted(rows)))


def restored(rows: list[EvidenceRow], known: Mapping[ObjectKey, EvidenceRow]) -> list[EvidenceRow]:
    """Rows of this attempt, with those as the earlier one finished them of which nothing had to be done.

    So the manifest says what was copied, when and how, although it is another attempt that writes it.
    """
    return [_as_finished(row, known.get(row.key)) for row in rows]


def _as_finished(row: EvidenceRow, known: EvidenceRow | None) -> EvidenceRow:
    if known is None or row.outcome is not Outcome.SAME or row.change is not Change.SAME:
        return row
    same = row.source_etag == known.source_etag and row.target_etag == known.target_etag and row.proof == known.proof
    return known if same else row
