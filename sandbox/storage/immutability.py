"""Writes that a policy forbids: time-based retention and legal holds of containers, and of single versions.

Learn, "Time-based retention policies for immutable blob data" and "Legal holds for immutable blob data": under a policy
blobs can be created and read, not changed, overwritten or deleted; retention counts from the blob's creation; appends
pass where the policy allows protected append writes. With version-level immutability an overwrite makes a new version
and is allowed. REST: error codes (`BlobImmutableDueToPolicy`).
"""

from __future__ import annotations

from sandbox.storage.call import Call
from sandbox.storage.errors import AzureError
from sandbox.storage.model import Blob, Container

_DAY = 86400.0


def held(container: Container, blob: Blob, now: float) -> bool:
    """Whether `blob` may not be changed or deleted now."""
    policy = container.immutability
    by_policy = policy is not None and now < blob.created + policy.days * _DAY
    return by_policy or bool(container.legal_holds) or blob.legal_hold or now < blob.immutable_until


def allow_overwrite(call: Call, blob: Blob, *, appends: bool = False) -> None:
    """Raise 409 BlobImmutableDueToPolicy where a policy forbids the write."""
    container = call.container
    if not held(container, blob, call.now):
        return
    policy = container.immutability
    if appends and not blob.legal_hold:
        by_policy = policy is None or policy.allow_appends or policy.allow_all_appends
        if by_policy and (not container.legal_holds or container.holds_allow_appends):
            return
    if container.version_level_immutability and call.account.versioning:
        return
    raise AzureError("BlobImmutableDueToPolicy")
