"""The decision table: source, target and last manifest in, one action out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappings.delta import (
    Action,
    Decision,
    Part,
    change_of,
    decide,
    exclusion,
)
from mappings.evidence import headers_digest, mapping_digest
from mappings.objects import BlobType, EvidenceRow, HttpHeaders, ListedObject
from mappings.states import Change, Outcome, ProofLevel

T0 = datetime(2026, 1, 1, tzinfo=UTC)
S = ListedObject(
    "x", "", BlobType.BLOCK, 10, '"s1"', T0,
    headers=HttpHeaders("text/plain", content_md5=b"m" * 16), metadata={"a": "1"}, tags={"t": "1"}, tier="Cool",
)  # fmt: skip
T = replace(S, etag='"t1"')
UNDER = replace(T, customer_key=True, key_sha256="k", metadata={})
ROW = EvidenceRow(
    "x", "", "BlockBlob", 10, '"s1"', T0, Outcome.COPIED, Change.NEW, None, ProofLevel.L2, target_etag='"t1"',
    source_crc64="AAA=", target_crc64="AAA=", tier="Cool", headers_digest=headers_digest(S.headers),
    metadata_digest=mapping_digest(S.metadata), tags_digest=mapping_digest(S.tags),
)  # fmt: skip
MOVED = replace(S, etag='"s2"')


@pytest.mark.parametrize(
    ("source", "target", "previous", "extra", "action", "change", "parts", "if_match"),
    [
        (S, None, None, {}, Action.COPY, Change.NEW, (), None),
        (S, None, ROW, {}, Action.COPY, Change.DRIFTED, (), None),
        (S, T, ROW, {}, Action.KEEP, Change.SAME, (), None),
        (S, replace(T, etag='"t9"'), ROW, {}, Action.COPY, Change.DRIFTED, (), '"t9"'),
        # changed at the source
        (replace(MOVED, size=11), T, ROW, {}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (replace(MOVED, headers=HttpHeaders("text/plain", content_md5=b"n" * 16)), T, ROW, {}, Action.COPY,
         Change.CONTENT, (), '"t1"'),
        (replace(MOVED, blob_type=BlobType.APPEND), T, ROW, {}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (MOVED, T, ROW, {}, Action.PROVE, Change.SUSPECT, (), '"t1"'),
        (replace(MOVED, metadata={}), T, ROW, {}, Action.PROVE, Change.SUSPECT, (Part.METADATA,), '"t1"'),
        (MOVED, T, replace(ROW, source_crc64="", target_crc64=""), {}, Action.COPY, Change.CONTENT, (), '"t1"'),
        # ETag unmoved
        (replace(S, tags={}), T, ROW, {}, Action.APPLY, Change.TAGS, (Part.TAGS,), '"t1"'),
        (replace(S, tier="Hot"), T, ROW, {}, Action.APPLY, Change.TIER, (Part.TIER,), '"t1"'),
        (S, replace(T, tags={}), ROW, {}, Action.APPLY, Change.DRIFTED, (Part.TAGS,), '"t1"'),
        (S, replace(T, tier="Hot"), ROW, {}, Action.APPLY, Change.DRIFTED, (Part.TIER,), '"t1"'),
        (S, T, ROW, {"proof": ProofLevel.L3}, Action.PROVE, Change.SAME, (), '"t1"'),
        # under a customer-provided key: nothing travels alone, and what is under another one is written anew
        (S, UNDER, ROW, {"key": "k"}, Action.KEEP, Change.SAME, (), None),
        (S, T, ROW, {"key": "k"}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (S, UNDER, ROW, {"key": "other"}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (S, UNDER, ROW, {}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (replace(S, tags={"a": "2"}), UNDER, ROW, {"key": "k"}, Action.COPY, Change.TAGS, (), '"t1"'),
        (S, UNDER, ROW, {"key": "k", "proof": ProofLevel.L3}, Action.PROVE, Change.SAME, (), '"t1"'),
        # after a failure
        (S, T, replace(ROW, outcome=Outcome.FAILED), {}, Action.COPY, Change.CONTENT, (), '"t1"'),
        (S, None, replace(ROW, outcome=Outcome.FAILED, target_etag=""), {}, Action.COPY, Change.NEW, (), None),
        # at the target without evidence
        (S, T, None, {}, Action.COMPARE, Change.NEW, (), '"t1"'),
        (S, T, replace(ROW, target_etag=""), {}, Action.COMPARE, Change.NEW, (), '"t1"'),
        (S, replace(T, size=9), None, {}, Action.REFUSE, Change.NEW, (), '"t1"'),
        (S, replace(T, size=9), None, {"begun": True}, Action.COPY, Change.NEW, (), '"t1"'),
        # gone from the source
        (None, T, ROW, {}, Action.REPORT, Change.DELETED, (), None),
        (None, T, None, {}, Action.REPORT, Change.EXTRA, (), None),
        (None, T, None, {"begun": True}, Action.REPORT, Change.DELETED, (), None),
        (None, None, ROW, {}, Action.FORGET, Change.DELETED, (), None),
    ],
)  # fmt: skip
def test_decide(source, target, previous, extra, action, change, parts, if_match) -> None:  # type: ignore[no-untyped-def]
    """Breaks when a line of the table is decided otherwise."""
    found = decide(source, target, previous, **extra)
    assert (found.action, found.change, found.parts, found.if_match) == (action, change, parts, if_match)


def test_a_content_md5_that_only_the_target_has_is_no_difference() -> None:
    """Breaks when the label that Put Blob computes makes every blob without one look changed."""
    source = replace(MOVED, headers=HttpHeaders("text/plain"))
    row = replace(ROW, headers_digest=headers_digest(HttpHeaders("text/plain")))
    assert decide(source, T, row).action is Action.PROVE
    assert decide(source, T, row).parts == ()


@pytest.mark.parametrize(
    ("item", "patterns", "word"),
    [
        (S, (), ""),
        (S, ("y*",), ""),
        (S, ("x*",), "exclude_blobs"),
        (replace(S, tier="Archive"), (), "Rehydrate"),
        (replace(S, tier="Archive", archive_status="rehydrate-pending-to-hot"), (), "rehydrate-pending-to-hot"),
        (replace(S, customer_key=True), (), "customer-provided key"),
        (replace(S, metadata={"a-b": "1"}), (), "C# identifier"),
    ],
)
def test_exclusion(item: ListedObject, patterns: tuple[str, ...], word: str) -> None:
    """Breaks when an object that cannot be copied is tried, or one that can is left out."""
    found = exclusion(item, patterns)
    assert (word in found) if word else found == ""


def test_a_change_is_named_after_its_first_part() -> None:
    """Breaks when an update of several parts is named after a lesser one."""
    assert change_of((Part.METADATA, Part.TAGS)) is Change.METADATA
    assert change_of(()) is Change.SAME
    assert Decision(Action.KEEP, Change.SAME).parts == ()
