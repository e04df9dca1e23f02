"""What a refused sign-in means, by Entra's AADSTS code, and what to do about it.

Source: "Microsoft Entra authentication and authorization error codes" (learn.microsoft.com/entra/identity-platform/
reference-error-codes); the national-cloud codes: "Azure Government Entra authority endpoint update" (Azure Government
blog, 2020). Entra may reword a code at any time, so an unknown one is passed on in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from azure.core.exceptions import AzureError, ClientAuthenticationError

from mappings.clouds import CLOUDS, Cloud
from mappings.errors import GovliftError, GrantAccess, TryLater
from tasks.clients.redact import clean

_OTHER = (
    "Each cloud has tenants and app registrations of its own: check that this side's cloud, tenant_id and client_id "
    "belong together; the ones at hand may be those of {other}."
)
_CODES: Mapping[str, tuple[str, str]] = {
    "7000215": (
        "the client secret is wrong",
        "Put the secret's value (not its id) into the variable that secret_env names.",
    ),
    "7000222": ("the client secret has expired", "Make a new secret for the app registration and set the variable."),
    "700027": (
        "the certificate is not the one registered, or has expired",
        "Upload its public part to the app registration.",
    ),
    "700016": ("the tenant has no app registration with this client_id", _OTHER),
    "7000112": ("the app registration is disabled", "Ask the tenant's administrator to enable its service principal."),
    "90002": ("the authority knows no tenant with this id", _OTHER),
    "900023": ("the tenant_id is not a tenant of this authority", _OTHER),
    "900382": ("a confidential client of another cloud is not taken here", _OTHER),
    "900439": ("an app of a US Government tenant signed in at the public authority", _OTHER),
    "90038": ("the tenant belongs to another national cloud", _OTHER),
    "50034": ("the account does not exist in this tenant", _OTHER),
    "50020": ("the user is of another identity provider and not a guest of this tenant", _OTHER),
    "500011": ("the resource that was asked for does not exist in this tenant", _OTHER),
    "700024": (
        "the signed assertion is not valid at this time",
        "Set this machine's clock (NTP) and sign in again.",
    ),
    "53003": ("a Conditional Access policy blocks the sign-in", "Ask the tenant's administrator for an exception."),
    "65001": ("consent for the app is missing", "Ask the tenant's administrator to consent to the app."),
    "50076": ("multi-factor sign-in is required", "Sign in anew with az login, or use a service principal."),
    "50173": ("the sign-in was revoked", "Sign in anew with az login."),
}
_TRANSIENT = frozenset({"90033", "90006", "50196", "90055", "901001"})


def sign_in_refused(wrong: BaseException, cloud: Cloud | None) -> GovliftError:
    """The error for a credential that gave no token: `GrantAccess`, or `TryLater` where nobody answered."""
    where = cloud.authority if cloud else "the Entra authority"
    text = " ".join(str(wrong).split())
    found = re.search(r"AADSTS(\d+)", text)
    code = found.group(1) if found else ("90002" if "authority configuration" in text else "")
    error = _unreachable(wrong, text, where) or _refused(code, text, where, cloud)
    error.code = f"AADSTS{code}" if code else error.code or type(wrong).__name__
    return error


def _unreachable(wrong: BaseException, text: str, where: str) -> GovliftError | None:
    cause = wrong.__cause__
    silent = isinstance(cause, (AzureError, OSError)) and not isinstance(cause, ClientAuthenticationError)
    if not silent:
        return None
    certificate = "CERTIFICATE_VERIFY_FAILED" in text
    error = TryLater(
        f"{where} could not be reached: {clean(text.removeprefix('Authentication failed: '))}",
        next_step="Set REQUESTS_CA_BUNDLE and SSL_CERT_FILE to your organisation's CA bundle, then run again."
        if certificate
        else "Check the network and HTTPS_PROXY, then run again.",
    )
    error.code = "NoAnswer"
    return error


def _refused(code: str, text: str, where: str, cloud: Cloud | None) -> GovliftError:
    if code in _TRANSIENT:
        return TryLater(f"{where} is busy (AADSTS{code}).", next_step="Run again in a minute.")
    what, step = _CODES.get(code, ("", "Look the code up in the list of Entra error codes, and correct what it names."))
    said = f"{what} (AADSTS{code})" if what else clean(text.removeprefix("Authentication failed: "))
    return GrantAccess(
        f"{where} refused the sign-in: {said}".rstrip(".") + ".",
        next_step=step.format(other=_other(cloud)) if code or "az login" not in text else "Sign in with az login.",
    )


def _other(cloud: Cloud | None) -> str:
    return " or ".join(name for name in CLOUDS if cloud is None or name != cloud.name)
