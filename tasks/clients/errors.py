"""SDK exceptions, translated once: into `GovliftError` for the control plane, into `ObjectError` for one blob request.

Sources: "Blob service error codes" and "Common REST API error codes" (learn.microsoft.com/rest/api/storageservices),
"Troubleshoot common Azure deployment errors" (learn.microsoft.com/azure/azure-resource-manager), "Put Blob From URL"
(response headers `x-ms-copy-source-status-code` and `x-ms-copy-source-error-code`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from mappings.clouds import Cloud
from mappings.errors import (
    AskForApproval,
    CompareTarget,
    Corrupted,
    FixTheInput,
    GovliftError,
    GrantAccess,
    ObjectError,
    ObjectGone,
    ObjectRefused,
    ReplanObject,
    SlowDown,
    SwitchRoute,
    TryLater,
)
from tasks.clients.redact import clean
from tasks.clients.signin import sign_in_refused


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered, as far as it decides what happens next; `status` 0 where no answer came."""

    status: int
    code: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    policies: tuple[str, ...] = ()
    """Policy assignments that refused, as `"name" (id)`."""

    @property
    def retry_after(self) -> float | None:
        """Seconds asked for by `Retry-After`; None where absent or given as a date."""
        said = self.headers.get("retry-after", "")
        return float(said) if re.fullmatch(r"\d+(\.\d+)?", said) else None


def answer_of(wrong: BaseException) -> Answer:
    """Read status, code, message and headers out of an SDK exception."""
    response: Any = getattr(wrong, "response", None)
    headers = {str(k).lower(): str(v) for k, v in dict(getattr(response, "headers", None) or {}).items()}
    message = clean(str(getattr(wrong, "message", "") or wrong))
    error: Any = getattr(wrong, "error", None)
    if getattr(error, "code", "") in ("BadRequest", "Conflict") and getattr(error, "details", None):
        # Resource Graph and some providers put what matters one level down.
        error = error.details[0]
        message = clean(str(getattr(error, "message", "") or message))
    told = getattr(wrong, "error_code", None) or getattr(error, "code", None) or headers.get("x-ms-error-code", "")
    code = str(getattr(told, "value", told) or "")
    status = int(getattr(wrong, "status_code", None) or getattr(response, "status_code", None) or 0)
    return Answer(status, code, message.removeprefix(f"({code}) "), headers, _policies_in(wrong))


# Of each violation the message has the assignment first, then its definition.
_ASSIGNED = re.compile(r'"policyAssignment":\{"name":"((?:[^"\\]|\\.)*)","id":"([^"]+)"')


def _policies_in(wrong: BaseException) -> tuple[str, ...]:
    """Which policy assignments refused, out of the JSON that the message of the service carries."""
    found = _ASSIGNED.findall(str(getattr(wrong, "message", "")))
    return tuple(dict.fromkeys(clean(f'"{name}" ({place})') for name, place in found))


# --- control plane ----------------------------------------------------------------------------------------------------


@contextmanager
def translated(doing: str, *, cloud: Cloud) -> Iterator[None]:
    """Run a block that calls an SDK; what it raises comes out as a `GovliftError`. May enclose awaits.

    Args:
        doing: what the block does, as the reader would say it: "list the resources of subscription 1111...".
        cloud: the cloud that is asked, for the sentence and for hints about the other one.

    Raises:
        GrantAccess: sign-in refused, 401, 403, or a subscription that this identity does not see.
        TryLater: 408, 429, 5xx, no answer.
        AskForApproval: a policy or lock of the customer refused.
        FixTheInput: anything else the service says about the request itself.
    """
    try:
        yield
    except GovliftError:
        raise
    except (AzureError, TimeoutError, ConnectionError) as wrong:
        raise control_error(wrong, doing, cloud) from None


def control_error(wrong: BaseException, doing: str, cloud: Cloud) -> GovliftError:
    """The `GovliftError` that says what `wrong` means for somebody who was `doing` something in `cloud`."""
    said = answer_of(wrong)
    if isinstance(wrong, ClientAuthenticationError) and said.status == 0:
        return sign_in_refused(wrong, cloud)
    error = _control_kind(said, doing, cloud)
    error.code = said.code or ("NoAnswer" if said.status == 0 else "")
    error.status = said.status
    return error


_POLICY = frozenset(
    {"RequestDisallowedByPolicy", "RequestDisallowedByAzure", "ScopeLocked", "ReadOnlyDisabledSubscription"}
)
_NOT_OFFERED = frozenset(
    {
        "RedundancyConfigurationNotAvailableInRegion",
        "SkuUnavailableInZone",
        "SkuNotAvailable",
        "SkuNotAvailableInRegion",
    }
)
"""What Microsoft.Storage, of several ages, and Microsoft.Compute answer where a region lacks a SKU."""
_UNSEEN = frozenset({"SubscriptionNotFound", "InvalidSubscriptionId", "InvalidAuthenticationTokenTenant"})


def _control_kind(said: Answer, doing: str, cloud: Cloud) -> GovliftError:
    told = f"{said.code}: {said.message}" if said.code and said.code not in said.message else said.message
    sentence = f"{cloud.name} did not {doing}: {told or f'HTTP {said.status}'}".rstrip(".") + "."
    if said.code == "RequestDisallowedByPolicy":
        return _by_policy(said, doing, cloud)
    if said.code in _POLICY:
        return AskForApproval(
            sentence, next_step="Ask whoever owns that policy or lock for an exemption, then run again."
        )
    if said.code in _NOT_OFFERED:
        return AskForApproval(
            sentence,
            next_step="Run `govlift assess`, so that the target is asked anew what it offers, then `govlift plan`, "
            "which takes the nearest redundancy there; or name one yourself in target.account_skus. A new plan has to "
            "be reviewed again.",
        )
    if said.code in _UNSEEN:
        return GrantAccess(sentence, next_step="Check the subscription and tenant ids in migration.toml and that the "
                           "identity has the role Reader there.")  # fmt: skip
    if said.status == 401:
        return GrantAccess(sentence, next_step=f"Check that the credential belongs to {cloud.name} and to this tenant.")
    if said.status == 403:
        return GrantAccess(sentence, next_step=f"Ask for the missing role: {role_for(said.message)}.")
    if said.status in (0, 408, 429) or said.status >= 500:
        wait = f" in {said.retry_after:.0f} s" if said.retry_after else " in some minutes"
        way = "Check the network, HTTPS_PROXY and the CA bundle, then run again" if said.status == 0 else "Run again"
        return TryLater(sentence, next_step=f"{way}{wait if said.status else ''}; nothing done so far is lost.")
    if said.code == "MissingSubscriptionRegistration":
        return GrantAccess(sentence, next_step="Register the resource provider once: az provider register --namespace "
                           "<the namespace named above>.")  # fmt: skip
    return FixTheInput(
        sentence, next_step="Correct what the message names in migration.toml or in the estate, and run again."
    )


def _by_policy(said: Answer, doing: str, cloud: Cloud) -> AskForApproval:
    """A refusal by Azure Policy, with the names of the policies instead of the JSON that the message carries."""
    told = f"denied by policy {', '.join(said.policies)}" if said.policies else said.message or f"HTTP {said.status}"
    return AskForApproval(
        f"{cloud.name} did not {doing}: RequestDisallowedByPolicy: {told}".rstrip(".") + ".",
        next_step="Choose what the policy allows (target.region or target.account_skus in migration.toml), or ask its "
        "owner to exempt the migration's resource groups; then run `govlift assess` and `govlift plan` again.",
    )


def role_for(message: str) -> str:
    """The built-in role that covers the action named in an AuthorizationFailed message."""
    action = re.search(r"perform action '([^']+)'", message)
    verb = action.group(1) if action else ""
    if verb.endswith(("/read", "/resources/action")) or not verb:
        return "Reader" + (f" (for {verb})" if verb else "")
    return f"Contributor on the migration's resource groups (for {verb})"


# --- data plane -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """What the request carried; the same 412 means different things with and without it."""

    copy_source: bool = False
    """`x-ms-copy-source`: the target service reads the source."""
    source_condition: bool = False
    """A condition on the source: `If-Match` on a read of it, or `x-ms-source-if-match`."""
    target_condition: bool = False
    """`If-Match` or `If-None-Match` on the target."""


@contextmanager
def object_errors(
    doing: str,
    *,
    copy_source: bool = False,
    source_condition: bool = False,
    target_condition: bool = False,
    cloud: Cloud | None = None,
) -> Iterator[None]:
    """Run a block of one blob request; what it raises comes out as an `ObjectError`. May enclose awaits.

    Args:
        doing: what the block does, e.g. "read photos/a.jpg of contosodata"; no query string.
        copy_source: the request has `x-ms-copy-source` (Put Blob / Block / Page / Append Block From URL).
        source_condition: it carries a condition on the source: `If-Match` of a read under the pin, or
            `x-ms-source-if-match`. A 412 then is `ReplanObject`, except where its code names the target's condition.
            With conditions on both sides and a code that names neither, the pin wins: replanning also looks at the
            target again, while comparing the target would not notice a changed source.
        target_condition: it carries `If-Match` or `If-None-Match` for the target.
        cloud: for the sentence when not the request but the sign-in failed.

    Raises:
        ObjectError: its subclass by status and `x-ms-error-code`.
        GovliftError: the credential itself is refused (AADSTS...), or the host is of another cloud.
    """
    try:
        yield
    except (GovliftError, ObjectError):
        raise
    except Exception as wrong:
        sent = Sent(copy_source, source_condition, target_condition)
        error = _object_error(wrong, doing, sent, cloud)
        if error is None:
            raise
        raise error from None


def _object_error(wrong: Exception, doing: str, sent: Sent, cloud: Cloud | None) -> Exception | None:
    if isinstance(wrong, ClientAuthenticationError) and answer_of(wrong).status == 0:
        return sign_in_refused(wrong, cloud)
    if isinstance(wrong, HttpResponseError) and not isinstance(wrong, IncompleteReadError):
        return object_error(answer_of(wrong), doing, sent)
    lost = isinstance(wrong, (ServiceRequestError, ServiceResponseError, AzureError, TimeoutError, ConnectionError))
    if lost or type(wrong).__module__.split(".")[0] == "aiohttp":
        return SlowDown(f"No answer to: {doing}: {clean(str(wrong)) or type(wrong).__name__}.", code="NoAnswer")
    return None


def object_error(said: Answer, doing: str, sent: Sent) -> ObjectError:
    """The `ObjectError` for an answer with status >= 400; for callers that speak HTTP without the SDK."""
    told = said.message or f"HTTP {said.status}"
    sentence = clean(f"Could not {doing}: {told}".rstrip(".") + (f" ({said.code})." if said.code else "."))
    if said.status == 501 and sent.copy_source:
        # A service without this From URL operation never will have it; the bytes can still go through the mover.
        return SwitchRoute(sentence, code=said.code, status=said.status)
    if said.status in (408, 429) or said.status >= 500 or said.code in _WAIT:
        return SlowDown(sentence, code=said.code, status=said.status, retry_after=said.retry_after)
    kind = _copy_source_kind(said) if sent.copy_source and _speaks_of_source(said) else _kind(said, sent)
    if kind is SlowDown:
        return SlowDown(sentence, code=said.code, status=said.status, retry_after=said.retry_after)
    if kind is ObjectRefused:
        sentence = f"{sentence} {_REMEDIES.get(said.code, '')}".strip()
    return kind(sentence, code=said.code, status=said.status)


_WAIT = frozenset(
    {"ContainerBeingDeleted", "AccountBeingCreated", "PendingCopyOperation", "OperationTimedOut", "ServerBusy"}
)
_CHECKSUM = frozenset({"Md5Mismatch", "Crc64Mismatch", "SourceMd5Mismatch", "SourceCrc64Mismatch"})
_UNREADABLE = frozenset({
    "CannotVerifyCopySource", "CopyAcrossAccountsNotSupported", "InvalidSourceBlobUrl", "InvalidSourceBlobType",
    "NoAuthenticationInformation", "CopySourceAuthenticationFailed", "UnsupportedSourceBlob", "InvalidSourceBlob",
    "CopySourceNotAccessible", "FeatureNotSupportedForSource",
})  # fmt: skip
_TARGET_CONDITION = frozenset({
    "TargetConditionNotMet", "AppendPositionConditionNotMet", "MaxBlobSizeConditionNotMet",
    "SequenceNumberConditionNotMet",
})  # fmt: skip
_REFUSED = frozenset({
    "BlobArchived", "BlobBeingRehydrated", "BlobImmutableDueToPolicy", "BlobUsesCustomerSpecifiedEncryption",
    "LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost", "LeaseNotPresentWithBlobOperation",
    "SnapshotsPresent", "BlobIsSealed", "BlockCountExceedsLimit", "AccountIsDisabled",
})  # fmt: skip
_REMEDIES: Mapping[str, str] = {
    "BlobArchived": "Rehydrate it to Hot or Cool, or exclude it.",
    "BlobBeingRehydrated": "Run again when the rehydration is done.",
    "BlobImmutableDueToPolicy": "Its immutability policy or legal hold does not allow this write.",
    "BlobUsesCustomerSpecifiedEncryption": "It is under a customer-provided key; hand over the key or exclude it.",
    "LeaseIdMissing": "Somebody holds a lease on it; break the lease or run again later.",
    "AuthorizationPermissionMismatch": "Give the identity Storage Blob Data Reader (source) or Contributor (target).",
    "AuthorizationFailure": "Check the account's firewall and the identity's blob data role.",
    "KeyBasedAuthenticationNotPermitted": "Shared key is off on this account; use an Entra identity.",
}


def _speaks_of_source(said: Answer) -> bool:
    return said.code in _UNREADABLE or "x-ms-copy-source-status-code" in said.headers


def _copy_source_kind(said: Answer) -> type[ObjectError]:
    """The source's own answer decides where the service passes it on; else the target merely could not read it."""
    status = said.headers.get("x-ms-copy-source-status-code", "")
    if said.status == 412 or status in ("412", "304"):
        return ReplanObject
    if status == "404":
        return ObjectGone
    if status in ("408", "429") or status.startswith("5"):
        return SlowDown
    if said.headers.get("x-ms-copy-source-error-code") == "BlobArchived":
        return ObjectRefused
    return SwitchRoute


def _kind(said: Answer, sent: Sent) -> type[ObjectError]:
    if said.code in _CHECKSUM:
        return Corrupted
    if said.code in _REFUSED:
        return ObjectRefused
    if said.status == 404:
        return ObjectGone
    if said.status == 412:
        about_source = said.code == "SourceConditionNotMet" or sent.source_condition
        return ReplanObject if about_source and said.code not in _TARGET_CONDITION else CompareTarget
    if said.status in (304, 409):
        return CompareTarget if said.status == 409 else ReplanObject
    return ObjectRefused
