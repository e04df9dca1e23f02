"""SDK exceptions become what the caller does next, and nothing secret comes along."""

from __future__ import annotations

import asyncio
import pickle

import aiohttp
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from hypothesis import given
from hypothesis import strategies as st

from mappings.apiversion import newest_shared
from mappings.clouds import COMMERCIAL, GOVERNMENT
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
from tasks.clients.accounts import part_of, type_in
from tasks.clients.errors import Answer, Sent, object_error, object_errors, translated
from tasks.clients.graph import seconds_in
from tasks.clients.management import permitted
from tasks.clients.redact import clean
from tasks.clients.session import HostGuard
from tasks.clients.signin import sign_in_refused

PLAIN = Sent()
READ = Sent(source_condition=True)
PULL = Sent(copy_source=True, source_condition=True)
PULL_OVER = Sent(copy_source=True, source_condition=True, target_condition=True)
WRITE = Sent(target_condition=True)


def copied_from(status: str, code: str = "") -> dict[str, str]:
    return {"x-ms-copy-source-status-code": status, "x-ms-copy-source-error-code": code}


@pytest.mark.parametrize(
    ("said", "sent", "kind"),
    [
        (Answer(412, "ConditionNotMet"), READ, ReplanObject),
        (Answer(412, "ConditionNotMet"), WRITE, CompareTarget),
        (Answer(412, "SourceConditionNotMet"), PULL, ReplanObject),
        (Answer(412, "CannotVerifyCopySource"), PULL, ReplanObject),
        (Answer(412, "ConditionNotMet"), PULL_OVER, ReplanObject),
        (Answer(412, "TargetConditionNotMet"), PULL_OVER, CompareTarget),
        (Answer(412, "AppendPositionConditionNotMet"), PULL_OVER, CompareTarget),
        (Answer(409, "BlobAlreadyExists"), WRITE, CompareTarget),
        (Answer(409, "BlobAlreadyExists"), PULL_OVER, CompareTarget),
        (Answer(403, "CannotVerifyCopySource"), PULL, SwitchRoute),
        (Answer(404, "CannotVerifyCopySource"), PULL, SwitchRoute),
        (Answer(501, "APINotImplemented"), PULL, SwitchRoute),
        (Answer(501, "APINotImplemented"), WRITE, SlowDown),
        (Answer(404, "CannotVerifyCopySource", headers=copied_from("404", "BlobNotFound")), PULL, ObjectGone),
        (Answer(412, "CannotVerifyCopySource", headers=copied_from("412")), PULL, ReplanObject),
        (Answer(503, "CannotVerifyCopySource", headers=copied_from("503")), PULL, SlowDown),
        (Answer(409, "CannotVerifyCopySource", headers=copied_from("409", "BlobArchived")), PULL, ObjectRefused),
        (Answer(401, "NoAuthenticationInformation"), PULL, SwitchRoute),
        (Answer(403, "AuthorizationPermissionMismatch"), PULL, ObjectRefused),
        (Answer(404, "BlobNotFound"), READ, ObjectGone),
        (Answer(404, "ContainerNotFound"), PLAIN, ObjectGone),
        (Answer(429), PLAIN, SlowDown),
        (Answer(503, "ServerBusy"), PLAIN, SlowDown),
        (Answer(500, "OperationTimedOut"), PULL, SlowDown),
        (Answer(409, "ContainerBeingDeleted"), PLAIN, SlowDown),
        (Answer(409, "BlobArchived"), READ, ObjectRefused),
        (Answer(412, "LeaseIdMissing"), WRITE, ObjectRefused),
        (Answer(400, "InvalidBlobOrBlock"), PLAIN, ObjectRefused),
        (Answer(400, "Md5Mismatch"), PLAIN, Corrupted),
        (Answer(400, "Crc64Mismatch"), PULL, Corrupted),
    ],
)
def test_an_answer_decides_what_happens_next(said: Answer, sent: Sent, kind: type[ObjectError]) -> None:
    error = object_error(said, "copy photos/a.jpg", sent)
    assert type(error) is kind
    assert (error.code, error.status) == (said.code, said.status)


@given(st.integers(400, 599), st.sampled_from(["", "ServerBusy", "Whatever"]), st.booleans(), st.booleans())
def test_every_failure_has_a_kind(status: int, code: str, copy_source: bool, condition: bool) -> None:
    error = object_error(Answer(status, code), "x", Sent(copy_source, condition, condition))
    assert type(error) is not ObjectError
    waits = (status >= 500 or status in (408, 429) or code == "ServerBusy") and not (status == 501 and copy_source)
    assert not waits or isinstance(error, SlowDown)


def test_retry_after_is_handed_on() -> None:
    error = object_error(Answer(503, "ServerBusy", headers={"retry-after": "7"}), "x", PLAIN)
    assert isinstance(error, SlowDown) and error.retry_after == 7.0


@pytest.mark.parametrize(
    "wrong",
    [
        ServiceRequestError("refused"),
        ServiceResponseError("reset by peer"),
        IncompleteReadError("short", response=None),
        TimeoutError(),
        ConnectionResetError("reset"),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError("short"),
    ],
)
def test_no_answer_is_a_reason_to_slow_down(wrong: Exception) -> None:
    with pytest.raises(SlowDown) as caught, object_errors("read a"):
        raise wrong
    assert caught.value.status == 0


def test_what_is_not_the_service_s_passes_through() -> None:
    with pytest.raises(KeyError), object_errors("read a"):
        raise KeyError("x")
    with pytest.raises(ReplanObject, match="mine"), object_errors("read a"):
        raise ReplanObject("mine")
    with pytest.raises(AskForApproval), object_errors("read a"):
        COMMERCIAL.require("x.blob.core.usgovcloudapi.net")


async def test_it_works_around_awaits_and_lets_cancellation_through() -> None:
    async def slow() -> None:
        with object_errors("read a"), translated("list", cloud=COMMERCIAL):
            await asyncio.sleep(30)

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_expired_secret_in_mid_copy_ends_the_run() -> None:
    with pytest.raises(GrantAccess) as caught, object_errors("read a", cloud=COMMERCIAL):
        raise ClientAuthenticationError("Authentication failed: AADSTS7000222: The provided keys are expired.")
    assert caught.value.code == "AADSTS7000222"


def failed(status: int, code: str, message: str = "no", headers: dict[str, str] | None = None) -> HttpResponseError:
    class Response:
        status_code = status
        reason = "x"

        def __init__(self) -> None:
            self.headers = headers or {}

        def text(self) -> str:
            return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'

    return HttpResponseError(response=Response())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (failed(403, "AuthorizationFailed"), GrantAccess),
        (failed(401, "InvalidAuthenticationToken"), GrantAccess),
        (failed(404, "SubscriptionNotFound"), GrantAccess),
        (failed(403, "RequestDisallowedByPolicy"), AskForApproval),
        (failed(409, "ScopeLocked"), AskForApproval),
        (failed(429, "TooManyRequests"), TryLater),
        (failed(503, "ServerBusy"), TryLater),
        (failed(400, "NoRegisteredProviderFound"), FixTheInput),
        (failed(409, "MissingSubscriptionRegistration"), GrantAccess),
        (ServiceRequestError("no route"), TryLater),
    ],
)
def test_control_plane_errors_end_the_command_with_a_next_step(wrong: Exception, kind: type[GovliftError]) -> None:
    with pytest.raises(kind) as caught, translated("list the resources", cloud=GOVERNMENT):
        raise wrong
    assert "AzureUSGovernment did not list the resources" in caught.value.sentence
    assert caught.value.next_step
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.code, again.status, again.exit_code) == (caught.value.code, caught.value.status, kind.exit_code)


def test_the_missing_role_is_named() -> None:
    action = "Microsoft.Resources/subscriptions/resources/read"
    message = f"The client 'x' does not have authorization to perform action '{action}'."
    with pytest.raises(GrantAccess) as caught, translated("list", cloud=COMMERCIAL):
        raise failed(403, "AuthorizationFailed", message)
    assert f"Reader (for {action})" in caught.value.next_step


SECRETS = [
    "https://a.blob.core.windows.net/c/b?sv=2024&sig=abc%2Bdef%3D&se=2030 failed",
    "GET https://a.blob.core.windows.net/c?SharedAccess=abc%2Bdef%3D",
    "sig=abc%2Bdef%3D",
    "AccountName=x;AccountKey=abc%2Bdef%3D;",
    "client_secret=abc%2Bdef%3D&scope=x",
    "Authorization: Bearer abc%2Bdef%3D",
    "token eyJabc%2Bdef%3D".replace("%", "0").replace("eyJabc02B", "eyJhbGciOiJSUzI1abc02B") + ".abc.def",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_signature_key_or_token_is_shown(text: str) -> None:
    """Mutation: drop a pattern from redact._SECRETS."""
    with pytest.raises(ObjectError) as caught, object_errors("read c/b"):
        raise ServiceRequestError(text)
    assert "abc" not in caught.value.sentence
    assert "abc" not in clean(text)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_cross_cloud_sign_in_hints() -> None:
    for code in ("700016", "90002", "900439", "50034", "900382"):
        error = sign_in_refused(ClientAuthenticationError(f"AADSTS{code}: no."), COMMERCIAL)
        assert isinstance(error, GrantAccess)
        assert "AzureUSGovernment" in error.next_step
    unknown = sign_in_refused(ClientAuthenticationError("AADSTS123456: Something new."), GOVERNMENT)
    assert "Something new" in unknown.sentence
    assert isinstance(sign_in_refused(ClientAuthenticationError("AADSTS90033: busy"), None), TryLater)


@pytest.mark.parametrize(
    ("method", "url", "may"),
    [
        ("GET", "https://management.azure.com/subscriptions", True),
        ("HEAD", "https://a.blob.core.windows.net/c/b", True),
        ("POST", "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=1", True),
        ("POST", "https://a.blob.core.windows.net/?restype=service&comp=userdelegationkey", True),
        ("POST", "https://management.azure.com/subscriptions/s/providers/Microsoft.Web/register", False),
        ("POST", "https://management.azure.com/subscriptions/s/x/listKeys", False),
        ("POST", "https://a.blob.core.windows.net/?comp=batch", False),
        ("PUT", "https://a.blob.core.windows.net/c/b?comp=userdelegationkey", False),
        ("DELETE", "https://a.blob.core.windows.net/c/b", False),
        ("PATCH", "https://management.azure.com/x", False),
    ],
)
def test_a_source_client_can_only_read(method: str, url: str, may: bool) -> None:
    guard = HostGuard(COMMERCIAL, reads_only=True)
    if may:
        guard.check(method, url)
    else:
        with pytest.raises(AskForApproval, match="would write to the source"):
            guard.check(method, url)


def test_no_client_registers_a_provider_by_itself() -> None:
    with pytest.raises(GrantAccess, match=r"Microsoft\.Storage is not registered"):
        HostGuard(GOVERNMENT, reads_only=False).check(
            "POST", "https://management.usgovcloudapi.net/subscriptions/s/providers/Microsoft.Storage/register"
        )


def test_versions_meet_in_the_range() -> None:
    offered = ["2026-09-01", "2025-06-01-preview", "2025-06-01", "2020-08-01"]
    assert newest_shared(offered, oldest="2021-01-01", newest="2026-06-01") == "2025-06-01"
    assert newest_shared(offered) == "2026-09-01"
    assert newest_shared(["2020-08-01"], oldest="2021-01-01") == ""


def test_permissions_know_wildcards_and_exceptions() -> None:
    contributor = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"], "dataActions": []}
    writer = {"actions": [], "dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"]}
    assert permitted([contributor], "Microsoft.Storage/storageAccounts/write")
    assert not permitted([contributor], "Microsoft.Authorization/roleAssignments/write")
    action = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
    assert not permitted([contributor], action, data=True)
    assert permitted([contributor, writer], action, data=True)
    assert not permitted([], "x/read")


def test_ids_are_read_without_regard_to_case() -> None:
    identifier = "/subscriptions/S1/resourcegroups/Rg/providers/Microsoft.Sql/servers/a/databases/b"
    assert type_in(identifier) == "Microsoft.Sql/servers/databases"
    assert (part_of(identifier, "subscriptions"), part_of(identifier, "resourcegroups")) == ("S1", "Rg")
    assert part_of("/subscriptions", "subscriptions") == ""


def test_quota_spans() -> None:
    assert seconds_in("00:01:05") == 65.0
    assert seconds_in("soon") == 5.0
