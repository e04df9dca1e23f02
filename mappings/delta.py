"""What to do with one object, decided from three facts: source listing, target listing, last manifest row. Pure.

Facts used (REST): a write of content, metadata or HTTP headers moves the ETag; Set Blob Tags and Set Blob Tier do not
("Set Blob Tags", "Set Blob Tier"). So tags and tier are compared by value, everything else by ETag first. A Content-MD5
label proves nothing; a moved one says that somebody wrote the blob anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from mappings.evidence import headers_digest, mapping_digest
from mappings.fidelity import same_headers, wrong_metadata
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Change, Outcome, ProofLevel

MISMATCH = "content mismatch: "
"""`EvidenceRow.reason` of a failed object begins with this where bytes, not access or time, are the matter."""


class Action(StrEnum):
    """What the engine does next with one object."""

    KEEP = "keep"
    COPY = "copy"
    APPLY = "apply"
    """Only `parts` travel."""
    PROVE = "prove"
    """Read the source under the pin: equal to the recorded CRC64 -> only `parts`; else copy."""
    COMPARE = "compare"
    """At the target without evidence of ours: equal by content -> adopted; else refused, or overwritten where ours."""
    REFUSE = "refuse"
    REPORT = "report"
    FORGET = "forget"
    """On neither side any more."""


class Part(StrEnum):
    """What of an object travels without its content, in the order in which it is applied."""

    HEADERS = "headers"
    METADATA = "metadata"
    TAGS = "tags"
    TIER = "tier"
    SEAL = "seal"


@dataclass(frozen=True, slots=True)
class Decision:
    """An action with what it needs; `if_match` is the target ETag that a write demands, None demands absence."""

    action: Action
    change: Change
    parts: tuple[Part, ...] = ()
    if_match: str | None = None
    reason: str = ""


def is_mismatch(row: EvidenceRow) -> bool:
    """Whether this failure means that target bytes were not what the source held (exit code 5)."""
    return row.outcome is Outcome.FAILED and row.reason.startswith(MISMATCH)


def ours(row: EvidenceRow | None) -> bool:
    """Whether `row` is evidence that a generation at the target was written, or adopted, by us."""
    return row is not None and row.target_etag != ""


ARCHIVE = "Archive"


def is_archived(item: ListedObject) -> bool:
    """Whether its bytes are offline: in the archive, or on their way out of it."""
    return item.tier == ARCHIVE or bool(item.archive_status)


def exclusion(item: ListedObject, patterns: Sequence[str], keys: frozenset[str] = frozenset()) -> str:
    """Why `item` is left out, with the remedy; "" where it is not.

    Args:
        patterns: globs on the name, as `exclude_blobs` in migration.toml.
        keys: SHA-256 (Base64) of the customer-provided keys that are at hand.
    """
    for pattern in patterns:
        if fnmatchcase(item.name, pattern):
            return f'Excluded by the pattern "{pattern}" in exclude_blobs.'
    if is_archived(item):
        doing = f" ({item.archive_status})" if item.archive_status else ""
        return f"Archived{doing}: its bytes are offline. Rehydrate it to Hot or Cool at the source, then re-sync."
    if item.customer_key and item.key_sha256 not in keys:
        return (
            "Under a customer-provided key: only the key's holder can read it. Name the key in copy.customer_keys, or "
            "exclude it."
        )
    return wrong_metadata(item.metadata) if item.metadata else ""


def decide(
    source: ListedObject | None,
    target: ListedObject | None,
    previous: EvidenceRow | None,
    *,
    begun: bool = False,
    proof: ProofLevel = ProofLevel.L0,
    key: str = "",
) -> Decision:
    """The one decision for one object.

    Args:
        source: listed at the source, already cut to what the target can hold (`fidelity.adapted`); None where gone.
        target: listed at the target.
        previous: the row of the last finished manifest.
        begun: an interrupted attempt of ours had begun to write this name.
        proof: level that the object must have; a lower one in `previous` is raised without moving content.
        key: SHA-256 (Base64) of the customer-provided key that the target's blobs have to be under. Under one, nothing
            travels alone: headers, tier and seal cannot be set without a write of the content.
    """
    if source is None:
        return _gone(target, previous, begun)
    if target is None:
        return Decision(Action.COPY, Change.DRIFTED if ours(previous) else Change.NEW)
    if previous is None or not ours(previous):
        return _unknown_at_target(source, target, begun)
    if target.etag != previous.target_etag:
        why = "The target was changed by somebody else since it was copied."
        return Decision(Action.COPY, Change.DRIFTED, if_match=target.etag, reason=why)
    failed = previous.outcome is Outcome.FAILED
    if failed or source.blob_type is not target.blob_type or target.key_sha256 != key:
        return Decision(Action.COPY, Change.CONTENT, if_match=target.etag)
    decision = _known(source, target, previous, proof)
    if key and decision.parts:
        return Decision(Action.COPY, decision.change, if_match=target.etag)
    return decision


def _known(source: ListedObject, target: ListedObject, previous: EvidenceRow, proof: ProofLevel) -> Decision:
    if source.etag != previous.source_etag:
        return _moved(source, target, previous)
    return _unmoved(source, target, previous, proof)


def _gone(target: ListedObject | None, previous: EvidenceRow | None, begun: bool) -> Decision:
    if target is None:
        return Decision(Action.FORGET, Change.DELETED)
    if ours(previous) or begun:
        return Decision(Action.REPORT, Change.DELETED, reason="No longer at the source; kept at the target.")
    return Decision(Action.REPORT, Change.EXTRA, reason="At the target only, and not written by govlift.")


def _unknown_at_target(source: ListedObject, target: ListedObject, begun: bool) -> Decision:
    same_shape = source.size == target.size and source.blob_type is target.blob_type
    if same_shape:
        return Decision(Action.COMPARE, Change.NEW, if_match=target.etag)
    if begun:
        return Decision(Action.COPY, Change.NEW, if_match=target.etag)
    return Decision(Action.REFUSE, Change.NEW, if_match=target.etag, reason=NOT_OURS)


NOT_OURS = (
    "The target already holds another blob of this name that govlift did not write, and it is not overwritten. "
    "Remove or rename it at the target, then run again."
)


def _moved(source: ListedObject, target: ListedObject, previous: EvidenceRow) -> Decision:
    label = headers_digest(source.headers) == previous.headers_digest or _same_label(source, target)
    known = previous.source_crc64 or previous.target_crc64
    if source.size != previous.size or not label or not known:
        return Decision(Action.COPY, Change.CONTENT, if_match=target.etag)
    return Decision(Action.PROVE, Change.SUSPECT, differing(source, target, previous), if_match=target.etag)


def _same_label(source: ListedObject, target: ListedObject) -> bool:
    """Same Content-MD5 label as we wrote; a target label without one at the source is the service's own."""
    return not source.headers.content_md5 or source.headers.content_md5 == target.headers.content_md5


def _unmoved(source: ListedObject, target: ListedObject, previous: EvidenceRow, proof: ProofLevel) -> Decision:
    parts = differing(source, target, previous)
    if (previous.proof or ProofLevel.L0) < proof:
        return Decision(Action.PROVE, Change.SAME, parts, if_match=target.etag)
    if not parts:
        return Decision(Action.KEEP, Change.SAME)
    wrote = {Part.TAGS: previous.tags_digest == mapping_digest(source.tags), Part.TIER: previous.tier == source.tier}
    drifted = all(wrote.get(part, False) for part in parts)
    return Decision(Action.APPLY, Change.DRIFTED if drifted else change_of(parts), parts, if_match=target.etag)


def differing(source: ListedObject, target: ListedObject, previous: EvidenceRow | None = None) -> tuple[Part, ...]:
    """What of the object besides its content is not at the target as it is at the source.

    With `previous`, headers and metadata are compared with what was written (the target's ETag has not moved since);
    without it, with what the target listing says.
    """
    parts: list[Part] = []
    if previous is None:
        headers = not same_headers(source.headers, target.headers)
        metadata = dict(source.metadata) != dict(target.metadata)
    else:
        headers = headers_digest(source.headers) != previous.headers_digest
        metadata = mapping_digest(source.metadata) != previous.metadata_digest
    if headers:
        parts.append(Part.HEADERS)
    if metadata:
        parts.append(Part.METADATA)
    if dict(source.tags) != dict(target.tags):
        parts.append(Part.TAGS)
    # A tier that the blob has of its own is not kept by an account default that happens to be the same.
    if source.tier and (source.tier != target.tier or target.tier_inferred):
        parts.append(Part.TIER)
    if source.sealed and not target.sealed:
        parts.append(Part.SEAL)
    return tuple(parts)


def change_of(parts: Sequence[Part]) -> Change:
    """The change that names an update of these parts: the first in the order headers, metadata, tags, tier, seal."""
    if not parts:
        return Change.SAME
    match parts[0]:
        case Part.HEADERS | Part.SEAL:
            return Change.PROPERTIES
        case Part.METADATA:
            return Change.METADATA
        case Part.TAGS:
            return Change.TAGS
        case Part.TIER:
            return Change.TIER
