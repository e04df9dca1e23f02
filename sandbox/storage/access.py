"""Who may do what: from the credentials of a request to its `Grant`, or to the refusal.

REST: "Authorize requests to Azure Storage", "Authorize with Azure Active Directory" (bearer challenge: 401 with
WWW-Authenticate for version 2019-12-12 and later; tokens need 2017-11-09 or later; accounts of the classic deployment
model take none), "Manage anonymous read access" (409 PublicAccessNotPermitted), "Prevent Shared Key authorization"
(403 KeyBasedAuthenticationNotPermitted).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.storage.backend import Claims, TokenRefused, VerifyBearer
from sandbox.storage.call import Call
from sandbox.storage.errors import AzureError
from sandbox.storage.grants import Grant, GrantKind
from sandbox.storage.sas import check_sas
from sandbox.storage.shared_key import check_shared_key
from sandbox.storage.stamps import parse_http_date

if TYPE_CHECKING:
    from sandbox.storage.operations import Operation

_CHALLENGED_SINCE = "2019-12-12"
_TOKENS_SINCE = "2017-11-09"
_CACHED_TOKENS = 256


class Gate:
    """Checks credentials for one service. Verified tokens are remembered until they expire."""

    def __init__(self, verify_bearer: VerifyBearer, authorization_uri: str) -> None:
        self._verify = verify_bearer
        self._challenge = {
            "WWW-Authenticate": f"Bearer authorization_uri={authorization_uri} resource_id=https://storage.azure.com"
        }
        self._known: dict[str, tuple[float, Claims]] = {}

    def admit(self, call: Call, operation: Operation, authorization: str) -> Grant:
        """The grant of `call` for `operation`.

        Raises:
            AzureError: 401, 403, 404 or 409 as the service refuses.
        """
        grant = self._identify(call, operation, authorization)
        if grant.sas:
            _check_scope(grant, operation)
        return grant

    def _identify(self, call: Call, operation: Operation, authorization: str) -> Grant:
        scheme, _, rest = authorization.partition(" ")
        match scheme.lower():
            case "bearer":
                return self._bearer(call, authorization)
            case "sharedkey":
                self._refuse_keys(call)
                if not call.header("x-ms-version"):
                    raise AzureError("AuthenticationFailed")
                dated = parse_http_date(call.header("x-ms-date") or call.header("date"))
                check_shared_key(call, rest, dated)
                return Grant(GrantKind.KEY)
            case "":
                if "sig" not in call.query:
                    return self._anonymous(call, operation)
                if "skoid" not in call.query:
                    self._refuse_keys(call)
                return check_sas(call)
            case _:
                raise AzureError("InvalidAuthenticationInfo")

    def _refuse_keys(self, call: Call) -> None:
        if not call.account.allow_shared_key:
            raise AzureError("KeyBasedAuthenticationNotPermitted")

    def _bearer(self, call: Call, authorization: str) -> Grant:
        if call.account.classic:
            raise AzureError(
                "AuthenticationFailed",
                details={"AuthenticationErrorDetail": "Entra authorization is for Resource Manager accounts only."},
            )
        if call.version < _TOKENS_SINCE or not call.secure:
            raise AzureError(
                "AuthenticationFailed",
                details={"AuthenticationErrorDetail": "Authentication scheme Bearer is not supported in this version."},
            )
        known = self._known.get(authorization)
        if known is None or known[0] <= call.now:
            known = self._verified(authorization)
        return Grant(GrantKind.BEARER, claims=known[1])

    def _verified(self, authorization: str) -> tuple[float, Claims]:
        try:
            claims = self._verify(authorization)
        except TokenRefused as refusal:
            self._known.pop(authorization, None)
            raise AzureError(
                "InvalidAuthenticationInfo",
                status=401,
                message="Server failed to authenticate the request. Please refer to the information in the "
                "www-authenticate header.",
                headers=self._challenge,
                details={"AuthenticationErrorDetail": str(refusal)},
            ) from refusal
        if len(self._known) >= _CACHED_TOKENS:
            self._known.clear()
        known = (float(claims.get("exp", 0.0)), claims)
        self._known[authorization] = known
        return known

    def _anonymous(self, call: Call, operation: Operation) -> Grant:
        container = call.account.containers.get(call.container_name)
        level = container.public_access if container is not None else ""
        wanted = operation.public
        if call.account.allow_public_access and level and wanted and (wanted == "blob" or level == "container"):
            return Grant(GrantKind.ANONYMOUS)
        if call.header("x-ms-version") >= _CHALLENGED_SINCE:
            raise AzureError("NoAuthenticationInformation", headers=self._challenge)
        if not call.account.allow_public_access:
            raise AzureError("PublicAccessNotPermitted")
        raise AzureError("ResourceNotFound")


def _check_scope(grant: Grant, operation: Operation) -> None:
    """Whether a SAS reaches the operation at all, and with one of the permissions that it needs."""
    if grant.kind is GrantKind.ACCOUNT_SAS:
        if not operation.account_sas:
            raise AzureError("AuthorizationFailure")
        if not any(level in grant.resource_types for level in operation.resource_types):
            raise AzureError("AuthorizationResourceTypeMismatch")
        letters = operation.account_sas
    else:
        if not operation.service_sas:
            raise AzureError("AuthorizationPermissionMismatch")
        if grant.resource != "c" and operation.resource_types == "c":
            raise AzureError("AuthorizationResourceTypeMismatch")
        letters = operation.service_sas
    if not grant.may(letters):
        raise AzureError("AuthorizationPermissionMismatch")
